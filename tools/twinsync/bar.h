/*
 * bar -- how far a piece of work is.
 *
 *   import       ████████████░░░░░░░░  61,234 of 100,000   11,873/s  3 s left
 *
 * bar_put draws the bar alone, for a view; struct bar follows one running
 * command on a line that is redrawn in place, and only on a terminal.
 */
#ifndef TOOLS_TWINSYNC_BAR_H
#define TOOLS_TWINSYNC_BAR_H

#include "node/base/time.h"
#include "tools/twinsync/output.h"

/* The bar and "done of total"; only "done" while the total is not known. */
void bar_put(const struct screen *screen, int64_t done, int64_t total,
             int width);

struct bar {
    struct screen screen;
    bool shown; /* a line is on the screen */
    char phase[48];
    struct ts_time began, drawn; /* of this phase; of the last line */
    int64_t first;               /* done when this phase began */
};

/* On standard error. Draws nothing where that is no terminal. */
void bar_init(struct bar *bar);
/* Draws at most every 100 ms, but each new phase. */
void bar_update(struct bar *bar, const char *phase, int64_t done, int64_t total,
                struct ts_time now);
/* Removes the line. */
void bar_done(struct bar *bar);

/* Items a second and time left, as the line shows them: "" while unknown. */
const char *bar_rate_text(char text[static 2 * TEXT_SIZE], int64_t done,
                          int64_t total, int64_t elapsed_ms);

#endif
