/*
 * cluster -- this node as one half of a pair: the parts, joined.
 *
 * Nothing is decided here. The member (node/cluster) decides who may export,
 * the leader and the follower (replication) what is sent and made, the engine
 * what is written. This page joins them: their events come from threads and
 * sockets, their effects go to threads and sockets, all through the reactor.
 *
 *            register thread   fence thread   ship thread   store, export
 *                  ^  |             ^  |          ^  |         ^   |
 *            calls |  | letters     |  v          |  v         |   v
 *   link <-------> [ member    leader    follower ] <-- post --+  gate
 *   control -----> [          reactor            ] -- publishes -> gate
 *
 * Invariants:
 *   CL1  a machine is stepped on the reactor's thread only, never from within a
 *        step of itself; what one step asks for is performed in order.
 *   CL2  after every step of the member its lease is published, before any
 *        effect is performed.
 *   CL3  the state is read as a follower only while the engine is a standby,
 * and the leader speaks only while it is active. CL4  a thread that cannot take
 * a call at once answers it as failed: nothing here waits, and nothing is
 * forgotten.
 *
 *   cluster_new -> (engine_start with cluster_port) -> cluster_start ->
 *   cluster_attach -> runs -> cluster_release -> released() -> cluster_close ->
 *   (engine_free) -> cluster_free
 */
#ifndef NODE_DAEMON_CLUSTER_H
#define NODE_DAEMON_CLUSTER_H

#include "node/config/config.h"
#include "node/control/control.h"
#include "node/daemon/board.h"
#include "node/daemon/credential_peer.h"
#include "node/daemon/credentials.h"
#include "node/daemon/reactor.h"
#include "node/engine/engine.h"
#include "node/engine/pair.h"
#include "proto/wire_codec.h"
#include "replication/retirement.h"

/* How long a release may take before the process ends without it: the other
 * node then waits for the lease to run out. */
#define CLUSTER_RELEASE_MS 30000

struct cluster;
struct credentials_reset;

struct cluster_options {
    const struct config *config; /* with `nodes`; borrowed until _free */
    struct board *board; /* the epoch is noted here before it is asked for */
    const struct ts_secret_keeper *secrets; /* NULL: the files rule */
    /* The other member lacks what is kept, maybe: all of it is to be given. */
    void (*offer_secrets)(void *context);
    /* The other member gives a changed secret; answered by cluster_kept(). What
     * the message points to is gone when this returns. */
    void (*secret_given)(void *context, const struct wire_secret *secret);
    /* This node holds the lease from now on, and may drive changes. */
    void (*active)(void *context);
    /* Change secrets: a step of a handover. See credentials.h. */
    enum ts_code (*reset)(void *context, const struct credentials_reset *asked,
                          struct ts_err *err);
    /* The lease is given back, or could not be in time: the process may end. */
    void (*released)(void *context);
    void *context;
};

/* Owns     free with _free. Errors: TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code cluster_new(const struct cluster_options *options,
                                    struct cluster **ret_cluster,
                                    struct ts_err *err);
/* What the engine asks; lives until _free. */
const struct engine_pair *cluster_port(const struct cluster *cluster);
/* What the credentials ask; lives until _free. */
const struct credential_peer *cluster_credential_peer(struct cluster *cluster);
/* What became of a secret that was given; texts are borrowed. */
void cluster_kept(struct cluster *cluster,
                  const struct wire_secret_kept *answer);
/* Opens register, fence, link and replication; `engine` is borrowed until
 * _close. Blocks: reads small files.
 * Errors   of the parts; TS_E_NOT_FOUND: this node was never paired. */
TS_MUSTUSE enum ts_code cluster_start(struct cluster *cluster,
                                      struct engine *engine,
                                      struct ts_err *err);
/* Errors   TS_E_IO. */
TS_MUSTUSE enum ts_code cluster_attach(struct cluster *cluster,
                                       struct reactor *reactor,
                                       struct ts_err *err);

/* A command of the pair: takes the reply over and returns true. False: it is
 * the engine's. */
bool cluster_request(struct cluster *cluster, const char *command,
                     const json_t *args, struct control_reply *reply);

/* Give the lease back; `released` is called once, later or at once. */
void cluster_release(struct cluster *cluster);
/* This node is no member any more: `released` was called for that.
 * False: it is one, or may become one. */
bool cluster_retired(const struct cluster *cluster, struct retirement *ret);
/* Every gate is closed and every thread ends; no callback comes any more.
 * Blocks   until the calls under way have been cancelled. */
void cluster_close(struct cluster *cluster);
/* After engine_free; NULL is fine. */
void cluster_free(struct cluster *cluster);

#endif
