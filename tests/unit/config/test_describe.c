/* The table as schema and manual: nothing missing, nothing invented. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/config/describe.h"
#include "node/config/table.h"

/* Every option of `section` is in `schema`, described, and nothing else is. */
static void compare(const struct config_section *section, const json_t *schema)
{
    const json_t *properties = json_object_get(schema, "properties");
    size_t count = 0;
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    for (uint32_t i = 0; i < section->option_count; i++) {
        const struct config_option *option = &section->options[i];
        if (option->type == CONFIG_LINE) {
            continue;
        }
        const json_t *one = json_object_get(properties, option->name);
        count++;
        assert_string_equal(
            json_string_value(json_object_get(one, "description")),
            option->help);
        assert_int_equal(json_object_get(one, "default") != NULL,
                         option->fallback != NULL);
        if (option->type == CONFIG_SECTION ||
            option->type == CONFIG_SECTION_OPTIONAL) {
            compare(option->section, one);
        } else if (option->type == CONFIG_SECTIONS) {
            compare(option->section, json_object_get(one, "items"));
        }
    }
    assert_int_equal(json_object_size(properties), count);
}

static void the_schema_has_every_option(void **state)
{
    (void) state;
    json_t *schema = config_schema();
    assert_string_equal(json_string_value(json_object_get(schema, "$schema")),
                        "https://json-schema.org/draft/2020-12/schema");
    compare(&config_table, schema);
    json_decref(schema);
}

/* What stands at `path` ("a/b/c") in the schema, as compact JSON. */
static void schema_says(const json_t *schema, const char *path,
                        const char *expected)
{
    char key[64];
    while (*path != '\0') {
        size_t size = strcspn(path, "/");
        (void) snprintf(key, sizeof key, "%.*s", (int) size, path);
        schema = json_object_get(schema, key);
        path += size + (path[size] == '/');
    }
    char *text =
        json_dumps(schema, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void the_schema_says_what_the_loader_does(void **state)
{
    (void) state;
    json_t *s = config_schema();
    schema_says(s, "required",
                "[\"cluster\",\"this-node\",\"sources\",\"rules\",\"target\"]");
    schema_says(s, "properties/cluster/pattern", "\"^[a-z0-9-]{1,32}$\"");
    schema_says(s, "properties/state-directory/default",
                "\"/var/lib/twinsync\"");
    schema_says(s, "properties/schedule/properties/every-seconds/minimum", "1");
    schema_says(s, "properties/schedule/properties/every-seconds/maximum",
                "86400");
    schema_says(s, "properties/schedule/properties/every-seconds/default",
                "120");
    schema_says(s, "properties/deprovision/properties/group/enum",
                "[\"delete\",\"keep\"]");
    schema_says(s, "properties/target/oneOf",
                "[{\"required\":[\"oauth\"]},{\"required\":[\"token-file\"]}]");
    schema_says(s, "properties/target/properties/tls/dependentRequired",
                "{\"certificate-file\":[\"key-file\"],\"key-file\":"
                "[\"certificate-file\"]}");
    schema_says(s, "properties/sources/items/properties/bind/allOf",
                "[{\"else\":{\"properties\":{\"dn\":false}},\"if\":"
                "{\"properties\":{\"method\":{\"const\":\"simple\"}}},\"then\":"
                "{\"required\":[\"dn\"]}},{\"else\":{\"properties\":"
                "{\"password-file\":false}},\"if\":{\"properties\":{\"method\":"
                "{\"const\":\"simple\"}}},\"then\":{\"required\":"
                "[\"password-file\"]}}]");
    schema_says(s, "properties/rules/items/properties/flow/minProperties", "1");
    json_decref(s);
}

static char *manual(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    config_manual(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void has_items(const char *text, const struct config_section *section)
{
    for (uint32_t i = 0; i < section->option_count; i++) {
        const struct config_option *option = &section->options[i];
        char item[80];
        (void) snprintf(item, sizeof item, "\n.It Ic %s : ", option->name);
        assert_int_equal(strstr(text, item) != NULL,
                         option->type != CONFIG_LINE);
        if (option->section != NULL && option->type != CONFIG_MAP) {
            has_items(text, option->section);
        }
    }
}

static void the_manual_has_every_option(void **state)
{
    (void) state;
    char *text = manual();
    has_items(text, &config_table);
    free(text);
}

/* tools/man/update-options writes it; tests run at the top of the tree. */
static void the_manual_page_is_up_to_date(void **state)
{
    (void) state;
    static char page[128 * 1024];
    FILE *file = fopen("tools/man/twinsync.yaml.5", "re");
    assert_non_null(file);
    size_t size = fread(page, 1, sizeof page - 1, file);
    (void) fclose(file);
    page[size] = '\0';

    static const char begin[] = ".\\\" Generated: twinsync config man\n";
    char *from = strstr(page, begin);
    char *to = strstr(page, ".\\\" End\n");
    assert_non_null(from);
    assert_non_null(to);
    *to = '\0';
    char *text = manual();
    bool same = strcmp(from + sizeof begin - 1, text) == 0;
    free(text);
    if (!same) {
        fail_msg("run tools/man/update-options");
    }
}

/* Invariant T2, and that help can be printed as sentences. */
static void every_row_is_whole(const struct config_section *section)
{
    assert_non_null(section->title);
    for (uint32_t i = 0; i < section->option_count; i++) {
        const struct config_option *option = &section->options[i];
        assert_true(option->offset < section->size);
        if (option->type == CONFIG_LINE) {
            assert_non_null(config_table_find(section, option->of));
            continue;
        }
        assert_true(strlen(option->help) > 5);
        assert_true(option->help[0] != '.' && option->help[0] != '\'');
        assert_false(option->required && option->fallback != NULL);
        if (option->type == CONFIG_TEXT || option->type == CONFIG_NUMBER) {
            assert_true(option->max > 0);
        }
        if (option->only_if != NULL) {
            assert_non_null(config_table_find(section, option->only_if));
        }
        if (option->section != NULL) {
            every_row_is_whole(option->section);
        }
    }
}

static void the_table_is_whole(void **state)
{
    (void) state;
    every_row_is_whole(&config_table);
    struct config_schema schema;
    config_schema_init(&schema); /* asserts its sizes */
    assert_in_range(schema.field_count, 60, CONFIG_SCHEMA_FIELDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_has_every_option),
        cmocka_unit_test(the_schema_says_what_the_loader_does),
        cmocka_unit_test(the_manual_has_every_option),
        cmocka_unit_test(the_manual_page_is_up_to_date),
        cmocka_unit_test(the_table_is_whole),
    };
    return cmocka_run_group_tests_name("config describe", tests, NULL, NULL);
}
