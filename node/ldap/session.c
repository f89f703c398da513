#include "node/ldap/session.h"

#include <openldap.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "node/base/cleanup.h"
#include "node/base/secret.h"
#include "node/ldap/connect.h"
#include "node/ldap/tls_reason.h"

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define OID_WHO_AM_I   "1.3.6.1.4.1.4203.1.11.3"
/* GnuTLS takes a priority string where OpenSSL takes a list of ciphers. */
#define GNUTLS_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct ldap_session {
    struct ldap_session_options options;
    LDAP *ld;
    struct ts_time connect_deadline;
    bool bound; /* from here on operation_timeout counts */
    char uri[LDAP_SESSION_URI_MAX];
    char tls[128];
    int cancel_fd;
    atomic_bool cancelled;
    pthread_mutex_t mutex; /* guards `fd` against _cancel */
    int fd;                /* owned by `ld`; -1: none */
};

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

/* The same with the handle's own last words. */
static enum ts_code fail_locally(struct ldap_session *session, int result,
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

static void publish_fd(struct ldap_session *session, int fd)
{
    (void) pthread_mutex_lock(&session->mutex);
    session->fd = fd;
    (void) pthread_mutex_unlock(&session->mutex);
}

void ldap_session_disconnect(struct ldap_session *session)
{
    publish_fd(session, -1);
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
    return fail_locally(session, result, what, err);
}

/* Wait for the single answer to `id` and take its result code apart. */
static enum ts_code finish(struct ldap_session *session, int id,
                           const char *what, LDAPMessage **ret_message,
                           struct ts_err *err)
{
    LDAP_AUTOMSG LDAPMessage *message = NULL;
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

enum ts_code ldap_session_read(struct ldap_session *session, const char *dn,
                               const char *const *attributes,
                               LDAPMessage **ret_entry, struct ts_err *err)
{
    struct ldap_session_search search = { .base = dn,
                                          .scope = LDAP_SCOPE_BASE,
                                          .filter = "(objectClass=*)",
                                          .attributes = attributes };
    int id = 0;
    enum ts_code rc = ldap_session_search(session, &search, &id, err);
    if (rc != TS_OK) {
        return rc;
    }
    char what[LDAP_SESSION_URI_MAX];
    (void) snprintf(what, sizeof what, "read \"%.200s\"", dn);
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

enum ts_code ldap_session_identity(struct ldap_session *session,
                                   char text[static LDAP_SESSION_IDENTITY_MAX],
                                   struct ts_err *err)
{
    int id = 0;
    int result = ldap_extended_operation(session->ld, OID_WHO_AM_I, NULL, NULL,
                                         NULL, &id);
    if (result != LDAP_SUCCESS) {
        return fail_locally(session, result, "ask who we are", err);
    }
    LDAP_AUTOMSG LDAPMessage *message = NULL;
    enum ts_code rc = finish(session, id, "ask who we are", &message, err);
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

/* --- connecting --------------------------------------------------------------
 */

static const char *ca_file_of(const struct ldap_session *session)
{
    return session->options.ca_file != NULL ? session->options.ca_file
                                            : SYSTEM_CA_FILE;
}

static bool set_text(LDAP *ld, int option, const char *value)
{
    return ldap_set_option(ld, option, value) == LDAP_OPT_SUCCESS;
}

static bool set_number(LDAP *ld, int option, int value)
{
    return ldap_set_option(ld, option, &value) == LDAP_OPT_SUCCESS;
}

/* Everything that libldap would otherwise take from ldap.conf, .ldaprc or the
 * environment, and that matters. `demand` is LDAP_OPT_X_TLS_DEMAND, but for the
 * look at a certificate that was refused. */
static bool set_options(struct ldap_session *session, LDAP *ld, int demand)
{
    struct timeval wait = { .tv_sec = 1 };
    int64_t left = ts_time_left(session->connect_deadline);
    wait.tv_sec = (time_t) (left / 1000 + 1);
    ber_len_t size_max = LDAP_SESSION_MESSAGE_MAX;
    Sockbuf *sockbuf = NULL;
    bool ok =
        set_number(ld, LDAP_OPT_PROTOCOL_VERSION, LDAP_VERSION3) &&
        ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == 0 &&
        ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON) == 0 &&
        set_number(ld, LDAP_OPT_DEREF, LDAP_DEREF_NEVER) &&
        set_number(ld, LDAP_OPT_SIZELIMIT, LDAP_NO_LIMIT) &&
        set_number(ld, LDAP_OPT_TIMELIMIT, LDAP_NO_LIMIT) &&
        ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &wait) == 0 &&
        ldap_set_option(ld, LDAP_OPT_TIMEOUT, &wait) == 0 &&
        ldap_get_option(ld, LDAP_OPT_SOCKBUF, (void *) &sockbuf) == 0 &&
        ber_sockbuf_ctrl(sockbuf, LBER_SB_OPT_SET_MAX_INCOMING, &size_max) == 1;

    char *package = NULL;
    (void) ldap_get_option(NULL, LDAP_OPT_X_TLS_PACKAGE, (void *) &package);
    bool gnutls = package != NULL && strcmp(package, "GnuTLS") == 0;
    ldap_memfree(package);
    ok =
        ok && set_text(ld, LDAP_OPT_X_TLS_CACERTFILE, ca_file_of(session)) &&
        set_number(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, demand) &&
        set_number(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN,
                   LDAP_OPT_X_TLS_PROTOCOL_TLS1_2) &&
        (!gnutls || set_text(ld, LDAP_OPT_X_TLS_CIPHER_SUITE, GNUTLS_PRIORITY));
    if (ok && session->options.certificate_file != NULL) {
        ok = set_text(ld, LDAP_OPT_X_TLS_CERTFILE,
                      session->options.certificate_file) &&
             set_text(ld, LDAP_OPT_X_TLS_KEYFILE, session->options.key_file);
    }
    return ok;
}

/* TCP (or a local socket), and a handle on it. */
static enum ts_code open_handle(struct ldap_session *session,
                                const struct ldap_connect_target *target,
                                bool *ret_loopback, LDAP **ret_ld,
                                struct ts_err *err)
{
    int fd = -1;
    enum ts_code rc =
        ldap_connect_open(target, session->cancel_fd, session->connect_deadline,
                          &fd, ret_loopback, err);
    if (rc != TS_OK) {
        return rc;
    }
    /* A server that stops in the middle of a message would otherwise hold
     * libldap inside read(2) or write(2), beyond every LDAP time-out. */
    struct timeval stall = {
        .tv_sec = (time_t) session->options.operation_timeout_seconds
    };
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
    (void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);

    LDAP *ld = NULL;
    int proto =
        target->scheme == LDAP_CONNECT_LOCAL ? LDAP_PROTO_IPC : LDAP_PROTO_TCP;
    int result = ldap_init_fd(fd, proto, session->uri, &ld);
    if (result != LDAP_SUCCESS) {
        (void) close(fd);
        return ldap_session_fail(session, result, NULL, "prepare", err);
    }
    *ret_ld = ld;
    publish_fd(session, fd);
    return TS_OK;
}

/* After a refused handshake: fetch the certificate and say what is wrong. */
static enum ts_code explain_tls(struct ldap_session *session,
                                const struct ldap_connect_target *target,
                                const char *said, struct ts_err *err);

static enum ts_code request_start_tls(struct ldap_session *session,
                                      struct ts_err *err)
{
    int id = 0;
    int result = ldap_start_tls(session->ld, NULL, NULL, &id);
    if (result != LDAP_SUCCESS) {
        return fail_locally(session, result, "ask for StartTLS", err);
    }
    return finish(session, id, "ask for StartTLS", NULL, err);
}

/* Returns an LDAP result. */
static int install_tls(struct ldap_session *session, int demand)
{
    if (!set_options(session, session->ld, demand) ||
        !set_number(session->ld, LDAP_OPT_X_TLS_NEWCTX, 0)) {
        return LDAP_LOCAL_ERROR;
    }
    return ldap_install_tls(session->ld);
}

static enum ts_code secure(struct ldap_session *session,
                           const struct ldap_connect_target *target,
                           struct ts_err *err)
{
    if (session->options.start_tls && target->scheme == LDAP_CONNECT_PLAIN) {
        enum ts_code rc = request_start_tls(session, err);
        if (rc != TS_OK) {
            return rc;
        }
    }
    int result = install_tls(session, LDAP_OPT_X_TLS_DEMAND);
    if (result != LDAP_SUCCESS) {
        char *said = NULL;
        (void) ldap_get_option(session->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE,
                               (void *) &said);
        enum ts_code rc = explain_tls(session, target, said, err);
        ldap_memfree(said);
        return rc;
    }
    char *version = NULL;
    char *cipher = NULL;
    (void) ldap_get_option(session->ld, LDAP_OPT_X_TLS_VERSION,
                           (void *) &version);
    (void) ldap_get_option(session->ld, LDAP_OPT_X_TLS_CIPHER,
                           (void *) &cipher);
    (void) snprintf(session->tls, sizeof session->tls, "%s %s",
                    version == NULL ? "TLS" : version,
                    cipher == NULL ? "" : cipher);
    ldap_memfree(version);
    ldap_memfree(cipher);
    return TS_OK;
}

static enum ts_code explain_tls(struct ldap_session *session,
                                const struct ldap_connect_target *target,
                                const char *said, struct ts_err *err)
{
    char reason[LDAP_TLS_REASON_MAX];
    bool known = false;
    char uri[LDAP_SESSION_URI_MAX];
    (void) snprintf(uri, sizeof uri, "%s", session->uri);
    bool late = ts_time_left(session->connect_deadline) == 0;

    char words[LDAP_TLS_REASON_MAX];
    (void) snprintf(words, sizeof words, "%s", said != NULL ? said : "");
    ldap_session_disconnect(session);
    bool loopback = false;
    if (!late && !atomic_load(&session->cancelled)) {
        (void) snprintf(session->uri, sizeof session->uri, "%s", uri);
        bool again = open_handle(session, target, &loopback, &session->ld,
                                 NULL) == TS_OK &&
                     set_options(session, session->ld, LDAP_OPT_X_TLS_NEVER) &&
                     (!session->options.start_tls ||
                      target->scheme != LDAP_CONNECT_PLAIN ||
                      request_start_tls(session, NULL) == TS_OK) &&
                     install_tls(session, LDAP_OPT_X_TLS_NEVER) == LDAP_SUCCESS;
        struct berval der = { 0, NULL };
        if (again &&
            ldap_get_option(session->ld, LDAP_OPT_X_TLS_PEERCERT, &der) == 0 &&
            der.bv_val != NULL) {
            known = ldap_tls_reason(ts_slice(der.bv_val, der.bv_len),
                                    target->host, ca_file_of(session), reason);
        }
        ber_memfree(der.bv_val);
        ldap_session_disconnect(session);
    }
    if (atomic_load(&session->cancelled)) {
        return ts_fail(err, TS_E_CANCELLED, 0, "connecting to %s was cancelled",
                       uri);
    }
    if (known) {
        return ts_fail(err, TS_E_AUTH, 0, "cannot trust %s: %s", uri, reason);
    }
    return ts_fail(err, late ? TS_E_TIMEOUT : TS_E_UNREACHABLE, 0,
                   "could not start TLS with %s: %s", uri,
                   late            ? "no answer in time"
                   : words[0] != 0 ? words
                                   : "the handshake failed");
}

static enum ts_code bind_session(struct ldap_session *session,
                                 struct ts_err *err)
{
    const struct ldap_session_options *options = &session->options;
    TS_AUTOSECRET struct ts_secret secret = { 0 };
    struct berval credential = { 0, NULL };
    const char *mechanism = "EXTERNAL";
    const char *dn = NULL;
    char what[300] = "bind by SASL EXTERNAL";

    if (options->method == LDAP_SESSION_SIMPLE) {
        enum ts_code rc = ts_secret_read(options->password_file, &secret, err);
        if (rc != TS_OK) {
            return rc;
        }
        credential = (struct berval){ secret.size, secret.text };
        mechanism = LDAP_SASL_SIMPLE;
        dn = options->bind_dn;
        (void) snprintf(what, sizeof what, "bind as \"%.250s\"", dn);
    }
    int id = 0;
    int result = ldap_sasl_bind(
        session->ld, dn, mechanism,
        options->method == LDAP_SESSION_SIMPLE ? &credential : NULL, NULL, NULL,
        &id);
    if (result != LDAP_SUCCESS) {
        return fail_locally(session, result, what, err);
    }
    return finish(session, id, what, NULL, err);
}

static enum ts_code connect_uri(struct ldap_session *session,
                                struct ts_slice uri, struct ts_err *err)
{
    const struct ldap_session_options *options = &session->options;
    (void) snprintf(session->uri, sizeof session->uri, "%.*s",
                    TS_SLICE_ARGS(uri));
    session->connect_deadline = ts_time_after(
        ts_time_now(), (int64_t) options->connect_timeout_seconds * 1000);
    struct ldap_connect_target target;
    bool loopback = false;
    enum ts_code rc = ldap_connect_parse(session->uri, &target, err);
    if (rc == TS_OK) {
        rc = open_handle(session, &target, &loopback, &session->ld, err);
    }
    if (rc != TS_OK) {
        return rc;
    }
    if (!set_options(session, session->ld, LDAP_OPT_X_TLS_DEMAND)) {
        return ldap_session_fail(session, LDAP_LOCAL_ERROR, NULL,
                                 "set libldap's options for the connection",
                                 err);
    }
    bool tls = target.scheme == LDAP_CONNECT_TLS ||
               (target.scheme == LDAP_CONNECT_PLAIN && options->start_tls);
    if (tls) {
        rc = secure(session, &target, err);
    } else if (target.scheme == LDAP_CONNECT_PLAIN &&
               !(loopback && options->allow_plaintext_loopback)) {
        rc = ts_fail(err, TS_E_REFUSED, 0,
                     "cannot use %s without TLS: set start_tls or write "
                     "ldaps://%s",
                     session->uri,
                     loopback ? ", or allow_plaintext_loopback for a server on "
                                "this machine"
                              : "");
    }
    if (rc == TS_OK) {
        rc = bind_session(session, err);
    }
    session->bound = rc == TS_OK;
    return rc;
}

/* Would another URI do better? */
static bool worth_another(enum ts_code rc, const struct ldap_session *session)
{
    return rc == TS_E_UNREACHABLE || rc == TS_E_TIMEOUT ||
           rc == TS_E_PROTOCOL ||
           (rc == TS_E_AUTH && session->ld == NULL); /* not trusted */
}

enum ts_code ldap_session_connect(struct ldap_session *session,
                                  struct ts_err *err)
{
    sigset_t pipe;
    (void) sigemptyset(&pipe);
    (void) sigaddset(&pipe, SIGPIPE);
    (void) pthread_sigmask(SIG_BLOCK, &pipe, NULL);

    ldap_session_disconnect(session);
    struct ts_err first = { .code = TS_OK };
    size_t tried = 0;
    enum ts_code rc = ts_fail(err, TS_E_CONFIG, 0,
                              "cannot connect source \"%s\": it has no uri",
                              session->options.name);
    for (const char *at = session->options.uris; *at != 0;) {
        size_t size = strcspn(at, " ");
        if (size == 0) {
            at++;
            continue;
        }
        struct ts_err why = { .code = TS_OK };
        rc = size < sizeof session->uri
                 ? connect_uri(session, ts_slice(at, size), &why)
                 : ts_fail(&why, TS_E_CONFIG, 0,
                           "cannot connect source \"%s\": its uri is too long",
                           session->options.name);
        if (rc == TS_OK) {
            return TS_OK;
        }
        bool more = worth_another(rc, session);
        ldap_session_disconnect(session);
        if (tried++ == 0) {
            first = why;
        }
        at += size;
        bool last = at[strspn(at, " ")] == 0;
        if (!more || last) {
            if (tried > 1) {
                (void) ts_fail(err, why.code, 0, "%.230s; before that: %.230s",
                               why.text, first.text);
            } else if (err != NULL) {
                *err = why;
            }
            return rc;
        }
    }
    return rc;
}
