#include "node/engine/role.h"

#include <stdio.h>

#include "node/base/failpoint.h"
#include "node/base/log.h"
#include "node/engine/inherit.h"
#include "node/engine/plan.h"
#include "node/engine/staging.h"
#include "node/engine/unique.h"
#include "replication/apply.h"

#define RECOUNT_MS 5000

/* ---- becoming active ------------------------------------------------------
 */

/* What was concluded from rows that others have changed since. */
static void forget(struct engine_context *context)
{
    plan_free(context->plan);
    context->plan = NULL;
    unique_done(context);
    context->contested = (struct engine_contested){ .ids = NULL };
    context->problems_known = true;
    context->appointments_known = true;
    context->holds_known = true;
    context->losses_known = true;
    context->replaced_seen = -1;
    context->losses_swept = -1;
    context->noted_count = 0;
}

/* Who writes the rows to come: after a restart, their tail is his. */
static enum ts_code note_writer(struct engine *engine, int64_t epoch,
                                struct ts_err *err)
{
    char wrote[LOCAL_SETTING_MAX];
    (void) snprintf(wrote, sizeof wrote, "%lld %s", (long long) epoch,
                    local_identity(engine->local)->boot);
    return local_set_setting(engine->local, "wrote", wrote, err);
}

/* The journal goes on in the new epoch, and what the takeover means for the
 * state is durable before anything is decided. */
static enum ts_code lead(struct engine *engine,
                         const struct engine_activation *activation,
                         struct ts_err *err)
{
    struct engine_context *context = &engine->context;
    enum ts_code code =
        local_raise_epoch(engine->local, activation->epoch, err);
    if (code == TS_OK) {
        code = state_lead(&context->state, activation->epoch, err);
    }
    if (code == TS_OK) {
        forget(context);
        code = inherit_take(context, activation, err);
    }
    if (code == TS_OK) {
        code = staging_recall(context, err);
    }
    if (code == TS_OK) {
        code = note_writer(engine, activation->epoch, err);
    }
    TS_FAILPOINT(ACTIVATED);
    return code;
}

enum ts_code role_activate(struct engine *engine,
                           const struct engine_activation *activation,
                           struct ts_err *err)
{
    struct engine_context *context = &engine->context;
    struct state *state = &context->state;
    if (engine->role != ENGINE_STANDBY) {
        return ts_fail(err, TS_E_CONFLICT, 0,
                       "cannot begin to export in epoch %lld: this node still "
                       "does so in epoch %lld",
                       (long long) activation->epoch, (long long) state->epoch);
    }
    if (activation->data_generation > state->generation_seen) {
        state->generation_seen = activation->data_generation;
    }
    state->level = activation->level;
    enum ts_code code = engine_open_target(engine, &activation->principal,
                                           activation->epoch, err);
    if (code == TS_OK) {
        atomic_store(&engine->closed, false);
        code = lead(engine, activation, err);
    }
    if (code != TS_OK) {
        atomic_store(&engine->closed, true);
        engine_close_target(engine);
        return code;
    }
    engine->role = ENGINE_ACTIVE;
    engine->due = ts_time_now();
    engine->full_at = engine_complete_at(engine);
    engine_lock(engine);
    engine->snapshot.epoch = activation->epoch;
    engine_unlock(engine);
    engine_note_position(engine);
    atomic_store(&context->draining, false);
    atomic_store(&context->stopping, false);
    if (atomic_load(&engine->ending)) {
        atomic_store(&context->stopping, true);
    }
    ts_log(TS_LOG_INFO, "activated", "epoch=%lld reconcile_first=%d",
           (long long) activation->epoch, context->inherited.reconcile_first);
    return TS_OK;
}

/* ---- ceasing to be ---------------------------------------------------------
 */

void role_leave(struct engine *engine)
{
    if (engine->role != ENGINE_ACTIVE) {
        return;
    }
    engine_close_target(engine);
    atomic_store(&engine->closed, true);
    engine->role = ENGINE_STANDBY;
    ts_log(TS_LOG_INFO, "deactivated", "epoch=%lld",
           (long long) engine->context.state.epoch);
}

/* ---- following -------------------------------------------------------------
 */

static enum ts_code only_as_standby(const struct engine *engine,
                                    const char *what, struct ts_err *err)
{
    return engine->role == ENGINE_STANDBY
               ? TS_OK
               : ts_fail(err, TS_E_REFUSED, 0,
                         "cannot %s: this node writes its state itself", what);
}

enum ts_code role_apply(struct engine *engine, const struct batch *batch,
                        struct ts_err *err)
{
    struct state *state = &engine->context.state;
    enum ts_code code = only_as_standby(engine, "take over rows", err);
    if (code == TS_OK && state->journal == NULL) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "cannot take over rows: this node has no state yet; a "
                       "snapshot is needed");
    }
    if (code == TS_OK) {
        code = journal_apply(state->journal, batch->items, batch->count, err);
        TS_FAILPOINT(ROWS_APPLIED);
    }
    if (code == TS_OK) {
        state->epoch = journal_position(state->journal).epoch;
        engine_note_position(engine);
    }
    return code;
}

enum ts_code role_install(struct engine *engine, int64_t number, bool keep,
                          struct ts_err *err)
{
    struct state *state = &engine->context.state;
    enum ts_code code = only_as_standby(engine, "install a snapshot", err);
    if (code == TS_OK) {
        code = state_install(state, number, keep, err);
        TS_FAILPOINT(SNAPSHOT_INSTALLED);
    }
    if (state->mv != NULL && code == TS_OK) {
        code = local_raise_generation(engine->local, state->generation, err);
    }
    engine_note_position(engine);
    engine_recount(engine);
    return code;
}

void role_recount(struct engine *engine)
{
    struct ts_time now = ts_time_now();
    if (now.ms - engine->recounted.ms >= RECOUNT_MS) {
        engine->recounted = now;
        engine_recount(engine);
    }
}
