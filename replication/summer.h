/*
 * summer -- computes the sum of the rows of a list of tables.
 *
 *   leader    writes ... capture_end -> summer_change()    after the writes
 *   follower  summer_rows(BEFORE) -> capture_apply -> summer_rows(AFTER)
 *   either    summer_scan()                                full recomputation
 *
 * A row is hashed as: the table's name, the number of its columns, then each
 * column as one byte of type and its value (integers and doubles as 8 bytes
 * big-endian, text and blobs behind their length). So `1`, `1.0`, `'1'` and
 * x'31' are four different values, and no two rows run into each other.
 *
 * Invariants:
 *   M1  summer_scan() after a change equals the sum before plus
 *       summer_change().
 *   M2  the follower's AFTER minus BEFORE, computed from its own rows, equals
 *       the leader's summer_change() when it holds the leader's rows, and
 *       differs when a row that the change touches differs.
 */
#ifndef REPLICATION_SUMMER_H
#define REPLICATION_SUMMER_H

#include "node/db/capture.h"
#include "replication/sum.h"

/* Reads rows of the tables over one connection; keeps its statements. */
struct summer;

/* `db` and `tables` are borrowed until _free. The tables' columns are read
 * here: make a new summer after a migration.
 * Errors   TS_E_CORRUPT (a table is missing or has no primary key), TS_E_IO. */
TS_MUSTUSE enum ts_code summer_new(struct db *db,
                                   const struct capture_tables *tables,
                                   struct summer **ret_summer,
                                   struct ts_err *err);
/* NULL is fine. Before the connection closes. */
void summer_free(struct summer *summer);

/* The sum of all rows, and their number (NULL: not wanted).
 * Errors   TS_E_IO, TS_E_CORRUPT.
 * Blocks   reads every table once: 350,000 rows in about a third of a second.
 */
TS_MUSTUSE enum ts_code summer_scan(struct summer *summer, struct sum *ret_sum,
                                    uint64_t *ret_rows, struct ts_err *err);

/* The same of one table, number `table` of the list. */
TS_MUSTUSE enum ts_code summer_scan_table(struct summer *summer, size_t table,
                                          struct sum *ret_sum,
                                          uint64_t *ret_rows,
                                          struct ts_err *err);

/* What `changeset` did to the sum; called in the transaction that made it,
 * after its writes: the unchanged columns of an updated row are read from the
 * table, because a changeset does not carry them.
 * Errors   TS_E_CORRUPT (not a changeset, or a row it names is missing),
 * TS_E_IO.
 */
TS_MUSTUSE enum ts_code summer_change(struct summer *summer,
                                      struct ts_slice changeset,
                                      struct sum *ret_delta,
                                      struct ts_err *err);

enum summer_side {
    SUMMER_BEFORE, /* the rows that `changeset` will delete or update */
    SUMMER_AFTER   /* the rows that it has inserted or updated */
};

/* The sum of this connection's own rows that `changeset` names; only its keys
 * are believed. A row that is missing adds nothing: the sums then differ. */
TS_MUSTUSE enum ts_code summer_rows(struct summer *summer,
                                    struct ts_slice changeset,
                                    enum summer_side side, struct sum *ret_sum,
                                    struct ts_err *err);

#endif
