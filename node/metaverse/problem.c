#include "node/metaverse/problem.h"

#include "node/base/time.h"

enum ts_code problem_set(struct metaverse *mv, const struct problem *problem,
                         struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO object_error(kind, anchor, stage, path, text, after, "
        "first_at, retry_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
        "ON CONFLICT DO UPDATE SET text = excluded.text, "
        "after = excluded.after, retry_at = excluded.retry_at, "
        "attempts = attempts + 1 "
        "WHERE (text, after, retry_at) IS NOT "
        "(excluded.text, excluded.after, excluded.retry_at)";
    struct ts_slice after =
        ts_slice(problem->after.bytes, sizeof problem->after.bytes);
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(problem->kind), DB_TEXT(problem->anchor),
                  DB_TEXT(ts_slice_str(problem->stage)), DB_TEXT(problem->path),
                  DB_TEXT(problem->text), DB_BLOB(after),
                  DB_INT(ts_wall_seconds()), DB_INT(problem->retry_at)),
        err);
}

enum ts_code problem_clear(struct metaverse *mv, int kind,
                           struct ts_slice anchor, const char *stage,
                           struct ts_err *err)
{
    static const char sql[] = "DELETE FROM object_error WHERE kind = ?1 AND "
                              "anchor = ?2 AND stage = ?3";
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(kind), DB_TEXT(anchor), DB_TEXT(ts_slice_str(stage))),
        err);
}

enum ts_code problem_clear_path(struct metaverse *mv,
                                const struct problem *problem,
                                struct ts_err *err)
{
    static const char sql[] = "DELETE FROM object_error WHERE kind = ?1 AND "
                              "anchor = ?2 AND stage = ?3 AND path = ?4";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(problem->kind),
                                   DB_TEXT(problem->anchor),
                                   DB_TEXT(ts_slice_str(problem->stage)),
                                   DB_TEXT(problem->path)),
                         err);
}

enum ts_code problem_clear_tried(struct metaverse *mv, int kind,
                                 struct ts_slice anchor, const char *stage,
                                 struct ts_err *err)
{
    static const char sql[] = "DELETE FROM object_error WHERE kind = ?1 AND "
                              "anchor = ?2 AND stage = ?3 AND retry_at = 0";
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(kind), DB_TEXT(anchor), DB_TEXT(ts_slice_str(stage))),
        err);
}

enum ts_code problem_try_again(struct metaverse *mv, int kind,
                               struct ts_slice anchor, struct ts_err *err)
{
    static const char sql[] =
        "UPDATE object_error SET retry_at = 0 WHERE kind = ?1 AND anchor = ?2 "
        "AND stage IN ('export', 'match', 'unique') AND retry_at > 0";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(kind), DB_TEXT(anchor)),
                         err);
}

/* By the objects and not by their times (+): there may be many refusals. */
#define DUE_NOW                                                         \
    "UPDATE object_error SET retry_at = ?2 WHERE stage = 'export' AND " \
    "+retry_at > ?2 AND "

enum ts_code problem_other_links(struct metaverse *mv, int64_t owner,
                                 struct ts_err *err)
{
    static const char sql[] = DUE_NOW
        "(kind, anchor) = (SELECT kind, anchor FROM metaverse WHERE id = ?1)";
    return metaverse_run(
        mv, sql, DB_VALUES(DB_INT(owner), DB_INT(ts_wall_seconds())), err);
}

enum ts_code problem_other_links_above(struct metaverse *mv, int64_t owner,
                                       struct ts_err *err)
{
    static const char sql[] =
        DUE_NOW "kind = ?3 AND anchor IN (SELECT m.anchor FROM nesting n "
                "JOIN metaverse m ON m.id = n.owner_id "
                "WHERE n.group_id = ?1 AND n.ways > 0)";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(owner), DB_INT(ts_wall_seconds()),
                                   DB_INT(mv->group_kind)),
                         err);
}

enum ts_code problem_paths(struct metaverse *mv, const struct problem_key *of,
                           struct ts_arena *arena, struct ts_slice *paths,
                           size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT path FROM object_error WHERE kind = ?1 AND anchor = ?2 AND "
        "stage = ?3 AND retry_at > 0 ORDER BY path LIMIT ?4";
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql,
        DB_VALUES(DB_INT(of->kind), DB_TEXT(of->anchor),
                  DB_TEXT(ts_slice_str(of->stage)), DB_INT((int64_t) *count)),
        &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        paths[n] = ts_arena_copy(arena, db_column(stmt, 0));
        if (paths[n].data == NULL) {
            code = ts_fail(err, TS_E_LIMIT, 0,
                           "could not read the problems of \"%.*s\": out of "
                           "memory",
                           TS_SLICE_ARGS(of->anchor));
            break;
        }
        n++;
    }
    db_reset(stmt);
    *count = n;
    return code;
}

enum ts_code problem_blocks(struct metaverse *mv, int kind,
                            struct ts_slice anchor, const struct ts_hash *after,
                            bool *ret_blocks, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM object_error WHERE kind = ?1 AND anchor = ?2 AND "
        "stage = 'export' AND after = ?3 AND retry_at > ?4";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql,
        DB_VALUES(DB_INT(kind), DB_TEXT(anchor),
                  DB_BLOB(ts_slice(after->bytes, sizeof after->bytes)),
                  DB_INT(ts_wall_seconds())),
        &row, err);
    if (code == TS_OK) {
        *ret_blocks = row != NULL;
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

enum ts_code problem_retry(struct metaverse *mv, int64_t now,
                           int64_t *next_change, struct ts_err *err)
{
    static const char find_sql[] =
        "SELECT m.id FROM object_error e JOIN metaverse m "
        "ON m.anchor = e.anchor AND m.kind = e.kind "
        "WHERE e.stage IN ('export', 'match', 'unique') AND "
        "e.retry_at > 0 AND "
        "e.retry_at <= ?1 "
        "LIMIT 1";
    static const char touch_sql[] =
        "UPDATE metaverse SET changed = ?2 WHERE id = ?1";
    static const char mark_sql[] =
        "UPDATE object_error SET retry_at = 0 WHERE stage IN "
        "('export', 'match', 'unique') AND (kind, anchor) = (SELECT kind, "
        "anchor FROM metaverse WHERE id = ?1)";
    for (;;) {
        sqlite3_stmt *row = NULL;
        enum ts_code code =
            metaverse_row(mv, find_sql, DB_VALUES(DB_INT(now)), &row, err);
        if (code != TS_OK || row == NULL) {
            return code;
        }
        int64_t id = db_column_int(row, 0);
        db_reset(row);
        code =
            metaverse_run(mv, touch_sql,
                          DB_VALUES(DB_INT(id), DB_INT((*next_change)++)), err);
        if (code == TS_OK) {
            code = metaverse_run(mv, mark_sql, DB_VALUES(DB_INT(id)), err);
        }
        if (code != TS_OK) {
            return code;
        }
    }
}
