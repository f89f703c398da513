/*
 * input -- the entry at hand, as one row of a virtual table.
 *
 * `entry` has a column for every name that the rules use. A column is read
 * from the entry when an expression asks for it, without copying. What a bare
 * name means:
 *
 *   absent, cleared        NULL
 *   one value              INTEGER by schema (integer, boolean), BLOB by schema
 *                          (binary), else TEXT; BLOB when not UTF-8 or with NUL
 *   several values         an error that suggests first(x)
 *
 * Invariant: the type of a column follows from the schema, never from how many
 * values this entry happens to have.
 */
#ifndef NODE_RULES_INPUT_H
#define NODE_RULES_INPUT_H

#include <sqlite3.h>

#include "node/base/arena.h"
#include "node/rules/names.h"

#define RULES_INPUT_TABLE "entry"
/* A table needs a column; this one cannot be read. */
#define RULES_INPUT_NOTHING "(nothing)"

struct rules_sandbox;

/* The current entry, seen through the columns. */
struct rules_view {
    struct rules_column *const *columns; /* in byte order of names */
    size_t column_count;
    const struct ts_attribute **attributes; /* by column; NULL: absent */
    const struct rules_input *input;        /* NULL: no entry at hand */
};

/* Make `input` the current entry; NULL for none. Borrowed until the next. */
void rules_view_set(struct rules_view *view, const struct rules_input *input);
/* How many values a column has, and the i-th in byte order. */
size_t rules_view_count(const struct rules_view *view, size_t column);
struct ts_slice rules_view_value(const struct rules_view *view, size_t column,
                                 size_t i);

/* Is it the DN, and that is not known? */
bool rules_view_is_unknown(const struct rules_view *view, size_t column);
#define RULES_DN_UNKNOWN                                                  \
    "dn could not be put together: not every entry above this object is " \
    "known; let the source's filter include them"

/* Answer `value` of `column` as an SQL value of the schema's type. */
void rules_view_result(const struct rules_view *view, sqlite3_context *context,
                       size_t column, struct ts_slice value);

/* Register the virtual table. */
TS_MUSTUSE int rules_input_register(struct rules_sandbox *sandbox);

/* "TRUE" or "FALSE" in any case; false in the result: neither. */
bool rules_parse_boolean(struct ts_slice text, bool *ret_value);
/* Decimal within int64; false in the result: not that. */
bool rules_parse_integer(struct ts_slice text, int64_t *ret_value);

#endif
