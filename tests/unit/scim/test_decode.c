/* decode: answers, kind and hostile, into objects; bulk answers into results;
 * statuses into verdicts. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/json.h"
#include "node/target/scim/bulk.h"
#include "node/target/scim/decode.h"
#include "node/target/scim/verdict.h"

#define MAIL "emails[type eq \"work\"].value"

static const char *const user_paths[] = { "active", MAIL, "name.givenName",
                                          "roles", "userName" };
static const char *const manager[] = { "manager" };
static const char *const members[] = { "members" };
static const struct target_paths users = { user_paths, 5, manager, 1 };
static const struct target_paths groups = { NULL, 0, members, 1 };

static struct scim_schema schema;
static struct ts_arena arena;

static enum ts_code decode(enum config_kind kind, enum scim_origin origin,
                           const char *text, struct target_object *ret,
                           struct ts_err *err)
{
    const struct scim_reader reader = { .schema = &schema,
                                        .paths = kind == CONFIG_KIND_USER
                                                     ? &users
                                                     : &groups,
                                        .kind = kind,
                                        .origin = origin,
                                        .self = "twinsync-alpha",
                                        .arena = &arena };
    json_t *json = NULL;
    assert_int_equal(ts_json_parse(ts_slice_str(text), &json, NULL), TS_OK);
    enum ts_code rc = scim_decode_object(&reader, json, ret, err);
    json_decref(json);
    return rc;
}

static struct target_object object_of(enum config_kind kind,
                                      enum scim_origin origin, const char *text)
{
    struct target_object object;
    struct ts_err err = { .text = "" };
    if (decode(kind, origin, text, &object, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    return object;
}

static void assert_value(const struct target_object *object, const char *path,
                         const char *expected)
{
    const struct ts_attribute *attribute =
        ts_entry_find(&object->values, ts_slice_str(path));
    if (expected == NULL) {
        assert_null(attribute);
        return;
    }
    assert_non_null(attribute);
    assert_int_equal(attribute->value_count, 1);
    if (!ts_slice_equal(attribute->values[0], ts_slice_str(expected))) {
        fail_msg("%s is %.*s", path, TS_SLICE_ARGS(attribute->values[0]));
    }
}

static void reads_the_flowed_paths_and_nothing_else(void **state)
{
    (void) state;
    struct target_object object = object_of(
        CONFIG_KIND_USER, SCIM_FROM_READ,
        "{\"id\":\"i\",\"externalId\":\"a\",\"USERNAME\":\"u\",\"active\":"
        "false,\"title\":\"t\",\"emails\":[{\"type\":\"home\",\"value\":\"h\"},"
        "{\"type\":\"Work\",\"value\":\"w\"}],\"name\":{\"givenName\":\"G\"},"
        "\"roles\":[{\"value\":\"r\",\"primary\":true}],"
        "\"meta\":{\"version\":\"W/\\\"3\\\"\"}}");
    assert_true(ts_slice_equal(object.id, ts_slice_str("i")));
    assert_true(ts_slice_equal(object.anchor, ts_slice_str("a")));
    assert_true(ts_slice_equal(object.etag, ts_slice_str("W/\"3\"")));
    assert_int_equal(object.values.count, 5);
    assert_value(&object, "userName", "u");
    assert_value(&object, "active", "false");
    assert_value(&object, MAIL, "w");
    assert_value(&object, "name.givenName", "G");
    assert_value(&object, "roles", "{\"primary\":true,\"value\":\"r\"}");
}

static void a_list_is_the_same_in_whatever_order(void **state)
{
    (void) state;
    struct target_object one =
        object_of(CONFIG_KIND_USER, SCIM_FROM_READ,
                  "{\"id\":\"i\",\"roles\":[{\"value\":\"a\",\"type\":\"t\"},"
                  "{\"value\":\"b\"}]}");
    struct target_object other =
        object_of(CONFIG_KIND_USER, SCIM_FROM_READ,
                  "{\"id\":\"i\",\"roles\":[{\"value\":\"b\"},{\"type\":\"t\","
                  "\"value\":\"a\"}]}");
    assert_int_equal(one.values.attributes[0].value_count, 2);
    assert_true(ts_entry_equal(&one.values, &other.values));
}

static void absent_null_and_empty_are_no_value(void **state)
{
    (void) state;
    struct target_object object =
        object_of(CONFIG_KIND_USER, SCIM_FROM_READ,
                  "{\"id\":\"i\",\"externalId\":null,\"userName\":\"\","
                  "\"emails\":[],\"name\":{},\"roles\":null}");
    assert_int_equal(object.values.count, 0);
    assert_int_equal(object.anchor.size, 0);
}

static void administrators_services_and_ourselves_are_shielded(void **state)
{
    (void) state;
    static const char *const shielded[] = {
        "{\"id\":\"i\",\"roles\":[{\"value\":\"r\"},{\"value\":\"Global "
        "ADMINistrator\"}]}",
        "{\"id\":\"i\",\"roles\":[\"admin\"]}",
        "{\"id\":\"i\",\"USERTYPE\":\"Service\"}",
        "{\"id\":\"i\",\"userType\":\"Administrator\"}",
        "{\"id\":\"i\",\"userName\":\"Twinsync-Alpha\"}",
    };
    static const char *const open[] = {
        "{\"id\":\"i\",\"roles\":[{\"value\":\"r\",\"display\":\"admin\"}]}",
        "{\"id\":\"i\",\"userType\":\"Employee\"}",
        "{\"id\":\"i\",\"userName\":\"administrator\"}",
        "{\"id\":\"i\",\"userType\":7}",
    };
    for (size_t i = 0; i < sizeof shielded / sizeof shielded[0]; i++) {
        assert_true(
            object_of(CONFIG_KIND_USER, SCIM_FROM_READ, shielded[i]).shielded);
    }
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        assert_false(
            object_of(CONFIG_KIND_USER, SCIM_FROM_READ, open[i]).shielded);
    }
}

static void when_it_was_created_is_read(void **state)
{
    (void) state;
    struct target_object object = object_of(
        CONFIG_KIND_USER, SCIM_FROM_READ,
        "{\"id\":\"i\",\"meta\":{\"created\":\"2026-01-02T03:04:05Z\"}}");
    assert_true(
        ts_slice_equal(object.created, ts_slice_str("2026-01-02T03:04:05Z")));
}

static void wrong_types_are_errors(void **state)
{
    (void) state;
    static const char *const wrong[] = {
        "[]",
        "{}",
        "{\"id\":5}",
        "{\"id\":\"\"}",
        "{\"id\":\"i\",\"externalId\":7}",
        "{\"id\":\"i\",\"userName\":7}",
        "{\"id\":\"i\",\"userName\":[\"u\"]}",
        "{\"id\":\"i\",\"userName\":{\"value\":\"u\"}}",
        "{\"id\":\"i\",\"active\":\"true\"}",
        "{\"id\":\"i\",\"active\":1}",
        "{\"id\":\"i\",\"name\":\"n\"}",
        "{\"id\":\"i\",\"name\":{\"givenName\":5}}",
        "{\"id\":\"i\",\"emails\":{\"type\":\"work\",\"value\":\"w\"}}",
        "{\"id\":\"i\",\"emails\":[{\"type\":\"work\",\"value\":5}]}",
        "{\"id\":\"i\",\"" SCIM_URN_ENTERPRISE
        "\":{\"manager\":{\"value\":5}}}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct target_object object;
        struct ts_err err = { .text = "" };
        if (decode(CONFIG_KIND_USER, SCIM_FROM_READ, wrong[i], &object, &err) !=
            TS_E_PROTOCOL) {
            fail_msg("taken: %s", wrong[i]);
        }
        assert_non_null(strstr(err.text, "cannot use the service's answer"));
    }
}

static void members_are_sorted_and_counted_once(void **state)
{
    (void) state;
    struct target_object object =
        object_of(CONFIG_KIND_GROUP, SCIM_FROM_WRITE,
                  "{\"id\":\"g\",\"members\":[{\"value\":\"b\"},{\"value\":"
                  "\"a\",\"display\":\"A\"},{\"value\":\"b\"}]}");
    assert_true(object.links_known);
    assert_int_equal(object.link_count, 2);
    assert_true(ts_slice_equal(object.links[0], ts_slice_str("a")));
    struct ts_err err;
    assert_int_equal(decode(CONFIG_KIND_GROUP, SCIM_FROM_READ,
                            "{\"id\":\"g\",\"members\":[{\"value\":\"\"}]}",
                            &object, &err),
                     TS_E_PROTOCOL);
    assert_int_equal(decode(CONFIG_KIND_GROUP, SCIM_FROM_READ,
                            "{\"id\":\"g\",\"members\":{}}", &object, &err),
                     TS_E_PROTOCOL);
}

/* An empty group has no "members"; a terse answer to a write has none either.
 */
static void absent_members_mean_none_only_when_read(void **state)
{
    (void) state;
    assert_true(object_of(CONFIG_KIND_GROUP, SCIM_FROM_READ, "{\"id\":\"g\"}")
                    .links_known);
    assert_false(object_of(CONFIG_KIND_GROUP, SCIM_FROM_WRITE, "{\"id\":\"g\"}")
                     .links_known);
}

static void manager_is_an_object_or_a_bare_id(void **state)
{
    (void) state;
    static const char *const texts[] = {
        "{\"id\":\"i\",\"" SCIM_URN_ENTERPRISE
        "\":{\"manager\":{\"value\":\"m\",\"displayName\":\"M\"}}}",
        "{\"id\":\"i\",\"" SCIM_URN_ENTERPRISE "\":{\"manager\":\"m\"}}",
    };
    for (size_t i = 0; i < 2; i++) {
        struct target_object object =
            object_of(CONFIG_KIND_USER, SCIM_FROM_READ, texts[i]);
        assert_int_equal(object.link_count, 1);
        assert_true(ts_slice_equal(object.links[0], ts_slice_str("m")));
    }
}

static void pages_must_be_lists_that_add_up(void **state)
{
    (void) state;
    static const char *const wrong[] = {
        "{}",
        "[]",
        "{\"totalResults\":\"1\",\"Resources\":[{}]}",
        "{\"totalResults\":-1}",
        "{\"totalResults\":1,\"Resources\":{}}",
        "{\"totalResults\":1,\"Resources\":[{},{}]}",
        "{\"Resources\":[]}",
    };
    struct scim_page page;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *json = NULL;
        assert_int_equal(ts_json_parse(ts_slice_str(wrong[i]), &json, NULL),
                         TS_OK);
        assert_int_equal(scim_decode_page(json, &page, NULL), TS_E_PROTOCOL);
        json_decref(json);
    }
    json_t *json = json_pack("{s:i}", "totalResults", 0);
    assert_int_equal(scim_decode_page(json, &page, NULL), TS_OK);
    assert_int_equal(page.count, 0);
    json_decref(json);
}

static void json_is_bounded_in_depth_and_without_duplicates(void **state)
{
    (void) state;
    char deep[200];
    json_t *json = NULL;
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    assert_int_equal(ts_json_parse(ts_slice(deep, 200), &json, NULL),
                     TS_E_PROTOCOL);
    assert_int_equal(ts_json_parse(ts_slice(deep + 80, 40), &json, NULL),
                     TS_OK);
    json_decref(json);
    static const char *const wrong[] = {
        "{\"a\":1,\"a\":2}", "", "{", "{}x", "\"\\u0000\"", "[\"\xff\"]"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(ts_json_parse(ts_slice_str(wrong[i]), &json, NULL),
                         TS_E_PROTOCOL);
    }
}

static void complaints_cannot_carry_control_characters(void **state)
{
    (void) state;
    struct scim_complaint complaint;
    scim_decode_complaint(
        ts_slice_str(
            "{\"scimType\":\"uniqueness\",\"detail\":\"a\\nb\\u001b\"}"),
        &complaint);
    assert_string_equal(complaint.type, "uniqueness");
    assert_string_equal(complaint.detail, "a?b?");
    scim_decode_complaint(ts_slice_str("<html>"), &complaint);
    assert_string_equal(complaint.detail, "");
}

static void knows_json_by_its_content_type(void **state)
{
    (void) state;
    assert_true(scim_is_json("application/scim+json"));
    assert_true(scim_is_json("Application/JSON; charset=utf-8"));
    assert_false(scim_is_json(NULL));
    assert_false(scim_is_json("text/html"));
    assert_false(scim_is_json("application/jsonp"));
}

/* -- bulk -------------------------------------------------------------------
 */

static void bulk(const char *operations, struct scim_bulk_item items[3])
{
    char text[2048];
    json_t *json = NULL;
    const struct scim_bulk_item fresh[3] = {
        { .method = "POST", .bulk_id = 11 },
        { .method = "PATCH", .bulk_id = 12, .id = ts_slice_str("i2") },
        { .method = "DELETE", .bulk_id = 13, .id = ts_slice_str("i2") },
    };
    memcpy(items, fresh, sizeof fresh);
    (void) snprintf(text, sizeof text, "{\"Operations\":%s}", operations);
    assert_int_equal(ts_json_parse(ts_slice_str(text), &json, NULL), TS_OK);
    assert_true(scim_bulk_match(json, items, 3));
    json_decref(json);
}

static void bulk_results_are_known_by_id_or_by_method_and_location(void **state)
{
    (void) state;
    struct scim_bulk_item items[3];
    bulk("[{\"method\":\"DELETE\",\"location\":\"/Users/i2\",\"status\":204},"
         "{\"method\":\"PATCH\",\"location\":\"https://x/Users/i2\",\"status\":"
         "{\"code\":\"200\"}},{\"method\":\"POST\",\"bulkId\":\"11\","
         "\"status\":\"201\",\"location\":\"/Users/n\"}]",
         items);
    assert_int_equal(items[0].results, 1);
    assert_int_equal(items[0].status, 201);
    assert_int_equal(items[1].status, 200);
    assert_int_equal(items[2].status, 204);
}

static void bulk_results_that_are_missing_or_double_are_not_one(void **state)
{
    (void) state;
    struct scim_bulk_item items[3];
    bulk("[]", items);
    assert_int_equal(items[0].results + items[1].results + items[2].results, 0);
    bulk("[{\"bulkId\":\"11\",\"status\":\"201\"},{\"bulkId\":\"11\","
         "\"status\":\"409\"},{\"bulkId\":\"99\",\"status\":\"201\"},"
         "{\"bulkId\":\"\",\"status\":\"201\"},5,null,"
         "{\"method\":\"POST\",\"status\":\"201\",\"location\":\"/Users/n\"}]",
         items);
    assert_int_equal(items[0].results, 2);
    assert_int_equal(items[1].results, 0);
}

static void bulk_statuses_out_of_range_are_none(void **state)
{
    (void) state;
    struct scim_bulk_item items[3];
    bulk("[{\"bulkId\":\"11\",\"status\":\"099\"},{\"bulkId\":\"12\","
         "\"status\":99999},{\"bulkId\":\"13\",\"status\":[]}]",
         items);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(items[i].results, 1);
        assert_int_equal(items[i].status, 0);
    }
}

/* -- verdicts ---------------------------------------------------------------
 */

static void a_broken_service_leaves_a_write_unknown(void **state)
{
    (void) state;
    static const int statuses[] = { 0, 202, 408, 500, 502, 504, 599, 777 };
    static const enum scim_act acts[] = { SCIM_ACT_CREATE, SCIM_ACT_CHANGE,
                                          SCIM_ACT_BUNDLE };
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        for (size_t j = 0; j < 3; j++) {
            struct scim_verdict verdict =
                scim_judge(acts[j], statuses[i], true, false);
            assert_int_equal(verdict.result, TARGET_UNKNOWN);
            assert_int_equal(verdict.next, SCIM_NEXT_TELL);
        }
    }
}

/* M2: only these send a write again, and all of them say "not done". */
static void writes_go_again_only_when_nothing_happened(void **state)
{
    (void) state;
    for (int status = 0; status < 1000; status++) {
        for (int act = SCIM_ACT_CREATE; act <= SCIM_ACT_BUNDLE; act++) {
            enum scim_next next =
                scim_judge((enum scim_act) act, status, true, false).next;
            bool allowed = status == 401 || status == 429 ||
                           (status == 503 && act == SCIM_ACT_CHANGE);
            assert_true(next == SCIM_NEXT_TELL || allowed);
        }
    }
    assert_int_equal(scim_judge(SCIM_ACT_CHANGE, 503, false, false).result,
                     TARGET_UNKNOWN);
    assert_int_equal(scim_judge(SCIM_ACT_CREATE, 503, true, false).result,
                     TARGET_UNKNOWN);
}

static void refusals_are_told_apart(void **state)
{
    (void) state;
    static const struct {
        enum scim_act act;
        int status;
        enum target_result result;
    } rows[] = {
        { SCIM_ACT_CREATE, 201, TARGET_DONE },
        { SCIM_ACT_CREATE, 400, TARGET_REFUSED },
        { SCIM_ACT_CREATE, 404, TARGET_REFUSED },
        { SCIM_ACT_CREATE, 409, TARGET_CONFLICT },
        { SCIM_ACT_CHANGE, 204, TARGET_DONE },
        { SCIM_ACT_CHANGE, 404, TARGET_GONE },
        { SCIM_ACT_CHANGE, 410, TARGET_GONE },
        { SCIM_ACT_CHANGE, 412, TARGET_STALE },
        { SCIM_ACT_CHANGE, 413, TARGET_REFUSED },
        { SCIM_ACT_CHANGE, 307, TARGET_REFUSED },
        { SCIM_ACT_CHANGE, 403, TARGET_DENIED },
        { SCIM_ACT_CHANGE, 501, TARGET_REFUSED },
        { SCIM_ACT_READ, 404, TARGET_GONE },
        { SCIM_ACT_READ, 500, TARGET_LATER },
        { SCIM_ACT_SEARCH, 404, TARGET_REFUSED },
        { SCIM_ACT_SEARCH, 777, TARGET_LATER },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scim_verdict verdict =
            scim_judge(rows[i].act, rows[i].status, false, false);
        if (verdict.result != rows[i].result) {
            fail_msg("row %zu: %d", i, verdict.result);
        }
        assert_true(verdict.result == TARGET_DONE || verdict.why != NULL);
    }
    assert_int_equal(scim_judge(SCIM_ACT_CREATE, 400, false, true).result,
                     TARGET_CONFLICT);
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
        cmocka_unit_test(reads_the_flowed_paths_and_nothing_else),
        cmocka_unit_test(a_list_is_the_same_in_whatever_order),
        cmocka_unit_test(absent_null_and_empty_are_no_value),
        cmocka_unit_test(administrators_services_and_ourselves_are_shielded),
        cmocka_unit_test(when_it_was_created_is_read),
        cmocka_unit_test(wrong_types_are_errors),
        cmocka_unit_test(members_are_sorted_and_counted_once),
        cmocka_unit_test(absent_members_mean_none_only_when_read),
        cmocka_unit_test(manager_is_an_object_or_a_bare_id),
        cmocka_unit_test(pages_must_be_lists_that_add_up),
        cmocka_unit_test(json_is_bounded_in_depth_and_without_duplicates),
        cmocka_unit_test(complaints_cannot_carry_control_characters),
        cmocka_unit_test(knows_json_by_its_content_type),
        cmocka_unit_test(
            bulk_results_are_known_by_id_or_by_method_and_location),
        cmocka_unit_test(bulk_results_that_are_missing_or_double_are_not_one),
        cmocka_unit_test(bulk_statuses_out_of_range_are_none),
        cmocka_unit_test(a_broken_service_leaves_a_write_unknown),
        cmocka_unit_test(writes_go_again_only_when_nothing_happened),
        cmocka_unit_test(refusals_are_told_apart),
    };
    return cmocka_run_group_tests_name("scim decode", tests, set_up, tear_down);
}
