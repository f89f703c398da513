/*
 * worker -- the process that does the work.
 *
 * Loads the configuration, takes the lock, starts the wiring, opens the
 * control socket, and runs the reactor until the wiring has ended: because
 * SIGTERM asked for it, or because it cannot go on.
 */
#ifndef NODE_DAEMON_WORKER_H
#define NODE_DAEMON_WORKER_H

#include <stdbool.h>

#include "node/daemon/board.h"

struct worker_options {
    const char *config_path;
    bool approve_first;  /* see node/engine/engine.h */
    struct board *board; /* what the parent may read when this is dead */
};

#define WORKER_ALIVE_MS 1000 /* between two signs of life */

/* SIGTERM, SIGINT and SIGHUP must be blocked. `lifeline_fd` is taken over;
 * see supervisor.h.
 * Blocks   until the worker is to end. Returns its exit status (enum
 *          control_exit), after the one line of log that says why. */
int worker_run(const struct worker_options *options, int lifeline_fd);

#endif
