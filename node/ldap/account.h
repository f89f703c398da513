/*
 * account -- is a password accepted, and changing one's own.
 *
 * What a rotation of a password asks of a directory. Each call is a connection
 * of its own, so that no answer rests on one that was authenticated before.
 *
 *   slapd, 389-DS     Password Modify, RFC 3062, by the account itself
 *   Active Directory  unicodePwd: old value deleted, new one added in one
 *                     modify (MS-ADTS 3.1.1.3.1.5), only over TLS
 *
 * Which of the two is asked of the server: supportedExtension, or the
 * capability 1.2.840.113556.1.4.800, of its root DSE.
 *
 * Blocks: as ldap_session_connect; every wait is bounded by the options.
 */
#ifndef NODE_LDAP_ACCOUNT_H
#define NODE_LDAP_ACCOUNT_H

#include "node/ldap/session.h"

/* In place of the options' password file and keeper.
 * Errors   TS_OK: accepted. TS_E_REFUSED: the server said that these
 *          credentials are wrong (LDAP result 49), nothing else is meant by
 *          it. Any other: nobody knows. */
TS_MUSTUSE enum ts_code
ldap_account_try(const struct ldap_session_options *options,
                 const char *password, struct ts_err *err);

/* Errors   TS_OK: it said that it is changed. TS_E_REFUSED: certainly not
 *          changed (no such right, no TLS, not good enough a password, no way
 *          to change one, the old one wrong). Any other: nobody knows. */
TS_MUSTUSE enum ts_code
ldap_account_change(const struct ldap_session_options *options, const char *old,
                    const char *fresh, struct ts_err *err);

#endif
