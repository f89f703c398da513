#include "node/engine/touch.h"

enum ts_code touch_one(struct engine_context *engine, int64_t metaverse_id,
                       struct ts_err *err)
{
    static const char sql[] = "UPDATE metaverse SET changed = ?2 WHERE id = ?1";
    return metaverse_run(
        engine->state.mv, sql,
        DB_VALUES(DB_INT(metaverse_id), DB_INT(++engine->state.numbers.change)),
        err);
}

enum ts_code touch_all(struct engine_context *engine, const char *sql,
                       struct db_value *values, size_t value_count,
                       struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    int64_t ids[TOUCH_LIST];
    int64_t after = 0;
    size_t count = 0;
    enum ts_code code = TS_OK;
    do {
        sqlite3_stmt *stmt = NULL;
        count = 0;
        values[0] = DB_INT(after);
        code = metaverse_query(
            mv, sql, (struct db_values){ values, value_count }, &stmt, err);
        while (count < TOUCH_LIST && db_next(&mv->db, stmt, &code, err)) {
            ids[count++] = db_column_int(stmt, 0);
        }
        db_reset(stmt);
        for (size_t i = 0; code == TS_OK && i < count; i++) {
            after = ids[i];
            code = touch_one(engine, ids[i], err);
        }
    } while (code == TS_OK && count > 0);
    return code;
}
