/*
 * watch -- what happens to the connections of one ZeroMQ socket.
 *
 * libzmq tells it through a socket of its own (zmq_socket_monitor(3)). For a
 * bound socket it names only our own end; the other one is looked up when a
 * connection is accepted, by its descriptor, and told again when that ends.
 */
#ifndef REPLICATION_WATCH_H
#define REPLICATION_WATCH_H

#include <czmq.h>

#include "node/base/err.h"

#define WATCH_ADDRESS_SIZE 64
/* Connections whose other end is remembered; of more it is "unknown". */
#define WATCH_CONNECTIONS_MAX 64

enum watch_kind {
    WATCH_KNOCKED, /* bound: somebody connected; the handshake follows */
    WATCH_UP,      /* the handshake succeeded */
    WATCH_DOWN,    /* a connection ended */
    WATCH_REFUSED, /* who knocked was not let in; its end follows */
    WATCH_BROKEN   /* bound: one ended that never got through a handshake */
};

struct watch_event {
    enum watch_kind kind;
    char address[WATCH_ADDRESS_SIZE]; /* of WATCH_BROKEN; "" when not known */
};

struct watch;

/* Watch `socket` until _close, which comes before the socket's end.
 * Owns     close with watch_close(). Errors: TS_E_NOMEM. */
TS_MUSTUSE enum ts_code watch_open(zsock_t *socket, struct watch **ret_watch,
                                   struct ts_err *err);
void watch_close(struct watch *watch); /* NULL is fine */

int watch_fd(const struct watch *watch);
/* The next thing that happened; false: nothing more for now. */
bool watch_next(struct watch *watch, struct watch_event *ret_event);

#endif
