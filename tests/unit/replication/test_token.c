/* token: what an operator pastes, whole or not at all. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "replication/token.h"

static struct ts_err err;

static struct join_token sample(void)
{
    struct join_token token = { .cluster = "corp",
                                .issuer = "alpha",
                                .endpoint = "tcp://192.0.2.7:7701",
                                .issuer_key = { 1, 2, 3 },
                                .guest_public = { 4, 5, 6 },
                                .guest_secret = { 7, 8, 9 },
                                .expires = 1800000000,
                                .node = "beta" };
    return token;
}

static void format(char text[static TOKEN_TEXT_SIZE])
{
    struct join_token token = sample();
    assert_int_equal(token_format(&token, text, &err), TS_OK);
}

static void a_token_survives_the_way(void **state)
{
    (void) state;
    char text[TOKEN_TEXT_SIZE], pasted[TOKEN_TEXT_SIZE + 8];
    struct join_token token = sample(), again;
    format(text);
    (void) snprintf(pasted, sizeof pasted, "  %s \r\n", text);
    assert_int_equal(token_parse(pasted, &again, &err), TS_OK);
    assert_memory_equal(&token, &again, sizeof token);
    assert_int_equal(strspn(text, "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"),
                     strlen(text));
}

static void every_altered_character_is_noticed(void **state)
{
    (void) state;
    char text[TOKEN_TEXT_SIZE];
    struct join_token token;
    format(text);
    for (size_t i = 0; i < strlen(text); i++) {
        char kept = text[i];
        text[i] = kept == 'A' ? 'B' : 'A';
        enum ts_code code = token_parse(text, &token, &err);
        /* Bits of the last character may stand for nothing. */
        assert_true(code == TS_E_CONFIG ||
                    (i == strlen(text) - 1 && code == TS_OK));
        text[i] = kept;
    }
}

static void every_beginning_is_noticed(void **state)
{
    (void) state;
    char text[TOKEN_TEXT_SIZE];
    struct join_token token = { .node = "untouched" };
    format(text);
    for (size_t size = strlen(text); size > 0; size--) {
        text[size - 1] = '\0';
        assert_int_equal(token_parse(text, &token, &err), TS_E_CONFIG);
        assert_string_equal(token.node, "untouched");
    }
}

static void what_is_no_token_is_told(void **state)
{
    (void) state;
    struct join_token token;
    assert_int_equal(token_parse("hunter2", &token, &err), TS_E_CONFIG);
    assert_string_equal(
        err.text, "cannot read the token: it does not begin with "
                  "\"twinsync1-\"; copy it whole from what `twinsync token "
                  "create` printed on the other computer");
    assert_int_equal(token_parse("twinsync1-!!!!", &token, &err), TS_E_CONFIG);
    assert_string_equal(err.text,
                        "cannot read the token: it is incomplete or was "
                        "altered; copy it whole from what `twinsync token "
                        "create` printed on the other computer");
    char text[2 * TOKEN_TEXT_SIZE];
    memset(text, 'A', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(text, "twinsync1-", 10);
    assert_int_equal(token_parse(text, &token, &err), TS_E_CONFIG);
}

static void names_that_are_none_make_no_token(void **state)
{
    (void) state;
    char text[TOKEN_TEXT_SIZE];
    struct join_token token = sample();
    token.node[0] = '\0';
    assert_int_equal(token_format(&token, text, &err), TS_E_PROTOCOL);
    token = sample();
    token.cluster[1] = '\n';
    assert_int_equal(token_format(&token, text, &err), TS_E_PROTOCOL);
}

static void the_longest_token_fits(void **state)
{
    (void) state;
    char text[TOKEN_TEXT_SIZE];
    struct join_token token = sample(), again;
    memset(token.cluster, 'c', sizeof token.cluster - 1);
    memset(token.issuer, 'i', sizeof token.issuer - 1);
    memset(token.endpoint, 'e', sizeof token.endpoint - 1);
    memset(token.node, 'n', sizeof token.node - 1);
    token.expires = INT64_MAX;
    assert_int_equal(token_format(&token, text, &err), TS_OK);
    assert_int_equal(token_parse(text, &again, &err), TS_OK);
    assert_memory_equal(&token, &again, sizeof token);
}

/* ---- the messages of joining --------------------------------------------- */

static void a_later_version_says_what_to_upgrade(void **state)
{
    (void) state;
    struct join_bytes bytes;
    struct join_request request = { "corp", "beta", { 1 } };
    assert_int_equal(join_pack_request(&request, &bytes, &err), TS_OK);
    struct join_request again;
    struct ts_slice packed = ts_slice(bytes.data, bytes.size);
    assert_int_equal(join_unpack_request(packed, &again, &err), TS_OK);
    assert_memory_equal(&request, &again, sizeof request);
    bytes.data[3] = JOIN_VERSION + 1; /* version_min */
    assert_int_equal(join_unpack_request(packed, &again, &err), TS_E_VERSION);
    assert_non_null(strstr(err.text, "upgrade this node"));
    bytes.data[3] = JOIN_VERSION;
    /* field 15: of a later version, passed over */
    bytes.data[bytes.size] = 0x78;
    bytes.data[bytes.size + 1] = 1;
    packed.size += 2;
    assert_int_equal(join_unpack_request(packed, &again, &err), TS_OK);
}

static void an_answer_is_a_key_or_a_refusal(void **state)
{
    (void) state;
    struct join_bytes bytes;
    struct join_answer answer = { "alpha", false, { 5 }, "" }, again;
    assert_int_equal(join_pack_answer(&answer, &bytes, &err), TS_OK);
    assert_int_equal(
        join_unpack_answer(ts_slice(bytes.data, bytes.size), &again, &err),
        TS_OK);
    assert_memory_equal(&answer, &again, sizeof answer);
    answer = (struct join_answer){ "alpha", true, { 5 }, "why" };
    assert_int_equal(join_pack_answer(&answer, &bytes, &err), TS_OK);
    assert_int_equal(
        join_unpack_answer(ts_slice(bytes.data, bytes.size), &again, &err),
        TS_OK);
    assert_true(again.is_refused);
    assert_int_equal(again.pair_key[0], 0); /* a refusal gives nothing away */
    assert_string_equal(again.refusal, "why");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_survives_the_way),
        cmocka_unit_test(every_altered_character_is_noticed),
        cmocka_unit_test(every_beginning_is_noticed),
        cmocka_unit_test(what_is_no_token_is_told),
        cmocka_unit_test(names_that_are_none_make_no_token),
        cmocka_unit_test(the_longest_token_fits),
        cmocka_unit_test(a_later_version_says_what_to_upgrade),
        cmocka_unit_test(an_answer_is_a_key_or_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
