/*
 * claim -- values that the target allows once: who wants them, who has them.
 *
 * A row (value, object) says that the object's flowed values have it and it is
 * in scope (`wanted`), or that the target has it on the object's counterpart
 * (`held`): what was sent there and what it showed. `value` is a hash over the
 * name space (kind and path, without a filter, so that an address is the same
 * as "work" and as "home") and the value, folded where the target does so.
 * What foreign objects hold is not known here; the target's answer tells.
 *
 * Who wants a value may be promised it (`wanted` is 2): it then comes first,
 * until it has it or does not want it any more. So the value of an object that
 * was moved out of the way goes to whom it was moved for, also after a crash.
 *
 *   object_insert, object_update, object_remove  --> wanted
 *   target_row_put, target_row_remove            --> held
 *
 * Invariants:
 *   C1  at the end of every transaction the rows are those that claim_recount
 *       makes from nothing, unless they are to be counted later
 *       (metaverse.h, claims_later: a first load).
 *   C2  when a value is let go of, or wanted by one more, those who want it and
 *       do not have it become due (CLAIM_STIRRED_MAX of them, by anchor): their
 *       change numbers are drawn, and their noted problems of stage "unique"
 *       are to be tried again.
 */
#ifndef NODE_METAVERSE_CLAIM_H
#define NODE_METAVERSE_CLAIM_H

#include "node/base/arena.h"
#include "node/base/entry.h"
#include "node/metaverse/metaverse.h"

#define CLAIM_STIRRED_MAX 100

struct claim_value {
    uint8_t bytes[16];
};

/* The unique path called `name`, or NULL when it is none. */
const struct metaverse_unique_path *claim_path(const struct metaverse *mv,
                                               int kind, struct ts_slice name);
/* Can values of that kind be claimed? Not: none, KEEP, whole JSON documents. */
bool claim_applies(enum ts_kind kind);
/* Errors   TS_E_NOMEM. */
TS_MUSTUSE enum ts_code claim_value_of(const struct metaverse_unique_path *path,
                                       struct ts_slice value,
                                       struct claim_value *ret_value,
                                       struct ts_err *err);

/* The object wants what `packed` says, and nothing else (empty: nothing). */
TS_MUSTUSE enum ts_code claim_want(struct metaverse *mv, int64_t metaverse_id,
                                   int kind, struct ts_slice packed,
                                   struct ts_err *err);
/* The target has on it what `sent` and `seen` say (each may be empty). */
struct claim_shown {
    int kind;
    struct ts_slice sent, seen; /* packed entries */
};
TS_MUSTUSE enum ts_code claim_hold(struct metaverse *mv, int64_t metaverse_id,
                                   const struct claim_shown *shown,
                                   struct ts_err *err);
/* All claims anew; what is right already is not written. */
TS_MUSTUSE enum ts_code claim_recount(struct metaverse *mv, struct ts_err *err);

/* Somebody who wants or has a value. */
struct claimant {
    int64_t metaverse_id;
    int kind;
    int presence; /* enum object_presence */
    struct ts_slice anchor;
    bool wants, has;
};
/* Who has the value at the target (*ret_holder), and who is the first, promised
 * or else by anchor, of those who want it and do not have it (*ret_first); id
 * 0: nobody. If several have it, `metaverse_id` is told before others, and who
 * wants to keep it before who does not. Copies live in `arena`. */
TS_MUSTUSE enum ts_code
claim_rivals(struct metaverse *mv, const struct claim_value *value,
             int64_t metaverse_id, struct ts_arena *arena,
             struct claimant *ret_holder, struct claimant *ret_first,
             struct ts_err *err);
/* Promise the value to one who wants it and does not have it. */
TS_MUSTUSE enum ts_code claim_promise(struct metaverse *mv,
                                      const struct claim_value *value,
                                      int64_t metaverse_id, struct ts_err *err);
/* Those who want the value and do not have it, in that order, at most *count.
 */
TS_MUSTUSE enum ts_code claim_waiting(struct metaverse *mv,
                                      const struct claim_value *value,
                                      int64_t *ids, size_t *count,
                                      struct ts_err *err);
/* Is there anybody but `metaverse_id` with a claim to the value? */
TS_MUSTUSE enum ts_code
claim_contested(struct metaverse *mv, const struct claim_value *value,
                int64_t metaverse_id, bool *ret_contested, struct ts_err *err);
/* Is there any value to which several have a claim? Reads all. */
TS_MUSTUSE enum ts_code claim_any_contested(struct metaverse *mv, bool *ret_any,
                                            struct ts_err *err);

#endif
