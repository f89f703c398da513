/*
 * reactor -- the worker's first thread: it waits, and never does.
 *
 * Everything that the thread cares about is a part: a descriptor that becomes
 * readable, a moment that comes, or both. The reactor waits for the first of
 * them and calls that part's step. No SQL, LDAP, HTTP, DNS or file access may
 * happen in a step: what takes time belongs to another thread, which reports
 * back through an eventfd that is a part here.
 *
 * Invariants:
 *   L1  a step is called when its descriptor is readable or its deadline has
 *       come, and otherwise not.
 *   L2  a step over REACTOR_STALL_MS is remembered and shown in the log with
 *       the part's name: something blocked where nothing may.
 */
#ifndef NODE_DAEMON_REACTOR_H
#define NODE_DAEMON_REACTOR_H

#include "node/base/err.h"
#include "node/base/time.h"

#define REACTOR_PARTS_MAX 16
#define REACTOR_STALL_MS  20

struct reactor;

struct reactor_part {
    const char *name; /* a literal, for the log */
    int fd;           /* -1: none; not closed by the reactor */
    void (*step)(void *context, struct ts_time now);
    struct ts_time (*deadline)(void *context); /* NULL: never */
    void *context;
};

/* Owns     free with _free (NULL is fine). Errors: TS_E_IO, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code reactor_new(struct reactor **ret_reactor,
                                    struct ts_err *err);
void reactor_free(struct reactor *reactor);

/* Copies `part`. Parts are never removed.
 * Errors   TS_E_IO. */
TS_MUSTUSE enum ts_code reactor_add(struct reactor *reactor,
                                    const struct reactor_part *part,
                                    struct ts_err *err);

/* Blocks   until a step has called reactor_stop().
 * Errors   TS_E_IO when waiting itself fails. */
TS_MUSTUSE enum ts_code reactor_run(struct reactor *reactor,
                                    struct ts_err *err);
void reactor_stop(struct reactor *reactor);

#endif
