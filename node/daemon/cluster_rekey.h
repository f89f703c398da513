/*
 * cluster_rekey -- another key for the pair: what seals what the register
 * holds.
 *
 *   draft on this disk --> our own credential is sealed by it --> the register
 *   shows that --> it is the pair's key here
 *
 * Only where no other computer is a member: there is nobody else to be told.
 * Who joins later is given it with its token. Everything may be done again
 * after a crash anywhere (pair_turn.h).
 *
 * All calls are for the reactor's thread.
 */
#ifndef NODE_DAEMON_CLUSTER_REKEY_H
#define NODE_DAEMON_CLUSTER_REKEY_H

#include "node/base/time.h"
#include "node/daemon/cluster_fence.h"
#include "node/handover/evidence.h"

struct cluster;
struct cluster_rekey;

typedef void cluster_rekey_done(void *context, enum evidence_state state,
                                const char *text);

/* Owns     free with _free. Errors: TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code cluster_rekey_new(struct cluster *c,
                                          struct cluster_rekey **ret,
                                          struct ts_err *err);
/* NULL is fine; whoever waits is not told. */
void cluster_rekey_free(struct cluster_rekey *rekey);

/* One at a time; `done` is called once. */
void cluster_rekey_begin(struct cluster *c, cluster_rekey_done *done,
                         void *context);

/* What comes of its calls. */
void cluster_rekey_fenced(struct cluster *c,
                          const struct cluster_fence_answer *answer);
bool cluster_rekey_answered(struct cluster *c, uint64_t id, int status,
                            const char *text);
void cluster_rekey_step(struct cluster *c, struct ts_time now);
struct ts_time cluster_rekey_deadline(const struct cluster *c);

#endif
