/*
 * connection -- one client of the control server: its bytes in and out.
 *
 * Holds at most one request line, one request under way and one answer. All
 * calls are for the server's thread and never wait.
 *
 * Internal to node/control.
 */
#ifndef NODE_CONTROL_CONNECTION_H
#define NODE_CONTROL_CONNECTION_H

#include <stdint.h>

#include "node/base/time.h"
#include "node/control/reply.h"

struct control_connection {
    int fd; /* -1: free */
    char *in;
    size_t in_size, in_room;
    char *out; /* owned; out_size - out_sent bytes are still to go */
    size_t out_size, out_sent;
    struct control_reply *reply; /* the request under way, or NULL */
    bool reply_waits;            /* it has something to collect */
    bool last;                   /* begin no request; close when all is said */
    bool over;                   /* to be closed now */
    struct ts_time deadline;     /* give up on it then */
};

void control_connection_init(struct control_connection *connection, int fd,
                             struct ts_time now);
/* Closes and frees; the request under way becomes the backend's alone. */
void control_connection_done(struct control_connection *connection);

/* The epoll events it waits for; 0 means only a hang-up. */
uint32_t control_connection_wants(const struct control_connection *connection);

/* Bytes have come, or room for some, or the peer has gone. */
void control_connection_ready(struct control_connection *connection,
                              uint32_t events);
/* Send what is there, collect answers, start the next request: as far as it
 * goes without waiting. */
void control_connection_pump(struct control_connection *connection,
                             const struct control_backend *backend,
                             struct control_mailbox *box, struct ts_time now);

#endif
