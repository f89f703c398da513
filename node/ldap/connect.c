#include "node/ldap/connect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ldap.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "node/base/cleanup.h"

/* --- URI ------------------------------------------------------------------ */

static enum ts_code not_a_uri(struct ts_err *err, const char *uri)
{
    return ts_fail(err, TS_E_CONFIG, 0,
                   "cannot use \"%s\" as the address of a directory: write "
                   "ldap://HOST[:PORT], ldaps://HOST[:PORT] or ldapi://PATH "
                   "with %%2F for each slash",
                   uri);
}

static bool scheme_of(const char *text, enum ldap_connect_scheme *ret)
{
    static const struct {
        const char *text;
        enum ldap_connect_scheme scheme;
    } rows[] = {
        { "ldap", LDAP_CONNECT_PLAIN },
        { "ldaps", LDAP_CONNECT_TLS },
        { "ldapi", LDAP_CONNECT_LOCAL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(text, rows[i].text) == 0) {
            *ret = rows[i].scheme;
            return true;
        }
    }
    return false;
}

enum ts_code ldap_connect_parse(const char *uri,
                                struct ldap_connect_target *ret_target,
                                struct ts_err *err)
{
    LDAPURLDesc *url = NULL;
    if (ldap_url_parse(uri, &url) != LDAP_URL_SUCCESS) {
        return not_a_uri(err, uri);
    }
    struct ldap_connect_target target = { .host = "" };
    bool ok = url->lud_host != NULL && url->lud_host[0] != 0 &&
              strlen(url->lud_host) < sizeof target.host &&
              url->lud_port >= 0 && url->lud_port < 65536 &&
              scheme_of(url->lud_scheme, &target.scheme);
    if (ok) {
        (void) snprintf(target.host, sizeof target.host, "%s", url->lud_host);
        (void) snprintf(target.port, sizeof target.port, "%u",
                        (unsigned) (uint16_t) url->lud_port);
        ok = target.scheme != LDAP_CONNECT_LOCAL || target.host[0] == '/';
    }
    ldap_free_urldesc(url);
    if (!ok) {
        return not_a_uri(err, uri);
    }
    *ret_target = target;
    return TS_OK;
}

/* --- names ------------------------------------------------------------------
 */

/* Shared by the caller and the thread that looks the name up; the last one to
 * let go frees it. */
struct lookup {
    pthread_mutex_t mutex;
    int holders;
    int done_fd; /* eventfd, written when `status` is there */
    int status;  /* of getaddrinfo */
    struct addrinfo *list;
    struct ldap_connect_target target;
};

static void lookup_release(struct lookup *lookup)
{
    (void) pthread_mutex_lock(&lookup->mutex);
    int left = --lookup->holders;
    (void) pthread_mutex_unlock(&lookup->mutex);
    if (left > 0) {
        return;
    }
    if (lookup->list != NULL) {
        freeaddrinfo(lookup->list);
    }
    (void) close(lookup->done_fd);
    (void) pthread_mutex_destroy(&lookup->mutex);
    free(lookup);
}

static void *lookup_run(void *context)
{
    struct lookup *lookup = context;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    int status =
        getaddrinfo(lookup->target.host, lookup->target.port, &hints, &list);
    (void) pthread_mutex_lock(&lookup->mutex);
    lookup->status = status;
    lookup->list = list;
    (void) pthread_mutex_unlock(&lookup->mutex);
    (void) eventfd_write(lookup->done_fd, 1);
    lookup_release(lookup);
    return NULL;
}

static struct lookup *lookup_start(const struct ldap_connect_target *target)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        return NULL;
    }
    lookup->target = *target;
    lookup->holders = 2;
    lookup->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_t thread;
    if (lookup->done_fd < 0 || pthread_mutex_init(&lookup->mutex, NULL) != 0 ||
        pthread_create(&thread, NULL, lookup_run, lookup) != 0) {
        if (lookup->done_fd >= 0) {
            (void) close(lookup->done_fd);
        }
        free(lookup);
        return NULL;
    }
    (void) pthread_detach(thread);
    return lookup;
}

/* --- waiting ----------------------------------------------------------------
 */

/* Until `fd` is ready, the deadline, or a cancellation. */
static enum ts_code wait_for(int fd, short events, int cancel_fd,
                             struct ts_time deadline)
{
    for (;;) {
        int64_t left = ts_time_left(deadline);
        struct pollfd set[2] = { { .fd = fd, .events = events },
                                 { .fd = cancel_fd, .events = POLLIN } };
        int n = poll(set, 2, left > 60000 ? 60000 : (int) left);
        if (n < 0 && errno != EINTR) {
            return TS_E_IO;
        }
        if (n > 0 && set[1].revents != 0) {
            return TS_E_CANCELLED;
        }
        if (n > 0 && set[0].revents != 0) {
            return TS_OK;
        }
        if (left == 0) {
            return TS_E_TIMEOUT;
        }
    }
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in = { .sin_family = AF_INET };
        memcpy(&in, address, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return address->sa_family == AF_UNIX;
}

struct address {
    int family;
    socklen_t size;
    struct sockaddr_storage storage;
};

/* One attempt. *ret_errno tells why it failed with TS_E_UNREACHABLE. */
static enum ts_code connect_one(const struct address *address, int cancel_fd,
                                struct ts_time deadline, int *ret_fd,
                                int *ret_errno)
{
    const struct sockaddr *peer = (const struct sockaddr *) &address->storage;
    TS_AUTOCLOSE int fd =
        socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *ret_errno = errno;
        return TS_E_UNREACHABLE;
    }
    if (connect(fd, peer, address->size) != 0 && errno != EINPROGRESS) {
        *ret_errno = errno;
        return TS_E_UNREACHABLE;
    }
    enum ts_code rc = wait_for(fd, POLLOUT, cancel_fd, deadline);
    if (rc != TS_OK) {
        return rc;
    }
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 ||
        error != 0) {
        *ret_errno = error != 0 ? error : errno;
        return TS_E_UNREACHABLE;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0) {
        *ret_errno = errno;
        return TS_E_UNREACHABLE;
    }
    if (address->family != AF_UNIX) {
        int on = 1;
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    *ret_fd = fd;
    fd = -1;
    return TS_OK;
}

static enum ts_code connect_failed(enum ts_code rc, int why,
                                   const struct ldap_connect_target *target,
                                   struct ts_err *err)
{
    const char *colon = target->scheme == LDAP_CONNECT_LOCAL ? "" : ":";
    const char *port = target->scheme == LDAP_CONNECT_LOCAL ? "" : target->port;
    if (rc == TS_E_CANCELLED) {
        return ts_fail(err, rc, 0, "connecting to %s%s%s was cancelled",
                       target->host, colon, port);
    }
    if (rc == TS_E_TIMEOUT) {
        return ts_fail(err, rc, 0,
                       "could not connect to %s%s%s: no answer in time",
                       target->host, colon, port);
    }
    return ts_fail(err, TS_E_UNREACHABLE, why, "could not connect to %s%s%s",
                   target->host, colon, port);
}

static enum ts_code connect_local(const struct ldap_connect_target *target,
                                  int cancel_fd, struct ts_time deadline,
                                  int *ret_fd, struct ts_err *err)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    if (strlen(target->host) >= sizeof un.sun_path) {
        return connect_failed(TS_E_UNREACHABLE, ENAMETOOLONG, target, err);
    }
    memcpy(un.sun_path, target->host, strlen(target->host) + 1);
    struct address address = { .family = AF_UNIX, .size = sizeof un };
    memcpy(&address.storage, &un, sizeof un);
    int why = 0;
    enum ts_code rc = connect_one(&address, cancel_fd, deadline, ret_fd, &why);
    return rc == TS_OK ? rc : connect_failed(rc, why, target, err);
}

/* Try each address; the share of the time that is left falls to each, so that
 * one that swallows packets does not use up the others' turn. */
static enum ts_code connect_list(const struct addrinfo *list, int cancel_fd,
                                 struct ts_time deadline, int *ret_fd,
                                 int *ret_errno)
{
    int64_t count = 0;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        count++;
    }
    enum ts_code rc = TS_E_UNREACHABLE;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next, count--) {
        struct address address = { .family = a->ai_family,
                                   .size = a->ai_addrlen };
        if (a->ai_addrlen > sizeof address.storage) {
            continue;
        }
        memcpy(&address.storage, a->ai_addr, a->ai_addrlen);
        struct ts_time turn =
            ts_time_after(ts_time_now(), ts_time_left(deadline) / count);
        rc = connect_one(&address, cancel_fd, turn, ret_fd, ret_errno);
        if (rc == TS_OK || rc == TS_E_CANCELLED) {
            break;
        }
    }
    return rc;
}

enum ts_code ldap_connect_open(const struct ldap_connect_target *target,
                               int cancel_fd, struct ts_time deadline,
                               int *ret_fd, bool *ret_loopback,
                               struct ts_err *err)
{
    if (target->scheme == LDAP_CONNECT_LOCAL) {
        *ret_loopback = true;
        return connect_local(target, cancel_fd, deadline, ret_fd, err);
    }
    struct lookup *lookup = lookup_start(target);
    if (lookup == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not look up %s",
                       target->host);
    }
    enum ts_code rc = wait_for(lookup->done_fd, POLLIN, cancel_fd, deadline);
    if (rc != TS_OK) {
        lookup_release(lookup);
        return rc == TS_E_CANCELLED
                   ? connect_failed(rc, 0, target, err)
                   : ts_fail(err, rc, 0,
                             "could not look up the host name %s: no answer "
                             "in time",
                             target->host);
    }
    (void) pthread_mutex_lock(&lookup->mutex); /* what was written before */
    int status = lookup->status;
    const struct addrinfo *list = lookup->list;
    (void) pthread_mutex_unlock(&lookup->mutex);
    if (status != 0) {
        lookup_release(lookup);
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "could not look up the host name %s: %s", target->host,
                       gai_strerror(status));
    }

    int fd = -1;
    int why = 0;
    rc = connect_list(list, cancel_fd, deadline, &fd, &why);
    lookup_release(lookup);
    if (rc != TS_OK) {
        return connect_failed(rc, why, target, err);
    }
    struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof peer;
    *ret_loopback = getpeername(fd, (struct sockaddr *) &peer, &size) == 0 &&
                    is_loopback((const struct sockaddr *) &peer);
    *ret_fd = fd;
    return TS_OK;
}
