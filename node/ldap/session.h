/*
 * session -- one authenticated connection to a directory.
 *
 *   new --> connect --> (search, next)* --> disconnect --> ... --> free
 *
 * connect tries the URIs in their order: name look-up, TCP, StartTLS or LDAPS,
 * bind. It goes on to the next URI when a server does not answer or cannot
 * prove who it is; it stops at a refused password, which another replica would
 * refuse as well (and count).
 *
 * Invariants:
 *   L1  nothing but the StartTLS request leaves over TCP without TLS, unless
 *       the peer's address is loopback and `allow_plaintext_loopback` is set.
 *   L2  a certificate must lead to the CA file and carry the URI's host name or
 *       address; TLS 1.2 is the least.
 *   L3  every wait has an end: connect_timeout for everything up to the bind,
 *       operation_timeout between two messages after it, and _limit for all.
 *   L4  referrals are never followed.
 *   L5  after _cancel every call ends at once with TS_E_CANCELLED, for good.
 *
 * A session belongs to one thread; only _cancel may come from another. The
 * thread that connects has SIGPIPE blocked from then on: libldap writes with
 * write(2).
 */
#ifndef NODE_LDAP_SESSION_H
#define NODE_LDAP_SESSION_H

#include <ldap.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/base/err.h"
#include "node/base/secret.h"
#include "node/base/slice.h"
#include "node/base/time.h"

/* The largest message taken from a server. A group of 250,000 members has 25 to
 * 40 MB. */
#define LDAP_SESSION_MESSAGE_MAX ((size_t) 128 * 1024 * 1024)
#define LDAP_SESSION_URI_MAX     512

enum ldap_session_method {
    LDAP_SESSION_SIMPLE,
    LDAP_SESSION_EXTERNAL /* by client certificate, or ldapi's peer user */
};

/* All strings are borrowed until _free. */
struct ldap_session_options {
    const char *name; /* for messages: the source's */
    const char *uris; /* separated by spaces */
    bool start_tls, allow_plaintext_loopback;
    const char *ca_file; /* NULL: the system's */
    const char *certificate_file, *key_file;
    enum ldap_session_method method;
    const char *bind_dn, *password_file; /* for SIMPLE; read at each connect */
    const struct ts_secret_keeper *secrets; /* asked for that file; or NULL */
    uint32_t connect_timeout_seconds, operation_timeout_seconds;
};

struct ldap_session;

/* No connection yet. Owns: free with _free (NULL is fine).
 * Errors   TS_E_NOMEM, TS_E_IO (no descriptor left). */
TS_MUSTUSE enum ts_code
ldap_session_new(const struct ldap_session_options *options,
                 struct ldap_session **ret_session, struct ts_err *err);
void ldap_session_free(struct ldap_session *session);

/* Connect and bind; an open connection is closed first.
 * Errors   TS_E_UNREACHABLE, TS_E_TIMEOUT, TS_E_AUTH (bind refused, certificate
 *          not believed), TS_E_CONFIG, TS_E_REFUSED (L1), TS_E_CANCELLED, and
 *          ts_secret_read's. The sentence names the URI. */
TS_MUSTUSE enum ts_code ldap_session_connect(struct ldap_session *session,
                                             struct ts_err *err);
/* Unbind without waiting. */
void ldap_session_disconnect(struct ldap_session *session);
/* From any thread, any number of times. */
void ldap_session_cancel(struct ldap_session *session);

/* Every call from now on ends by `limit`, however long the options allow:
 * TS_NEVER takes it back. */
void ldap_session_limit(struct ldap_session *session, struct ts_time limit);

/* For building requests; NULL when not connected. */
LDAP *ldap_session_handle(struct ldap_session *session);
/* The URI in use, or "". */
const char *ldap_session_uri(const struct ldap_session *session);
/* "TLS1.3 TLS_AES_256_GCM_SHA384" and the like; "" without TLS. */
const char *ldap_session_tls(const struct ldap_session *session);

/* One search request; `id` is for _next. `controls` may be NULL. */
struct ldap_session_search {
    const char *base;
    int scope;
    const char *filter;
    const char *const *attributes; /* ends in NULL */
    LDAPControl **controls;
};
TS_MUSTUSE enum ts_code
ldap_session_search(struct ldap_session *session,
                    const struct ldap_session_search *search, int *ret_id,
                    struct ts_err *err);
/* The next message that belongs to request `id`.
 * Owns     free with ldap_msgfree.
 * Errors   TS_E_TIMEOUT, TS_E_UNREACHABLE (connection lost), TS_E_CANCELLED. */
TS_MUSTUSE enum ts_code ldap_session_next(struct ldap_session *session, int id,
                                          LDAPMessage **ret_message,
                                          struct ts_err *err);

/* Read one entry (base scope) or none.
 * Owns     *ret_entry is a chain whose first message may be an entry; NULL when
 *          there is none. Free with ldap_msgfree. */
TS_MUSTUSE enum ts_code ldap_session_read(struct ldap_session *session,
                                          const char *dn,
                                          const char *const *attributes,
                                          LDAPMessage **ret_entry,
                                          struct ts_err *err);

/* The same with a scope, a filter, and controls of one's own: the first entry
 * that comes. */
TS_MUSTUSE enum ts_code
ldap_session_read_by(struct ldap_session *session,
                     const struct ldap_session_search *search,
                     LDAPMessage **ret_entry, struct ts_err *err);

/* What became of a request that changes something. */
struct ldap_session_change {
    bool sent;  /* false: certainly not a whole request has left */
    int result; /* the server's; -1: it did not answer, and nobody knows */
};
/* One modify request.
 * Errors   any result but success, as of _read; *ret_change is always set. */
TS_MUSTUSE enum ts_code
ldap_session_modify(struct ldap_session *session, const char *dn,
                    LDAPMod **changes, struct ldap_session_change *ret_change,
                    struct ts_err *err);

/* The result code of the last answer to a bind, or of an extended request: -1
 * when there was none. An account that is refused (LDAP_INVALID_CREDENTIALS)
 * is told apart from a server that is not trusted by this alone. */
int ldap_session_result(const struct ldap_session *session);

#define LDAP_SESSION_IDENTITY_MAX 1024
/* RFC 4532 "Who am I?": "dn:cn=sync,…", "" when anonymous. */
TS_MUSTUSE enum ts_code
ldap_session_identity(struct ldap_session *session,
                      char text[static LDAP_SESSION_IDENTITY_MAX],
                      struct ts_err *err);

/* Turn an LDAP result code into an error: "could not WHAT at URI: result text
 * (diagnostic)". `what` is a verb phrase such as "search \"dc=ex\"". */
enum ts_code ldap_session_fail(struct ldap_session *session, int result,
                               const char *diagnostic, const char *what,
                               struct ts_err *err);
enum ts_code ldap_session_code(int result);

#define LDAP_AUTOMSG __attribute__((cleanup(ldap_session_message_done)))
static inline void ldap_session_message_done(LDAPMessage **message)
{
    if (*message != NULL) {
        (void) ldap_msgfree(*message);
    }
}

#endif
