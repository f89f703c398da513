/*
 * account -- the password of the account that reads a source.
 *
 * What a rotation asks of the directory; node/ldap/account.h says how. Both
 * block as a connection does.
 */
#ifndef NODE_SOURCE_ACCOUNT_H
#define NODE_SOURCE_ACCOUNT_H

#include "node/config/config.h"
#include "node/ldap/session.h"

/* How a connection to this source is made; borrows the configuration. */
struct ldap_session_options
source_session_options(const struct config_source *config,
                       const struct ts_secret_keeper *secrets);

/* Errors   TS_OK: accepted. TS_E_REFUSED: said to be wrong. Any other: nobody
 *          knows. */
TS_MUSTUSE enum ts_code source_account_try(const struct config_source *config,
                                           const char *password,
                                           struct ts_err *err);
/* Errors   TS_OK: said to be changed. TS_E_REFUSED: certainly not changed. Any
 *          other: nobody knows. */
TS_MUSTUSE enum ts_code
source_account_change(const struct config_source *config, const char *old,
                      const char *fresh, struct ts_err *err);

#endif
