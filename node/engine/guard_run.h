/*
 * guard_run -- one pass of the guard: private to guard*.c.
 *
 *   tidy    what is no longer due leaves its hold; what no hold keeps back any
 *           more is checked again
 *   tally   all unchecked intents, summed up by reason, read only
 *   judge   each sum against its budget, before anything passes (W2)
 *   carry   clear and count, or hold: chunks, each one transaction (W3)
 *   note    the lists that may be approved
 */
#ifndef NODE_ENGINE_GUARD_RUN_H
#define NODE_ENGINE_GUARD_RUN_H

#include "node/engine/guard_budget.h"
#include "node/metaverse/approval.h"

/* The classes that have a budget of their own are those before MEMBERS. */
#define GUARD_OWN_CLASSES HOLD_MEMBERS
/* Holds of these are opened by others (hold.h). */
#define GUARD_OTHERS (~0U << (HOLD_MEMBERS + 1))

/* Unchecked intents of one reason. */
struct guard_sum {
    struct hold_reason reason;
    int64_t due;
    bool open; /* its hold is: what comes now joins it */
    bool over;
};

/* An unchecked intent that takes members away. */
struct guard_loss {
    int64_t intent;
    int kind;
    int64_t members; /* beside those that are approved */
    bool own;        /* over its own budget */
};

struct guard_run {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena arena;
    int64_t now;  /* seconds since 1970 */
    int64_t last; /* intents up to here are looked at in this round */
    bool staging; /* what passes is staged, not cleared */
    bool others;  /* there are holds of GUARD_OTHERS */
    bool dropped; /* items left their hold */
    struct guard_sum *sums;
    size_t sum_count, sum_room;
    struct guard_loss *losses;
    size_t loss_count, loss_room;
    bool members_over[CONFIG_KINDS]; /* of all groups together */
};

/* How much of it is approved for that class; 0: nothing. */
TS_MUSTUSE enum ts_code guard_approved(struct guard_run *run,
                                       const struct intent *intent,
                                       enum hold_class class,
                                       int64_t *ret_amount, struct ts_err *err);

/* ---- guard_members.c ---- */

/* Members that `owner` is to lose although they stay, strangers included:
 * whoever leaves for good is counted by his own leaving. */
TS_MUSTUSE enum ts_code guard_members_lost(struct guard_run *run, int64_t owner,
                                           int kind, int64_t *ret_members,
                                           struct ts_err *err);
TS_MUSTUSE enum ts_code guard_members_tally(struct guard_run *run,
                                            const struct intent *intent,
                                            struct ts_err *err);
TS_MUSTUSE enum ts_code guard_members_judge(struct guard_run *run,
                                            struct ts_err *err);
/* NULL: `intent` may take its members away as far as MEMBERS goes. */
const struct guard_loss *guard_members_over(const struct guard_run *run,
                                            const struct intent *intent);
/* Keep the removals back and decide anew on the rest of the intent. */
TS_MUSTUSE enum ts_code guard_members_hold(struct guard_run *run,
                                           const struct intent *intent,
                                           const struct guard_loss *loss,
                                           struct ts_err *err);
/* Count them, in the transaction that clears the intent. */
TS_MUSTUSE enum ts_code guard_members_count(struct guard_run *run,
                                            const struct intent *intent,
                                            struct ts_err *err);
/* How many of what a confirmed write removed counted as lost. */
TS_MUSTUSE enum ts_code guard_members_taken(struct metaverse *mv,
                                            const struct export_op *op,
                                            int64_t *ret_members,
                                            struct ts_err *err);
/* Items of MEMBERS that lose more now, or nothing. */
TS_MUSTUSE enum ts_code guard_members_tidy(struct guard_run *run,
                                           struct ts_err *err);

/* ---- guard_lists.c ---- */

TS_MUSTUSE enum ts_code guard_tidy(struct guard_run *run, struct ts_err *err);
TS_MUSTUSE enum ts_code guard_note(struct guard_run *run, struct ts_err *err);

#endif
