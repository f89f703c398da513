#include "node/engine/reconcile.h"

#include "node/base/log.h"
#include "node/engine/contest.h"
#include "node/engine/foreign.h"
#include "node/engine/observe.h"
#include "node/engine/orphan.h"
#include "node/engine/reconcile_found.h"
#include "node/engine/touch.h"
#include "node/metaverse/stranger.h"

/* A service's pages are numbers in a list that others change meanwhile: that
 * such a reading fails is no fault of the service. */
#define READINGS_MAX 3

struct reconciliation {
    struct engine_context *engine;
    struct ts_arena arena;
    size_t in_transaction;
    bool open;
    struct seen shown; /* row ids of target_object */
    uint64_t known;    /* how many rows that had before */
    bool strangers;    /* somebody else's members are known */
    struct reconcile_outcome outcome;
};

static enum ts_code show(struct reconciliation *r, int64_t rowid,
                         struct ts_err *err)
{
    return seen_add(&r->shown, rowid)
               ? TS_OK
               : ts_fail(err, TS_E_NOMEM, 0,
                         "could not remember what the target has shown");
}

/* The row that an object of the target got. */
static enum ts_code show_new(struct reconciliation *r, struct ts_slice id,
                             struct ts_err *err)
{
    static const char sql[] =
        "SELECT rowid FROM target_object WHERE target_id = ?1";
    sqlite3_stmt *row = NULL;
    int64_t rowid = 0;
    enum ts_code code = metaverse_row(r->engine->state.mv, sql,
                                      DB_VALUES(DB_TEXT(id)), &row, err);
    if (code == TS_OK && row != NULL) {
        rowid = db_column_int(row, 0);
        db_reset(row);
    }
    return code == TS_OK ? show(r, rowid, err) : code;
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

/* Ours: what is not as it was left is compared again. */
static enum ts_code believe_ours(struct reconciliation *r,
                                 const struct target_row *row,
                                 const struct target_object *object,
                                 struct ts_err *err)
{
    struct engine_context *engine = r->engine;
    struct observed observed;
    int64_t strangers = 0;
    enum ts_code code =
        observe_again(engine, row, object, &r->arena, &observed, err);
    if (code == TS_OK && observed.edited) {
        r->outcome.edited++;
        code = reconcile_found_note(engine, RECONCILE_NOTED_EDITED,
                                    row->metaverse_id, err);
    }
    if (code == TS_OK && (r->strangers || observed.links)) {
        code = stranger_count_due(engine->state.mv, row->metaverse_id,
                                  &strangers, err);
    }
    if (code == TS_OK && (observed.links || strangers > 0)) {
        code = reconcile_found_note(engine, RECONCILE_NOTED_MEMBERS,
                                    row->metaverse_id, err);
    }
    return code == TS_OK && (observed.edited || strangers > 0)
               ? touch_one(engine, row->metaverse_id, err)
               : code;
}

static enum ts_code believe(struct reconciliation *r,
                            const struct target_object *object,
                            struct ts_err *err)
{
    struct engine_context *engine = r->engine;
    struct target_row row = { .rowid = 0 };
    bool known = false;
    enum ts_code code = target_row_by_id(engine->state.mv, object->id,
                                         &r->arena, &row, &known, err);
    if (code == TS_OK && known && row.metaverse_id > 0) {
        code = believe_ours(r, &row, object, err);
    } else if (code == TS_OK) {
        r->outcome.found += !known;
        code = observe_foreign(engine, object, known ? &row : NULL, &r->arena,
                               err);
    }
    if (code != TS_OK) {
        return code;
    }
    return known ? show(r, row.rowid, err) : show_new(r, object->id, err);
}

static enum ts_code sink(void *context, const struct target_object *object,
                         struct ts_err *err)
{
    struct reconciliation *r = context;
    ts_arena_reset(&r->arena);
    enum ts_code code = turn_over(r, err);
    if (code == TS_OK) {
        code = believe(r, object, err);
    }
    r->in_transaction++;
    r->outcome.objects++;
    if (r->outcome.objects % 256 == 0) {
        r->engine->breathe(r->engine->owner, ENGINE_RECONCILE,
                           r->outcome.objects, r->known);
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
    if (code == TS_OK && found) {
        code = reconcile_found_note(r->engine, RECONCILE_NOTED_MISSING,
                                    row.metaverse_id, err);
    }
    if (code != TS_OK || !found) {
        return code;
    }
    return row.metaverse_id > 0 ? touch_one(r->engine, row.metaverse_id, err)
                                : contest_stir(r->engine, &row, err);
}

/* Of the rows after *last, which is moved on, one that was not shown; its
 * target id is empty when there is none. */
static enum ts_code next_unshown(struct reconciliation *r, int64_t *last,
                                 struct ts_slice *ret_id, struct ts_err *err)
{
    static const char sql[] = "SELECT rowid, target_id FROM target_object "
                              "WHERE rowid > ?1 ORDER BY rowid";
    struct metaverse *mv = r->engine->state.mv;
    sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        metaverse_query(mv, sql, DB_VALUES(DB_INT(*last)), &stmt, err);
    *ret_id = TS_SLICE_NONE;
    while (ret_id->size == 0 && db_next(&mv->db, stmt, &code, err)) {
        *last = db_column_int(stmt, 0);
        if (!seen_has(&r->shown, *last)) {
            *ret_id = ts_arena_copy(&r->arena, db_column(stmt, 1));
            if (ret_id->data == NULL) {
                code = ts_fail(err, TS_E_LIMIT, 0,
                               "could not work through what the target has "
                               "lost: out of memory");
            }
        }
    }
    db_reset(stmt);
    return code;
}

/* What was not shown is gone. */
static enum ts_code drop_unshown(struct reconciliation *r, struct ts_err *err)
{
    struct ts_slice id = TS_SLICE_NONE;
    int64_t last = 0;
    enum ts_code code = TS_OK;
    do {
        ts_arena_reset(&r->arena);
        code = turn_over(r, err);
        if (code == TS_OK) {
            code = next_unshown(r, &last, &id, err);
        }
        if (code == TS_OK && id.size > 0) {
            r->outcome.gone++;
            r->in_transaction++;
            code = lose(r, id, err);
        }
    } while (code == TS_OK && id.size > 0);
    return code;
}

enum ts_code reconcile_believe(struct engine_context *engine,
                               const struct target_object *object,
                               struct ts_err *err)
{
    struct reconciliation r = { .engine = engine, .strangers = true };
    ts_arena_init(&r.arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = believe(&r, object, err);
    ts_arena_done(&r.arena);
    return code;
}

enum ts_code reconcile_lose(struct engine_context *engine,
                            struct ts_slice target_id, struct ts_err *err)
{
    struct reconciliation r = { .engine = engine, .strangers = true };
    ts_arena_init(&r.arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = lose(&r, target_id, err);
    ts_arena_done(&r.arena);
    return code;
}

static enum ts_code count_known(const struct engine_context *engine,
                                uint64_t *ret_known, struct ts_err *err)
{
    int64_t count = 0;
    enum ts_code code =
        db_query_int(&engine->state.mv->db,
                     "SELECT count(*) FROM target_object", &count, err);
    *ret_known = (uint64_t) count;
    return code;
}

static enum ts_code conclude(struct reconciliation *r, struct ts_err *err)
{
    static const uint8_t yes[1] = { 1 };
    uint64_t there = 0;
    r->in_transaction = ENGINE_CHUNK;
    enum ts_code code = turn_over(r, err);
    if (code == TS_OK) {
        code = count_known(r->engine, &there, err);
    }
    if (code == TS_OK && there != r->shown.count) {
        code = drop_unshown(r, err);
    }
    if (code == TS_OK) {
        code = metaverse_set_setting(r->engine->state.mv, "target-known",
                                     ts_slice(yes, sizeof yes), err);
    }
    return code == TS_OK ? orphan_due(r->engine, err) : code;
}

/* Once through all that the target has. */
static enum ts_code read_once(struct reconciliation *r, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    seen_done(&r->shown);
    r->outcome.objects = 0;
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        code = exporter_enumerate(r->engine->exporter, (enum config_kind) kind,
                                  sink, r, err);
    }
    if (code == TS_OK) {
        code = conclude(r, err);
    }
    if (code == TS_OK && r->open) {
        r->open = false;
        code = state_commit(&r->engine->state, err);
    }
    if (code != TS_OK) {
        r->open = false;
        state_rollback(&r->engine->state);
    }
    return code;
}

enum ts_code reconcile_target(struct engine_context *engine,
                              struct reconcile_outcome *ret_outcome,
                              struct ts_err *err)
{
    struct reconciliation r = { .engine = engine };
    int64_t problems = 0;
    int64_t strangers = 0;
    ts_arena_init(&r.arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = foreign_begin(engine, err);
    if (code == TS_OK) {
        code = db_query_int(&engine->state.mv->db,
                            "SELECT EXISTS(SELECT 1 FROM object_error)",
                            &problems, err);
        engine->problems_known = problems != 0;
    }
    if (code == TS_OK) {
        code = db_query_int(&engine->state.mv->db,
                            "SELECT EXISTS(SELECT 1 FROM stranger)", &strangers,
                            err);
        r.strangers = strangers != 0;
    }
    if (code == TS_OK) {
        code = count_known(engine, &r.known, err);
    }
    for (int i = 1; code == TS_OK && i <= READINGS_MAX; i++) {
        code = read_once(&r, err);
        if (code != TS_E_PROTOCOL || i == READINGS_MAX) {
            break;
        }
        ts_log(TS_LOG_WARNING, "target-read-again", "why=%s", err->text);
        code = TS_OK;
    }
    seen_done(&r.shown);
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
