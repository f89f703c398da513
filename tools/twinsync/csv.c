#include "tools/twinsync/csv.h"

#include <string.h>

#include "tools/twinsync/output.h"

void csv_field(FILE *out, const char *text)
{
    struct screen screen = { .out = out };
    (void) putc('"', out);
    if (text[0] != 0 && strchr("=+-@\t\r", text[0]) != NULL) {
        (void) putc('\'', out);
    }
    while (*text != 0) {
        size_t size = strcspn(text, "\"");
        put_bytes(&screen, text, size);
        text += size;
        if (*text == '"') {
            (void) fputs("\"\"", out);
            text++;
        }
    }
    (void) putc('"', out);
}

void csv_end_row(FILE *out)
{
    (void) fputs("\r\n", out);
}

void csv_head(FILE *out, const char *const *keys)
{
    for (size_t i = 0; keys[i] != NULL; i++) {
        (void) fprintf(out, "%s%s", i == 0 ? "" : ",", keys[i]);
    }
    csv_end_row(out);
}

static void put_member(FILE *out, const json_t *value)
{
    char digits[24];
    if (json_is_integer(value)) {
        (void) snprintf(digits, sizeof digits, "%lld",
                        (long long) json_integer_value(value));
        csv_field(out, digits);
        return;
    }
    const char *text = json_string_value(value);
    csv_field(out, text == NULL ? "" : text);
}

void csv_rows(FILE *out, const char *const *keys, const json_t *objects)
{
    size_t index;
    const json_t *object;
    json_array_foreach(objects, index, object)
    {
        for (size_t i = 0; keys[i] != NULL; i++) {
            (void) fputs(i == 0 ? "" : ",", out);
            put_member(out, json_object_get(object, keys[i]));
        }
        csv_end_row(out);
    }
}
