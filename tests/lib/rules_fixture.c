#include "tests/lib/rules_fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_MAX ((size_t) 64 * 1024 * 1024)

const char FIXTURE_SOURCE[] = "corp";

static const struct rules_source_attribute SCHEMA[] = {
    { "accountExpires", RULES_SYNTAX_INTEGER, false },
    { "c", RULES_SYNTAX_TEXT, true },
    { "cn", RULES_SYNTAX_TEXT, true },
    { "description", RULES_SYNTAX_TEXT, true },
    { "displayName", RULES_SYNTAX_TEXT, true },
    { "employeeNumber", RULES_SYNTAX_TEXT, true },
    { "givenName", RULES_SYNTAX_TEXT, true },
    { "jpegPhoto", RULES_SYNTAX_BINARY, false },
    { "mail", RULES_SYNTAX_TEXT, true },
    { "manager", RULES_SYNTAX_TEXT, true },
    { "member", RULES_SYNTAX_TEXT, true },
    { "mobile", RULES_SYNTAX_TEXT, true },
    { "objectClass", RULES_SYNTAX_TEXT, true },
    { "objectGUID", RULES_SYNTAX_BINARY, false },
    { "objectSid", RULES_SYNTAX_BINARY, false },
    { "ou", RULES_SYNTAX_TEXT, true },
    { "pager", RULES_SYNTAX_TEXT, true },
    { "pwdReset", RULES_SYNTAX_BOOLEAN, false },
    { "roomNumber", RULES_SYNTAX_INTEGER, false },
    { "secret", RULES_SYNTAX_TEXT, false },
    { "sn", RULES_SYNTAX_TEXT, true },
    { "street", RULES_SYNTAX_TEXT, true },
    { "uid", RULES_SYNTAX_TEXT, true },
    { "uidNumber", RULES_SYNTAX_INTEGER, false },
    { "x-strange-name", RULES_SYNTAX_TEXT, true },
};

static enum ts_code describe(void *context, enum config_kind kind,
                             const char *path,
                             struct rules_target_attribute *ret,
                             struct ts_err *err)
{
    static const struct {
        const char *path;
        struct rules_target_attribute attribute;
    } PATHS[] = {
        { "text", { TS_KIND_TEXT, false } },
        { "texts", { TS_KIND_TEXT, true } },
        { "number", { TS_KIND_INTEGER, false } },
        { "truth", { TS_KIND_BOOLEAN, false } },
        { "object", { TS_KIND_JSON, false } },
        { "objects", { TS_KIND_JSON, true } },
    };
    (void) context;
    (void) kind;
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        if (strcmp(path, PATHS[i].path) == 0) {
            *ret = PATHS[i].attribute;
            return TS_OK;
        }
    }
    if (path[0] == 'p') {
        *ret = (struct rules_target_attribute){ TS_KIND_TEXT, false };
        return TS_OK;
    }
    return ts_fail(err, TS_E_NOT_FOUND, 0,
                   "the target has no path \"%s\": did you mean \"text\"",
                   path);
}

const struct rules_world FIXTURE_WORLD = {
    .source = SCHEMA,
    .source_count = sizeof SCHEMA / sizeof SCHEMA[0],
    .describe_target = describe,
};

static void add(struct ts_arena *arena, struct ts_entry *entry,
                const char *name, struct ts_slice value)
{
    struct ts_attribute *attribute = NULL;
    for (size_t i = 0; i < entry->count; i++) {
        if (ts_slice_equal(entry->attributes[i].name, ts_slice_str(name))) {
            attribute = &entry->attributes[i];
        }
    }
    if (attribute == NULL) {
        struct ts_attribute *more =
            ts_arena_array(arena, entry->count + 1, sizeof *more);
        if (more == NULL) {
            abort();
        }
        if (entry->count > 0) {
            memcpy(more, entry->attributes, entry->count * sizeof *more);
        }
        entry->attributes = more;
        attribute = &more[entry->count++];
        attribute->name = ts_slice_str(name);
    }
    struct ts_slice *values =
        ts_arena_array(arena, attribute->value_count + 1, sizeof *values);
    if (values == NULL) {
        abort();
    }
    if (attribute->value_count > 0) {
        memcpy(values, attribute->values,
               attribute->value_count * sizeof *values);
    }
    values[attribute->value_count++] = value;
    attribute->values = values;
    if (ts_kind_of_bytes(value) == TS_KIND_BLOB) {
        attribute->kind = TS_KIND_BLOB;
    }
}

struct ts_entry fixture_entry_add(struct ts_arena *arena, struct ts_entry entry,
                                  const char *name, ...)
{
    va_list values;
    va_start(values, name);
    const char *value;
    while ((value = va_arg(values, const char *)) != NULL) {
        add(arena, &entry, name, ts_slice_str(value));
    }
    va_end(values);
    ts_entry_normalise(&entry);
    return entry;
}

#define BYTES(text)                                \
    {                                              \
        (const uint8_t *) (text), sizeof(text) - 1 \
    }

struct rules_input fixture_person(struct ts_arena *arena)
{
    static const struct {
        const char *name;
        struct ts_slice value;
    } VALUES[] = {
        { "accountExpires", BYTES("133801632000000000") },
        { "cn", BYTES("Ada Lovelace") },
        { "cn", BYTES("Ada King") },
        { "cn;lang-de", BYTES("Ada Gr\xc3\xa4"
                              "fin Lovelace") },
        { "description", BYTES("") },
        { "displayName", BYTES("  Ada \xc3\x89lise STRASSE\xc3\x9f\xc2\xa0") },
        { "employeeNumber", BYTES("0042") },
        { "jpegPhoto", BYTES("plain text, but a picture") },
        { "mail", BYTES("Ada@Example.ORG") },
        { "objectClass", BYTES("top") },
        { "objectClass", BYTES("inetOrgPerson") },
        { "objectGUID", BYTES("\xa4\xa9\xdd\x5d\xf2\x2c\xf8\x4b"
                              "\x8a\x6c\xa8\x44\x95\x0f\xf7\xca") },
        { "objectSid", BYTES("\x01\x05\0\0\0\0\0\x05\x15\0\0\0"
                             "\x01\0\0\0\x02\0\0\0\x03\0\0\0\xf4\x01\0\0") },
        { "pager", BYTES("not\xffutf8") },
        { "mobile", BYTES("nul\0inside") },
        { "pwdReset", BYTES("TRUE") },
        { "roomNumber", BYTES("99999999999999999999") },
        { "secret", BYTES("Exact") },
        { "uid", BYTES("ada") },
        { "uidNumber", BYTES("-7") },
        { "x-strange-name", BYTES("strange") },
    };
    static const struct ts_slice ANCESTORS[] = { BYTES("ou-people"),
                                                 BYTES("ou-root") };
    struct ts_entry *entry = ts_arena_array(arena, 1, sizeof *entry);
    if (entry == NULL) {
        abort();
    }
    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++) {
        add(arena, entry, VALUES[i].name, VALUES[i].value);
    }
    ts_entry_normalise(entry);
    return (struct rules_input){
        .source_name = FIXTURE_SOURCE,
        .anchor = ts_slice_str("5ddda9a4-2cf2-4bf8-8a6c-a844950ff7ca"),
        .dn = ts_slice_str("uid=ada\\2C l+cn=Ada,ou=People,dc=example,dc=org"),
        .entry = entry,
        .run_date = "2026-11-22",
        .ancestors = ANCESTORS,
        .ancestor_count = 2,
        .ancestors_complete = true,
    };
}

struct config_flow fixture_flow(const char *path, const char *expression)
{
    return (struct config_flow){
        .path = (char *) (uintptr_t) path,
        .expression = (char *) (uintptr_t) expression,
    };
}

struct config_rule fixture_rule(const char *when, struct config_flow *flows,
                                size_t count)
{
    static char name[] = "corp";
    static char *sources[] = { name };
    return (struct config_rule){
        .kind = CONFIG_KIND_USER,
        .sources = sources,
        .sources_count = 1,
        .when = (char *) (uintptr_t) when,
        .flow = flows,
        .flow_count = (uint32_t) count,
    };
}

const char *fixture_describe(const struct ts_entry *entry, const char *path)
{
    static char text[4096];
    size_t at = 0;
    const struct ts_attribute *attribute =
        ts_entry_find(entry, ts_slice_str(path));
    if (attribute == NULL) {
        return "NULL";
    }
    if (attribute->kind == TS_KIND_CLEAR) {
        return "CLEAR";
    }
    if (attribute->kind == TS_KIND_KEEP) {
        return "KEEP";
    }
    for (size_t i = 0; i < attribute->value_count && at < sizeof text; i++) {
        at += (size_t) snprintf(text + at, sizeof text - at, "%s%.*s",
                                i == 0 ? "" : "|",
                                TS_SLICE_ARGS(attribute->values[i]));
    }
    return text;
}

const char *fixture_eval_input(const char *path, const char *expression,
                               const struct rules_input *input)
{
    static char text[4096];
    struct ts_arena arena;
    struct ts_err err = { 0 };
    struct rules *rules;
    struct rules_result result;
    struct config_flow flow = fixture_flow(path, expression);
    struct config_rule rule = fixture_rule(NULL, &flow, 1);

    if (rules_compile(&rule, 1, &FIXTURE_WORLD, &rules, &err) != TS_OK) {
        (void) snprintf(text, sizeof text, "refused: %s", err.text);
        return text;
    }
    ts_arena_init(&arena, ARENA_MAX);
    if (rules_evaluate(rules, input, &arena, &result, &err) != TS_OK) {
        (void) snprintf(text, sizeof text, "failed: %s", err.text);
    } else if (result.problem_count > 0) {
        (void) snprintf(text, sizeof text, "problem: %s",
                        result.problems[0].text);
    } else {
        (void) snprintf(text, sizeof text, "%s",
                        fixture_describe(&result.values, path));
    }
    ts_arena_done(&arena);
    rules_free(rules);
    return text;
}

const char *fixture_eval_path(const char *path, const char *expression)
{
    struct ts_arena arena;
    ts_arena_init(&arena, ARENA_MAX);
    struct rules_input person = fixture_person(&arena);
    const char *text = fixture_eval_input(path, expression, &person);
    ts_arena_done(&arena);
    return text;
}

const char *fixture_eval(const char *expression)
{
    return fixture_eval_path("text", expression);
}
