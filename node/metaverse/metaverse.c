#include "node/metaverse/metaverse.h"

#include <stdlib.h>

#include "node/metaverse/schema.sql.h"
#include "node/metaverse/schema_2.sql.h"

const char *const metaverse_sql[METAVERSE_LEVELS] = { schema_sql,
                                                      schema_2_sql };
const char *const metaverse_tables[] = {
    "counter",      "setting",       "source",         "source_object",
    "source_link",  "metaverse",     "joined",         "join_value",
    "reference",    "target_object", "ledger",         "intent",
    "object_error", "hold",          "hold_item",      "hold_list",
    "approval",     "decision",      "spent",          "extent",
    "plan",         "plan_item",     "lost_attribute", "claim",
    "stranger",     "nesting",       "appointment",    NULL,
};

static void link_allowed(sqlite3_context *call, int count,
                         sqlite3_value **values)
{
    const struct metaverse *mv = sqlite3_user_data(call);
    const struct metaverse_link_filter *filter = mv->link_filter;
    (void) count;
    if (filter == NULL) {
        sqlite3_result_int(call, 1);
        return;
    }
    const void *text = sqlite3_value_text(values[1]);
    struct ts_slice path =
        ts_slice(text, (size_t) sqlite3_value_bytes(values[1]));
    sqlite3_result_int(
        call, filter->allows(filter->context, sqlite3_value_int64(values[0]),
                             path, sqlite3_value_int64(values[2]),
                             sqlite3_value_int(values[3]) != 0));
}

/* Of an open database, which is taken over. */
static enum ts_code wrap(const struct db *db, struct metaverse **ret_mv,
                         struct ts_err *err)
{
    struct metaverse *mv = calloc(1, sizeof *mv);
    enum ts_code code = TS_OK;
    if (mv == NULL) {
        struct db closing = *db;
        code = ts_fail(err, TS_E_NOMEM, 0, "could not open \"%s\"", db->path);
        db_close(&closing);
        return code;
    }
    mv->db = *db;
    if (sqlite3_create_function(mv->db.handle, "link_allowed", 4,
                                SQLITE_UTF8 | SQLITE_INNOCUOUS, mv,
                                link_allowed, NULL, NULL) != SQLITE_OK) {
        code = db_fail(&mv->db, err, "could not be prepared for links");
        metaverse_close(mv);
        return code;
    }
    *ret_mv = mv;
    return TS_OK;
}

enum ts_code metaverse_open(const char *path, enum db_mode mode,
                            const struct db_schema *schema,
                            struct metaverse **ret_mv, struct ts_err *err)
{
    struct db db = { .handle = NULL };
    enum ts_code code = db_open(path, mode, schema, &db, err);
    return code == TS_OK ? wrap(&db, ret_mv, err) : code;
}

enum ts_code metaverse_open_kept(const char *path, enum db_mode mode,
                                 const struct db_schema *schema,
                                 struct metaverse **ret_mv, struct ts_err *err)
{
    struct db db = { .handle = NULL };
    int64_t level = 0;
    enum ts_code code = db_open_kept(path, mode, schema, &db, err);
    if (code == TS_OK) {
        code = db_query_int(&db, "PRAGMA user_version", &level, err);
    }
    if (code != TS_OK || level < METAVERSE_LEVEL_LEAST) {
        db_close(&db);
        return code == TS_OK ? metaverse_open(path, mode, schema, ret_mv, err)
                             : code;
    }
    return wrap(&db, ret_mv, err);
}

void metaverse_close(struct metaverse *mv)
{
    if (mv == NULL) {
        return;
    }
    for (size_t i = 0; i < METAVERSE_STATEMENTS_MAX; i++) {
        db_finalize(&mv->statements[i].stmt);
    }
    db_close(&mv->db);
    free(mv);
}

static enum ts_code statement(struct metaverse *mv, const char *sql,
                              sqlite3_stmt **ret_stmt, struct ts_err *err)
{
    size_t slot = ((uintptr_t) sql >> 3) % METAVERSE_STATEMENTS_MAX;
    while (mv->statements[slot].sql != NULL &&
           mv->statements[slot].sql != sql) {
        slot = (slot + 1) % METAVERSE_STATEMENTS_MAX;
    }
    struct metaverse_statement *found = &mv->statements[slot];
    if (found->sql == NULL) {
        /* One free slot must stay, or the search above would not end. */
        if (mv->statement_count + 1 == METAVERSE_STATEMENTS_MAX) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "cannot prepare more than %d statements in \"%s\"",
                           METAVERSE_STATEMENTS_MAX - 1, mv->db.path);
        }
        enum ts_code code = db_prepare(&mv->db, sql, &found->stmt, err);
        if (code != TS_OK) {
            return code;
        }
        found->sql = sql;
        mv->statement_count++;
    }
    *ret_stmt = found->stmt;
    return TS_OK;
}

enum ts_code metaverse_query(struct metaverse *mv, const char *sql,
                             struct db_values values, sqlite3_stmt **ret_stmt,
                             struct ts_err *err)
{
    enum ts_code code = statement(mv, sql, ret_stmt, err);
    if (code == TS_OK) {
        db_bind(*ret_stmt, values);
    }
    return code;
}

enum ts_code metaverse_run(struct metaverse *mv, const char *sql,
                           struct db_values values, struct ts_err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(mv, sql, values, &stmt, err);
    return code == TS_OK ? db_run(&mv->db, stmt, err) : code;
}

enum ts_code metaverse_row(struct metaverse *mv, const char *sql,
                           struct db_values values, sqlite3_stmt **ret_stmt,
                           struct ts_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code = metaverse_query(mv, sql, values, &stmt, err);
    if (code == TS_OK) {
        code = db_step(&mv->db, stmt, &row, err);
    }
    if (code == TS_OK) {
        *ret_stmt = row ? stmt : NULL;
    }
    return code;
}

enum ts_code metaverse_counter(struct metaverse *mv, const char *name,
                               int64_t *ret_value, struct ts_err *err)
{
    static const char sql[] = "SELECT value FROM counter WHERE name = ?1";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql, DB_VALUES(DB_TEXT(ts_slice_str(name))), &row, err);
    if (code != TS_OK) {
        return code;
    }
    if (row == NULL) {
        return ts_fail(
            err, TS_E_CORRUPT, 0,
            "cannot use \"%s\": it has no counter \"%s\"; restore it "
            "from a backup",
            mv->db.path, name);
    }
    *ret_value = db_column_int(row, 0);
    db_reset(row);
    return TS_OK;
}

enum ts_code metaverse_set_counter(struct metaverse *mv, const char *name,
                                   int64_t value, struct ts_err *err)
{
    /* A counter that stays is not written: an idle cycle writes nothing. */
    static const char sql[] =
        "UPDATE counter SET value = ?2 WHERE name = ?1 AND value <> ?2";
    return metaverse_run(
        mv, sql, DB_VALUES(DB_TEXT(ts_slice_str(name)), DB_INT(value)), err);
}

enum ts_code metaverse_setting(struct metaverse *mv, const char *name,
                               void *ret_value, size_t size_max,
                               size_t *ret_size, struct ts_err *err)
{
    static const char sql[] = "SELECT value FROM setting WHERE name = ?1";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql, DB_VALUES(DB_TEXT(ts_slice_str(name))), &row, err);
    if (code != TS_OK) {
        return code;
    }
    if (row == NULL) {
        return ts_fail(err, TS_E_NOT_FOUND, 0, "\"%s\" is not set", name);
    }
    struct ts_slice value = db_column(row, 0);
    if (value.size > size_max) {
        code = ts_fail(err, TS_E_CORRUPT, 0,
                       "setting \"%s\" in \"%s\" has %zu bytes, at most %zu "
                       "were expected; restore the file from a backup",
                       name, mv->db.path, value.size, size_max);
    } else {
        if (value.size > 0) {
            memcpy(ret_value, value.data, value.size);
        }
        *ret_size = value.size;
    }
    db_reset(row);
    return code;
}

enum ts_code metaverse_set_setting(struct metaverse *mv, const char *name,
                                   struct ts_slice value, struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO setting(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO "
        "UPDATE SET value = excluded.value WHERE value IS NOT excluded.value";
    return metaverse_run(
        mv, sql, DB_VALUES(DB_TEXT(ts_slice_str(name)), DB_BLOB(value)), err);
}
