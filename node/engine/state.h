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
 * A generation of the data has the same number on both nodes of a pair; the
 * folder that it lies in is numbered by each node for itself.
 *
 * Invariants:
 *   G1  numbers drawn from the struct are stored in the same transaction as
 *       the rows that carry them; a rollback takes them back.
 *   G2  a commit without changes writes nothing.
 *   G3  nothing is written while `closed` says so: the lease is lost.
 */
#ifndef NODE_ENGINE_STATE_H
#define NODE_ENGINE_STATE_H

#include <stdatomic.h>

#include "node/metaverse/metaverse.h"
#include "replication/journal.h"

struct state_numbers {
    int64_t object, change, intent, batch; /* the last one that was drawn */
    int64_t synchronized, compared;        /* change numbers done with */
};

struct state {
    char directory[400];
    int64_t folder;          /* state.NUMBER; 0: none */
    int64_t generation;      /* of the data in it; 0: none */
    int64_t generation_seen; /* the highest that this node knows of */
    int64_t epoch;           /* of the rows to come */
    int64_t level; /* of a first load's schema; 0: the newest. The level of what
                      is there is in its journal's position */
    bool kept;     /* of a pair: a file stays at its level until _finalize */
    /* After each commit of a journal row, and where the position changed
     * otherwise; NULL: nobody listens. */
    void (*committed_row)(void *owner, const struct journal_position *position);
    void *owner;
    const atomic_bool *closed; /* G3; set after _open; NULL: never */
    bool building;
    int hold;             /* while building: of the folder's mark */
    struct metaverse *mv; /* NULL: no generation */
    struct journal *journal;
    struct state_numbers numbers, committed;
    bool raised; /* by the transaction under way */
};

/* Open the selected generation, if there is one (else state->mv is NULL).
 * `epoch` 0: as a follower, whose journal stays in the epoch that it is in.
 * Errors   as generation_open; the sentence says how to go on. Blocks. */
TS_MUSTUSE enum ts_code state_open(struct state *state, const char *directory,
                                   int64_t epoch, struct ts_err *err);
void state_close(struct state *state);

/* From now on this node writes, in `epoch`: what was applied is taken note of.
 * Nothing is durable before state_raise().
 * Errors   TS_E_IO. */
TS_MUSTUSE enum ts_code state_lead(struct state *state, int64_t epoch,
                                   struct ts_err *err);
/* Within a transaction: its rows and those to come belong to `epoch`, and a
 * crash loses that together with what else it says of the takeover.
 * Errors   TS_E_REFUSED (a lower epoch), TS_E_IO. */
TS_MUSTUSE enum ts_code state_raise(struct state *state, int64_t epoch,
                                    struct ts_err *err);
/* Let the complete, closed build in folder `number` be the state, as a
 * follower; `keep`: what was the state is put aside instead of deleted.
 * Errors   TS_E_IO, TS_E_CORRUPT, TS_E_REFUSED: what was selected is open
 *          again where it could be, else state->mv is NULL. Blocks. */
TS_MUSTUSE enum ts_code state_install(struct state *state, int64_t number,
                                      bool keep, struct ts_err *err);
/* The file of the state that is open. */
#define STATE_PATH_SIZE 512
void state_path(const struct state *state, char path[static STATE_PATH_SIZE]);
/* Bring the rows to the next level of the schema, on both nodes: level.h.
 * Errors   as journal_finalize(). */
TS_MUSTUSE enum ts_code state_finalize(struct state *state, int64_t level,
                                       struct ts_err *err);
/* Which generation a first load would become. */
int64_t state_next_generation(const struct state *state);

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

/* The newest schema that this program knows, and the tables of it that are
 * replicated. Static. */
struct db_schema state_schema(void);
const struct capture_tables *state_tables(void);

#endif
