/*
 * credential -- one secret of the configuration: is it accepted, change it.
 *
 * The operations of a rotation (node/vault/rotation.h) for each kind. All calls
 * block on networks and disks: never on the reactor.
 */
#ifndef NODE_DAEMON_CREDENTIAL_H
#define NODE_DAEMON_CREDENTIAL_H

#include "node/base/err.h"
#include "node/base/hash.h"
#include "node/config/secrets.h"

/* NULL: we can change it; else a clause that says why not, and what to do. */
const char *credential_fixed_because(const struct config_secret *secret);

/* Whose secret it is, as a hash: two nodes with one account have the same. */
struct ts_hash credential_account(const struct config *config,
                                  const struct config_secret *secret);

/* Errors   TS_OK: accepted. TS_E_REFUSED: said to be wrong. Any other: nobody
 *          knows. */
TS_MUSTUSE enum ts_code credential_try(const struct config *config,
                                       const struct config_secret *secret,
                                       const char *text, struct ts_err *err);
/* Only if it is not fixed.
 * Errors   TS_OK: said to be changed. TS_E_REFUSED: certainly not changed. Any
 *          other: nobody knows. */
TS_MUSTUSE enum ts_code credential_change(const struct config *config,
                                          const struct config_secret *secret,
                                          const char *old, const char *fresh,
                                          struct ts_err *err);

#endif
