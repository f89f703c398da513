/*
 * ldap_server -- which server is this, and may it keep a register?
 *
 *   Active Directory, Samba   invocationId of its NTDS settings object: another
 *                             one for each controller, and after a restore
 *   389-DS                    nsuniqueid of the suffix, and the place of its
 *                             own configuration
 *   slapd and others          entryUUID of the suffix
 *
 * A read-only controller is refused here. What takes no writes for another
 * reason shows when something is deleted that is not there: see
 * ldap_server_probe().
 */
#ifndef NODE_REGISTER_LDAP_SERVER_H
#define NODE_REGISTER_LDAP_SERVER_H

#include "node/ldap/session.h"
#include "node/register/register.h"

struct ldap_server {
    char identity[REGISTER_IDENTITY_SIZE];
    char suffix[1024]; /* the naming context that holds the entry */
    size_t writers;    /* servers that have written to it, 0: not known */
};

/* Errors   TS_E_REFUSED (read-only, or without an identity), TS_E_CONFIG (no
 *          naming context holds `dn`), and the session's. */
TS_MUSTUSE enum ts_code ldap_server_read(struct ldap_session *session,
                                         const char *dn,
                                         struct ldap_server *ret_server,
                                         struct ts_err *err);

/* Delete a value that is not there: nothing changes, and the answer tells
 * whether it could have.
 * Errors   TS_E_REFUSED (a read-only replica), TS_E_AUTH (no right to write),
 *          TS_E_NOT_FOUND (no such entry), TS_E_CONFIG (the attribute does not
 *          fit), and the session's. */
TS_MUSTUSE enum ts_code ldap_server_probe(struct ldap_session *session,
                                          const char *dn, const char *attribute,
                                          struct ts_err *err);

/* Is `dn` the entry `base`, or below it?
 * Errors   TS_E_CONFIG: one of them is no DN. */
TS_MUSTUSE enum ts_code ldap_server_is_below(const char *dn, const char *base,
                                             bool *ret_below,
                                             struct ts_err *err);

#endif
