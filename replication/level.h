/*
 * level -- how both nodes come to a new level of the schema at one place.
 *
 * Until then a newer program reads and writes the old level, so that going back
 * to the older program is a restart. Then one node journals a barrier: a row
 * whose changeset is no changeset but
 *
 *   00 'T' 'S' 'B'   level (4 bytes, big-endian)   SHA-256 of the step's code
 *
 * and whose sums are those of all rows before and after the step. Each node
 * makes the step with its own code, in the transaction of the row, and must
 * arrive at the same sum; SQL never travels. The level of a file is its
 * user_version: an older program refuses to open it from then on.
 */
#ifndef REPLICATION_LEVEL_H
#define REPLICATION_LEVEL_H

#include "replication/batch.h"

#define LEVEL_BARRIER_SIZE (8 + TS_HASH_SIZE)

bool level_is_barrier(struct ts_slice changeset);

/* As the writer: go up by one level, to `level`, of journal_options.schema. No
 * transaction is open. Both nodes have said before that they know it.
 * Errors   TS_E_REFUSED (not the next level), TS_E_VERSION (not known here),
 *          TS_E_IO, TS_E_CORRUPT, TS_E_NOMEM: the level is the old one.
 * Blocks   for the step, and reads every replicated row. */
TS_MUSTUSE enum ts_code journal_finalize(struct journal *journal, int64_t level,
                                         struct ts_err *err);

/* What both sides do, within a transaction: make the step, sum all rows.
 * Owns     *ret_summer is for the new level: free the other one after the
 *          commit, this one after a rollback. */
struct summer;
TS_MUSTUSE enum ts_code level_step(struct journal *journal, int64_t level,
                                   struct sum *ret_sum,
                                   struct summer **ret_summer,
                                   struct ts_err *err);
/* Is the barrier of `item` one that we can follow, from level `from`? */
TS_MUSTUSE enum ts_code level_check(const struct journal *journal,
                                    const struct journal_item *item,
                                    int64_t from, struct ts_err *err);

#endif
