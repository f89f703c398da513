/*
 * leader -- the side that writes: tells one follower what happened.
 *
 * A pure machine: events and the time go in, actions come out; it reads no
 * clock and does no I/O. The daemon and the simulator do what it says.
 *
 *            BEGIN          FOLLOW            in line
 *   RESTING ------> OPEN ----------> FINDING ---------> STREAMING
 *      ^             ^                  | not              |  link down,
 *      |  END        +-- link down      v                  |  other FOLLOW
 *      +---------    |             PARTED --WANT--> BUILDING --> OFFERED
 *                    |               | TAIL -> hints -> TAIL_TAKEN  | CHUNKs
 *                    +---------------+------------------------------+
 *
 * Invariants:
 *   L1  rows are sent only behind a position that was found in the lineage.
 *   L2  no row is begun while the follower's credit is used up, and what is on
 *       its way never passes it: the follower holds at most its credit, one
 *       frame and one row.
 *   L3  `acked` is a position that the follower said to be durable; it is at
 *       most what was sent to it, and where it is our own, so is its sum.
 *   L4  a frame of a higher epoch makes the leader yield; it sends nothing
 *       after that.
 *   L5  one job of each kind is out at a time, and an answer to an older
 *       conversation is not believed.
 */
#ifndef REPLICATION_LEADER_H
#define REPLICATION_LEADER_H

#include "node/base/time.h"
#include "replication/ship.h"

/* Tells the position at least this often, and asks nobody anything. */
#define LEADER_BEAT_MS 500
/* A follower that fetches nothing for so long needs the snapshot no more. */
#define LEADER_OFFER_MS 600000

struct leader;

enum leader_event_type {
    LEADER_BEGIN,     /* we write: `position`, `epoch`, `before` */
    LEADER_END,       /* we do not */
    LEADER_CUT,       /* the link to the follower is down */
    LEADER_FRAME,     /* `frame` came from it */
    LEADER_COMMITTED, /* `position` is durable here; of a new generation: that
                         is the state now, and ship_open() knows it */
    LEADER_RESULT,    /* `result` of a job */
    LEADER_HINTED,    /* the hints of the last LEADER_HINTS are durable, or
                         `failed`: then the follower hands them over again */
    LEADER_TICK
};

/* Who held the lease before us: only its tail is taken. Epoch 0: not known. */
struct leader_predecessor {
    int64_t epoch;
    struct frame_id boot;
};

struct leader_event {
    enum leader_event_type type;
    int64_t epoch;
    struct journal_position position;
    struct leader_predecessor before;
    const struct frame *frame;
    const struct ship_result *result;
    bool failed;
};

enum leader_action_type {
    LEADER_SEND,  /* `frame`, to the follower */
    LEADER_JOB,   /* `job`; answer with LEADER_RESULT */
    LEADER_HINTS, /* `frame.tail`; answer with LEADER_HINTED */
    LEADER_YIELD, /* there is an epoch above ours: `frame.epoch` */
    LEADER_TELL   /* `name` and `text` for log and history */
};

struct leader_action {
    enum leader_action_type type;
    struct frame frame;
    struct ship_job job;
    const char *name;
    char text[160];
};

/* Borrowed from the event and the machine, until the next step. */
#define LEADER_ACTIONS_MAX 8
struct leader_actions {
    size_t count;
    struct leader_action items[LEADER_ACTIONS_MAX];
};

/* NULL when out of memory. */
struct leader *leader_new(void);
void leader_free(struct leader *leader);
void leader_step(struct leader *leader, const struct leader_event *event,
                 struct ts_time now, struct leader_actions *ret_actions);
/* When it wants a LEADER_TICK. */
struct ts_time leader_deadline(const struct leader *leader);

enum leader_phase {
    LEADER_RESTING,
    LEADER_OPEN,
    LEADER_FINDING,
    LEADER_STREAMING,
    LEADER_PARTED,
    LEADER_BUILDING,
    LEADER_OFFERED
};
const char *leader_phase_name(enum leader_phase phase);

struct leader_figures {
    enum leader_phase phase;
    bool equal; /* the follower has all of it, durably */
    struct journal_position own;
    struct journal_position acked; /* seq, epoch and generation 0: nothing */
    int64_t behind_rows;
    int64_t behind_ms;    /* since the oldest commit that it does not have */
    uint64_t outstanding; /* bytes sent and not consumed */
    uint32_t chunks, chunks_sent;
};
void leader_figures(const struct leader *leader, struct ts_time now,
                    struct leader_figures *ret_figures);
/* Is `position` durable on the follower (L3)? What an intent waits for. */
bool leader_has_acked(const struct leader *leader,
                      const struct journal_position *position);

#endif
