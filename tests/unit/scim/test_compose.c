/* compose: operations in, the JSON of the request out, compared as text. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/json.h"
#include "node/target/scim/compose.h"

static struct scim_schema schema;
static struct ts_arena arena;
static const char *at_fault;

static struct scim_writer writer(void)
{
    at_fault = NULL;
    return (struct scim_writer){ &schema, &arena, &at_fault };
}

/* One attribute: name, kind, value; NULL value clears. */
struct given {
    const char *name;
    enum ts_kind kind;
    const char *value;
};

#define ENTRY(...)                                        \
    entry((const struct given[]){ __VA_ARGS__ },          \
          sizeof((const struct given[]){ __VA_ARGS__ }) / \
              sizeof(struct given))

static struct ts_entry entry(const struct given *given, size_t count)
{
    struct ts_entry result = { .count = count };
    result.attributes =
        ts_arena_array(&arena, count, sizeof *result.attributes);
    for (size_t i = 0; i < count; i++) {
        struct ts_attribute *attribute = &result.attributes[i];
        attribute->name = ts_slice_str(given[i].name);
        attribute->kind =
            given[i].value == NULL ? TS_KIND_CLEAR : given[i].kind;
        attribute->value_count = given[i].value == NULL ? 0 : 1;
        attribute->values =
            ts_arena_array(&arena, 1, sizeof *attribute->values);
        attribute->values[0] = ts_slice_str(given[i].value);
    }
    return result;
}

static json_t *json_of(const char *text)
{
    json_t *json = NULL;
    if (text != NULL) {
        assert_int_equal(ts_json_parse(ts_slice_str(text), &json, NULL), TS_OK);
    }
    return json;
}

static void assert_json(const json_t *json, const char *expected)
{
    char *got = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(got, expected);
    free(got);
}

/* The operations of the PATCH for `op` on what was read. */
static void assert_patch(const struct target_op *op, const char *current,
                         const char *expected)
{
    struct scim_writer w = writer();
    struct ts_err err = { .text = "" };
    json_t *body = NULL, *read = json_of(current);
    if (scim_compose_patch(&w, op, read, &body, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    assert_json(json_object_get(body, "Operations"), expected);
    json_decref(body);
    json_decref(read);
}

static void create_builds_the_whole_resource(void **state)
{
    (void) state;
    struct ts_slice manager = ts_slice_str("m1");
    struct target_op op = {
        .verb = TARGET_CREATE,
        .anchor = ts_slice_str("a\"1"),
        .set = ENTRY(
            { "active", TS_KIND_INTEGER, "1" },
            { "emails[type eq \"work\"].value", TS_KIND_TEXT, "a@x" },
            { "emails[type eq \"work\"].primary", TS_KIND_BOOLEAN, "true" },
            { "name.givenName", TS_KIND_TEXT, "A" },
            { "title", TS_KIND_TEXT, NULL },
            { SCIM_URN_ENTERPRISE ":department", TS_KIND_TEXT, "D" },
            { "userName", TS_KIND_TEXT, "\xc3\xa4\n\"" }),
        .link_path = "manager",
        .link_add = &manager,
        .link_add_count = 1
    };
    struct scim_writer w = writer();
    struct ts_err err;
    json_t *body = NULL;
    assert_int_equal(scim_compose_create(&w, &op, &body, &err), TS_OK);
    assert_json(
        body,
        "{\"active\":true,\"emails\":[{\"primary\":true,\"type\":\"work\","
        "\"value\":\"a@x\"}],\"externalId\":\"a\\\"1\",\"name\":{\"givenName\":"
        "\"A\"},\"schemas\":[\"" SCIM_URN_USER "\",\"" SCIM_URN_ENTERPRISE
        "\"],\"" SCIM_URN_ENTERPRISE
        "\":{\"department\":\"D\",\"manager\":{\"value\":\"m1\"}},"
        "\"userName\":\"\xc3\xa4\\n\\\"\"}");
    json_decref(body);
}

static void simple_values_are_replaced_or_removed(void **state)
{
    (void) state;
    struct target_op op = { .verb = TARGET_UPDATE,
                            .set = ENTRY({ "active", TS_KIND_BOOLEAN, "false" },
                                         { "title", TS_KIND_TEXT, NULL },
                                         { SCIM_URN_ENTERPRISE ":department",
                                           TS_KIND_TEXT, "D" }) };
    assert_patch(&op, NULL,
                 "[{\"op\":\"replace\",\"path\":\"active\",\"value\":false},"
                 "{\"op\":\"remove\",\"path\":\"title\"},"
                 "{\"op\":\"replace\",\"path\":\"" SCIM_URN_ENTERPRISE
                 ":department\",\"value\":\"D\"}]");
}

#define MAIL "emails[type eq \"work\"].value"

static void a_new_element_is_added_whole(void **state)
{
    (void) state;
    struct target_op op = { .verb = TARGET_UPDATE,
                            .set = ENTRY({ MAIL, TS_KIND_TEXT, "w" }) };
    const char *expected =
        "[{\"op\":\"add\",\"path\":\"emails\",\"value\":[{\"type\":\"work\","
        "\"value\":\"w\"}]}]";
    assert_patch(&op, "{}", expected);
    assert_patch(&op, "{\"emails\":[]}", expected);
    assert_patch(&op, "{\"emails\":[{\"type\":\"home\",\"value\":\"h\"}]}",
                 expected);
}

static void an_existing_element_keeps_its_other_values(void **state)
{
    (void) state;
    struct target_op op = { .verb = TARGET_UPDATE,
                            .set = ENTRY({ MAIL, TS_KIND_TEXT, "w" }) };
    assert_patch(&op, "{\"emails\":[{\"type\":\"Work\",\"display\":\"d\"}]}",
                 "[{\"op\":\"replace\",\"path\":\"emails[type eq "
                 "\\\"work\\\"].value\",\"value\":\"w\"}]");
    op.set = ENTRY({ MAIL, TS_KIND_TEXT, NULL });
    assert_patch(&op,
                 "{\"emails\":[{\"type\":\"work\",\"value\":\"w\",\"display\":"
                 "\"d\"}]}",
                 "[{\"op\":\"remove\",\"path\":\"emails[type eq "
                 "\\\"work\\\"].value\"}]");
    assert_patch(&op, "{\"emails\":[{\"type\":\"work\",\"value\":\"w\"}]}",
                 "[{\"op\":\"remove\",\"path\":\"emails[type eq "
                 "\\\"work\\\"]\"}]");
    assert_patch(&op, "{\"emails\":[{\"type\":\"home\",\"value\":\"w\"}]}",
                 "[]");
}

static void several_matching_elements_become_one(void **state)
{
    (void) state;
    struct target_op op = { .verb = TARGET_UPDATE,
                            .set = ENTRY({ MAIL, TS_KIND_TEXT, "w" }) };
    assert_patch(&op,
                 "{\"emails\":[{\"type\":\"work\",\"value\":\"1\"},{\"type\":"
                 "\"home\",\"value\":\"h\"},{\"type\":\"work\",\"value\":"
                 "\"2\"}]}",
                 "[{\"op\":\"replace\",\"path\":\"emails\",\"value\":[{"
                 "\"type\":\"work\",\"value\":\"w\"},{\"type\":\"home\","
                 "\"value\":\"h\"}]}]");
}

/* Two flows into one attribute: the second one sees what the first one did. */
static void two_paths_into_one_attribute_see_each_other(void **state)
{
    (void) state;
    struct target_op op = { .verb = TARGET_UPDATE,
                            .set = ENTRY({ "emails[type eq \"home\"].value",
                                           TS_KIND_TEXT, "h" },
                                         { MAIL, TS_KIND_TEXT, "w" }) };
    assert_patch(&op,
                 "{\"emails\":[{\"type\":\"work\",\"value\":\"1\"},{\"type\":"
                 "\"work\",\"value\":\"2\"}]}",
                 "[{\"op\":\"add\",\"path\":\"emails\",\"value\":[{\"type\":"
                 "\"home\",\"value\":\"h\"}]},{\"op\":\"replace\",\"path\":"
                 "\"emails\",\"value\":[{\"type\":\"work\",\"value\":\"w\"},{"
                 "\"type\":\"home\",\"value\":\"h\"}]}]");
}

static void members_are_added_together_and_removed_by_filter(void **state)
{
    (void) state;
    const struct ts_slice more[] = { ts_slice_str("i1"), ts_slice_str("i2") };
    const struct ts_slice less[] = { ts_slice_str("i3"),
                                     ts_slice_str("a\"]\\b") };
    struct target_op op = { .verb = TARGET_UPDATE,
                            .kind = CONFIG_KIND_GROUP,
                            .link_path = "members",
                            .link_add = more,
                            .link_add_count = 2,
                            .link_remove = less,
                            .link_remove_count = 2 };
    assert_patch(
        &op, NULL,
        "[{\"op\":\"remove\",\"path\":\"members[value eq \\\"i3\\\"]\"},"
        "{\"op\":\"remove\",\"path\":\"members[value eq "
        "\\\"a\\\\\\\"]\\\\\\\\b\\\"]\"},"
        "{\"op\":\"add\",\"path\":\"members\",\"value\":[{\"value\":\"i1\"},{"
        "\"value\":\"i2\"}]}]");
}

static void manager_is_set_and_removed_as_one_value(void **state)
{
    (void) state;
    const struct ts_slice one = ts_slice_str("m2");
    const struct ts_slice old = ts_slice_str("m1");
    struct target_op op = { .verb = TARGET_UPDATE,
                            .link_path = "manager",
                            .link_add = &one,
                            .link_add_count = 1,
                            .link_remove = &old,
                            .link_remove_count = 1 };
    assert_patch(&op, NULL,
                 "[{\"op\":\"replace\",\"path\":\"" SCIM_URN_ENTERPRISE
                 ":manager\",\"value\":{\"value\":\"m2\"}}]");
    op.link_add_count = 0;
    assert_patch(&op, NULL,
                 "[{\"op\":\"remove\",\"path\":\"" SCIM_URN_ENTERPRISE
                 ":manager\"}]");
}

static void put_changes_only_what_is_ours(void **state)
{
    (void) state;
    struct ts_slice add = ts_slice_str("i9"), gone = ts_slice_str("i1");
    struct target_op op = { .verb = TARGET_UPDATE,
                            .kind = CONFIG_KIND_GROUP,
                            .set = ENTRY({ "displayName", TS_KIND_TEXT, "G" }),
                            .link_path = "members",
                            .link_add = &add,
                            .link_add_count = 1,
                            .link_remove = &gone,
                            .link_remove_count = 1 };
    struct scim_writer w = writer();
    struct ts_err err;
    json_t *current =
        json_of("{\"id\":\"g\",\"displayname\":\"old\",\"foreign\":{\"x\":1},"
                "\"meta\":{\"version\":\"1\"},\"members\":[{\"value\":\"i1\"},{"
                "\"value\":\"i2\",\"display\":\"d\"}]}");
    assert_int_equal(scim_compose_put(&w, &op, current, &err), TS_OK);
    assert_json(current, "{\"displayname\":\"G\",\"foreign\":{\"x\":1},\"id\":"
                         "\"g\",\"members\":[{\"display\":\"d\",\"value\":"
                         "\"i2\"},{\"value\":\"i9\"}],\"schemas\":"
                         "[\"" SCIM_URN_GROUP "\"]}");
    json_decref(current);
}

static void refuses_values_of_the_wrong_type(void **state)
{
    (void) state;
    static const struct given wrong[] = {
        { "active", TS_KIND_TEXT, "maybe" },
        { "userName", TS_KIND_BLOB, "\xff" },
        { "userName", TS_KIND_TEXT, "\xff" },
        { "name", TS_KIND_JSON, "{" },
        { "noSuchAttribute", TS_KIND_TEXT, "x" },
        { "emails.value", TS_KIND_TEXT, "x" },
        { "title[type eq \"work\"].value", TS_KIND_TEXT, "x" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct target_op op = { .verb = TARGET_UPDATE,
                                .set = entry(&wrong[i], 1) };
        struct scim_writer w = writer();
        struct ts_err err = { .text = "" };
        json_t *body = NULL, *current = json_object();
        assert_int_equal(scim_compose_patch(&w, &op, current, &body, &err),
                         TS_E_REFUSED);
        assert_non_null(at_fault);
        assert_string_equal(at_fault, wrong[i].name);
        assert_non_null(strstr(err.text, "cannot "));
        json_decref(current);
    }
}

static void several_values_for_a_single_one_are_refused(void **state)
{
    (void) state;
    struct ts_slice values[] = { ts_slice_str("a"), ts_slice_str("b") };
    struct ts_attribute title = { ts_slice_str("title"), TS_KIND_TEXT, 2,
                                  values };
    struct target_op op = { .verb = TARGET_UPDATE, .set = { 1, &title } };
    struct scim_writer w = writer();
    struct ts_err err;
    json_t *body = NULL;
    assert_int_equal(scim_compose_patch(&w, &op, NULL, &body, &err),
                     TS_E_REFUSED);
    assert_string_equal(at_fault, "title");
}

static void filter_values_are_quoted(void **state)
{
    (void) state;
    assert_string_equal(
        scim_compose_filter(&arena, "userName",
                            ts_slice_str("a\" or userName pr or \"\\")),
        "userName eq \"a\\\" or userName pr or \\\"\\\\\"");
    assert_null(
        scim_compose_filter(&arena, "userName", ts_slice_str("\xff\xfe")));
}

static int set_up(void **state)
{
    (void) state;
    ts_arena_init(&arena, 1 << 24);
    return scim_schema_init(&schema) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void) state;
    ts_arena_done(&arena);
    scim_schema_done(&schema);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_builds_the_whole_resource),
        cmocka_unit_test(simple_values_are_replaced_or_removed),
        cmocka_unit_test(a_new_element_is_added_whole),
        cmocka_unit_test(an_existing_element_keeps_its_other_values),
        cmocka_unit_test(several_matching_elements_become_one),
        cmocka_unit_test(two_paths_into_one_attribute_see_each_other),
        cmocka_unit_test(members_are_added_together_and_removed_by_filter),
        cmocka_unit_test(manager_is_set_and_removed_as_one_value),
        cmocka_unit_test(put_changes_only_what_is_ours),
        cmocka_unit_test(refuses_values_of_the_wrong_type),
        cmocka_unit_test(several_values_for_a_single_one_are_refused),
        cmocka_unit_test(filter_values_are_quoted),
    };
    return cmocka_run_group_tests_name("scim compose", tests, set_up,
                                       tear_down);
}
