/*
 * rules -- SQL expressions that turn a source entry into target values.
 *
 * A rule (struct config_rule) has a `when` (is the object in scope?) and flows
 * (target path = expression). All expressions of a rule are compiled into one
 * statement on a private in-memory SQLite connection that knows nothing but the
 * entry at hand: what a bare name means, which functions exist and what results
 * become is the semantics table in node/rules/README.md.
 *
 *   config_rule --rules_compile--> rules --rules_evaluate(entry)--> result
 *
 * Invariants:
 *   R1  an expression sees the input entry, its anchor, DN and run_date();
 *       no table, clock, random number, file or other entry.
 *   R2  an error in `when` is never a scope exit: scope is RULES_UNDECIDED.
 *   R3  an error in one flow names that flow and harms no other.
 *   R4  every evaluation ends: steps, time in functions and sizes are bounded.
 *   R5  a problem's text never shows a value of the entry.
 *   R6  an entry that its source says is never synchronized (TS_ENTRY_NEVER) is
 *       out of scope, and no expression is asked.
 *
 * A `struct rules` belongs to one thread. Nothing is stored anywhere.
 */
#ifndef NODE_RULES_RULES_H
#define NODE_RULES_RULES_H

#include "node/base/entry.h"
#include "node/base/hash.h"
#include "node/config/config.h"

/* What the source's schema says of an attribute. */
enum rules_syntax {
    RULES_SYNTAX_TEXT,
    RULES_SYNTAX_INTEGER,
    RULES_SYNTAX_BOOLEAN,
    RULES_SYNTAX_BINARY
};

struct rules_source_attribute {
    const char *name;
    enum rules_syntax syntax;
    bool case_ignore; /* equality rule of the attribute, for has() */
};

/* What the target says of a path. */
struct rules_target_attribute {
    enum ts_kind kind; /* TEXT, INTEGER, BOOLEAN or JSON (complex) */
    bool multi_valued;
};

/* How rules learn about the two sides. `source` lists every attribute the
 * source's schema knows (not only those in use); `describe_target` answers
 * TS_E_NOT_FOUND for a path that the target cannot have. */
struct rules_world {
    const struct rules_source_attribute *source;
    size_t source_count;
    enum ts_code (*describe_target)(void *context, enum config_kind kind,
                                    const char *path,
                                    struct rules_target_attribute *ret,
                                    struct ts_err *err);
    void *context;
};

struct rules;

/* Compile every expression of `rules` (borrowed until _free).
 * Errors   TS_E_CONFIG: the sentence names rule, path, and what is wrong (an
 *          unknown name comes with the nearest known one). */
TS_MUSTUSE enum ts_code rules_compile(const struct config_rule *rules,
                                      size_t count,
                                      const struct rules_world *world,
                                      struct rules **ret_rules,
                                      struct ts_err *err);
void rules_free(struct rules *rules);

/* The source attributes that the rules of source `source_name` read, reference
 * attributes included, sorted, without the anchor, spelled as in the schema,
 * options in lower case. An input entry must spell them exactly so, whatever
 * the server answers: attributes are found by their bytes. The list lives as
 * long as `rules`; empty for a source without rules. */
size_t rules_attributes_read(const struct rules *rules, const char *source_name,
                             const char *const **ret_names);
/* True when a rule uses run_date(): re-evaluate everything as the day turns. */
bool rules_depend_on_date(const struct rules *rules);
/* True when a rule uses ou_under(): inputs need ancestors, and an object is to
 * be evaluated again when an ancestor changes. */
bool rules_depend_on_ancestors(const struct rules *rules);
/* True when a rule reads `dn`: inputs need it, and an object is to be evaluated
 * again when an ancestor changes. */
bool rules_depend_on_dn(const struct rules *rules);
/* Over everything that decides a result: expressions, kinds, precedence, and
 * what the two schemas say of the names used. */
struct ts_hash rules_fingerprint(const struct rules *rules);

struct rules_input {
    const char *source_name;
    struct ts_slice anchor;
    struct ts_slice dn; /* data == NULL: not known, reading it is an error */
    const struct ts_entry *entry; /* normalised, without reference attributes */
    const char *run_date;         /* "YYYY-MM-DD", UTC */
    /* Anchors of the entries above this one, for ou_under(). Only `complete`
     * (up to the source's base) may prove that something is *not* above. */
    const struct ts_slice *ancestors;
    size_t ancestor_count;
    bool ancestors_complete;
};

enum rules_scope {
    RULES_IN,       /* `rule` says how */
    RULES_OUT,      /* no rule's `when` is true */
    RULES_UNDECIDED /* a `when` failed: leave the object as it is */
};

struct rules_problem {
    const char *path; /* target path, or "when" */
    const char *text; /* one sentence */
};

struct rules_result {
    enum rules_scope scope;
    size_t rule;            /* index into the array given to _compile; OUT:
                               the rule that false_term is of */
    struct ts_entry values; /* flows; NULL results are absent; normalised. Of
                               several values one each: a JSON array is taken
                               apart, kind JSON has one document a value. */
    struct ts_entry once;   /* the same for `once:` */
    const char *false_term; /* RULES_OUT: the first AND-term of `when` that is
                               not true, as written, of the rule that has the
                               most true terms before it (the last of such);
                               NULL when no rule names the source; of R6,
                               why, in `arena` */
    const struct rules_problem *problems;
    size_t problem_count; /* flows that failed: their last good value stays */
};

/* Evaluate the rules of `input->source_name` in order: the first whose `when`
 * is true decides. Results live in `arena`; names of attributes and
 * `false_term` live as long as `rules`.
 * Errors   TS_E_LIMIT, TS_E_NOMEM only; a failing expression is a problem in
 *          the result. */
TS_MUSTUSE enum ts_code rules_evaluate(struct rules *rules,
                                       const struct rules_input *input,
                                       struct ts_arena *arena,
                                       struct rules_result *ret_result,
                                       struct ts_err *err);

#endif
