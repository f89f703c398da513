#include "node/metaverse/appointment.h"

enum ts_code appointment_set(struct metaverse *mv, int64_t metaverse_id,
                             int64_t at, struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO appointment(metaverse_id, at) VALUES(?1, ?2) "
        "ON CONFLICT(metaverse_id) DO UPDATE SET at = excluded.at "
        "WHERE at <> excluded.at";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(metaverse_id), DB_INT(at)),
                         err);
}

enum ts_code appointment_cancel(struct metaverse *mv, int64_t metaverse_id,
                                struct ts_err *err)
{
    static const char sql[] = "DELETE FROM appointment WHERE metaverse_id = ?1";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(metaverse_id)), err);
}

enum ts_code appointment_of(struct metaverse *mv, int64_t metaverse_id,
                            int64_t *ret_at, struct ts_err *err)
{
    static const char sql[] =
        "SELECT at FROM appointment WHERE metaverse_id = ?1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(metaverse_id)), &row, err);
    if (code == TS_OK) {
        *ret_at = row == NULL ? 0 : db_column_int(row, 0);
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

enum ts_code appointment_forget(struct metaverse *mv, int64_t now,
                                struct ts_err *err)
{
    static const char sql[] = "DELETE FROM appointment WHERE at <= ?1";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(now)), err);
}
