#include "tools/twinsync/bar.h"

#include <string.h>

#define DRAW_MS      100
#define RATE_FROM_MS 500 /* before that a rate says nothing */

void bar_put(const struct screen *screen, int64_t done, int64_t total,
             int width)
{
    char shown[TEXT_SIZE], all[TEXT_SIZE];
    if (total <= 0) {
        (void) fputs(done > 0 ? count_text(shown, done) : "", screen->out);
        return;
    }
    int64_t capped = done > total ? total : done;
    int full = (int) ((double) capped / (double) total * width);
    for (int i = 0; i < width; i++) {
        (void) fputs(i < full ? mark(screen, "█", "#") : mark(screen, "░", "."),
                     screen->out);
    }
    (void) fprintf(screen->out, " %s of %s", count_text(shown, done),
                   count_text(all, total));
}

const char *bar_rate_text(char text[static 2 * TEXT_SIZE], int64_t done,
                          int64_t total, int64_t elapsed_ms)
{
    text[0] = 0;
    if (done <= 0 || elapsed_ms < RATE_FROM_MS) {
        return text;
    }
    char rate[TEXT_SIZE], left[TEXT_SIZE];
    double per_ms = (double) done / (double) elapsed_ms;
    int64_t per_second = (int64_t) (per_ms * 1000 + 0.5);
    (void) snprintf(text, (size_t) 2 * TEXT_SIZE, "  %s/s",
                    count_text(rate, per_second));
    if (total > done) {
        int64_t left_ms = (int64_t) ((double) (total - done) / per_ms);
        (void) span_text(left, left_ms < 1000 ? 1000 : left_ms / 1000 * 1000);
        size_t used = strlen(text);
        (void) snprintf(text + used, (size_t) 2 * TEXT_SIZE - used, "  %s left",
                        left);
    }
    return text;
}

void bar_init(struct bar *bar)
{
    *bar = (struct bar){ .screen = screen_of(stderr) };
}

static void wipe(const struct bar *bar)
{
    (void) fputs("\r\033[K", bar->screen.out);
}

void bar_update(struct bar *bar, const char *phase, int64_t done, int64_t total,
                struct ts_time now)
{
    if (!bar->screen.moves) {
        return;
    }
    bool new_phase = strncmp(bar->phase, phase, sizeof bar->phase - 1) != 0;
    if (new_phase) {
        (void) snprintf(bar->phase, sizeof bar->phase, "%s", phase);
        bar->began = now;
        bar->first = done;
    } else if (now.ms - bar->drawn.ms < DRAW_MS) {
        return;
    }
    bar->drawn = now;
    bar->shown = true;
    wipe(bar);
    put_toned(&bar->screen, TONE_BUSY, 13, phase);
    int width = bar->screen.width - 60;
    bar_put(&bar->screen, done, total, width < 8 ? 8 : width > 40 ? 40 : width);
    char rate[2 * TEXT_SIZE];
    if (bar->screen.width >= 68) {
        (void) fputs(bar_rate_text(rate, done - bar->first, total - bar->first,
                                   now.ms - bar->began.ms),
                     bar->screen.out);
    }
    (void) fflush(bar->screen.out);
}

void bar_done(struct bar *bar)
{
    if (bar->shown) {
        wipe(bar);
        (void) fflush(bar->screen.out);
    }
    bar->shown = false;
}
