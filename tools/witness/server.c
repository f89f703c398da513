#include "tools/witness/server.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include "node/base/cleanup.h"
#include "node/base/failpoint.h"
#include "node/base/log.h"
#include "node/base/time.h"
#include "node/base/zeromq.h"
#include "tools/witness/answer.h"

/* Replies and requests that wait for one client. */
#define WAITING_MAX  4
#define HANDSHAKE_MS 5000
#define TURN_MS      1000 /* sd_notify's watchdog is fed once a turn */
/* Of strangers: at most one line in this time. */
#define STRANGERS_MS 10000

struct server {
    struct answerer *answerer;
    zactor_t *auth;
    zcertstore_t *clients;
    zsock_t *socket;
    void *monitor; /* refused handshakes, raw */
    uint64_t strangers;
    struct ts_time strangers_told;
};

/* -- one request
 * ---------------------------------------------------------------- */

/* The cluster that the sender of `frame` speaks for, or NULL: its certificate
 * may have been removed since it connected. */
static const char *cluster_of(struct server *server, zframe_t *frame)
{
    const char *key = zframe_meta(frame, "User-Id");
    zcert_t *client =
        key == NULL ? NULL : zcertstore_lookup(server->clients, key);
    return client == NULL ? NULL : zcert_meta(client, "cluster");
}

static void reply_to(struct server *server, zframe_t **sender,
                     zframe_t *request)
{
    struct ts_err err = { .code = TS_OK };
    const char *cluster = cluster_of(server, request);
    if (cluster == NULL) {
        ts_log(TS_LOG_WARNING, "request-refused",
               "why=\"its certificate is not admitted any more\"");
        return;
    }
    struct ts_slice bytes = answer_request(
        server->answerer, cluster,
        ts_slice(zframe_data(request), zframe_size(request)), &err);
    if (err.code != TS_OK) {
        ts_log(TS_LOG_WARNING, "request-failed", "cluster=%s why=\"%s\"",
               cluster, err.text);
    }
    if (bytes.size == 0) {
        return;
    }
    zframe_t *reply = zframe_new(bytes.data, bytes.size);
    if (reply != NULL && zframe_send(sender, server->socket,
                                     ZFRAME_MORE | ZFRAME_DONTWAIT) == 0) {
        (void) zframe_send(&reply, server->socket, ZFRAME_DONTWAIT);
    }
    zframe_destroy(&reply);
    TS_FAILPOINT(WITNESS_ANSWERED);
}

/* Two frames, the sender's routing id and a request; anything else is dropped.
 */
static void take_request(struct server *server)
{
    zframe_t *sender = zframe_recv(server->socket);
    zframe_t *request = NULL;
    bool more = sender != NULL && zframe_more(sender);
    if (more) {
        request = zframe_recv(server->socket);
        more = request != NULL && zframe_more(request);
    }
    if (request != NULL && !more) {
        reply_to(server, &sender, request);
    }
    while (more) {
        zframe_t *rest = zframe_recv(server->socket);
        more = rest != NULL && zframe_more(rest);
        zframe_destroy(&rest);
    }
    zframe_destroy(&request);
    zframe_destroy(&sender);
}

/* -- strangers
 * -------------------------------------------------------------------- */

static void count_strangers(struct server *server)
{
    for (;;) {
        zmq_msg_t frame;
        (void) zmq_msg_init(&frame);
        bool got = zmq_msg_recv(&frame, server->monitor, ZMQ_DONTWAIT) >= 0;
        server->strangers += got && zmq_msg_more(&frame) != 0;
        (void) zmq_msg_close(&frame);
        if (!got) {
            break;
        }
    }
    if (server->strangers > 0 &&
        ts_time_reached(ts_time_now(), server->strangers_told)) {
        ts_log(TS_LOG_WARNING, "stranger-refused",
               "count=%llu why=\"no admitted certificate, or none at all\"",
               (unsigned long long) server->strangers);
        server->strangers = 0;
        server->strangers_told = ts_time_after(ts_time_now(), STRANGERS_MS);
    }
}

static void *watch(zsock_t *socket)
{
    static const char name[] = "inproc://strangers";
    int events = ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    void *monitor = zmq_socket(zsys_init(), ZMQ_PAIR);
    if (monitor == NULL ||
        zmq_socket_monitor(zsock_resolve(socket), name, events) != 0 ||
        zmq_connect(monitor, name) != 0) {
        (void) zmq_close(monitor);
        return NULL;
    }
    return monitor;
}

/* -- life
 * -------------------------------------------------------------------------- */

static enum ts_code listen_on(struct server *server,
                              const struct witness_state *state,
                              const char *endpoint, struct ts_err *err)
{
    server->auth = zactor_new(zauth, NULL);
    server->clients = zcertstore_new(state->clients);
    server->socket = zsock_new(ZMQ_ROUTER);
    if (server->auth == NULL || server->clients == NULL ||
        server->socket == NULL ||
        zstr_sendx(server->auth, "CURVE", state->clients, NULL) != 0 ||
        zsock_wait(server->auth) < 0) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the socket");
    }
    zsock_t *socket = server->socket;
    zsock_set_zap_domain(socket, "witness");
    zcert_apply(state->certificate, socket);
    zsock_set_curve_server(socket, 1);
    zsock_set_linger(socket, 0);
    zsock_set_sndhwm(socket, WAITING_MAX);
    zsock_set_rcvhwm(socket, WAITING_MAX);
    zsock_set_maxmsgsize(socket, WITNESS_MESSAGE_MAX);
    zsock_set_handshake_ivl(socket, HANDSHAKE_MS);
    zsock_set_backlog(socket, WITNESS_CLIENTS_MAX);
    server->monitor = watch(socket);
    if (server->monitor == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the socket");
    }
    return zsock_bind(socket, "%s", endpoint) >= 0
               ? TS_OK
               : ts_fail(err, TS_E_CONFIG, 0, "cannot listen on \"%s\": %s",
                         endpoint, zmq_strerror(zmq_errno()));
}

static void hang_up(struct server *server)
{
    if (server->monitor != NULL) {
        /* In this order: libzmq's I/O thread waits for ever for a reader that
         * is gone. */
        (void) zmq_socket_monitor(zsock_resolve(server->socket), NULL, 0);
        (void) zmq_close(server->monitor);
    }
    zsock_destroy(&server->socket);
    zactor_destroy(&server->auth);
    zcertstore_destroy(&server->clients);
    answerer_free(server->answerer);
}

static enum ts_code serve(struct server *server, int signal_fd,
                          struct ts_err *err)
{
    zmq_pollitem_t items[] = {
        { .socket = zsock_resolve(server->socket), .events = ZMQ_POLLIN },
        { .socket = server->monitor, .events = ZMQ_POLLIN },
        { .fd = signal_fd, .events = ZMQ_POLLIN },
    };
    for (;;) {
        int n = zmq_poll(items, 3, TURN_MS);
        if (n < 0 && zmq_errno() != EINTR) {
            return ts_fail(err, TS_E_IO, 0, "could not wait for requests: %s",
                           zmq_strerror(zmq_errno()));
        }
        (void) sd_notify(0, "WATCHDOG=1");
        if (n > 0 && items[2].revents != 0) {
            return TS_OK;
        }
        if (n > 0 && items[0].revents != 0) {
            take_request(server);
        }
        count_strangers(server);
    }
}

enum ts_code server_run(const struct witness_state *state, const char *endpoint,
                        struct ts_err *err)
{
    struct server server = { .answerer = NULL };
    sigset_t stop;
    (void) sigemptyset(&stop);
    (void) sigaddset(&stop, SIGTERM);
    (void) sigaddset(&stop, SIGINT);
    TS_AUTOCLOSE int signal_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    if (signal_fd < 0) {
        return ts_fail(err, TS_E_IO, errno, "could not wait for signals");
    }
    enum ts_code code = answerer_new(state, &server.answerer, err);
    if (code == TS_OK) {
        code = listen_on(&server, state, endpoint, err);
    }
    if (code == TS_OK) {
        const char *where = zsock_endpoint(server.socket);
        ts_log(TS_LOG_INFO, "serving", "endpoint=%s state=%s", where,
               state->folder);
        (void) sd_notifyf(0, "READY=1\nSTATUS=serving on %s", where);
        code = serve(&server, signal_fd, err);
        (void) sd_notify(0, "STOPPING=1");
    }
    hang_up(&server);
    return code;
}
