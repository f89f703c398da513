/*
 * server -- the daemon's end of the control socket.
 *
 * One descriptor and one step for the reactor: behind the descriptor is an
 * epoll set of the listener, the mailbox and the clients.
 *
 *   connected --line--> pending --answer--> sending --all read--> connected
 *       |  garbage: one sentence, then closed        |  stalled: closed
 *       +-- idle too long: closed                    +-- hung up: closed
 *
 * Invariants, besides control.h's C1-C4:
 *   CS1 nothing here waits: sockets are non-blocking, a client that does not
 *       read holds at most one answer and is dropped after SEND_STALL_MS.
 *   CS2 a client has at most one request under way; what it sends meanwhile
 *       stays in its socket.
 *   CS3 at most CONTROL_CLIENTS_MAX clients; one more is told so and closed.
 *   CS4 the socket is 0600 before anyone can connect to it.
 *
 * A server belongs to one thread. It logs what it refuses: nobody else could.
 */
#ifndef NODE_CONTROL_SERVER_H
#define NODE_CONTROL_SERVER_H

#include <sys/types.h>

#include "node/base/time.h"
#include "node/control/control.h"

#define CONTROL_IDLE_MS       60000 /* without a request */
#define CONTROL_SEND_STALL_MS 30000 /* an answer that nobody reads */

struct control_server;

struct control_server_options {
    const char *directory; /* the socket is DIRECTORY/control.sock; NULL: no
                              listener, see _adopt */
    uid_t owner;           /* besides root, the only uid served */
    struct control_backend backend;
};

/* Replaces a socket that a dead daemon left behind: the caller holds the lock
 * on the state directory.
 * Errors   TS_E_IO, TS_E_CONFIG (something else is in the socket's place). */
TS_MUSTUSE enum ts_code
control_server_open(const struct control_server_options *options,
                    struct control_server **ret_server, struct ts_err *err);
/* Sends the answers that are ready, disconnects everyone and removes the
 * socket. The backend is not called again; replies under way stay its own and
 * are gone. NULL is fine. */
void control_server_close(struct control_server *server);

/* Readable when _step has something to do. */
int control_server_fd(const struct control_server *server);
/* When _step wants to be called at the latest. */
struct ts_time control_server_deadline(const struct control_server *server);
void control_server_step(struct control_server *server, struct ts_time now);

/* Serve a connected socket as if it had been accepted; takes `fd` over. */
void control_server_adopt(struct control_server *server, int fd,
                          struct ts_time now);
size_t control_server_clients(const struct control_server *server);

#endif
