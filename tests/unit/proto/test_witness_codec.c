/* witness_codec: what is packed is read back, and what cannot be is refused. */
#include "tests/lib/test.h"

#include "proto/witness_codec.h"

static struct ts_arena arena;
static const uint8_t sixteen[WITNESS_IDENTITY_SIZE] = { 1, 2, 3 };
static uint8_t large[WITNESS_VALUE_MAX + 1];

static int set_up(void **state)
{
    (void) state;
    ts_arena_init(&arena, 8 * WITNESS_ARENA_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    ts_arena_done(&arena);
    return 0;
}

static struct witness_request swap(void)
{
    return (struct witness_request){ .number = UINT64_MAX,
                                     .cluster = ts_slice_str("corp"),
                                     .verb = WITNESS_SWAP,
                                     .expected = ts_slice("a\0b", 3),
                                     .value =
                                         ts_slice(large, WITNESS_VALUE_MAX),
                                     .server = ts_slice(sixteen, 16) };
}

static void request_of_the_largest_size_is_read_back(void **state)
{
    (void) state;
    struct witness_request sent = swap(), got;
    sent.expected = sent.value;
    struct ts_slice bytes;
    struct ts_err err;
    assert_int_equal(witness_request_pack(&sent, &arena, &bytes, &err), TS_OK);
    assert_true(bytes.size <= WITNESS_MESSAGE_MAX);
    assert_int_equal(witness_request_unpack(bytes, &arena, &got, &err), TS_OK);
    assert_true(got.number == sent.number && got.verb == sent.verb);
    assert_true(ts_slice_equal(got.cluster, sent.cluster));
    assert_true(ts_slice_equal(got.expected, sent.expected));
    assert_true(ts_slice_equal(got.value, sent.value));
    assert_true(ts_slice_equal(got.server, sent.server));
}

static void refused_request(struct witness_request request)
{
    struct ts_slice bytes = TS_SLICE_NONE;
    struct ts_err err;
    assert_int_equal(witness_request_pack(&request, &arena, &bytes, &err),
                     TS_E_CONFIG);
    assert_null(bytes.data);
}

static void request_that_makes_no_sense_is_refused(void **state)
{
    (void) state;
    struct witness_request request = swap();
    request.value.size = WITNESS_VALUE_MAX + 1;
    refused_request(request);
    request = swap();
    request.value.size = 0;
    refused_request(request);
    request = swap();
    request.expected = ts_slice(large, WITNESS_VALUE_MAX + 1);
    refused_request(request);
    request = swap();
    request.verb = WITNESS_READ; /* with values */
    refused_request(request);
    request = swap();
    request.server.size = 15;
    refused_request(request);
    request = swap();
    request.verb = (enum witness_verb) 3;
    refused_request(request);
}

static void cluster_is_also_a_file_name_and_never_a_path(void **state)
{
    (void) state;
    const char *const good[] = { "c", "corp", "Corp-2.eu_x" };
    const char *const bad[] = {
        "", ".", "..", ".corp", "a/b", "a b", "ä", "a\n"
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(witness_is_cluster(ts_slice_str(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(witness_is_cluster(ts_slice_str(bad[i])));
    }
    memset(large, 'a', 64);
    assert_true(witness_is_cluster(ts_slice(large, 63)));
    assert_false(witness_is_cluster(ts_slice(large, 64)));
    assert_false(witness_is_cluster(ts_slice("a\0", 2)));
}

static struct witness_reply reply_of(enum witness_status status)
{
    bool reason = status == WITNESS_REFUSED || status == WITNESS_UNKNOWN;
    return (struct witness_reply){
        .number = 7,
        .status = status,
        .value = ts_slice(large, status == WITNESS_VALUE ? 5 : 0),
        .identity = ts_slice(sixteen, 16),
        .text = ts_slice_str(reason ? "disk full" : ""),
    };
}

static void reply_of_each_status_is_read_back(void **state)
{
    (void) state;
    for (enum witness_status s = WITNESS_VALUE; s <= WITNESS_OTHER; s++) {
        struct witness_reply sent = reply_of(s), got;
        struct ts_slice bytes;
        struct ts_err err;
        assert_int_equal(witness_reply_pack(&sent, &arena, &bytes, &err),
                         TS_OK);
        assert_int_equal(witness_reply_unpack(bytes, &arena, &got, &err),
                         TS_OK);
        assert_true(got.status == s && got.number == 7);
        assert_true(ts_slice_equal(got.value, sent.value));
        assert_true(ts_slice_equal(got.text, sent.text));
        assert_int_equal(got.machine.size, 0);
    }
}

static void refused_reply(struct witness_reply reply)
{
    struct ts_slice bytes;
    struct ts_err err;
    assert_int_equal(witness_reply_pack(&reply, &arena, &bytes, &err),
                     TS_E_CONFIG);
}

static void reply_that_makes_no_sense_is_refused(void **state)
{
    (void) state;
    struct witness_reply reply = reply_of(WITNESS_DONE);
    reply.value = ts_slice("x", 1); /* an outcome carries none */
    refused_reply(reply);
    reply = reply_of(WITNESS_REFUSED);
    reply.text = TS_SLICE_NONE;
    refused_reply(reply);
    reply.text = ts_slice_str("\033[31m");
    refused_reply(reply);
    reply = reply_of(WITNESS_VALUE);
    reply.identity.size = 4;
    refused_reply(reply);
    reply = reply_of(WITNESS_VALUE);
    reply.machine = ts_slice(sixteen, 3);
    refused_reply(reply);
    refused_reply(reply_of((enum witness_status) 7));
}

static void larger_than_any_message_is_not_even_read(void **state)
{
    (void) state;
    static uint8_t bytes[WITNESS_MESSAGE_MAX + 1];
    struct witness_request request;
    struct ts_err err;
    assert_int_equal(witness_request_unpack(ts_slice(bytes, sizeof bytes),
                                            &arena, &request, &err),
                     TS_E_LIMIT);
}

static void another_version_says_what_to_do(void **state)
{
    (void) state;
    const uint8_t two[] = { 0x08, 0x02 }; /* version = 2 */
    struct witness_request request;
    struct ts_err err;
    assert_int_equal(witness_request_unpack(ts_slice(two, sizeof two), &arena,
                                            &request, &err),
                     TS_E_VERSION);
    assert_non_null(strstr(err.text, "update the older"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_of_the_largest_size_is_read_back),
        cmocka_unit_test(request_that_makes_no_sense_is_refused),
        cmocka_unit_test(cluster_is_also_a_file_name_and_never_a_path),
        cmocka_unit_test(reply_of_each_status_is_read_back),
        cmocka_unit_test(reply_that_makes_no_sense_is_refused),
        cmocka_unit_test(larger_than_any_message_is_not_even_read),
        cmocka_unit_test(another_version_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
