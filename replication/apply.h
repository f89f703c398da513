/*
 * apply -- a leader's rows, made here.
 *
 * The other half of journal.h: the follower takes the leader's items in order
 * and has, after each, the same tables, journal, position and lineage.
 *
 * Invariants:
 *   A1  the changes, their rows and the position are one transaction: after a
 *       crash the position is that of a whole number of batches.
 *   A2  before a row is made, its pre_sum is our sum; after it, its post_sum is
 *       what we computed from our own rows. Otherwise nothing of the batch is
 *       made, and this state must be replaced.
 *   A3  nothing of an epoch below the one we have seen is made.
 *   A4  the journal is trimmed here too: it passes its limits by an eighth at
 *       most, and one batch.
 */
#ifndef REPLICATION_APPLY_H
#define REPLICATION_APPLY_H

#include "replication/batch.h"

/* Make `count` items, in one transaction; none is open.
 * Errors   TS_E_PROTOCOL (a gap, not a changeset), TS_E_CONFLICT (diverged: the
 *          rows here are not what the leader had), TS_E_REFUSED (a lower
 *          epoch), TS_E_VERSION (a level or a barrier that this program does
 *          not know), TS_E_IO, TS_E_NOMEM. After an error nothing was made.
 * Blocks   for the work and one fsync. */
TS_MUSTUSE enum ts_code journal_apply(struct journal *journal,
                                      const struct journal_item *items,
                                      size_t count, struct ts_err *err);

#endif
