/*
 * etcd_account -- changing the password of an etcd user over the JSON gateway.
 *
 * etcd lets those change passwords who have the role root, their own included
 * (auth.proto, UserChangePassword: admin permission). The user of a node should
 * not have that role, since it opens every key: most nodes are answered with
 * the sentence that says so. Signing in anew makes that a call of its own,
 * beside the client of the register, whose token ends with the change.
 */
#ifndef NODE_REGISTER_ETCD_ACCOUNT_H
#define NODE_REGISTER_ETCD_ACCOUNT_H

#include "node/register/register.h"

/* `options` of kind REGISTER_ETCD, with a user.
 * Errors   TS_OK: said to be changed. TS_E_REFUSED: certainly not changed. Any
 *          other: nobody knows.
 * Blocks   on at most one endpoint after the other, each for its time-out. */
TS_MUSTUSE enum ts_code
register_etcd_account_change(const struct register_options *options,
                             const char *old, const char *fresh,
                             struct ts_err *err);

#endif
