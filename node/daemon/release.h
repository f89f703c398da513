/*
 * release -- `twinsyncd --release EPOCH:BOOT`: give a dead worker's lease back.
 *
 * Run by the supervisor, in a process of its own, when it has reaped a worker
 * and all that the worker had started. One read and one compare-and-swap: the
 * value becomes released only while it still names this node, that start of its
 * worker and that epoch. It shortens the other node's wait for the lease, and
 * nothing else: fencing and looking up go on as ever.
 */
#ifndef NODE_DAEMON_RELEASE_H
#define NODE_DAEMON_RELEASE_H

/* Room for "EPOCH:BOOT". */
#define RELEASE_TEXT_SIZE 64

/* Blocks   two calls of the register. Returns the exit status: 0 released, or
 *          nothing to release; 1 could not; 2 wrong words or configuration. */
int release_run(const char *config_path, const char *text);

#endif
