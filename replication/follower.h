/*
 * follower -- the side that reads: makes what the leader did, in order.
 *
 * A pure machine, as leader.h.
 *
 *            BEGIN, link up        ROWS
 *   RESTING --------------> ASKING -----> STREAMING
 *                            ^  | DIVERGED    | gap, silence: ask again
 *                            |  v             | rows that do not fit
 *     (old primary) HINTING -> HANDING -----> WAITING --OFFER--> FETCHING
 *                            ^                                      |
 *                            +-- INSTALLING <-- CHECKING <----------+
 *
 * Invariants:
 *   F1  items are handed to the store in order, without a gap, one batch at a
 *       time; `applied` is what the store said is durable, and nothing else is
 *       acknowledged.
 *   F2  a frame below the highest epoch is refused; a frame of another stream
 *       is ignored.
 *   F3  memory is bounded by the credit, one frame and one row.
 *   F4  an old primary has its tail taken (or refused) before it wants a
 *       snapshot; its state is kept aside when the snapshot replaces it.
 *   F5  rows that do not add up are never followed further: only a snapshot
 *       takes their place.
 *   F6  the old state stays the selected one until a snapshot is whole on the
 *       disk and its rows add up to the offered sum.
 */
#ifndef REPLICATION_FOLLOWER_H
#define REPLICATION_FOLLOWER_H

#include "node/base/time.h"
#include "replication/ship.h"

#define FOLLOWER_CREDIT        ((uint64_t) 8 * 1024 * 1024)
#define FOLLOWER_CHUNKS_CREDIT 8
/* No answer for so long: ask again; the first question of all sooner, because
 * the leader may not have been one yet. */
#define FOLLOWER_PATIENCE_MS 2000
#define FOLLOWER_ASK_MS      250
/* After what time alone may heal (a full disk): try again. */
#define FOLLOWER_RETRY_MS 5000

struct follower;

enum follower_event_type {
    FOLLOWER_BEGIN,     /* we follow: `position`, `epoch`, `wrote`, `nonce` */
    FOLLOWER_END,       /* we do not */
    FOLLOWER_LINK,      /* to the leader: `up` */
    FOLLOWER_FRAME,     /* `frame` came from it */
    FOLLOWER_APPLIED,   /* the store made a batch, or `err` */
    FOLLOWER_RESULT,    /* `result` of a job */
    FOLLOWER_INSTALLED, /* the store opened the snapshot, or `err` */
    FOLLOWER_DAMAGED,   /* our rows are not those of our sum: `err` says more */
    FOLLOWER_TICK,
    FOLLOWER_LED /* the other node leads since now: who asked in vain until
                    then asks again at once */
};

/* The last epoch in which this node itself wrote, and as which boot; 0: never.
 */
struct follower_wrote {
    int64_t epoch;
    struct frame_id boot;
};

struct follower_event {
    enum follower_event_type type;
    bool up;
    int64_t epoch;                    /* BEGIN: the highest that we know */
    uint64_t nonce;                   /* BEGIN: random */
    struct journal_position position; /* BEGIN, APPLIED, INSTALLED */
    struct follower_wrote wrote;
    const struct frame *frame;
    const struct ship_result *result;
    const struct ts_err *err; /* NULL or code TS_OK: done */
};

enum follower_action_type {
    FOLLOWER_SEND,
    FOLLOWER_JOB,     /* answer with FOLLOWER_RESULT */
    FOLLOWER_APPLY,   /* `batch` is yours; answer with FOLLOWER_APPLIED */
    FOLLOWER_INSTALL, /* `folder`, keep the old one aside when `keep`; answer
                         with FOLLOWER_INSTALLED */
    FOLLOWER_TELL
};

struct follower_action {
    enum follower_action_type type;
    struct frame frame;
    struct ship_job job;
    struct batch *batch;
    int64_t folder;
    bool keep;
    const char *name;
    char text[512];
};

/* But for `batch`, borrowed from event and machine until the next step. */
#define FOLLOWER_ACTIONS_MAX 8
struct follower_actions {
    size_t count;
    struct follower_action items[FOLLOWER_ACTIONS_MAX];
};

/* NULL when out of memory. */
struct follower *follower_new(void);
void follower_free(struct follower *follower);
void follower_step(struct follower *follower,
                   const struct follower_event *event, struct ts_time now,
                   struct follower_actions *ret_actions);
struct ts_time follower_deadline(const struct follower *follower);

enum follower_phase {
    FOLLOWER_RESTING,
    FOLLOWER_CUT,
    FOLLOWER_ASKING,
    FOLLOWER_STREAMING,
    FOLLOWER_HINTING,
    FOLLOWER_HANDING,
    FOLLOWER_WAITING,
    FOLLOWER_BEGINNING,
    FOLLOWER_FETCHING,
    FOLLOWER_CHECKING,
    FOLLOWER_INSTALLING,
    FOLLOWER_STUCK /* tries again later; `why` tells */
};
const char *follower_phase_name(enum follower_phase phase);

struct follower_figures {
    enum follower_phase phase;
    bool equal; /* applied is what the leader last said that it has */
    struct journal_position applied, leader;
    int64_t behind_rows;
    int64_t silent_ms; /* since the leader's last frame */
    uint64_t held;     /* bytes in memory */
    uint32_t chunks, chunks_stored;
    char why[512]; /* of STUCK; "" otherwise */
};
void follower_figures(const struct follower *follower, struct ts_time now,
                      struct follower_figures *ret_figures);

#endif
