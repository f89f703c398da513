#include "node/daemon/cluster_handover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/failpoint.h"
#include "node/base/log.h"
#include "node/daemon/cluster_handover_private.h"

#define AGAIN_MS     500
#define REPORTS_MAX  4 /* that wait for the disk */
#define ARENA_HANDED (4 * HANDOVER_ARENA_SIZE)

/* --- small things --------------------------------------------------------- */

void handover_answer(struct control_reply **reply, int status, json_t *result,
                     const char *text)
{
    if (*reply == NULL) {
        json_decref(result);
        return;
    }
    control_reply_finish(*reply, (enum control_exit) status, result, text);
    *reply = NULL;
}

void handover_put(struct cluster_handover *h, enum handover_step step,
                  enum evidence_state state, const char *name, const char *text)
{
    struct evidence_row row = evidence_make(step, state, name, text);
    row.at_ms = ts_wall_ms();
    (void) snprintf(row.node, sizeof row.node, "%.63s",
                    h->c->config->this_node);
    if (!evidence_put(&h->evidence, &row)) {
        ts_log(TS_LOG_WARNING, "handover-evidence-dropped", "step=%s name=%s",
               handover_step_name(step), row.name);
    }
    h->dirty = true;
}

void handover_step_over(struct cluster_handover *h, enum evidence_state state,
                        const char *text)
{
    enum handover_step step = h->step.step;
    handover_put(h, step, state, handover_own_row(&h->field), text);
    h->step.running = false;
    h->step.text[0] = '\0';
    ts_log(state == EVIDENCE_FAILED ? TS_LOG_WARNING : TS_LOG_INFO,
           "handover-step", "id=%s step=%s state=%s text=\"%s\"", h->field.id,
           handover_step_name(step), evidence_state_name(state), text);
    engine_record(h->c->engine, "handover-step", h->field.actor,
                  json_pack("{s:s, s:s, s:s, s:s}", "id", h->field.id, "step",
                            handover_step_name(step), "state",
                            evidence_state_name(state), "text", text),
                  cluster_store_forget());
}

void handover_counts(struct cluster_handover *h, enum handover_step step,
                     const char *name)
{
    struct engine_look look;
    char text[HANDOVER_TEXT_SIZE];
    engine_look(h->c->engine, &look);
    (void) snprintf(text, sizeof text,
                    "source %lld, metaverse %lld, target %lld, ledger %lld, "
                    "pending %lld, held %lld, errors %lld",
                    (long long) look.source, (long long) look.metaverse,
                    (long long) look.target, (long long) look.ledger,
                    (long long) look.pending, (long long) look.held,
                    (long long) look.errors);
    handover_put(h, step, EVIDENCE_NOTED, name, text);
}

struct handover_seen handover_look(struct cluster_handover *h)
{
    struct cluster *c = h->c;
    struct member_view view;
    struct cluster_peer_view link;
    member_view(c->member, ts_clocks_now(), &view);
    cluster_peer_view(c, &link);
    struct handover_seen seen = { .self = c->config->this_node,
                                  .epoch = view.epoch,
                                  .does = handover_does() };
    // A register that is away for a moment delays what is to be written there;
    // the steps go on.
    seen.holds = view.role == MEMBER_ACTIVE && view.has_value &&
                 view.value->epoch == view.epoch && !view.value->released &&
                 strcmp(view.value->holder, seen.self) == 0;
    for (size_t i = 0; view.has_value && i < view.value->voter_count; i++) {
        if (c->peer != NULL &&
            strcmp(view.value->voters[i], c->peer->name) == 0) {
            seen.other = c->peer->name;
        }
    }
    seen.other_up = link.connected && view.peer != NULL;
    return seen;
}

/* --- the register's field ------------------------------------------------- */

static void take_field(struct cluster_handover *h,
                       const struct register_value *value)
{
    struct ts_err err = { .text = "" };
    struct handover_field field;
    bool was_open = h->open;
    memcpy(h->raw, value->handover, value->handover_size);
    h->raw_size = value->handover_size;
    h->open = h->raw_size > 0;
    h->trouble[0] = '\0';
    h->step.running = false;
    h->work = (struct handover_work){ .kind = HANDOVER_WAIT };
    ts_arena_reset(&h->arena);
    if (!h->open) {
        h->known = h->known && !was_open; // what it came to is read anew
        return;
    }
    if (handover_field_unpack(ts_slice(h->raw, h->raw_size), &h->arena, &field,
                              &err) != TS_OK) {
        cluster_say(h->trouble, err.text);
        ts_log(TS_LOG_ERROR, "handover-not-understood", "reason=\"%s\"",
               err.text);
        return;
    }
    if (strcmp(field.id, h->evidence.id) != 0) {
        h->known = false;
    }
    h->field = field;
    ts_log(TS_LOG_INFO, "handover", "id=%s from=%s to=%s step=%s epoch=%llu",
           field.id, field.from, field.to, handover_step_name(field.step),
           (unsigned long long) field.epoch);
}

static void observe(struct cluster_handover *h)
{
    struct member_view view;
    member_view(h->c->member, ts_clocks_now(), &view);
    if (!view.has_value) {
        return;
    }
    const struct register_value *value = view.value;
    if (value->handover_size != h->raw_size ||
        memcmp(value->handover, h->raw, h->raw_size) != 0) {
        take_field(h, value);
    }
}

bool cluster_handover_is_leaving(struct cluster_handover *h, const char *node)
{
    if (h == NULL) {
        return false;
    }
    observe(h);
    return h->open && h->trouble[0] == '\0' && h->field.retire &&
           !h->field.back && h->field.step >= HANDOVER_RESET &&
           strcmp(h->field.from, node) == 0;
}

/* --- evidence ------------------------------------------------------------- */

/* Nothing was kept for this one: whoever kept it was lost with its disk. */
static void begin_anew(struct cluster_handover *h)
{
    h->evidence = (struct handover_evidence){ .started_ms = ts_wall_ms() };
    memcpy(h->evidence.id, h->field.id, sizeof h->evidence.id);
    memcpy(h->evidence.from, h->field.from, sizeof h->evidence.from);
    memcpy(h->evidence.to, h->field.to, sizeof h->evidence.to);
    memcpy(h->evidence.actor, h->field.actor, sizeof h->evidence.actor);
}

static void kept(struct cluster *c, const struct cluster_store_answer *answer,
                 uint64_t number)
{
    struct cluster_handover *h = c->handover;
    struct ts_err err = { .text = "" };
    (void) number;
    h->call = HANDOVER_CALL_NONE;
    h->call_again = ts_time_after(ts_time_now(), AGAIN_MS);
    if (answer->code != TS_OK || h->dirty || h->order.open) {
        h->read_epoch = 0;
        return;
    }
    ts_arena_reset(&h->arena);
    if (answer->kept_size > 0 &&
        handover_evidence_unpack(ts_slice(answer->kept, answer->kept_size),
                                 &h->arena, &h->evidence, &err) != TS_OK) {
        ts_log(TS_LOG_WARNING, "handover-evidence-not-read", "reason=\"%s\"",
               err.text);
        memset(&h->evidence, 0, sizeof h->evidence);
    }
    if (h->open && strcmp(h->evidence.id, h->field.id) != 0) {
        begin_anew(h);
    }
    ts_hash_text(answer->head_hash, h->head);
    h->head_seq = answer->head_seq;
    h->known = true;
}

static void read_kept(struct cluster_handover *h, struct ts_time now)
{
    struct engine_done done;
    if (h->call == HANDOVER_CALL_NONE && ts_time_reached(now, h->call_again) &&
        cluster_store_call(h->c, kept, 0, &done)) {
        h->call = HANDOVER_CALL_KEPT;
        h->read_generation = h->c->position.generation;
        h->read_epoch = h->c->position.epoch;
        engine_handover_kept(h->c->engine, done);
    }
}

/* Of a handover that never stood in the register only the rows tell, and such
 * a crash begins an epoch: its rows may have brought evidence, or dropped it.
 */
static bool is_outdated(const struct cluster_handover *h)
{
    return h->read_generation != h->c->position.generation ||
           h->read_epoch != h->c->position.epoch;
}

static void keep_done(struct cluster *c,
                      const struct cluster_store_answer *answer,
                      uint64_t number)
{
    struct cluster_handover *h = c->handover;
    (void) number;
    h->call = HANDOVER_CALL_NONE;
    if (answer->code != TS_OK) {
        h->dirty = true;
        h->call_again = ts_time_after(ts_time_now(), AGAIN_MS);
        ts_log(TS_LOG_WARNING, "handover-evidence-not-kept", "reason=\"%s\"",
               answer->err.text);
        return;
    }
    TS_FAILPOINT(HANDOVER_EVIDENCE);
    h->kept_at = answer->position;
    h->waits = true;
}

static void keep(struct cluster_handover *h, struct ts_time now)
{
    struct engine_done done;
    struct ts_slice bytes;
    struct ts_err err = { .text = "" };
    if (!ts_time_reached(now, h->call_again)) {
        return;
    }
    ts_arena_reset(&h->arena);
    if (handover_evidence_pack(&h->evidence, &h->arena, &bytes, &err) !=
        TS_OK) {
        h->call_again = ts_time_after(now, AGAIN_MS);
        ts_log(TS_LOG_ERROR, "handover-evidence-not-kept", "reason=\"%s\"",
               err.text);
    } else if (cluster_store_call(h->c, keep_done, 0, &done)) {
        h->call = HANDOVER_CALL_KEEP;
        h->dirty = false;
        engine_handover_keep(h->c->engine, bytes, done);
    }
}

/* Is all that is known durable on both nodes? Else it is made so. */
static bool settled(struct cluster_handover *h, struct ts_time now)
{
    if (h->call != HANDOVER_CALL_NONE) {
        return false;
    }
    if (!h->known) {
        read_kept(h, now);
        return false;
    }
    if (h->dirty) {
        keep(h, now);
        return false;
    }
    if (h->waits) {
        enum engine_ack ack = cluster_gate_ack(h->c->gate, &h->kept_at);
        h->waits = ack != ENGINE_ACK_DURABLE && ack != ENGINE_ACK_UNPROTECTED;
    }
    return !h->waits;
}

/* --- the member ----------------------------------------------------------- */

/* NULL: clear it. */
static void ask_member(struct cluster_handover *h, enum member_command command,
                       const struct handover_field *field)
{
    struct ts_slice bytes = TS_SLICE_NONE;
    struct ts_err err = { .text = "" };
    ts_arena_reset(&h->arena);
    if (field != NULL &&
        handover_field_pack(field, &h->arena, &bytes, &err) != TS_OK) {
        cluster_say(h->trouble, err.text);
        return;
    }
    h->asked = ++h->c->last_id;
    h->asked_failed = false;
    cluster_feed(h->c, &(struct member_event){
                           .kind = MEMBER_COMMAND,
                           .command = { .id = h->asked,
                                        .command = command,
                                        .actor = h->evidence.actor,
                                        .reason = h->evidence.reason[0] == 0
                                                      ? "handover"
                                                      : h->evidence.reason,
                                        .handover = bytes } });
}

static void order_answered(struct cluster_handover *h, int status,
                           const char *text)
{
    h->order.open = false;
    if (status == CONTROL_DONE) {
        observe(h);
        h->known = true; // it was kept before the register was asked
        handover_answer(&h->order.reply, CONTROL_DONE, handover_document(h),
                        NULL);
    } else {
        h->known = h->dirty = false; // as it is kept
        handover_answer(&h->order.reply, status, NULL, text);
    }
}

bool cluster_handover_answered(struct cluster_handover *h, uint64_t id,
                               int status, const char *text)
{
    if (h == NULL || id == 0) {
        return false;
    }
    if (id == h->failover_id) {
        h->failover_id = 0;
        h->failover_over = status == CONTROL_DONE;
        if (status != CONTROL_DONE) {
            handover_answer(&h->failover_reply, status, NULL, text);
        }
        return true;
    }
    if (id != h->asked) {
        return false;
    }
    h->asked = 0;
    h->asked_failed = status != CONTROL_DONE;
    if (h->order.open) {
        order_answered(h, status, text);
    } else if (h->asked_failed) {
        h->ask_again = ts_time_after(ts_time_now(), AGAIN_MS);
        (void) snprintf(h->step.text, sizeof h->step.text, "%.*s",
                        HANDOVER_TEXT_SIZE - 1, text);
    }
    return true;
}

/* --- driving ---------------------------------------------------------------
 */

/* Where the exports are now is not where they were to be. */
static void put_exporter(struct cluster_handover *h)
{
    char text[HANDOVER_TEXT_SIZE];
    const char *self = h->c->config->this_node;
    if (h->work.outcome == HANDOVER_INCOMPLETE &&
        strcmp(self, h->field.to) != 0) {
        (void) snprintf(text, sizeof text,
                        "%s exports: it took over meanwhile; hand over to %s "
                        "again",
                        self, h->field.to);
        handover_put(h, HANDOVER_RETIRE, EVIDENCE_FAILED, "exporter", text);
    }
}

static void end(struct cluster_handover *h)
{
    if (h->evidence.outcome == HANDOVER_OPEN) {
        handover_counts(h, HANDOVER_RETIRE, "counts after");
        put_exporter(h);
        h->evidence.outcome = h->work.outcome;
        h->evidence.ended_ms = ts_wall_ms();
        h->dirty = true;
        return; // kept first, then cleared
    }
    TS_FAILPOINT(HANDOVER_END);
    ask_member(h, MEMBER_COMMAND_HANDOVER, NULL);
}

/* The member was asked to release, and did not: the other node is not fit. */
static void release_refused(struct cluster_handover *h)
{
    char text[HANDOVER_TEXT_SIZE];
    memcpy(text, h->step.text, sizeof text);
    h->asked_failed = false;
    h->step.step = HANDOVER_DRAIN;
    handover_step_over(h, EVIDENCE_FAILED, text);
}

static void perform(struct cluster_handover *h, struct ts_time now)
{
    const struct handover_work *work = &h->work;
    switch (work->kind) {
    case HANDOVER_RUN:
        handover_work_on(h, work->step, now);
        break;
    case HANDOVER_MARK:
        TS_FAILPOINT(HANDOVER_MARK);
        ask_member(h, MEMBER_COMMAND_HANDOVER, &work->next);
        break;
    case HANDOVER_RELEASE:
        if (h->asked_failed) {
            release_refused(h);
        } else {
            TS_FAILPOINT(HANDOVER_RELEASE);
            ask_member(h, MEMBER_COMMAND_FAILOVER, &work->next);
        }
        break;
    case HANDOVER_END:
        end(h);
        break;
    case HANDOVER_WAIT:
        break;
    }
}

static void drive(struct cluster_handover *h, const struct handover_seen *seen,
                  struct ts_time now)
{
    if (h->asked != 0 || !ts_time_reached(now, h->ask_again) ||
        !settled(h, now)) {
        return;
    }
    if (h->order.open) {
        ask_member(h, MEMBER_COMMAND_HANDOVER,
                   h->order.is_clear ? NULL : &h->order.next);
    } else if (h->trouble[0] == '\0') {
        handover_next(&h->field, &h->evidence, seen, &h->work);
        perform(h, now);
    }
}

/* What its driver is about to do, as far as can be seen from here. */
static void look_on(struct cluster_handover *h)
{
    struct member_view view;
    member_view(h->c->member, ts_clocks_now(), &view);
    h->work = (struct handover_work){ .kind = HANDOVER_WAIT };
    if (h->open && h->known && h->trouble[0] == '\0' && view.has_value) {
        const struct handover_seen driver = { .self = view.value->holder,
                                              .holds = !view.value->released,
                                              .epoch = view.value->epoch,
                                              .does = handover_does() };
        handover_next(&h->field, &h->evidence, &driver, &h->work);
    }
}

/* As the other node's: what is shown, and the report when it has ended. */
static void watch(struct cluster_handover *h, struct ts_time now)
{
    if (h->drove) {
        h->drove = h->known = h->dirty = h->waits = false;
        h->step.running = false;
        if (h->order.open) {
            order_answered(h, CONTROL_FAILED,
                           "could not hand over: the lease was lost meanwhile; "
                           "see twinsync handover");
        }
    }
    look_on(h);
    if (h->open || !h->known || is_outdated(h)) {
        read_kept(h, now);
    }
}

void cluster_handover_tick(struct cluster_handover *h, struct ts_time now)
{
    observe(h);
    handover_from_dead_tick(h);
    handover_dry_run_tick(h, now);
    struct handover_seen seen = handover_look(h);
    if (!seen.holds || (!h->open && !h->order.open)) {
        watch(h, now);
    } else {
        h->known = h->known && h->drove;
        h->drove = true;
        drive(h, &seen, now);
    }
    handover_report(h);
    bool busy = h->order.open || h->dry != NULL || (h->open && h->drove);
    h->tick_from =
        ts_time_after(now, busy ? HANDOVER_TICK_MS : HANDOVER_WATCH_MS);
}

struct ts_time cluster_handover_deadline(const struct cluster_handover *h)
{
    return h->tick_from;
}

/* --- life ------------------------------------------------------------------
 */

enum ts_code cluster_handover_new(struct cluster *c,
                                  struct cluster_handover **ret,
                                  struct ts_err *err)
{
    struct cluster_handover *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start the handover");
    }
    h->c = c;
    h->tick_from = h->call_again = h->ask_again = ts_time_now();
    ts_arena_init(&h->arena, ARENA_HANDED);
    enum ts_code code =
        errands_new("handover", REPORTS_MAX, c->post, &h->errands, err);
    if (code != TS_OK) {
        cluster_handover_free(h);
        return code;
    }
    *ret = h;
    return TS_OK;
}

void cluster_handover_close(struct cluster_handover *h)
{
    static const char why[] = "could not go on watching the handover because "
                              "the daemon is stopping; start it and see "
                              "twinsync handover";
    if (h != NULL) {
        h->order.open = false;
        handover_answer(&h->order.reply, CONTROL_FAILED, NULL, why);
        handover_answer(&h->failover_reply, CONTROL_FAILED, NULL, why);
        handover_answer(&h->dry, CONTROL_FAILED, NULL, why);
        errands_stop(h->errands);
        errands_free(h->errands);
        h->errands = NULL;
    }
}

void cluster_handover_free(struct cluster_handover *h)
{
    if (h != NULL) {
        errands_free(h->errands);
        ts_arena_done(&h->arena);
        free(h);
    }
}
