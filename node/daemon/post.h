/*
 * post -- how other threads reach the reactor.
 *
 * A letter is memory that its sender made before it began what the letter
 * reports, so that reporting itself can neither fail nor wait. The reactor's
 * thread takes letters in the order in which they came and opens each once.
 *
 *   any thread --post_send--> [letters] --post_step--> deliver()   reactor
 *
 * Invariants:
 *   PO1  post_send() never waits for the reactor, and never fails.
 *   PO2  every letter is delivered once, on the thread that steps, or dropped
 *        once; those of one sender keep their order.
 *   PO3  after _close nothing is delivered: what is there and what still comes
 *        is dropped.
 *
 * Limit    none of its own: as many letters as were made. Whoever makes them
 *          bounds them (errands.h does).
 */
#ifndef NODE_DAEMON_POST_H
#define NODE_DAEMON_POST_H

#include <stdbool.h>

#include "node/base/err.h"

/* Embedded in what is reported. Both functions take the letter over. */
struct post_letter {
    void (*deliver)(struct post_letter *letter); /* on the reactor's thread */
    void (*drop)(struct post_letter *letter);    /* on any */
    struct post_letter *next;                    /* the post's own */
};

struct post;

/* Owns     free with post_free, when no thread can send any more.
 * Errors   TS_E_IO, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code post_new(struct post **ret_post, struct ts_err *err);
void post_send(struct post *post, struct post_letter *letter);
/* Readable while letters wait. */
int post_fd(const struct post *post);
/* Opens what has come. Does not block. */
void post_step(struct post *post);
/* May be called twice. */
void post_close(struct post *post);
/* NULL is fine. */
void post_free(struct post *post);

#endif
