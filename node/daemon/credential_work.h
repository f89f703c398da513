/*
 * credential_work -- listing, setting and rotating, as calls that block.
 *
 * What credentials.c does on a thread of its own: the vault, the directory and
 * the machine of node/vault/rotation.h brought together.
 *
 * Of a pair, what both nodes use is changed by the holder of the lease only,
 * and the other one keeps it first (node/vault/share.h). A register's password
 * is a node's own: each changes its own, and one that both use by mistake only
 * as its holder, since the other node then says so.
 */
#ifndef NODE_DAEMON_CREDENTIAL_WORK_H
#define NODE_DAEMON_CREDENTIAL_WORK_H

#include <jansson.h>

#include "node/daemon/credential_peer.h"
#include "node/vault/keeper.h"
#include "node/vault/rotation.h"

struct credential_world {
    const struct config *config;
    const struct keeper *keeper;
    const struct credential_peer *peer; /* NULL: this node is alone */
    /* False: the daemon is stopping. */
    bool (*wait)(void *context, int64_t ms);
    void *context;
};

/* Is it this node's to change? What both nodes of a pair use is the holder's;
 * the register's account is each node's own. */
bool credential_drives(const struct credential_world *world,
                       const struct config_secret *secret);

/* NULL: the configuration has no secret of this name. */
const struct config_secret *
credential_find(const struct credential_world *world, const char *name);

/* {"credentials":[...]}, node/control/commands.md. Owns: the result. */
json_t *credential_list(const struct credential_world *world);

/* Who changes something, and what for. */
struct credential_actor {
    const char *who;
    const char *cause; /* of a reset: its id; "": none */
};

/* A secret from elsewhere. */
struct credential_new {
    const char *text;
    int64_t expires; /* seconds since 1970; 0: not known */
};

/* Keep it if it is accepted. *ret_is_shared: the other member has it too;
 * else `err` says why it will have it later.
 * Errors   TS_E_REFUSED (said to be wrong, or another node's to do), those of
 *          the server when it could not be asked, those of the vault: nothing
 *          has changed then. */
TS_MUSTUSE enum ts_code credential_set(const struct credential_world *world,
                                       const struct config_secret *secret,
                                       const struct credential_new *fresh,
                                       const struct credential_actor *actor,
                                       bool *ret_is_shared, struct ts_err *err);

/* Draw a new one, or go on with the change that is under way.
 * Errors   of the vault; TS_E_REFUSED (another node's to do), TS_E_UNREACHABLE
 *          (a member is away): nothing has changed then. Else *ret_end, and
 *          `err` says why when it is not ROTATION_PROVED. */
TS_MUSTUSE enum ts_code credential_rotate(const struct credential_world *world,
                                          const struct config_secret *secret,
                                          const struct credential_actor *actor,
                                          enum rotation_end *ret_end,
                                          struct ts_err *err);
/* What PROVED rests on (R5 of node/vault/rotation.h). */
#define CREDENTIAL_EVIDENCE                                               \
    "the new one is accepted, the old one refused, the new one accepted " \
    "again, each on a connection of its own"
/* "proved", "pending", "not-changed", "in-doubt". */
const char *credential_end_text(enum rotation_end end);

/* What a reset has to say of one secret. */
enum credential_state {
    CREDENTIAL_PROVED,   /* the new one accepted, the old one refused */
    CREDENTIAL_PENDING,  /* changed; the old one may be accepted for a while */
    CREDENTIAL_FAILED,   /* not changed, or not known yet: call it again */
    CREDENTIAL_UNTOUCHED /* nobody can change it here */
};
const char *credential_state_text(enum credential_state state);

struct credential_outcome {
    char name[CONFIG_SECRET_NAME_MAX];
    enum credential_state state;
    char text[512]; /* evidence, or why not */
    int64_t at;     /* seconds since 1970 */
};

/* One secret of a reset: as credential_rotate(), but what was changed for this
 * cause already is told, and not changed again. */
void credential_reset_one(const struct credential_world *world,
                          const struct config_secret *secret,
                          const struct credential_actor *actor,
                          struct credential_outcome *ret_outcome);

/* Go on with what a crash or a failover cut off; where that is another node's
 * to do, find out whether the new secret rules already. `times`: how often that
 * was tried before. Returns  after how many ms to try again; 0: nothing is in
 * doubt. */
int64_t credential_resume(const struct credential_world *world, uint32_t times);

/* ---- what the other member gives ------------------------------------------
 */

struct credential_given {
    const char *name;
    struct ts_hash account;
    struct ts_slice sealed;
};

/* Keep it. TS_OK: it is durable, or this node uses another account, which
 * *ret_is_ours tells.
 * Errors   TS_E_CONFLICT (what is kept is later, and is given back),
 *          TS_E_REFUSED (it is this node's to change), TS_E_CONFIG (no such
 * secret), of share_open() and the vault. */
TS_MUSTUSE enum ts_code credential_take(const struct credential_world *world,
                                        const struct credential_given *given,
                                        bool *ret_is_ours, struct ts_err *err);
/* So long after a candidate came it is looked whether it rules, if nothing else
 * has come meanwhile. */
#define CREDENTIAL_LOOK_MS 2000
/* Give the other member all that is kept. */
void credential_offer(const struct credential_world *world);

#endif
