/* register_codec: one value, canonical bytes, nothing believed unread. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "proto/register.pb-c.h"
#include "proto/register_codec.h"

static struct ts_arena arena;

static int open_arena(void **state)
{
    (void) state;
    ts_arena_init(&arena, (size_t) 1024 * 1024);
    return 0;
}

static int close_arena(void **state)
{
    (void) state;
    ts_arena_done(&arena);
    return 0;
}

static void fill(struct register_value *value)
{
    memset(value, 0, sizeof *value);
    memset(value->id, 7, sizeof value->id);
    memset(value->boot, 8, sizeof value->boot);
    value->serial = 41;
    value->membership = 3;
    value->voter_count = 2;
    (void) snprintf(value->voters[0], sizeof value->voters[0], "%s", "alpha");
    (void) snprintf(value->voters[1], sizeof value->voters[1], "%s", "beta");
    (void) snprintf(value->learner, sizeof value->learner, "%s", "gamma");
    (void) snprintf(value->holder, sizeof value->holder, "%s", "alpha");
    value->epoch = 9;
    value->fenced = true;
    value->principal_count = REGISTER_PRINCIPALS_MAX;
    for (size_t i = 0; i < REGISTER_PRINCIPALS_MAX; i++) {
        struct register_principal *p = &value->principals[i];
        p->epoch = 2 + i;
        p->kind = REGISTER_KIND_OAUTH;
        (void) snprintf(p->node, sizeof p->node, "%s",
                        i % 2 == 0 ? "alpha" : "beta");
        memset(p->id, 'c', sizeof p->id - 1);
        p->sealed_size = REGISTER_SEALED_MAX;
        memset(p->sealed, 0xfe, sizeof p->sealed);
        memset(p->token_hash, 0x11, sizeof p->token_hash);
        p->token_lifetime_s = 3600;
    }
    value->is_unprotected = true;
    value->unprotected_since = (struct register_position){ 1, 9, 77, { 5 } };
    value->position = (struct register_position){ 1, 9, 99, { 6 } };
    value->level = 1;
    value->planned = true;
    value->paused = true;
    value->pause_left_ms = 60000;
    value->data_generation = 1;
    value->takeover_count = REGISTER_TAKEOVERS_MAX;
    value->takeover_ages_ms[2] = REGISTER_NUMBER_MAX;
    value->retired_count = REGISTER_RETIRED_MAX;
    for (size_t i = 0; i < REGISTER_RETIRED_MAX; i++) {
        struct register_retired *retired = &value->retired[i];
        (void) snprintf(retired->node, sizeof retired->node, "omega%zu", i);
        retired->membership = 3 - (i < 3 ? i : 3);
        retired->at_s = REGISTER_NUMBER_MAX;
        memset(retired->actor, 'a', sizeof retired->actor - 1);
        memset(retired->reason, 'r', sizeof retired->reason - 1);
        memset(retired->key, 0x55, sizeof retired->key);
        retired->wipe = i == 0;
    }
    value->handover_size = REGISTER_HANDOVER_MAX;
    value->server_size = 5;
    memcpy(value->server, "slapd", 5);
}

static struct ts_slice pack(const struct register_value *value)
{
    struct ts_slice bytes = TS_SLICE_NONE;
    struct ts_err err = { 0 };
    assert_int_equal(register_pack(value, &arena, &bytes, &err), TS_OK);
    return bytes;
}

static void the_fullest_value_survives_the_trip(void **state)
{
    (void) state;
    struct register_value value, again;
    struct ts_err err = { 0 };
    fill(&value);
    struct ts_slice bytes = pack(&value);
    assert_true(bytes.size <= REGISTER_VALUE_SIZE_MAX);
    assert_int_equal(register_unpack(bytes, &arena, &again, &err), TS_OK);
    assert_memory_equal(&again, &value, sizeof value);
    assert_true(ts_slice_equal(pack(&again), bytes));
}

static void nobody_is_retired_and_a_member(void **state)
{
    (void) state;
    static const char *const members[] = { "alpha", "gamma" };
    for (size_t i = 0; i < 2; i++) {
        struct register_value value;
        struct ts_slice bytes = TS_SLICE_NONE;
        struct ts_err err = { 0 };
        fill(&value);
        (void) snprintf(value.retired[3].node, sizeof value.retired[3].node,
                        "%s", members[i]);
        assert_int_equal(register_pack(&value, &arena, &bytes, &err),
                         TS_E_PROTOCOL);
        memset(&value.retired[3], 0, sizeof value.retired[3]);
        bytes = pack(&value); /* without a name it is packed, and not read */
        assert_int_equal(register_unpack(bytes, &arena, &value, &err),
                         TS_E_CORRUPT);
    }
}

static void every_renewal_changes_the_bytes(void **state)
{
    (void) state;
    struct register_value value;
    fill(&value);
    struct ts_slice before = pack(&value);
    value.serial++;
    assert_false(ts_slice_equal(before, pack(&value)));
}

/* Fields 25 (text) and 40 (number), as a version after this one may write them.
 */
static const uint8_t newer_fields[] = { 0xca, 0x01, 3,    'n', 'e',
                                        'w',  0xc0, 0x02, 0x2a };

static void fields_of_a_newer_version_are_written_back(void **state)
{
    (void) state;
    static struct register_value value, read;
    struct ts_slice known, again;
    struct ts_err err;
    fill(&value);
    assert_int_equal(register_pack(&value, &arena, &known, &err), TS_OK);
    uint8_t *bytes = ts_arena_take(&arena, known.size + sizeof newer_fields);
    assert_non_null(bytes);
    memcpy(bytes, known.data, known.size);
    memcpy(bytes + known.size, newer_fields, sizeof newer_fields);
    struct ts_slice newer = ts_slice(bytes, known.size + sizeof newer_fields);
    assert_int_equal(register_unpack(newer, &arena, &read, &err), TS_OK);
    assert_int_equal(read.epoch, value.epoch);
    assert_int_equal(register_pack(&read, &arena, &again, &err), TS_OK);
    assert_int_equal(again.size, newer.size);
    assert_memory_equal(again.data, newer.data, newer.size);
    ts_arena_reset(&arena);
}

static void more_new_fields_than_can_be_kept_are_refused(void **state)
{
    (void) state;
    static struct register_value value, read;
    struct ts_slice known;
    struct ts_err err;
    static const uint8_t key[] = { 0xca, 0x01, 0x80, 0x10 }; /* 2,048 bytes */
    memset(&value, 0, sizeof value);
    memset(value.id, 7, sizeof value.id);
    assert_int_equal(register_pack(&value, &arena, &known, &err), TS_OK);
    size_t size = known.size + sizeof key + REGISTER_UNKNOWN_MAX;
    uint8_t *bytes = ts_arena_take(&arena, size);
    assert_non_null(bytes);
    memset(bytes, 0, size);
    memcpy(bytes, known.data, known.size);
    memcpy(bytes + known.size, key, sizeof key);
    assert_int_equal(
        register_unpack(ts_slice(bytes, size), &arena, &read, &err),
        TS_E_VERSION);
    assert_string_equal(
        err.text,
        "cannot use the register's value: a newer version wrote more than 2048 "
        "bytes into fields that this version does not know; install the "
        "version that the other node runs");
    ts_arena_reset(&arena);
}

static void a_newer_format_is_refused_with_a_sentence(void **state)
{
    (void) state;
    uint8_t id[16] = { 1 }, bytes[64];
    Twinsync__V1__RegisterValue message;
    twinsync__v1__register_value__init(&message);
    message.format = REGISTER_FORMAT + 1;
    message.id = (ProtobufCBinaryData){ sizeof id, id };
    size_t size = twinsync__v1__register_value__pack(&message, bytes);
    struct register_value value = { .serial = 77 };
    struct ts_err err = { 0 };
    assert_int_equal(
        register_unpack(ts_slice(bytes, size), &arena, &value, &err),
        TS_E_VERSION);
    assert_string_equal(
        err.text, "cannot use the register's value: its format 2 is newer than "
                  "1, which this version knows; install the version that the "
                  "other node runs");
    assert_int_equal(value.serial, 77);
}

static void refuses(const Twinsync__V1__RegisterValue *message,
                    const char *text)
{
    uint8_t bytes[1024];
    size_t size = twinsync__v1__register_value__pack(message, bytes);
    struct register_value value;
    struct ts_err err = { 0 };
    assert_int_equal(
        register_unpack(ts_slice(bytes, size), &arena, &value, &err),
        TS_E_CORRUPT);
    assert_string_equal(err.text, text);
}

static void what_no_member_writes_is_refused(void **state)
{
    (void) state;
    uint8_t id[16] = { 1 };
    char a[] = "a", b[] = "b", c[] = "c", lines[] = "two\nlines";
    char *voters[] = { a, b, c }, *twice[] = { a, a };
    Twinsync__V1__RegisterValue message;
    twinsync__v1__register_value__init(&message);
    refuses(&message, "cannot unpack the register's value: its 0 bytes are not "
                      "the message twinsync.v1.RegisterValue");
    message.format = 1;
    refuses(&message, "cannot unpack the register's value: it has an identity "
                      "that is not 16 bytes");
    message.id = (ProtobufCBinaryData){ sizeof id, id };
    message.epoch = UINT64_MAX;
    refuses(&message, "cannot unpack the register's value: it has a number "
                      "that passes 2^63 - 1");
    message.epoch = 1;
    message.voters = voters;
    message.n_voters = 3;
    refuses(&message,
            "cannot unpack the register's value: it has more than two voters");
    message.voters = twice;
    message.n_voters = 2;
    refuses(&message, "cannot unpack the register's value: it has a voter "
                      "without a proper name of its own");
    message.n_voters = 1;
    message.learner = a;
    refuses(&message, "cannot unpack the register's value: it has a learner "
                      "that is a voter too");
    message.n_voters = 0;
    message.holder = lines;
    refuses(&message, "cannot unpack the register's value: it has a node's "
                      "name that is too long or not printable");
}

static void what_cannot_be_read_again_is_not_packed(void **state)
{
    (void) state;
    struct register_value value;
    struct ts_slice bytes;
    struct ts_err err = { 0 };
    fill(&value);
    memset(value.holder, 'x', sizeof value.holder);
    assert_int_equal(register_pack(&value, &arena, &bytes, &err),
                     TS_E_PROTOCOL);
    fill(&value);
    value.principal_count++;
    assert_int_equal(register_pack(&value, &arena, &bytes, &err), TS_E_LIMIT);
    fill(&value);
    value.epoch = UINT64_MAX;
    assert_int_equal(register_pack(&value, &arena, &bytes, &err), TS_E_LIMIT);
}

static void noise_is_an_error_not_a_crash(void **state)
{
    (void) state;
    struct register_value value;
    fill(&value);
    value.principal_count = 1;
    value.handover_size = 0;
    struct ts_slice bytes = pack(&value);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        struct ts_err err = { 0 };
        struct register_value out;
        enum ts_code code =
            register_unpack(ts_slice(bytes.data, cut), &arena, &out, &err);
        assert_true(code == TS_OK || err.text[0] != '\0');
        ts_arena_reset(&arena);
        bytes = pack(&value);
    }
}

static void principals_and_voters_are_found_by_name(void **state)
{
    (void) state;
    struct register_value value;
    fill(&value);
    assert_ptr_equal(register_principal_of(&value, 9), &value.principals[7]);
    assert_null(register_principal_of(&value, 10));
    assert_true(register_has_voter(&value, "beta"));
    assert_false(register_has_voter(&value, "gamma"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fullest_value_survives_the_trip),
        cmocka_unit_test(nobody_is_retired_and_a_member),
        cmocka_unit_test(every_renewal_changes_the_bytes),
        cmocka_unit_test(fields_of_a_newer_version_are_written_back),
        cmocka_unit_test(more_new_fields_than_can_be_kept_are_refused),
        cmocka_unit_test(a_newer_format_is_refused_with_a_sentence),
        cmocka_unit_test(what_no_member_writes_is_refused),
        cmocka_unit_test(what_cannot_be_read_again_is_not_packed),
        cmocka_unit_test(noise_is_an_error_not_a_crash),
        cmocka_unit_test(principals_and_voters_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
