/* Whatever the expressions and the entry: rules are refused with a sentence, or
 * evaluate in bounded time to normalised values; evaluating is repeatable, and
 * a flow gives the same beside others as by itself.
 *
 * Input: lines. 1: when; 2: flow of "one"; 3: flow of "many"; 4: flow of
 * "flag"; then NAME=VALUE, one attribute value each. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/rules/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FLOWS = 3,
    VALUES_MAX = 64
};

static const struct rules_source_attribute SCHEMA[] = {
    { "cn", RULES_SYNTAX_TEXT, true },
    { "expires", RULES_SYNTAX_INTEGER, false },
    { "guid", RULES_SYNTAX_BINARY, false },
    { "locked", RULES_SYNTAX_BOOLEAN, false },
    { "mail", RULES_SYNTAX_TEXT, true },
    { "secret", RULES_SYNTAX_TEXT, false },
    { "x-y", RULES_SYNTAX_TEXT, true },
};

static const char *const PATHS[FLOWS] = { "one", "many", "flag" };

static enum ts_code describe(void *context, enum config_kind kind,
                             const char *path,
                             struct rules_target_attribute *ret,
                             struct ts_err *err)
{
    (void) context;
    (void) kind;
    (void) err;
    *ret = (struct rules_target_attribute){
        .kind = strcmp(path, "flag") == 0 ? TS_KIND_BOOLEAN : TS_KIND_TEXT,
        .multi_valued = strcmp(path, "many") == 0
    };
    return TS_OK;
}

static const struct rules_world WORLD = {
    .source = SCHEMA,
    .source_count = sizeof SCHEMA / sizeof SCHEMA[0],
    .describe_target = describe,
};

/* Cut the next line off; NULL at the end. A NUL ends its text early. */
static char *next_line(struct ts_slice *rest, struct ts_arena *arena)
{
    if (rest->size == 0) {
        return NULL;
    }
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t) (end - rest->data);
    struct ts_slice line = ts_arena_copy(arena, ts_slice(rest->data, size));
    size_t used = end == NULL ? size : size + 1;
    *rest = ts_slice(rest->data + used, rest->size - used);
    return (char *) (uintptr_t) line.data;
}

/* One attribute a value first; normalising would drop the second of a name, so
 * values of one name are gathered here. */
static struct ts_entry read_entry(struct ts_slice rest, struct ts_arena *arena)
{
    struct ts_entry entry = { .attributes =
                                  ts_arena_array(arena, VALUES_MAX,
                                                 sizeof *entry.attributes) };
    for (size_t i = 0; i < VALUES_MAX && rest.size > 0; i++) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        size_t size = end == NULL ? rest.size : (size_t) (end - rest.data);
        const uint8_t *equals = memchr(rest.data, '=', size);
        struct ts_slice name = ts_slice(
            rest.data, equals == NULL ? size : (size_t) (equals - rest.data));
        struct ts_slice value =
            equals == NULL ? TS_SLICE_NONE
                           : ts_slice(equals + 1, size - name.size - 1);
        rest = ts_slice(rest.data + size + (end != NULL),
                        rest.size - size - (end != NULL));
        size_t at = 0;
        while (at < entry.count &&
               !ts_slice_equal(entry.attributes[at].name, name)) {
            at++;
        }
        struct ts_attribute *attribute = &entry.attributes[at];
        if (at == entry.count) {
            entry.count++;
            attribute->name = name;
            attribute->values = ts_arena_array(arena, VALUES_MAX, sizeof value);
        }
        attribute->values[attribute->value_count++] = value;
        if (ts_kind_of_bytes(value) == TS_KIND_BLOB) {
            attribute->kind = TS_KIND_BLOB;
        }
    }
    ts_entry_normalise(&entry);
    return entry;
}

static void check_entry(const struct ts_entry *entry, struct ts_arena *arena)
{
    struct ts_entry sorted = { .count = entry->count };
    sorted.attributes =
        ts_arena_array(arena, entry->count, sizeof *sorted.attributes);
    for (size_t i = 0; i < entry->count; i++) {
        const struct ts_attribute *attribute = &entry->attributes[i];
        sorted.attributes[i] = *attribute;
        bool empty =
            attribute->kind == TS_KIND_CLEAR || attribute->kind == TS_KIND_KEEP;
        assert(empty == (attribute->value_count == 0));
        for (size_t j = 0; j < attribute->value_count; j++) {
            struct ts_slice value = attribute->values[j];
            assert(value.size > 0);
            assert(ts_kind_of_bytes(value) == TS_KIND_TEXT);
            assert(attribute->kind != TS_KIND_BOOLEAN ||
                   ts_slice_equal(value, ts_slice_str("true")) ||
                   ts_slice_equal(value, ts_slice_str("false")));
        }
    }
    ts_entry_normalise(&sorted);
    assert(ts_entry_equal(&sorted, entry));
}

static void check_result(const struct rules_result *result,
                         const struct config_rule *rule, struct ts_arena *arena)
{
    check_entry(&result->values, arena);
    for (size_t i = 0; i < result->problem_count; i++) {
        assert(result->problems[i].path != NULL);
        assert(strncmp(result->problems[i].text, "could not evaluate ", 19) ==
               0);
    }
    if (result->scope == RULES_OUT) {
        assert(result->problem_count == 0 && result->values.count == 0);
        assert(strstr(rule->when, result->false_term) != NULL);
    } else if (result->scope == RULES_UNDECIDED) {
        assert(result->problem_count == 1 && result->values.count == 0);
    } else {
        assert(result->values.count + result->problem_count <= FLOWS);
    }
}

static struct rules *compile(const struct config_rule *rule)
{
    struct rules *rules = NULL;
    struct ts_err err = { .text = "" };
    enum ts_code code = rules_compile(rule, 1, &WORLD, &rules, &err);
    assert((code == TS_OK) == (rules != NULL));
    assert(code == TS_OK || (code == TS_E_CONFIG && err.text[0] != 0));
    return rules;
}

static struct rules_result evaluate(struct rules *rules,
                                    const struct rules_input *input,
                                    struct ts_arena *arena)
{
    struct rules_result result;
    struct ts_err err;
    assert(rules_evaluate(rules, input, arena, &result, &err) == TS_OK);
    return result;
}

/* A flow by itself gives what it gave beside the others. */
static void check_alone(const struct config_rule *whole,
                        const struct rules_input *input,
                        const struct rules_result *together,
                        struct ts_arena *arena)
{
    for (size_t i = 0; i < FLOWS; i++) {
        struct config_rule rule = *whole;
        rule.flow = &whole->flow[i];
        rule.flow_count = 1;
        struct rules *rules = compile(&rule);
        assert(rules != NULL);
        struct rules_result alone = evaluate(rules, input, arena);
        struct ts_slice path = ts_slice_str(PATHS[i]);
        const struct ts_attribute *a = ts_entry_find(&alone.values, path);
        const struct ts_attribute *b = ts_entry_find(&together->values, path);
        assert(alone.scope == together->scope);
        assert((a == NULL) == (b == NULL));
        assert(a == NULL || ts_attribute_equal(a, b));
        rules_free(rules);
    }
}

static void run(struct ts_slice rest, struct ts_arena *arena)
{
    static char source[] = "s";
    static char *sources[] = { source };
    struct config_flow flows[FLOWS];
    struct config_rule rule = { .sources = sources,
                                .sources_count = 1,
                                .flow = flows,
                                .flow_count = FLOWS };
    rule.when = next_line(&rest, arena);
    for (size_t i = 0; i < FLOWS; i++) {
        flows[i] = (struct config_flow){
            .path = (char *) (uintptr_t) PATHS[i],
            .expression = next_line(&rest, arena),
        };
        if (flows[i].expression == NULL) {
            return;
        }
    }
    struct ts_entry entry = read_entry(rest, arena);
    struct rules_input input = { .source_name = source,
                                 .anchor = ts_slice_str("a-1"),
                                 .dn = ts_slice_str("cn=a\\,b,dc=x"),
                                 .entry = &entry,
                                 .run_date = "2026-01-31" };
    struct rules *rules = compile(&rule);
    if (rules == NULL) {
        return;
    }
    struct rules_result first = evaluate(rules, &input, arena);
    struct rules_result second = evaluate(rules, &input, arena);
    check_result(&first, &rule, arena);
    assert(first.scope == second.scope);
    assert(ts_entry_equal(&first.values, &second.values));
    assert(first.problem_count == second.problem_count);
    check_alone(&rule, &input, &first, arena);
    rules_free(rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_arena arena;
    ts_arena_init(&arena, (size_t) 256 * 1024 * 1024);
    run(ts_slice(data, size), &arena);
    ts_arena_done(&arena);
    return 0;
}
