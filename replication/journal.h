/*
 * journal -- every change of the replicated tables, in the transaction that
 * made it.
 *
 * Whoever writes replicated tables does it between journal_begin() and
 * journal_commit(), over the store's one writing connection. The commit adds a
 * row (generation, epoch, seq, level, changeset, sums before and after) that a
 * second node can apply, and that tells it whether it then holds the same.
 *
 *   file without           journal_start           file with
 *   a position: LOADING ------------------------> a position: CAPTURING
 *   (plain transactions,   (full sum, first row    (one journal row for each
 *    no journal rows)       of the lineage)         transaction that changed)
 *
 * A first load runs LOADING, in a file that nobody relies on yet: capturing
 * would halve its speed, and a new node gets the file itself, as a snapshot.
 *
 * A second node makes the same rows by apply.h; both come to a new level of the
 * schema by level.h.
 *
 * Invariants:
 *   J1  a journal row and its change are durable together or not at all.
 *   J2  post_sum of row n is pre_sum of row n + 1, and the sum of the tables.
 *   J3  seq grows by one for each transaction that changed a replicated row;
 *       one that changed none gets no seq, and one that wrote nothing writes
 *       nothing to the disk.
 *   J4  epochs only grow; each has one row in the lineage, with the first seq
 *       that it may give and the sum before that.
 *   J5  an error leaves the journal as it was before journal_begin(): the
 *       transaction is rolled back, and the next one may be tried.
 *
 * The module is given the list of replicated tables; it knows none of them. Its
 * own three tables (journal.sql goes into the owner's schema) are not on it.
 */
#ifndef REPLICATION_JOURNAL_H
#define REPLICATION_JOURNAL_H

#include "node/db/capture.h"
#include "replication/sum.h"

/* What is kept for a follower that was away; beyond it, it needs a snapshot. */
#define JOURNAL_ROWS_MAX 100000
#define JOURNAL_SIZE_MAX ((int64_t) 256 * 1024 * 1024)

struct journal_options {
    const struct capture_tables *tables; /* borrowed until _close */
    int64_t rows_max, size_max;          /* 0: the limits above */
    const struct db_schema *schema; /* whose steps an upgrade makes (level.h);
                                       borrowed; NULL: none */
};

struct journal;

/* Over the writing connection `db`, which is borrowed until _close.
 * Owns     close with journal_close().
 * Errors   TS_E_CORRUPT (position and last row disagree, or capture_check()),
 *          TS_E_NOMEM, TS_E_IO. Blocks: reads the journal's row headers. */
TS_MUSTUSE enum ts_code journal_open(struct db *db,
                                     const struct journal_options *options,
                                     struct journal **ret_journal,
                                     struct ts_err *err);
/* Rolls back what is open; before the connection closes; NULL is fine. */
void journal_close(struct journal *journal);

/* Still in the first load: nothing is captured. */
bool journal_loading(const struct journal *journal);

/* A place in the history of the replicated tables. */
struct journal_position {
    int64_t generation, epoch, level, seq;
    struct sum sum;
};

/* End the first load: compute the full sum, open the lineage at `from`'s
 * generation, epoch and level (its seq and sum are ignored; seq starts at 0).
 * Errors   TS_E_IO, TS_E_CORRUPT. Blocks: reads every replicated row. */
TS_MUSTUSE enum ts_code journal_start(struct journal *journal,
                                      const struct journal_position *from,
                                      struct ts_err *err);

/* Where the committed state is. All zero while loading. */
struct journal_position journal_position(const struct journal *journal);

/* Begin a transaction (BEGIN IMMEDIATE). One at a time.
 * Errors   TS_E_IO (busy, disk), TS_E_NOMEM: nothing was begun. */
TS_MUSTUSE enum ts_code journal_begin(struct journal *journal,
                                      struct ts_err *err);
/* Make it durable, with its journal row. *ret_seq (NULL: not wanted) is the
 * row's seq, 0 when no replicated row changed or while loading.
 * Errors   TS_E_IO (disk full, read-only: the text names file and remedy),
 *          TS_E_CORRUPT, TS_E_LIMIT, TS_E_NOMEM. See J5.
 * Blocks   for one fsync. */
TS_MUSTUSE enum ts_code journal_commit(struct journal *journal,
                                       int64_t *ret_seq, struct ts_err *err);
/* Without an open transaction: does nothing. */
void journal_rollback(struct journal *journal);

/* The rows to come belong to `epoch`. The same epoch again does nothing. Within
 * a transaction it becomes durable with that, or not at all.
 * Errors   TS_E_REFUSED (a lower epoch), TS_E_IO. */
TS_MUSTUSE enum ts_code journal_raise_epoch(struct journal *journal,
                                            int64_t epoch, struct ts_err *err);

/* Drop the oldest rows beyond the limits, a bounded number in one small
 * transaction: call again while *ret_more, between other work.
 * Errors   TS_E_IO. */
TS_MUSTUSE enum ts_code journal_trim(struct journal *journal, bool *ret_more,
                                     struct ts_err *err);

/* What is kept: the first seq (0: none), rows, and bytes of changesets. */
struct journal_extent {
    int64_t first_seq, rows, size;
};
struct journal_extent journal_extent(const struct journal *journal);

/* Compute the sum of the tables from their rows and compare it with the
 * position's, in one read transaction; over any connection to the file that
 * has no transaction open.
 * Errors   TS_E_CORRUPT (they differ: *ret_position and *ret_rows are set, the
 *          text has both sums), TS_E_NOT_FOUND (still loading), TS_E_IO.
 * Blocks   reads every replicated row: 350,000 in a third of a second. */
TS_MUSTUSE enum ts_code journal_verify(struct db *db,
                                       const struct capture_tables *tables,
                                       struct journal_position *ret_position,
                                       uint64_t *ret_rows, struct ts_err *err);

#endif
