#include "node/metaverse/spent.h"

#define HOUR_SECONDS 3600

struct spent_window spent_window_of(int64_t seconds, uint32_t hours)
{
    int64_t now = seconds / HOUR_SECONDS;
    return (struct spent_window){ .first = now - (int64_t) hours, .now = now };
}

enum ts_code spent_add(struct metaverse *mv, const struct spent_key *key,
                       const struct spent_window *window, int64_t amount,
                       struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO spent(hour, class, kind, subject, amount) "
        "VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET "
        "amount = amount + excluded.amount";
    return amount == 0
               ? TS_OK
               : metaverse_run(mv, sql,
                               DB_VALUES(DB_INT(window->now),
                                         DB_INT(key->class), DB_INT(key->kind),
                                         DB_TEXT(key->subject), DB_INT(amount)),
                               err);
}

enum ts_code spent_sum(struct metaverse *mv, const struct spent_key *key,
                       const struct spent_window *window, int64_t *ret_amount,
                       struct ts_err *err)
{
    static const char sql[] =
        "SELECT ifnull(sum(amount), 0) FROM spent WHERE hour >= ?1 AND "
        "class = ?2 AND kind = ?3 AND subject = ?4";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql,
                      DB_VALUES(DB_INT(window->first), DB_INT(key->class),
                                DB_INT(key->kind), DB_TEXT(key->subject)),
                      &row, err);
    if (code == TS_OK) {
        *ret_amount = row == NULL ? 0 : db_column_int(row, 0);
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

enum ts_code extent_of(struct metaverse *mv, const struct spent_key *key,
                       const struct spent_window *window, int64_t *ret_amount,
                       bool *ret_now, struct ts_err *err)
{
    static const char sql[] =
        "SELECT amount, (SELECT max(hour) FROM extent WHERE hour >= ?1 AND "
        "class = ?2 AND kind = ?3 AND subject = ?4) FROM extent WHERE "
        "hour >= ?1 AND class = ?2 AND kind = ?3 AND subject = ?4 "
        "ORDER BY hour LIMIT 1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql,
                      DB_VALUES(DB_INT(window->first), DB_INT(key->class),
                                DB_INT(key->kind), DB_TEXT(key->subject)),
                      &row, err);
    if (code == TS_OK) {
        *ret_amount = row == NULL ? -1 : db_column_int(row, 0);
        *ret_now = row != NULL && db_column_int(row, 1) >= window->now;
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

enum ts_code extent_note(struct metaverse *mv, const struct spent_key *key,
                         const struct spent_window *window, int64_t amount,
                         struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO extent(hour, class, kind, subject, amount) "
        "VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(window->now), DB_INT(key->class),
                                   DB_INT(key->kind), DB_TEXT(key->subject),
                                   DB_INT(amount)),
                         err);
}

enum ts_code spent_trim(struct metaverse *mv, const struct spent_window *window,
                        struct ts_err *err)
{
    static const char spent_sql[] = "DELETE FROM spent WHERE hour < ?1";
    static const char extent_sql[] = "DELETE FROM extent WHERE hour < ?1";
    struct db_values values = DB_VALUES(DB_INT(window->first));
    enum ts_code code = metaverse_run(mv, spent_sql, values, err);
    return code == TS_OK ? metaverse_run(mv, extent_sql, values, err) : code;
}
