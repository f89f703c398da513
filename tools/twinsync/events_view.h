/* events_view -- events, one a line: "12:03:04  cycle-finished  id=42 …". */
#ifndef TOOLS_TWINSYNC_EVENTS_VIEW_H
#define TOOLS_TWINSYNC_EVENTS_VIEW_H

#include "tools/twinsync/output.h"

/* `events` as in node/control/commands.md. A line is cut at the screen's width
 * when `cut`. */
void events_view(const struct screen *screen, const json_t *events, bool cut);

#endif
