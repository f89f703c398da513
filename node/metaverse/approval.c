#include "node/metaverse/approval.h"

enum ts_code approval_put(struct metaverse *mv, const struct approval *approval,
                          struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO approval(kind, anchor, verb, hold_class, amount, "
        "expires_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET "
        "verb = excluded.verb, amount = excluded.amount + "
        "iif(hold_class = 5 AND verb = excluded.verb, amount, 0), "
        "expires_at = excluded.expires_at";
    _Static_assert(HOLD_MEMBERS == 5, "spelled in the statement");
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(approval->kind), DB_TEXT(approval->anchor),
                  DB_INT(approval->verb), DB_INT(approval->class),
                  DB_INT(approval->amount), DB_INT(approval->expires_at)),
        err);
}

enum ts_code approval_of(struct metaverse *mv, const struct approval *wanted,
                         int64_t now, int64_t *ret_amount, struct ts_err *err)
{
    static const char sql[] =
        "SELECT amount FROM approval WHERE kind = ?1 AND anchor = ?2 AND "
        "hold_class = ?3 AND verb = ?4 AND expires_at > ?5";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql,
        DB_VALUES(DB_INT(wanted->kind), DB_TEXT(wanted->anchor),
                  DB_INT(wanted->class), DB_INT(wanted->verb), DB_INT(now)),
        &row, err);
    if (code == TS_OK) {
        *ret_amount = row == NULL ? 0 : db_column_int(row, 0);
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

enum ts_code approval_carried(struct metaverse *mv, const struct approval *done,
                              struct ts_err *err)
{
    static const char gone_sql[] =
        "DELETE FROM approval WHERE kind = ?1 AND anchor = ?2 AND verb = ?3 "
        "AND hold_class <> 9 AND (hold_class <> 5 OR amount <= ?4)";
    static const char sql[] =
        "UPDATE approval SET amount = amount - ?4 WHERE kind = ?1 AND "
        "anchor = ?2 AND verb = ?3 AND hold_class = 5 AND ?4 > 0";
    _Static_assert(HOLD_MEMBERS == 5 && HOLD_REANCHOR == 9,
                   "spelled in the statements");
    struct db_values values =
        DB_VALUES(DB_INT(done->kind), DB_TEXT(done->anchor), DB_INT(done->verb),
                  DB_INT(done->amount));
    enum ts_code code = metaverse_run(mv, gone_sql, values, err);
    return code == TS_OK && done->amount > 0
               ? metaverse_run(mv, sql, values, err)
               : code;
}

enum ts_code approval_clear(struct metaverse *mv, int kind,
                            struct ts_slice anchor, struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM approval WHERE kind = ?1 AND anchor = ?2";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(kind), DB_TEXT(anchor)),
                         err);
}

enum ts_code approval_expire(struct metaverse *mv, int64_t now,
                             struct ts_err *err)
{
    static const char sql[] = "DELETE FROM approval WHERE expires_at <= ?1";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(now)), err);
}
