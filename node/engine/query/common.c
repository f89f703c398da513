#include "node/engine/query/common.h"

#include <stdio.h>

#include "node/base/hash.h"
#include "node/base/time.h"
#include "proto/entry_codec.h"

json_t *query_text(struct ts_slice text)
{
    json_t *value = text.size == 0
                        ? json_string("")
                        : json_stringn((const char *) text.data, text.size);
    return value != NULL ? value : json_string("?");
}

json_t *query_time(int64_t seconds)
{
    char text[TS_WALL_TEXT_SIZE];
    if (seconds <= 0) {
        return json_null();
    }
    ts_wall_text_of(seconds, text);
    return text[0] == 0 ? json_null() : json_string(text);
}

const char *query_kind(int kind)
{
    return kind == CONFIG_KIND_GROUP ? "group" : "user";
}

/* ---- values
 * ------------------------------------------------------------------------- */

static json_t *value_of_bytes(struct ts_slice bytes)
{
    char hash[TS_HASH_TEXT_SIZE];
    ts_hash_text(ts_hash_of(bytes), hash);
    return json_sprintf("(%zu bytes, sha256 %.16s)", bytes.size, hash);
}

/* The longest beginning that ends between two characters. */
static json_t *value_cut(struct ts_slice text)
{
    size_t size = QUERY_TEXT_MAX;
    while (size > 0 && (text.data[size] & 0xC0) == 0x80) {
        size--;
    }
    return json_sprintf("%.*s…", (int) size, (const char *) text.data);
}

static json_t *value_of(const struct ts_attribute *attribute, size_t index)
{
    struct ts_slice value = attribute->values[index];
    json_t *text = NULL;
    if (attribute->kind != TS_KIND_BLOB) {
        text = value.size > QUERY_TEXT_MAX
                   ? value_cut(value)
                   : json_stringn((const char *) value.data, value.size);
    }
    return text != NULL ? text : value_of_bytes(value);
}

json_t *query_values(const struct ts_attribute *attribute)
{
    json_t *list = json_array();
    for (size_t i = 0; attribute != NULL && i < attribute->value_count; i++) {
        if (i == QUERY_VALUES_MAX) {
            (void) json_array_append_new(
                list,
                json_sprintf("… and %zu more", attribute->value_count - i));
            break;
        }
        (void) json_array_append_new(list, value_of(attribute, i));
    }
    return list;
}

json_t *query_one(struct ts_slice text)
{
    return json_pack("[o]", query_text(text));
}

/* ---- names
 * -------------------------------------------------------------------------- */

struct ts_slice query_name(int kind, const struct ts_entry *values,
                           struct ts_slice otherwise)
{
    static const char *const paths[] = { "userName", "displayName" };
    for (size_t i = kind == CONFIG_KIND_GROUP ? 1 : 0; i < 2; i++) {
        const struct ts_attribute *name =
            ts_entry_find(values, ts_slice_str(paths[i]));
        if (name != NULL && name->value_count > 0 &&
            name->kind != TS_KIND_BLOB) {
            return name->values[0];
        }
    }
    return otherwise;
}

struct ts_slice query_packed_name(int kind, struct ts_slice packed,
                                  struct ts_slice otherwise,
                                  struct ts_arena *arena)
{
    struct ts_entry values;
    struct ts_err ignored;
    if (packed.size == 0 ||
        entry_unpack(packed, arena, &values, &ignored) != TS_OK) {
        return otherwise;
    }
    return query_name(kind, &values, otherwise);
}

/* ---- sizes
 * -------------------------------------------------------------------------- */

size_t query_weight(const json_t *document)
{
    size_t weight = 8 + json_string_length(document);
    const char *key;
    size_t index;
    const json_t *item;
    json_array_foreach(document, index, item)
    {
        weight += query_weight(item);
    }
    json_object_foreach((json_t *) (uintptr_t) document, key, item)
    {
        weight += strlen(key) + query_weight(item);
    }
    return weight;
}
