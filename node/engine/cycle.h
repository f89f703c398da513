/*
 * cycle -- one synchronization from beginning to end.
 *
 *   configure --> import --> synchronize --> (reconcile) --> compare --> export
 *      |            each source     rules     target, when full
 *      +-- first load: all up to the intents in a generation of its own,
 *          selected at once before anything is exported
 *
 * A cycle that fails keeps what it committed; the next one goes on from there.
 * One of kind RECONCILE reads both sides whole, and goes through all of this
 * again until that finds nothing (passes.h).
 */
#ifndef NODE_ENGINE_CYCLE_H
#define NODE_ENGINE_CYCLE_H

#include "node/engine/context.h"

enum cycle_kind {
    CYCLE_DELTA,
    CYCLE_FULL, /* a first load: there was no state */
    CYCLE_RECONCILE,
    CYCLE_PREVIEW
};
enum cycle_result {
    CYCLE_SUCCESS,
    CYCLE_PARTIAL, /* something could not be exported, or is in doubt */
    CYCLE_HELD,    /* something waits for an operator: see cycle_hold */
    CYCLE_FAILED
};

/* What it is that waits. */
enum cycle_hold {
    CYCLE_HOLD_NONE,
    CYCLE_HOLD_MISSING, /* deletions were not believed */
    CYCLE_HOLD_STAGED,  /* what is to be written waits for a plan */
    CYCLE_HOLD_GUARD    /* the guard keeps something back (hold.h) */
};

const char *cycle_kind_name(enum cycle_kind kind);
const char *cycle_result_name(enum cycle_result result);

struct cycle_outcome {
    enum cycle_result result;
    enum cycle_hold hold;
    enum engine_phase failed_in;
    struct ts_err err; /* FAILED, PARTIAL, HELD: why */
    bool reconciled;   /* it was a reconcile, also if it began as a first load;
                          its report is the context's */
    bool incomplete;   /* and gave up */
    char source[64];   /* of the source it is about, or "" */
};

/* Run one; PREVIEW ends before the export. Blocks. */
void cycle_run(struct engine_context *engine, enum cycle_kind kind,
               struct cycle_outcome *ret_outcome);

#endif
