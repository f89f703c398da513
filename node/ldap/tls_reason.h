/*
 * tls_reason -- why a server's certificate is not believed, in words.
 *
 * libldap over GnuTLS only says that the handshake failed. After such a failure
 * the session fetches the certificate once more, over a connection on which
 * nothing else is ever sent, and this module asks OpenSSL what is wrong with
 * it. The answer only explains: the refusal has already been decided.
 */
#ifndef NODE_LDAP_TLS_REASON_H
#define NODE_LDAP_TLS_REASON_H

#include <stddef.h>

#include "node/base/slice.h"

#define LDAP_TLS_REASON_MAX 200

/* `der` is the server's certificate, `host` the URI's name or address,
 * `ca_file` the trusted PEM file. False: nothing was found wrong with it. */
bool ldap_tls_reason(struct ts_slice der, const char *host, const char *ca_file,
                     char text[static LDAP_TLS_REASON_MAX]);

#endif
