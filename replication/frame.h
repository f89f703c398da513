/*
 * frame -- what leader and follower say to each other, as plain structs.
 *
 * The two machines (leader.h, follower.h) know only these; frame_wire.h packs
 * them into the wire's envelope and believes nothing of what it unpacks.
 *
 *   follower                                  leader
 *   FOLLOW {my position, credit}      ----->  is that row in my lineage?
 *                                     <-----  ROWS {pieces of rows}     yes
 *   APPLIED {durable position}        ----->
 *                                     <-----  DIVERGED {why, the fork}  no
 *   TAIL {what I wrote after it}      ----->  (an old primary only, first)
 *                                     <-----  TAIL_TAKEN
 *   WANT {no id}                      ----->  builds a snapshot
 *                                     <-----  OFFER {id, size, hashes}
 *   WANT {id, index, credit}          ----->
 *                                     <-----  CHUNK {index, bytes} ...
 *   FOLLOW {the snapshot's position}  ----->
 *
 * Either may answer REFUSED. `stream` is drawn by the follower for each FOLLOW
 * and echoed in all that belongs to it: what an older conversation left on the
 * way is not believed.
 */
#ifndef REPLICATION_FRAME_H
#define REPLICATION_FRAME_H

#include "replication/batch.h"

#define FRAME_ID_SIZE 16
/* Bytes of changesets in one ROWS, and pieces. */
#define FRAME_ROWS_SIZE_MAX ((size_t) 1024 * 1024)
#define FRAME_PIECES_MAX    BATCH_ITEMS_MAX
/* Chunks are of this size before compression, but for the last. */
#define FRAME_CHUNK_SIZE ((size_t) 1024 * 1024)
/* A snapshot of 64 GiB: the hashes then fill 2 MiB. */
#define FRAME_CHUNKS_MAX    65536
#define FRAME_HINTS_MAX     1000
#define FRAME_HINT_SIZE_MAX 512

enum frame_type {
    FRAME_FOLLOW,
    FRAME_ROWS,
    FRAME_APPLIED,
    FRAME_DIVERGED,
    FRAME_OFFER,
    FRAME_WANT,
    FRAME_CHUNK,
    FRAME_TAIL,
    FRAME_TAIL_TAKEN,
    FRAME_REFUSED,
    FRAME_TYPES
};

/* A row may be larger than a frame: `item.changeset` is then a part of it. */
struct frame_piece {
    struct journal_item item;
    size_t total, offset; /* of the whole changeset; 0 for an epoch's mark */
};

struct frame_id {
    uint8_t bytes[FRAME_ID_SIZE];
};

/* An object that was written on one side only: look at it again. */
struct frame_hint {
    int64_t kind; /* as the metaverse numbers them */
    struct ts_slice anchor;
};

enum frame_divergence {
    FRAME_UNKNOWN,  /* the row is not in the leader's lineage */
    FRAME_TOO_OLD,  /* it was, and what came next is no longer kept */
    FRAME_NO_STATE, /* the follower has none of this generation */
    FRAME_DIVERGENCES
};

struct frame_follow {
    struct journal_position at; /* all zero: no state */
    uint64_t credit;            /* bytes of changesets */
};
struct frame_rows {
    struct journal_position leader;
    size_t count; /* 0: only tells the position */
    const struct frame_piece *pieces;
};
struct frame_applied {
    struct journal_position at; /* durable */
    /* Bytes of this stream: that came in order, and that need no memory. */
    uint64_t received, consumed;
};
struct frame_diverged {
    enum frame_divergence why;
    bool fork_known;
    struct journal_position fork; /* the last that both have in common; where
                                     it is not known: only the generation */
};
struct frame_offer {
    struct frame_id id;
    struct journal_position at;
    uint64_t size;          /* of the file */
    struct ts_slice hashes; /* SHA-256 of each chunk before compression */
};
struct frame_want {
    struct frame_id id; /* all zero: build one */
    uint32_t index;     /* the first that is missing */
    uint32_t credit;    /* chunks from there */
};
struct frame_chunk {
    struct frame_id id;
    uint32_t index;
    uint32_t raw_size;
    struct ts_slice packed; /* zstd */
};
struct frame_tail {
    int64_t epoch;        /* in which the sender wrote */
    struct frame_id boot; /* of the process that held it */
    uint32_t number;      /* of the part, from 0 */
    bool last;
    bool cut; /* there was more than the limit */
    size_t count;
    const struct frame_hint *hints;
};
struct frame_tail_taken {
    uint32_t number;
    bool accepted; /* false: not from the holder before; go on without */
};
struct frame_refused {
    enum ts_code code;
    struct ts_slice text;
};

/* All slices and arrays are borrowed. */
struct frame {
    enum frame_type type;
    int64_t epoch; /* the highest that the sender knows: of the envelope */
    uint64_t stream;
    union {
        struct frame_follow follow;
        struct frame_rows rows;
        struct frame_applied applied;
        struct frame_diverged diverged;
        struct frame_offer offer;
        struct frame_want want;
        struct frame_chunk chunk;
        struct frame_tail tail;
        struct frame_tail_taken tail_taken;
        struct frame_refused refused;
    };
};

const char *frame_type_name(enum frame_type type);
bool frame_id_equal(const struct frame_id *a, const struct frame_id *b);

#endif
