#include "tools/twinsync/events_view.h"

#include <string.h>

/* "-failed", "-refused" and the like are what an eye should find first. */
static enum tone tone_of(const char *event)
{
    static const char *const bad[] = { "fail", "refus", "died", "corrupt",
                                       "loop" };
    static const char *const warn[] = { "held", "quarantin", "pause",
                                        "retr", "stall",     "partial" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (strstr(event, bad[i]) != NULL) {
            return TONE_BAD;
        }
    }
    for (size_t i = 0; i < sizeof warn / sizeof *warn; i++) {
        if (strstr(event, warn[i]) != NULL) {
            return TONE_WARN;
        }
    }
    return TONE_BUSY;
}

void events_view(const struct screen *screen, const json_t *events, bool cut)
{
    const int head = 27 + 26;
    size_t index;
    const json_t *item;
    json_array_foreach(events, index, item)
    {
        const char *event = text_at(item, "event");
        const char *text = text_at(item, "text");
        size_t size = strlen(text);
        if (cut && screen->width > head &&
            size > (size_t) (screen->width - head)) {
            size = (size_t) (screen->width - head);
            while (size > 0 && ((unsigned char) text[size] & 0xc0) == 0x80) {
                size--;
            }
        }
        (void) fputs("  ", screen->out);
        put_toned(screen, TONE_FAINT, 25, text_at(item, "time"));
        put_toned(screen, tone_of(event), 25, event);
        (void) putc(' ', screen->out);
        put_bytes(screen, text, size);
        (void) putc('\n', screen->out);
    }
}
