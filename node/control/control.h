/*
 * control -- how an operator's command reaches the running daemon.
 *
 * The command line tool connects to a Unix socket in the state directory
 * (server.h, client.h) and sends one JSON document a line. What a command does
 * is the backend's business; this page is the contract between the two.
 *
 *   client ---- {"v":1,"command":"sync","args":{}} --------> request()
 *   client <--- {"progress":{"phase":"import",...}} -------- _progress()  0..n
 *   client <--- {"exit":0,"result":{}} --------------------- _finish()    1
 *          or   {"exit":3,"error":"sentence"}
 *
 * The commands, their arguments and result documents: commands.md.
 *
 * Invariants:
 *   C1  every request is answered exactly once: a reply is owned by the
 *       backend from request() until it calls control_reply_finish(), which
 *       it must do once, also when the client has gone.
 *   C2  _progress, _finish and _gone may be called from any thread, at any
 *       time while the reply is owned, also after the server was closed.
 *   C3  no call here waits for a client: progress is coalesced (the latest
 *       wins), the answer is handed over whole and sent as fast as it is read.
 *   C4  an operator who is neither root nor the daemon's own user reaches no
 *       backend.
 */
#ifndef NODE_CONTROL_CONTROL_H
#define NODE_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "node/base/err.h"

#define CONTROL_VERSION          1
#define CONTROL_SOCKET_NAME      "control.sock" /* in the state directory */
#define CONTROL_CLIENTS_MAX      16
#define CONTROL_REQUEST_SIZE_MAX ((size_t) 1024 * 1024)
#define CONTROL_ANSWER_SIZE_MAX  ((size_t) 64 * 1024 * 1024)
#define CONTROL_PHASE_SIZE       48 /* a longer name is cut */

/* The exit status of the command line tool; the answer carries it. */
enum control_exit {
    CONTROL_DONE = 0,       /* done, healthy */
    CONTROL_FAILED = 1,     /* failed, unhealthy */
    CONTROL_USAGE = 2,      /* wrong words or wrong configuration */
    CONTROL_REFUSED = 3,    /* refused for safety */
    CONTROL_UNREACHABLE = 4 /* the daemon, a source or the target is not there
                             */
};

/* What an error is for a script. */
enum control_exit control_exit_of(enum ts_code code);

struct control_reply;

/* Called on the reactor's thread; must not block, and usually queues the work
 * for another thread. `command` and `args` (an object, never NULL) live until
 * it returns: copy what is needed later. May finish the reply at once. An
 * unknown command is finished with CONTROL_USAGE.
 * Owns     `reply`, until _finish. */
struct control_backend {
    void (*request)(void *context, const char *command, const json_t *args,
                    struct control_reply *reply);
    void *context;
};

/* How far the work is. `phase` is one of the cycle's words ("import",
 * "synchronize", "export", ...); total 0 means not known yet. */
void control_reply_progress(struct control_reply *reply, const char *phase,
                            uint64_t done, uint64_t total);

/* The answer. `result` is stolen and may be NULL (sent as {}); `error` is
 * the sentence that the operator reads, or NULL when nothing went wrong (an
 * unhealthy status is a result with CONTROL_FAILED and no error). Both may be
 * given: a cycle that failed half-way still has its counts.
 * The document is printed here, on the calling thread, so that the reactor
 * never does it. One over CONTROL_ANSWER_SIZE_MAX becomes an error.
 * The reply must not be used afterwards. */
void control_reply_finish(struct control_reply *reply,
                          enum control_exit exit_status, json_t *result,
                          const char *error);
/* The same from an error: its text, and control_exit_of() its code. */
void control_reply_fail(struct control_reply *reply, const struct ts_err *err);

/* True when nobody will read the answer: a long command may end early. */
bool control_reply_gone(const struct control_reply *reply);

#endif
