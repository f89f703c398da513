#include "node/engine/loops.h"

#include <stdio.h>

#include "node/engine/query/common.h"
#include "node/metaverse/nesting.h"
#include "node/metaverse/object.h"
#include "node/metaverse/problem.h"

#define LOOPS_MAX 1000 /* told of; all are ignored */
#define NAMED_MAX 5    /* groups of one loop */

/* "name" of a group, cut, in `text`. */
static enum ts_code add_name(struct metaverse *mv, int64_t id,
                             struct ts_arena *arena, char *text, size_t size,
                             struct ts_err *err)
{
    struct metaverse_object object;
    enum ts_code code = object_get(mv, id, arena, &object, err);
    if (code == TS_OK) {
        struct ts_slice name =
            query_packed_name(object.kind, object.packed, object.anchor, arena);
        size_t used = strlen(text);
        (void) snprintf(text + used, size - used, "%s\"%.*s\"",
                        used > 0 ? " > " : "",
                        (int) (name.size < 80 ? name.size : 80), name.data);
    }
    return code;
}

static enum ts_code describe(struct metaverse *mv,
                             const struct nesting_loop *loop,
                             struct ts_arena *arena, char *text, size_t size,
                             struct ts_err *err)
{
    int64_t way[NAMED_MAX + 1];
    size_t count = NAMED_MAX + 1;
    char names[600] = "";
    enum ts_code code =
        add_name(mv, loop->owner, arena, names, sizeof names, err);
    if (code == TS_OK) {
        code = nesting_way(mv, loop->group, loop->owner, way, &count, err);
    }
    for (size_t i = 0; code == TS_OK && i < count && i < NAMED_MAX; i++) {
        code = add_name(mv, way[i], arena, names, sizeof names, err);
    }
    (void) snprintf(text, size,
                    "the group is a member of itself: %s%s; the first of these "
                    "memberships is left out until one of them is removed at "
                    "the source",
                    names, count > NAMED_MAX ? " > ..." : "");
    return code;
}

static enum ts_code tell(struct metaverse *mv, const struct nesting_loop *loop,
                         struct ts_arena *arena, struct ts_err *err)
{
    char text[900];
    struct metaverse_object object;
    enum ts_code code = describe(mv, loop, arena, text, sizeof text, err);
    if (code == TS_OK) {
        code = object_get(mv, loop->owner, arena, &object, err);
    }
    if (code != TS_OK) {
        return code;
    }
    const struct problem problem = { .kind = object.kind,
                                     .anchor = object.anchor,
                                     .stage = "join",
                                     .path = ts_slice_str(TARGET_MEMBERS_PATH),
                                     .text = ts_slice_str(text) };
    return problem_set(mv, &problem, err);
}

/* Those whose loop is gone. */
static enum ts_code forget(struct metaverse *mv, struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM object_error WHERE kind = ?1 AND stage = 'join' AND "
        "path = ?2 AND anchor NOT IN (SELECT m.anchor FROM nesting n "
        "INDEXED BY nesting_ignored JOIN metaverse m ON m.id = n.owner_id "
        "WHERE n.ignored = 1)";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(mv->group_kind),
                                   DB_TEXT(ts_slice_str(TARGET_MEMBERS_PATH))),
                         err);
}

enum ts_code loops_report(struct engine_context *engine, struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    struct nesting_loop loops[LOOPS_MAX];
    size_t count = LOOPS_MAX;
    struct ts_arena arena;
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    code = forget(mv, err);
    if (code == TS_OK) {
        code = nesting_ignored(mv, loops, &count, err);
    }
    for (size_t i = count; code == TS_OK && i > 0; i--) {
        ts_arena_reset(&arena);
        code = tell(mv, &loops[i - 1], &arena, err);
    }
    ts_arena_done(&arena);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}
