#include "node/base/entry.h"

#include <stdlib.h>
#include <unistr.h>

static int by_name(const void *a, const void *b)
{
    const struct ts_attribute *x = a;
    const struct ts_attribute *y = b;
    return ts_slice_compare(x->name, y->name);
}

static int by_bytes(const void *a, const void *b)
{
    const struct ts_slice *x = a;
    const struct ts_slice *y = b;
    return ts_slice_compare(*x, *y);
}

const struct ts_attribute *ts_entry_find(const struct ts_entry *entry,
                                         struct ts_slice name)
{
    struct ts_attribute key = { .name = name };
    if (entry->count == 0) {
        return NULL;
    }
    return bsearch(&key, entry->attributes, entry->count, sizeof key, by_name);
}

static void normalise_values(struct ts_attribute *attribute)
{
    if (attribute->value_count < 2) {
        return;
    }
    qsort(attribute->values, attribute->value_count, sizeof *attribute->values,
          by_bytes);
    size_t kept = 1;
    for (size_t i = 1; i < attribute->value_count; i++) {
        if (!ts_slice_equal(attribute->values[i],
                            attribute->values[kept - 1])) {
            attribute->values[kept++] = attribute->values[i];
        }
    }
    attribute->value_count = kept;
}

void ts_entry_normalise(struct ts_entry *entry)
{
    if (entry->count > 1) {
        qsort(entry->attributes, entry->count, sizeof *entry->attributes,
              by_name);
    }
    size_t kept = 0;
    for (size_t i = 0; i < entry->count; i++) {
        struct ts_attribute *next = &entry->attributes[i];
        normalise_values(next);
        if (kept > 0 &&
            ts_slice_equal(entry->attributes[kept - 1].name, next->name)) {
            continue; /* a name twice: the first one rules */
        }
        entry->attributes[kept++] = *next;
    }
    entry->count = kept;
}

bool ts_attribute_equal(const struct ts_attribute *a,
                        const struct ts_attribute *b)
{
    if (a->kind != b->kind || a->value_count != b->value_count ||
        !ts_slice_equal(a->name, b->name)) {
        return false;
    }
    for (size_t i = 0; i < a->value_count; i++) {
        if (!ts_slice_equal(a->values[i], b->values[i])) {
            return false;
        }
    }
    return true;
}

bool ts_entry_equal(const struct ts_entry *a, const struct ts_entry *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!ts_attribute_equal(&a->attributes[i], &b->attributes[i])) {
            return false;
        }
    }
    return true;
}

enum ts_kind ts_kind_of_bytes(struct ts_slice value)
{
    if (value.size > 0 && (memchr(value.data, 0, value.size) != NULL ||
                           u8_check(value.data, value.size) != NULL)) {
        return TS_KIND_BLOB;
    }
    return TS_KIND_TEXT;
}
