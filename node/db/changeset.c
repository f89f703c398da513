#include "node/db/changeset.h"

#include <sqlite3.h>

/* What is left to read; every step says whether it could be taken. */
struct reader {
    struct ts_slice left;
    size_t columns; /* of the table we are in; 0 before the first */
    bool expects;   /* a header wants a change behind it */
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

static bool take_value(struct reader *reader)
{
    uint8_t type = 0;
    uint64_t size = 0;
    if (!take_byte(reader, &type)) {
        return false;
    }
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

static bool take_records(struct reader *reader, size_t count)
{
    for (size_t i = 0; i < count * reader->columns; i++) {
        if (!take_value(reader)) {
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
        return take_records(reader, 1);
    case SQLITE_UPDATE:
        return take_records(reader, 2);
    default:
        return false;
    }
}

static bool take_header(struct reader *reader, const char **ret_name)
{
    uint64_t columns = 0;
    if (!take_varint(reader, &columns) || columns == 0 ||
        columns > CHANGESET_COLUMNS_MAX || !skip(reader, columns)) {
        return false;
    }
    reader->columns = (size_t) columns;
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
