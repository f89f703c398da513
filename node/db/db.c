#include "node/db/db.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define BUSY_MS 5000

static const char *advice(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return "; free space on that disk, then run it again";
    case SQLITE_IOERR:
        return "; check that disk and its free space, then run it again";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return "; make the file and its folder writable for this user";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "; restore it from a backup, or move the state directory away "
               "and synchronize in full, which rebuilds it from source and "
               "target";
    case SQLITE_BUSY:
        return "; another process holds it: stop that one first";
    default:
        return "";
    }
}

enum ts_code db_fail(const struct db *db, struct ts_err *err, const char *what)
{
    int code = sqlite3_extended_errcode(db->handle);
    enum ts_code kind = TS_E_IO;
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB) {
        kind = TS_E_CORRUPT;
    } else if ((code & 0xff) == SQLITE_NOMEM) {
        kind = TS_E_NOMEM;
    }
    return ts_fail(err, kind, 0, "could not %s in \"%s\": %s (%d)%s", what,
                   db->path, sqlite3_errmsg(db->handle), code, advice(code));
}

enum ts_code db_exec(struct db *db, const char *sql, struct ts_err *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK) {
        char what[96];
        (void) snprintf(what, sizeof what, "run \"%.60s\"", sql);
        return db_fail(db, err, what);
    }
    return TS_OK;
}

enum ts_code db_begin(struct db *db, struct ts_err *err)
{
    return db_exec(db, "BEGIN IMMEDIATE", err);
}

enum ts_code db_commit(struct db *db, struct ts_err *err)
{
    return db_exec(db, "COMMIT", err);
}

void db_rollback(struct db *db)
{
    if (db->handle != NULL && sqlite3_get_autocommit(db->handle) == 0) {
        (void) sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    }
}

enum ts_code db_prepare(struct db *db, const char *sql, sqlite3_stmt **ret_stmt,
                        struct ts_err *err)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                           &stmt, NULL) != SQLITE_OK) {
        char what[96];
        (void) snprintf(what, sizeof what, "prepare \"%.60s\"", sql);
        return db_fail(db, err, what);
    }
    *ret_stmt = stmt;
    return TS_OK;
}

void db_finalize(sqlite3_stmt **stmt)
{
    (void) sqlite3_finalize(*stmt);
    *stmt = NULL;
}

/* Binding fails only for a wrong index or a value over SQLite's limits; both
 * are ruled out by the callers' own limits. */
static void must(int code)
{
    assert(code == SQLITE_OK);
    (void) code;
}

void db_bind_int(sqlite3_stmt *stmt, int index, int64_t value)
{
    must(sqlite3_bind_int64(stmt, index, value));
}

void db_bind_text(sqlite3_stmt *stmt, int index, struct ts_slice text)
{
    must(sqlite3_bind_text64(stmt, index,
                             text.data == NULL ? "" : (const char *) text.data,
                             text.size, SQLITE_STATIC, SQLITE_UTF8));
}

void db_bind_blob(sqlite3_stmt *stmt, int index, struct ts_slice bytes)
{
    static const uint8_t nothing[1];
    must(sqlite3_bind_blob64(stmt, index,
                             bytes.data == NULL ? nothing : bytes.data,
                             bytes.size, SQLITE_STATIC));
}

void db_bind_null(sqlite3_stmt *stmt, int index)
{
    must(sqlite3_bind_null(stmt, index));
}

void db_bind(sqlite3_stmt *stmt, struct db_values values)
{
    for (size_t i = 0; i < values.count; i++) {
        const struct db_value *value = &values.items[i];
        int index = (int) i + 1;
        switch (value->type) {
        case DB_VALUE_INT:
            db_bind_int(stmt, index, value->integer);
            break;
        case DB_VALUE_TEXT:
            db_bind_text(stmt, index, value->bytes);
            break;
        case DB_VALUE_BLOB:
            db_bind_blob(stmt, index, value->bytes);
            break;
        case DB_VALUE_NULL:
            db_bind_null(stmt, index);
            break;
        }
    }
}

enum ts_code db_step(struct db *db, sqlite3_stmt *stmt, bool *ret_row,
                     struct ts_err *err)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        *ret_row = true;
        return TS_OK;
    }
    *ret_row = false;
    if (code == SQLITE_DONE) {
        (void) sqlite3_reset(stmt);
        return TS_OK;
    }
    char what[96];
    const char *sql = sqlite3_sql(stmt);
    (void) snprintf(what, sizeof what, "run \"%.60s\"", sql == NULL ? "" : sql);
    enum ts_code failed = db_fail(db, err, what);
    (void) sqlite3_reset(stmt);
    return failed;
}

bool db_next(struct db *db, sqlite3_stmt *stmt, enum ts_code *code,
             struct ts_err *err)
{
    bool row = false;
    if (*code == TS_OK) {
        *code = db_step(db, stmt, &row, err);
    }
    return row;
}

enum ts_code db_run(struct db *db, sqlite3_stmt *stmt, struct ts_err *err)
{
    bool row = false;
    enum ts_code code = db_step(db, stmt, &row, err);
    if (row) {
        (void) sqlite3_reset(stmt);
    }
    return code;
}

void db_reset(sqlite3_stmt *stmt)
{
    (void) sqlite3_reset(stmt);
}

struct ts_slice db_column(sqlite3_stmt *stmt, int index)
{
    /* The pointer first: asking for it may convert, which sets the size. */
    const void *data = sqlite3_column_blob(stmt, index);
    return ts_slice(data, (size_t) sqlite3_column_bytes(stmt, index));
}

int64_t db_column_int(sqlite3_stmt *stmt, int index)
{
    return sqlite3_column_int64(stmt, index);
}

bool db_column_is_null(sqlite3_stmt *stmt, int index)
{
    return sqlite3_column_type(stmt, index) == SQLITE_NULL;
}

enum ts_code db_query_int(struct db *db, const char *sql, int64_t *ret_value,
                          struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code = db_prepare(db, sql, &stmt, err);
    if (code == TS_OK) {
        code = db_step(db, stmt, &row, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (!row) {
        return ts_fail(err, TS_E_NOT_FOUND, 0, "\"%.60s\" has no row in \"%s\"",
                       sql, db->path);
    }
    *ret_value = db_column_int(stmt, 0);
    return TS_OK;
}

static enum ts_code quick_check(struct db *db, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code = db_prepare(db, "PRAGMA quick_check(1)", &stmt, err);
    if (code == TS_OK) {
        code = db_step(db, stmt, &row, err);
    }
    if (code != TS_OK) {
        return code;
    }
    struct ts_slice answer = row ? db_column(stmt, 0) : TS_SLICE_NONE;
    if (!ts_slice_equal(answer, ts_slice_str("ok"))) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use \"%s\": it is damaged (%.*s)%s", db->path,
                       answer.size > 120 ? 120 : (int) answer.size,
                       (const char *) answer.data, advice(SQLITE_CORRUPT));
    }
    return TS_OK;
}

static enum ts_code set_pragmas(struct db *db, enum db_mode mode,
                                struct ts_err *err)
{
    (void) sqlite3_busy_timeout(db->handle, BUSY_MS);
    (void) sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void) sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0,
                             NULL);
    (void) sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void) sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);

    /* Scratch tables stay in memory: they hold keys, not directories. */
    const char *sql = "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"
                      "PRAGMA temp_store=MEMORY;PRAGMA cache_size=-65536";
    if (mode == DB_READ_ONLY) {
        sql = "PRAGMA temp_store=MEMORY;PRAGMA query_only=1";
    } else if (mode == DB_BUILDING) {
        /* Nobody else writes it, and a crash discards it: no log is needed but
         * for a rollback. */
        sql = "PRAGMA journal_mode=MEMORY;PRAGMA synchronous=OFF;"
              "PRAGMA temp_store=MEMORY;PRAGMA cache_size=-65536";
    }
    return db_exec(db, sql, err);
}

static enum ts_code refuse_foreign(struct db *db,
                                   const struct db_schema *schema,
                                   int64_t *ret_version, struct ts_err *err)
{
    int64_t id = 0;
    int64_t tables = 0;
    enum ts_code code = db_query_int(db, "PRAGMA application_id", &id, err);
    if (code == TS_E_CORRUPT) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use \"%s\": it is no database%s", db->path,
                       advice(SQLITE_NOTADB));
    }
    if (code == TS_OK) {
        code = db_query_int(db, "PRAGMA user_version", ret_version, err);
    }
    if (code == TS_OK) {
        code = db_query_int(db, "SELECT count(*) FROM sqlite_schema", &tables,
                            err);
    }
    if (code != TS_OK) {
        return code;
    }
    bool fresh = id == 0 && *ret_version == 0 && tables == 0;
    if (!fresh && id != schema->application_id) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use \"%s\": it is a database of something else; "
                       "name another state-directory",
                       db->path);
    }
    if (*ret_version > schema->migration_count) {
        return ts_fail(
            err, TS_E_VERSION, 0,
            "cannot use \"%s\": its schema has version %lld and this "
            "program knows %d; install the newer twinsync again",
            db->path, (long long) *ret_version, schema->migration_count);
    }
    return TS_OK;
}

static enum ts_code migrate(struct db *db, const struct db_schema *schema,
                            int64_t version, struct ts_err *err)
{
    if (version == schema->migration_count) {
        return TS_OK;
    }
    enum ts_code code = db_begin(db, err);
    for (int64_t v = version; code == TS_OK && v < schema->migration_count;
         v++) {
        code = db_exec(db, schema->migrations[v], err);
    }
    char sql[96];
    (void) snprintf(sql, sizeof sql,
                    "PRAGMA application_id=%ld;PRAGMA user_version=%d",
                    (long) schema->application_id, schema->migration_count);
    if (code == TS_OK) {
        code = db_exec(db, sql, err);
    }
    if (code == TS_OK) {
        code = db_commit(db, err);
    }
    if (code != TS_OK) {
        db_rollback(db);
    }
    return code;
}

/* `newest`: an older file is brought up, or refused when it is only read. */
static enum ts_code open_checked(struct db *db, enum db_mode mode,
                                 const struct db_schema *schema, bool newest,
                                 struct ts_err *err)
{
    int64_t version = 0;
    /* Look before anything is written: journal_mode=WAL changes the file. */
    enum ts_code code = refuse_foreign(db, schema, &version, err);
    if (code == TS_OK && version > 0 && mode != DB_READ_ONLY &&
        mode != DB_REOPENED) {
        code = quick_check(db, err);
    }
    if (code == TS_OK) {
        code = set_pragmas(db, mode, err);
    }
    if (code != TS_OK || (version > 0 && !newest)) {
        return code;
    }
    if (mode == DB_READ_ONLY && version != schema->migration_count) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot read \"%s\": its schema has version %lld and "
                       "this program needs %d; start the daemon of this "
                       "version once",
                       db->path, (long long) version, schema->migration_count);
    }
    return mode == DB_READ_ONLY ? TS_OK : migrate(db, schema, version, err);
}

static enum ts_code open_file(const char *path, enum db_mode mode,
                              const struct db_schema *schema, bool newest,
                              struct db *ret_db, struct ts_err *err)
{
    struct db db = { .handle = NULL };
    if (strlen(path) >= sizeof db.path) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot open \"%.60s...\": the path is longer than %zu "
                       "bytes; use a shorter state-directory",
                       path, sizeof db.path - 1);
    }
    (void) snprintf(db.path, sizeof db.path, "%s", path);

    int flags = mode == DB_READ_ONLY
                    ? SQLITE_OPEN_READONLY
                    : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(path, &db.handle, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        enum ts_code code =
            db.handle == NULL
                ? ts_fail(err, TS_E_NOMEM, 0, "could not open \"%s\"", path)
                : db_fail(&db, err, "open the database");
        (void) sqlite3_close_v2(db.handle);
        return code;
    }

    enum ts_code code = open_checked(&db, mode, schema, newest, err);
    if (code != TS_OK) {
        (void) sqlite3_close_v2(db.handle);
        return code;
    }
    *ret_db = db;
    return TS_OK;
}

enum ts_code db_open(const char *path, enum db_mode mode,
                     const struct db_schema *schema, struct db *ret_db,
                     struct ts_err *err)
{
    return open_file(path, mode, schema, true, ret_db, err);
}

enum ts_code db_open_kept(const char *path, enum db_mode mode,
                          const struct db_schema *schema, struct db *ret_db,
                          struct ts_err *err)
{
    return open_file(path, mode, schema, false, ret_db, err);
}

enum ts_code db_open_again(const struct db *db, struct db *ret_db,
                           struct ts_err *err)
{
    struct db again = *db;
    again.handle = NULL;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(db->path, &again.handle, flags, NULL) != SQLITE_OK) {
        enum ts_code code =
            again.handle == NULL
                ? ts_fail(err, TS_E_NOMEM, 0, "could not open \"%s\"", db->path)
                : db_fail(&again, err, "open the database again");
        (void) sqlite3_close_v2(again.handle);
        return code;
    }
    enum ts_code code = set_pragmas(&again, DB_READ_ONLY, err);
    if (code != TS_OK) {
        (void) sqlite3_close_v2(again.handle);
        return code;
    }
    *ret_db = again;
    return TS_OK;
}

void db_close(struct db *db)
{
    if (db != NULL && db->handle != NULL) {
        db_rollback(db);
        (void) sqlite3_close_v2(db->handle);
        db->handle = NULL;
    }
}
