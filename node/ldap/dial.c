/* dial.c -- ldap_session_connect: from a list of URIs to a bound connection. */
#include <openldap.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "node/base/cleanup.h"
#include "node/base/secret.h"
#include "node/ldap/session_private.h"
#include "node/ldap/tls_context.h"
#include "node/ldap/tls_reason.h"

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

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
    struct timeval none = { .tv_sec = -1 };
    ber_len_t size_max = LDAP_SESSION_MESSAGE_MAX;
    Sockbuf *sockbuf = NULL;
    bool ok =
        set_number(ld, LDAP_OPT_PROTOCOL_VERSION, LDAP_VERSION3) &&
        ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == 0 &&
        ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON) == 0 &&
        set_number(ld, LDAP_OPT_DEREF, LDAP_DEREF_NEVER) &&
        set_number(ld, LDAP_OPT_SIZELIMIT, LDAP_NO_LIMIT) &&
        set_number(ld, LDAP_OPT_TIMELIMIT, LDAP_NO_LIMIT) &&
        /* With a network time-out, libldap's handshake over GnuTLS is
         * non-blocking and spins without end: see handshake(). */
        ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &none) == 0 &&
        ldap_get_option(ld, LDAP_OPT_SOCKBUF, (void *) &sockbuf) == 0 &&
        ber_sockbuf_ctrl(sockbuf, LBER_SB_OPT_SET_MAX_INCOMING, &size_max) == 1;

    ok = ok && set_text(ld, LDAP_OPT_X_TLS_CACERTFILE, ca_file_of(session)) &&
         set_number(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, demand) &&
         set_number(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN,
                    LDAP_OPT_X_TLS_PROTOCOL_TLS1_2);
    if (ok && session->options.certificate_file != NULL) {
        ok = set_text(ld, LDAP_OPT_X_TLS_CERTFILE,
                      session->options.certificate_file) &&
             set_text(ld, LDAP_OPT_X_TLS_KEYFILE, session->options.key_file);
    }
    return ok;
}

static bool wants_tls(const struct ldap_session *session,
                      const struct ldap_connect_target *target)
{
    return target->scheme == LDAP_CONNECT_TLS ||
           (target->scheme == LDAP_CONNECT_PLAIN && session->options.start_tls);
}

/* TCP (or a local socket), and a handle on it. */
static enum ts_code open_handle(struct ldap_session *session,
                                const struct ldap_connect_target *target,
                                LDAP **ret_ld, struct ts_err *err)
{
    int fd = -1;
    bool loopback = false;
    enum ts_code rc =
        ldap_connect_open(target, session->cancel_fd, session->connect_deadline,
                          &fd, &loopback, err);
    if (rc != TS_OK) {
        return rc;
    }
    if (target->scheme == LDAP_CONNECT_PLAIN && !wants_tls(session, target) &&
        !(loopback && session->options.allow_plaintext_loopback)) {
        (void) close(fd);
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot use %s without TLS: set start_tls or write "
                       "ldaps://%s",
                       session->uri,
                       loopback ? ", or allow_plaintext_loopback for a server "
                                  "on this machine"
                                : "");
    }
    ldap_session_bound_stalls(session, fd);
    LDAP *ld = NULL;
    int proto =
        target->scheme == LDAP_CONNECT_LOCAL ? LDAP_PROTO_IPC : LDAP_PROTO_TCP;
    int result = ldap_init_fd(fd, proto, session->uri, &ld);
    if (result != LDAP_SUCCESS) {
        (void) close(fd);
        return ldap_session_fail(session, result, NULL, "prepare", err);
    }
    *ret_ld = ld;
    ldap_session_publish_fd(session, fd);
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
        return ldap_session_fail_locally(session, result, "ask for StartTLS",
                                         err);
    }
    return ldap_session_finish(session, id, "ask for StartTLS", NULL, err);
}

/* Shuts the socket down when the handshake takes too long: libldap 2.5 repeats
 * gnutls_handshake() for as long as the peer is silent, whatever time-outs the
 * handle or the socket have. */
struct watch {
    int fd, done_fd;
    struct ts_time deadline;
};

static void *watch_run(void *context)
{
    const struct watch *watch = context;
    for (;;) {
        int64_t left = ts_time_left(watch->deadline);
        struct pollfd done = { .fd = watch->done_fd, .events = POLLIN };
        int n = poll(&done, 1, left > 60000 ? 60000 : (int) left);
        if (n > 0 || (n < 0 && errno != EINTR)) {
            return NULL;
        }
        if (left == 0) {
            (void) shutdown(watch->fd, SHUT_RDWR);
            return NULL;
        }
    }
}

/* Returns an LDAP result. */
static int handshake(struct ldap_session *session)
{
    TS_AUTOCLOSE int done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct watch watch = { session->fd, done_fd, session->connect_deadline };
    pthread_t thread;
    if (done_fd < 0 || pthread_create(&thread, NULL, watch_run, &watch) != 0) {
        return LDAP_NO_MEMORY;
    }
    int result = ldap_install_tls(session->ld);
    (void) eventfd_write(done_fd, 1);
    (void) pthread_join(thread, NULL);
    return result;
}

/* Returns an LDAP result. */
static int install_tls(struct ldap_session *session, int demand)
{
    const struct ldap_tls_files files = { ca_file_of(session),
                                          session->options.certificate_file,
                                          session->options.key_file };
    if (!set_options(session, session->ld, demand) ||
        ldap_tls_context_use(session->ld, &files, demand) != LDAP_SUCCESS) {
        return LDAP_LOCAL_ERROR;
    }
    return handshake(session);
}

/* GnuTLS does not say which file it could not read. */
static enum ts_code check_files(const struct ldap_session *session,
                                struct ts_err *err)
{
    const char *const files[] = { ca_file_of(session),
                                  session->options.certificate_file,
                                  session->options.key_file };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (files[i] != NULL && access(files[i], R_OK) != 0) {
            return ts_fail(err, TS_E_CONFIG, errno,
                           "cannot use TLS with %s: could not read %s",
                           session->uri, files[i]);
        }
    }
    return TS_OK;
}

/* libldap over GnuTLS ignores LDAP_OPT_X_TLS_PROTOCOL_MIN, and leaks a little
 * with each handle that has a cipher suite set; so the handshake's outcome is
 * judged instead, before anything is sent. */
static enum ts_code check_version(struct ldap_session *session,
                                  struct ts_err *err)
{
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
    if (strstr(session->tls, "1.2 ") == NULL &&
        strstr(session->tls, "1.3 ") == NULL) {
        return ts_fail(err, TS_E_AUTH, 0,
                       "cannot trust %s: it speaks %s, and TLS 1.2 is the "
                       "least; update the server",
                       session->uri, session->tls);
    }
    return TS_OK;
}

static enum ts_code secure(struct ldap_session *session,
                           const struct ldap_connect_target *target,
                           struct ts_err *err)
{
    enum ts_code rc = check_files(session, err);
    if (rc == TS_OK && session->options.start_tls &&
        target->scheme == LDAP_CONNECT_PLAIN) {
        rc = request_start_tls(session, err);
    }
    if (rc != TS_OK) {
        return rc;
    }
    int result = install_tls(session, LDAP_OPT_X_TLS_DEMAND);
    if (result != LDAP_SUCCESS) {
        char *said = NULL;
        (void) ldap_get_option(session->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE,
                               (void *) &said);
        rc = explain_tls(session, target, said, err);
        ldap_memfree(said);
        return rc;
    }
    return check_version(session, err);
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
    if (!late && !atomic_load(&session->cancelled)) {
        (void) snprintf(session->uri, sizeof session->uri, "%s", uri);
        bool again =
            open_handle(session, target, &session->ld, NULL) == TS_OK &&
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
    static char nobody[] = ""; /* EXTERNAL: an empty initial response, which
                                  spares a round; absent asks for a challenge */
    struct berval credential = { 0, nobody };
    const char *mechanism = "EXTERNAL";
    const char *dn = NULL;
    char what[300] = "bind by SASL EXTERNAL";

    if (options->method == LDAP_SESSION_SIMPLE) {
        enum ts_code rc = ts_secret_ask(options->secrets,
                                        options->password_file, &secret, err);
        if (rc != TS_OK) {
            return rc;
        }
        credential = (struct berval){ secret.size, secret.text };
        mechanism = LDAP_SASL_SIMPLE;
        dn = options->bind_dn;
        (void) snprintf(what, sizeof what, "bind as \"%.250s\"", dn);
    }
    int id = 0;
    int result = ldap_sasl_bind(session->ld, dn, mechanism, &credential, NULL,
                                NULL, &id);
    if (result != LDAP_SUCCESS) {
        return ldap_session_fail_locally(session, result, what, err);
    }
    return ldap_session_finish(session, id, what, NULL, err);
}

static enum ts_code connect_uri(struct ldap_session *session,
                                struct ts_slice uri, struct ts_err *err)
{
    const struct ldap_session_options *options = &session->options;
    (void) snprintf(session->uri, sizeof session->uri, "%.*s",
                    TS_SLICE_ARGS(uri));
    session->connect_deadline = ts_time_after(
        ts_time_now(), (int64_t) options->connect_timeout_seconds * 1000);
    if (session->limit.ms < session->connect_deadline.ms) {
        session->connect_deadline = session->limit;
    }
    struct ldap_connect_target target;
    enum ts_code rc = ldap_connect_parse(session->uri, &target, err);
    if (rc == TS_OK) {
        rc = open_handle(session, &target, &session->ld, err);
    }
    if (rc != TS_OK) {
        return rc;
    }
    if (!set_options(session, session->ld, LDAP_OPT_X_TLS_DEMAND)) {
        return ldap_session_fail(session, LDAP_LOCAL_ERROR, NULL,
                                 "set libldap's options for the connection",
                                 err);
    }
    if (wants_tls(session, &target)) {
        rc = secure(session, &target, err);
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
