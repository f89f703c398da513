/*
 * guard -- nothing is written before somebody could have said no.
 *
 * Every intent is born with a set of classes (intent.h) and gets its clearance
 * here: at once when nothing speaks against it, else by guard_pass(), which
 * sees all that was decided before the first of it is sent.
 *
 *   decide --guard_clearance--> CLEARED                     (no class)
 *                          \--> STAGED                      (staging.h, plan.h)
 *                           \-> UNCHECKED --guard_pass--> CLEARED
 *                                                    \--> HELD, item of a hold
 *
 * Invariants:
 *   W1  only CLEARED intents are sent.
 *   W2  a class beyond its budget (SEMANTICS: Guard) is held as a whole,
 *       before its first write; what comes later joins while its hold is open.
 *   W3  what passes is counted in the transaction that clears it; the count is
 *       replicated and outlives restarts.
 *   W4  an intent with several classes passes all of them or is held.
 *   W5  a hold goes when its last item is released, rejected or no longer due.
 */
#ifndef NODE_ENGINE_GUARD_H
#define NODE_ENGINE_GUARD_H

#include "node/engine/context.h"
#include "node/metaverse/hold.h"
#include "node/metaverse/object.h"

/* Set intent->classes' last bits and intent->clearance, as the intent is
 * decided: CLEARED, STAGED or UNCHECKED. In the caller's transaction. */
TS_MUSTUSE enum ts_code guard_clearance(struct engine_context *engine,
                                        const struct metaverse_object *object,
                                        struct intent *intent,
                                        struct ts_err *err);

/* Clear or hold whatever is unchecked, drop items that are no longer due, and
 * note the lists that may be approved. Between transactions. */
TS_MUSTUSE enum ts_code guard_pass(struct engine_context *engine,
                                   struct ts_err *err);

/* What is held, for those who want to know; the first of it. */
#define GUARD_VIEW_MAX 16
#define GUARD_FIX \
    "twinsync hold list, then twinsync approve HASH or twinsync reject HASH"
#define GUARD_FIX_ORPHANS                                               \
    "twinsync hold list, then twinsync reject HASH, or for those that " \
    "are to leave twinsync approve HASH --only TARGET-ID"
struct guard_view {
    size_t open;     /* holds */
    size_t first;    /* that something due waits for; = open: none */
    int64_t objects; /* kept back, each once */
    struct {
        enum hold_class class;
        char text[HOLD_TEXT_MAX];
    } items[GUARD_VIEW_MAX];
};
TS_MUSTUSE enum ts_code guard_view(struct engine_context *engine,
                                   struct guard_view *ret_view,
                                   struct ts_err *err);

/* Let the sentence of a hold tell what it holds now, where the guard has opened
 * it. In the caller's transaction. */
TS_MUSTUSE enum ts_code guard_say(struct engine_context *engine,
                                  const struct hold *hold, struct ts_err *err);

/* A write is confirmed: what was approved or counted for it is used up. In the
 * caller's transaction, before its effects are noted. */
TS_MUSTUSE enum ts_code guard_confirmed(struct engine_context *engine,
                                        const struct export_op *op,
                                        struct ts_err *err);

#endif
