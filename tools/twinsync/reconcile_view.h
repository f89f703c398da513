/* reconcile_view -- the report of a reconcile, for people. */
#ifndef TOOLS_TWINSYNC_RECONCILE_VIEW_H
#define TOOLS_TWINSYNC_RECONCILE_VIEW_H

#include <jansson.h>

/* How it ended, a table of its passes, one of what differs still, and one of
 * what is left as it is. Nothing for no report. */
void reconcile_print(const json_t *report);

#endif
