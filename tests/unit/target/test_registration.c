/* registration: which answers of an authorization server are believed. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/target/registration.h"

#define URL "https://login.example/reg"
#define GOOD                                             \
    "\"client_id\":\"c1\",\"client_secret\":\"s3cret\"," \
    "\"registration_access_token\":\"m1\","              \
    "\"registration_client_uri\":\"https://login.example/reg/c1\""

static const struct registration_place place = { .url = URL, .now_s = 1000000 };
static struct principal made;

static enum ts_code parse(int status, const char *body)
{
    struct ts_err err = { .text = "" };
    made = (struct principal){ .epoch = 7, .kind = REGISTER_KIND_OAUTH };
    enum ts_code rc =
        registration_parse(status, ts_slice_str(body), &place, &made, &err);
    if (rc != TS_OK) {
        assert_null(strstr(err.text, "s3cret"));
        assert_string_equal(made.id, "");
        assert_string_equal(made.secret, "");
        assert_non_null(strstr(err.text, URL));
    }
    return rc;
}

static void takes_a_client_with_its_management(void **state)
{
    (void) state;
    assert_int_equal(parse(201, "{" GOOD ",\"client_secret_expires_at\":0,"
                                "\"grant_types\":[\"client_credentials\"],"
                                "\"token_endpoint_auth_method\":"
                                "\"client_secret_basic\",\"extra\":[1]}"),
                     TS_OK);
    assert_string_equal(made.id, "c1");
    assert_string_equal(made.secret, "s3cret");
    assert_string_equal(made.token, "m1");
    assert_string_equal(made.uri, "https://login.example/reg/c1");
    assert_int_equal(made.epoch, 7);
    assert_int_equal(parse(200, "{" GOOD "}"), TS_OK);
}

/* `with` replaces the member of that name in a good answer. */
static void refuses(const char *name, const char *with)
{
    static const char *const members[] = {
        "client_id",
        "client_secret",
        "registration_access_token",
        "registration_client_uri",
    };
    static const char *const values[] = { "\"c1\"", "\"s3cret\"", "\"m1\"",
                                          "\"https://login.example/reg/c1\"" };
    char body[2048] = "{\"a\":1";
    for (size_t i = 0; i < 4; i++) {
        bool this = strcmp(name, members[i]) == 0;
        if (!this || with != NULL) {
            size_t size = strlen(body);
            (void) snprintf(body + size, sizeof body - size, ",\"%s\":%s",
                            members[i], this ? with : values[i]);
        }
    }
    size_t size = strlen(body);
    (void) snprintf(body + size, sizeof body - size, "}");
    assert_int_equal(parse(201, body), TS_E_PROTOCOL);
}

static void refuses_what_cannot_be_used_or_fenced(void **state)
{
    (void) state;
    char large[700];
    memset(large, 'a', sizeof large - 1);
    large[0] = large[sizeof large - 2] = '"';
    large[sizeof large - 1] = '\0';
    refuses("client_id", NULL);
    refuses("client_id", "\"\"");
    refuses("client_id", "5");
    refuses("client_id", "\"c 1\"");
    refuses("client_id", "\"c\\n1\"");
    refuses("client_id", "\"\\u00e4\"");
    refuses("client_id", large);
    refuses("client_secret", NULL);
    refuses("client_secret", "\"a\\r\\nX: y\"");
    refuses("client_secret", large);
    refuses("registration_access_token", NULL);
    refuses("registration_access_token", "\"a\\r\\nX: y\"");
    refuses("registration_access_token", large);
    refuses("registration_client_uri", NULL);
    refuses("registration_client_uri", "\"/reg/c1\"");
    refuses("registration_client_uri", large);
}

static void refuses_a_management_url_at_another_place(void **state)
{
    (void) state;
    static const char *const elsewhere[] = {
        "\"https://evil.example/reg/c1\"",
        "\"http://login.example/reg/c1\"",
        "\"https://login.example:8443/reg/c1\"",
        "\"https://login.example@evil.example/reg/c1\"",
        "\"https://login.example.evil.example/reg/c1\"",
        "\"file:///etc/passwd\"",
        "\"https://login.example/reg/c1#fragment\"",
        "\"https://login.example/reg/c1\\r\\nX: y\"",
    };
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
        refuses("registration_client_uri", elsewhere[i]);
    }
    assert_int_equal(parse(201, "{\"client_id\":\"c\",\"client_secret\":\"s\","
                                "\"registration_access_token\":\"m\","
                                "\"registration_client_uri\":"
                                "\"https://LOGIN.example:443/r/x?y=1\"}"),
                     TS_OK);
}

static void refuses_a_client_that_cannot_do_its_work(void **state)
{
    (void) state;
    assert_int_equal(parse(201, "{" GOOD ",\"token_endpoint_auth_method\":"
                                "\"client_secret_post\"}"),
                     TS_E_PROTOCOL);
    assert_int_equal(parse(201, "{" GOOD ",\"grant_types\":"
                                "[\"authorization_code\"]}"),
                     TS_E_PROTOCOL);
    assert_int_equal(
        parse(201, "{" GOOD ",\"client_secret_expires_at\":1086400}"),
        TS_E_PROTOCOL);
    assert_int_equal(
        parse(201, "{" GOOD ",\"client_secret_expires_at\":9000000}"), TS_OK);
}

static void tells_refused_from_broken(void **state)
{
    (void) state;
    assert_int_equal(parse(401, "{\"error\":\"invalid_token\"}"), TS_E_AUTH);
    assert_int_equal(parse(403, ""), TS_E_AUTH);
    assert_int_equal(parse(400, ""), TS_E_AUTH);
    assert_int_equal(parse(429, "{" GOOD "}"), TS_E_UNREACHABLE);
    assert_int_equal(parse(500, "{" GOOD "}"), TS_E_UNREACHABLE);
    assert_int_equal(parse(404, ""), TS_E_PROTOCOL);
    assert_int_equal(parse(302, ""), TS_E_PROTOCOL);
    assert_int_equal(parse(201, ""), TS_E_PROTOCOL);
    assert_int_equal(parse(201, "[]"), TS_E_PROTOCOL);
    assert_int_equal(parse(201, "<html>s3cret</html>"), TS_E_PROTOCOL);
}

static enum fence_answer introspect(int status, const char *body)
{
    return introspection_parse(status, ts_slice_str(body));
}

static void only_a_plain_false_is_inactive(void **state)
{
    (void) state;
    assert_int_equal(introspect(200, "{\"active\":true}"), FENCE_YES);
    assert_int_equal(introspect(200, "{\"active\":false}"), FENCE_NO);
    static const char *const odd[] = { "",
                                       "{}",
                                       "[false]",
                                       "false",
                                       "{\"active\":0}",
                                       "{\"active\":\"false\"}",
                                       "{\"active\":null}",
                                       "{\"Active\":false}",
                                       "{\"active\":false,\"active\":true}" };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        assert_int_equal(introspect(200, odd[i]), FENCE_ODD);
    }
    assert_int_equal(introspect(401, "{\"active\":false}"), FENCE_ODD);
    assert_int_equal(introspect(403, "{\"active\":false}"), FENCE_ODD);
    assert_int_equal(introspect(429, "{\"active\":false}"), FENCE_BUSY);
    assert_int_equal(introspect(503, "{\"active\":false}"), FENCE_BUSY);
    assert_int_equal(introspect(0, "{\"active\":false}"), FENCE_BUSY);
}

static void only_401_is_a_refusal(void **state)
{
    (void) state;
    for (int status = 0; status < 600; status++) {
        enum fence_answer answer = registration_answer(status);
        assert_int_equal(answer == FENCE_NO, status == 401);
        assert_int_equal(answer == FENCE_YES, status / 100 == 2);
        assert_int_equal(answer == FENCE_BUSY, status == 0 || status == 408 ||
                                                   status == 429 ||
                                                   status >= 500);
    }
}

static void asks_by_name_for_what_it_needs(void **state)
{
    (void) state;
    struct ts_arena arena;
    const struct registration_names names = { "hr", "alpha", "scim", 12 };
    ts_arena_init(&arena, 65536);
    struct ts_slice text = registration_ask(&names, &arena);
    assert_true(ts_slice_equal(
        text, ts_slice_str("{\"client_name\":\"twinsync hr, epoch 12 of alpha\""
                           ",\"grant_types\":[\"client_credentials\"],"
                           "\"redirect_uris\":[],\"response_types\":[],"
                           "\"scope\":\"scim\",\"software_id\":\"twinsync\","
                           "\"token_endpoint_auth_method\":"
                           "\"client_secret_basic\"}")));
    ts_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_client_with_its_management),
        cmocka_unit_test(refuses_what_cannot_be_used_or_fenced),
        cmocka_unit_test(refuses_a_management_url_at_another_place),
        cmocka_unit_test(refuses_a_client_that_cannot_do_its_work),
        cmocka_unit_test(tells_refused_from_broken),
        cmocka_unit_test(only_a_plain_false_is_inactive),
        cmocka_unit_test(only_401_is_a_refusal),
        cmocka_unit_test(asks_by_name_for_what_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
