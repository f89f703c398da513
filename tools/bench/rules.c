/*
 * rules -- how many objects a second the rules evaluate.
 *
 *   rules [OBJECTS]
 *
 * Three inputs: a person in scope under a mapping of ten flows, one that the
 * second term of `when` turns away, and one of which a flow fails, so that
 * every flow is run again by itself. Prints one JSON line with objects a
 * second, the median of five rounds each. Building the results is included.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "node/rules/rules.h"

#define ROUNDS    5
#define ARENA_MAX ((size_t) 64 * 1024 * 1024)
/* Evaluations between two resets of the arena, as a batch would do it. */
#define BATCH_COUNT 1000

static const struct rules_source_attribute SCHEMA[] = {
    { "cn", RULES_SYNTAX_TEXT, true },
    { "departmentNumber", RULES_SYNTAX_TEXT, true },
    { "displayName", RULES_SYNTAX_TEXT, true },
    { "employeeNumber", RULES_SYNTAX_TEXT, true },
    { "givenName", RULES_SYNTAX_TEXT, true },
    { "mail", RULES_SYNTAX_TEXT, true },
    { "objectClass", RULES_SYNTAX_TEXT, true },
    { "pwdAccountLockedTime", RULES_SYNTAX_TEXT, false },
    { "sn", RULES_SYNTAX_TEXT, true },
    { "telephoneNumber", RULES_SYNTAX_TEXT, true },
    { "title", RULES_SYNTAX_TEXT, true },
    { "uid", RULES_SYNTAX_TEXT, true },
};

static char source[] = "bench";
static char *sources[] = { source };

static enum ts_code describe(void *context, enum config_kind kind,
                             const char *path,
                             struct rules_target_attribute *ret,
                             struct ts_err *err)
{
    (void) context;
    (void) kind;
    (void) err;
    *ret = (struct rules_target_attribute){ .kind = strcmp(path, "active") == 0
                                                        ? TS_KIND_BOOLEAN
                                                        : TS_KIND_TEXT };
    return TS_OK;
}

/* Configuration strings are not const; nobody writes to them. */
#define FLOW(path_, expression_)                          \
    {                                                     \
        .path = (char[]){ path_ }, .expression = (char[]) \
        {                                                 \
            expression_                                   \
        }                                                 \
    }

struct value {
    const char *name, *text;
};

static const struct value PERSON[] = {
    { "cn", "Ada Lovelace" },
    { "departmentNumber", "1842" },
    { "employeeNumber", "E-000042" },
    { "givenName", "Ada" },
    { "mail", "Ada.Lovelace@Example.ORG" },
    { "objectClass", "inetOrgPerson" },
    { "sn", "Lovelace" },
    { "telephoneNumber", "+44 20 7946 0000" },
    { "title", "Countess" },
    { "uid", "ada" },
};
#define VALUES (sizeof PERSON / sizeof PERSON[0])

static double seconds_now(void)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;
    return (x > y) - (x < y);
}

static void give_up(const struct ts_err *err)
{
    (void) fprintf(stderr, "rules: %s\n", err->text);
    exit(EXIT_FAILURE);
}

/* Objects a second; every result must have the expected scope. */
static double measure(struct rules *rules, const struct ts_entry *entry,
                      size_t objects, enum rules_scope expected)
{
    struct rules_input input = { .source_name = source,
                                 .anchor = ts_slice_str("anchor"),
                                 .dn = ts_slice_str("uid=ada,dc=example"),
                                 .entry = entry,
                                 .run_date = "2026-01-01" };
    double rates[ROUNDS];
    struct ts_arena arena;
    struct ts_err err = { .text = "an object had the wrong scope" };
    ts_arena_init(&arena, ARENA_MAX);
    for (size_t round = 0; round < ROUNDS; round++) {
        double start = seconds_now();
        for (size_t i = 0; i < objects; i++) {
            struct rules_result result;
            if (i % BATCH_COUNT == 0) {
                ts_arena_reset(&arena);
            }
            if (rules_evaluate(rules, &input, &arena, &result, &err) != TS_OK ||
                result.scope != expected) {
                give_up(&err);
            }
        }
        rates[round] = (double) objects / (seconds_now() - start);
    }
    ts_arena_done(&arena);
    qsort(rates, ROUNDS, sizeof rates[0], by_value);
    return rates[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    size_t objects = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    struct config_flow flows[] = {
        FLOW("userName", "fold(mail)"),
        FLOW("displayName", "coalesce(displayName, first(cn))"),
        FLOW("emails[type eq \"work\"].value", "mail"),
        FLOW("active", "pwdAccountLockedTime IS NULL"),
        FLOW("name.givenName", "givenName"),
        FLOW("name.familyName", "sn"),
        FLOW("title", "trim(title)"),
        FLOW("employeeNumber", "replace(employeeNumber, 'E-', '')"),
        FLOW("department", "'D' || departmentNumber"),
        FLOW("phoneNumbers[type eq \"work\"].value", "telephoneNumber"),
    };
    struct config_rule rule = {
        .sources = sources,
        .sources_count = 1,
        .when = (char[]){ "has('objectClass', 'inetOrgPerson') AND mail IS "
                          "NOT NULL" },
        .flow = flows,
        .flow_count = sizeof flows / sizeof flows[0],
    };
    const struct rules_world world = { .source = SCHEMA,
                                       .source_count =
                                           sizeof SCHEMA / sizeof SCHEMA[0],
                                       .describe_target = describe };
    struct ts_attribute attributes[VALUES];
    struct ts_slice values[VALUES];
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = ts_slice_str(PERSON[i].text);
        attributes[i] = (struct ts_attribute){
            .name = ts_slice_str(PERSON[i].name),
            .kind = TS_KIND_TEXT,
            .value_count = 1,
            .values = &values[i],
        };
    }
    struct ts_entry entry = { .count = VALUES, .attributes = attributes };
    struct rules *rules;
    struct ts_err err;
    if (rules_compile(&rule, 1, &world, &rules, &err) != TS_OK) {
        give_up(&err);
    }
    double in = measure(rules, &entry, objects, RULES_IN);
    /* Its values lie before those of uid: two values make the flow of title
     * fail. */
    attributes[VALUES - 2].value_count = 2;
    double failing = measure(rules, &entry, objects / 10, RULES_IN);
    attributes[4].value_count = 0; /* mail */
    double out = measure(rules, &entry, objects, RULES_OUT);
    (void) printf("{\"flows\":%zu,\"in_scope_per_second\":%.0f,"
                  "\"out_of_scope_per_second\":%.0f,"
                  "\"failing_per_second\":%.0f}\n",
                  sizeof flows / sizeof flows[0], in, out, failing);
    rules_free(rules);
    return EXIT_SUCCESS;
}
