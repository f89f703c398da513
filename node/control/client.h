/*
 * client -- the operator's end of the control socket.
 *
 * Blocking, with a time limit on each wait; requests of one client follow one
 * another on one connection.
 */
#ifndef NODE_CONTROL_CLIENT_H
#define NODE_CONTROL_CLIENT_H

#include "node/control/message.h"

#define CONTROL_CLIENT_WAIT_MS 30000

struct control_client;

/* Connect to the daemon whose state directory this is.
 * Errors   TS_E_UNREACHABLE (no daemon there), TS_E_REFUSED (not permitted).
 * Blocks   no: connecting to a Unix socket is immediate. */
TS_MUSTUSE enum ts_code control_client_open(const char *state_directory,
                                            struct control_client **ret_client,
                                            struct ts_err *err);
/* NULL is fine. */
void control_client_close(struct control_client *client);

struct control_call {
    const char *command;
    const json_t *args; /* borrowed; NULL: {} */
    int wait_ms;        /* for the next line; 0: as long as it takes */
    void (*progress)(void *context, const struct control_progress *progress);
    void *context; /* of `progress`, which may be NULL */
};

/* Send one request and wait for its answer.
 * Owns     release `ret` with control_answer_done().
 * Errors   TS_E_UNREACHABLE (the daemon went away), TS_E_TIMEOUT,
 *          TS_E_PROTOCOL, TS_E_LIMIT; the client can then only be closed. An
 *          answer with an error is TS_OK here.
 * Blocks   see wait_ms. */
TS_MUSTUSE enum ts_code control_client_call(struct control_client *client,
                                            const struct control_call *call,
                                            struct control_answer *ret,
                                            struct ts_err *err);

#endif
