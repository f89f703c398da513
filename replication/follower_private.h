/* follower_private -- what the three files of the follower share: follower.c
 * (events), follower_stream.c (rows), follower_snapshot.c (tail, snapshot). */
#ifndef REPLICATION_FOLLOWER_PRIVATE_H
#define REPLICATION_FOLLOWER_PRIVATE_H

#include "replication/follower.h"

struct follower {
    enum follower_phase phase;
    bool up;
    int64_t epoch;
    uint64_t nonce, streams;
    struct follower_wrote wrote;
    struct journal_position applied, leader;
    struct ts_time heard, acted; /* the leader's last frame; our last move */

    /* The stream: what came, what is with the store, what waits for it. */
    uint64_t stream, received, consumed, told;
    struct journal_position taken; /* behind the last whole item */
    size_t partial;                /* of the item behind it, bytes that came */
    struct batch *first, *last;    /* waiting; the last is being filled */
    size_t held;
    bool applying;
    size_t applying_size;
    bool ask_then;     /* when the store has answered */
    bool part_then;    /* likewise: our rows do not add up */
    unsigned asks;     /* since a batch was made */
    unsigned silences; /* questions in a row without an answer */

    /* The tail. */
    bool keep; /* the old state is kept aside */
    bool fork_known;
    struct journal_position fork;
    struct ts_arena arena; /* the hints */
    struct tail tail;
    uint32_t part, repeats;

    /* The snapshot. */
    uint64_t tickets, ticket, begun; /* begun: that of SHIP_BEGIN */
    struct frame_offer offer;        /* its hashes are ours */
    uint32_t chunks, arrived, stored, damaged;
    int64_t folder; /* 0: none */

    char why[512], told_why[512];
};

/* What one step works on. */
struct follower_step {
    struct follower *follower;
    const struct follower_event *event;
    struct ts_time now;
    struct follower_actions *out;
};

void follower_drop_queue(struct follower *follower);
void follower_forget_offer(struct follower *follower);

/* Actions. */
struct follower_action *follower_add(struct follower_step *step,
                                     enum follower_action_type type);
struct frame *follower_say(struct follower_step *step, enum frame_type type);
void follower_tell(struct follower_step *step, const char *name,
                   const char *text);
struct ship_job *follower_ask_job(struct follower_step *step,
                                  enum ship_type type);
void follower_go(struct follower_step *step, enum follower_phase phase);
/* What time alone may heal: try again later, and say why. */
void follower_stick(struct follower_step *step, const char *why);

/* follower_stream.c */
void follower_ask(struct follower_step *step);
void follower_acknowledge(struct follower_step *step);
void follower_feed_store(struct follower_step *step);
void follower_take_rows(struct follower_step *step);

/* follower_snapshot.c */
void follower_abandon(struct follower_step *step);
void follower_want(struct follower_step *step);
void follower_hand_over(struct follower_step *step);
/* This state cannot go on: F4. */
void follower_part(struct follower_step *step, enum frame_divergence why);
void follower_take_diverged(struct follower_step *step);
void follower_take_tail_taken(struct follower_step *step);
void follower_take_offer(struct follower_step *step);
void follower_take_chunk(struct follower_step *step);
void follower_take_refused(struct follower_step *step);
void follower_on_result(struct follower_step *step);

#endif
