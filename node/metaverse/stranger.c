#include "node/metaverse/stranger.h"

#include <stdio.h>

enum ts_code stranger_policy(struct metaverse *mv, int64_t owner,
                             enum stranger_policy *ret_policy,
                             struct ts_err *err)
{
    static const char sql[] =
        "SELECT keeps_strangers FROM target_object WHERE metaverse_id = ?1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(owner)), &row, err);
    *ret_policy = STRANGERS_AS_CONFIGURED;
    if (code == TS_OK && row != NULL) {
        *ret_policy = (enum stranger_policy) db_column_int(row, 0);
        db_reset(row);
    }
    return code;
}

enum ts_code stranger_set_policy(struct metaverse *mv, int64_t owner,
                                 enum stranger_policy policy,
                                 struct ts_err *err)
{
    static const char sql[] =
        "UPDATE target_object SET keeps_strangers = ?2 WHERE metaverse_id = ?1 "
        "AND keeps_strangers <> ?2";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(owner), DB_INT(policy)),
                         err);
}

/* ---- as shown
 * --------------------------------------------------------------- */

static enum ts_code add(struct metaverse *mv, int64_t owner, const char *path,
                        struct ts_slice id, struct ts_err *err)
{
    static const char sql[] =
        "INSERT OR IGNORE INTO stranger(owner_id, path, target_id) "
        "VALUES(?1, ?2, ?3)";
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(owner), DB_TEXT(ts_slice_str(path)), DB_TEXT(id)),
        err);
}

enum ts_code stranger_gone(struct metaverse *mv, int64_t owner,
                           const char *path, struct ts_slice id,
                           struct ts_err *err)
{
    static const char sql[] = "DELETE FROM stranger WHERE owner_id = ?1 AND "
                              "path = ?2 AND target_id = ?3";
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(owner), DB_TEXT(ts_slice_str(path)), DB_TEXT(id)),
        err);
}

/* The first known stranger after `after`; empty: none. */
static enum ts_code next_known(struct metaverse *mv, int64_t owner,
                               const char *path, struct ts_arena *arena,
                               struct ts_slice *after_and_found,
                               struct ts_err *err)
{
    static const char sql[] =
        "SELECT target_id FROM stranger WHERE owner_id = ?1 AND path = ?2 AND "
        "target_id > ?3 ORDER BY target_id LIMIT 1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql,
                      DB_VALUES(DB_INT(owner), DB_TEXT(ts_slice_str(path)),
                                DB_TEXT(*after_and_found)),
                      &row, err);
    *after_and_found = TS_SLICE_NONE;
    if (code != TS_OK || row == NULL) {
        return code;
    }
    ts_arena_reset(arena);
    *after_and_found = ts_arena_copy(arena, db_column(row, 0));
    db_reset(row);
    return after_and_found->data != NULL
               ? TS_OK
               : ts_fail(err, TS_E_LIMIT, 0,
                         "could not compare the members of a group: out of "
                         "memory");
}

enum ts_code stranger_set(struct metaverse *mv, int64_t owner, const char *path,
                          const struct ts_slice *ids, size_t count,
                          struct ts_err *err)
{
    static const char over_sql[] =
        "UPDATE target_object SET keeps_strangers = 0 WHERE metaverse_id = ?1 "
        "AND keeps_strangers = 2";
    struct ts_arena arena;
    struct ts_slice known = ts_slice_str("");
    size_t i = 0;
    ts_arena_init(&arena, (size_t) 1024 * 1024);
    enum ts_code code = next_known(mv, owner, path, &arena, &known, err);
    while (code == TS_OK && (i < count || known.data != NULL)) {
        int order = known.data == NULL ? -1
                    : i == count       ? 1
                                       : ts_slice_compare(ids[i], known);
        if (order < 0) {
            code = add(mv, owner, path, ids[i++], err);
            continue;
        }
        if (order > 0) {
            code = stranger_gone(mv, owner, path, known, err);
        } else {
            i++;
        }
        if (code == TS_OK) {
            code = next_known(mv, owner, path, &arena, &known, err);
        }
    }
    ts_arena_done(&arena);
    return code == TS_OK && count == 0
               ? metaverse_run(mv, over_sql, DB_VALUES(DB_INT(owner)), err)
               : code;
}

enum ts_code stranger_left_behind(struct metaverse *mv, int64_t member,
                                  struct ts_slice id, struct ts_err *err)
{
    static const char sql[] =
        "INSERT OR IGNORE INTO stranger(owner_id, path, target_id) "
        "SELECT r.owner_id, r.path, ?2 FROM reference r "
        "JOIN metaverse m ON m.id = r.owner_id "
        "WHERE r.member_id = ?1 AND r.held = 1 AND m.kind <> ?3";
    return metaverse_run(
        mv, sql, DB_VALUES(DB_INT(member), DB_TEXT(id), DB_INT(mv->group_kind)),
        err);
}

enum ts_code stranger_only(struct metaverse *mv, int64_t owner,
                           const char *path, struct ts_slice id,
                           struct ts_err *err)
{
    static const char sql[] = "DELETE FROM stranger WHERE owner_id = ?1 AND "
                              "path = ?2 AND target_id <> ?3";
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(owner), DB_TEXT(ts_slice_str(path)), DB_TEXT(id)),
        err);
}

/* ---- to be removed
 * ---------------------------------------------------------- */

/* Rows `r` that are not wanted (U1, U2); ?1 is the owner, ?2 the path, ?3:
 * dismissed. */
#define UNWANTED                                                         \
    "FROM (SELECT s.owner_id, s.path, s.target_id, t.metaverse_id AS "   \
    "member_id, coalesce(t.disowned, 0) AS disowned FROM stranger s "    \
    "LEFT JOIN target_object t ON t.target_id = s.target_id "            \
    "WHERE s.owner_id = ?1 AND s.path = ?2) r "                          \
    "WHERE (?3 OR NOT r.disowned) AND NOT EXISTS(SELECT 1 FROM "         \
    "reference w WHERE w.owner_id = ?1 AND w.path = ?2 AND w.member_id " \
    "= r.member_id) "
/* Of these, those that may go. */
#define DUE UNWANTED "AND NOT " REFERENCE_KEPT_WHILE("<> 1") " "
/* Of these, those whom only the group's loss of so many may keep: whoever
 * leaves himself, or lost an attribute, is counted by that. */
#define LOST                                                                  \
    UNWANTED "AND NOT EXISTS(SELECT 1 FROM metaverse m JOIN target_object t " \
             "ON t.metaverse_id = m.id WHERE m.id = r.member_id AND "         \
             "m.presence <> 0 AND (t.active = 0 OR EXISTS(SELECT 1 FROM "     \
             "intent i WHERE i.metaverse_id = m.id AND i.verb IN (2, 4)))) "  \
             "AND NOT EXISTS(SELECT 1 FROM lost_attribute l WHERE "           \
             "l.metaverse_id IN (r.member_id, r.owner_id) AND l.confirmed = " \
             "1) "

struct going {
    bool goes, dismissed;
    char path[256];
};

/* Do strangers on that path of a group go? */
static bool goes(const struct metaverse *mv, struct ts_slice name,
                 enum stranger_policy policy)
{
    for (size_t i = 0; i < mv->reference_path_count; i++) {
        const struct metaverse_reference_path *path = &mv->reference_paths[i];
        if (path->kind == mv->group_kind &&
            ts_slice_equal(ts_slice_str(path->path), name)) {
            return !path->additive && policy != STRANGERS_STAY &&
                   (policy == STRANGERS_DISMISSED || !path->reported);
        }
    }
    return false;
}

/* Which strangers of `owner` are to go. */
static enum ts_code going(struct metaverse *mv, int64_t owner,
                          struct going *going, struct ts_err *err)
{
    static const char sql[] =
        "SELECT s.path, o.kind, o.keeps_strangers FROM stranger s "
        "JOIN target_object o ON o.metaverse_id = s.owner_id "
        "WHERE s.owner_id = ?1 LIMIT 1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(owner)), &row, err);
    going->goes = false;
    if (code != TS_OK || row == NULL) {
        return code;
    }
    struct ts_slice path = db_column(row, 0);
    enum stranger_policy policy = (enum stranger_policy) db_column_int(row, 2);
    if (path.size < sizeof going->path) {
        (void) snprintf(going->path, sizeof going->path, "%.*s",
                        TS_SLICE_ARGS(path));
        going->goes =
            db_column_int(row, 1) != mv->group_kind || goes(mv, path, policy);
        going->dismissed = policy == STRANGERS_DISMISSED;
    }
    db_reset(row);
    return TS_OK;
}

static bool allowed(const struct metaverse *mv, int64_t owner,
                    struct ts_slice path, struct ts_slice target_id)
{
    const struct metaverse_link_filter *filter = mv->link_filter;
    return filter == NULL || filter->allows_stranger == NULL ||
           filter->allows_stranger(filter->context, owner, path, target_id);
}

enum ts_code stranger_due(struct metaverse *mv, int64_t owner,
                          struct ts_arena *arena, struct reference_due *due,
                          size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT r.target_id " DUE "ORDER BY r.target_id LIMIT ?4";
    struct going to_go;
    size_t n = 0;
    sqlite3_stmt *stmt = NULL;
    size_t room = *count;
    *count = 0;
    enum ts_code code = going(mv, owner, &to_go, err);
    if (code != TS_OK || !to_go.goes || room == 0) {
        return code;
    }
    struct ts_slice path = ts_arena_copy(arena, ts_slice_str(to_go.path));
    if (path.data == NULL) {
        return TS_OK; /* as below */
    }
    code = metaverse_query(
        mv, sql,
        DB_VALUES(DB_INT(owner), DB_TEXT(path), DB_INT(to_go.dismissed),
                  DB_INT(mv->link_filter == NULL ? (int64_t) room : -1)),
        &stmt, err);
    while (n < room && db_next(&mv->db, stmt, &code, err)) {
        if (!allowed(mv, owner, path, db_column(stmt, 0))) {
            continue;
        }
        due[n] = (struct reference_due){
            .path = path,
            .target_id = ts_arena_copy(arena, db_column(stmt, 0)),
        };
        if (due[n].target_id.data == NULL) {
            break; /* what did not fit is due the next time */
        }
        n++;
    }
    db_reset(stmt);
    *count = n;
    return code;
}

static enum ts_code count(struct metaverse *mv, const char *sql, int64_t owner,
                          int64_t *ret_count, struct ts_err *err)
{
    struct going to_go;
    sqlite3_stmt *row = NULL;
    *ret_count = 0;
    enum ts_code code = going(mv, owner, &to_go, err);
    if (code != TS_OK || !to_go.goes) {
        return code;
    }
    code = metaverse_row(mv, sql,
                         DB_VALUES(DB_INT(owner),
                                   DB_TEXT(ts_slice_str(to_go.path)),
                                   DB_INT(to_go.dismissed)),
                         &row, err);
    if (code == TS_OK && row != NULL) {
        *ret_count = db_column_int(row, 0);
        db_reset(row);
    }
    return code;
}

enum ts_code stranger_count_due(struct metaverse *mv, int64_t owner,
                                int64_t *ret_count, struct ts_err *err)
{
    static const char sql[] = "SELECT count(*) " DUE;
    return count(mv, sql, owner, ret_count, err);
}

enum ts_code stranger_count_lost(struct metaverse *mv, int64_t owner,
                                 int64_t *ret_count, struct ts_err *err)
{
    static const char sql[] = "SELECT count(*) " LOST;
    return count(mv, sql, owner, ret_count, err);
}
