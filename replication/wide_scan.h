/*
 * wide_scan -- the sum of all rows of a file, by two threads.
 *
 * After a first load every row is read once to start the journal. The sum is
 * additive, so two threads take tables in turn, each over a connection of its
 * own, and their sums are added.
 */
#ifndef REPLICATION_WIDE_SCAN_H
#define REPLICATION_WIDE_SCAN_H

#include "replication/summer.h"

/* As summer_scan() over `db`, all of whose changes are committed. Falls back to
 * one thread when a second connection or thread cannot be had.
 * Errors   as summer_scan. Blocks: reads every table once. */
TS_MUSTUSE enum ts_code wide_scan(struct db *db,
                                  const struct capture_tables *tables,
                                  struct sum *ret_sum, struct ts_err *err);

#endif
