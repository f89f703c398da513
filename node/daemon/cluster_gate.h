/*
 * cluster_gate -- what the pair's state means to the threads that export.
 *
 * The reactor decides and publishes here; the export and the store's threads
 * ask here, and nowhere else. Between them is one mutex, held for a few
 * instructions.
 *
 *   reactor --_publish, _acked, ...--> [gate] <--_may_export, _ack, ...--
 * threads
 *                                        |
 *   reactor <------ post: a token -------+--- _token waits for the answer
 *
 * Invariants:
 *   CG1  the answer to "may this be sent" is computed when it is asked, with
 *        clocks read after the question: a gate that nobody renews closes by
 *        itself, also when the reactor stands still.
 *   CG2  after _close, and after an epoch has ended, every answer is no; an
 *        answer given to a token of one epoch is never that of another.
 *   CG3  an acknowledgement counts when it is of the other voter, or in a
 *        period that the register shows as unprotected: a learner beside a lost
 *        voter would not be the one that takes over. And while "protected" is
 *        being written, or may be, nothing is sent without one.
 */
#ifndef NODE_DAEMON_CLUSTER_GATE_H
#define NODE_DAEMON_CLUSTER_GATE_H

#include "node/base/clock.h"
#include "node/base/hash.h"
#include "node/base/time.h"
#include "node/daemon/post.h"
#include "node/engine/pair.h"
#include "replication/journal.h"

struct cluster_gate;

/* The lease, as it was confirmed last. */
struct cluster_lease {
    bool held; /* by us: tokens are recorded, also while we still fence */
    bool open; /* and something may be exported */
    uint64_t epoch;
    struct ts_clocks from; /* read before the renewal was sent */
    int64_t allowed_ms;    /* T(1 - e) - m: from then on */
    bool may_unprotected;  /* without the standby's acknowledgement */
};

/* A token was received: the reactor is to have it recorded. `number` comes back
 * with the answer. */
struct cluster_token {
    uint64_t number, epoch;
    struct ts_hash hash;
    uint32_t lifetime_s;
};
typedef void cluster_token_fn(void *context, const struct cluster_token *token);

/* `post` is borrowed until _free; `token` is called on the reactor's thread.
 * Owns     free with _free. Errors: TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code cluster_gate_new(struct post *post,
                                         cluster_token_fn *token, void *context,
                                         struct cluster_gate **ret_gate,
                                         struct ts_err *err);
/* NULL is fine. When no other thread can ask any more. */
void cluster_gate_free(struct cluster_gate *gate);

/* --- for the reactor ------------------------------------------------------ */

void cluster_gate_publish(struct cluster_gate *gate,
                          const struct cluster_lease *lease);
/* The standby has this on its disk; it is of the lease's epoch or below. */
void cluster_gate_acked(struct cluster_gate *gate,
                        const struct journal_position *position);
/* What the register shows. */
struct cluster_protection {
    bool unprotected;     /* such a period */
    bool follower_counts; /* whoever follows may take over, so that what it has
                             acknowledged protects (CG3) */
    uint64_t generation;  /* of the data */
};
void cluster_gate_protection(struct cluster_gate *gate,
                             const struct cluster_protection *protection);
/* What the register shows: nobody is to export until an operator says so. */
void cluster_gate_pause(struct cluster_gate *gate, bool paused);
void cluster_gate_token_answer(struct cluster_gate *gate, uint64_t number,
                               bool may_be_used);
/* Every answer from now on is no. */
void cluster_gate_close(struct cluster_gate *gate);

/* Readable when something else than a tick has come since the last _signs. */
int cluster_gate_fd(const struct cluster_gate *gate);
/* Since the last call: did the export loop go round? did a batch wait for a
 * silent standby? the newest row that the store committed, if there is one? */
struct cluster_signs {
    bool ticked, unprotected_wanted, committed;
    struct journal_position position;
    uint64_t generation_wanted; /* 0: none */
};
void cluster_gate_signs(struct cluster_gate *gate,
                        struct cluster_signs *ret_signs);

/* --- for other threads ---------------------------------------------------- */

bool cluster_gate_may_export(struct cluster_gate *gate,
                             struct ts_time deadline);
int64_t cluster_gate_remaining_ms(struct cluster_gate *gate); /* 0: none */
/* The same of the lease alone, also while nothing may be exported. */
int64_t cluster_gate_held_ms(struct cluster_gate *gate);
void cluster_gate_tick(struct cluster_gate *gate);
/* Blocks   until the register shows the token, at most until the lease ends.
 * Errors   TS_E_CANCELLED (no lease any more), TS_E_REFUSED, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code cluster_gate_token(struct cluster_gate *gate,
                                           const struct ts_hash *hash,
                                           int64_t lifetime_seconds,
                                           struct ts_err *err);
void cluster_gate_committed(struct cluster_gate *gate,
                            const struct journal_position *position);
/* May what depends on `position` be sent? Asking is remembered (signs). */
enum engine_ack cluster_gate_ack(struct cluster_gate *gate,
                                 const struct journal_position *position);
/* Is data generation `generation`, or a later one, in the register? */
enum engine_ack cluster_gate_generation(struct cluster_gate *gate,
                                        int64_t generation);
bool cluster_gate_unprotected(struct cluster_gate *gate);
bool cluster_gate_paused(struct cluster_gate *gate);

#endif
