/*
 * cluster_fence -- principals, made and destroyed on a thread of its own.
 *
 * Making a credential and proving that another one is dead is a matter of HTTP
 * requests, or of an operator's command. The machine of the cluster asks for
 * one at a time and hears of the outcome through the post.
 *
 * Invariants:
 *   CF1  one call is under way at a time; asking meanwhile is refused.
 *   CF2  every accepted call is answered once, on the reactor's thread; what
 * was given up at a stop as TS_E_CANCELLED. CF3  the secret of our own
 * principal is here and nowhere else in clear, and is wiped when another one is
 * made, and at the end.
 *
 * All calls are for the reactor's thread.
 */
#ifndef NODE_DAEMON_CLUSTER_FENCE_H
#define NODE_DAEMON_CLUSTER_FENCE_H

#include "node/daemon/post.h"
#include "node/target/principal.h"

enum cluster_fence_call {
    CLUSTER_FENCE_MINT,
    CLUSTER_FENCE_UNMINT,
    CLUSTER_FENCE_DESTROY,
    CLUSTER_FENCE_PROBE,
    CLUSTER_FENCE_SWEEP,
    CLUSTER_FENCE_REKEY
};

/* Lives during the callback. */
struct cluster_fence_answer {
    enum cluster_fence_call call;
    enum ts_code code;
    const struct ts_err *err;
    uint64_t epoch;                           /* as it was asked for */
    const struct register_principal *row;     /* MINT, REKEY: sealed */
    const struct principal_fencing *fencings; /* DESTROY */
    size_t count;
    const struct principal_sweep *sweep; /* SWEEP; also when it failed */
};

struct cluster_fence_options {
    struct principal_options principal; /* what it borrows: until _free */
    const char *state_directory; /* its pair folder has what is remembered */
    struct post *post;           /* the same */
    void (*answered)(void *context, const struct cluster_fence_answer *answer);
    void *context;
};

struct cluster_fence;

/* Owns     free with _free. Errors: as principal_open; TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code
cluster_fence_new(const struct cluster_fence_options *options,
                  struct cluster_fence **ret_fence, struct ts_err *err);

/* Errors of all: TS_E_LIMIT (CF1), TS_E_CANCELLED, TS_E_NOMEM. */

/* Make P(epoch) and remember it as our own, in place of an earlier one. */
TS_MUSTUSE enum ts_code cluster_fence_mint(struct cluster_fence *self,
                                           uint64_t epoch);
/* Destroy our own, which was never published. */
TS_MUSTUSE enum ts_code cluster_fence_unmint(struct cluster_fence *self);
/* One round against `rows`, which are copied; our own proves that the target
 * answers. */
TS_MUSTUSE enum ts_code
cluster_fence_destroy(struct cluster_fence *self,
                      const struct register_principal *rows, size_t count);
TS_MUSTUSE enum ts_code cluster_fence_probe(struct cluster_fence *self);
/* Delete what was made and is not among `rows`, which are all that the register
 * lists, nor our own (principal_sweep). */
TS_MUSTUSE enum ts_code
cluster_fence_sweep(struct cluster_fence *self,
                    const struct register_principal *rows, size_t count);
/* From now on this key seals; our own row comes back sealed by it. */
TS_MUSTUSE enum ts_code cluster_fence_rekey(struct cluster_fence *self,
                                            const struct seal_key *key);
bool cluster_fence_busy(const struct cluster_fence *self);

/* Our own principal of `epoch`; NULL when we have none. Valid until the next
 * mint or unmint. */
const struct principal *cluster_fence_own(const struct cluster_fence *self,
                                          uint64_t epoch);

/* The call under way ends soon; no other is begun. */
void cluster_fence_stop(struct cluster_fence *self);
/* Joins the thread; NULL is fine. */
void cluster_fence_free(struct cluster_fence *self);

#endif
