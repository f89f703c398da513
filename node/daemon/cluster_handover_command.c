/* What operators ask: begin, go on, abort, a dry run, how it is. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "node/daemon/cluster_handover_private.h"

/* --- beginning --------------------------------------------------------------
 */

static void make_id(char id[static HANDOVER_ID_SIZE])
{
    uint64_t number = 0;
    (void) !getrandom(&number, sizeof number, GRND_NONBLOCK);
    (void) snprintf(id, HANDOVER_ID_SIZE, "%016llx",
                    (unsigned long long) number);
}

static void copy(char *to, size_t room, const char *from)
{
    struct evidence_row row =
        evidence_make(HANDOVER_PREFLIGHT, EVIDENCE_NOTED, "", from);
    (void) snprintf(to, room, "%.*s", (int) room - 1, row.text);
}

/* The evidence of a handover that is about to begin. */
static void open_evidence(struct cluster_handover *h,
                          const struct handover_field *field,
                          const char *reason)
{
    h->evidence = (struct handover_evidence){ .started_ms = ts_wall_ms() };
    memcpy(h->evidence.id, field->id, sizeof h->evidence.id);
    memcpy(h->evidence.from, field->from, sizeof h->evidence.from);
    memcpy(h->evidence.to, field->to, sizeof h->evidence.to);
    memcpy(h->evidence.actor, field->actor, sizeof h->evidence.actor);
    copy(h->evidence.reason, sizeof h->evidence.reason, reason);
    h->known = true;
}

/* Steps that are not part of this one: said at once. */
static void put_left_out(struct cluster_handover *h,
                         const struct handover_field *field)
{
    static const char dead[] = "left out by --from-dead: what the old computer "
                               "had not sent, and may still have under way, is "
                               "not waited for; the full reading finds it";
    if (field->from_dead) {
        handover_put(h, HANDOVER_PREFLIGHT, EVIDENCE_UNTOUCHED, "", dead);
        handover_put(h, HANDOVER_DRAIN, EVIDENCE_UNTOUCHED, "", dead);
        handover_put(h, HANDOVER_TAIL, EVIDENCE_UNTOUCHED, "", dead);
        handover_counts(h, HANDOVER_PREFLIGHT, "counts before");
    }
    if (field->from_dead && !field->retire) {
        handover_put(h, HANDOVER_RESET, EVIDENCE_UNTOUCHED, "",
                     "left out: the old computer stays a member and could not "
                     "be told the new secrets; with --retire they are changed");
    }
    if (!field->retire) {
        handover_put(h, HANDOVER_RETIRE, EVIDENCE_UNTOUCHED, "",
                     "not asked for: the old computer stays as standby");
    }
}

static void give_order(struct cluster_handover *h,
                       const struct handover_wish *wish, const char *reason,
                       struct control_reply *reply)
{
    struct handover_seen seen = handover_look(h);
    struct handover_due *order = &h->order;
    struct handover_field next;
    struct ts_err err = { .text = "" };
    enum handover_verdict verdict =
        handover_order(h->open ? &h->field : NULL, &seen, wish, &next, &err);
    if (verdict == HANDOVER_REFUSE) {
        control_reply_fail(reply, &err);
        return;
    }
    if (order->open || h->dry != NULL || h->trouble[0] != '\0' ||
        (h->open && !h->known)) {
        handover_answer(&reply, CONTROL_FAILED, NULL,
                        h->trouble[0] != '\0'
                            ? h->trouble
                            : "could not hand over: another request is being "
                              "taken; try again in a moment");
        return;
    }
    order->next = next;
    order->open = true;
    order->is_clear = verdict == HANDOVER_CLEAR;
    order->reply = reply;
    h->step.running = false;
    h->work = (struct handover_work){ .kind = HANDOVER_WAIT };
    if (wish->order == HANDOVER_BEGIN) {
        open_evidence(h, &order->next, reason);
        put_left_out(h, &order->next);
    } else if (order->is_clear) {
        handover_counts(h, HANDOVER_RETIRE, "counts after");
        h->evidence.outcome = HANDOVER_ABORTED;
        h->evidence.ended_ms = ts_wall_ms();
    } else {
        handover_forget(&h->evidence, &order->next);
    }
    h->dirty = h->drove = true;
    h->tick_from = ts_time_now();
}

/* --- from the dead
 * ------------------------------------------------------------
 */

/* The lease first: only who holds it writes the field. */
static void take_over_first(struct cluster_handover *h,
                            const struct handover_wish *wish,
                            const char *reason, struct control_reply *reply)
{
    if (h->failover_id != 0 || h->failover_reply != NULL) {
        handover_answer(&reply, CONTROL_FAILED, NULL,
                        "could not hand over: the same is under way already");
        return;
    }
    memcpy(h->failover_id_text, wish->id, sizeof h->failover_id_text);
    copy(h->failover_to, sizeof h->failover_to, wish->to);
    copy(h->failover_actor, sizeof h->failover_actor, wish->actor);
    copy(h->failover_reason, sizeof h->failover_reason, reason);
    h->failover_wish = *wish;
    h->failover_wish.id = h->failover_id_text;
    h->failover_wish.to = h->failover_to;
    h->failover_wish.actor = h->failover_actor;
    h->failover_reply = reply;
    h->failover_id = ++h->c->last_id;
    cluster_feed(h->c, &(struct member_event){
                           .kind = MEMBER_COMMAND,
                           .command = { .id = h->failover_id,
                                        .command = MEMBER_COMMAND_FAILOVER,
                                        .actor = h->failover_actor,
                                        .reason = h->failover_reason } });
}

void handover_from_dead_tick(struct cluster_handover *h)
{
    struct handover_seen seen = handover_look(h);
    if (!h->failover_over || !seen.holds || (h->open && !h->known)) {
        return;
    }
    struct control_reply *reply = h->failover_reply;
    h->failover_over = false;
    h->failover_reply = NULL;
    give_order(h, &h->failover_wish, h->failover_reason, reply);
}

/* --- the dry run -------------------------------------------------------------
 */

static json_t *steps_document(const struct cluster_handover *h)
{
    json_t *steps = json_array();
    unsigned does = handover_does();
    (void) h;
    for (int i = 0; i < HANDOVER_STEPS; i++) {
        const struct handover_row *row = handover_row((enum handover_step) i);
        (void) json_array_append_new(
            steps,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "step",
                      handover_step_name(row->step), "does", row->does, "waits",
                      row->waits, "by", row->by, "evidence", row->evidence,
                      "undo", row->undo, "included", (does >> i & 1U) != 0));
    }
    return steps;
}

void handover_dry_run_tick(struct cluster_handover *h, struct ts_time now)
{
    char text[HANDOVER_TEXT_SIZE];
    if (h->dry == NULL || !handover_preflight_tick(h, now)) {
        return;
    }
    const struct handover_gate *closed = handover_first_closed(&h->asking);
    handover_difference(h, text);
    json_t *result =
        json_pack("{s:b, s:s, s:s, s:o, s:o, s:s}", "would", closed == NULL,
                  "from", h->c->config->this_node, "to", h->asking.peer,
                  "steps", steps_document(h), "gates",
                  handover_gates_document(&h->asking), "difference", text);
    (void) snprintf(
        text, sizeof text, "cannot hand over to %.60s: %.60s: %.120s; %.100s",
        h->asking.peer, closed == NULL ? "" : closed->name,
        closed == NULL ? "" : closed->value, closed == NULL ? "" : closed->fix);
    handover_answer(&h->dry, closed == NULL ? CONTROL_DONE : CONTROL_REFUSED,
                    result, closed == NULL ? NULL : text);
}

static void dry_run(struct cluster_handover *h,
                    const struct handover_wish *wish,
                    struct control_reply *reply)
{
    struct handover_seen seen = handover_look(h);
    struct handover_field field;
    struct ts_err err = { .text = "" };
    if (h->dry != NULL) {
        handover_answer(&reply, CONTROL_FAILED, NULL,
                        "could not try the handover: another dry run is under "
                        "way; try again in a moment");
    } else if (handover_order(h->open ? &h->field : NULL, &seen, wish, &field,
                              &err) == HANDOVER_REFUSE) {
        control_reply_fail(reply, &err);
    } else {
        h->dry = reply;
        handover_preflight_begin(h, wish->to);
        h->tick_from = ts_time_now();
    }
}

/* --- the commands
 * -------------------------------------------------------------
 */

static const char *text_of(const json_t *args, const char *key)
{
    const char *text = json_string_value(json_object_get(args, key));
    return text == NULL ? "" : text;
}

void cluster_handover_command(struct cluster_handover *h, const json_t *args,
                              struct control_reply *reply)
{
    char id[HANDOVER_ID_SIZE];
    const char *order = text_of(args, "order");
    const char *who = text_of(args, "who");
    bool dry = strcmp(order, "dry-run") == 0;
    bool begins = dry || strcmp(order, "begin") == 0;
    make_id(id);
    const struct handover_wish wish = {
        .order = begins                        ? HANDOVER_BEGIN
                 : strcmp(order, "abort") == 0 ? HANDOVER_ABORT
                                               : HANDOVER_RESUME,
        .id = id,
        .to = text_of(args, "to"),
        .actor = who[0] == 0 ? "operator" : who,
        .retire = json_is_true(json_object_get(args, "retire")),
        .from_dead = json_is_true(json_object_get(args, "from_dead")),
    };
    bool known =
        begins || wish.order == HANDOVER_ABORT || strcmp(order, "resume") == 0;
    if (!known || (begins && wish.to[0] == 0)) {
        handover_answer(&reply, CONTROL_USAGE, NULL,
                        "cannot hand over: give --to NODE, --resume or "
                        "--abort");
    } else if (dry) {
        dry_run(h, &wish, reply);
    } else if (begins && wish.from_dead && h->c->role == MEMBER_STANDBY) {
        take_over_first(h, &wish, text_of(args, "reason"), reply);
    } else {
        give_order(h, &wish, text_of(args, "reason"), reply);
    }
}

void cluster_handover_status(struct cluster_handover *h,
                             struct control_reply *reply)
{
    handover_answer(&reply, CONTROL_DONE, handover_document(h), NULL);
}
