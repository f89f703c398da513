/*
 * tls_context -- libldap's TLS contexts, made once and used again.
 *
 * libldap over GnuTLS forgets the private key of each context that it makes:
 * 18 kB a connection, which a daemon that connects every two minutes must not
 * lose. So contexts are kept for the life of the process and given to every
 * handle with the same files; a file that was replaced (inode, size or time)
 * makes a new one. The table is small: a context per set of files in use.
 */
#ifndef NODE_LDAP_TLS_CONTEXT_H
#define NODE_LDAP_TLS_CONTEXT_H

#include <ldap.h>
#include <stdbool.h>

struct ldap_tls_files {
    const char *ca;
    const char *certificate, *key; /* NULL: none */
};

/* Give `ld`, whose TLS options are set, its context. Thread-safe.
 * `demand` is the LDAP_OPT_X_TLS_REQUIRE_CERT that is set.
 * Errors   an LDAP result code. */
int ldap_tls_context_use(LDAP *ld, const struct ldap_tls_files *files,
                         int demand);

#endif
