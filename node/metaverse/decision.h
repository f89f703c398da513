/*
 * decision -- what operators decided, who and why; replicated, kept for good.
 *
 * One row a decision that lets something be written, or keeps it from being:
 * a plan, an approval, a rejection. Rows only: nothing is decided from them but
 * the sentence that something was carried out already.
 */
#ifndef NODE_METAVERSE_DECISION_H
#define NODE_METAVERSE_DECISION_H

#include "node/metaverse/metaverse.h"

struct decision {
    const char *what;        /* "plan", "approve", "reject", ... */
    struct ts_slice subject; /* a hash, or an object */
    int64_t items;           /* how many objects it is about */
    struct ts_slice actor, reason;
};

/* Its number is drawn from the counter "decision". In the caller's
 * transaction. */
TS_MUSTUSE enum ts_code decision_put(struct metaverse *mv,
                                     const struct decision *decision,
                                     struct ts_err *err);
/* When `what` was last decided on `subject`, seconds since 1970; 0: never. */
TS_MUSTUSE enum ts_code decision_when(struct metaverse *mv, const char *what,
                                      struct ts_slice subject, int64_t *ret_at,
                                      struct ts_err *err);

#endif
