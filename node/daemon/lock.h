/*
 * lock -- one daemon a state directory.
 *
 * A lock (flock) on STATE/lock that ends with the process, however it ends.
 * The file also holds a pid, for the sentence that a second one is told.
 */
#ifndef NODE_DAEMON_LOCK_H
#define NODE_DAEMON_LOCK_H

#include <sys/types.h>

#include "node/base/err.h"

/* A predecessor that was just killed may take a moment to be gone. */
#define DAEMON_LOCK_WAIT_MS 1000

/* Makes the state directory (0700) when only its last part is missing.
 * `pid` is the process that an operator should look at.
 * Owns     *ret_fd: close it to give the lock back.
 * Errors   TS_E_REFUSED (another daemon; the directory is open to others),
 *          TS_E_IO. Blocks: up to DAEMON_LOCK_WAIT_MS. */
TS_MUSTUSE enum ts_code daemon_lock(const char *state_directory, pid_t pid,
                                    int *ret_fd, struct ts_err *err);

#endif
