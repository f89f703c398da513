/*
 * lineage -- where another node's position is in our own history, and what
 * comes behind it.
 *
 * Sequence numbers of different epochs are never compared: a position is ours
 * if its epoch is in our lineage, if it is a place of that epoch, and if our
 * sum there is the same. All functions only read, in a transaction of their
 * own, over any connection to the file that has none open.
 */
#ifndef REPLICATION_LINEAGE_H
#define REPLICATION_LINEAGE_H

#include "replication/frame.h"

enum lineage_found {
    LINEAGE_HELD,    /* ours, and all rows behind it are kept */
    LINEAGE_TOO_OLD, /* the rows that would tell or follow are dropped */
    LINEAGE_NOT_OURS /* of another history */
};

struct lineage_answer {
    enum lineage_found found;
    bool fork_known;
    struct journal_position fork; /* the last place that both histories have */
};

/* Errors   TS_E_NOT_FOUND (our own first load has not ended), TS_E_IO,
 *          TS_E_CORRUPT. */
TS_MUSTUSE enum ts_code lineage_find(struct db *db,
                                     const struct journal_position *at,
                                     struct lineage_answer *ret_answer,
                                     struct ts_err *err);

/* What to read: items behind (`after`), of the first of them only what is
 * behind `offset`; `size_max` bytes of changesets and FRAME_PIECES_MAX at most.
 */
struct lineage_range {
    struct journal_position after;
    size_t offset, size_max;
};

/* Pieces, in order; none: there is nothing behind. `arena` gets them.
 * Errors   TS_E_CONFLICT (the row that comes next is not kept: find anew),
 *          TS_E_NOMEM, TS_E_IO, TS_E_CORRUPT. */
TS_MUSTUSE enum ts_code lineage_read(struct db *db,
                                     const struct lineage_range *range,
                                     struct ts_arena *arena,
                                     struct frame_piece **ret_pieces,
                                     size_t *ret_count, struct ts_err *err);

#endif
