/*
 * capture -- which rows a transaction changed, as bytes another node can apply.
 *
 * SQLite's session extension records the changes to a compiled-in list of
 * tables; the bytes are a changeset (sqlite.org/sessionintro.html). Who writes
 * a journal brackets its writes with capture_begin() and capture_end() inside
 * one transaction; who follows applies the bytes with capture_apply().
 *
 *   db_begin --> capture_begin --> writes --> capture_end --> ... --> db_commit
 *                                    \------> capture_abandon --> db_rollback
 *
 * The extension is silent where we must not be: a table without a primary key
 * is not recorded, a generated column empties the changeset, and a table that
 * the receiving side lacks is skipped with success. Hence these invariants:
 *
 *   C1  every listed table passes capture_check(): a plain table of this file
 *       whose primary key is NOT NULL, without generated columns, triggers or
 *       foreign keys that act.
 *   C2  if rows of listed tables were written and the session recorded none,
 *       capture_end() fails: such a transaction must not be committed. (Writes
 *       that cancel out within the transaction are recorded and give an empty
 *       changeset, which is no error: nothing changed.)
 *   C3  capture_apply() succeeds only if it made every change: a table outside
 *       the list, a row that is not what the changeset expects, a change that
 *       SQLite skipped and any schema warning in its log are errors.
 *   C4  within one transaction a value of a unique index may be handed on from
 *       row to row, but not exchanged in a circle: the receiving side could
 *       not apply that in any order, and reports a conflict.
 *
 * C2 counts with the update hook, which does not see tables WITHOUT ROWID:
 * between _begin and _end such tables may be written only if they are listed.
 */
#ifndef NODE_DB_CAPTURE_H
#define NODE_DB_CAPTURE_H

#include "node/db/db.h"

#define CAPTURE_TABLES_MAX 64
/* The largest changeset: a chunk of an import is at most 16 MiB, one object at
 * most 64 MiB before and after. */
#define CAPTURE_SIZE_MAX ((size_t) 256 * 1024 * 1024)

/* The compiled-in list of tables; borrowed for as long as it is used. */
struct capture_tables {
    const char *const *names;
    size_t count;
};

/* The index of `name`, or tables->count when it is not listed. */
size_t capture_find(const struct capture_tables *tables, const char *name);

/* Watch SQLite's log for schema warnings (C3). Before the first database of the
 * process is opened; later calls do nothing. Not thread-safe.
 * Errors   TS_E_REFUSED when it is too late. */
TS_MUSTUSE enum ts_code capture_setup(struct ts_err *err);

/* C1. Once, when a file is opened.
 * Errors   TS_E_CORRUPT names the table and what is wrong; TS_E_IO. */
TS_MUSTUSE enum ts_code capture_check(struct db *db,
                                      const struct capture_tables *tables,
                                      struct ts_err *err);

/* A recording under way. Treat as opaque; zeroed is valid for _abandon. */
struct capture {
    struct db *db;
    const struct capture_tables *tables;
    struct sqlite3_session *session;
    const char *table_last; /* of the list: rows come in runs of one table */
    int64_t total_before;
    int64_t unlisted;
};

/* Start to record. `capture` must not move until _end or _abandon. One at a
 * time per connection; it takes the connection's update hook.
 * Errors   TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code capture_begin(struct capture *capture, struct db *db,
                                      const struct capture_tables *tables,
                                      struct ts_err *err);

/* What was recorded, in the transaction's own last moments.
 * Owns     the bytes: give them back with capture_free(). No change: the
 *          empty slice.
 * Errors   TS_E_CORRUPT (C2), TS_E_LIMIT (CAPTURE_SIZE_MAX), TS_E_NOMEM,
 *          TS_E_IO. In every case the recording is over. */
TS_MUSTUSE enum ts_code capture_end(struct capture *capture,
                                    struct ts_slice *ret_changeset,
                                    struct ts_err *err);
/* Stop without a result; twice, or without a _begin, is fine. */
void capture_abandon(struct capture *capture);
/* The empty slice is fine. */
void capture_free(struct ts_slice *changeset);

/* Make the changes of `changeset` here, inside the caller's transaction, which
 * after an error must be rolled back.
 * Errors   TS_E_PROTOCOL (not a changeset, or a table outside the list);
 *          TS_E_CONFLICT (diverged: our rows are not what it expects, the text
 *          names table and operation); TS_E_LIMIT, TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code capture_apply(struct db *db,
                                      const struct capture_tables *tables,
                                      struct ts_slice changeset,
                                      struct ts_err *err);

#endif
