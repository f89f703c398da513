/*
 * wiring -- what the worker runs: the parts, joined.
 *
 * The worker (worker.c) owns the process: lock, signals, reactor, control
 * socket. The wiring owns the product: store, sources, engine, target and
 * their threads; and, when the configuration names nodes, what makes this one
 * of a pair (cluster.h). Between them is this page.
 *
 *   wiring_start --> running --stop asked, or failed--> ended --> _free
 *                    answers requests                   answers nothing
 *
 * Invariants:
 *   W1  _start may block (opening and checking the state); nothing else here
 *       does, but _free, which joins threads that have ended.
 *   W2  after _stop every request under way is finished (with its result, or
 *       "could not ... because the daemon is stopping"), and the wiring ends
 *       by itself; the event descriptor then becomes readable.
 *   W3  an end that nobody asked for carries its error, and is the worker's
 *       exit status.
 *
 * All calls are for the reactor's thread.
 */
#ifndef NODE_DAEMON_WIRING_H
#define NODE_DAEMON_WIRING_H

#include "node/config/config.h"
#include "node/control/control.h"
#include "node/daemon/board.h"
#include "node/daemon/reactor.h"
#include "replication/retirement.h"

struct wiring;

struct wiring_options {
    const struct config *config; /* borrowed until _free */
    const char *config_path;
    bool approve_first;  /* see engine.h */
    struct board *board; /* of the parent; borrowed until _free */
};

/* Owns     free with _free.
 * Errors   of the parts; TS_E_CORRUPT, TS_E_VERSION and TS_E_REFUSED end the
 *          daemon for good (exit 3), others too when it never ran. */
TS_MUSTUSE enum ts_code wiring_start(const struct wiring_options *options,
                                     struct wiring **ret_wiring,
                                     struct ts_err *err);

/* What the control socket asks. Lives as long as the wiring. */
struct control_backend wiring_backend(struct wiring *wiring);

/* Of a pair: register, link and timers join the reactor. Errors: TS_E_IO. */
TS_MUSTUSE enum ts_code wiring_attach(struct wiring *wiring,
                                      struct reactor *reactor,
                                      struct ts_err *err);

/* Readable when _ended may have become true. Not read from by the caller. */
int wiring_event_fd(const struct wiring *wiring);
/* Has it ended? TS_OK in ret_err->code when that was asked for; TS_E_REFUSED
 * when this computer is retired, see wiring_retired(). */
bool wiring_ended(struct wiring *wiring, struct ts_err *ret_err);

/* Is this computer no member any more? */
bool wiring_retired(const struct wiring *wiring, struct retirement *ret);

/* Ask it to end: finish what cannot be interrupted, keep what is durable. */
void wiring_stop(struct wiring *wiring);
/* NULL is fine. */
void wiring_free(struct wiring *wiring);

#endif
