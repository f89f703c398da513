#include "node/engine/owner.h"

#include "node/engine/flow.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"

#define SHOWN 8 /* source objects with one anchor */

struct search {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena *arena;
    struct ts_slice anchor;
};

/* Source objects with that anchor: ids, and what they are joined to or 0. */
static enum ts_code find_shown(struct search *s, int64_t ids[static SHOWN],
                               int64_t joined[static SHOWN], size_t *ret_count,
                               struct ts_err *err)
{
    static const char sql[] =
        "SELECT s.id, coalesce(j.metaverse_id, 0) FROM source_object s "
        "LEFT JOIN joined j ON j.object_id = s.id WHERE s.anchor = ?1 AND "
        "s.gone = 0 AND s.source_id IN (SELECT id FROM source) LIMIT 8";
    sqlite3_stmt *stmt = NULL;
    *ret_count = 0;
    enum ts_code code =
        metaverse_query(s->mv, sql, DB_VALUES(DB_TEXT(s->anchor)), &stmt, err);
    while (*ret_count < SHOWN && db_next(&s->mv->db, stmt, &code, err)) {
        ids[*ret_count] = db_column_int(stmt, 0);
        joined[(*ret_count)++] = db_column_int(stmt, 1);
    }
    db_reset(stmt);
    return code;
}

static enum ts_code has_counterpart(struct search *s, int64_t metaverse_id,
                                    bool *ret_has, struct ts_err *err)
{
    struct target_row row;
    return target_row_by_metaverse(s->mv, metaverse_id, s->arena, &row, ret_has,
                                   err);
}

/* One that is joined to nothing: is it certain that it is out of scope? */
static enum ts_code is_outside(struct search *s, int64_t source_object,
                               bool *ret_outside, const char **ret_term,
                               struct ts_err *err)
{
    struct connector_object object;
    struct flow_part part;
    enum ts_code code =
        connector_get(s->mv, source_object, s->arena, &object, err);
    if (code == TS_OK) {
        code = flow_evaluate(s->engine, &object, s->arena, &part, err);
    }
    *ret_outside = code == TS_OK && part.result.scope == RULES_OUT;
    *ret_term = *ret_outside ? part.result.false_term : NULL;
    return code;
}

static enum ts_code find_source(struct search *s, struct owned *ret,
                                struct ts_err *err)
{
    int64_t ids[SHOWN];
    int64_t joined[SHOWN];
    size_t count = 0;
    bool outside = true;
    bool has = false;
    const char *term = NULL;
    enum ts_code code = find_shown(s, ids, joined, &count, err);
    *ret = (struct owned){ .who = count > 0 ? OWNER_OUTSIDE : OWNER_NONE };
    for (size_t i = 0; code == TS_OK && i < count && outside; i++) {
        if (joined[i] > 0) {
            code = has_counterpart(s, joined[i], &has, err);
            ret->who = has ? OWNER_NONE : OWNER_PRESENT;
            return code;
        }
        code = is_outside(s, ids[i], &outside, &term, err);
        ret->left_by = ret->left_by == NULL ? term : ret->left_by;
    }
    ret->who = outside ? ret->who : OWNER_PRESENT;
    return code;
}

enum ts_code owner_find(struct engine_context *engine, int kind,
                        struct ts_slice anchor, struct ts_arena *arena,
                        struct owned *ret_owned, struct ts_err *err)
{
    struct search s = { engine, engine->state.mv, arena, anchor };
    struct metaverse_object object;
    bool has = false;
    int64_t id = 0;
    enum ts_code code = object_by_anchor(s.mv, kind, anchor, &id, err);
    if (code != TS_OK || id == 0) {
        return code == TS_OK ? find_source(&s, ret_owned, err) : code;
    }
    *ret_owned = (struct owned){ .who = OWNER_PRESENT };
    code = object_get(s.mv, id, arena, &object, err);
    if (code == TS_OK) {
        code = has_counterpart(&s, id, &has, err);
    }
    if (code == TS_OK && has) {
        ret_owned->who = OWNER_NONE;
    } else if (code == TS_OK && object.presence == OBJECT_OUT) {
        *ret_owned = (struct owned){ .who = OWNER_LEFT, .metaverse_id = id };
    }
    return code;
}
