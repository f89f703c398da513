#include "node/ldap/session_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "node/base/cleanup.h"

#define OID_WHO_AM_I "1.3.6.1.4.1.4203.1.11.3"

/* --- errors ----------------------------------------------------------------
 */

enum ts_code ldap_session_code(int result)
{
    static const struct {
        int result;
        enum ts_code code;
    } rows[] = {
        { LDAP_SUCCESS, TS_OK },
        { LDAP_INVALID_CREDENTIALS, TS_E_AUTH },
        { LDAP_INAPPROPRIATE_AUTH, TS_E_AUTH },
        { LDAP_INSUFFICIENT_ACCESS, TS_E_AUTH },
        { LDAP_STRONG_AUTH_REQUIRED, TS_E_AUTH },
        { LDAP_CONFIDENTIALITY_REQUIRED, TS_E_AUTH },
        { LDAP_AUTH_METHOD_NOT_SUPPORTED, TS_E_AUTH },
        { LDAP_AUTH_UNKNOWN, TS_E_AUTH },
        { LDAP_SIZELIMIT_EXCEEDED, TS_E_LIMIT },
        { LDAP_TIMELIMIT_EXCEEDED, TS_E_LIMIT },
        { LDAP_ADMINLIMIT_EXCEEDED, TS_E_LIMIT },
        { LDAP_BUSY, TS_E_UNREACHABLE },
        { LDAP_UNAVAILABLE, TS_E_UNREACHABLE },
        { LDAP_SERVER_DOWN, TS_E_UNREACHABLE },
        { LDAP_CONNECT_ERROR, TS_E_UNREACHABLE },
        { LDAP_TIMEOUT, TS_E_TIMEOUT },
        { LDAP_NO_MEMORY, TS_E_NOMEM },
        { LDAP_NO_SUCH_OBJECT, TS_E_NOT_FOUND },
        { LDAP_UNWILLING_TO_PERFORM, TS_E_REFUSED },
        { LDAP_FILTER_ERROR, TS_E_CONFIG },
        { LDAP_INVALID_DN_SYNTAX, TS_E_CONFIG },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].result == result) {
            return rows[i].code;
        }
    }
    return TS_E_PROTOCOL;
}

enum ts_code ldap_session_fail(struct ldap_session *session, int result,
                               const char *diagnostic, const char *what,
                               struct ts_err *err)
{
    if (atomic_load(&session->cancelled)) {
        return ts_fail(err, TS_E_CANCELLED, 0, "%s at %s was cancelled", what,
                       session->uri);
    }
    bool more = diagnostic != NULL && diagnostic[0] != 0;
    return ts_fail(err, ldap_session_code(result), 0,
                   "could not %s at %s: %s%s%.200s%s", what, session->uri,
                   ldap_err2string(result), more ? " (" : "",
                   more ? diagnostic : "", more ? ")" : "");
}

enum ts_code ldap_session_fail_locally(struct ldap_session *session, int result,
                                       const char *what, struct ts_err *err)
{
    char *diagnostic = NULL;
    (void) ldap_get_option(session->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE,
                           (void *) &diagnostic);
    enum ts_code rc = ldap_session_fail(session, result, diagnostic, what, err);
    ldap_memfree(diagnostic);
    return rc;
}

/* --- life ------------------------------------------------------------------
 */

enum ts_code ldap_session_new(const struct ldap_session_options *options,
                              struct ldap_session **ret_session,
                              struct ts_err *err)
{
    struct ldap_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare source \"%s\"",
                       options->name);
    }
    session->options = *options;
    session->fd = -1;
    session->result = -1;
    session->limit = TS_NEVER;
    session->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = session->cancel_fd < 0
                     ? errno
                     : pthread_mutex_init(&session->mutex, NULL);
    if (failed != 0) {
        if (session->cancel_fd >= 0) {
            (void) close(session->cancel_fd);
        }
        free(session);
        return ts_fail(err, TS_E_IO, failed, "could not prepare source \"%s\"",
                       options->name);
    }
    *ret_session = session;
    return TS_OK;
}

void ldap_session_free(struct ldap_session *session)
{
    if (session == NULL) {
        return;
    }
    ldap_session_disconnect(session);
    (void) close(session->cancel_fd);
    (void) pthread_mutex_destroy(&session->mutex);
    free(session);
}

void ldap_session_publish_fd(struct ldap_session *session, int fd)
{
    (void) pthread_mutex_lock(&session->mutex);
    session->fd = fd;
    (void) pthread_mutex_unlock(&session->mutex);
}

void ldap_session_bound_stalls(const struct ldap_session *session, int fd)
{
    int64_t most_ms =
        (int64_t) session->options.operation_timeout_seconds * 1000;
    int64_t left = ts_time_left(session->limit);
    int64_t ms = left < most_ms ? left : most_ms;
    ms = ms < 1 ? 1 : ms; /* 0 would mean for ever */
    struct timeval stall = { .tv_sec = (time_t) (ms / 1000),
                             .tv_usec = (suseconds_t) (ms % 1000 * 1000) };
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
    (void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
}

void ldap_session_limit(struct ldap_session *session, struct ts_time limit)
{
    session->limit = limit;
    if (session->fd >= 0) {
        ldap_session_bound_stalls(session, session->fd);
    }
}

void ldap_session_disconnect(struct ldap_session *session)
{
    if (session->fd >= 0 && !session->bound) {
        /* The unbind request must not leave before TLS is there (L1). */
        (void) shutdown(session->fd, SHUT_RDWR);
    }
    ldap_session_publish_fd(session, -1);
    if (session->ld != NULL) {
        (void) ldap_unbind_ext(session->ld, NULL, NULL);
        session->ld = NULL;
    }
    session->bound = false;
    session->uri[0] = 0;
    session->tls[0] = 0;
}

void ldap_session_cancel(struct ldap_session *session)
{
    atomic_store(&session->cancelled, true);
    (void) eventfd_write(session->cancel_fd, 1);
    (void) pthread_mutex_lock(&session->mutex);
    if (session->fd >= 0) {
        /* Ends whatever read, write or poll libldap or GnuTLS is in. */
        (void) shutdown(session->fd, SHUT_RDWR);
    }
    (void) pthread_mutex_unlock(&session->mutex);
}

LDAP *ldap_session_handle(struct ldap_session *session)
{
    return session->ld;
}

const char *ldap_session_uri(const struct ldap_session *session)
{
    return session->uri;
}

const char *ldap_session_tls(const struct ldap_session *session)
{
    return session->tls;
}

/* --- requests ---------------------------------------------------------------
 */

enum ts_code ldap_session_next(struct ldap_session *session, int id,
                               LDAPMessage **ret_message, struct ts_err *err)
{
    int64_t left =
        session->bound
            ? (int64_t) session->options.operation_timeout_seconds * 1000
            : ts_time_left(session->connect_deadline);
    int64_t limit = ts_time_left(session->limit);
    left = left < limit ? left : limit;
    struct timeval wait = { .tv_sec = (time_t) (left / 1000),
                            .tv_usec = (suseconds_t) (left % 1000 * 1000) };
    LDAPMessage *message = NULL;
    int type = ldap_result(session->ld, id, LDAP_MSG_ONE, &wait, &message);
    if (type > 0 && !atomic_load(&session->cancelled)) {
        *ret_message = message;
        return TS_OK;
    }
    (void) ldap_msgfree(message);
    if (type == 0 && !atomic_load(&session->cancelled)) {
        return ts_fail(err, TS_E_TIMEOUT, 0,
                       "could not go on with %s: no answer within %lld s",
                       session->uri, (long long) (left + 999) / 1000);
    }
    int result = LDAP_SERVER_DOWN;
    (void) ldap_get_option(session->ld, LDAP_OPT_RESULT_CODE, &result);
    if (result == LDAP_SUCCESS) {
        result = LDAP_SERVER_DOWN;
    }
    return ldap_session_fail(session, result, NULL, "read the answer", err);
}

enum ts_code ldap_session_search(struct ldap_session *session,
                                 const struct ldap_session_search *search,
                                 int *ret_id, struct ts_err *err)
{
    /* libldap does not write through this; its prototype lacks the const. */
    char **attributes = NULL;
    memcpy(&attributes, &search->attributes, sizeof attributes);
    int result = ldap_search_ext(
        session->ld, search->base, search->scope, search->filter, attributes, 0,
        search->controls, NULL, NULL, LDAP_NO_LIMIT, ret_id);
    if (result == LDAP_SUCCESS) {
        return TS_OK;
    }
    char what[300];
    (void) snprintf(what, sizeof what, "search \"%.100s\" with \"%.100s\"",
                    search->base, search->filter);
    return ldap_session_fail_locally(session, result, what, err);
}

enum ts_code ldap_session_finish(struct ldap_session *session, int id,
                                 const char *what, LDAPMessage **ret_message,
                                 struct ts_err *err)
{
    LDAP_AUTOMSG LDAPMessage *message = NULL;
    session->result = -1;
    enum ts_code rc = ldap_session_next(session, id, &message, err);
    if (rc != TS_OK) {
        return rc;
    }
    int result = LDAP_OTHER;
    char *diagnostic = NULL;
    int parsed = ldap_parse_result(session->ld, message, &result, NULL,
                                   &diagnostic, NULL, NULL, 0);
    if (parsed != LDAP_SUCCESS) {
        result = parsed;
    } else {
        session->result = result;
    }
    if (result != LDAP_SUCCESS) {
        rc = ldap_session_fail(session, result, diagnostic, what, err);
    } else if (ret_message != NULL) {
        *ret_message = message;
        message = NULL;
    }
    ldap_memfree(diagnostic);
    return rc;
}

enum ts_code ldap_session_modify(struct ldap_session *session, const char *dn,
                                 LDAPMod **changes,
                                 struct ldap_session_change *ret_change,
                                 struct ts_err *err)
{
    char what[LDAP_SESSION_URI_MAX];
    (void) snprintf(what, sizeof what, "modify \"%.200s\"", dn);
    int id = 0;
    int result = ldap_modify_ext(session->ld, dn, changes, NULL, NULL, &id);
    /* What libldap could not even encode has not left; what it could not
     * write to the end may have. */
    *ret_change = (struct ldap_session_change){
        .sent = result == LDAP_SUCCESS || result == LDAP_SERVER_DOWN,
        .result = -1,
    };
    if (result != LDAP_SUCCESS) {
        return ldap_session_fail_locally(session, result, what, err);
    }
    LDAP_AUTOMSG LDAPMessage *message = NULL;
    enum ts_code rc = ldap_session_next(session, id, &message, err);
    if (rc != TS_OK) {
        return rc;
    }
    char *diagnostic = NULL;
    int parsed = ldap_parse_result(session->ld, message, &result, NULL,
                                   &diagnostic, NULL, NULL, 0);
    if (parsed != LDAP_SUCCESS) {
        rc = ldap_session_fail(session, parsed, NULL, what, err);
    } else {
        ret_change->result = result;
        if (result != LDAP_SUCCESS) {
            rc = ldap_session_fail(session, result, diagnostic, what, err);
        }
    }
    ldap_memfree(diagnostic);
    return rc;
}

enum ts_code ldap_session_read_by(struct ldap_session *session,
                                  const struct ldap_session_search *search,
                                  LDAPMessage **ret_entry, struct ts_err *err)
{
    int id = 0;
    enum ts_code rc = ldap_session_search(session, search, &id, err);
    if (rc != TS_OK) {
        return rc;
    }
    char what[LDAP_SESSION_URI_MAX];
    (void) snprintf(what, sizeof what, "read \"%.200s\"", search->base);
    LDAP_AUTOMSG LDAPMessage *entry = NULL;
    for (;;) {
        LDAP_AUTOMSG LDAPMessage *message = NULL;
        rc = ldap_session_next(session, id, &message, err);
        if (rc != TS_OK) {
            return rc;
        }
        int type = ldap_msgtype(message);
        if (type == LDAP_RES_SEARCH_RESULT) {
            int result = LDAP_OTHER;
            char *diagnostic = NULL;
            int parsed = ldap_parse_result(session->ld, message, &result, NULL,
                                           &diagnostic, NULL, NULL, 0);
            result = parsed == LDAP_SUCCESS ? result : parsed;
            rc =
                result == LDAP_SUCCESS
                    ? TS_OK
                    : ldap_session_fail(session, result, diagnostic, what, err);
            ldap_memfree(diagnostic);
            break;
        }
        if (type == LDAP_RES_SEARCH_ENTRY && entry == NULL) {
            entry = message;
            message = NULL;
        }
    }
    if (rc == TS_OK) {
        *ret_entry = entry;
        entry = NULL;
    }
    return rc;
}

enum ts_code ldap_session_read(struct ldap_session *session, const char *dn,
                               const char *const *attributes,
                               LDAPMessage **ret_entry, struct ts_err *err)
{
    const struct ldap_session_search search = { .base = dn,
                                                .scope = LDAP_SCOPE_BASE,
                                                .filter = "(objectClass=*)",
                                                .attributes = attributes };
    return ldap_session_read_by(session, &search, ret_entry, err);
}

int ldap_session_result(const struct ldap_session *session)
{
    return session->result;
}

enum ts_code ldap_session_identity(struct ldap_session *session,
                                   char text[static LDAP_SESSION_IDENTITY_MAX],
                                   struct ts_err *err)
{
    int id = 0;
    int result = ldap_extended_operation(session->ld, OID_WHO_AM_I, NULL, NULL,
                                         NULL, &id);
    if (result != LDAP_SUCCESS) {
        return ldap_session_fail_locally(session, result, "ask who we are",
                                         err);
    }
    LDAP_AUTOMSG LDAPMessage *message = NULL;
    enum ts_code rc =
        ldap_session_finish(session, id, "ask who we are", &message, err);
    if (rc != TS_OK) {
        return rc;
    }
    struct berval *data = NULL;
    result = ldap_parse_extended_result(session->ld, message, NULL, &data, 0);
    if (result != LDAP_SUCCESS ||
        (data != NULL && data->bv_len >= LDAP_SESSION_IDENTITY_MAX)) {
        ber_bvfree(data);
        return ldap_session_fail(
            session, result != LDAP_SUCCESS ? result : LDAP_PROTOCOL_ERROR,
            NULL, "read who we are", err);
    }
    (void) snprintf(text, LDAP_SESSION_IDENTITY_MAX, "%.*s",
                    data == NULL ? 0 : (int) data->bv_len,
                    data == NULL ? "" : data->bv_val);
    ber_bvfree(data);
    return TS_OK;
}
