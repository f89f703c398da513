/*
 * cluster_secrets -- changed passwords on their way to the other member.
 *
 * The credentials' thread changes passwords; the reactor has the link. Between
 * them lies one sealed record a name, the newest, which is sent until the other
 * member says that it is on its disk. node/vault/share.h says what makes lost,
 * doubled and late messages harmless.
 *
 *   credentials --give--> [records, sealed] --step--> Secret      --> peer
 *              <--wait--                    <-------- SecretKept  <--
 *
 * Invariants:
 *   CS1  a secret is here, and in a message, only sealed under the pair's key.
 *   CS2  nothing is sent but to a member by the register, a learner included,
 *        and never to one that is being retired.
 *   CS3  wait() says yes only for an answer to the record that was given last,
 *        or when the register has no other member.
 *   CS4  both give all that they keep when they meet, and whenever the lease
 *        changes hands: what a dead holder had begun reaches the one that goes
 *        on, and the later record of a name ends up on both.
 */
#ifndef NODE_DAEMON_CLUSTER_SECRETS_H
#define NODE_DAEMON_CLUSTER_SECRETS_H

#include "node/base/time.h"
#include "node/daemon/credential_peer.h"
#include "node/daemon/post.h"
#include "proto/wire_codec.h"

#define CLUSTER_SECRETS_WAIT_MS  10000
#define CLUSTER_SECRETS_AGAIN_MS 1000  /* no answer yet */
#define CLUSTER_SECRETS_LATER_MS 60000 /* it was refused */

struct cluster_secrets;

/* Whom the register makes the receiver. */
enum secrets_audience {
    SECRETS_UNKNOWN, /* the register was not read yet */
    SECRETS_NOBODY,  /* this node is the only member */
    SECRETS_PEER,    /* the one that the link is to */
    SECRETS_ABSENT   /* one that the link is not to */
};

struct secrets_view {
    enum secrets_audience audience;
    const char *node; /* PEER: its name */
    /* A member besides that must be told too, and is not the link's: a lost one
     * whose place another one is taking. NULL: none. */
    const char *absent;
    bool link_up;
    bool is_active; /* this node exports, or may */
    int64_t epoch;
};

struct cluster_secrets_options {
    const char *state_directory; /* of the pair's key; borrowed until _free */
    struct post *post;
    /* On the reactor's thread. What is not sent is asked for again. */
    void (*send)(void *context, const struct wire_message *message);
    /* The other member may lack anything: all that is kept is to be given. */
    void (*offer)(void *context);
    /* This node has become the active one: it may drive changes. */
    void (*active)(void *context);
    /* Any thread: how long the lease is held, ms; 0: it is not. */
    int64_t (*held_ms)(void *context);
    void *context;
};

/* Owns     free with _free. Errors: TS_E_NOMEM. */
TS_MUSTUSE enum ts_code
cluster_secrets_new(const struct cluster_secrets_options *options,
                    struct cluster_secrets **ret_secrets, struct ts_err *err);
/* Whoever waits is told so, and nothing is sent any more. */
void cluster_secrets_close(struct cluster_secrets *secrets);
/* When no other thread can ask any more; NULL is fine. */
void cluster_secrets_free(struct cluster_secrets *secrets);

/* What the credentials ask; lives until _free. Any thread. */
const struct credential_peer *
cluster_secrets_port(struct cluster_secrets *secrets);

/* --- for the reactor ------------------------------------------------------ */

/* After every step of the member or the link. */
void cluster_secrets_publish(struct cluster_secrets *secrets,
                             const struct secrets_view *view);
void cluster_secrets_answered(struct cluster_secrets *secrets,
                              const struct wire_secret_kept *answer);
void cluster_secrets_step(struct cluster_secrets *secrets, struct ts_time now);
struct ts_time cluster_secrets_deadline(struct cluster_secrets *secrets);
/* Has the other member been given something that it has not answered yet? */
bool cluster_secrets_owes(struct cluster_secrets *self);

#endif
