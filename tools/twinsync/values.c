#include "tools/twinsync/values.h"

#include <stdlib.h>
#include <string.h>

#define VALUES_MAX     4
#define VALUE_SIZE_MAX 120

/* Cut before a character, never within one. */
static size_t shown_size(const char *text)
{
    size_t size = strlen(text);
    if (size <= VALUE_SIZE_MAX) {
        return size;
    }
    size = VALUE_SIZE_MAX;
    while (size > 0 && ((unsigned char) text[size] & 0xc0) == 0x80) {
        size--;
    }
    return size;
}

static void put_cut(const struct screen *screen, const char *text)
{
    size_t size = shown_size(text);
    put_bytes(screen, text, size);
    if (text[size] != 0) {
        (void) fprintf(screen->out, "%s (%zu bytes)", mark(screen, "…", "..."),
                       strlen(text));
    }
}

void put_values(const struct screen *screen, enum tone tone,
                const json_t *values)
{
    size_t count = json_array_size(values);
    if (count == 0) {
        put_toned(screen, TONE_FAINT, 0, "(none)");
        return;
    }
    put_tone(screen, tone);
    for (size_t i = 0; i < count && i < VALUES_MAX; i++) {
        const char *text = json_string_value(json_array_get(values, i));
        (void) fputs(i == 0 ? "" : " | ", screen->out);
        put_cut(screen, text == NULL ? "?" : text);
    }
    put_tone(screen, TONE_PLAIN);
    if (count > VALUES_MAX) {
        (void) fprintf(screen->out, " and %zu more", count - VALUES_MAX);
    }
}

void put_scalar(const struct screen *screen, const json_t *value)
{
    if (json_is_string(value)) {
        put_cut(screen, json_string_value(value));
    } else if (json_is_integer(value)) {
        (void) fprintf(screen->out, "%lld",
                       (long long) json_integer_value(value));
    } else if (json_is_boolean(value)) {
        (void) fputs(json_is_true(value) ? "yes" : "no", screen->out);
    } else if (json_is_object(value) || json_is_array(value)) {
        char *text = json_dumps(value, JSON_COMPACT);
        put_cut(screen, text == NULL ? "?" : text);
        free(text);
    } else {
        put_toned(screen, TONE_FAINT, 0, "-");
    }
}
