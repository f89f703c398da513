/*
 * cluster_retire -- a node is retired: what the survivors do, one after the
 * other, each with its evidence.
 *
 *   membership    out of the member list, by one swap of the register
 *   principals    nothing of its is accepted by the target any more
 *   wipe          it destroys what it knows, if it can be reached (best effort)
 *   certificate   its key opens no link any more
 *   pair-key      what the register holds is sealed by another key
 *   the secrets   it knew, each by its name: changed, and the old ones refused;
 *                 when nobody would tell it the new ones any more
 *
 * Invariants:
 *   CR1  nothing is done to a node that the register still lists: exclusion
 *        comes first, and counts whatever becomes of the rest.
 *   CR2  each step may be done again: after a crash anywhere, the same order
 *        once more ends it.
 *   CR3  a wipe is confirmed only by the node itself, over the link, after it.
 *   CR4  there is one at a time.
 *
 * All calls are for the reactor's thread.
 */
#ifndef NODE_DAEMON_CLUSTER_RETIRE_H
#define NODE_DAEMON_CLUSTER_RETIRE_H

#include "node/control/control.h"
#include "node/daemon/reactor.h"
#include "node/handover/evidence.h"

/* How long a node that is connected may take to destroy what it knows. */
#define CLUSTER_WIPE_MS       60000
#define CLUSTER_RETIRE_ROWS   40
#define CLUSTER_RETIRE_REASON 512

struct cluster;
struct cluster_retire;
struct wire_heartbeat;

/* Copied. */
struct cluster_retirement {
    const char *node, *who, *reason;
    bool wipe; /* ask it to destroy what it knows */
};

/* status 0: it is out for good; what else came of it is in the rows. Any other,
 * a status of the process: nothing was done, or not all; `text` says why. */
typedef void cluster_retire_done(void *context, int status, const char *text,
                                 const struct evidence_row *rows, size_t count);

/* Owns     free with _free. Errors: TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code cluster_retire_new(struct cluster *c,
                                           struct cluster_retire **ret,
                                           struct ts_err *err);
/* Whoever waits is told. Blocks as long as a file takes to be synced. */
void cluster_retire_free(struct cluster_retire *retire);

/* Begin, or begin again; `done` is called once, at once where it is refused. */
void cluster_retire(struct cluster *c, const struct cluster_retirement *asked,
                    cluster_retire_done *done, void *context);
/* The command `retire`. */
void cluster_retire_command(struct cluster *c, const json_t *args,
                            struct control_reply *reply);

/* The member has answered command `id`; false: it is not ours. */
bool cluster_retire_answered(struct cluster *c, uint64_t id, int status,
                             const char *text);
/* A heartbeat of the link's peer. */
void cluster_retire_heard(struct cluster *c, const char *node,
                          const struct wire_heartbeat *beat);
void cluster_retire_step(struct cluster *c, struct ts_time now);
struct ts_time cluster_retire_deadline(const struct cluster *c);

/* This node is listed: it waits no more. */
void cluster_retire_joined(struct cluster *c);
/* Was that key of `node` put out of use? */
bool cluster_retire_is_old_key(const struct cluster *c, const char *node,
                               const char *key);

#endif
