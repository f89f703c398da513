/*
 * guard_budget -- how much of a class may pass, and how it is said.
 *
 *   allowed = min(absolute, max(always-allowed, percent of what there was))
 *
 * per class and kind in one window; what there was is the ledger of that kind,
 * or a group's members, at the window's start. Creations have no percentage: a
 * small firm that hires many is no accident. Members have no absolute number.
 * Scope exits are counted apart, against the number of the verb they lead to.
 */
#ifndef NODE_ENGINE_GUARD_BUDGET_H
#define NODE_ENGINE_GUARD_BUDGET_H

#include "node/engine/context.h"
#include "node/metaverse/spent.h"

struct guard_budget {
    struct spent_key key;
    struct spent_window window;
    int64_t due;        /* what wants to pass now */
    int64_t beside;     /* with it, for other reasons */
    int64_t spent;      /* what passed in the window */
    int64_t extent;     /* what there was; -1: it did not matter */
    int64_t extent_now; /* counted just now, to be noted; -1: it was not */
    int64_t allowed;
    const char *limit; /* the option that decides */
};

/* The budget of `key`, with `due` more. Reads only. The extent is counted at
 * most once an hour, and only when more than always-allowed are concerned. */
TS_MUSTUSE enum ts_code guard_budget_of(struct engine_context *engine,
                                        const struct spent_key *key,
                                        int64_t due,
                                        struct guard_budget *ret_budget,
                                        struct ts_err *err);
static inline bool guard_budget_exceeded(const struct guard_budget *budget)
{
    return budget->spent + budget->due > budget->allowed;
}
/* The budget that an open hold of a class up to MEMBERS is beyond: `due` is
 * what it holds, `beside` what holds of the same budget do. */
TS_MUSTUSE enum ts_code guard_budget_of_hold(struct engine_context *engine,
                                             const struct hold *hold,
                                             struct guard_budget *ret_budget,
                                             struct ts_err *err);
/* Keep the extent, in the caller's transaction. */
TS_MUSTUSE enum ts_code guard_budget_note(struct engine_context *engine,
                                          const struct guard_budget *budget,
                                          struct ts_err *err);

/* Why a hold is: `reason` with `items` objects (or, of MEMBERS, members) in it;
 * `name` is the group's where the hold is of one; `because`: not because of the
 * budget, but of this; else NULL. */
void guard_sentence(const struct hold_reason *reason,
                    const struct guard_budget *budget, struct ts_slice name,
                    const char *because, char text[static HOLD_TEXT_MAX]);

#endif
