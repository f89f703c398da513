/* leader_private -- what the two files of the leader share: leader.c (events,
 * rows) and leader_snapshot.c (snapshot, tail). */
#ifndef REPLICATION_LEADER_PRIVATE_H
#define REPLICATION_LEADER_PRIVATE_H

#include "replication/leader.h"

/* When the oldest commits were made that the follower does not have. */
#define COMMITS 64

struct commit {
    int64_t seq;
    struct ts_time at;
};

struct leader {
    enum leader_phase phase;
    int64_t epoch;
    struct leader_predecessor before;
    struct journal_position own, acked;
    size_t commit_count;
    struct commit commits[COMMITS]; /* the oldest first */
    struct ts_time last_sent;

    uint64_t tickets; /* drawn so far */
    uint64_t ticket;  /* of the job that is out; 0: none */

    /* The stream. */
    uint64_t stream, credit, sent, received, consumed;
    struct journal_position asked; /* what the follower said it has */
    struct journal_position next;  /* behind what was sent */
    size_t offset, rest; /* of the row behind `next`: sent, and not yet */

    /* The snapshot. */
    bool offered;
    struct frame_offer offer;            /* its hashes are ours */
    uint32_t chunks, want, limit, chunk; /* first missing, allowed, next */
    struct ts_time wanted_at;

    /* The tail: of the part that was taken last, and the one being taken. */
    uint32_t tail_taken;
    bool hinting;
};

/* What one step works on. */
struct leader_step {
    struct leader *leader;
    const struct leader_event *event;
    struct ts_time now;
    struct leader_actions *out;
};

void leader_forget_offer(struct leader *leader);

/* Actions. */
struct leader_action *leader_add(struct leader_step *step,
                                 enum leader_action_type type);
struct frame *leader_say(struct leader_step *step, enum frame_type type);
void leader_refuse(struct leader_step *step, enum ts_code code,
                   const char *text);
void leader_tell(struct leader_step *step, const char *name, const char *text);
/* L5: whatever is out is not waited for any more. */
struct ship_job *leader_ask(struct leader_step *step, enum ship_type type);

/* leader_snapshot.c: the snapshot and the tail. */
void leader_take_want(struct leader_step *step);
void leader_take_built(struct leader_step *step);
void leader_take_chunk(struct leader_step *step);
void leader_drop_offer(struct leader_step *step);
void leader_take_tail(struct leader_step *step);
void leader_on_hinted(struct leader_step *step);

#endif
