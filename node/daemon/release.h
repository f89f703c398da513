/*
 * release -- `twinsyncd --release EPOCH:BOOT`: give a dead worker's lease back.
 *
 * Run by the supervisor, in a process of its own, when it has reaped a worker
 * and all that the worker had started. One read and one compare-and-swap: the
 * value becomes released only while it still names this node, that start of its
 * worker and that epoch. It shortens the other node's wait for the lease, and
 * nothing else: fencing and looking up go on as ever.
 *
 * Where nothing is fenced, what the worker had sent may still be on its way for
 * as long as the lease's margin allows: the lease is given back only then.
 */
#ifndef NODE_DAEMON_RELEASE_H
#define NODE_DAEMON_RELEASE_H

#include "node/config/config.h"
#include "node/register/register.h"

/* Room for "EPOCH:BOOT". */
#define RELEASE_TEXT_SIZE 64

/* How long after the worker's death its lease may be given back. */
int64_t release_wait_ms(const struct config *config);

/* Blocks   release_wait_ms(), two calls of the register. Returns the exit
 * status: 0 released, or nothing to release; 1 could not; 2 wrong words or
 * configuration. A register of type manual is left alone: nobody waits for its
 * lease.
 */
int release_run(const char *config_path, const char *text);

/* The same over an open client, as `node`; *ret_done: it was that lease.
 * Errors   TS_E_CONFIG (the words), TS_E_TIMEOUT (not known), of the register.
 */
TS_MUSTUSE enum ts_code release_lease(struct register_client *client,
                                      const char *node, const char *text,
                                      bool *ret_done, struct ts_err *err);

#endif
