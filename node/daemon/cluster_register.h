/*
 * cluster_register -- the register's client, on a thread of its own.
 *
 * The machine of the cluster asks for one call at a time and goes on; what came
 * of it arrives through the post. A register that hangs holds this thread,
 * never the reactor: the lease then runs out by the clock, as it should.
 *
 * Invariants:
 *   CR1  one call is under way at a time; asking meanwhile is refused.
 *   CR2  every accepted call is answered once, on the reactor's thread. What
 * was given up at a stop is answered as TS_E_CANCELLED, a swap that was begun
 * as unknown.
 *
 * All calls are for the reactor's thread.
 */
#ifndef NODE_DAEMON_CLUSTER_REGISTER_H
#define NODE_DAEMON_CLUSTER_REGISTER_H

#include "node/daemon/post.h"
#include "node/register/register.h"

/* Lives during the callback. */
struct cluster_register_answer {
    bool was_swap;
    enum ts_code code;             /* TS_OK: what follows is valid */
    struct ts_slice value;         /* of a read; empty: there is none */
    enum register_outcome outcome; /* of a swap */
    const struct ts_err *err;      /* also says why an outcome is unknown */
    /* Who answered; of TS_E_CONFLICT who answers in the place of the pinned
     * one.
     * "": nobody did. */
    char server[REGISTER_IDENTITY_SIZE];
};

struct cluster_register_options {
    const struct register_options *driver; /* borrowed until _free */
    struct post *post;                     /* the same */
    void (*answered)(void *context,
                     const struct cluster_register_answer *answer);
    void *context;
};

struct cluster_register;

/* Owns     free with _free. Errors: as register_open; TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code
cluster_register_new(const struct cluster_register_options *options,
                     struct cluster_register **ret_register,
                     struct ts_err *err);

/* The bytes are copied. Errors: TS_E_LIMIT (CR1, or too long), TS_E_CANCELLED,
 * TS_E_NOMEM. */
TS_MUSTUSE enum ts_code cluster_register_read(struct cluster_register *self);
TS_MUSTUSE enum ts_code cluster_register_swap(struct cluster_register *self,
                                              struct ts_slice expected,
                                              struct ts_slice value);
/* From the next call on, only this server's answers count; see register_pin().
 * A longer text than an identity can have is cut, and matches none. */
void cluster_register_pin(struct cluster_register *self,
                          struct ts_slice identity);
bool cluster_register_busy(const struct cluster_register *self);
/* May a standby take over without an operator? */
bool cluster_register_is_automatic(const struct cluster_register *self);

/* The call under way ends soon; no other is begun. */
void cluster_register_stop(struct cluster_register *self);
/* Joins the thread; NULL is fine. */
void cluster_register_free(struct cluster_register *self);

#endif
