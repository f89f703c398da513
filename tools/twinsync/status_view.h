/*
 * status_view -- the status document as an operator wants to read it.
 *
 * The health line first, then what it does now, the counts, and every problem
 * with what to do about it. Used by status (once) and watch (each second).
 */
#ifndef TOOLS_TWINSYNC_STATUS_VIEW_H
#define TOOLS_TWINSYNC_STATUS_VIEW_H

#include "tools/twinsync/output.h"

/* `status` as in node/control/commands.md; `healthy` is its exit status.
 * `now_seconds` is the wall clock. Members that are missing show as nothing. */
void status_view(const struct screen *screen, const json_t *status,
                 bool healthy, int64_t now_seconds);

#endif
