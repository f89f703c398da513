/* What etcd and LDAP servers are told, and what is believed of their answers.
 */
#include "tests/lib/test.h"

#include <stdio.h>

#include "node/register/base64.h"
#include "node/register/etcd_codec.h"
#include "node/register/ldap_server.h"
#include "node/register/ldap_value.h"

static struct ts_arena arena;
static struct ts_err err;

static int set_up(void **state)
{
    (void) state;
    ts_arena_init(&arena, 8 * ETCD_ARENA_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    ts_arena_done(&arena);
    return 0;
}

/* -- base64 ------------------------------------------------------------------
 */

static void base64_has_one_way_to_write_some_bytes(void **state)
{
    (void) state;
    const char *const texts[] = { "", "YQ==", "YWI=", "YWJj", "AP//" };
    const char *const wrong[] = {
        "YQ",   "YQ=",    "YR==",  "YWJ=",     "=",
        "====", "YQ==\n", " YQ==", "YQ==YQ==", "Y!=="
    };
    struct ts_slice bytes;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(register_unbase64(&arena, ts_slice_str(texts[i]), &bytes));
        assert_string_equal(register_base64(&arena, bytes), texts[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(register_unbase64(&arena, ts_slice_str(wrong[i]), &bytes));
    }
}

/* -- etcd --------------------------------------------------------------------
 */

static void first_swap_asks_that_the_key_was_never_made(void **state)
{
    (void) state;
    assert_string_equal(
        etcd_swap(&arena, "k", TS_SLICE_NONE, ts_slice_str("v")),
        "{\"compare\":[{\"create_revision\":\"0\",\"key\":\"aw==\",\"result\":"
        "\"EQUAL\",\"target\":\"CREATE\"}],\"success\":[{\"request_put\":{"
        "\"key\":\"aw==\",\"value\":\"dg==\"}}]}");
}

static void later_swap_compares_the_whole_value(void **state)
{
    (void) state;
    assert_string_equal(
        etcd_swap(&arena, "k", ts_slice_str("o"), ts_slice_str("v")),
        "{\"compare\":[{\"key\":\"aw==\",\"result\":\"EQUAL\",\"target\":"
        "\"VALUE\",\"value\":\"bw==\"}],\"success\":[{\"request_put\":{"
        "\"key\":\"aw==\",\"value\":\"dg==\"}}]}");
}

static void probe_is_a_swap_that_nothing_satisfies(void **state)
{
    (void) state;
    assert_non_null(strstr(etcd_probe(&arena, "k"),
                           "\"create_revision\":\"0\",\"key\":\"aw==\","
                           "\"result\":\"LESS\",\"target\":\"CREATE\""));
}

static void token_that_would_break_the_header_is_refused(void **state)
{
    (void) state;
    char token[ETCD_TOKEN_MAX];
    assert_int_equal(
        etcd_read_token(ts_slice_str("{\"token\":\"a.b\"}"), token, &err),
        TS_OK);
    assert_string_equal(token, "a.b");
    const char *const wrong[] = { "{\"token\":\"a\\r\\nX: y\"}",
                                  "{\"token\":\"\"}", "{}", "{\"token\":1}" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(etcd_read_token(ts_slice_str(wrong[i]), token, &err),
                         TS_E_PROTOCOL);
    }
}

static void missing_members_are_zero_and_false(void **state)
{
    (void) state;
    struct etcd_value value;
    struct etcd_outcome outcome = { .succeeded = true };
    struct ts_slice bare = ts_slice_str("{\"header\":{\"cluster_id\":\"5\"}}");
    assert_int_equal(etcd_read_range(bare, "k", &arena, &value, &err), TS_OK);
    assert_int_equal(value.value.size, 0);
    assert_string_equal(value.cluster, "5");
    assert_int_equal(etcd_read_swap(bare, &outcome, &err), TS_OK);
    assert_false(outcome.succeeded);
}

/* -- LDAP --------------------------------------------------------------------
 */

static enum ts_code read_two(const char *a, const char *b,
                             struct ts_slice *ret_value)
{
    const struct ts_slice texts[] = { ts_slice_str(a), ts_slice_str(b) };
    return ldap_value_read(texts, 2, &arena, ret_value, &err);
}

static void value_is_read_beside_its_mark_in_any_order(void **state)
{
    (void) state;
    struct ts_slice value = TS_SLICE_NONE;
    const char *text = ldap_value_text(&arena, ts_slice("a\0b", 3));
    assert_int_equal(read_two(text, LDAP_VALUE_TAKEN, &value), TS_OK);
    assert_true(ts_slice_equal(value, ts_slice("a\0b", 3)));
    assert_int_equal(read_two(LDAP_VALUE_TAKEN, text, &value), TS_OK);
    assert_int_equal(ldap_value_read(NULL, 0, &arena, &value, &err), TS_OK);
    assert_int_equal(value.size, 0);
}

static void values_that_differ_by_case_only_differ_in_their_hash(void **state)
{
    (void) state;
    /* "YQ==" and "yq==" would be equal to a directory. */
    const char *one = ldap_value_text(&arena, ts_slice("\x61", 1));
    const char *other = ldap_value_text(&arena, ts_slice("\xca", 1));
    assert_string_equal(strrchr(one, ':'), ":YQ==");
    assert_string_equal(strrchr(other, ':'), ":yg==");
    assert_true(strncasecmp(one, other, 40) != 0);
}

static void anything_else_in_the_attribute_is_damage(void **state)
{
    (void) state;
    struct ts_slice value;
    const char *text = ldap_value_text(&arena, ts_slice_str("value"));
    char altered[200];
    (void) snprintf(altered, sizeof altered, "%s", text);
    altered[25] = altered[25] == '0' ? '1' : '0';
    const struct ts_slice alone[] = { ts_slice_str(text) };
    const struct ts_slice three[] = { ts_slice_str(text),
                                      ts_slice_str(LDAP_VALUE_TAKEN),
                                      ts_slice_str("x") };
    assert_int_equal(ldap_value_read(alone, 1, &arena, &value, &err),
                     TS_E_CORRUPT);
    assert_int_equal(ldap_value_read(three, 3, &arena, &value, &err),
                     TS_E_CORRUPT);
    assert_int_equal(read_two(text, text, &value), TS_E_CORRUPT);
    assert_int_equal(read_two(LDAP_VALUE_TAKEN, LDAP_VALUE_TAKEN, &value),
                     TS_E_CORRUPT);
    assert_int_equal(read_two(LDAP_VALUE_TAKEN, altered, &value), TS_E_CORRUPT);
    assert_int_equal(read_two(LDAP_VALUE_TAKEN, "", &value), TS_E_CORRUPT);
}

static void place_is_told_from_a_source_base_whatever_the_spelling(void **state)
{
    (void) state;
    const struct {
        const char *dn, *base;
        bool below;
    } rows[] = {
        { "cn=r,dc=ex,dc=org", "dc=ex,dc=org", true },
        { "CN=r, DC=EX, DC=Org", "dc=ex,dc=org", true },
        { "dc=ex,dc=org", "dc=ex,dc=org", true },
        { "cn=r,dc=ex,dc=org", "ou=people,dc=ex,dc=org", false },
        { "cn=r,dc=xex,dc=org", "dc=ex,dc=org", false },
        { "cn=a\\,dc\\=ex,dc=org", "dc=ex,dc=org", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool below = !rows[i].below;
        assert_int_equal(
            ldap_server_is_below(rows[i].dn, rows[i].base, &below, &err),
            TS_OK);
        assert_int_equal(below, rows[i].below);
    }
    bool below;
    assert_int_equal(ldap_server_is_below("no dn", "dc=ex", &below, &err),
                     TS_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_has_one_way_to_write_some_bytes),
        cmocka_unit_test(first_swap_asks_that_the_key_was_never_made),
        cmocka_unit_test(later_swap_compares_the_whole_value),
        cmocka_unit_test(probe_is_a_swap_that_nothing_satisfies),
        cmocka_unit_test(token_that_would_break_the_header_is_refused),
        cmocka_unit_test(missing_members_are_zero_and_false),
        cmocka_unit_test(value_is_read_beside_its_mark_in_any_order),
        cmocka_unit_test(values_that_differ_by_case_only_differ_in_their_hash),
        cmocka_unit_test(anything_else_in_the_attribute_is_damage),
        cmocka_unit_test(
            place_is_told_from_a_source_base_whatever_the_spelling),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
