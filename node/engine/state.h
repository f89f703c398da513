/*
 * state -- the open state of this node, and the numbers that only grow.
 *
 * Wraps the selected generation (replication/generation.h), its metaverse and
 * its journal, so that the rest of the engine sees one thing that it can begin,
 * commit and roll back.
 *
 *   (no generation) --state_build--> building --state_select--> selected
 *                                        |                          ^
 *                                        +-- crash: discarded       |
 *   (a generation on disk) ------------------- state_open ----------+
 *
 * While building, nothing is captured and nothing is synced to disk before
 * state_select(), which makes all of it durable at once; until then nothing
 * may be exported.
 *
 * Invariants:
 *   G1  numbers drawn from the struct are stored in the same transaction as
 *       the rows that carry them; a rollback takes them back.
 *   G2  a commit without changes writes nothing.
 */
#ifndef NODE_ENGINE_STATE_H
#define NODE_ENGINE_STATE_H

#include "node/metaverse/metaverse.h"
#include "replication/journal.h"

struct state_numbers {
    int64_t object, change, intent, batch; /* the last one that was drawn */
    int64_t synchronized, compared;        /* change numbers done with */
};

struct state {
    char directory[400];
    int64_t generation; /* 0: none */
    int64_t epoch;
    bool building;
    struct metaverse *mv; /* NULL: no generation */
    struct journal *journal;
    struct state_numbers numbers, committed;
};

/* Open the selected generation, if there is one (else state->mv is NULL).
 * Errors   as generation_open; the sentence says how to go on. Blocks. */
TS_MUSTUSE enum ts_code state_open(struct state *state, const char *directory,
                                   int64_t epoch, struct ts_err *err);
void state_close(struct state *state);

/* Start a new generation for a first load. */
TS_MUSTUSE enum ts_code state_build(struct state *state, struct ts_err *err);
/* Make it durable and the selected one. Errors leave the build unselected. */
TS_MUSTUSE enum ts_code state_select(struct state *state, struct ts_err *err);
/* Give an unselected build up. */
void state_discard(struct state *state);

TS_MUSTUSE enum ts_code state_begin(struct state *state, struct ts_err *err);
TS_MUSTUSE enum ts_code state_commit(struct state *state, struct ts_err *err);
void state_rollback(struct state *state);

/* Are the rows those that the journal's sum is of? See journal_verify; no
 * transaction is open. */
TS_MUSTUSE enum ts_code state_verify(struct state *state,
                                     struct journal_position *ret_position,
                                     uint64_t *ret_rows, struct ts_err *err);

#endif
