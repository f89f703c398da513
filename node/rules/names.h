/*
 * names -- which attributes of the source the expressions can mean.
 *
 * A source's schema knows thousands of names; the input row has a column only
 * for those that occur in an expression, as a bare or quoted name or as the
 * argument of vals(), has(), n() or first(). A name that occurs as something
 * else (an alias, a function) costs an unread column, nothing more: what is
 * really read is learned from SQLite itself (sandbox.h).
 *
 * Names compare without regard to ASCII case; options (";lang-de") belong to
 * the name and inherit the syntax of what they qualify; ";binary" makes it
 * binary. `anchor` and `dn` name the object itself and win over attributes of
 * these names.
 *
 *   add every expression's tokens --> seal --> columns with an index
 */
#ifndef NODE_RULES_NAMES_H
#define NODE_RULES_NAMES_H

#include "node/base/arena.h"
#include "node/rules/rules.h"
#include "node/rules/token.h"

/* SQLite's limit for a table is 2,000. */
#define RULES_COLUMNS_MAX 1900

enum rules_column_kind {
    RULES_COLUMN_ATTRIBUTE,
    RULES_COLUMN_ANCHOR,
    RULES_COLUMN_DN
};

struct rules_column {
    const char *name;      /* spelled as in the schema, options in lower case */
    struct ts_slice bytes; /* the same */
    enum rules_column_kind kind;
    enum rules_syntax syntax;
    bool case_ignore;
    size_t index; /* after _seal: position in byte order of names */
};

struct rules_names {
    struct ts_arena *arena;
    const struct rules_source_attribute **known; /* sorted, no regard to case */
    size_t known_count;
    struct rules_column **columns;
    size_t column_count;
};

/* Copies nothing of `world`, which must stay until compiling is over.
 * Errors   TS_E_LIMIT. */
TS_MUSTUSE enum ts_code rules_names_init(struct rules_names *names,
                                         const struct rules_world *world,
                                         struct ts_arena *arena,
                                         struct ts_err *err);

/* The column of `name`, made when the schema knows it; NULL in *ret_column when
 * it does not.
 * Errors   TS_E_CONFIG (too many columns), TS_E_LIMIT. */
TS_MUSTUSE enum ts_code rules_names_resolve(struct rules_names *names,
                                            const char *name,
                                            struct rules_column **ret_column,
                                            struct ts_err *err);

/* Make columns of all names in `tokens` and bind the arguments of vals(),
 * has(), n() and first().
 * Errors   TS_E_CONFIG: an argument that is no name, or an unknown one. */
TS_MUSTUSE enum ts_code rules_names_add(struct rules_names *names,
                                        struct rules_tokens *tokens,
                                        struct ts_err *err);

/* No more names: sort and number the columns. */
void rules_names_seal(struct rules_names *names);

/* Refuse `name`: "the source has no attribute \"x\", did you mean \"y\"". */
enum ts_code rules_names_refuse(const struct rules_names *names,
                                const char *name, struct ts_err *err);

#endif
