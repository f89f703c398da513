/*
 * output -- what people see: colours, tables, numbers, times.
 *
 * Everything printed here may have come from a directory, where anyone may
 * have written anything: control characters never reach the terminal.
 *
 * Colours are used only when the stream is a terminal, TERM is not "dumb" and
 * NO_COLOR (no-color.org) is not set.
 */
#ifndef TOOLS_TWINSYNC_OUTPUT_H
#define TOOLS_TWINSYNC_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

struct libscols_table;
struct libscols_line;

enum tone {
    TONE_PLAIN,
    TONE_GOOD,
    TONE_BUSY,
    TONE_WARN,
    TONE_BAD,
    TONE_FAINT,
    TONE_STRONG
};

/* Where a view is drawn: a terminal, a file, or a frame in memory. */
struct screen {
    FILE *out;
    bool color;
    bool moves; /* a terminal that can redraw a line */
    bool unicode;
    int width; /* columns; 0: unlimited */
};

/* Of standard output or standard error. */
struct screen screen_of(FILE *out);

/* Text from anywhere: control characters become "?". */
void put_text(const struct screen *screen, const char *text);
void put_bytes(const struct screen *screen, const char *text, size_t size);
/* What follows is in this colour; TONE_PLAIN ends it. */
void put_tone(const struct screen *screen, enum tone tone);
/* The same in a colour, padded to `width` columns (0: not padded). */
void put_toned(const struct screen *screen, enum tone tone, int width,
               const char *text);
/* A heading on a line of its own, after an empty line. */
void put_heading(const struct screen *screen, const char *title);
/* Text broken at blanks to the screen's width and indented from the second line
 * on; ends with a line feed. The caller has put the first line's indent. */
void put_wrapped(const struct screen *screen, int indent, const char *text);
/* One picture or its plain stand-in. */
const char *mark(const struct screen *screen, const char *picture,
                 const char *plain);

/* --- tables (libsmartcols) ---------------------------------------------- */

struct column {
    const char *title;
    bool right; /* numbers */
    bool wraps; /* free text: the one that takes what is left */
};
/* Ends with a NULL title.
 * Owns     print and free with table_done(). Errors: NULL, out of memory. */
struct libscols_table *table_new(const struct screen *screen,
                                 const struct column *columns);
/* `cells` has one text per column; NULL is empty. `tone` is for the row. */
void table_row(const struct screen *screen, struct libscols_table *table,
               enum tone tone, const char *const *cells);
void table_done(struct libscols_table *table);

/* --- numbers and times --------------------------------------------------- */

#define TEXT_SIZE 48
/* "1,234,567" */
const char *count_text(char text[static TEXT_SIZE], int64_t count);
/* "812 ms", "3.4 s", "2 min 5 s", "3 h 12 min", "2 d 4 h" */
const char *span_text(char text[static TEXT_SIZE], int64_t ms);
/* How long ago an RFC 3339 time was: "3 s ago", "in 2 min", "never" for NULL,
 * and what it was given when that is no time. */
const char *ago_text(char text[static TEXT_SIZE], const char *when,
                     int64_t now_seconds);
/* Milliseconds since 1970 of an RFC 3339 UTC time; -1 when it is none. */
int64_t time_of(const char *when);

/* --- reading documents --------------------------------------------------- */

/* A member that may be missing: "" and 0 stand for what is not there. */
const char *text_at(const json_t *object, const char *key);
int64_t count_at(const json_t *object, const char *key);
bool flag_at(const json_t *object, const char *key);

#endif
