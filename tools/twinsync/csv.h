/*
 * csv -- comma-separated values for a spreadsheet (RFC 4180).
 *
 * Every field is quoted. One that a spreadsheet would take for a formula gets
 * an apostrophe in front, and control characters become "?": values come from
 * directories, where anyone may have written anything.
 */
#ifndef TOOLS_TWINSYNC_CSV_H
#define TOOLS_TWINSYNC_CSV_H

#include <stdio.h>

#include <jansson.h>

/* One field, with no comma before or after it. */
void csv_field(FILE *out, const char *text);
void csv_end_row(FILE *out);

/* The head line: `keys` (ends with NULL) as they are. */
void csv_head(FILE *out, const char *const *keys);
/* One row a member of `objects`: the texts of `keys`; numbers as digits, and
 * "" for what is missing or null. */
void csv_rows(FILE *out, const char *const *keys, const json_t *objects);

#endif
