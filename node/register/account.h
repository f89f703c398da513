/*
 * account -- the password by which a node writes the register.
 *
 * Only a directory lets an account change its own (node/ldap/account.h); in
 * etcd its administrators do, a witness knows keys instead of passwords.
 */
#ifndef NODE_REGISTER_ACCOUNT_H
#define NODE_REGISTER_ACCOUNT_H

#include "node/ldap/session.h"
#include "node/register/register.h"

/* How a connection to a register of type ldap is made; borrows `options`. */
struct ldap_session_options
register_session_options(const struct register_options *options);

/* Can its password be changed by us? */
bool register_account_is_ours(const struct register_options *options);

/* Errors   TS_OK: accepted. TS_E_REFUSED: said to be wrong. Any other: nobody
 *          knows. Blocks a connection. */
TS_MUSTUSE enum ts_code
register_account_try(const struct register_options *options,
                     const char *password, struct ts_err *err);
/* Only if it is ours.
 * Errors   TS_OK: said to be changed. TS_E_REFUSED: certainly not changed. Any
 *          other: nobody knows. */
TS_MUSTUSE enum ts_code
register_account_change(const struct register_options *options, const char *old,
                        const char *fresh, struct ts_err *err);

#endif
