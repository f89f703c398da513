/*
 * connect -- a connected socket to one LDAP URI, within a deadline.
 *
 * libldap can connect by itself, but then name look-up has no time limit, a
 * connect cannot be called off, and nobody knows which address answered. Here
 * the look-up runs on a thread of its own that is left behind when it is late
 * (it frees itself), and every wait also ends on the caller's eventfd.
 */
#ifndef NODE_LDAP_CONNECT_H
#define NODE_LDAP_CONNECT_H

#include <stdbool.h>

#include "node/base/err.h"
#include "node/base/time.h"

enum ldap_connect_scheme {
    LDAP_CONNECT_PLAIN, /* ldap:// */
    LDAP_CONNECT_TLS,   /* ldaps:// */
    LDAP_CONNECT_LOCAL  /* ldapi:// */
};

struct ldap_connect_target {
    enum ldap_connect_scheme scheme;
    char host[256]; /* name or address; the socket's path for LOCAL */
    char port[6];
};

/* Errors   TS_E_CONFIG: not an LDAP URI of these schemes, or more than one host
 *          in it. */
TS_MUSTUSE enum ts_code
ldap_connect_parse(const char *uri, struct ldap_connect_target *ret_target,
                   struct ts_err *err);

/* Connect, trying each address of the name in turn.
 * `cancel_fd` (an eventfd) becoming readable ends the attempt.
 * Owns     *ret_fd: a blocking socket, close-on-exec. *ret_loopback says that
 *          the peer's address (not its name) is this machine's own.
 * Errors   TS_E_UNREACHABLE, TS_E_TIMEOUT, TS_E_CANCELLED, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code
ldap_connect_open(const struct ldap_connect_target *target, int cancel_fd,
                  struct ts_time deadline, int *ret_fd, bool *ret_loopback,
                  struct ts_err *err);

#endif
