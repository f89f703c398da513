/*
 * entry -- the one shape in which attributes travel through the product.
 *
 * A source decodes an LDAP entry into it, the rules turn one entry into
 * another (source attributes in, target attributes out), the metaverse keeps
 * it packed (proto/entry_codec.h), a target renders it as JSON or LDAP. Who
 * holds an entry borrows it: all memory belongs to the arena it was built in.
 *
 * Values are bytes in a canonical text form told by `kind`:
 *
 *   TEXT     valid UTF-8 without NUL             BLOB     any bytes
 *   INTEGER  decimal, "-"? digits, int64 range   BOOLEAN  "true" or "false"
 *   JSON     one compact JSON document (a rule's array or object)
 *   CLEAR    no values: authoritatively empty (the rules' clear())
 *   KEEP     no values: leave what the target has (the rules' keep())
 *
 * Invariants of a normalised entry (ts_entry_normalise):
 *   E1  attributes are in byte order of their names, no name twice.
 *   E2  within an attribute, values are in byte order, none twice: LDAP's sets
 *       have no order, so two readings of one entry are byte-equal.
 */
#ifndef NODE_BASE_ENTRY_H
#define NODE_BASE_ENTRY_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/slice.h"

#define TS_ENTRY_ATTRIBUTES_MAX 4096
#define TS_ENTRY_SIZE_MAX       ((size_t) 64 * 1024 * 1024)

enum ts_kind {
    TS_KIND_TEXT,
    TS_KIND_BLOB,
    TS_KIND_INTEGER,
    TS_KIND_BOOLEAN,
    TS_KIND_JSON,
    TS_KIND_CLEAR,
    TS_KIND_KEEP,
    TS_KINDS
};

/* A source's entry with an attribute of this name is never in scope, whatever
 * the rules say; its value says why. No directory has a name with a space. */
#define TS_ENTRY_NEVER "never synchronized"

struct ts_attribute {
    struct ts_slice name; /* a source's attribute or a target's path */
    enum ts_kind kind;
    size_t value_count;
    struct ts_slice *values;
};

struct ts_entry {
    size_t count;
    struct ts_attribute *attributes;
};

/* The attribute called `name`, compared byte for byte, or NULL.
 * Needs E1 (binary search). */
const struct ts_attribute *ts_entry_find(const struct ts_entry *entry,
                                         struct ts_slice name);

/* Bring `entry` into the normal form above, in place; attributes of one name
 * collapse into the first one (decoders refuse that before it comes here).
 * Cannot fail: it only moves and drops. */
void ts_entry_normalise(struct ts_entry *entry);

/* Names, kinds and values equal. Both must be normalised. */
bool ts_entry_equal(const struct ts_entry *a, const struct ts_entry *b);
bool ts_attribute_equal(const struct ts_attribute *a,
                        const struct ts_attribute *b);

/* TEXT if `value` is valid UTF-8 without NUL, else BLOB. */
enum ts_kind ts_kind_of_bytes(struct ts_slice value);

#endif
