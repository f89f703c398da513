#include "tools/twinsync/evaluation_result.h"

#include <stdio.h>
#include <string.h>

/* --- one result --------------------------------------------------------- */

static json_t *value_text(struct ts_slice value)
{
    json_t *text = json_stringn((const char *) value.data, value.size);
    if (text == NULL) {
        char said[64];
        (void) snprintf(said, sizeof said, "(%zu bytes that are no text)",
                        value.size);
        text = json_string(said);
    }
    return text;
}

static json_t *entry_list(const struct ts_entry *entry)
{
    json_t *list = json_array();
    for (size_t i = 0; i < entry->count; i++) {
        const struct ts_attribute *attribute = &entry->attributes[i];
        json_t *values = json_array();
        for (size_t v = 0; v < attribute->value_count; v++) {
            (void) json_array_append_new(values,
                                         value_text(attribute->values[v]));
        }
        if (attribute->kind == TS_KIND_CLEAR ||
            attribute->kind == TS_KIND_KEEP) {
            (void) json_array_append_new(
                values,
                json_string(attribute->kind == TS_KIND_CLEAR ? "(clear)"
                                                             : "(keep)"));
        }
        (void) json_array_append_new(
            list, json_pack("{s:o, s:o}", "path",
                            json_stringn((const char *) attribute->name.data,
                                         attribute->name.size),
                            "values", values));
    }
    return list;
}

static json_t *problem_list(const struct rules_result *result)
{
    json_t *list = json_array();
    for (size_t i = 0; i < result->problem_count; i++) {
        (void) json_array_append_new(
            list, json_pack("{s:s, s:s}", "path", result->problems[i].path,
                            "text", result->problems[i].text));
    }
    return list;
}

/* "user 2": the second rule of users, in the order of the file. */
static json_t *rule_name(const struct rules_result *result,
                         const struct config_rule *rules)
{
    if (result->scope != RULES_IN) {
        return json_null();
    }
    enum config_kind kind = rules[result->rule].kind;
    unsigned place = 0;
    for (size_t i = 0; i <= result->rule; i++) {
        place += rules[i].kind == kind;
    }
    char name[32];
    (void) snprintf(name, sizeof name, "%s %u",
                    kind == CONFIG_KIND_USER ? "user" : "group", place);
    return json_string(name);
}

json_t *evaluation_describe(const struct rules_result *result,
                            const struct config_rule *rules)
{
    static const char *const scopes[] = {
        [RULES_IN] = "in", [RULES_OUT] = "out", [RULES_UNDECIDED] = "undecided"
    };
    return json_pack(
        "{s:s, s:o, s:s?, s:o, s:o, s:o}", "scope", scopes[result->scope],
        "rule", rule_name(result, rules), "false_term", result->false_term,
        "values", entry_list(&result->values), "once",
        entry_list(&result->once), "problems", problem_list(result));
}

/* --- two results -------------------------------------------------------- */

static const json_t *values_of(const json_t *list, const char *path)
{
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "path")), path) ==
            0) {
            return json_object_get(item, "values");
        }
    }
    return NULL;
}

static void add_difference(json_t *differences, const char *path,
                           const json_t *now, const json_t *draft)
{
    json_t *before = now == NULL ? json_array() : json_deep_copy(now);
    json_t *after = draft == NULL ? json_array() : json_deep_copy(draft);
    if (json_equal(before, after)) {
        json_decref(before);
        json_decref(after);
        return;
    }
    (void) json_array_append_new(differences,
                                 json_pack("{s:s, s:o, s:o}", "path", path,
                                           "now", before, "draft", after));
}

json_t *evaluation_differences(const json_t *now, const json_t *draft)
{
    json_t *differences = json_array();
    json_t *scope_now = json_pack("[O]", json_object_get(now, "scope"));
    json_t *scope_draft = json_pack("[O]", json_object_get(draft, "scope"));
    add_difference(differences, "(scope)", scope_now, scope_draft);
    json_decref(scope_now);
    json_decref(scope_draft);

    static const char *const lists[] = { "values", "once" };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const json_t *before = json_object_get(now, lists[i]);
        const json_t *after = json_object_get(draft, lists[i]);
        size_t index;
        const json_t *item;
        json_array_foreach(after, index, item)
        {
            const char *path = json_string_value(json_object_get(item, "path"));
            add_difference(differences, path, values_of(before, path),
                           json_object_get(item, "values"));
        }
        json_array_foreach(before, index, item)
        {
            const char *path = json_string_value(json_object_get(item, "path"));
            if (values_of(after, path) == NULL) {
                add_difference(differences, path,
                               json_object_get(item, "values"), NULL);
            }
        }
    }
    return differences;
}
