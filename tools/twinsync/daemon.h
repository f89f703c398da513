/* daemon -- ask the running daemon, for the commands that need it. */
#ifndef TOOLS_TWINSYNC_DAEMON_H
#define TOOLS_TWINSYNC_DAEMON_H

#include "node/control/client.h"
#include "tools/twinsync/command.h"

/* Connect to the daemon of the call's configuration.
 * Owns     close with control_client_close().
 * Errors   NULL: the sentence was said, *ret_exit is what to return. */
struct control_client *daemon_connect(const struct cli_call *call,
                                      enum control_exit *ret_exit);

struct daemon_question {
    const char *command;
    json_t *args; /* stolen; NULL: {} */
    int wait_ms;  /* as in control/client.h */
    void (*progress)(void *context, const struct control_progress *progress);
    void *context;                   /* of both */
    void (*answered)(void *context); /* before anything is said; or NULL */
    bool silent; /* with --json: the caller prints the result */
};

/* Connect, ask once, and say what went wrong. With --json the result has been
 * printed. *ret_result is the result for the human view, NULL when there is
 * nothing (more) to show.
 * Owns     json_decref(*ret_result). Returns what the command returns. */
enum control_exit daemon_ask(const struct cli_call *call,
                             const struct daemon_question *question,
                             json_t **ret_result);

/* The same for what waits until the cycle that runs has ended, however long
 * that takes: on a terminal one sees how far it is. `args` is stolen. */
enum control_exit daemon_ask_when_idle(const struct cli_call *call,
                                       const char *command, json_t *args,
                                       json_t **ret_result);

#endif
