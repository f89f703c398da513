#include <string.h>
#include <sys/random.h>

#include "node/base/log.h"
#include "node/daemon/cluster_private.h"
#include "node/engine/state.h"
#include "node/engine/tail_tables.h"

/* --- what the leader asks for --------------------------------------------- */

static void give_job(struct cluster *c, const struct ship_job *job,
                     struct cluster_refused_job *refused)
{
    enum ts_code code = cluster_ship_give(c->ship, job);
    if (code != TS_OK) {
        *refused = (struct cluster_refused_job){ .code = code,
                                                 .type = job->type,
                                                 .ticket = job->ticket,
                                                 .index = job->index };
        ts_log(TS_LOG_WARNING, "replication-job-refused",
               "type=%d reason=\"%s\"", (int) job->type, ts_code_text(code));
    }
}

static void tell(struct cluster *c, const char *name, const char *text)
{
    ts_log(TS_LOG_INFO, name, "text=\"%s\"", text);
    engine_record(c->engine, name, "daemon", json_pack("{s:s}", "text", text),
                  cluster_store_forget());
}

static void hinted(struct cluster *c, const struct cluster_store_answer *answer,
                   uint64_t number)
{
    (void) number;
    cluster_lead(c, &(struct leader_event){ .type = LEADER_HINTED,
                                            .failed = answer->code != TS_OK });
}

static void give_hints(struct cluster *c, const struct frame_tail *tail)
{
    struct engine_hint hints[FRAME_HINTS_MAX];
    struct engine_done done;
    size_t count =
        tail->count < FRAME_HINTS_MAX ? tail->count : FRAME_HINTS_MAX;
    for (size_t i = 0; i < count; i++) {
        hints[i] = (struct engine_hint){ .kind = (int) tail->hints[i].kind,
                                         .anchor = tail->hints[i].anchor };
    }
    c->tail_hints += count;
    c->refused.hints = !cluster_store_call(c, hinted, 0, &done);
    if (!c->refused.hints) {
        const struct engine_tail given = { hints, count, tail->cut };
        engine_hints(c->engine, &given, done);
    }
}

static void perform_leader(struct cluster *c,
                           const struct leader_action *action)
{
    switch (action->type) {
    case LEADER_SEND:
        cluster_peer_frame(c, &action->frame);
        break;
    case LEADER_JOB:
        give_job(c, &action->job, &c->refused.leader);
        break;
    case LEADER_HINTS:
        give_hints(c, &action->frame.tail);
        break;
    case LEADER_YIELD: // the member hears of that epoch by itself
        break;
    case LEADER_TELL:
        tell(c, action->name, action->text);
        break;
    }
}

/* A learner that has not been given the passwords of now could take over, and
 * read nothing: it gets no vote before. */
static bool lacks_secrets(const struct cluster *c)
{
    struct member_view view;
    if (!cluster_secrets_owes(c->secrets)) {
        return false;
    }
    member_view(c->member, ts_clocks_now(), &view);
    return view.has_value && view.value->learner[0] != 0 && c->peer != NULL &&
           strcmp(view.value->learner, c->peer->name) == 0;
}

/* Whoever waits for the standby's disk may go on; and the member is told with
 * every acknowledgement whether anything is missing there. */
static void note_figures(struct cluster *c, struct ts_time now)
{
    struct leader_figures figures;
    leader_figures(c->leader, now, &figures);
    bool acked = memcmp(&figures.acked, &c->acked, sizeof c->acked) != 0;
    bool equal = c->leads && figures.equal && !lacks_secrets(c);
    if (acked) {
        c->acked = figures.acked;
        c->batch_waits = false;
        cluster_gate_acked(c->gate, &c->acked);
        engine_nudge(c->engine);
    }
    if ((acked || equal != c->equal) && !c->stepping) {
        c->equal = equal;
        cluster_feed(
            c, &(struct member_event){ .kind = MEMBER_EQUAL, .equal = equal });
    }
}

void cluster_lead(struct cluster *c, const struct leader_event *event)
{
    struct ts_time now = ts_time_now();
    leader_step(c->leader, event, now, &c->leader_actions);
    for (size_t i = 0; i < c->leader_actions.count; i++) {
        perform_leader(c, &c->leader_actions.items[i]);
    }
    note_figures(c, now);
}

/* --- what the follower asks for --------------------------------------------
 */

static void applied(struct cluster *c,
                    const struct cluster_store_answer *answer, uint64_t number)
{
    (void) number;
    c->under_way--;
    cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_APPLIED,
                                                .position = answer->position,
                                                .err = &answer->err });
    cluster_moved(c, &answer->position);
}

static void apply(struct cluster *c, struct batch *batch)
{
    struct engine_done done;
    if (!cluster_store_call(c, applied, 0, &done)) {
        batch_free(batch);
        c->refused.apply = true;
        return;
    }
    c->under_way++;
    engine_apply(c->engine, batch, done);
}

static void installed(struct cluster *c,
                      const struct cluster_store_answer *answer,
                      uint64_t number)
{
    (void) number;
    c->under_way--;
    if (answer->code == TS_OK) {
        c->recount.damaged = false;
        c->recount.due =
            ts_time_after(ts_time_now(), cluster_recount_first_ms());
    }
    cluster_selected(c, answer->state_path);
    cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_INSTALLED,
                                                .position = answer->position,
                                                .err = &answer->err });
    cluster_moved(c, &answer->position);
}

static void install(struct cluster *c, const struct follower_action *action)
{
    struct engine_done done;
    if (!cluster_store_call(c, installed, 0, &done)) {
        c->refused.install = true;
        return;
    }
    c->under_way++;
    engine_install(c->engine, action->folder, action->keep, done);
}

static void perform_follower(struct cluster *c,
                             const struct follower_action *action)
{
    switch (action->type) {
    case FOLLOWER_SEND:
        cluster_peer_frame(c, &action->frame);
        break;
    case FOLLOWER_JOB:
        give_job(c, &action->job, &c->refused.follower);
        break;
    case FOLLOWER_APPLY:
        apply(c, action->batch);
        break;
    case FOLLOWER_INSTALL:
        install(c, action);
        break;
    case FOLLOWER_TELL:
        tell(c, action->name, action->text);
        break;
    }
}

void cluster_follow(struct cluster *c, const struct follower_event *event)
{
    follower_step(c->follower, event, ts_time_now(), &c->follower_actions);
    for (size_t i = 0; i < c->follower_actions.count; i++) {
        perform_follower(c, &c->follower_actions.items[i]);
    }
}

void cluster_selected(struct cluster *c, const char *path)
{
    (void) snprintf(c->recount.path, sizeof c->recount.path, "%s", path);
    enum ts_code code = cluster_ship_open(c->ship, path);
    if (code != TS_OK) {
        ts_log(TS_LOG_ERROR, "replication-state-not-opened", "reason=\"%s\"",
               ts_code_text(code));
    }
}

void cluster_on_ship(void *context, const struct ship_result *result)
{
    struct cluster *c = context;
    if (result->type <= SHIP_DROP) {
        cluster_lead(c, &(struct leader_event){ .type = LEADER_RESULT,
                                                .result = result });
    } else {
        cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_RESULT,
                                                    .result = result });
    }
}

/* --- beginning and ending ------------------------------------------------- */

static uint64_t random_number(void)
{
    uint64_t number = 0; // one that repeats only costs a little time
    (void) !getrandom(&number, sizeof number, GRND_NONBLOCK);
    return number;
}

/* A node that takes over, or has, follows nobody (CL3). */
static bool is_to_follow(const struct cluster *c)
{
    return !c->engine_active &&
           (c->role == MEMBER_STARTING || c->role == MEMBER_LEARNER ||
            c->role == MEMBER_STANDBY);
}

/* --- rows that do not add up ----------------------------------------------
 */

static void give_up_damaged(struct cluster *c)
{
    if (c->recount.damaged && c->follows) {
        cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_DAMAGED,
                                                    .err = &c->recount.why });
    }
}

/* As a follower it gets a copy; as the active node it yields to a standby that
 * is fit, by the probe of its state, and gets one then. */
static void on_recounted(void *context,
                         const struct cluster_recount_answer *answer)
{
    struct cluster *c = context;
    struct ts_time now = ts_time_now();
    c->recount.due = ts_time_after(now, cluster_recount_every_ms());
    if (answer->code == TS_OK) {
        ts_wall_text(c->recount.done);
        c->recount.seq = answer->at.seq;
        ts_log(TS_LOG_INFO, "rows-recounted", "seq=%lld rows=%llu ms=%lld",
               (long long) answer->at.seq, (unsigned long long) answer->rows,
               (long long) answer->took_ms);
    } else if (answer->code != TS_E_CORRUPT) {
        c->recount.due = ts_time_after(now, CLUSTER_RECOUNT_AGAIN_MS);
        ts_log(TS_LOG_WARNING, "rows-not-recounted", "reason=\"%s\"",
               answer->err->text);
    } else if (!c->recount.damaged &&
               answer->at.generation == c->position.generation) {
        c->recount.damaged = true;
        c->recount.why = *answer->err;
        ts_log(TS_LOG_ERROR, "rows-damaged", "reason=\"%s\"",
               answer->err->text);
        engine_record(c->engine, "rows-damaged", "daemon",
                      json_pack("{s:s}", "text", answer->err->text),
                      cluster_store_forget());
        give_up_damaged(c);
    }
}

/* What is damaged is not counted again before it was replaced. */
void cluster_recount_tick(struct cluster *c, struct ts_time now)
{
    if (ts_time_reached(now, c->recount.due) && c->recount.path[0] != 0 &&
        !c->recount.damaged &&
        cluster_recount_run(c->recount.counter, c->recount.path)) {
        c->recount.due = TS_NEVER;
    }
}

void cluster_follow_settle(struct cluster *c)
{
    bool wanted = is_to_follow(c);
    if (c->follows && !wanted) {
        c->follows = false;
        cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_END });
    } else if (!c->follows && wanted && c->under_way == 0) {
        struct member_view view;
        member_view(c->member, ts_clocks_now(), &view);
        c->follows = true;
        cluster_follow(c,
                       &(struct follower_event){ .type = FOLLOWER_BEGIN,
                                                 .epoch = (int64_t) view.epoch,
                                                 .nonce = random_number(),
                                                 .position = c->position,
                                                 .wrote = c->wrote });
        if (c->link_up) {
            cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_LINK,
                                                        .up = true });
        }
        give_up_damaged(c);
    }
}

/* --- what was not taken
 * ------------------------------------------------------- */

static bool anything_refused(const struct cluster_refused *refused)
{
    return refused->leader.code != TS_OK || refused->follower.code != TS_OK ||
           refused->hints || refused->apply || refused->install;
}

static void answer_job(struct cluster *c,
                       const struct cluster_refused_job *refused)
{
    if (refused->code == TS_OK) {
        return;
    }
    struct ship_result result = { .type = refused->type,
                                  .ticket = refused->ticket,
                                  .index = refused->index };
    (void) ts_fail(&result.err, refused->code, 0,
                   "could not work on the state's files: %s",
                   ts_code_text(refused->code));
    cluster_on_ship(c, &result);
}

static void answer_refused(struct cluster *c)
{
    const struct cluster_refused refused = c->refused;
    struct ts_err err;
    (void) ts_fail(&err, TS_E_NOMEM, 0,
                   "could not hand work to the store: out of memory");
    c->refused = (struct cluster_refused){ .hints = false };
    answer_job(c, &refused.leader);
    answer_job(c, &refused.follower);
    if (refused.hints) {
        cluster_lead(
            c, &(struct leader_event){ .type = LEADER_HINTED, .failed = true });
    }
    if (refused.apply) {
        cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_APPLIED,
                                                    .position = c->position,
                                                    .err = &err });
    }
    if (refused.install) {
        cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_INSTALLED,
                                                    .position = c->position,
                                                    .err = &err });
    }
}

/* --- time ------------------------------------------------------------------
 */

void cluster_follow_tick(struct cluster *c, struct ts_time now)
{
    if (anything_refused(&c->refused)) {
        answer_refused(c);
    }
    if (ts_time_reached(now, leader_deadline(c->leader))) {
        cluster_lead(c, &(struct leader_event){ .type = LEADER_TICK });
    }
    if (ts_time_reached(now, follower_deadline(c->follower))) {
        cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_TICK });
    }
}

struct ts_time cluster_follow_deadline(const struct cluster *c)
{
    struct ts_time leader = leader_deadline(c->leader);
    struct ts_time follower = follower_deadline(c->follower);
    if (anything_refused(&c->refused)) {
        return ts_time_now();
    }
    return leader.ms < follower.ms ? leader : follower;
}

enum ts_code cluster_follow_start(struct cluster *c, const char *state_path,
                                  struct ts_err *err)
{
    c->leader = leader_new();
    c->follower = follower_new();
    if (c->leader == NULL || c->follower == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start replication");
    }
    c->schema = state_schema();
    c->ship_options = (struct ship_options){
        .directory = c->config->state_directory,
        .tables = state_tables(),
        .schema = &c->schema,
        .tail_tables = tail_tables,
        .tail_table_count = TAIL_TABLE_COUNT,
    };
    const struct cluster_ship_options options = { .ship = &c->ship_options,
                                                  .post = c->post,
                                                  .done = cluster_on_ship,
                                                  .context = c };
    const struct cluster_recount_options counting = {
        .tables = c->ship_options.tables,
        .schema = &c->schema,
        .post = c->post,
        .done = on_recounted,
        .context = c,
    };
    (void) snprintf(c->recount.path, sizeof c->recount.path, "%s", state_path);
    c->recount.due = ts_time_after(ts_time_now(), cluster_recount_first_ms());
    enum ts_code code =
        cluster_recount_new(&counting, &c->recount.counter, err);
    if (code == TS_OK) {
        code = cluster_ship_new(&options, &c->ship, err);
    }
    if (code == TS_OK && cluster_ship_open(c->ship, state_path) != TS_OK) {
        code = ts_fail(err, TS_E_IO, 0, "could not start replication");
    }
    return code;
}
