#include "node/engine/inherit.h"

#include "node/engine/doubt.h"
#include "node/engine/hints.h"
#include "node/engine/inherit_rows.h"

#define REST_MS 200 /* between looks at the clock */

static enum ts_code in_transaction(struct engine_context *engine,
                                   enum ts_code (*fn)(struct metaverse *mv,
                                                      struct ts_err *err),
                                   struct ts_err *err)
{
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    code = fn(engine->state.mv, err);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

enum ts_code inherit_settled(struct engine_context *engine, struct ts_err *err)
{
    static const char sql[] =
        "SELECT EXISTS(SELECT 1 FROM setting WHERE name = 'in-flight' AND "
        "length(value) > 0)";
    int64_t some = 0;
    enum ts_code code = TS_OK;
    if (engine->pair != NULL) {
        code = db_query_int(&engine->state.mv->db, sql, &some, err);
    }
    if (code != TS_OK || some == 0) {
        return code;
    }
    return in_transaction(engine, inherit_rows_settled, err);
}

/* ---- taking over ------------------------------------------------------------
 */

enum ts_code inherit_take(struct engine_context *engine,
                          const struct engine_activation *activation,
                          struct ts_err *err)
{
    struct engine_inheritance *inherited = &engine->inherited;
    struct inherit_found found;
    struct ts_time now = ts_time_now();
    int64_t quiet_ms =
        1000 * ((int64_t) engine->config->target.quiesce_seconds + 1);
    hints_forget(engine);
    *inherited = (struct engine_inheritance){
        .batch = engine->state.numbers.batch,
        .since = now,
        .quiet =
            ts_time_after(now, doubt_rest(activation->quiesce_all, quiet_ms)),
    };
    if (engine->state.mv == NULL) {
        return TS_OK; /* all is read before anything is written anyway */
    }
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    /* At once: with the epoch alone, this state would not look behind. */
    code = state_raise(&engine->state, activation->epoch, err);
    if (code == TS_OK) {
        code = inherit_rows_take(engine->state.mv, activation, inherited->batch,
                                 &found, err);
    }
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    /* An earlier holder's reading that never came to its end may not even have
     * begun: since then Q has not passed. */
    bool anything = activation->quiesce_all || found.reconcile_first ||
                    found.hold_deletions;
    inherited->quiet = ts_time_after(now, doubt_rest(anything, quiet_ms));
    inherited->reconcile_first = found.reconcile_first;
    inherited->hold_deletions = found.hold_deletions;
    inherited->read_all = found.read_all;
    return state_commit(&engine->state, err);
}

enum ts_code inherit_rest(struct engine_context *engine,
                          enum engine_phase phase, struct ts_err *err)
{
    while (engine->pair != NULL &&
           !ts_time_reached(ts_time_now(), engine->inherited.quiet)) {
        if (atomic_load(&engine->stopping)) {
            return ts_fail(err, TS_E_CANCELLED, 0,
                           "could not wait until the target is quiet: this "
                           "node has no lease, or is to give it up");
        }
        engine->breathe(engine->owner, phase, 0, 0);
        engine->rest(engine->owner, REST_MS);
    }
    return TS_OK;
}

enum ts_code inherit_hinted(struct engine_context *engine, struct ts_err *err)
{
    engine->inherited.read_all = true;
    return inherit_rows_hinted(engine->state.mv, err);
}

enum ts_code inherit_looked_at(struct engine_context *engine,
                               struct ts_err *err)
{
    enum ts_code code = in_transaction(engine, inherit_rows_looked_at, err);
    if (code == TS_OK) {
        engine->inherited.read_all = false;
    }
    return code;
}

enum ts_code inherit_reconciled(struct engine_context *engine,
                                struct ts_err *err)
{
    struct engine_inheritance *inherited = &engine->inherited;
    if (!inherited->reconcile_first && !inherited->hold_deletions &&
        !inherited->read_all) {
        return TS_OK;
    }
    enum ts_code code = in_transaction(engine, inherit_rows_reconciled, err);
    if (code == TS_OK) {
        inherited->reconcile_first = false;
        inherited->hold_deletions = false;
        inherited->read_all = false;
        hints_forget(engine);
    }
    return code;
}

/* ---- looking up
 * --------------------------------------------------------------
 */

static bool is_quiet(const struct engine_context *engine,
                     const struct intent *intent)
{
    int64_t quiet_s = (int64_t) engine->config->target.quiesce_seconds;
    if (engine->pair != NULL && intent->batch <= engine->inherited.batch) {
        /* Its sender's clock means nothing here. */
        const struct doubt_times times = { .since = engine->inherited.since.ms,
                                           .now = ts_time_now().ms,
                                           .quiet = 1000 * quiet_s };
        return doubt_is_quiet(&times);
    }
    /* The service may have begun with a request in the moment in which its
     * connection ended: when its answer was lost, or when the process that sent
     * it died, which was before this one began. Seconds are cut off, which is
     * why not even one more is enough. */
    const struct doubt_times times = {
        .since = intent->doubt_since > engine->started_at ? intent->doubt_since
                                                          : engine->started_at,
        .now = ts_wall_seconds(),
        .quiet = quiet_s,
    };
    return doubt_is_quiet(&times);
}

enum ts_code inherit_may_look(struct engine_context *engine,
                              const struct intent *intent, bool *ret_quiet,
                              bool *ret_quarantined, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM object_error WHERE kind = ?1 AND anchor = ?2 AND stage "
        "= '" INHERIT_STAGE "'";
    sqlite3_stmt *row = NULL;
    *ret_quiet = doubt_may_look(is_quiet(engine, intent));
    *ret_quarantined = false;
    if (!*ret_quiet || engine->pair == NULL) {
        return TS_OK;
    }
    enum ts_code code = metaverse_row(
        engine->state.mv, sql,
        DB_VALUES(DB_INT(intent->kind), DB_TEXT(intent->anchor)), &row, err);
    if (row != NULL) {
        *ret_quarantined = true;
        db_reset(row);
    }
    return code;
}

enum ts_code inherit_looking(struct engine_context *engine, struct ts_err *err)
{
    if (engine->pair == NULL || engine->inherited.looked) {
        return TS_OK;
    }
    engine->inherited.looked = true;
    return in_transaction(engine, inherit_rows_looking, err);
}

enum ts_code inherit_quarantined(struct engine_context *engine,
                                 int64_t *ret_count, struct ts_err *err)
{
    *ret_count = 0;
    return engine->pair == NULL
               ? TS_OK
               : db_query_int(&engine->state.mv->db,
                              "SELECT count(*) FROM intent WHERE batch > 0 AND "
                              "EXISTS(SELECT 1 FROM object_error e WHERE "
                              "e.kind = intent.kind AND e.anchor = "
                              "intent.anchor AND e.stage = '" INHERIT_STAGE
                              "')",
                              ret_count, err);
}
