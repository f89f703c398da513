#include "tools/twinsync/preview_csv.h"

#include <stdlib.h>
#include <string.h>

#include "tools/twinsync/csv.h"
#include "tools/twinsync/output.h"

#define SEPARATOR " | "

static const char *const head[] = { "kind", "name", "anchor", "verb", "match",
                                    "path", "old",  "new",    "text", NULL };

/* What differs from row to row of one object. */
struct change {
    const char *path, *old, *new, *text;
};

static void put_row(FILE *out, const json_t *object, const char *verb,
                    const struct change *change)
{
    const char *const cells[] = { text_at(object, "kind"),
                                  text_at(object, "name"),
                                  text_at(object, "anchor"),
                                  verb,
                                  text_at(object, "match"),
                                  change->path,
                                  change->old,
                                  change->new,
                                  change->text };
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        if (i > 0) {
            (void) putc(',', out);
        }
        csv_field(out, cells[i] == NULL ? "" : cells[i]);
    }
    csv_end_row(out);
}

/* The values of a list as one text. Owns: free; "" has to be freed as well.
 * Errors: NULL. */
static char *joined(const json_t *values)
{
    size_t size = 1;
    size_t index;
    const json_t *value;
    json_array_foreach(values, index, value)
    {
        size += json_string_length(value) + sizeof SEPARATOR;
    }
    char *text = malloc(size);
    char *at = text;
    json_array_foreach(values, index, value)
    {
        if (text == NULL) {
            return NULL;
        }
        if (index > 0) {
            memcpy(at, SEPARATOR, sizeof SEPARATOR - 1);
            at += sizeof SEPARATOR - 1;
        }
        size_t length = json_string_length(value);
        memcpy(at, json_string_value(value), length);
        at += length;
    }
    if (text != NULL) {
        *at = 0;
    }
    return text;
}

static void put_attributes(FILE *out, const json_t *object)
{
    size_t index;
    const json_t *item;
    json_array_foreach(json_object_get(object, "attributes"), index, item)
    {
        char *old = joined(json_object_get(item, "old"));
        char *new = joined(json_object_get(item, "new"));
        const struct change change = { .path = text_at(item, "path"),
                                       .old = old,
                                       .new = new };
        put_row(out, object, text_at(object, "verb"), &change);
        free(old);
        free(new);
    }
}

static void put_members(FILE *out, const json_t *object)
{
    const json_t *members = json_object_get(object, "members");
    size_t index;
    const json_t *anchor;
    struct change change = { .path = text_at(members, "path") };
    json_array_foreach(json_object_get(members, "add"), index, anchor)
    {
        change.new = json_string_value(anchor);
        put_row(out, object, text_at(object, "verb"), &change);
    }
    change.new = NULL;
    json_array_foreach(json_object_get(members, "remove"), index, anchor)
    {
        change.old = json_string_value(anchor);
        put_row(out, object, text_at(object, "verb"), &change);
    }
}

static void put_object(FILE *out, const json_t *object)
{
    const struct change none = { .path = NULL };
    if (json_array_size(json_object_get(object, "attributes")) == 0 &&
        !json_is_object(json_object_get(object, "members"))) {
        put_row(out, object, text_at(object, "verb"), &none);
    }
    put_attributes(out, object);
    put_members(out, object);
}

void preview_csv(FILE *out, const json_t *document)
{
    size_t index;
    const json_t *object;
    csv_head(out, head);
    json_array_foreach(json_object_get(document, "objects"), index, object)
    {
        put_object(out, object);
    }
    json_array_foreach(json_object_get(document, "conflicts"), index, object)
    {
        const struct change change = { .path = text_at(object, "path"),
                                       .text = text_at(object, "text") };
        put_row(out, object, "conflict", &change);
    }
    json_array_foreach(
        json_object_get(json_object_get(document, "untouched"), "objects"),
        index, object)
    {
        const struct change change = { .old = text_at(object, "target_id"),
                                       .text = text_at(object, "why") };
        put_row(out, object, "untouched", &change);
    }
}
