/*
 * functions -- what expressions may call besides SQLite's own.
 *
 * One file per family; each registers its functions on a sandbox. A function
 * answers NULL for a NULL argument, raises "name() <why>" for an argument that
 * it cannot use, never shows a value in that sentence, and charges the budget
 * for work that is not proportional to one small value (sandbox.h, X3).
 *
 * None is registered as deterministic: SQLite would compute calls with constant
 * arguments at the start of a statement, also in branches that are not taken,
 * and an error there would hit every flow.
 */
#ifndef NODE_RULES_FUNCTIONS_H
#define NODE_RULES_FUNCTIONS_H

#include "node/rules/sandbox.h"

/* fold, trim, ltrim, rtrim, base64, instr, replace, like, glob */
TS_MUSTUSE int rules_functions_text_register(struct rules_sandbox *sandbox);
/* guid, sid, ad_time, rdn */
TS_MUSTUSE int
rules_functions_directory_register(struct rules_sandbox *sandbox);
/* vals, has, n, first, ou_under, run_date, clear, keep */
TS_MUSTUSE int rules_functions_entry_register(struct rules_sandbox *sandbox);
/* regexp_replace */
TS_MUSTUSE int rules_regexp_register(struct rules_sandbox *sandbox);
void rules_regexp_done(struct rules_sandbox *sandbox);

struct rules_function {
    const char *name;
    int arguments; /* -1: any number */
    void (*call)(sqlite3_context *context, int count, sqlite3_value **values);
};
TS_MUSTUSE int rules_functions_add(struct rules_sandbox *sandbox,
                                   const struct rules_function *functions,
                                   size_t count);

/* Names that may be called, ours and SQLite's; `index` from 0 until NULL. */
const char *rules_function_name(size_t index);
bool rules_function_is_allowed(const char *name);

/* A value's bytes as text or as they are; borrowed until the value changes. */
struct ts_slice rules_value_text(sqlite3_value *value);
struct ts_slice rules_value_bytes(sqlite3_value *value);
/* Is this a text? Raises "name() takes a text" when it is a BLOB. */
bool rules_value_is_text(sqlite3_context *context, const char *name,
                         sqlite3_value *value);

/* Base64 with padding, NUL-terminated. Owns: sqlite3_free.
 * Errors   NULL: out of memory or too large. */
char *rules_base64(struct ts_slice bytes, size_t *ret_size);

/* caseIgnoreMatch (RFC 4517 §4.2.11): Unicode case folding with NFKC, white
 * space at the ends dropped and runs of it taken as one space. Running out of
 * memory must not look like "differs": that could end an object's scope. */
enum rules_match {
    RULES_MATCH_NO,
    RULES_MATCH_YES,
    RULES_MATCH_NO_MEMORY
};
enum rules_match rules_match_ignoring_case(struct ts_slice a,
                                           struct ts_slice b);

#endif
