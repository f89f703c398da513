/*
 * hold_view -- what the guard keeps back, one block a hold.
 *
 *   ● deletions of users, first held 2 min 5 s ago
 *     The sentence why.
 *     44 objects held; 5 allowed without approval, 3 of them spent
 *
 *     NAME  ANCHOR  VERB  ...
 *     and 24 more: twinsync hold list --all
 *
 *     delete them:
 *       twinsync approve HASH
 *     keep them:
 *       twinsync reject HASH
 */
#ifndef TOOLS_TWINSYNC_HOLD_VIEW_H
#define TOOLS_TWINSYNC_HOLD_VIEW_H

#include "tools/twinsync/output.h"

#define HOLD_VIEW_OBJECTS 20 /* of one hold, unless all are asked for */

/* `document` is the result of hold-list (node/control/commands.md). */
void hold_view(const struct screen *screen, const json_t *document, bool all,
               int64_t now_seconds);

/* "deletions" for "deletes": what people call a class of holds; the word itself
 * when it is none that is known here. */
const char *hold_class_text(const char *class);

#endif
