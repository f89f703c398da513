#define SQLITE_ENABLE_SESSION        1
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#include "node/db/capture.h"

#include <assert.h>

#include "node/db/changeset.h"

/* SQLite's log is one callback a process; applying is done by one thread at a
 * time of each store, so the warnings are counted by thread. */
static _Thread_local unsigned schema_warnings;

static void watch_log(void *context, int code, const char *text)
{
    (void) context;
    (void) text;
    if ((code & 0xff) == SQLITE_SCHEMA) {
        schema_warnings++;
    }
}

/* SQLite takes changesets as void *, and only reads them. */
static void *lent(struct ts_slice bytes)
{
    union {
        const uint8_t *constant;
        void *plain;
    } pointer = { .constant = bytes.data };
    return pointer.plain;
}

enum ts_code capture_setup(struct ts_err *err)
{
    static bool done;
    if (done) {
        return TS_OK;
    }
    if (sqlite3_config(SQLITE_CONFIG_LOG, watch_log, NULL) != SQLITE_OK) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot watch the log of SQLite: a database was opened "
                       "before; call this first");
    }
    done = true;
    return TS_OK;
}

size_t capture_find(const struct capture_tables *tables, const char *name)
{
    size_t i = 0;
    while (i < tables->count && strcmp(tables->names[i], name) != 0) {
        i++;
    }
    return i;
}

/* ---- C1: what may be captured at all ------------------------------------ */

/* Each answers with tables of the file and a reason why they cannot be
 * captured; of all tables at once, because each look at a table costs SQLite a
 * compilation. */
static const char *const checks[] = {
    "SELECT name, 'it is a '||type||', not a table' FROM pragma_table_list "
    "WHERE schema='main' AND type<>'table'",
    "SELECT l.name, CASE WHEN max(c.hidden)<>0 THEN 'its column '||"
    "max(iif(c.hidden<>0,c.name,''))||' is generated or hidden' "
    "WHEN max(c.pk)=0 THEN 'it has no primary key' "
    "ELSE 'its key column '||max(iif(c.pk>0 AND c.\"notnull\"=0,c.name,''))||"
    "' may be NULL' END "
    "FROM sqlite_schema l, pragma_table_xinfo(l.name) c WHERE l.type='table' "
    "GROUP BY l.name HAVING max(c.hidden)<>0 OR max(c.pk)=0 "
    "OR max(c.pk>0 AND c.\"notnull\"=0)",
    "SELECT tbl_name, 'it has the trigger '||name FROM sqlite_schema "
    "WHERE type='trigger'",
    "SELECT l.name, 'its foreign key to '||f.\"table\"||' acts' "
    "FROM sqlite_schema l, pragma_foreign_key_list(l.name) f "
    "WHERE l.type='table' AND (on_update NOT IN ('NO ACTION','RESTRICT') "
    "OR on_delete NOT IN ('NO ACTION','RESTRICT'))",
};

static enum ts_code refuse_table(const struct db *db, const char *table,
                                 struct ts_slice why, struct ts_err *err)
{
    return ts_fail(err, TS_E_CORRUPT, 0,
                   "cannot replicate table %s of \"%s\": %.*s; install "
                   "the twinsync that made this file, or restore a backup",
                   table, db->path, TS_SLICE_ARGS(why));
}

static size_t find_slice(const struct capture_tables *tables,
                         struct ts_slice name)
{
    size_t i = 0;
    while (i < tables->count &&
           !ts_slice_equal(ts_slice_str(tables->names[i]), name)) {
        i++;
    }
    return i;
}

static enum ts_code check_reasons(struct db *db,
                                  const struct capture_tables *tables,
                                  const char *sql, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code = db_prepare(db, sql, &stmt, err);
    while (code == TS_OK && (code = db_step(db, stmt, &row, err)) == TS_OK &&
           row) {
        size_t i = find_slice(tables, db_column(stmt, 0));
        if (i < tables->count) {
            code = refuse_table(db, tables->names[i], db_column(stmt, 1), err);
        }
    }
    return code;
}

static enum ts_code check_missing(struct db *db,
                                  const struct capture_tables *tables,
                                  struct ts_err *err)
{
    static const char sql[] = "SELECT name FROM sqlite_schema WHERE type IN "
                              "('table','view')";
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool found[CAPTURE_TABLES_MAX + 1] = { false };
    bool row = false;
    enum ts_code code = db_prepare(db, sql, &stmt, err);
    while (code == TS_OK && (code = db_step(db, stmt, &row, err)) == TS_OK &&
           row) {
        found[find_slice(tables, db_column(stmt, 0))] = true;
    }
    for (size_t i = 0; code == TS_OK && i < tables->count; i++) {
        if (!found[i]) {
            code = refuse_table(db, tables->names[i],
                                ts_slice_str("it is missing"), err);
        }
    }
    return code;
}

enum ts_code capture_check(struct db *db, const struct capture_tables *tables,
                           struct ts_err *err)
{
    assert(tables->count <= CAPTURE_TABLES_MAX);
    enum ts_code code = check_missing(db, tables, err);
    for (size_t i = 0; code == TS_OK && i < sizeof checks / sizeof checks[0];
         i++) {
        code = check_reasons(db, tables, checks[i], err);
    }
    return code;
}

/* ---- recording ---------------------------------------------------------- */

static void count_unlisted(void *context, int verb, const char *database,
                           const char *table, sqlite3_int64 rowid)
{
    struct capture *capture = context;
    (void) verb;
    (void) rowid;
    if (strcmp(database, "main") == 0) {
        if (capture->table_last != NULL &&
            strcmp(capture->table_last, table) == 0) {
            return;
        }
        size_t i = capture_find(capture->tables, table);
        if (i < capture->tables->count) {
            capture->table_last = capture->tables->names[i];
            return;
        }
    }
    capture->unlisted++;
}

enum ts_code capture_begin(struct capture *capture, struct db *db,
                           const struct capture_tables *tables,
                           struct ts_err *err)
{
    assert(sqlite3_get_autocommit(db->handle) == 0);
    *capture = (struct capture){
        .db = db,
        .tables = tables,
        .total_before = sqlite3_total_changes64(db->handle),
    };
    int code = sqlite3session_create(db->handle, "main", &capture->session);
    for (size_t i = 0; code == SQLITE_OK && i < tables->count; i++) {
        code = sqlite3session_attach(capture->session, tables->names[i]);
    }
    if (code != SQLITE_OK) {
        capture_abandon(capture);
        return ts_fail(err, code == SQLITE_NOMEM ? TS_E_NOMEM : TS_E_IO, 0,
                       "could not start to capture changes of \"%s\": %s",
                       db->path, sqlite3_errstr(code));
    }
    (void) sqlite3_update_hook(db->handle, count_unlisted, capture);
    return TS_OK;
}

void capture_abandon(struct capture *capture)
{
    if (capture->session != NULL) {
        (void) sqlite3_update_hook(capture->db->handle, NULL, NULL);
        sqlite3session_delete(capture->session);
        capture->session = NULL;
    }
}

/* C2. */
static enum ts_code refuse_blind(const struct capture *capture,
                                 struct ts_err *err)
{
    int64_t listed = sqlite3_total_changes64(capture->db->handle) -
                     capture->total_before - capture->unlisted;
    if (listed == 0 || sqlite3session_isempty(capture->session) == 0) {
        return TS_OK;
    }
    return ts_fail(err, TS_E_CORRUPT, 0,
                   "cannot journal a transaction in \"%s\": %lld rows of "
                   "replicated tables were written and none was captured; "
                   "report this, the transaction was not made",
                   capture->db->path, (long long) listed);
}

enum ts_code capture_end(struct capture *capture,
                         struct ts_slice *ret_changeset, struct ts_err *err)
{
    assert(capture->session != NULL);
    enum ts_code failed = refuse_blind(capture, err);
    if (failed == TS_OK && sqlite3session_changeset_size(capture->session) >
                               (sqlite3_int64) CAPTURE_SIZE_MAX) {
        failed = ts_fail(err, TS_E_LIMIT, 0,
                         "cannot journal a transaction in \"%s\": its changes "
                         "are over %zu bytes; commit smaller ones",
                         capture->db->path, CAPTURE_SIZE_MAX);
    }
    int size = 0;
    void *data = NULL;
    int code = SQLITE_OK;
    if (failed == TS_OK) {
        code = sqlite3session_changeset(capture->session, &size, &data);
    }
    if (code != SQLITE_OK) {
        failed = ts_fail(err, code == SQLITE_NOMEM ? TS_E_NOMEM : TS_E_IO, 0,
                         "could not capture the changes of \"%s\": %s",
                         capture->db->path, sqlite3_errstr(code));
    }
    capture_abandon(capture);
    if (failed != TS_OK || size == 0) {
        sqlite3_free(data);
        data = NULL;
    }
    if (failed != TS_OK) {
        return failed;
    }
    *ret_changeset = ts_slice(data, (size_t) size);
    return TS_OK;
}

void capture_free(struct ts_slice *changeset)
{
    sqlite3_free(lent(*changeset));
    *changeset = TS_SLICE_NONE;
}

/* ---- applying ----------------------------------------------------------- */

struct applying {
    struct db *db;
    struct ts_err *err;
    enum ts_code code; /* the first conflict's */
};

static const char *verb_text(int verb)
{
    switch (verb) {
    case SQLITE_INSERT:
        return "insert";
    case SQLITE_UPDATE:
        return "update";
    default:
        return "delete";
    }
}

static const char *conflict_text(int conflict)
{
    switch (conflict) {
    case SQLITE_CHANGESET_DATA:
        return "the row here has other values";
    case SQLITE_CHANGESET_NOTFOUND:
        return "the row is not here";
    case SQLITE_CHANGESET_CONFLICT:
        return "a row with that key is here already";
    case SQLITE_CHANGESET_CONSTRAINT:
        return "it breaks a constraint here";
    default:
        return "it breaks a foreign key here";
    }
}

static int on_conflict(void *context, int conflict, sqlite3_changeset_iter *at)
{
    struct applying *applying = context;
    const char *table = "?";
    int columns = 0;
    int verb = 0;
    int indirect = 0;
    if (conflict != SQLITE_CHANGESET_FOREIGN_KEY) {
        (void) sqlite3changeset_op(at, &table, &columns, &verb, &indirect);
    }
    applying->code = ts_fail(
        applying->err, TS_E_CONFLICT, 0,
        "cannot apply a change to \"%s\": diverged at one %s in table %s: %s; "
        "this state must be replaced by a snapshot",
        applying->db->path, verb_text(verb), table, conflict_text(conflict));
    return SQLITE_CHANGESET_ABORT;
}

struct survey {
    const struct capture_tables *tables;
    const char *unlisted; /* the first table that is not on the list */
};

static bool survey_table(void *context, const char *table)
{
    struct survey *survey = context;
    if (capture_find(survey->tables, table) == survey->tables->count) {
        survey->unlisted = table;
    }
    return survey->unlisted == NULL;
}

/* Read it through before anything is touched. */
static enum ts_code survey(struct db *db, const struct capture_tables *tables,
                           struct ts_slice changeset, int64_t *ret_count,
                           struct ts_err *err)
{
    struct survey survey = { .tables = tables };
    switch (changeset_walk(changeset, survey_table, &survey, ret_count)) {
    case CHANGESET_REFUSED:
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot apply a change to \"%s\": table %s is not "
                       "replicated; run the same version on both nodes",
                       db->path, survey.unlisted);
    case CHANGESET_BROKEN:
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot apply a change to \"%s\": its %zu bytes are not "
                       "a changeset; replace this state by a snapshot",
                       db->path, changeset.size);
    case CHANGESET_GOOD:
        break;
    }
    return TS_OK;
}

enum ts_code capture_apply(struct db *db, const struct capture_tables *tables,
                           struct ts_slice changeset, struct ts_err *err)
{
    assert(sqlite3_get_autocommit(db->handle) == 0);
    if (changeset.size > CAPTURE_SIZE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot apply a change to \"%s\": it has %zu bytes, the "
                       "limit is %zu",
                       db->path, changeset.size, CAPTURE_SIZE_MAX);
    }
    int64_t expected = 0;
    enum ts_code failed = survey(db, tables, changeset, &expected, err);
    if (failed != TS_OK) {
        return failed;
    }

    struct applying applying = { .db = db, .err = err, .code = TS_OK };
    unsigned warnings = schema_warnings;
    int64_t before = sqlite3_total_changes64(db->handle);
    int code =
        sqlite3changeset_apply(db->handle, (int) changeset.size,
                               lent(changeset), NULL, on_conflict, &applying);
    if (applying.code != TS_OK) {
        return applying.code;
    }
    if (code == SQLITE_CORRUPT) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot apply a change to \"%s\": its %zu bytes are "
                       "not a changeset; replace this state by a snapshot",
                       db->path, changeset.size);
    }
    if (code != SQLITE_OK) {
        return db_fail(db, err, "apply a change");
    }
    int64_t made = sqlite3_total_changes64(db->handle) - before;
    if (schema_warnings != warnings || made != expected) {
        return ts_fail(err, TS_E_CONFLICT, 0,
                       "cannot apply a change to \"%s\": %lld of its %lld rows "
                       "do not fit the tables here; run the same version on "
                       "both nodes",
                       db->path, (long long) (expected - made),
                       (long long) expected);
    }
    return TS_OK;
}
