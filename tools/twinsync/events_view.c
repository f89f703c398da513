#include "tools/twinsync/events_view.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/cleanup.h"
#include "tools/twinsync/values.h"

enum {
    TIME_WIDTH = 25,
    NAME_WIDTH = 25,
    HEAD_WIDTH = 2 + TIME_WIDTH + NAME_WIDTH + 1
};

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

/* "id=42 kind=delta"; of a list within, such as the exports, what is not zero,
 * and of what is deeper nothing: --json has all of it. */
static void put_fields(FILE *out, json_t *fields, bool outermost)
{
    const struct screen paper = { .out = out };
    const char *name;
    json_t *value;
    json_object_foreach(fields, name, value)
    {
        bool is_zero = json_is_integer(value) && json_integer_value(value) == 0;
        if (json_is_object(value) && outermost) {
            put_fields(out, value, false);
        } else if (!json_is_object(value) && (outermost || !is_zero)) {
            (void) fprintf(out, "%s%s=", ftell(out) > 0 ? " " : "", name);
            put_scalar(&paper, value);
        }
    }
}

/* What an event says, on one line; a text that is no object as it is.
 * Owns     free() it. Errors: NULL, out of memory. */
static char *plain_text(const json_t *item)
{
    const char *text = text_at(item, "text");
    const char *actor = text_at(item, "actor");
    json_t *fields = json_loads(text, 0, NULL);
    char *plain = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&plain, &size);
    if (out != NULL && json_is_object(fields)) {
        put_fields(out, fields, true);
    } else if (out != NULL) {
        (void) fputs(text, out);
    }
    if (out != NULL && actor[0] != 0 && strcmp(actor, "daemon") != 0) {
        (void) fprintf(out, "%sby %s", ftell(out) > 0 ? " " : "", actor);
    }
    if (out != NULL) {
        (void) fclose(out);
    }
    json_decref(fields);
    return plain;
}

/* As much of `text` as the width leaves, cut before a character. */
static size_t cut_size(const struct screen *screen, const char *text)
{
    size_t size = strlen(text);
    if (screen->width <= HEAD_WIDTH ||
        size <= (size_t) (screen->width - HEAD_WIDTH)) {
        return size;
    }
    size = (size_t) (screen->width - HEAD_WIDTH);
    while (size > 0 && ((unsigned char) text[size] & 0xc0) == 0x80) {
        size--;
    }
    return size;
}

void events_view(const struct screen *screen, const json_t *events, bool cut)
{
    size_t index;
    const json_t *item;
    json_array_foreach(events, index, item)
    {
        TS_AUTOFREE char *text = plain_text(item);
        const char *shown = text == NULL ? "" : text;
        (void) fputs("  ", screen->out);
        put_toned(screen, TONE_FAINT, TIME_WIDTH, text_at(item, "time"));
        put_toned(screen, tone_of(text_at(item, "event")), NAME_WIDTH,
                  text_at(item, "event"));
        (void) putc(' ', screen->out);
        put_bytes(screen, shown, cut ? cut_size(screen, shown) : strlen(shown));
        (void) putc('\n', screen->out);
    }
}
