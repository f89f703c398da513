/* What `status` shows of the store, read between cycles. */
#include <stdio.h>

#include "node/engine/private.h"
#include "node/engine/unresolved.h"

#include "node/engine/staging.h"

void engine_recount(struct engine *engine)
{
    static const char *const sql[] = {
        "SELECT count(*) FROM source_object",
        "SELECT count(*) FROM metaverse",
        "SELECT count(*) FROM target_object",
        "SELECT count(*) FROM ledger",
        "SELECT count(*) FROM intent WHERE batch > 0 OR clearance <> 3",
        "SELECT count(*) FROM object_error",
        "SELECT count(*) FROM object_error WHERE stage = 'unique'",
    };
    enum {
        QUERIES = sizeof sql / sizeof sql[0]
    };
    int64_t n[QUERIES] = { 0 };
    struct ts_err ignored;
    struct metaverse *mv = engine->context.state.mv;
    for (size_t i = 0; mv != NULL && i < QUERIES; i++) {
        if (db_query_int(&mv->db, sql[i], &n[i], &ignored) != TS_OK) {
            n[i] = 0;
        }
    }
    struct staging_view staging = { .why = STAGING_NONE };
    if (staging_view(&engine->context, &staging, &ignored) != TS_OK) {
        staging.why = STAGING_NONE;
    }
    struct guard_view guard = { .open = 0 };
    if (guard_view(&engine->context, &guard, &ignored) != TS_OK) {
        guard.open = 0;
    }
    int64_t dangling = unresolved_dangling(&engine->context);
    engine_lock(engine);
    engine->snapshot.staging = staging;
    engine->snapshot.guard = guard;
    engine->snapshot.counts = (struct snapshot_counts){
        .source = n[0],
        .metaverse = n[1],
        .target = n[2],
        .ledger = n[3],
        .pending = n[4],
        .errors = n[5],
        .quarantined = n[6],
    };
    engine->snapshot.dangling = dangling;
    engine_unlock(engine);
    engine_recall_report(engine);
    engine_note_position(engine);
    engine->context.problems_known = n[5] > 0;
}

void engine_note_position(struct engine *engine)
{
    const struct state *state = &engine->context.state;
    struct journal_position at = { .generation = 0 };
    char path[STATE_PATH_SIZE];
    state_path(state, path);
    if (state->journal != NULL) {
        at = journal_position(state->journal);
    }
    engine_lock(engine);
    engine->snapshot.position = at;
    (void) snprintf(engine->state_path, sizeof engine->state_path, "%s", path);
    engine_unlock(engine);
}
