/* run: a cycle with all that goes with it: its place in the history, what it
 * makes of `status`, who is told, and who waited for it. */
#include "node/engine/private.h"

#include <errno.h>

#include "node/base/log.h"
#include "node/engine/foreign.h"
#include "node/engine/hints.h"
#include "node/engine/plan.h"
#include "node/engine/reconcile_report.h"
#include "node/engine/reuse.h"
#include "node/engine/staging_events.h"

static enum ts_code note_begin(struct engine *engine, enum cycle_kind kind,
                               struct ts_err *err)
{
    int64_t id = 0;
    enum ts_code code =
        local_run_begin(engine->local, cycle_kind_name(kind), &id, err);
    engine_lock(engine);
    engine->snapshot.cycle.running = true;
    engine->snapshot.cycle.id = id;
    engine->snapshot.cycle.kind = kind;
    engine->snapshot.cycle.pass = 0;
    engine->snapshot.cycle.begun = ts_time_now();
    ts_wall_text(engine->snapshot.cycle.started);
    engine_unlock(engine);
    return code;
}

static enum ts_code note_end(struct engine *engine,
                             const struct cycle_outcome *outcome,
                             struct ts_err *err)
{
    engine_lock(engine);
    struct snapshot *s = &engine->snapshot;
    s->cycle.running = false;
    if (outcome->reconciled) {
        s->cycle.kind = CYCLE_RECONCILE; /* also if it began as a first load */
    }
    s->cycle.duration_ms = ts_time_now().ms - s->cycle.begun.ms;
    s->cycle.result = outcome->result;
    s->cycle.did = engine->context.counts;
    snapshot_set_outcome(s, outcome);
    json_t *counts = snapshot_exports(&s->cycle.did);
    json_t *cycle = snapshot_cycle(s);
    struct local_run_end end = {
        .id = s->cycle.id,
        .kind = cycle_kind_name(s->cycle.kind),
        .result = cycle_result_name(outcome->result),
        .duration_ms = s->cycle.duration_ms,
        .counts = counts,
    };
    engine_unlock(engine);

    json_t *reconcile =
        reconcile_report_summary(engine->context.reconcile_report);
    (void) json_object_set(counts, "phases_ms",
                           json_object_get(cycle, "phases_ms"));
    if (reconcile != NULL) {
        (void) json_object_set(counts, "reconcile", reconcile);
    }
    enum ts_code code = local_run_end(engine->local, &end, err);
    if (code == TS_OK) {
        code = foreign_tell(&engine->context, local_events(engine->local), err);
    }
    if (code == TS_OK) {
        code = reuse_tell(&engine->context, local_events(engine->local), err);
    }
    json_t *fields =
        json_pack("{s:I, s:O, s:s, s:O?}", "id", (json_int_t) end.id, "kind",
                  json_object_get(cycle, "kind"), "result", end.result,
                  "exports", counts);
    if (outcome->result != CYCLE_SUCCESS) {
        (void) json_object_set_new(fields, "why",
                                   json_string(outcome->err.text));
    }
    if (code == TS_OK && reconcile != NULL) {
        code = events_append(local_events(engine->local), "reconcile-finished",
                             "daemon", reconcile, err);
    }
    if (code == TS_OK) {
        code = events_append(local_events(engine->local), "cycle-finished",
                             "daemon", fields, err);
    }
    json_decref(reconcile);
    json_decref(fields);
    json_decref(counts);
    json_decref(cycle);
    return code;
}

/* What a follower no longer needs; a bounded part at a time. */
static enum ts_code trim_journal(struct engine *engine, struct ts_err *err)
{
    struct journal *journal = engine->context.state.journal;
    bool more = journal != NULL && !engine->context.state.building;
    enum ts_code code = TS_OK;
    while (code == TS_OK && more && !atomic_load(&engine->context.stopping)) {
        code = journal_trim(journal, &more, err);
    }
    return code;
}

/* A disk that cannot be written to ends the engine (E4). That descriptors have
 * run out, which strangers at the link's port can bring about, does not. */
static bool disk_failed(const struct cycle_outcome *outcome)
{
    const struct ts_err *err = &outcome->err;
    return outcome->result == CYCLE_FAILED &&
           (err->code == TS_E_CORRUPT ||
            (err->code == TS_E_IO && err->sys_errno != EMFILE &&
             err->sys_errno != ENFILE));
}

/* Of the reconcile that was run; new. */
static json_t *report_of(const struct engine *engine)
{
    const json_t *report = engine->context.reconcile_report;
    return report == NULL ? json_null() : json_deep_copy(report);
}

static void answer_waiting(struct engine *engine,
                           const struct cycle_outcome *outcome)
{
    int exit_status = outcome->result == CYCLE_SUCCESS   ? 0
                      : outcome->result == CYCLE_PARTIAL ? outcome->incomplete
                      : outcome->result == CYCLE_HELD
                          ? 3
                          : request_exit_of(outcome->err.code);
    char why[SNAPSHOT_SENTENCE_SIZE];
    engine_lock(engine);
    snapshot_sentence(&engine->snapshot, outcome, why);
    engine_unlock(engine);
    for (size_t i = 0; i < engine->in_cycle_count; i++) {
        engine_lock(engine);
        json_t *result = json_object();
        (void) json_object_set_new(result, "cycle",
                                   snapshot_cycle(&engine->snapshot));
        (void) json_object_set_new(
            result, "exports", snapshot_exports(&engine->snapshot.cycle.did));
        engine_unlock(engine);
        (void) json_object_set_new(result, "plan",
                                   plan_report(&engine->context));
        (void) json_object_set_new(result, "reconcile", report_of(engine));
        request_finish(engine->in_cycle[i], exit_status, result,
                       outcome->result == CYCLE_FAILED ||
                               outcome->result == CYCLE_HELD ||
                               outcome->incomplete
                           ? why
                           : NULL);
    }
    engine->in_cycle_count = 0;
}

/* Whoever only wanted it to begin is told that it has. */
static void answer_begun(struct engine *engine)
{
    struct request *request = engine->to_begin;
    engine->to_begin = NULL;
    if (request == NULL) {
        return;
    }
    engine_lock(engine);
    json_t *cycle = snapshot_cycle(&engine->snapshot);
    engine_unlock(engine);
    request_finish(request, 0, json_pack("{s:o}", "cycle", cycle), NULL);
}

/* What is due becomes what has to be: nothing to go on from, something that
 * was cut off, or a predecessor that left more than it wrote down. */
static enum ts_code settle_kind(struct engine *engine, enum cycle_kind *kind,
                                struct ts_err *err)
{
    struct engine_context *context = &engine->context;
    const struct engine_inheritance *inherited = &context->inherited;
    bool open = false;
    if (*kind != CYCLE_DELTA && *kind != CYCLE_RECONCILE) {
        return TS_OK;
    }
    if (context->state.mv == NULL) {
        *kind = CYCLE_FULL;
        return TS_OK;
    }
    if (*kind == CYCLE_RECONCILE) {
        return TS_OK;
    }
    enum ts_code code = reconcile_report_open(context->state.mv, &open, err);
    if (inherited->reconcile_first ||
        (inherited->read_all && !hints_listed(context))) {
        *kind = CYCLE_RECONCILE;
        context->reconcile_reason = "takeover";
    } else if (open) {
        *kind = CYCLE_RECONCILE;
        context->reconcile_reason = NULL;
    }
    return code;
}

void engine_cycle(struct engine *engine, enum cycle_kind kind,
                  struct cycle_outcome *ret_outcome)
{
    struct ts_err err = { .code = TS_OK };
    struct staging_moment before = staging_moment(&engine->context);
    enum ts_code code = settle_kind(engine, &kind, &err);
    if (code == TS_OK) {
        code = note_begin(engine, kind, &err);
    }
    answer_begun(engine);
    engine->in_a_cycle = true;
    if (code == TS_OK) {
        cycle_run(&engine->context, kind, ret_outcome);
        code = note_end(engine, ret_outcome, &err);
    }
    if (code == TS_OK) {
        code = engine_tell_holds(engine, &err);
    }
    if (code == TS_OK) {
        code = staging_note_change(engine, &before, "daemon", "", &err);
    }
    if (code == TS_OK) {
        code = trim_journal(engine, &err);
    }
    engine->in_a_cycle = false;
    if (code != TS_OK) {
        *ret_outcome =
            (struct cycle_outcome){ .result = CYCLE_FAILED, .err = err };
    }
    /* Whatever waits for an operator: all was read. */
    if ((ret_outcome->result == CYCLE_SUCCESS || ret_outcome->incomplete ||
         ret_outcome->hold == CYCLE_HOLD_STAGED ||
         ret_outcome->hold == CYCLE_HOLD_GUARD) &&
        (kind == CYCLE_FULL || kind == CYCLE_RECONCILE)) {
        engine->full_at = ts_wall_seconds();
    }
    engine_recount(engine);
    ts_log(ret_outcome->result == CYCLE_FAILED ? TS_LOG_ERROR : TS_LOG_INFO,
           "cycle-finished", "id=%lld kind=%s ms=%lld result=%s%s%s",
           (long long) engine->snapshot.cycle.id, cycle_kind_name(kind),
           (long long) engine->snapshot.cycle.duration_ms,
           cycle_result_name(ret_outcome->result),
           ret_outcome->err.code == TS_OK ? "" : " why=",
           ret_outcome->err.code == TS_OK ? "" : ret_outcome->err.text);
    answer_waiting(engine, ret_outcome);
    if (disk_failed(ret_outcome)) {
        engine_lock(engine);
        engine->end = ret_outcome->err;
        engine_unlock(engine);
        atomic_store(&engine->ending, true);
        atomic_store(&engine->context.stopping, true);
    }
}
