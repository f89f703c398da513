/*
 * cluster_pairing -- inviting a second computer, wired to the daemon's threads.
 *
 * What is decided and written is replication/pairing.h; it reads and syncs
 * files, so each of its steps is an errand. The link asks and answers on the
 * reactor's thread.
 *
 *   token-create --errand--> invite ----> link_invite(guest), the token
 *   a guest says --errand--> serve  ----> met(peer), link_reply
 *   the peer proves its key -errand-> close --> link_dismiss
 *
 * Invariants:
 *   CP1  a joiner hears that it may only after the link knows its key.
 *   CP2  an invitation ends when the one who used it has proved its own key,
 *        not when the peer of before connects again.
 *
 * All calls are for the reactor's thread.
 */
#ifndef NODE_DAEMON_CLUSTER_PAIRING_H
#define NODE_DAEMON_CLUSTER_PAIRING_H

#include "node/config/config.h"
#include "node/control/control.h"
#include "node/daemon/post.h"
#include "replication/link.h"

struct cluster_pairing;

/* Borrowed until _free. */
struct cluster_pairing_options {
    const struct config *config; /* with two nodes or more, one of them us */
    struct post *post;
    struct link *link;
    /* This node now has what an invitation needs: its certificate and the
     * pair's key. */
    void (*prepared)(void *context);
    /* Whom a token may be for: `node`, or NULL for the present peer. The name
     * that comes back lives as long as the configuration.
     * Errors   TS_E_CONFIG, TS_E_REFUSED. */
    enum ts_code (*choose)(void *context, const char *node,
                           const char **ret_node, struct ts_err *err);
    /* This one has joined: it is the link's peer from now on (CP1).
     * Errors   of link_meet(). */
    enum ts_code (*met)(void *context, const struct certificate *peer,
                        struct ts_err *err);
    /* For the history; `fields` is the callee's. */
    void (*record)(void *context, const char *event, const char *actor,
                   json_t *fields);
    void *context;
};

/* Goes on with the invitation of before a restart, if there is one.
 * Owns     free with _free. Errors: TS_E_NOMEM, TS_E_IO, TS_E_CONFIG. */
TS_MUSTUSE enum ts_code
cluster_pairing_new(const struct cluster_pairing_options *options,
                    struct cluster_pairing **ret_pairing, struct ts_err *err);
/* Open commands are answered. Blocks as long as a file takes to be synced. */
void cluster_pairing_free(struct cluster_pairing *pairing);

/* Two of the link's events. */
void cluster_pairing_guest(struct cluster_pairing *pairing,
                           const struct link_guest_message *message);
void cluster_pairing_met(struct cluster_pairing *pairing);

/* The command token-create (node/control/commands.md). Takes `reply`. */
void cluster_pairing_command(struct cluster_pairing *pairing,
                             const json_t *args, struct control_reply *reply);

#endif
