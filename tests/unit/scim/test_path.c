/* path: which names are taken, and what they reach inside a resource. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/base/json.h"
#include "node/target/scim/path.h"

static struct scim_path parse(const char *text)
{
    struct scim_path path;
    struct ts_err err = { .text = "" };
    if (scim_path_parse(ts_slice_str(text), &path, &err) != TS_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return path;
}

static void assert_slice(struct ts_slice slice, const char *text)
{
    assert_true(ts_slice_equal(slice, ts_slice_str(text)));
}

static void names_attribute_filter_and_sub(void **state)
{
    (void) state;
    struct scim_path path = parse("emails[type eq \"work\"].value");
    assert_slice(path.urn, "");
    assert_slice(path.attribute, "emails");
    assert_slice(path.filter_name, "type");
    assert_slice(path.filter_value, "work");
    assert_slice(path.sub, "value");

    path = parse("name.givenName");
    assert_slice(path.attribute, "name");
    assert_slice(path.sub, "givenName");
    assert_slice(path.filter_name, "");
}

/* The URN has dots and colons of its own. */
static void splits_an_extension_at_its_last_colon(void **state)
{
    (void) state;
    struct scim_path path = parse(SCIM_URN_ENTERPRISE ":manager.value");
    assert_slice(path.urn, SCIM_URN_ENTERPRISE);
    assert_slice(path.attribute, "manager");
    assert_slice(path.sub, "value");
    path = parse("urn:x:y[z eq \"a:b\"].c");
    assert_slice(path.urn, "urn:x");
    assert_slice(path.filter_value, "a:b");
    /* The core schema's own URN may be written or not. */
    assert_slice(parse(SCIM_URN_USER ":userName").urn, "");
}

static void refuses_what_it_does_not_understand(void **state)
{
    (void) state;
    static const char *const wrong[] = {
        "",
        ".",
        "a.",
        "a..b",
        ".a",
        "a.b.c",
        "a b",
        "emails[type eq \"work\"]",
        "emails[type eq \"work\"]value",
        "emails[type eq \"work\".value",
        "emails[type ne \"work\"].value",
        "emails[type eq work].value",
        "emails[type eq \"a\\\"b\"].value",
        "emails[type eq \"work\" and primary eq true].value",
        "emails[].value",
        "emails[type eq \"work\"].value ",
        "urn:",
        "urn:x:",
        "a\x01",
        "\xc3\xa4",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct scim_path path;
        struct ts_err err = { .text = "" };
        if (scim_path_parse(ts_slice_str(wrong[i]), &path, &err) == TS_OK) {
            fail_msg("taken: %s", wrong[i]);
        }
        assert_non_null(strstr(err.text, "cannot use the path"));
    }
}

/* Put, then clear, and compare the document each time. */
static void step(json_t **resource, const char *text, const char *value,
                 const char *expected)
{
    struct scim_path path = parse(text);
    if (value == NULL) {
        scim_path_clear(&path, *resource);
    } else {
        assert_true(scim_path_put(&path, *resource, json_string(value)));
    }
    char *got = json_dumps(*resource, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(got, expected);
    free(got);
}

static void puts_and_clears_without_touching_the_rest(void **state)
{
    (void) state;
    json_t *resource = NULL;
    assert_int_equal(
        ts_json_parse(ts_slice_str("{\"Emails\":[{\"type\":\"home\",\"value\":"
                                   "\"h\"}],\"name\":{\"familyName\":\"F\"}}"),
                      &resource, NULL),
        TS_OK);
    step(&resource, "emails[type eq \"work\"].value", "w",
         "{\"Emails\":[{\"type\":\"home\",\"value\":\"h\"},{\"type\":\"work\","
         "\"value\":\"w\"}],\"name\":{\"familyName\":\"F\"}}");
    step(
        &resource, "emails[type eq \"work\"].display", "d",
        "{\"Emails\":[{\"type\":\"home\",\"value\":\"h\"},{\"display\":\"d\","
        "\"type\":\"work\",\"value\":\"w\"}],\"name\":{\"familyName\":\"F\"}}");
    step(&resource, "emails[type eq \"work\"].value", NULL,
         "{\"Emails\":[{\"type\":\"home\",\"value\":\"h\"},{\"display\":\"d\","
         "\"type\":\"work\"}],\"name\":{\"familyName\":\"F\"}}");
    step(&resource, "emails[type eq \"work\"].display", NULL,
         "{\"Emails\":[{\"type\":\"home\",\"value\":\"h\"}],\"name\":{"
         "\"familyName\":\"F\"}}");
    step(&resource, "name.givenName", "G",
         "{\"Emails\":[{\"type\":\"home\",\"value\":\"h\"}],\"name\":{"
         "\"familyName\":\"F\",\"givenName\":\"G\"}}");
    step(&resource, "urn:x:y", "z",
         "{\"Emails\":[{\"type\":\"home\",\"value\":\"h\"}],\"name\":{"
         "\"familyName\":\"F\",\"givenName\":\"G\"},\"urn:x\":{\"y\":\"z\"}}");
    json_decref(resource);
}

static void one_of_several_matching_elements_is_kept(void **state)
{
    (void) state;
    json_t *resource = NULL;
    assert_int_equal(
        ts_json_parse(
            ts_slice_str("{\"emails\":[{\"type\":\"work\",\"value\":\"1\"},"
                         "{\"type\":\"x\"},{\"type\":\"WORK\",\"value\":"
                         "\"2\"}]}"),
            &resource, NULL),
        TS_OK);
    step(&resource, "emails[type eq \"work\"].value", "3",
         "{\"emails\":[{\"type\":\"work\",\"value\":\"3\"},{\"type\":\"x\"}]}");
    json_decref(resource);
}

static void something_else_in_the_way_is_an_error(void **state)
{
    (void) state;
    json_t *resource = json_pack("{s:s, s:i}", "name", "n", "emails", 5);
    struct scim_path name = parse("name.givenName");
    struct scim_path mail = parse("emails[type eq \"work\"].value");
    assert_false(scim_path_put(&name, resource, json_string("x")));
    assert_false(scim_path_put(&mail, resource, json_string("x")));
    scim_path_clear(&name, resource);
    scim_path_clear(&mail, resource);
    assert_int_equal(json_object_size(resource), 2);
    json_decref(resource);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_attribute_filter_and_sub),
        cmocka_unit_test(splits_an_extension_at_its_last_colon),
        cmocka_unit_test(refuses_what_it_does_not_understand),
        cmocka_unit_test(puts_and_clears_without_touching_the_rest),
        cmocka_unit_test(one_of_several_matching_elements_is_kept),
        cmocka_unit_test(something_else_in_the_way_is_an_error),
    };
    return cmocka_run_group_tests_name("scim path", tests, NULL, NULL);
}
