/*
 * account -- the password by which a node writes the register.
 *
 * A directory lets an account change its own (node/ldap/account.h); etcd lets
 * those who have the role root (etcd_account.h). A witness knows keys instead
 * of passwords: which one it lets in is decided there (twinsync-witness admit).
 */
#ifndef NODE_REGISTER_ACCOUNT_H
#define NODE_REGISTER_ACCOUNT_H

#include "node/ldap/session.h"
#include "node/register/register.h"

/* How a connection to a register of type ldap is made; borrows `options`. */
struct ldap_session_options
register_session_options(const struct register_options *options);

/* Errors   TS_OK: accepted. TS_E_REFUSED: said to be wrong. Any other: nobody
 *          knows. Blocks a connection. */
TS_MUSTUSE enum ts_code
register_account_try(const struct register_options *options,
                     const char *password, struct ts_err *err);
/* Of a kind that has passwords.
 * Errors   TS_OK: said to be changed. TS_E_REFUSED: certainly not changed. Any
 *          other: nobody knows. */
TS_MUSTUSE enum ts_code
register_account_change(const struct register_options *options, const char *old,
                        const char *fresh, struct ts_err *err);

#endif
