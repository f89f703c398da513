/*
 * approval -- writes that need not pass the guard again.
 *
 * A row (object, verb, class) is put when an operator releases the write, and
 * when the guard has counted it: a write that is decided anew before it was
 * carried out, because the object changed or the target was away, is neither
 * held nor counted a second time. The row goes with the confirmed write, or
 * when its time is over.
 */
#ifndef NODE_METAVERSE_APPROVAL_H
#define NODE_METAVERSE_APPROVAL_H

#include "node/metaverse/hold.h"

struct approval {
    int kind;
    struct ts_slice anchor;
    enum intent_verb verb;
    enum hold_class class;
    int64_t amount; /* how many writes of this kind: members, else 1 */
    int64_t expires_at;
};

/* For MEMBERS the amount is added to what is approved already. */
TS_MUSTUSE enum ts_code approval_put(struct metaverse *mv,
                                     const struct approval *approval,
                                     struct ts_err *err);
/* How much is approved for this object, verb and class at `now`; 0: nothing. */
TS_MUSTUSE enum ts_code approval_of(struct metaverse *mv,
                                    const struct approval *wanted, int64_t now,
                                    int64_t *ret_amount, struct ts_err *err);
/* A write of that object and verb was carried out, which took `done->amount`
 * members away. What waits for another write (REANCHOR) stays. */
TS_MUSTUSE enum ts_code approval_carried(struct metaverse *mv,
                                         const struct approval *done,
                                         struct ts_err *err);
/* All of an object are over. */
TS_MUSTUSE enum ts_code approval_clear(struct metaverse *mv, int kind,
                                       struct ts_slice anchor,
                                       struct ts_err *err);
TS_MUSTUSE enum ts_code approval_expire(struct metaverse *mv, int64_t now,
                                        struct ts_err *err);

#endif
