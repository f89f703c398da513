#include "node/db/changeset.h"

#include <sqlite3.h>

/* What is left to read; every step says whether it could be taken. */
struct reader {
    struct ts_slice left;
    size_t columns;      /* of the table we are in; 0 before the first */
    const uint8_t *keys; /* by column: is it part of the key? */
    bool expects;        /* a header wants a change behind it */
};

static bool skip(struct reader *reader, uint64_t size)
{
    if (size > reader->left.size) {
        return false;
    }
    reader->left.data += size;
    reader->left.size -= (size_t) size;
    return true;
}

static bool take_byte(struct reader *reader, uint8_t *ret_byte)
{
    if (reader->left.size == 0) {
        return false;
    }
    *ret_byte = *reader->left.data;
    return skip(reader, 1);
}

/* SQLite's varint: seven bits a byte, the highest first. Lengths here fit into
 * 31 bits, so that five bytes are the most. */
static bool take_varint(struct reader *reader, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 5; i++) {
        uint8_t byte = 0;
        if (!take_byte(reader, &byte)) {
            return false;
        }
        value = value << 7 | (byte & 0x7f);
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return value <= INT32_MAX;
        }
    }
    return false;
}

/* *ret_given is false for "no value here". */
static bool take_value(struct reader *reader, bool *ret_given)
{
    uint8_t type = 0;
    uint64_t size = 0;
    if (!take_byte(reader, &type)) {
        return false;
    }
    *ret_given = type != 0;
    switch (type) {
    case 0:
    case SQLITE_NULL:
        return true;
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        return skip(reader, 8);
    case SQLITE_TEXT:
    case SQLITE_BLOB:
        return take_varint(reader, &size) && skip(reader, size);
    default:
        return false;
    }
}

/* An insert or a delete: every value is there. */
static bool take_row(struct reader *reader)
{
    bool given = true;
    for (size_t i = 0; i < reader->columns && given; i++) {
        if (!take_value(reader, &given)) {
            return false;
        }
    }
    return given;
}

/* The old values are those of the key and of what changed, the new ones only of
 * what changed. SQLite follows a null pointer where that does not hold. */
static bool take_update(struct reader *reader)
{
    bool old[CHANGESET_COLUMNS_MAX] = { false };
    for (size_t i = 0; i < reader->columns; i++) {
        if (!take_value(reader, &old[i]) || (reader->keys[i] && !old[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < reader->columns; i++) {
        bool given = false;
        if (!take_value(reader, &given) ||
            given != (old[i] && !reader->keys[i])) {
            return false;
        }
    }
    return true;
}

static bool take_change(struct reader *reader, uint8_t verb)
{
    uint8_t indirect = 0;
    if (reader->columns == 0 || !take_byte(reader, &indirect) || indirect > 1) {
        return false;
    }
    switch (verb) {
    case SQLITE_INSERT:
    case SQLITE_DELETE:
        return take_row(reader);
    case SQLITE_UPDATE:
        return take_update(reader);
    default:
        return false;
    }
}

static bool has_key(const struct reader *reader)
{
    size_t i = 0;
    while (i < reader->columns && reader->keys[i] == 0) {
        i++;
    }
    return i < reader->columns;
}

static bool take_header(struct reader *reader, const char **ret_name)
{
    uint64_t columns = 0;
    if (!take_varint(reader, &columns) || columns == 0 ||
        columns > CHANGESET_COLUMNS_MAX) {
        return false;
    }
    reader->columns = (size_t) columns;
    reader->keys = reader->left.data;
    if (!skip(reader, columns) || !has_key(reader)) {
        return false;
    }
    size_t most = reader->left.size < CHANGESET_NAME_MAX + 1
                      ? reader->left.size
                      : CHANGESET_NAME_MAX + 1;
    const uint8_t *end = most == 0 ? NULL : memchr(reader->left.data, 0, most);
    if (end == NULL) {
        return false;
    }
    *ret_name = (const char *) reader->left.data;
    return skip(reader, (uint64_t) (end - reader->left.data) + 1);
}

enum changeset_verdict changeset_walk(struct ts_slice bytes,
                                      changeset_table_fn *on_table,
                                      void *context, int64_t *ret_changes)
{
    struct reader reader = { .left = bytes };
    int64_t changes = 0;
    uint8_t verb = 0;
    while (take_byte(&reader, &verb)) {
        if (verb == 'T') {
            const char *name = NULL;
            if (reader.expects || !take_header(&reader, &name)) {
                return CHANGESET_BROKEN;
            }
            if (!on_table(context, name)) {
                return CHANGESET_REFUSED;
            }
            reader.expects = true;
        } else if (take_change(&reader, verb)) {
            changes++;
            reader.expects = false;
        } else {
            return CHANGESET_BROKEN;
        }
    }
    *ret_changes = changes;
    return reader.expects ? CHANGESET_BROKEN : CHANGESET_GOOD;
}
