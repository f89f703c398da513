#include "node/engine/reconcile.h"

#include "node/engine/contest.h"
#include "node/engine/foreign.h"
#include "node/engine/observe.h"
#include "node/engine/orphan.h"
#include "node/engine/touch.h"
#include "node/metaverse/stranger.h"

struct reconciliation {
    struct engine_context *engine;
    struct ts_arena arena;
    size_t in_transaction;
    bool open;
    struct reconcile_outcome outcome;
};

/* Which target ids were shown: a table in memory, of this connection only. It
 * has row ids, since SQLite tells of no writes to a table without, and those
 * would count as writes to replicated tables that were not captured. */
static enum ts_code shown_reset(struct metaverse *mv, struct ts_err *err)
{
    return db_exec(&mv->db,
                   "CREATE TEMP TABLE IF NOT EXISTS shown(target_id TEXT NOT "
                   "NULL PRIMARY KEY); DELETE FROM temp.shown",
                   err);
}

static enum ts_code shown_add(struct metaverse *mv, struct ts_slice id,
                              struct ts_err *err)
{
    static const char sql[] = "INSERT OR IGNORE INTO temp.shown VALUES(?1)";
    return metaverse_run(mv, sql, DB_VALUES(DB_TEXT(id)), err);
}

static enum ts_code turn_over(struct reconciliation *r, struct ts_err *err)
{
    struct state *state = &r->engine->state;
    enum ts_code code = TS_OK;
    if (r->open && r->in_transaction >= ENGINE_CHUNK) {
        r->open = false;
        code = state_commit(state, err);
    }
    if (code == TS_OK && !r->open) {
        code = state_begin(state, err);
        r->open = code == TS_OK;
        r->in_transaction = 0;
    }
    return code;
}

static enum ts_code believe(struct reconciliation *r,
                            const struct target_object *object,
                            struct ts_err *err)
{
    struct engine_context *engine = r->engine;
    struct target_row row;
    bool known = false;
    bool edited = false;
    enum ts_code code = target_row_by_id(engine->state.mv, object->id,
                                         &r->arena, &row, &known, err);
    if (code != TS_OK) {
        return code;
    }
    if (!known || row.metaverse_id == 0) {
        r->outcome.found += !known;
        return observe_foreign(engine, object, known ? &row : NULL, &r->arena,
                               err);
    }
    code = observe_again(engine, &row, object, &r->arena, &edited, err);
    if (code == TS_OK && edited) {
        r->outcome.edited++;
    }
    int64_t strangers = 0;
    if (code == TS_OK) {
        code = stranger_count_due(engine->state.mv, row.metaverse_id,
                                  &strangers, err);
    }
    return code == TS_OK && (edited || strangers > 0)
               ? touch_one(engine, row.metaverse_id, err)
               : code;
}

static enum ts_code sink(void *context, const struct target_object *object,
                         struct ts_err *err)
{
    struct reconciliation *r = context;
    ts_arena_reset(&r->arena);
    enum ts_code code = turn_over(r, err);
    if (code == TS_OK) {
        code = shown_add(r->engine->state.mv, object->id, err);
    }
    if (code == TS_OK) {
        code = believe(r, object, err);
    }
    r->in_transaction++;
    r->outcome.objects++;
    if (r->outcome.objects % 256 == 0) {
        r->engine->breathe(r->engine->owner, ENGINE_RECONCILE,
                           r->outcome.objects, 0);
        if (code == TS_OK && atomic_load(&r->engine->stopping)) {
            code = ts_fail(err, TS_E_CANCELLED, 0, "the cycle was stopped");
        }
    }
    return code;
}

/* The target has it no more: decide anew, or let others have its place. */
static enum ts_code lose(struct reconciliation *r, struct ts_slice target_id,
                         struct ts_err *err)
{
    struct target_row row;
    bool found = false;
    enum ts_code code = target_row_by_id(r->engine->state.mv, target_id,
                                         &r->arena, &row, &found, err);
    if (code == TS_OK) {
        code = observe_gone(r->engine, target_id, found ? row.metaverse_id : 0,
                            err);
    }
    if (code != TS_OK || !found) {
        return code;
    }
    return row.metaverse_id > 0 ? touch_one(r->engine, row.metaverse_id, err)
                                : contest_stir(r->engine, &row, err);
}

/* The next row after `*last` that was not shown; *ret_more: there was one. */
static enum ts_code drop_unshown(struct reconciliation *r,
                                 struct ts_slice *last, bool *ret_more,
                                 struct ts_err *err)
{
    static const char sql[] =
        "SELECT target_id FROM target_object WHERE target_id > ?1 AND "
        "target_id NOT IN (SELECT target_id FROM temp.shown) "
        "ORDER BY target_id LIMIT 1";
    struct metaverse *mv = r->engine->state.mv;
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_TEXT(*last)), &row, err);
    *ret_more = code == TS_OK && row != NULL;
    if (!*ret_more) {
        return code;
    }
    *last = ts_arena_copy(&r->arena, db_column(row, 0));
    db_reset(row);
    if (last->data == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not work through what the target has lost: out "
                       "of memory");
    }
    r->outcome.gone++;
    return lose(r, *last, err);
}

enum ts_code reconcile_believe(struct engine_context *engine,
                               const struct target_object *object,
                               struct ts_err *err)
{
    struct reconciliation r = { .engine = engine };
    ts_arena_init(&r.arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = believe(&r, object, err);
    ts_arena_done(&r.arena);
    return code;
}

enum ts_code reconcile_lose(struct engine_context *engine,
                            struct ts_slice target_id, struct ts_err *err)
{
    struct reconciliation r = { .engine = engine };
    ts_arena_init(&r.arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = lose(&r, target_id, err);
    ts_arena_done(&r.arena);
    return code;
}

static enum ts_code conclude(struct reconciliation *r, struct ts_err *err)
{
    static const uint8_t yes[1] = { 1 };
    bool more = true;
    struct ts_slice last = TS_SLICE_NONE;
    ts_arena_reset(&r->arena);
    r->in_transaction = ENGINE_CHUNK;
    enum ts_code code = turn_over(r, err);
    while (code == TS_OK && more) {
        code = drop_unshown(r, &last, &more, err);
    }
    if (code == TS_OK) {
        code = metaverse_set_setting(r->engine->state.mv, "target-known",
                                     ts_slice(yes, sizeof yes), err);
    }
    return code == TS_OK ? orphan_due(r->engine, err) : code;
}

enum ts_code reconcile_target(struct engine_context *engine,
                              struct reconcile_outcome *ret_outcome,
                              struct ts_err *err)
{
    struct reconciliation r = { .engine = engine };
    int64_t problems = 0;
    ts_arena_init(&r.arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = shown_reset(engine->state.mv, err);
    if (code == TS_OK) {
        code = foreign_begin(engine, err);
    }
    if (code == TS_OK) {
        code = db_query_int(&engine->state.mv->db,
                            "SELECT EXISTS(SELECT 1 FROM object_error)",
                            &problems, err);
        engine->problems_known = problems != 0;
    }
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        code = exporter_enumerate(engine->exporter, (enum config_kind) kind,
                                  sink, &r, err);
    }
    if (code == TS_OK) {
        code = conclude(&r, err);
    }
    if (code == TS_OK && r.open) {
        code = state_commit(&engine->state, err);
    }
    if (code != TS_OK) {
        state_rollback(&engine->state);
    }
    ts_arena_done(&r.arena);
    *ret_outcome = r.outcome;
    return code;
}

enum ts_code reconcile_known(struct engine_context *engine, bool *ret_known,
                             struct ts_err *err)
{
    uint8_t flag[1] = { 0 };
    size_t size = 0;
    enum ts_code code = metaverse_setting(engine->state.mv, "target-known",
                                          flag, sizeof flag, &size, err);
    *ret_known = code == TS_OK && size == 1 && flag[0] == 1;
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}
