/*
 * session -- a cycle that runs is waited for before something is taken away.
 *
 * Said on standard error: which one, for how long it has been running, what
 * waits for it, and when it has ended. Only the one that runs is waited for:
 * who has cycles all the time would wait for ever.
 */
#ifndef TOOLS_TWINSYNC_SESSION_H
#define TOOLS_TWINSYNC_SESSION_H

#include <stdint.h>

#include "tools/twinsync/command.h"

/* `what` is as in "beta is retired when it has ended". Until none runs, or the
 * daemon is not there, or `most_ms` (0: no limit) have passed: false.
 * Blocks   for that long. */
bool session_wait(const struct cli_call *call, const char *what,
                  int64_t most_ms);

#endif
