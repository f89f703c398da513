/*
 * retired -- what a daemon does on a computer that is no member any more.
 *
 *   start --> the mark is there --> destroy the rest, if asked --> exit 3
 *   it runs --> the register does not list it --> everything ends -->
 *       the mark, our keys, the rest if asked --> the active node is told
 *       --> exit 3
 *
 * What was known here is destroyed only when the register says that it is to
 * be, never because a peer says so.
 */
#ifndef NODE_DAEMON_RETIRED_H
#define NODE_DAEMON_RETIRED_H

#include "node/config/config.h"
#include "replication/retirement.h"

/* How long it tries to say that everything is destroyed. */
#define RETIRED_TELL_MS 5000

/* At a start, before anything is opened.
 * Errors   TS_E_REFUSED (retired: since when, why, how to join anew),
 *          TS_E_CORRUPT, TS_E_IO.
 * Blocks   while what is left is destroyed. */
TS_MUSTUSE enum ts_code retired_check(const struct config *config,
                                      struct ts_err *err);

/* At the end of a process that found itself out: nothing is open any more, but
 * the lock is held.
 * Blocks   while everything is destroyed, and RETIRED_TELL_MS. */
void retired_end(const struct config *config, struct retirement *retirement);

#endif
