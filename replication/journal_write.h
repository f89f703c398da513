/*
 * journal_write -- what the two writers of a journal share: the leader's
 * (journal.c), who captures, and the follower's (apply.c), who applies. For
 * them and the upgrade's barrier (level.c) only.
 */
#ifndef REPLICATION_JOURNAL_WRITE_H
#define REPLICATION_JOURNAL_WRITE_H

#include "replication/batch.h"
#include "replication/summer.h"

/* What a row costs besides its changeset, roughly. */
#define JOURNAL_ROW_OVERHEAD 128

enum journal_statement {
    JOURNAL_ADD_ROW,
    JOURNAL_SET_POSITION,
    JOURNAL_ADD_LINEAGE,
    JOURNAL_OLDEST_ROW,
    JOURNAL_DROP_ROWS,
    JOURNAL_STATEMENTS
};

struct journal {
    struct db *db;
    struct journal_options options;
    struct summer *summer;
    sqlite3_stmt *stmt[JOURNAL_STATEMENTS];
    bool loading;
    bool open; /* between _begin and its end */
    struct capture capture;
    struct journal_position at; /* what is durable, but for the epoch of the
                                   transaction that raises it */
    bool raised;                /* by the transaction under way, from: */
    struct journal_position raised_from;
    struct journal_extent extent;
};

TS_MUSTUSE enum ts_code journal_write_prepare(struct journal *journal,
                                              struct ts_err *err);
/* Within the caller's transaction, each. */
TS_MUSTUSE enum ts_code
journal_write_position(struct journal *journal,
                       const struct journal_position *at, struct ts_err *err);
/* The epoch of `at` begins behind it. */
TS_MUSTUSE enum ts_code journal_write_lineage(struct journal *journal,
                                              const struct journal_position *at,
                                              struct ts_err *err);
TS_MUSTUSE enum ts_code journal_write_row(struct journal *journal,
                                          const struct journal_item *row,
                                          struct ts_err *err);
/* `rows` rows with `size` bytes of changesets are durable, up to journal->at.
 */
void journal_note_rows(struct journal *journal, int64_t rows, int64_t size);

/* A stored sum; the error names `db`. */
TS_MUSTUSE enum ts_code journal_read_sum(const struct db *db,
                                         sqlite3_stmt *stmt, int column,
                                         struct sum *ret_sum,
                                         struct ts_err *err);
/* *ret_found is false while the first load has not ended. */
TS_MUSTUSE enum ts_code journal_read_position(struct db *db, bool *ret_found,
                                              struct journal_position *ret_at,
                                              struct ts_err *err);

#endif
