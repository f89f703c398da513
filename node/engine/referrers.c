#include "node/engine/referrers.h"

#include "node/engine/touch.h"
#include "node/metaverse/stranger.h"

enum ts_code referrers_release(struct engine_context *engine, int64_t member,
                               struct ts_err *err)
{
    static const char owners_sql[] =
        "SELECT DISTINCT r.owner_id FROM reference r "
        "JOIN metaverse m ON m.id = r.owner_id "
        "JOIN object_error e ON e.kind = m.kind AND e.anchor = m.anchor AND "
        "e.stage = 'export' WHERE r.owner_id > ?1 AND r.member_id = ?2 "
        "ORDER BY r.owner_id LIMIT 64";
    static const char due_sql[] =
        "UPDATE object_error SET retry_at = 0 WHERE stage = 'export' AND "
        "retry_at > 0 AND (kind, anchor) IN (SELECT m.kind, m.anchor "
        "FROM reference r JOIN metaverse m ON m.id = r.owner_id "
        "WHERE r.member_id = ?1)";
    struct db_value values[] = { DB_INT(0), DB_INT(member) };
    if (!engine->problems_known) {
        return TS_OK;
    }
    _Static_assert(TOUCH_LIST == 64, "as owners_sql says");
    enum ts_code code = touch_all(engine, owners_sql, values, 2, err);
    return code == TS_OK ? metaverse_run(engine->state.mv, due_sql,
                                         DB_VALUES(DB_INT(member)), err)
                         : code;
}

enum ts_code referrers_left_behind(struct engine_context *engine,
                                   int64_t member, struct ts_slice id,
                                   struct ts_err *err)
{
    static const char sql[] =
        "SELECT DISTINCT r.owner_id FROM reference r "
        "JOIN metaverse m ON m.id = r.owner_id "
        "WHERE r.owner_id > ?1 AND r.member_id = ?2 AND r.held = 1 AND "
        "m.kind <> ?3 ORDER BY r.owner_id LIMIT 64";
    struct metaverse *mv = engine->state.mv;
    struct db_value values[] = { DB_INT(0), DB_INT(member),
                                 DB_INT(mv->group_kind) };
    _Static_assert(TOUCH_LIST == 64, "as the statement says");
    enum ts_code code = touch_all(engine, sql, values, 3, err);
    return code == TS_OK ? stranger_left_behind(mv, member, id, err) : code;
}
