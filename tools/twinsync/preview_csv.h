/*
 * preview_csv -- a preview for a spreadsheet: one row a value that changes.
 *
 *   kind,name,anchor,verb,match,path,old,new,text
 *
 * Several values are separated by " | "; members are one row each, by
 * anchor. Conflicts and objects that are left alone are rows with that verb,
 * and the reason as text.
 */
#ifndef TOOLS_TWINSYNC_PREVIEW_CSV_H
#define TOOLS_TWINSYNC_PREVIEW_CSV_H

#include <stdio.h>

#include <jansson.h>

/* `document` is the result of preview (node/control/commands.md). */
void preview_csv(FILE *out, const json_t *document);

#endif
