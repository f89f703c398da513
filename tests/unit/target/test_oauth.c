/* oauth: what a token endpoint may say, and what is made of it. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/target/oauth.h"

static struct ts_arena arena;

static int64_t lifetime_s; /* of the token that was parsed last */

static enum ts_code parse(int status, const char *body, int64_t *ret_seconds,
                          const char **ret_token)
{
    struct oauth_token token = { 0 };
    struct ts_err err = { .text = "" };
    enum ts_code rc =
        oauth_parse(status, ts_slice_str(body), &arena, &token, &err);
    *ret_token = token.text;
    *ret_seconds = token.use_s;
    lifetime_s = token.lifetime_s;
    if (rc != TS_OK) {
        assert_non_null(strstr(err.text, "could not get a token"));
        assert_null(strstr(err.text, "s3cret"));
    }
    return rc;
}

static void takes_a_bearer_token_and_its_life(void **state)
{
    (void) state;
    int64_t seconds = 0;
    const char *token = NULL;
    assert_int_equal(parse(200,
                           "{\"access_token\":\"aB3-._~+/=\",\"token_type\":"
                           "\"Bearer\",\"expires_in\":60}",
                           &seconds, &token),
                     TS_OK);
    assert_string_equal(token, "aB3-._~+/=");
    assert_int_equal(seconds, 60);
    assert_int_equal(parse(200,
                           "{\"access_token\":\"a\",\"token_type\":\"bearer\"}",
                           &seconds, &token),
                     TS_OK);
    assert_int_equal(seconds, OAUTH_EXPIRY_DEFAULT_SECONDS);
    assert_int_equal(parse(200,
                           "{\"access_token\":\"a\",\"token_type\":\"BEARER\","
                           "\"expires_in\":\"99999999999\"}",
                           &seconds, &token),
                     TS_OK);
    assert_int_equal(seconds, OAUTH_EXPIRY_MAX_SECONDS);
    assert_int_equal(lifetime_s, TARGET_LIFETIME_UNKNOWN);
    assert_int_equal(parse(200,
                           "{\"access_token\":\"a\",\"token_type\":\"bearer\","
                           "\"expires_in\":-5}",
                           &seconds, &token),
                     TS_OK);
    assert_int_equal(seconds, 0);
}

/* A token that outlives what is recorded of it would outlive its fence. */
static void records_a_life_that_is_never_too_short(void **state)
{
    (void) state;
    static const struct {
        const char *said;
        int64_t lifetime_s;
    } rows[] = {
        { "\"expires_in\":60", 60 },
        { "\"expires_in\":\"60\"", 60 },
        { "\"expires_in\":100000", 100000 }, /* longer than it is used */
        { "\"x\":1", TARGET_LIFETIME_UNKNOWN },
        { "\"expires_in\":-1", TARGET_LIFETIME_UNKNOWN },
        { "\"expires_in\":null", TARGET_LIFETIME_UNKNOWN },
        { "\"expires_in\":\"soon\"", TARGET_LIFETIME_UNKNOWN },
        { "\"expires_in\":\"60 s\"", TARGET_LIFETIME_UNKNOWN },
        { "\"expires_in\":60.5", TARGET_LIFETIME_UNKNOWN },
        { "\"expires_in\":9000000000000000000", TARGET_LIFETIME_UNKNOWN },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[200];
        int64_t seconds = 0;
        const char *token = NULL;
        (void) snprintf(body, sizeof body,
                        "{\"access_token\":\"a\",\"token_type\":\"bearer\","
                        "%s}",
                        rows[i].said);
        assert_int_equal(parse(200, body, &seconds, &token), TS_OK);
        assert_int_equal(lifetime_s, rows[i].lifetime_s);
    }
}

static void tells_an_unknown_client_from_another_refusal(void **state)
{
    (void) state;
    struct ts_slice unknown = ts_slice_str("{\"error\":\"invalid_client\"}");
    struct ts_slice scope = ts_slice_str("{\"error\":\"invalid_scope\"}");
    assert_true(oauth_refuses_client(401, unknown));
    assert_true(oauth_refuses_client(401, ts_slice_str("")));
    assert_true(oauth_refuses_client(400, unknown));
    assert_false(oauth_refuses_client(400, scope));
    assert_false(oauth_refuses_client(400, ts_slice_str("<html>")));
    assert_false(oauth_refuses_client(403, unknown));
    assert_false(oauth_refuses_client(429, unknown));
    assert_false(oauth_refuses_client(500, unknown));
}

static void refuses_answers_without_a_usable_token(void **state)
{
    (void) state;
    static const char *const bodies[] = {
        "",
        "null",
        "[]",
        "{}",
        "<html>s3cret</html>",
        "{\"access_token\":5,\"token_type\":\"Bearer\"}",
        "{\"access_token\":\"\",\"token_type\":\"Bearer\"}",
        "{\"access_token\":\"s3cret\"}",
        "{\"access_token\":\"s3cret\",\"token_type\":\"mac\"}",
        /* would put a second header field into every request */
        "{\"access_token\":\"s3cret\\r\\nX: y\",\"token_type\":\"Bearer\"}",
        "{\"access_token\":\"s3cret \",\"token_type\":\"Bearer\"}",
        "{\"access_token\":\"a\",\"access_token\":\"b\",\"token_type\":"
        "\"Bearer\"}",
        "{\"access_token\":\"a\\u0000b\",\"token_type\":\"Bearer\"}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        int64_t seconds;
        const char *token = NULL;
        assert_int_equal(parse(200, bodies[i], &seconds, &token),
                         TS_E_PROTOCOL);
        assert_null(token);
    }
}

static void refuses_a_token_that_is_too_long(void **state)
{
    (void) state;
    static char body[OAUTH_TOKEN_SIZE_MAX + 100];
    int64_t seconds;
    const char *token = NULL;
    memset(body, 'a', sizeof body - 1);
    memcpy(body, "{\"token_type\":\"Bearer\",\"access_token\":\"",
           strlen("{\"token_type\":\"Bearer\",\"access_token\":\""));
    memcpy(body + sizeof body - 3, "\"}", 3);
    assert_int_equal(parse(200, body, &seconds, &token), TS_E_PROTOCOL);
}

static void tells_refused_from_broken(void **state)
{
    (void) state;
    int64_t seconds;
    const char *token = NULL;
    const char *refused = "{\"error\":\"invalid_client\"}";
    assert_int_equal(parse(400, refused, &seconds, &token), TS_E_AUTH);
    assert_int_equal(parse(401, refused, &seconds, &token), TS_E_AUTH);
    assert_int_equal(parse(401, "garbage s3cret", &seconds, &token), TS_E_AUTH);
    assert_int_equal(parse(429, "", &seconds, &token), TS_E_UNREACHABLE);
    assert_int_equal(parse(500, "", &seconds, &token), TS_E_UNREACHABLE);
    assert_int_equal(parse(404, "", &seconds, &token), TS_E_PROTOCOL);
    assert_int_equal(parse(302, "", &seconds, &token), TS_E_PROTOCOL);
    assert_int_equal(parse(204, "", &seconds, &token), TS_E_PROTOCOL);
}

static int set_up(void **state)
{
    (void) state;
    ts_arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    ts_arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_bearer_token_and_its_life),
        cmocka_unit_test(records_a_life_that_is_never_too_short),
        cmocka_unit_test(tells_an_unknown_client_from_another_refusal),
        cmocka_unit_test(refuses_answers_without_a_usable_token),
        cmocka_unit_test(refuses_a_token_that_is_too_long),
        cmocka_unit_test(tells_refused_from_broken),
    };
    return cmocka_run_group_tests_name("oauth", tests, set_up, tear_down);
}
