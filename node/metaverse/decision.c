#include "node/metaverse/decision.h"

#include "node/base/time.h"

enum ts_code decision_put(struct metaverse *mv, const struct decision *decision,
                          struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO decision(id, at, what, subject, items, actor, reason) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    int64_t id = 0;
    enum ts_code code = metaverse_counter(mv, "decision", &id, err);
    if (code == TS_OK) {
        code = metaverse_set_counter(mv, "decision", ++id, err);
    }
    if (code != TS_OK) {
        return code;
    }
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(id), DB_INT(ts_wall_seconds()),
                  DB_TEXT(ts_slice_str(decision->what)),
                  DB_TEXT(decision->subject), DB_INT(decision->items),
                  DB_TEXT(decision->actor), DB_TEXT(decision->reason)),
        err);
}

enum ts_code decision_when(struct metaverse *mv, const char *what,
                           struct ts_slice subject, int64_t *ret_at,
                           struct ts_err *err)
{
    static const char sql[] =
        "SELECT max(at) FROM decision WHERE what = ?1 AND subject = ?2";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql, DB_VALUES(DB_TEXT(ts_slice_str(what)), DB_TEXT(subject)), &row,
        err);
    if (code == TS_OK) {
        *ret_at = row == NULL ? 0 : db_column_int(row, 0);
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}
