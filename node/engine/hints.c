#include "node/engine/hints.h"

#include <assert.h>

#include "node/base/log.h"
#include "node/engine/exporter.h"
#include "node/engine/foreign.h"
#include "node/engine/inherit.h"
#include "node/engine/reconcile.h"
#include "node/engine/touch.h"
#include "node/metaverse/target_space.h"

#define WAIT_MS 200 /* between looks at whether the cycle is to end */

struct looking {
    struct engine_context *engine;
    struct ts_arena arena;
    bool unknown; /* H3 */
};

/* ---- the list -------------------------------------------------------------
 */

bool hints_listed(const struct engine_context *engine)
{
    return engine->inherited.hinted.listed;
}

void hints_forget(struct engine_context *engine)
{
    struct engine_hinted *hinted = &engine->inherited.hinted;
    ts_arena_done(&hinted->arena);
    *hinted = (struct engine_hinted){ .listed = false };
}

/* To the list, unless it is of no use any more. */
static void remember(struct engine_context *engine,
                     const struct engine_tail *tail)
{
    struct engine_hinted *hinted = &engine->inherited.hinted;
    bool begins = !engine->inherited.read_all;
    if (begins) {
        hints_forget(engine);
        ts_arena_init(&hinted->arena, ENGINE_OBJECT_MEMORY);
        hinted->items = ts_arena_array(&hinted->arena, ENGINE_LOOKS_MAX,
                                       sizeof *hinted->items);
        hinted->listed = hinted->items != NULL;
    }
    hinted->listed = hinted->listed && !tail->cut &&
                     tail->count <= ENGINE_LOOKS_MAX - hinted->count;
    for (size_t i = 0; hinted->listed && i < tail->count; i++) {
        struct ts_slice anchor =
            ts_arena_copy(&hinted->arena, tail->hints[i].anchor);
        hinted->items[hinted->count++] =
            (struct engine_hint){ .kind = tail->hints[i].kind,
                                  .anchor = anchor };
        hinted->listed = anchor.data != NULL;
    }
    if (!hinted->listed) {
        hints_forget(engine);
    }
}

static enum ts_code find_object(struct engine_context *engine,
                                const struct engine_hint *hint, int64_t *ret_id,
                                struct ts_err *err)
{
    static const char sql[] =
        "SELECT id FROM metaverse WHERE kind = ?1 AND anchor = ?2";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        engine->state.mv, sql,
        DB_VALUES(DB_INT(hint->kind), DB_TEXT(hint->anchor)), &row, err);
    *ret_id = 0;
    if (code == TS_OK && row != NULL) {
        *ret_id = db_column_int(row, 0);
        db_reset(row);
    }
    return code;
}

enum ts_code hints_note(struct engine_context *engine,
                        const struct engine_tail *tail, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < tail->count; i++) {
        int64_t id = 0;
        code = find_object(engine, &tail->hints[i], &id, err);
        if (code == TS_OK && id > 0) {
            code = touch_one(engine, id, err);
        }
    }
    if (code == TS_OK) {
        remember(engine, tail);
        code = inherit_hinted(engine, err);
    }
    return code;
}

/* ---- looking ----------------------------------------------------------------
 */

static enum ts_code submit(struct engine_context *engine, enum target_verb verb,
                           const struct engine_hint *hint, struct ts_slice id,
                           struct ts_err *err)
{
    struct export_op *op = export_op_new();
    if (op != NULL) {
        op->observe_only = true;
        op->op.verb = verb;
        op->op.kind = (enum config_kind) hint->kind;
        op->op.anchor = ts_arena_copy(&op->arena, hint->anchor);
        op->op.id = ts_arena_copy(&op->arena, id);
    }
    if (op == NULL || op->op.anchor.data == NULL || op->op.id.data == NULL) {
        export_op_free(op);
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not look at what another node wrote last: out "
                       "of memory");
    }
    exporter_submit(engine->exporter, op);
    return TS_OK;
}

/* By anchor; and by id, which the other node may have given another anchor, or
 * deleted. */
static enum ts_code ask(struct looking *looking, const struct engine_hint *hint,
                        struct ts_err *err)
{
    struct engine_context *engine = looking->engine;
    struct target_row row;
    bool there = false;
    int64_t id = 0;
    ts_arena_reset(&looking->arena);
    enum ts_code code = find_object(engine, hint, &id, err);
    if (code == TS_OK && id > 0) {
        code = target_row_by_metaverse(engine->state.mv, id, &looking->arena,
                                       &row, &there, err);
    }
    if (code == TS_OK) {
        code = submit(engine, TARGET_FIND, hint, ts_slice_str(""), err);
    }
    return code == TS_OK && there
               ? submit(engine, TARGET_READ, hint, row.target_id, err)
               : code;
}

static enum ts_code believe(struct looking *looking, const struct export_op *op,
                            struct ts_err *err)
{
    struct engine_context *engine = looking->engine;
    const struct engine_hint hint = { .kind = (int) op->op.kind,
                                      .anchor = op->op.anchor };
    int64_t id = 0;
    ts_arena_reset(&looking->arena);
    enum ts_code code = find_object(engine, &hint, &id, err);
    looking->unknown = looking->unknown || (id == 0 && op->object_count > 0);
    for (size_t i = 0; code == TS_OK && i < op->object_count; i++) {
        code = reconcile_believe(engine, &op->objects[i], err);
    }
    if (code == TS_OK && op->result == TARGET_GONE) {
        code = reconcile_lose(engine, op->op.id, err);
    }
    return code;
}

static enum ts_code take(struct looking *looking, const struct export_op *op,
                         struct ts_err *err)
{
    struct state *state = &looking->engine->state;
    if (op->result != TARGET_DONE && op->result != TARGET_GONE) {
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "could not look at what another node wrote last: %s",
                       op->text != NULL ? op->text : "the target did not say");
    }
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = believe(looking, op, err);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

/* All that is under way comes back, also after an error (X3). */
static enum ts_code take_all(struct looking *looking, enum ts_code code,
                             struct ts_err *err)
{
    struct engine_context *engine = looking->engine;
    while (exporter_pending(engine->exporter) > 0) {
        struct export_op *op = exporter_collect(
            engine->exporter, ts_time_after(ts_time_now(), WAIT_MS));
        if (op != NULL && code == TS_OK) {
            code = take(looking, op, err);
        }
        export_op_free(op);
        engine->breathe(engine->owner, ENGINE_RECONCILE, 0, 0);
    }
    if (code == TS_OK && atomic_load(&engine->stopping)) {
        code = ts_fail(err, TS_E_CANCELLED, 0, "the cycle was stopped");
    }
    return code;
}

static enum ts_code look_at_all(struct looking *looking, struct ts_err *err)
{
    /* Two operations each; no more at once than do not block. */
    static_assert(EXPORTER_WINDOW % 2 == 0, "a hint's two fit together");
    struct engine_context *engine = looking->engine;
    const struct engine_hinted *hinted = &engine->inherited.hinted;
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < hinted->count; i++) {
        code = ask(looking, &hinted->items[i], err);
        if (exporter_pending(engine->exporter) + 2 > EXPORTER_WINDOW) {
            code = take_all(looking, code, err);
        }
    }
    return take_all(looking, code, err);
}

enum ts_code hints_look(struct engine_context *engine, struct ts_err *err)
{
    struct looking looking = { .engine = engine };
    size_t count = engine->inherited.hinted.count;
    ts_arena_init(&looking.arena, ENGINE_OBJECT_MEMORY);
    engine->problems_known = true; /* there may be some */
    enum ts_code code = foreign_begin(engine, err);
    if (code == TS_OK) {
        code = inherit_rest(engine, ENGINE_RECONCILE, err);
    }
    if (code == TS_OK) {
        code = look_at_all(&looking, err);
    }
    ts_arena_done(&looking.arena);
    hints_forget(engine);
    if (code == TS_OK && !looking.unknown) {
        code = inherit_looked_at(engine, err);
        ts_log(TS_LOG_INFO, "hints-looked-at", "objects=%zu", count);
    }
    return code;
}
