/*
 * release -- what an operator decides on what is held.
 *
 *   approve   the listed writes may go; they do in the next cycle, if they are
 *             still due then
 *   reject    nothing is done to the listed objects, now or later: they stay at
 *             the target as they are, and are not ours any more
 *
 * Either takes exactly the items of one list that was shown, or those of them
 * that are named; what joined the hold later stays, as a list of its own.
 *
 * Invariants:
 *   R1  a list of an earlier configuration decides nothing.
 *   R2  orphans are only released by name.
 *   R3  only what would leave can be rejected: an object that stays in the
 *       scope would be made a second time if it were not ours.
 */
#ifndef NODE_ENGINE_RELEASE_H
#define NODE_ENGINE_RELEASE_H

#include "node/engine/context.h"
#include "node/metaverse/hold.h"

struct release_order {
    bool reject;
    struct ts_slice hash;
    const struct ts_slice *only; /* anchors or target ids; NULL: all of it */
    size_t only_count;
    struct ts_slice who, reason;
};

struct release_outcome {
    enum hold_class class;
    int64_t decided; /* items that were released, or kept */
    int64_t dropped; /* of the list, no longer due */
    int64_t left;    /* in the hold */
};

/* Between transactions.
 * Errors   TS_E_NOT_FOUND (no such list, a name that is not on it);
 *          TS_E_REFUSED (R1 to R3); those of the store. Nothing is decided
 *          then. */
TS_MUSTUSE enum ts_code release_decide(struct engine_context *engine,
                                       const struct release_order *order,
                                       struct release_outcome *ret_outcome,
                                       struct ts_err *err);

/* Lists are of the present configuration from here on: forget those of another
 * one. In the caller's transaction. */
TS_MUSTUSE enum ts_code release_lists_of_now(struct engine_context *engine,
                                             struct ts_err *err);

#endif
