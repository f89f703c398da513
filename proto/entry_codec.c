#include "proto/entry_codec.h"

#include <assert.h>
#include <limits.h>
#include <stdalign.h>
#include <stdlib.h>
#include <unistr.h>

#include "proto/entry.pb-c.h"
#include "proto/packing.h"

/* ---- what both directions check ----------------------------------------- */

static bool name_is_text(struct ts_slice name)
{
    return name.size > 0 && ts_kind_of_bytes(name) == TS_KIND_TEXT;
}

static bool is_integer(struct ts_slice text)
{
    size_t sign = text.size > 0 && text.data[0] == '-';
    size_t digits = text.size - sign;
    if (digits == 0 || digits > 19) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = sign; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t) (text.data[i] - '0');
    }
    return value <= (uint64_t) INT64_MAX + sign;
}

/* One spelling for each value: entry.h's table. JSON is checked where it is
 * parsed. */
static bool is_of_kind(enum ts_kind kind, struct ts_slice value)
{
    switch (kind) {
    case TS_KIND_TEXT:
        return ts_kind_of_bytes(value) == TS_KIND_TEXT;
    case TS_KIND_INTEGER:
        return is_integer(value);
    case TS_KIND_BOOLEAN:
        return ts_slice_equal(value, ts_slice_str("true")) ||
               ts_slice_equal(value, ts_slice_str("false"));
    case TS_KIND_BLOB:
    case TS_KIND_JSON:
        return true;
    case TS_KIND_CLEAR:
    case TS_KIND_KEEP:
    case TS_KINDS:
        break;
    }
    return false;
}

/* ---- packing ------------------------------------------------------------ */

/* protobuf-c wants its own structs and NUL-terminated names for the time of one
 * call. They stay out of the caller's arena, which is sized for what it keeps;
 * an ordinary entry fits on the stack. */
struct scratch {
    alignas(max_align_t) uint8_t room[8192];
    uint8_t *heap, *next;
};

static uint8_t *scratch_open(struct scratch *scratch, size_t size)
{
    scratch->heap = size > sizeof scratch->room ? malloc(size) : NULL;
    scratch->next = size > sizeof scratch->room ? scratch->heap : scratch->room;
    return scratch->next;
}

static void scratch_close(struct scratch *scratch)
{
    free(scratch->heap);
}

static void *scratch_take(struct scratch *scratch, size_t size)
{
    uint8_t *piece = scratch->next;
    scratch->next += size;
    return piece;
}

/* E1 and E2 are the caller's part: an entry out of order would get other bytes
 * than its equal, and so another hash. */
static void assert_normalised(const struct ts_entry *entry)
{
    for (size_t i = 0; i < entry->count; i++) {
        const struct ts_attribute *a = &entry->attributes[i];
        assert(a->kind < TS_KINDS);
        assert(i == 0 || ts_slice_compare(a[-1].name, a->name) < 0);
        for (size_t v = 1; v < a->value_count; v++) {
            assert(ts_slice_compare(a->values[v - 1], a->values[v]) < 0);
        }
    }
}

/* Refused here is what could not be unpacked again. */
static enum ts_code check_attribute(const struct ts_attribute *attribute,
                                    struct ts_err *err)
{
    struct ts_slice name = attribute->name;
    if (!name_is_text(name)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot pack an entry: an attribute's name is empty or "
                       "not UTF-8 text");
    }
    for (size_t i = 0; i < attribute->value_count; i++) {
        if (!is_of_kind(attribute->kind, attribute->values[i])) {
            return ts_fail(err, TS_E_PROTOCOL, 0,
                           "cannot pack an entry: value %zu of attribute "
                           "\"%.*s\" is not of its kind %u",
                           i, (int) (name.size < 60 ? name.size : 60),
                           (const char *) name.data, attribute->kind);
        }
    }
    return TS_OK;
}

/* What the structs and names for `entry` take. */
static enum ts_code measure(const struct ts_entry *entry, size_t *ret_size,
                            struct ts_err *err)
{
    size_t size = 0, content = 0;
    if (entry->count > TS_ENTRY_ATTRIBUTES_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot pack an entry of %zu attributes: the limit is "
                       "%d",
                       entry->count, TS_ENTRY_ATTRIBUTES_MAX);
    }
    for (size_t i = 0; i < entry->count; i++) {
        const struct ts_attribute *a = &entry->attributes[i];
        size += sizeof(Twinsync__V1__Attribute) + sizeof(void *) +
                a->value_count * sizeof(ProtobufCBinaryData) + a->name.size + 1;
        content += a->name.size;
        for (size_t v = 0; v < a->value_count; v++) {
            content += a->values[v].size;
        }
        if (content > TS_ENTRY_SIZE_MAX) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "cannot pack an entry of more than %zu bytes",
                           TS_ENTRY_SIZE_MAX);
        }
        enum ts_code code = check_attribute(a, err);
        if (code != TS_OK) {
            return code;
        }
    }
    *ret_size = size;
    return TS_OK;
}

/* Structs first, names last, so that every piece is aligned. Values are
 * borrowed: protobuf-c only reads them. */
static void fill(Twinsync__V1__Entry *message, const struct ts_entry *entry,
                 struct scratch *scratch)
{
    message->n_attributes = entry->count;
    message->attributes = scratch_take(scratch, entry->count * sizeof(void *));
    for (size_t i = 0; i < entry->count; i++) {
        const struct ts_attribute *from = &entry->attributes[i];
        Twinsync__V1__Attribute *to = scratch_take(scratch, sizeof *to);
        twinsync__v1__attribute__init(to);
        to->kind = from->kind;
        to->n_values = from->value_count;
        to->values =
            scratch_take(scratch, from->value_count * sizeof *to->values);
        for (size_t v = 0; v < from->value_count; v++) {
            to->values[v] =
                packing_bytes(from->values[v].data, from->values[v].size);
        }
        message->attributes[i] = to;
    }
    for (size_t i = 0; i < entry->count; i++) {
        struct ts_slice name = entry->attributes[i].name;
        char *text = scratch_take(scratch, name.size + 1);
        memcpy(text, name.data, name.size);
        text[name.size] = '\0';
        message->attributes[i]->name = text;
    }
}

enum ts_code entry_pack(const struct ts_entry *entry, struct ts_arena *arena,
                        struct ts_slice *ret_bytes, struct ts_err *err)
{
    assert_normalised(entry);
    size_t size = 0;
    enum ts_code code = measure(entry, &size, err);
    if (code != TS_OK) {
        return code;
    }
    struct scratch scratch;
    if (scratch_open(&scratch, size) == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not pack an entry");
    }

    Twinsync__V1__Entry message = TWINSYNC__V1__ENTRY__INIT;
    fill(&message, entry, &scratch);
    size = twinsync__v1__entry__get_packed_size(&message);
    uint8_t *bytes =
        size <= TS_ENTRY_SIZE_MAX ? ts_arena_take(arena, size) : NULL;
    if (bytes == NULL) {
        code = ts_fail(err, TS_E_LIMIT, 0,
                       "could not pack an entry: its %zu bytes pass the limit",
                       size);
    } else {
        (void) twinsync__v1__entry__pack(&message, bytes);
        *ret_bytes = ts_slice(bytes, size);
    }
    scratch_close(&scratch);
    return code;
}

/* ---- unpacking ---------------------------------------------------------- */

static enum ts_code unpack_values(const Twinsync__V1__Attribute *from,
                                  struct ts_attribute *to, struct ts_err *err)
{
    for (size_t i = 0; i < from->n_values; i++) {
        struct ts_slice value =
            ts_slice(from->values[i].data, from->values[i].len);
        if (!is_of_kind(to->kind, value)) {
            return ts_fail(err, TS_E_CORRUPT, 0,
                           "cannot unpack an entry: value %zu of attribute "
                           "\"%.60s\" is not of its kind %u",
                           i, from->name, from->kind);
        }
        if (i > 0 && ts_slice_compare(to->values[i - 1], value) >= 0) {
            return ts_fail(err, TS_E_CORRUPT, 0,
                           "cannot unpack an entry: the values of attribute "
                           "\"%.60s\" are not in order",
                           from->name);
        }
        to->values[i] = value;
    }
    return TS_OK;
}

static enum ts_code unpack_attribute(const Twinsync__V1__Attribute *from,
                                     struct ts_attribute *to,
                                     struct ts_err *err)
{
    to->name = ts_slice_str(from->name);
    to->value_count = from->n_values;
    if (!name_is_text(to->name)) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot unpack an entry: an attribute's name is empty "
                       "or not UTF-8 text");
    }
    if (from->kind >= TS_KINDS) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot unpack an entry: attribute \"%.60s\" has the "
                       "unknown kind %u",
                       from->name, from->kind);
    }
    to->kind = (enum ts_kind) from->kind;
    return unpack_values(from, to, err);
}

/* Turn protobuf-c's structs into ours; names and values stay where protobuf-c
 * has put them, in the same arena. */
static enum ts_code convert(const Twinsync__V1__Entry *message,
                            struct ts_arena *arena, struct ts_entry *ret_entry,
                            struct ts_err *err)
{
    size_t count = message->n_attributes, values = 0;
    if (count > TS_ENTRY_ATTRIBUTES_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot unpack an entry of %zu attributes: the limit "
                       "is %d",
                       count, TS_ENTRY_ATTRIBUTES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        values += message->attributes[i]->n_values;
    }
    struct ts_attribute *attributes =
        ts_arena_array(arena, count, sizeof *attributes);
    struct ts_slice *slices = ts_arena_take(arena, values * sizeof *slices);
    if (attributes == NULL || slices == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not unpack an entry: no room for %zu values",
                       values);
    }

    for (size_t i = 0; i < count; i++) {
        attributes[i].values = slices;
        slices += message->attributes[i]->n_values;
        enum ts_code code =
            unpack_attribute(message->attributes[i], &attributes[i], err);
        if (code != TS_OK) {
            return code;
        }
        if (i > 0 &&
            ts_slice_compare(attributes[i - 1].name, attributes[i].name) >= 0) {
            return ts_fail(err, TS_E_CORRUPT, 0,
                           "cannot unpack an entry: attribute \"%.60s\" is "
                           "not in order",
                           message->attributes[i]->name);
        }
    }
    *ret_entry = (struct ts_entry){ count, attributes };
    return TS_OK;
}

enum ts_code entry_unpack(struct ts_slice bytes, struct ts_arena *arena,
                          struct ts_entry *ret_entry, struct ts_err *err)
{
    if (bytes.size > TS_ENTRY_SIZE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot unpack an entry of %zu bytes: the limit is %zu",
                       bytes.size, TS_ENTRY_SIZE_MAX);
    }
    struct packing packing;
    packing_init(&packing, arena);
    const Twinsync__V1__Entry *message =
        twinsync__v1__entry__unpack(&packing.allocator, bytes.size, bytes.data);
    if (message == NULL && packing.is_full) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not unpack an entry of %zu bytes: it needs more "
                       "memory than it may have",
                       bytes.size);
    }
    if (message == NULL) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot unpack an entry: its %zu bytes are not the "
                       "message twinsync.v1.Entry",
                       bytes.size);
    }
    return convert(message, arena, ret_entry, err);
}
