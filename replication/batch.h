/*
 * batch -- rows of a journal on their way from one node to the other.
 *
 * An item is a journal row, or the mark of an epoch that began without one: a
 * follower that makes all items in order has the journal, the position and the
 * lineage of its leader, byte for byte.
 *
 * Invariants:
 *   B1  items follow each other: the next row's seq is one higher, a mark's is
 *       that of the row before it.
 *   B2  a batch holds at most BATCH_ITEMS_MAX items, and no more than
 *       BATCH_SIZE_MAX bytes unless it holds one item only.
 */
#ifndef REPLICATION_BATCH_H
#define REPLICATION_BATCH_H

#include "node/base/arena.h"
#include "replication/journal.h"

/* One transaction of the follower: some 20 ms of work. */
#define BATCH_ITEMS_MAX 256
#define BATCH_SIZE_MAX  ((size_t) 1024 * 1024)

enum journal_item_kind {
    JOURNAL_ROW,
    JOURNAL_EPOCH /* the epoch begins behind row `seq`, whose sum is `pre` */
};

struct journal_item {
    enum journal_item_kind kind;
    int64_t seq, generation, epoch, level;
    int64_t at; /* seconds since 1970, as the leader stored it */
    struct sum pre, post;
    struct ts_slice changeset;
};

bool journal_position_equal(const struct journal_position *a,
                            const struct journal_position *b);

/* Where the state is when `item` has been made. */
struct journal_position journal_item_end(const struct journal_item *item);

/* Owned as a whole: one maker, one taker, batch_free(). */
struct batch {
    struct batch *next; /* for whoever holds several */
    struct ts_arena arena;
    size_t count, size; /* size: of the changesets, in bytes */
    struct journal_item items[BATCH_ITEMS_MAX];
};

/* NULL when out of memory. */
struct batch *batch_new(void);
void batch_free(struct batch *batch);
/* Is there room for an item of `size` bytes (B2)? */
bool batch_fits(const struct batch *batch, size_t size);
/* Copy an item whose changeset will have `size` bytes; what `item` has of it is
 * copied to its beginning. NULL: out of memory. Room was asked for before. */
struct journal_item *batch_add(struct batch *batch,
                               const struct journal_item *item, size_t size);

#endif
