#include <stdio.h>
#include <string.h>

#include "node/rules/compiled.h"

/* One object under one rule. */
struct run {
    struct rules *rules;
    const struct rules_compiled *item;
    struct ts_arena *arena;
    struct rules_result *result;
    struct ts_err *err;
    struct rules_problem *problems;
    struct ts_slice *slots; /* by flow: room for a single value */
};

static enum ts_code no_room(struct ts_err *err)
{
    return ts_fail(err, TS_E_LIMIT, 0,
                   "could not keep the values of an evaluated object: its "
                   "arena is full");
}

/* ---- statements -------------------------------------------------------- */

enum step {
    STEP_ROW,
    STEP_DONE,
    STEP_FAILED,
    STEP_NO_MEMORY
};

static enum step step(struct rules *rules, sqlite3_stmt *statement)
{
    rules_budget_begin(&rules->sandbox.budget);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        return STEP_ROW;
    }
    if (rc == SQLITE_DONE) {
        return STEP_DONE;
    }
    return (rc & 0xff) == SQLITE_NOMEM ? STEP_NO_MEMORY : STEP_FAILED;
}

/* Why the statement that was just stepped failed. */
static const char *step_error(const struct rules *rules)
{
    const struct rules_sandbox *sandbox = &rules->sandbox;
    if (sandbox->budget.spent != NULL) {
        return sandbox->budget.spent;
    }
    if (sqlite3_errcode(sandbox->db) == SQLITE_TOOBIG) {
        return "it makes or reads a value over 2 MiB";
    }
    /* The one message of SQLite that quotes what may be an entry's value. */
    const char *text = sqlite3_errmsg(sandbox->db);
    return strstr(text, "JSON path") != NULL ? "a JSON path is malformed"
                                             : text;
}

static enum ts_code add_problem(struct run *run, const char *path,
                                const char *why)
{
    size_t most = run->item->flow_count + run->item->once_count + 1;
    if (run->problems == NULL) {
        run->problems = ts_arena_array(run->arena, most, sizeof *run->problems);
    }
    char text[400];
    int size = snprintf(text, sizeof text,
                        "could not evaluate \"%.100s\" of rule %zu: %s", path,
                        (size_t) (run->item - run->rules->items) + 1, why);
    size_t kept = (size_t) size < sizeof text ? (size_t) size : sizeof text - 1;
    struct ts_slice copy = ts_arena_copy(run->arena, ts_slice(text, kept));
    if (run->problems == NULL || copy.data == NULL) {
        return no_room(run->err);
    }
    run->problems[run->result->problem_count++] =
        (struct rules_problem){ .path = path,
                                .text = (const char *) copy.data };
    run->result->problems = run->problems;
    return TS_OK;
}

/* ---- values ------------------------------------------------------------ */

static bool make_entries(struct run *run)
{
    size_t flows = run->item->flow_count;
    size_t once = run->item->once_count;
    struct ts_attribute *attributes =
        ts_arena_take(run->arena, (flows + once) * sizeof *attributes);
    run->slots = ts_arena_take(run->arena, (flows + once) * sizeof *run->slots);
    if (attributes == NULL || run->slots == NULL) {
        return false;
    }
    run->result->values = (struct ts_entry){ .attributes = attributes };
    run->result->once = (struct ts_entry){ .attributes = attributes + flows };
    return true;
}

/* Column `index` of `row` as the value of flow `number`. Flows are in byte
 * order of their paths, so the entries come out normalised. */
static enum ts_code take_cell(struct run *run, sqlite3_stmt *row, int index,
                              size_t number)
{
    struct rules_cell cell = {
        .sandbox = &run->rules->sandbox,
        .arena = run->arena,
        .row = row,
        .index = index,
        .flow = &run->item->flows[number],
        .slot = &run->slots[number],
    };
    struct ts_entry *entry = number < run->item->flow_count
                                 ? &run->result->values
                                 : &run->result->once;
    switch (rules_read_cell(&cell, &entry->attributes[entry->count])) {
    case RULES_CELL_VALUES:
        entry->count++;
        return TS_OK;
    case RULES_CELL_NONE:
        return TS_OK;
    case RULES_CELL_PROBLEM:
        return add_problem(run, cell.flow->path, cell.why);
    case RULES_CELL_NO_ROOM:
        break;
    }
    return no_room(run->err);
}

static enum ts_code no_memory(struct ts_err *err)
{
    return ts_fail(err, TS_E_NOMEM, 0,
                   "could not evaluate an object: out of memory");
}

/* ---- a rule ------------------------------------------------------------ */

static enum ts_code run_flow_alone(struct run *run, size_t number)
{
    const struct rules_flow *flow = &run->item->flows[number];
    enum ts_code code = TS_OK;
    switch (step(run->rules, flow->alone)) {
    case STEP_ROW:
        code = take_cell(run, flow->alone, 0, number);
        break;
    case STEP_FAILED:
        code = add_problem(run, flow->path, step_error(run->rules));
        break;
    case STEP_NO_MEMORY:
        code = no_memory(run->err);
        break;
    case STEP_DONE: /* the row is always there */
        break;
    }
    (void) sqlite3_reset(flow->alone);
    return code;
}

static enum ts_code run_when_alone(struct run *run)
{
    sqlite3_stmt *when = run->item->when;
    enum ts_code code = TS_OK;
    if (when == NULL) {
        run->result->scope = RULES_IN;
        return TS_OK;
    }
    switch (step(run->rules, when)) {
    case STEP_ROW:
        run->result->scope = RULES_IN;
        break;
    case STEP_DONE:
        run->result->scope = RULES_OUT;
        break;
    case STEP_FAILED:
        run->result->scope = RULES_UNDECIDED;
        code = add_problem(run, "when", step_error(run->rules));
        break;
    case STEP_NO_MEMORY:
        code = no_memory(run->err);
        break;
    }
    (void) sqlite3_reset(when);
    return code;
}

/* The whole failed: find the culprits, and what the others give. */
static enum ts_code run_by_pieces(struct run *run)
{
    size_t count = run->item->flow_count + run->item->once_count;
    enum ts_code code = run_when_alone(run);
    if (code != TS_OK || run->result->scope != RULES_IN) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = run_flow_alone(run, i);
    }
    return code;
}

static enum ts_code take_row(struct run *run)
{
    size_t count = run->item->flow_count + run->item->once_count;
    run->result->scope = RULES_IN;
    for (size_t i = 0; i < count; i++) {
        /* Column 0 is there for rules without flows. */
        enum ts_code code = take_cell(run, run->item->all, (int) i + 1, i);
        if (code != TS_OK) {
            return code;
        }
    }
    return TS_OK;
}

static enum ts_code run_rule(struct run *run)
{
    sqlite3_stmt *all = run->item->all;
    enum ts_code code = TS_OK;
    enum step state = step(run->rules, all);
    if (state == STEP_DONE) {
        run->result->scope = RULES_OUT;
    } else if (state == STEP_NO_MEMORY) {
        code = no_memory(run->err);
    } else if (!make_entries(run)) {
        code = no_room(run->err);
    } else if (state == STEP_ROW) {
        code = take_row(run);
    }
    (void) sqlite3_reset(all);
    return state == STEP_FAILED && code == TS_OK ? run_by_pieces(run) : code;
}

/* The first term that is not true, and how many are true before it. One that
 * fails cannot be told apart from one that decided, so then the whole `when`
 * is named. */
static const char *find_false_term(struct rules *rules,
                                   const struct rules_compiled *item,
                                   size_t *ret_true)
{
    *ret_true = 0;
    for (size_t i = 0; i < item->term_count; i++) {
        enum step state = step(rules, item->terms[i].alone);
        (void) sqlite3_reset(item->terms[i].alone);
        if (state == STEP_DONE) {
            return item->terms[i].text;
        }
        if (state != STEP_ROW) {
            break;
        }
        ++*ret_true;
    }
    return item->rule->when;
}

static bool applies(const struct rules_compiled *item, const char *source)
{
    for (uint32_t i = 0; i < item->rule->sources_count; i++) {
        if (strcmp(item->rule->sources[i], source) == 0) {
            return true;
        }
    }
    return false;
}

/* Of all the rules that said no, the one that came closest explains it: for a
 * person without mail that is the rule of people, not that of groups. */
static void explain_out(struct rules *rules, const char *source,
                        struct rules_result *result)
{
    size_t most = 0;
    for (size_t i = 0; i < rules->count; i++) {
        size_t are_true = 0;
        if (!applies(&rules->items[i], source)) {
            continue;
        }
        const char *term = find_false_term(rules, &rules->items[i], &are_true);
        if (result->false_term == NULL || are_true >= most) {
            result->false_term = term;
            result->rule = i;
            most = are_true;
        }
    }
}

/* R6: the reason, for people; NULL: the rules decide. */
static const char *never_because(const struct rules_input *input,
                                 struct ts_arena *arena)
{
    const struct ts_attribute *never =
        ts_entry_find(input->entry, ts_slice_str(TS_ENTRY_NEVER));
    if (never == NULL || never->value_count == 0) {
        return NULL;
    }
    struct ts_slice text = ts_arena_copy(arena, never->values[0]);
    return text.data == NULL ? TS_ENTRY_NEVER : (const char *) text.data;
}

enum ts_code rules_evaluate(struct rules *rules,
                            const struct rules_input *input,
                            struct ts_arena *arena,
                            struct rules_result *ret_result, struct ts_err *err)
{
    struct rules_result result = { .scope = RULES_OUT };
    enum ts_code code = TS_OK;

    result.false_term = never_because(input, arena);
    if (result.false_term != NULL) {
        *ret_result = result;
        return TS_OK;
    }
    rules_view_set(&rules->sandbox.view, input);
    for (size_t i = 0; i < rules->count && code == TS_OK; i++) {
        const struct rules_compiled *item = &rules->items[i];
        if (!applies(item, input->source_name)) {
            continue;
        }
        struct run run = { .rules = rules,
                           .item = item,
                           .arena = arena,
                           .result = &result,
                           .err = err };
        code = run_rule(&run);
        result.rule = i;
        if (result.scope != RULES_OUT) {
            break;
        }
    }
    if (code == TS_OK && result.scope == RULES_OUT) {
        explain_out(rules, input->source_name, &result);
    }
    rules_view_set(&rules->sandbox.view, NULL);
    if (code == TS_OK) {
        *ret_result = result;
    }
    return code;
}
