/*
 * db -- SQLite as the product uses it: one connection, checked calls.
 *
 * Every store opens its file here, so that all of them have the same pragmas
 * (WAL, synchronous=FULL, no trusted schema), the same answer to a damaged or
 * newer file, and errors that name the file and say what to do. A connection
 * belongs to one thread.
 *
 * Invariants:
 *   D1  "durable" means that db_commit() returned TS_OK under DB_DURABLE.
 *   D2  a file that is not ours, is newer than we are, or fails quick_check is
 *       refused and left exactly as it is.
 *
 * Tables belong to the modules that name them; this one has none of its own.
 */
#ifndef NODE_DB_DB_H
#define NODE_DB_DB_H

#include <sqlite3.h>
#include <stdbool.h>

#include "node/base/err.h"
#include "node/base/slice.h"

enum db_mode {
    DB_DURABLE,  /* create if missing; synchronous=FULL */
    DB_BUILDING, /* a file that nobody relies on yet: synchronous=OFF until
                    whoever selects it has synced it whole */
    DB_REOPENED, /* as DURABLE, but this process has just closed it: not checked
                    again */
    DB_READ_ONLY /* an existing file, next to its writer */
};

struct db {
    sqlite3 *handle;
    char path[512];
};

/* A schema and its history: migrations[n] brings version n to n + 1. */
struct db_schema {
    int32_t application_id; /* tells our files from others, and each other */
    const char *const *migrations;
    int migration_count;
};

/* Open `path` and bring it to the schema's latest version.
 * Errors   TS_E_IO; TS_E_CORRUPT (quick_check, not a database, not ours);
 *          TS_E_VERSION (newer than this program). The sentence says how to go
 *          on. Blocks: reads the whole file once (quick_check), unless
 *          DB_READ_ONLY. */
TS_MUSTUSE enum ts_code db_open(const char *path, enum db_mode mode,
                                const struct db_schema *schema,
                                struct db *ret_db, struct ts_err *err);
/* The same, but a file of an older version is opened as it is: its owner brings
 * it up when both nodes are ready to (replication/level.h). */
TS_MUSTUSE enum ts_code db_open_kept(const char *path, enum db_mode mode,
                                     const struct db_schema *schema,
                                     struct db *ret_db, struct ts_err *err);
/* Another connection to the same file, which only reads, for another thread.
 * Errors   TS_E_IO. Owns: db_close. */
TS_MUSTUSE enum ts_code db_open_again(const struct db *db, struct db *ret_db,
                                      struct ts_err *err);
/* Rolls back what is open and closes; a zeroed struct is fine. */
void db_close(struct db *db);

/* Turn what SQLite last said into `err`, naming the file and, where it helps,
 * what to do. Returns the code. */
enum ts_code db_fail(const struct db *db, struct ts_err *err, const char *what);

TS_MUSTUSE enum ts_code db_exec(struct db *db, const char *sql,
                                struct ts_err *err);
TS_MUSTUSE enum ts_code db_begin(struct db *db, struct ts_err *err);
TS_MUSTUSE enum ts_code db_commit(struct db *db, struct ts_err *err);
/* Never fails: what cannot be rolled back was not begun. */
void db_rollback(struct db *db);

/* Owns: finalize with db_finalize, or DB_AUTO_STMT. */
TS_MUSTUSE enum ts_code db_prepare(struct db *db, const char *sql,
                                   sqlite3_stmt **ret_stmt, struct ts_err *err);
void db_finalize(sqlite3_stmt **stmt);

/* Parameters count from 1. Bytes are borrowed until the statement is reset. */
void db_bind_int(sqlite3_stmt *stmt, int index, int64_t value);
void db_bind_text(sqlite3_stmt *stmt, int index, struct ts_slice text);
void db_bind_blob(sqlite3_stmt *stmt, int index, struct ts_slice bytes);
void db_bind_null(sqlite3_stmt *stmt, int index);

/* The parameters of one statement, in order, as a literal:
 * db_bind(stmt, DB_VALUES(DB_INT(id), DB_TEXT(name))). */
struct db_value {
    enum {
        DB_VALUE_INT,
        DB_VALUE_TEXT,
        DB_VALUE_BLOB,
        DB_VALUE_NULL
    } type;
    int64_t integer;
    struct ts_slice bytes;
};
struct db_values {
    const struct db_value *items;
    size_t count;
};
#define DB_INT(value)  ((struct db_value){ DB_VALUE_INT, (value), { NULL, 0 } })
#define DB_TEXT(slice) ((struct db_value){ DB_VALUE_TEXT, 0, (slice) })
#define DB_BLOB(slice) ((struct db_value){ DB_VALUE_BLOB, 0, (slice) })
#define DB_NULL        ((struct db_value){ DB_VALUE_NULL, 0, { NULL, 0 } })
#define DB_VALUES(...)                                                \
    ((struct db_values){ (const struct db_value[]){ __VA_ARGS__ },    \
                         sizeof((struct db_value[]){ __VA_ARGS__ }) / \
                             sizeof(struct db_value) })
#define DB_NO_VALUES ((struct db_values){ NULL, 0 })
void db_bind(sqlite3_stmt *stmt, struct db_values values);

/* One row: *ret_row tells whether there is one; when there is none, or on an
 * error, the statement has been reset. */
TS_MUSTUSE enum ts_code db_step(struct db *db, sqlite3_stmt *stmt,
                                bool *ret_row, struct ts_err *err);
/* The next row, as long as all is well: `while (db_next(db, stmt, &code,
 * err))`. Takes no step after an error. False, too, when there is no (more)
 * row. */
bool db_next(struct db *db, sqlite3_stmt *stmt, enum ts_code *code,
             struct ts_err *err);
/* A statement whose rows do not matter: step once and reset. */
TS_MUSTUSE enum ts_code db_run(struct db *db, sqlite3_stmt *stmt,
                               struct ts_err *err);
/* Done with a statement before its last row was read; NULL is fine. */
void db_reset(sqlite3_stmt *stmt);

/* Columns count from 0; text and blobs live until the next step or reset. */
struct ts_slice db_column(sqlite3_stmt *stmt, int index);
int64_t db_column_int(sqlite3_stmt *stmt, int index);
bool db_column_is_null(sqlite3_stmt *stmt, int index);

/* The single integer that `sql` answers; TS_E_NOT_FOUND without a row. */
TS_MUSTUSE enum ts_code db_query_int(struct db *db, const char *sql,
                                     int64_t *ret_value, struct ts_err *err);

static inline void db_cleanup_stmt(sqlite3_stmt **stmt)
{
    db_finalize(stmt);
}
#define DB_AUTO_STMT __attribute__((cleanup(db_cleanup_stmt)))

#endif
