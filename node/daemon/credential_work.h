/*
 * credential_work -- listing, setting and rotating, as calls that block.
 *
 * What credentials.c does on a thread of its own: the vault, the directory and
 * the machine of node/vault/rotation.h brought together.
 */
#ifndef NODE_DAEMON_CREDENTIAL_WORK_H
#define NODE_DAEMON_CREDENTIAL_WORK_H

#include <jansson.h>

#include "node/vault/keeper.h"
#include "node/vault/rotation.h"

struct credential_world {
    const struct config *config;
    const struct keeper *keeper;
    /* False: the daemon is stopping. */
    bool (*wait)(void *context, int64_t ms);
    void *context;
};

/* NULL: the configuration has no secret of this name. */
const struct config_secret *
credential_find(const struct credential_world *world, const char *name);

/* {"credentials":[...]}, node/control/commands.md. Owns: the result. */
json_t *credential_list(const struct credential_world *world);

/* Keep `text` if it is accepted.
 * Errors   TS_E_REFUSED (said to be wrong), those of the server when it could
 *          not be asked, those of the vault: nothing has changed then. */
TS_MUSTUSE enum ts_code credential_set(const struct credential_world *world,
                                       const struct config_secret *secret,
                                       const char *text, const char *who,
                                       struct ts_err *err);

/* Draw a new one, or go on with the change that is under way.
 * Errors   of the vault; else *ret_end, and `err` says why when it is not
 *          ROTATION_PROVED. */
TS_MUSTUSE enum ts_code credential_rotate(const struct credential_world *world,
                                          const struct config_secret *secret,
                                          const char *who,
                                          enum rotation_end *ret_end,
                                          struct ts_err *err);
/* "proved", "pending", "not-changed", "in-doubt". */
const char *credential_end_text(enum rotation_end end);

/* Go on with what a crash cut off; what stays in doubt is listed. */
void credential_resume(const struct credential_world *world);

#endif
