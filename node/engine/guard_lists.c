#include "node/engine/guard.h"
#include "node/engine/guard_run.h"
#include "node/engine/query/common.h"
#include "node/engine/release.h"

#include <stdio.h>

/* ---- tidying ---------------------------------------------------------------
 */

/* Items whose intent is gone, another one, or leaves by another term. */
static enum ts_code drop_void(struct guard_run *run, struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM hold_item WHERE hold_id IN (SELECT id FROM hold WHERE "
        "class < 5) AND NOT EXISTS (SELECT 1 FROM hold h JOIN metaverse m ON "
        "m.anchor = hold_item.anchor AND m.kind = hold_item.kind "
        "JOIN intent i ON i.metaverse_id = m.id WHERE h.id = hold_item.hold_id "
        "AND i.batch = 0 AND i.verb = hold_item.verb "
        "AND (i.classes >> h.class) & 1 "
        "AND (h.class <> 3 OR m.left_by = h.detail))";
    _Static_assert(HOLD_MEMBERS == 5 && HOLD_EXITS == 3,
                   "spelled in the statement");
    int64_t before = sqlite3_total_changes(run->mv->db.handle);
    enum ts_code code = metaverse_run(run->mv, sql, DB_NO_VALUES, err);
    run->dropped =
        run->dropped || sqlite3_total_changes(run->mv->db.handle) != before;
    return code;
}

static enum ts_code check_again(struct guard_run *run, struct ts_err *err)
{
    static const char sql[] =
        "UPDATE intent SET clearance = 0 WHERE batch = 0 AND clearance > 1 AND "
        "clearance = 3 AND NOT EXISTS (SELECT 1 FROM hold_item i WHERE "
        "i.kind = intent.kind AND i.anchor = intent.anchor)";
    _Static_assert(INTENT_UNCHECKED == 0 && INTENT_HELD == 3,
                   "spelled in the statement");
    return metaverse_run(run->mv, sql, DB_NO_VALUES, err);
}

static enum ts_code find_others(struct guard_run *run, struct ts_err *err)
{
    static const char sql[] =
        "SELECT EXISTS(SELECT 1 FROM hold WHERE class > 5)";
    int64_t some = 0;
    enum ts_code code = db_query_int(&run->mv->db, sql, &some, err);
    run->others = some != 0;
    return code;
}

enum ts_code guard_tidy(struct guard_run *run, struct ts_err *err)
{
    struct spent_window window =
        spent_window_of(run->now, run->engine->config->guard.window_hours);
    bool open = false;
    enum ts_code code = approval_expire(run->mv, run->now, err);
    if (code == TS_OK) {
        code = release_lists_of_now(run->engine, err);
    }
    if (code == TS_OK) {
        code = spent_trim(run->mv, &window, err);
    }
    if (code == TS_OK) {
        code = drop_void(run, err);
    }
    if (code == TS_OK) {
        code = guard_members_tidy(run, err);
    }
    if (code == TS_OK) {
        code = hold_sweep(run->mv, &open, err);
    }
    if (code == TS_OK) {
        code = check_again(run, err);
    }
    return code == TS_OK && open ? find_others(run, err) : code;
}

/* ---- lists -----------------------------------------------------------------
 */

/* What people call the group that a hold is of. */
static enum ts_code name_of(struct metaverse *mv,
                            const struct hold_reason *reason,
                            struct ts_arena *arena, struct ts_slice *ret_name,
                            struct ts_err *err)
{
    static const char sql[] =
        "SELECT packed FROM metaverse WHERE anchor = ?1 AND kind = ?2";
    sqlite3_stmt *row = NULL;
    *ret_name = reason->detail;
    enum ts_code code = metaverse_row(
        mv, sql, DB_VALUES(DB_TEXT(reason->detail), DB_INT(reason->kind)), &row,
        err);
    if (code == TS_OK && row != NULL) {
        struct ts_slice packed = ts_arena_copy(arena, db_column(row, 0));
        db_reset(row);
        *ret_name =
            query_packed_name(reason->kind, packed, reason->detail, arena);
    }
    return code;
}

/* Why a deletion is held that no budget stops; the hold goes on saying it. */
static const char unread[] =
    "held because a takeover went on before both sides had been read";

static bool held_unread(const struct engine_context *engine,
                        const struct hold *hold,
                        const struct guard_budget *budget)
{
    static const struct ts_slice said = { (const uint8_t *) unread,
                                          sizeof unread - 1 };
    bool within =
        budget->spent + budget->beside + budget->due <= budget->allowed;
    return within && (engine->inherited.hold_deletions ||
                      (hold->text.size >= said.size &&
                       memcmp(hold->text.data + hold->text.size - said.size,
                              said.data, said.size) == 0));
}

enum ts_code guard_say(struct engine_context *engine, const struct hold *hold,
                       struct ts_err *err)
{
    const struct hold_reason *reason = &hold->reason;
    struct guard_budget budget;
    struct ts_slice name = TS_SLICE_NONE;
    struct ts_arena arena;
    char text[HOLD_TEXT_MAX];
    if (reason->class > HOLD_MEMBERS) {
        return TS_OK; /* by who opened it */
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = guard_budget_of_hold(engine, hold, &budget, err);
    if (code == TS_OK && reason->class == HOLD_MEMBERS &&
        reason->detail.size > 0) {
        code = name_of(engine->state.mv, reason, &arena, &name, err);
    }
    if (code == TS_OK) {
        guard_sentence(reason, &budget, name,
                       held_unread(engine, hold, &budget) ? unread : NULL,
                       text);
        code = hold_say(engine->state.mv, hold->id, text, err);
    }
    ts_arena_done(&arena);
    return code;
}

static void remember(struct engine_context *engine, int64_t hold)
{
    for (size_t i = 0; i < engine->noted_count; i++) {
        if (engine->noted[i] == hold) {
            return;
        }
    }
    if (engine->noted_count < ENGINE_NOTED_MAX) {
        engine->noted[engine->noted_count++] = hold;
    }
}

enum ts_code guard_note(struct guard_run *run, struct ts_err *err)
{
    struct hold *holds = NULL;
    size_t count = 0;
    enum ts_code code = hold_all(run->mv, 0, &run->arena, &holds, &count, err);
    run->engine->holds_known = code != TS_OK || count > 0;
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        bool grew = false;
        code = hold_grew(run->mv, holds[i].id, &grew, err);
        if (code == TS_OK && (grew || run->dropped)) {
            code = guard_say(run->engine, &holds[i], err);
        }
        if (code == TS_OK && grew) {
            code = hold_note(run->mv, &holds[i], &run->engine->effect, err);
            remember(run->engine, holds[i].id);
        }
    }
    return code;
}

/* ---- the view --------------------------------------------------------------
 */

enum ts_code guard_view(struct engine_context *engine,
                        struct guard_view *ret_view, struct ts_err *err)
{
    static const char sql[] = "SELECT count(*) FROM (SELECT DISTINCT kind, "
                              "anchor FROM hold_item)";
    struct metaverse *mv = engine->state.mv;
    struct guard_view view = { .open = 0 };
    struct hold *holds = NULL;
    struct ts_arena arena;
    enum ts_code code = TS_OK;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    if (mv != NULL) {
        code = hold_all(mv, 0, &arena, &holds, &view.open, err);
    }
    /* Orphans are listed; nothing that is due waits for them. */
    while (view.first < view.open &&
           holds[view.first].reason.class == HOLD_ORPHANS) {
        view.first++;
    }
    for (size_t i = 0; i < view.open && i < GUARD_VIEW_MAX; i++) {
        view.items[i].class = holds[i].reason.class;
        (void) snprintf(view.items[i].text, HOLD_TEXT_MAX, "%.*s",
                        TS_SLICE_ARGS(holds[i].text));
    }
    ts_arena_done(&arena);
    if (code == TS_OK && view.open > 0) {
        code = db_query_int(&mv->db, sql, &view.objects, err);
    }
    *ret_view = view;
    return code;
}
