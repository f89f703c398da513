/*
 * supervisor -- the parent process: it starts the worker and outlives it.
 *
 * The parent forks the worker before any thread or library is initialised and
 * stays single-threaded for ever, so that it can do nothing wrong. It speaks
 * to the service manager (sd_notify), passes signals on, and starts the worker
 * again when it died.
 *
 *            fork            READY                  exit 0, 2, 3
 *   start ---------> starting -----> running -------------------------> end
 *                      | exit          | crash, hang
 *                      v               v
 *                     end           waiting --delay--> starting
 *                                      | too many in a row
 *                                      v
 *                                     end (1)
 *
 * Invariants:
 *   P1  at most one worker exists, and none outlives its parent (SIGKILL at
 *       the parent's death).
 *   P2  a worker that refused to run (exit 2: configuration, 3: safety) is
 *       not started again: its exit status is the daemon's.
 *   P3  a worker that dies is started again after a delay that doubles;
 *       SUPERVISOR_CRASHES_MAX in a row end the daemon with 1.
 *   P4  a worker that gives no sign of life for hang_ms after it was ready is
 *       killed, which is a crash.
 *   P5  a dead worker's lease is given back only when everything that the
 *       worker had started is dead, too: the parent inherits its orphans
 *       (PR_SET_CHILD_SUBREAPER), kills the worker's group, and begins when it
 *       has no child left.
 *
 * In builds with fail-points, a fail-point is armed for the first worker only,
 * so that a test sees the crash and the recovery from it.
 */
#ifndef NODE_DAEMON_SUPERVISOR_H
#define NODE_DAEMON_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "node/daemon/board.h"

#define SUPERVISOR_CRASHES_MAX  10
#define SUPERVISOR_DELAY_MAX_MS 30000
#define SUPERVISOR_STEADY_MS    60000 /* a run this long forgives the crashes */

/* How the worker tells its parent that it lives: bytes on a pipe. */
void supervisor_tell_ready(int lifeline_fd);
void supervisor_tell_alive(int lifeline_fd);

struct supervisor_options {
    /* The worker's whole life, in the child; its exit status. SIGTERM, SIGINT
     * and SIGHUP are blocked: it takes them from a signalfd. */
    int (*work)(void *context, int lifeline_fd);
    void *context;
    int64_t first_delay_ms; /* before the first restart */
    int64_t hang_ms;        /* see P4 */
    int64_t stop_ms;        /* from SIGTERM to SIGKILL */
    struct board *board;    /* shared with the worker */
    /* Give this lease ("EPOCH:BOOT") back: in a child of its own, whose exit
     * status it returns. NULL: there is none to give back. */
    int (*release)(void *context, const char *lease);
};

/* Blocks   until the daemon is to end. Returns its exit status. */
int supervisor_run(const struct supervisor_options *options);

/* The restart policy alone: how long to wait before the next start after
 * `crashes` in a row, the last of which ran `ran_ms`; -1: give up. Counts. */
int64_t supervisor_next_delay(unsigned *crashes, int64_t ran_ms,
                              int64_t first_delay_ms);

#endif
