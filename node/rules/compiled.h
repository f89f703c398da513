/*
 * compiled -- what compile.c makes and evaluate.c runs.
 *
 * A rule is one statement that computes every flow of an object in scope:
 *
 *   SELECT (flow), (flow), ... FROM entry WHERE CASE WHEN (when) THEN 1 END
 *
 * and, for when that fails, the same pieces one by one. CASE keeps SQLite from
 * taking `when` apart: its terms run from left to right and stop at the first
 * that is not true, so a term may rely on those before it.
 *
 * Every expression was first compiled inside a WHERE, where SQLite refuses
 * aggregates of the row itself: `SELECT count(*) FROM entry WHERE 0` gives a
 * row, and would bring every object into scope.
 */
#ifndef NODE_RULES_COMPILED_H
#define NODE_RULES_COMPILED_H

#include "node/rules/sandbox.h"

#define RULES_MAX       256
#define RULES_FLOWS_MAX 1000
/* All that compiling keeps. */
#define RULES_COMPILED_SIZE_MAX ((size_t) 512 * 1024 * 1024)

struct rules_flow {
    const struct config_flow *from;
    const char *path;
    struct ts_slice path_bytes;
    struct rules_target_attribute target;
    struct rules_tokens tokens;
    const char *sql;     /* the expression, rewritten for SQLite */
    sqlite3_stmt *alone; /* SELECT (expression) FROM entry */
};

/* An AND-term of `when`. */
struct rules_term {
    const char *text; /* as written */
    sqlite3_stmt *alone;
};

struct rules_compiled {
    const struct config_rule *rule;
    size_t flow_count; /* flows, in byte order of their paths, ... */
    size_t once_count; /* ... then once, likewise */
    struct rules_flow *flows;
    struct rules_tokens when_tokens;
    const char *when_sql;
    sqlite3_stmt *all;
    sqlite3_stmt *when; /* a row when true */
    struct rules_term *terms;
    size_t term_count;
    bool *reads; /* by column */
};

/* What one source is asked for. */
struct rules_source {
    const char *name;
    const char **attributes;
    size_t attribute_count;
};

struct rules {
    struct ts_arena arena;
    struct rules_sandbox sandbox;
    struct rules_names names;
    struct rules_compiled *items;
    size_t count;
    struct rules_source *sources;
    size_t source_count;
    struct ts_hash fingerprint;
};

/* rewrite.c: an expression with every vals('x') as vals(INDEX), comments gone.
 * Errors   NULL: no room. */
const char *rules_rewrite(const struct rules_tokens *tokens,
                          struct ts_arena *arena);
/* rewrite.c: where the top-level AND-terms of a `when` begin and end, as token
 * ranges. At least one; the whole when it is no conjunction.
 * Errors   0: no room. */
size_t rules_split_terms(const struct rules_tokens *tokens,
                         struct ts_arena *arena,
                         struct rules_tokens **ret_terms);

/* attributes.c: fill rules->sources from what was read and referenced.
 * Errors   TS_E_CONFIG: an unknown reference, or one used in an expression. */
TS_MUSTUSE enum ts_code rules_list_attributes(struct rules *rules,
                                              struct ts_err *err);
/* attributes.c: over everything that decides a result. */
struct ts_hash rules_compute_fingerprint(const struct rules *rules);

/* result.c: one column of a row as the values of its flow. */
enum rules_cell_state {
    RULES_CELL_VALUES,
    RULES_CELL_NONE,    /* NULL: this source has no value */
    RULES_CELL_PROBLEM, /* `why` says what, as a fragment of a sentence */
    RULES_CELL_NO_ROOM
};
struct rules_cell {
    const struct rules_sandbox *sandbox;
    struct ts_arena *arena;
    sqlite3_stmt *row;
    int index;
    const struct rules_flow *flow;
    struct ts_slice *slot; /* room for one value */
    const char *why;
};
enum rules_cell_state rules_read_cell(struct rules_cell *cell,
                                      struct ts_attribute *ret_attribute);

#endif
