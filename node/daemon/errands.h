/*
 * errands -- a thread that does what blocks, one errand after the other.
 *
 * The register, the fence and the files of a snapshot wait for networks and
 * disks; the reactor must not. It gives such work to a thread of its own and
 * hears of the outcome through the post.
 *
 *   reactor --errands_give--> [errands] --work()--> post --> deliver()
 *              full: refused,                                on the reactor
 *              never waited for
 *
 * Invariants:
 *   ER1  an errand that was accepted comes back through the post once: with
 *        what work() put into it, or with `forgone` when it was never begun.
 *   ER2  errands of one thread are worked on one at a time, in order.
 *   ER3  giving never waits: a full list is TS_E_LIMIT, and the errand stays
 *        the giver's.
 *
 * All calls but work() are for the reactor's thread.
 */
#ifndef NODE_DAEMON_ERRANDS_H
#define NODE_DAEMON_ERRANDS_H

#include <stddef.h>

#include "node/daemon/post.h"

struct errand {
    struct post_letter letter; /* must be first; deliver: the outcome */
    void (*work)(struct errand *errand); /* on the errands' thread */
    bool forgone; /* it was not begun: the thread is stopping */
};

struct errands;

/* `name` (a literal, up to 15 letters) is the thread's; at most `depth` errands
 * wait. `post` is borrowed until _free.
 * Owns     free with errands_free. Errors: TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code errands_new(const char *name, size_t depth,
                                    struct post *post,
                                    struct errands **ret_errands,
                                    struct ts_err *err);
/* Errors   TS_E_LIMIT, TS_E_CANCELLED (stopping): the errand stays yours. */
TS_MUSTUSE enum ts_code errands_give(struct errands *errands,
                                     struct errand *errand);
/* None but the one that is under way is worked on any more. */
void errands_stop(struct errands *errands);
/* Joins the thread; NULL is fine.
 * Blocks   as long as the errand under way does: cancel it before. */
void errands_free(struct errands *errands);

#endif
