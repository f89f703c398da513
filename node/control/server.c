#include "node/control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/log.h"
#include "node/control/address.h"
#include "node/control/connection.h"

enum {
    BACKLOG = 32,
    LISTENER = CONTROL_CLIENTS_MAX, /* epoll data of what is no client */
    MAILBOX,
    EVENTS_MAX,
    ACCEPT_PAUSE_MS = 1000 /* when descriptors have run out */
};

struct control_server {
    struct control_server_options options;
    struct control_mailbox *box;
    int epoll_fd;
    int listen_fd;              /* -1: none */
    int directory_fd;           /* of the socket, to remove it; -1: none */
    struct ts_time accept_from; /* not before, if not zero */
    struct control_connection clients[CONTROL_CLIENTS_MAX];
};

/* --- opening and closing ------------------------------------------------ */

static enum ts_code watch(struct control_server *server, int fd, uint32_t data,
                          struct ts_err *err)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = data };
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not wait on the control socket");
    }
    return TS_OK;
}

/* Only a socket may be in the way: anything else is not ours to remove. */
static enum ts_code remove_stale(int directory_fd, const char *directory,
                                 struct ts_err *err)
{
    struct stat found;
    if (fstatat(directory_fd, CONTROL_SOCKET_NAME, &found,
                AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT
                   ? TS_OK
                   : ts_fail(err, TS_E_IO, errno, "could not look at \"%s/%s\"",
                             directory, CONTROL_SOCKET_NAME);
    }
    if (!S_ISSOCK(found.st_mode)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot open the control socket \"%s/%s\" because "
                       "something that is no socket has its name: remove it",
                       directory, CONTROL_SOCKET_NAME);
    }
    if (unlinkat(directory_fd, CONTROL_SOCKET_NAME, 0) != 0) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not remove the old control socket \"%s/%s\"",
                       directory, CONTROL_SOCKET_NAME);
    }
    return TS_OK;
}

static enum ts_code listen_in(struct control_server *server,
                              const char *directory, struct ts_err *err)
{
    struct control_address address;
    enum ts_code code = control_address(directory, &address, err);
    if (code != TS_OK) {
        return code;
    }
    server->directory_fd = address.directory_fd;
    code = remove_stale(server->directory_fd, directory, err);
    if (code != TS_OK) {
        return code;
    }
    server->listen_fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    // Between bind and chmod nobody can connect: nobody listens yet (CS4).
    if (server->listen_fd < 0 ||
        bind(server->listen_fd, (const struct sockaddr *) &address.name,
             address.size) != 0 ||
        fchmodat(server->directory_fd, CONTROL_SOCKET_NAME, S_IRUSR | S_IWUSR,
                 0) != 0 ||
        listen(server->listen_fd, BACKLOG) != 0) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not open the control socket \"%s/%s\"", directory,
                       CONTROL_SOCKET_NAME);
    }
    return watch(server, server->listen_fd, LISTENER, err);
}

enum ts_code control_server_open(const struct control_server_options *options,
                                 struct control_server **ret_server,
                                 struct ts_err *err)
{
    struct control_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open the control socket");
    }
    server->options = *options;
    server->listen_fd = server->directory_fd = -1;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        server->clients[i].fd = -1;
    }
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->box = control_mailbox_new();
    enum ts_code code = TS_OK;
    if (server->epoll_fd < 0 || server->box == NULL) {
        code = ts_fail(err, TS_E_IO, errno,
                       "could not open the control "
                       "socket");
    }
    if (code == TS_OK) {
        code = watch(server, control_mailbox_fd(server->box), MAILBOX, err);
    }
    if (code == TS_OK && options->directory != NULL) {
        code = listen_in(server, options->directory, err);
    }
    if (code != TS_OK) {
        control_server_close(server);
        return code;
    }
    server->options.directory = NULL; // borrowed, and no longer needed
    *ret_server = server;
    return TS_OK;
}

static void collect_mail(struct control_server *server)
{
    control_mailbox_clear(server->box);
    struct control_connection *client;
    while ((client = control_mailbox_next(server->box)) != NULL) {
        client->reply_waits = true;
    }
}

/* What is ready to be said is said, as far as the sockets take it. */
static void say_goodbye(struct control_server *server)
{
    struct ts_time now = ts_time_now();
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        struct control_connection *client = &server->clients[i];
        if (client->fd >= 0) {
            client->last = true; // no further request is begun
            control_connection_pump(client, NULL, server->box, now);
        }
        control_connection_done(client);
    }
}

void control_server_close(struct control_server *server)
{
    if (server == NULL) {
        return;
    }
    if (server->box != NULL) {
        collect_mail(server);
        say_goodbye(server);
    }
    if (server->listen_fd >= 0) {
        (void) unlinkat(server->directory_fd, CONTROL_SOCKET_NAME, 0);
        (void) close(server->listen_fd);
    }
    if (server->directory_fd >= 0) {
        (void) close(server->directory_fd);
    }
    if (server->epoll_fd >= 0) {
        (void) close(server->epoll_fd);
    }
    control_mailbox_release(server->box);
    free(server);
}

/* --- letting clients in ------------------------------------------------- */

/* The last words to a client that is not served: as much as its empty socket
 * takes, which is all of it. */
static void turn_away(int fd, enum control_exit exit_status, const char *why)
{
    size_t size = 0;
    char *line = control_answer_print(exit_status, NULL, why, &size);
    if (line != NULL) {
        (void) !send(fd, line, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        free(line);
    }
    (void) close(fd);
}

static bool peer_allowed(const struct control_server *server, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        ts_log(TS_LOG_WARNING, "control-peer-refused", "errno=%d", errno);
        return false;
    }
    if (peer.uid == 0 || peer.uid == server->options.owner) {
        return true;
    }
    ts_log(TS_LOG_WARNING, "control-peer-refused", "uid=%u pid=%d",
           (unsigned) peer.uid, (int) peer.pid);
    return false;
}

void control_server_adopt(struct control_server *server, int fd,
                          struct ts_time now)
{
    if (!peer_allowed(server, fd)) {
        turn_away(fd, CONTROL_REFUSED,
                  "cannot serve this user: only root and the daemon's own user "
                  "may control it");
        return;
    }
    uint32_t slot = 0;
    while (slot < CONTROL_CLIENTS_MAX && server->clients[slot].fd >= 0) {
        slot++;
    }
    if (slot == CONTROL_CLIENTS_MAX) {
        ts_log(TS_LOG_WARNING, "control-clients-full", "max=%d",
               CONTROL_CLIENTS_MAX);
        turn_away(fd, CONTROL_UNREACHABLE,
                  "could not serve this client because 16 others are "
                  "connected: try again later");
        return;
    }
    struct ts_err err;
    if (watch(server, fd, slot, &err) != TS_OK) {
        turn_away(fd, CONTROL_UNREACHABLE, err.text);
        return;
    }
    control_connection_init(&server->clients[slot], fd, now);
}

static void set_listening(struct control_server *server, bool on)
{
    struct epoll_event event = { .events = on ? EPOLLIN : 0,
                                 .data.u32 = LISTENER };
    (void) epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, server->listen_fd,
                     &event);
}

static void accept_all(struct control_server *server, struct ts_time now)
{
    for (int i = 0; i < BACKLOG; i++) {
        int fd = accept4(server->listen_fd, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            control_server_adopt(server, fd, now);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            if (errno != EAGAIN) {
                // Out of descriptors: a listener that stays readable would
                // keep the reactor spinning.
                ts_log(TS_LOG_WARNING, "control-accept-failed", "errno=%d",
                       errno);
                set_listening(server, false);
                server->accept_from = ts_time_after(now, ACCEPT_PAUSE_MS);
            }
            return;
        }
    }
}

/* --- stepping ----------------------------------------------------------- */

int control_server_fd(const struct control_server *server)
{
    return server->epoll_fd;
}

size_t control_server_clients(const struct control_server *server)
{
    size_t count = 0;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        count += server->clients[i].fd >= 0;
    }
    return count;
}

struct ts_time control_server_deadline(const struct control_server *server)
{
    struct ts_time first =
        server->accept_from.ms == 0 ? TS_NEVER : server->accept_from;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        const struct control_connection *client = &server->clients[i];
        if (client->fd >= 0 && client->deadline.ms < first.ms) {
            first = client->deadline;
        }
    }
    return first;
}

static void step_client(struct control_server *server, uint32_t slot,
                        struct ts_time now)
{
    struct control_connection *client = &server->clients[slot];
    uint32_t wanted = control_connection_wants(client);
    control_connection_pump(client, &server->options.backend, server->box, now);
    if (client->over || ts_time_reached(now, client->deadline)) {
        control_connection_done(client);
        return;
    }
    struct epoll_event event = { .events = control_connection_wants(client),
                                 .data.u32 = slot };
    if (event.events != wanted) {
        (void) epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, client->fd, &event);
    }
}

void control_server_step(struct control_server *server, struct ts_time now)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(server->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        uint32_t data = events[i].data.u32;
        if (data == LISTENER) {
            accept_all(server, now);
        } else if (data == MAILBOX) {
            collect_mail(server);
        } else if (server->clients[data].fd >= 0) {
            control_connection_ready(&server->clients[data], events[i].events);
        }
    }
    if (server->accept_from.ms != 0 &&
        ts_time_reached(now, server->accept_from)) {
        server->accept_from = (struct ts_time){ 0 };
        set_listening(server, true);
    }
    for (uint32_t slot = 0; slot < CONTROL_CLIENTS_MAX; slot++) {
        if (server->clients[slot].fd >= 0) {
            step_client(server, slot, now);
        }
    }
}
