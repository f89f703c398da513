/*
 * reply -- one pending answer, shared by the backend and the server.
 *
 *   backend (any thread)                     server (reactor's thread)
 *   _progress, _finish  --> mailbox -------> _next, _collect, _release
 *                           (eventfd)
 *
 * A reply has two holders and dies with the second: the backend lets go by
 * finishing it, the server when it has sent the answer or lost the client.
 * The mailbox lives until its server and all of its replies are gone, so that
 * a backend may finish after the server was closed (C2).
 *
 * Internal to node/control.
 */
#ifndef NODE_CONTROL_REPLY_H
#define NODE_CONTROL_REPLY_H

#include "node/control/message.h"

/* A reply does not wake the server more often than this for progress. */
#define CONTROL_PROGRESS_MS 50

struct control_mailbox;

/* Errors   NULL: out of memory or of descriptors. */
struct control_mailbox *control_mailbox_new(void);
/* The server's own hold. NULL is fine. */
void control_mailbox_release(struct control_mailbox *box);
/* Readable when _next has something. */
int control_mailbox_fd(const struct control_mailbox *box);
/* Clear the descriptor; before taking with _next. */
void control_mailbox_clear(struct control_mailbox *box);

/* Held by both sides. `client` comes back from _next.
 * Errors   NULL: out of memory. */
struct control_reply *control_reply_new(struct control_mailbox *box,
                                        void *client);

/* The client of one reply that has something to collect, or NULL. */
void *control_mailbox_next(struct control_mailbox *box);

struct control_delivery {
    bool progressed;
    struct control_progress progress;
    bool finished;
    char *answer; /* finished: free() it; NULL when memory had run out */
    size_t answer_size;
};
void control_reply_collect(struct control_reply *reply,
                           struct control_delivery *ret);
/* The server lets go; the backend sees it as gone. NULL is fine. */
void control_reply_release(struct control_reply *reply);

#endif
