/* A reconcile that the reactor orders, and its report for whoever asks. */
#include <stdlib.h>

#include "node/engine/private.h"
#include "node/engine/reconcile_report.h"

void engine_reconciled(void *owner, const json_t *report)
{
    struct engine *engine = owner;
    json_t *copy = json_deep_copy(report);
    size_t passes = json_array_size(json_object_get(report, "passes"));
    engine_lock(engine);
    json_t *before = engine->snapshot.reconcile;
    engine->snapshot.reconcile = copy;
    engine->snapshot.cycle.pass = (unsigned) passes + 1;
    engine_unlock(engine);
    json_decref(before);
}

void engine_recall_report(struct engine *engine)
{
    bool follows = engine->role == ENGINE_STANDBY;
    if (engine->recalled && !follows) {
        return;
    }
    engine->recalled = !follows;
    json_t *report = reconcile_report_load(engine->context.state.mv);
    engine_lock(engine);
    json_t *before = engine->snapshot.reconcile;
    engine->snapshot.reconcile = report;
    engine_unlock(engine);
    json_decref(before);
}

json_t *engine_reconcile_report(struct engine *engine)
{
    engine_lock(engine);
    json_t *copy = json_deep_copy(engine->snapshot.reconcile);
    engine_unlock(engine);
    return copy;
}

static enum ts_code run_reconcile(struct engine *engine, struct job *job,
                                  struct ts_err *err)
{
    struct cycle_outcome outcome;
    if (engine->role != ENGINE_ACTIVE && engine->role != ENGINE_ALONE) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot reconcile: this node does not export");
    }
    engine->context.reconcile_reason = "handover";
    engine_cycle(engine, CYCLE_RECONCILE, &outcome);
    if (outcome.result == CYCLE_FAILED) {
        *err = outcome.err;
        return outcome.err.code;
    }
    job_answer(engine, job->done, TS_OK, NULL);
    return TS_OK;
}

void engine_reconcile(struct engine *engine, struct engine_done done)
{
    struct job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        *job = (struct job){ .run = run_reconcile,
                             .needs_idle = true,
                             .answers = true };
    }
    job_post(engine, job, done);
}
