/*
 * ship -- work on the state's files that is not the store's: reading rows for
 * the follower, building a snapshot, taking one in.
 *
 * The machines ask for jobs and get each answered once, by a result with the
 * job's ticket. ship_run() does one job, blocking; the simulator calls it, and
 * shipper.h calls it on a thread of its own.
 *
 *   leader    FIND  is this position in our lineage, and if not, what is?
 *             READ  pieces of rows behind a position
 *             BUILD a snapshot: a copy of the file as of now, and its hashes
 *             CHUNK of a snapshot that was built
 *             DROP  the snapshot: its disk space is needed no more
 *   follower  BEGIN  a folder for an offered snapshot
 *             WRITE  one chunk into it
 *             FINISH sync, quick_check, recompute the sum, compare
 *             HINTS  which objects did the rows behind a position touch?
 *             ABANDON the folder
 *
 * Invariants:
 *   S1  it only reads the selected state, over a connection of its own.
 *   S2  what it writes is in a folder that nobody relies on: "outgoing" (which
 *       is emptied when the next one is built), or an unselected state.N.
 *   S3  FINISH answers TS_OK only for a file that is on the disk whole, passes
 *       quick_check, has the offered position, and whose rows add up to it.
 */
#ifndef REPLICATION_SHIP_H
#define REPLICATION_SHIP_H

#include "replication/lineage.h"
#include "replication/tail.h"

enum ship_type {
    SHIP_FIND,
    SHIP_READ,
    SHIP_BUILD,
    SHIP_CHUNK,
    SHIP_DROP,
    SHIP_BEGIN,
    SHIP_WRITE,
    SHIP_FINISH,
    SHIP_HINTS,
    SHIP_ABANDON,
    SHIP_TYPES
};

/* HINTS with at.seq -1: behind where epoch at.epoch began. */
struct ship_job {
    enum ship_type type;
    uint64_t ticket;
    struct journal_position at; /* FIND, READ: behind it; HINTS: behind it */
    size_t size_max;            /* READ: bytes of changesets */
    size_t offset;            /* READ: of the next row, what is sent already */
    uint32_t index;           /* CHUNK, WRITE */
    uint32_t raw_size;        /* WRITE */
    struct frame_id id;       /* CHUNK */
    struct frame_offer offer; /* BEGIN: hashes borrowed, copied by ship */
    struct ts_slice packed;   /* WRITE: borrowed while ship_run() runs */
};

struct ship_result {
    enum ship_type type;
    uint64_t ticket;
    struct ts_err err;            /* code TS_OK: done */
    struct lineage_answer answer; /* FIND */
    size_t count;                 /* READ: pieces */
    struct frame_piece *pieces;   /* READ */
    struct frame_offer offer;     /* BUILD */
    struct frame_chunk chunk;     /* CHUNK */
    uint32_t index;               /* WRITE */
    int64_t folder;               /* BEGIN, FINISH: the number of state.N */
    struct journal_position at;   /* FINISH */
    struct tail tail;             /* HINTS */
    struct ts_arena arena;        /* what the above point into */
};
/* A zeroed one is fine. */
void ship_result_done(struct ship_result *result);

struct ship_options {
    const char *directory; /* the state directory */
    const struct capture_tables *tables;
    const struct db_schema *schema; /* of the newest level that we know */
    const struct tail_table *tail_tables;
    size_t tail_table_count;
};

struct ship;

/* All borrowed until _free. Deletes what an earlier process left in "outgoing".
 * Errors   TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code ship_new(const struct ship_options *options,
                                 struct ship **ret_ship, struct ts_err *err);
void ship_free(struct ship *ship);

/* The selected state is now this file (NULL: none): after each change of it.
 * Jobs that need one answer TS_E_NOT_FOUND without. Errors: TS_E_IO. */
TS_MUSTUSE enum ts_code ship_open(struct ship *ship, const char *path,
                                  struct ts_err *err);

/* Do one job. *ret_result is filled in any case; ship_result_done() it.
 * Blocks   READ, CHUNK, WRITE: milliseconds; FIND: less; BUILD, FINISH:
 *          seconds a GiB, between which `pause` (of the thread) may run. */
void ship_run(struct ship *ship, const struct ship_job *job,
              struct ship_result *ret_result);

#endif
