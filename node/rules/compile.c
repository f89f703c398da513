#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "node/base/nearest.h"
#include "node/rules/compiled.h"
#include "node/rules/functions.h"

/* How much of an expression a message shows. */
#define SHOWN_MAX 80

static const char *kind_name(enum config_kind kind)
{
    return kind == CONFIG_KIND_USER ? "user" : "group";
}

/* ---- sentences --------------------------------------------------------- */

/* Say it in the words of rules, not of SQLite. Keeps what it does not know. */
static void translate(const struct rules_names *names, struct ts_err *err)
{
    char text[sizeof err->text];
    struct ts_nearest nearest;
    memcpy(text, err->text, sizeof text);
    char *tail = strchr(text, ':');
    char *word = tail == NULL ? text : tail + 2;

    if (strncmp(text, "no such column: ", 16) == 0) {
        (void) rules_names_refuse(names, word, err);
    } else if (strncmp(text, "no such function: ", 18) == 0) {
        ts_nearest_init(&nearest, word);
        for (size_t i = 0; rules_function_name(i) != NULL; i++) {
            ts_nearest_offer(&nearest, rules_function_name(i));
        }
        (void) ts_fail(err, TS_E_CONFIG, 0,
                       "there is no function %.60s(): %s%s%s", word,
                       nearest.best == NULL ? "see the list of functions"
                                            : "did you mean ",
                       nearest.best == NULL ? "" : nearest.best,
                       nearest.best == NULL ? "" : "()");
    } else if (strncmp(text, "not authorized to use function: ", 32) == 0) {
        (void) ts_fail(err, TS_E_CONFIG, 0,
                       "%.60s() is not allowed in rules: the same entry must "
                       "always give the same values, in bounded time",
                       word);
    } else if (strncmp(text, "misuse of aggregate", 19) == 0 ||
               strncmp(text, "misuse of window", 16) == 0) {
        (void) ts_fail(err, TS_E_CONFIG, 0,
                       "an aggregate works over many rows and there is one "
                       "entry: use it in (SELECT ... FROM "
                       "json_each(vals('x')))");
    } else if (strncmp(text, "access to ", 10) == 0 ||
               strncmp(text, "no such table", 13) == 0 ||
               strcmp(text, "not authorized") == 0) {
        (void) ts_fail(err, TS_E_CONFIG, 0,
                       "it reads what rules cannot see: there are the "
                       "entry's attributes, json_each() and json_tree()");
    }
}

/* "rule 1 (user), flow "x", line 7: cannot compile "...": <why>" */
static enum ts_code refuse(const struct config_rule *rule, size_t number,
                           const struct config_flow *flow, struct ts_err *err)
{
    const char *text = flow == NULL ? rule->when : flow->expression;
    const char *dots = strlen(text) > SHOWN_MAX ? "..." : "";
    if (flow == NULL) {
        ts_err_wrap(err, "rule %zu (%s), when: cannot compile \"%.*s%s\"",
                    number + 1, kind_name(rule->kind), SHOWN_MAX, text, dots);
    } else if (flow->line > 0) {
        ts_err_wrap(err,
                    "rule %zu (%s), line %u, %.100s: cannot compile "
                    "\"%.*s%s\"",
                    number + 1, kind_name(rule->kind), flow->line, flow->path,
                    SHOWN_MAX, text, dots);
    } else {
        ts_err_wrap(err, "rule %zu (%s), %.100s: cannot compile \"%.*s%s\"",
                    number + 1, kind_name(rule->kind), flow->path, SHOWN_MAX,
                    text, dots);
    }
    return err->code;
}

/* ---- first pass: tokens, names, target paths --------------------------- */

static int by_path(const void *a, const void *b)
{
    const struct config_flow *const *x = a;
    const struct config_flow *const *y = b;
    return strcmp((*x)->path, (*y)->path);
}

/* What a pass over the rules carries along. */
struct pass {
    struct rules *rules;
    const struct rules_world *world;
    struct ts_err *err; /* never NULL */
};

static enum ts_code read_flow(struct pass *pass, const struct config_rule *rule,
                              const struct config_flow *from,
                              struct rules_flow *flow)
{
    struct rules *rules = pass->rules;
    *flow = (struct rules_flow){ .from = from, .path = from->path };
    flow->path_bytes = ts_slice_str(from->path);
    enum ts_code code = pass->world->describe_target(
        pass->world->context, rule->kind, from->path, &flow->target, pass->err);
    if (code == TS_OK) {
        code = rules_tokenize(from->expression, &rules->arena, &flow->tokens,
                              pass->err);
    }
    if (code == TS_OK) {
        code = rules_names_add(&rules->names, &flow->tokens, pass->err);
    }
    if (code == TS_E_NOT_FOUND) {
        code = pass->err->code = TS_E_CONFIG;
    }
    return code;
}

/* A list of flows in byte order of their paths. */
static enum ts_code read_flows(struct pass *pass, struct rules_compiled *item,
                               const struct config_flow *list, size_t count,
                               struct rules_flow *flows)
{
    const struct config_flow **sorted =
        ts_arena_array(&pass->rules->arena, count, sizeof(void *));
    if (sorted == NULL) {
        return ts_fail(pass->err, TS_E_LIMIT, 0, "no room for the flows");
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &list[i];
    }
    qsort(sorted, count, sizeof(void *), by_path);
    size_t number = (size_t) (item - pass->rules->items);
    for (size_t i = 0; i < count; i++) {
        enum ts_code code = read_flow(pass, item->rule, sorted[i], &flows[i]);
        if (code == TS_OK && i > 0 &&
            strcmp(sorted[i - 1]->path, sorted[i]->path) == 0) {
            code = ts_fail(pass->err, TS_E_CONFIG, 0,
                           "the path has a flow already: remove one");
        }
        if (code != TS_OK) {
            return refuse(item->rule, number, sorted[i], pass->err);
        }
    }
    return TS_OK;
}

/* A path cannot be both kept in step and set at creation only. */
static enum ts_code check_overlap(struct pass *pass,
                                  const struct rules_compiled *item)
{
    const struct rules_flow *once = item->flows + item->flow_count;
    for (size_t i = 0; i < item->once_count; i++) {
        for (size_t j = 0; j < item->flow_count; j++) {
            if (strcmp(once[i].path, item->flows[j].path) == 0) {
                (void) ts_fail(pass->err, TS_E_CONFIG, 0,
                               "the path is under flow and under once: remove "
                               "one");
                return refuse(item->rule, (size_t) (item - pass->rules->items),
                              once[i].from, pass->err);
            }
        }
    }
    return TS_OK;
}

static enum ts_code read_references(struct pass *pass,
                                    const struct rules_compiled *item)
{
    const struct config_rule *rule = item->rule;
    for (uint32_t i = 0; i < rule->references_count; i++) {
        const struct config_reference *reference = &rule->references[i];
        for (uint32_t j = 0; j < reference->attributes_count; j++) {
            const char *name = reference->attributes[j];
            struct rules_column *column;
            enum ts_code code = rules_names_resolve(&pass->rules->names, name,
                                                    &column, pass->err);
            if (code == TS_OK &&
                (column == NULL || column->kind != RULES_COLUMN_ATTRIBUTE)) {
                code = rules_names_refuse(&pass->rules->names, name, pass->err);
            }
            if (code != TS_OK) {
                ts_err_wrap(pass->err, "rule %zu (%s), reference %.100s",
                            (size_t) (item - pass->rules->items) + 1,
                            kind_name(rule->kind), reference->path);
                return code;
            }
        }
    }
    return TS_OK;
}

static enum ts_code read_rule(struct pass *pass, struct rules_compiled *item)
{
    struct rules *rules = pass->rules;
    const struct config_rule *rule = item->rule;
    size_t number = (size_t) (item - rules->items);
    item->flow_count = rule->flow_count;
    item->once_count = rule->once_count;
    item->flows =
        ts_arena_array(&rules->arena, item->flow_count + item->once_count,
                       sizeof *item->flows);
    if (item->flows == NULL ||
        item->flow_count + item->once_count > RULES_FLOWS_MAX) {
        return ts_fail(pass->err, TS_E_CONFIG, 0,
                       "rule %zu (%s) has more than %d flows: split it",
                       number + 1, kind_name(rule->kind), RULES_FLOWS_MAX);
    }
    if (rule->when != NULL) {
        enum ts_code code = rules_tokenize(rule->when, &rules->arena,
                                           &item->when_tokens, pass->err);
        if (code == TS_OK) {
            code =
                rules_names_add(&rules->names, &item->when_tokens, pass->err);
        }
        if (code != TS_OK) {
            return refuse(rule, number, NULL, pass->err);
        }
    }
    enum ts_code code =
        read_flows(pass, item, rule->flow, item->flow_count, item->flows);
    if (code == TS_OK) {
        code = read_flows(pass, item, rule->once, item->once_count,
                          item->flows + item->flow_count);
    }
    if (code == TS_OK) {
        code = check_overlap(pass, item);
    }
    return code == TS_OK ? read_references(pass, item) : code;
}

/* ---- second pass: statements ------------------------------------------- */

/* Compile `head` `sql` `tail`, with the sentence in the words of rules. */
static enum ts_code prepare(struct pass *pass, const char *format,
                            const char *sql, sqlite3_stmt **ret_statement)
{
    struct ts_err *err = pass->err;
    char *text = sqlite3_mprintf(format, sql);
    enum ts_code code =
        text == NULL ? ts_fail(err, TS_E_NOMEM, 0, "no memory to compile it")
                     : rules_sandbox_prepare(&pass->rules->sandbox, text,
                                             ret_statement, err);
    sqlite3_free(text);
    if (code == TS_E_CONFIG) {
        translate(&pass->rules->names, err);
    }
    return code;
}

#define TEST_FORMAT \
    "SELECT 1 FROM " RULES_INPUT_TABLE " WHERE CASE WHEN (%s) THEN 1 END"
#define VALUE_FORMAT "SELECT (%s) FROM " RULES_INPUT_TABLE

static enum ts_code compile_flow(struct pass *pass, struct rules_flow *flow)
{
    flow->sql = rules_rewrite(&flow->tokens, &pass->rules->arena);
    if (flow->sql == NULL) {
        return ts_fail(pass->err, TS_E_LIMIT, 0, "no room for the expression");
    }
    /* In a WHERE first: see compiled.h on aggregates. */
    sqlite3_stmt *trial = NULL;
    enum ts_code code = prepare(pass, TEST_FORMAT, flow->sql, &trial);
    (void) sqlite3_finalize(trial);
    return code == TS_OK ? prepare(pass, VALUE_FORMAT, flow->sql, &flow->alone)
                         : code;
}

static enum ts_code compile_terms(struct pass *pass,
                                  struct rules_compiled *item)
{
    struct ts_arena *arena = &pass->rules->arena;
    struct rules_tokens *ranges;
    item->term_count = rules_split_terms(&item->when_tokens, arena, &ranges);
    item->terms = ts_arena_array(arena, item->term_count, sizeof *item->terms);
    if (item->term_count == 0 || item->terms == NULL) {
        return ts_fail(pass->err, TS_E_LIMIT, 0, "no room for its terms");
    }
    for (size_t i = 0; i < item->term_count; i++) {
        const struct rules_token *first = ranges[i].items;
        const struct rules_token *last = first + ranges[i].count - 1;
        size_t size = ranges[i].count == 0
                          ? 0
                          : (size_t) (last->text.data + last->text.size -
                                      first->text.data);
        const char *sql = rules_rewrite(&ranges[i], arena);
        item->terms[i].text = (const char *) ts_arena_copy(
                                  arena, ts_slice(first->text.data, size))
                                  .data;
        if (sql == NULL || item->terms[i].text == NULL) {
            return ts_fail(pass->err, TS_E_LIMIT, 0, "no room for its terms");
        }
        enum ts_code code =
            prepare(pass, TEST_FORMAT, sql, &item->terms[i].alone);
        if (code != TS_OK) {
            return code;
        }
    }
    return TS_OK;
}

static enum ts_code compile_when(struct pass *pass, struct rules_compiled *item)
{
    if (item->rule->when == NULL) {
        return TS_OK;
    }
    item->when_sql = rules_rewrite(&item->when_tokens, &pass->rules->arena);
    if (item->when_sql == NULL) {
        return ts_fail(pass->err, TS_E_LIMIT, 0, "no room for the expression");
    }
    enum ts_code code = prepare(pass, TEST_FORMAT, item->when_sql, &item->when);
    return code == TS_OK ? compile_terms(pass, item) : code;
}

/* All flows in one statement. */
static enum ts_code compile_all(struct pass *pass, struct rules_compiled *item)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_str_appendall(sql, "SELECT 1");
    for (size_t i = 0; i < item->flow_count + item->once_count; i++) {
        sqlite3_str_appendf(sql, ",(%s)", item->flows[i].sql);
    }
    sqlite3_str_appendall(sql, " FROM " RULES_INPUT_TABLE);
    if (item->when_sql != NULL) {
        sqlite3_str_appendf(sql, " WHERE CASE WHEN (%s) THEN 1 END",
                            item->when_sql);
    }
    int size = sqlite3_str_length(sql);
    char *text = sqlite3_str_finish(sql);
    enum ts_code code;
    if (text == NULL) {
        code = ts_fail(pass->err, TS_E_NOMEM, 0, "no memory to compile it");
    } else if ((size_t) size > RULES_EXPRESSION_SIZE_MAX) {
        code = ts_fail(pass->err, TS_E_CONFIG, 0,
                       "its expressions together are longer than %zu bytes: "
                       "shorten them",
                       RULES_EXPRESSION_SIZE_MAX);
    } else {
        code = rules_sandbox_prepare(&pass->rules->sandbox, text, &item->all,
                                     pass->err);
    }
    sqlite3_free(text);
    if (code != TS_OK) {
        ts_err_wrap(pass->err, "rule %zu (%s): cannot compile it as a whole",
                    (size_t) (item - pass->rules->items) + 1,
                    kind_name(item->rule->kind));
    }
    return code;
}

/* What vals('x') and its like name; bare names are seen by the authorizer. */
static void note_bound(struct rules *rules, const struct rules_tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++) {
        if (tokens->items[i].column != NULL) {
            rules->sandbox.reads.columns[tokens->items[i].column->index] = true;
        }
    }
}

static enum ts_code compile_rule(struct pass *pass, struct rules_compiled *item)
{
    struct rules *rules = pass->rules;
    size_t number = (size_t) (item - rules->items);
    size_t columns = rules->names.column_count;
    item->reads = ts_arena_array(&rules->arena, columns, sizeof(bool));
    if (item->reads == NULL) {
        return ts_fail(pass->err, TS_E_LIMIT, 0, "no room for the columns");
    }
    memset(rules->sandbox.reads.columns, 0, columns * sizeof(bool));
    note_bound(rules, &item->when_tokens);
    enum ts_code code = compile_when(pass, item);
    if (code != TS_OK) {
        return refuse(item->rule, number, NULL, pass->err);
    }
    for (size_t i = 0; i < item->flow_count + item->once_count; i++) {
        note_bound(rules, &item->flows[i].tokens);
        code = compile_flow(pass, &item->flows[i]);
        if (code != TS_OK) {
            return refuse(item->rule, number, item->flows[i].from, pass->err);
        }
    }
    code = compile_all(pass, item);
    if (columns > 0) {
        memcpy(item->reads, rules->sandbox.reads.columns,
               columns * sizeof(bool));
    }
    return code;
}

/* ---- public ------------------------------------------------------------ */

static enum ts_code compile(struct pass *pass, const struct config_rule *list)
{
    struct rules *rules = pass->rules;
    enum ts_code code =
        rules_names_init(&rules->names, pass->world, &rules->arena, pass->err);
    for (size_t i = 0; code == TS_OK && i < rules->count; i++) {
        rules->items[i].rule = &list[i];
        code = read_rule(pass, &rules->items[i]);
    }
    if (code != TS_OK) {
        return code;
    }
    rules_names_seal(&rules->names);
    code =
        rules_sandbox_init(&rules->sandbox, rules->names.columns,
                           rules->names.column_count, &rules->arena, pass->err);
    for (size_t i = 0; code == TS_OK && i < rules->count; i++) {
        code = compile_rule(pass, &rules->items[i]);
    }
    if (code == TS_OK) {
        code = rules_list_attributes(rules, pass->err);
    }
    if (code == TS_OK) {
        rules->fingerprint = rules_compute_fingerprint(rules);
    }
    return code;
}

enum ts_code rules_compile(const struct config_rule *rules, size_t count,
                           const struct rules_world *world,
                           struct rules **ret_rules, struct ts_err *err)
{
    if (count > RULES_MAX) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot compile more than %d rules: merge some",
                       RULES_MAX);
    }
    struct rules *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "no memory to compile the rules");
    }
    ts_arena_init(&made->arena, RULES_COMPILED_SIZE_MAX);
    made->items = ts_arena_array(&made->arena, count, sizeof *made->items);
    made->count = made->items == NULL ? 0 : count;
    struct ts_err unwanted;
    struct pass pass = { .rules = made,
                         .world = world,
                         .err = err == NULL ? &unwanted : err };
    enum ts_code code =
        made->items == NULL
            ? ts_fail(err, TS_E_NOMEM, 0, "no memory to compile the rules")
            : compile(&pass, rules);
    if (code != TS_OK) {
        rules_free(made);
        return code;
    }
    *ret_rules = made;
    return TS_OK;
}

static void finalize(struct rules_compiled *item)
{
    for (size_t i = 0; i < item->flow_count + item->once_count; i++) {
        if (item->flows != NULL) {
            (void) sqlite3_finalize(item->flows[i].alone);
        }
    }
    for (size_t i = 0; i < item->term_count; i++) {
        if (item->terms != NULL) {
            (void) sqlite3_finalize(item->terms[i].alone);
        }
    }
    (void) sqlite3_finalize(item->when);
    (void) sqlite3_finalize(item->all);
}

void rules_free(struct rules *rules)
{
    if (rules == NULL) {
        return;
    }
    for (size_t i = 0; i < rules->count; i++) {
        finalize(&rules->items[i]);
    }
    rules_sandbox_done(&rules->sandbox);
    ts_arena_done(&rules->arena);
    free(rules);
}

bool rules_depend_on_date(const struct rules *rules)
{
    return rules->sandbox.reads.run_date;
}

bool rules_depend_on_ancestors(const struct rules *rules)
{
    return rules->sandbox.reads.ancestors;
}

bool rules_depend_on_dn(const struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        for (size_t c = 0; c < rules->names.column_count; c++) {
            if (rules->names.columns[c]->kind == RULES_COLUMN_DN &&
                rules->items[i].reads[c]) {
                return true;
            }
        }
    }
    return false;
}

struct ts_hash rules_fingerprint(const struct rules *rules)
{
    return rules->fingerprint;
}
