/* session_private.h -- shared by session.c (requests) and dial.c (connecting).
 */
#ifndef NODE_LDAP_SESSION_PRIVATE_H
#define NODE_LDAP_SESSION_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "node/base/time.h"
#include "node/ldap/connect.h"
#include "node/ldap/session.h"

struct ldap_session {
    struct ldap_session_options options;
    LDAP *ld;
    struct ts_time connect_deadline;
    struct ts_time limit; /* TS_NEVER: none */
    bool bound;           /* from here on operation_timeout counts */
    int result;           /* of the last answer to _finish; -1: none came */
    char uri[LDAP_SESSION_URI_MAX];
    char tls[128];
    int cancel_fd;
    atomic_bool cancelled;
    pthread_mutex_t mutex; /* guards `fd` against _cancel */
    int fd;                /* owned by `ld`; -1: none */
};

/* ldap_session_fail() with the handle's own last words. */
enum ts_code ldap_session_fail_locally(struct ldap_session *session, int result,
                                       const char *what, struct ts_err *err);
/* Wait for the single answer to `id` and take its result code apart. The
 * message is given to `ret_message` if that is not NULL. */
TS_MUSTUSE enum ts_code ldap_session_finish(struct ldap_session *session,
                                            int id, const char *what,
                                            LDAPMessage **ret_message,
                                            struct ts_err *err);
/* A server that stops in the middle of a message would otherwise hold libldap
 * inside read(2) or write(2), beyond every LDAP time-out. */
void ldap_session_bound_stalls(const struct ldap_session *session, int fd);
/* Make `fd` known to _cancel. */
void ldap_session_publish_fd(struct ldap_session *session, int fd);

#endif
