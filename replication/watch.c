#include "replication/watch.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <sys/socket.h>

/* Events that may wait to be read. libzmq's own thread stands still when there
 * are more, and with it every socket: that is three for each of 33,000
 * strangers within one turn of the loop. */
#define EVENTS_MAX 100000

struct connection {
    int fd; /* as a number: it is libzmq's, and may be another one by now */
    bool is_used;
    bool may_be_up; /* a handshake succeeded since: perhaps this one's */
    char address[WATCH_ADDRESS_SIZE];
};

struct watch {
    zsock_t *watched;
    void *socket; /* libzmq's own: where the events come out */
    struct connection connections[WATCH_CONNECTIONS_MAX];
    /* Somebody was not let in; the next connection that ends is the one. */
    bool is_refused;
};

#define EVENTS                                                        \
    (ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | \
     ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

enum ts_code watch_open(zsock_t *socket, struct watch **ret_watch,
                        struct ts_err *err)
{
    static atomic_uint count;
    char name[64];
    (void) snprintf(name, sizeof name, "inproc://watch-%u",
                    atomic_fetch_add(&count, 1));
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL ||
        zmq_socket_monitor(zsock_resolve(socket), name, EVENTS) != 0) {
        free(watch);
        return ts_fail(err, TS_E_NOMEM, 0, "could not watch a socket");
    }
    watch->watched = socket;
    watch->socket = zmq_socket(zsys_init(), ZMQ_PAIR);
    int no = 0, events_max = EVENTS_MAX;
    if (watch->socket == NULL ||
        zmq_setsockopt(watch->socket, ZMQ_LINGER, &no, sizeof no) != 0 ||
        zmq_setsockopt(watch->socket, ZMQ_RCVHWM, &events_max,
                       sizeof events_max) != 0 ||
        zmq_connect(watch->socket, name) != 0) {
        watch_close(watch);
        return ts_fail(err, TS_E_NOMEM, 0, "could not watch a socket");
    }
    *ret_watch = watch;
    return TS_OK;
}

void watch_close(struct watch *watch)
{
    if (watch != NULL) {
        (void) zmq_socket_monitor(zsock_resolve(watch->watched), NULL, 0);
        if (watch->socket != NULL) {
            (void) zmq_close(watch->socket);
        }
        free(watch);
    }
}

int watch_fd(const struct watch *watch)
{
    int fd = -1;
    size_t size = sizeof fd;
    (void) zmq_getsockopt(watch->socket, ZMQ_FD, &fd, &size);
    return fd;
}

/* ---- addresses ----------------------------------------------------------- */

/* Too late, the descriptor may be gone: then the address is not known. */
static void look_up(int fd, char address[static WATCH_ADDRESS_SIZE])
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    } peer = { .room = { 0 } };
    socklen_t size = sizeof peer;
    char text[INET6_ADDRSTRLEN] = "";
    address[0] = '\0';
    if (getpeername(fd, &peer.any, &size) != 0) {
        return;
    }
    if (peer.any.sa_family == AF_INET &&
        inet_ntop(AF_INET, &peer.v4.sin_addr, text, sizeof text) != NULL) {
        (void) snprintf(address, WATCH_ADDRESS_SIZE, "%s:%u", text,
                        ntohs(peer.v4.sin_port));
    } else if (peer.any.sa_family == AF_INET6 &&
               inet_ntop(AF_INET6, &peer.v6.sin6_addr, text, sizeof text) !=
                   NULL) {
        (void) snprintf(address, WATCH_ADDRESS_SIZE, "[%s]:%u", text,
                        ntohs(peer.v6.sin6_port));
    }
}

static struct connection *find(struct watch *watch, bool is_used, int fd)
{
    for (size_t i = 0; i < WATCH_CONNECTIONS_MAX; i++) {
        struct connection *c = &watch->connections[i];
        if (c->is_used == is_used && (!is_used || c->fd == fd)) {
            return c;
        }
    }
    return NULL;
}

static void accepted(struct watch *watch, int fd)
{
    struct connection *c = find(watch, true, fd);
    c = c != NULL ? c : find(watch, false, fd);
    if (c != NULL) {
        c->is_used = true;
        c->may_be_up = false;
        c->fd = fd;
        look_up(fd, c->address);
    }
}

/* Of whom the handshake is that succeeded is not told. With several under way
 * at that moment, each may be it, and none of them will be called broken. */
static void succeeded(struct watch *watch)
{
    for (size_t i = 0; i < WATCH_CONNECTIONS_MAX; i++) {
        watch->connections[i].may_be_up = true;
    }
}

static void ended(struct watch *watch, int fd, struct watch_event *event)
{
    struct connection *c = find(watch, true, fd);
    event->kind = WATCH_DOWN;
    if (c != NULL) {
        memcpy(event->address, c->address, sizeof c->address);
        event->kind =
            c->may_be_up || watch->is_refused ? WATCH_DOWN : WATCH_BROKEN;
        c->is_used = false;
    }
    watch->is_refused = false;
}

/* ---- events -------------------------------------------------------------- */

/* One event: its number and value, and the endpoint, which is not needed. */
static bool read_event(struct watch *watch, uint16_t *ret_event,
                       int32_t *ret_value)
{
    zmq_msg_t frame;
    uint8_t bytes[6] = { 0 };
    int more = 1;
    for (int i = 0; more != 0; i++) {
        (void) zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, watch->socket, ZMQ_DONTWAIT) < 0) {
            (void) zmq_msg_close(&frame);
            return false;
        }
        if (i == 0 && zmq_msg_size(&frame) == sizeof bytes) {
            memcpy(bytes, zmq_msg_data(&frame), sizeof bytes);
        }
        more = zmq_msg_more(&frame);
        (void) zmq_msg_close(&frame);
    }
    memcpy(ret_event, bytes, sizeof *ret_event);
    memcpy(ret_value, bytes + sizeof *ret_event, sizeof *ret_value);
    return true;
}

bool watch_next(struct watch *watch, struct watch_event *ret_event)
{
    uint16_t event;
    int32_t value;
    while (read_event(watch, &event, &value)) {
        *ret_event = (struct watch_event){ .kind = WATCH_DOWN };
        switch (event) {
        case ZMQ_EVENT_ACCEPTED:
            accepted(watch, value);
            ret_event->kind = WATCH_KNOCKED;
            return true;
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            succeeded(watch);
            ret_event->kind = WATCH_UP;
            return true;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            watch->is_refused = true;
            ret_event->kind = WATCH_REFUSED;
            return true;
        case ZMQ_EVENT_DISCONNECTED:
        case ZMQ_EVENT_CLOSED:
            ended(watch, value, ret_event);
            return true;
        default:
            break;
        }
    }
    return false;
}
