/* wire_codec: what packs unpacks, nothing is believed unread, and versions
 * that do not exist yet are understood. */
#include "tests/lib/test.h"

#include "proto/wire_codec.h"

static struct ts_arena arena;

static int open_arena(void **state)
{
    (void) state;
    ts_arena_init(&arena, (size_t) 64 * 1024 * 1024);
    return 0;
}

static int close_arena(void **state)
{
    (void) state;
    ts_arena_done(&arena);
    return 0;
}

#define ID(n) ((struct wire_id){ { (n), 1, 2, 3 } })
#define DATA  ((struct ts_slice){ (const uint8_t *) "data", 4 })

static struct wire_position position(int64_t seq)
{
    return (struct wire_position){ 3, 7, seq, 2, { 0xab, 0xcd } };
}

static struct wire_message message(enum wire_kind kind)
{
    return (struct wire_message){
        .header = { .cluster = ID(9),
                    .sender = "alpha",
                    .boot = ID(8),
                    .epoch = 7,
                    .session = 5,
                    .number = 11 },
        .kind = kind,
    };
}

static struct wire_row rows[2] = {
    { false,
      3,
      7,
      41,
      1000,
      1,
      { 1 },
      { 2 },
      { (const uint8_t *) "T1", 2 },
      0,
      2 },
    { false,
      3,
      7,
      42,
      1001,
      1,
      { 2 },
      { 3 },
      { (const uint8_t *) "T22", 3 },
      0,
      3 },
};
static struct wire_hint hints[1] = {
    { 1, { (const uint8_t *) "\0anchor", 7 } },
};
static const struct ts_hash chunks[2] = { { { 1 } }, { { 2 } } };

#define PROMISE               \
    {                         \
        4, 7, ID(1), 2, ID(2) \
    }

/* One of each kind, every field with something in it. */
static struct wire_message sample(enum wire_kind kind)
{
    static struct wire_gate gates[] = { { "source", true, "it answers" } };
    const struct wire_position at = position(42);
    const struct wire_message all[WIRE_KINDS_COUNT] = {
        [WIRE_HELLO] = { .hello = { "0.1.0", 2, { { 1 } }, { { 2 } } } },
        [WIRE_HEARTBEAT] = { .heartbeat = { .number = 6,
                                            .role = 2,
                                            .position = at,
                                            .level = 1,
                                            .level_max = 2,
                                            .config_hash = { { 4 } },
                                            .fit = true,
                                            .equal = true,
                                            .paused = true,
                                            .maintenance = true,
                                            .wants_lease = true,
                                            .gates = 5,
                                            .register_serial = 900,
                                            .register_age_ms = 1200,
                                            .heard_ms = 0 } },
        [WIRE_HEARTBEAT_REPLY] = { .heartbeat_reply = { 6 } },
        [WIRE_PROMISE_REQUEST] = { .promise_request = PROMISE },
        [WIRE_PROMISE_GRANT] = { .promise_grant = PROMISE },
        [WIRE_PROMISE_REFUSAL] = { .promise_refusal = { PROMISE, "why" } },
        [WIRE_FOLLOW_FROM] = { .follow_from = { at, 100, 2 } },
        [WIRE_ROWS] = { .rows = { 2, rows, at } },
        [WIRE_APPLIED] = { .applied = { at, 50, 40 } },
        [WIRE_SNAPSHOT_OFFER] = { .snapshot_offer = { ID(3), at, 1500000, 2,
                                                      chunks } },
        [WIRE_SNAPSHOT_WANT] = { .snapshot_want = { ID(3), 1, 4 } },
        [WIRE_SNAPSHOT_CHUNK] = { .snapshot_chunk = { ID(3), 1, 9, DATA } },
        [WIRE_DIVERGED] = { .diverged = { WIRE_DIVERGED_TOO_OLD, true, at } },
        [WIRE_TAIL] = { .tail = { 6, ID(4), 1, true, true, 1, hints } },
        [WIRE_TAIL_TAKEN] = { .tail_taken = { 1, true } },
        [WIRE_REFUSED] = { .refused = { WIRE_REFUSED_TRIMMED, WIRE_FOLLOW_FROM,
                                        "why" } },
        [WIRE_SECRET] = { .secret = { 7, "source/corp", { { 5 } }, DATA } },
        [WIRE_SECRET_KEPT] = { .secret_kept = { 7, "source/corp",
                                                WIRE_SECRET_OTHER, "why" } },
        [WIRE_PREFLIGHT_ASK] = { .preflight_ask = { 3 } },
        [WIRE_PREFLIGHT] = { .preflight = { 3, 9000, "0.1.0", 1, gates } },
    };
    struct wire_message m = all[kind];
    m.header = message(kind).header;
    m.header.stream = kind >= WIRE_FOLLOW_FROM ? 12 : 0;
    m.kind = kind;
    return m;
}

static struct ts_slice pack(const struct wire_message *m)
{
    struct ts_slice bytes = TS_SLICE_NONE;
    struct ts_err err = { 0 };
    if (wire_pack(m, &arena, &bytes, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    return bytes;
}

static struct wire_message unpack(struct ts_slice bytes)
{
    struct wire_message m = { 0 };
    struct ts_err err = { 0 };
    if (wire_unpack(bytes, &arena, &m, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    return m;
}

static struct ts_slice join(struct ts_slice a, struct ts_slice b)
{
    uint8_t *both = ts_arena_take(&arena, a.size + b.size);
    memcpy(both, a.data, a.size);
    memcpy(both + a.size, b.data, b.size);
    return ts_slice(both, a.size + b.size);
}

/* Equal structs have equal bytes, and the bytes have all that is in them. */
static void every_kind_survives_the_way(void **state)
{
    (void) state;
    for (enum wire_kind kind = WIRE_HELLO; kind < WIRE_KINDS_COUNT; kind++) {
        struct wire_message m = sample(kind);
        struct ts_slice bytes = pack(&m);
        struct wire_message again = unpack(bytes);
        assert_int_equal(again.kind, kind);
        assert_int_equal(again.header.version, WIRE_VERSION);
        assert_string_equal(again.header.sender, "alpha");
        assert_int_equal(again.header.number, 11);
        assert_int_equal(again.unknown_fields, 0);
        assert_true(ts_slice_equal(bytes, pack(&again)));
    }
}

static void fields_arrive_as_they_were_sent(void **state)
{
    (void) state;
    struct wire_message m = sample(WIRE_HEARTBEAT);
    struct wire_message heartbeat = unpack(pack(&m));
    assert_memory_equal(&heartbeat.heartbeat, &m.heartbeat, sizeof m.heartbeat);
    m.heartbeat.heard_ms = -1;
    assert_int_equal(unpack(pack(&m)).heartbeat.heard_ms, -1);

    m = sample(WIRE_ROWS);
    struct wire_message row = unpack(pack(&m));
    assert_int_equal(row.rows.count, 2);
    assert_int_equal(row.rows.rows[1].seq, 42);
    assert_int_equal(row.rows.rows[1].post_sum[0], 3);
    assert_memory_equal(row.rows.rows[1].changeset.data, "T22", 3);

    m = sample(WIRE_TAIL);
    struct wire_message tail = unpack(pack(&m));
    assert_int_equal(tail.tail.hints[0].anchor.size, 7);
    assert_int_equal(tail.tail.hints[0].kind, 1);

    m = sample(WIRE_REFUSED);
    struct wire_message refused = unpack(pack(&m));
    assert_int_equal(refused.refused.about, WIRE_FOLLOW_FROM);
    assert_int_equal(refused.refused.refusal, WIRE_REFUSED_TRIMMED);
}

/* The bytes of version 1: a later version has to read them. */
static void the_bytes_of_version_1_stay(void **state)
{
    (void) state;
    static const uint8_t bytes[] =
        "\x08\x01\x10\x01\x1a\x10\x09\x01\x02\x03\0\0\0\0\0\0\0\0\0\0\0\0"
        "\x22\x05"
        "alpha\x2a\x10\x08\x01\x02\x03\0\0\0\0\0\0\0\0\0\0\0\0\x30\x07"
        "\x38\x05\x40\x0b\x92\x01\x02\x08\x06";
    struct wire_message m = sample(WIRE_HEARTBEAT_REPLY);
    struct ts_slice packed = pack(&m);
    assert_int_equal(packed.size, sizeof bytes - 1);
    assert_memory_equal(packed.data, bytes, sizeof bytes - 1);
}

/* ---- versions ----------------------------------------------------------- */

/* What N + 1 may add: a field of the header, of a body, and whole bodies. */
static void unknown_fields_are_passed_over_and_counted(void **state)
{
    (void) state;
    struct wire_message m = sample(WIRE_HEARTBEAT_REPLY);
    m.header.version = WIRE_VERSION + 1;
    m.header.version_min = WIRE_VERSION;
    /* header field 15, varint; body: the last byte of the bytes above is the
     * reply's content, made longer by its own field 9. */
    struct ts_slice bytes = join(pack(&m), ts_slice("\x78\x05", 2));
    struct wire_message newer = unpack(bytes);
    assert_int_equal(newer.kind, WIRE_HEARTBEAT_REPLY);
    assert_int_equal(newer.heartbeat_reply.number, 6);
    assert_int_equal(newer.unknown_fields, 1);

    struct wire_message header = message(WIRE_UNKNOWN);
    bytes = join(pack(&header), ts_slice("\x92\x01\x04\x08\x06\x48\x01", 7));
    newer = unpack(bytes);
    assert_int_equal(newer.heartbeat_reply.number, 6);
    assert_int_equal(newer.unknown_fields, 1);
}

static void an_unknown_body_is_told_apart_and_not_refused(void **state)
{
    (void) state;
    struct wire_message m = message(WIRE_UNKNOWN);
    /* field 77, two bytes */
    struct wire_message newer =
        unpack(join(pack(&m), ts_slice("\xea\x04\x02hi", 5)));
    assert_int_equal(newer.kind, WIRE_UNKNOWN);
    assert_int_equal(newer.unknown_fields, 1);
    assert_string_equal(newer.header.sender, "alpha");
}

static void a_version_and_the_one_before_it_talk(void **state)
{
    (void) state;
    struct ts_err err;
    struct wire_header old = { .version = 1, .version_min = 1, .sender = "a" };
    struct wire_header new = { .version = 2, .version_min = 1, .sender = "b" };
    assert_int_equal(wire_versions_fit(&old, 2, 1, &err), TS_OK);
    assert_int_equal(wire_versions_fit(&new, 1, 1, &err), TS_OK);
}

static void versions_too_far_apart_say_whom_to_upgrade(void **state)
{
    (void) state;
    struct ts_err err;
    struct wire_header old = { .version = 1, .version_min = 1, .sender = "a" };
    struct wire_header new = { .version = 3, .version_min = 2, .sender = "b" };
    assert_int_equal(wire_versions_fit(&old, 3, 2, &err), TS_E_VERSION);
    assert_string_equal(err.text,
                        "cannot understand node \"a\": it speaks protocol "
                        "version 1 and this node understands 2 and later; "
                        "upgrade that node");
    assert_int_equal(wire_versions_fit(&new, 1, 1, &err), TS_E_VERSION);
    assert_string_equal(err.text,
                        "cannot understand node \"b\": its message needs "
                        "protocol version 2 and this node speaks 1; upgrade "
                        "this node");

    struct wire_message m = sample(WIRE_HELLO), untouched = { .kind = 3 };
    m.header.version = m.header.version_min = WIRE_VERSION + 1;
    assert_int_equal(wire_unpack(pack(&m), &arena, &untouched, &err),
                     TS_E_VERSION);
    assert_int_equal(untouched.kind, 3);
}

/* ---- nothing is believed unread ----------------------------------------- */

static void cannot_pack(struct wire_message m, const char *text)
{
    struct ts_slice bytes = TS_SLICE_NONE;
    struct ts_err err = { 0 };
    assert_int_equal(wire_pack(&m, &arena, &bytes, &err), TS_E_PROTOCOL);
    assert_string_equal(err.text, text);
}

static void fields_out_of_their_range_are_not_sent(void **state)
{
    (void) state;
    struct wire_message m = sample(WIRE_HEARTBEAT);
    m.heartbeat.position.seq = -1;
    cannot_pack(m, "cannot send a message (heartbeat): the heartbeat's seq is "
                   "below 0 or not a number of 63 bits");
    m = sample(WIRE_HEARTBEAT);
    m.heartbeat.level = WIRE_LEVEL_MAX + 1;
    cannot_pack(m, "cannot send a message (heartbeat): the heartbeat's level "
                   "is 1000001, more than 1000000");
    m = sample(WIRE_HELLO);
    m.header.sender = "two words";
    cannot_pack(m, "cannot send a message (hello): the hello's sender has a "
                   "blank or control character");
    m.header.sender = "\xff";
    cannot_pack(m, "cannot send a message (hello): the hello's sender is not "
                   "UTF-8 text");
    m = sample(WIRE_PROMISE_GRANT);
    m.promise_grant.nonce = (struct wire_id){ { 0 } };
    cannot_pack(m, "cannot send a message (promise_grant): the "
                   "promise_grant's nonce is missing");
    m = sample(WIRE_SNAPSHOT_OFFER);
    m.snapshot_offer.file_size = 1024;
    cannot_pack(m, "cannot send a message (snapshot_offer): the "
                   "snapshot_offer's 1024 bytes are not 2 chunks of 1048576");
    m = sample(WIRE_ROWS);
    rows[1].is_mark = true;
    cannot_pack(m, "cannot send a message (rows): the rows's changeset is "
                   "empty, or that of a mark is not");
    rows[1].is_mark = false;
}

static void refuses(struct ts_slice bytes, enum ts_code code, const char *text)
{
    struct wire_message m = { .kind = WIRE_TAIL };
    struct ts_err err = { 0 };
    assert_int_equal(wire_unpack(bytes, &arena, &m, &err), code);
    assert_string_equal(err.text, text);
    assert_int_equal(m.kind, WIRE_TAIL); /* untouched */
}

static void fields_out_of_their_range_are_not_taken(void **state)
{
    (void) state;
    struct wire_message m = message(WIRE_UNKNOWN);
    struct ts_slice header = pack(&m);
    /* epoch: the highest of 64 bits */
    refuses(join(header,
                 ts_slice("\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 11)),
            TS_E_CORRUPT,
            "cannot take a message of 64 bytes (message): the message's epoch "
            "is below 0 or not a number of 63 bits");
    /* boot: one byte */
    refuses(join(header, ts_slice("\x2a\1x", 3)), TS_E_CORRUPT,
            "cannot take a message of 56 bytes (message): an id or a sum has "
            "another length than its own");
    /* promise grant: empty */
    refuses(join(header, ts_slice("\xa2\x01\0", 3)), TS_E_CORRUPT,
            "cannot take a message of 56 bytes (promise_grant): the "
            "promise_grant's boot is missing");
    /* promise refusal: without what it refuses */
    refuses(join(header, ts_slice("\xaa\x01\0", 3)), TS_E_CORRUPT,
            "cannot take a message of 56 bytes (promise_refusal): a refusal "
            "does not say of what");
    refuses(ts_slice("\xff\xff", 2), TS_E_CORRUPT,
            "cannot take a message of 2 bytes (message): it is not the message "
            "twinsync.v1.Envelope");
    refuses(TS_SLICE_NONE, TS_E_CORRUPT,
            "cannot take a message of 0 bytes (message): the message's sender "
            "is empty");
}

static void every_beginning_of_a_message_is_refused_or_sound(void **state)
{
    (void) state;
    for (enum wire_kind kind = WIRE_HELLO; kind < WIRE_KINDS_COUNT; kind++) {
        struct wire_message m = sample(kind);
        struct ts_slice bytes = pack(&m);
        size_t taken = 0;
        for (size_t size = 0; size < bytes.size; size++) {
            struct wire_message beginning = { 0 };
            struct ts_err err;
            if (wire_unpack(ts_slice(bytes.data, size), &arena, &beginning,
                            &err) == TS_OK) {
                taken++;
                (void) pack(&beginning);
            }
        }
        assert_true(taken < bytes.size);
    }
}

static void size_is_checked_before_anything_is_unpacked(void **state)
{
    (void) state;
    struct wire_message m = { 0 };
    struct ts_err err;
    size_t used = arena.used;
    static const uint8_t byte = 0;
    assert_int_equal(
        wire_unpack(ts_slice(&byte, WIRE_FRAME_MAX + 1), &arena, &m, &err),
        TS_E_LIMIT);
    assert_int_equal(arena.used, used);
}

static void a_bomb_of_empty_rows_hits_the_memory_limit(void **state)
{
    (void) state;
    struct wire_message m = message(WIRE_UNKNOWN);
    struct ts_slice header = pack(&m);
    size_t count = 1000000;
    uint8_t *bytes = ts_arena_take(&arena, header.size + 5 + 2 * count);
    memcpy(bytes, header.data, header.size);
    uint8_t *at = bytes + header.size;
    *at++ = 0xba; /* rows */
    *at++ = 0x01;
    for (size_t left = 2 * count; left > 0; left >>= 7) {
        *at++ = (uint8_t) ((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    }
    for (size_t i = 0; i < count; i++) {
        *at++ = 0x0a; /* a row */
        *at++ = 0x00; /* of nothing */
    }
    struct ts_arena small;
    ts_arena_init(&small, 2 * WIRE_FRAME_MAX);
    struct ts_err err;
    assert_int_equal(
        wire_unpack(ts_slice(bytes, (size_t) (at - bytes)), &small, &m, &err),
        TS_E_LIMIT);
    ts_arena_done(&small);
}

static void a_large_changeset_travels_in_pieces(void **state)
{
    (void) state;
    static uint8_t data[1024 * 1024];
    struct wire_row piece = rows[0];
    piece.changeset = ts_slice(data, sizeof data);
    piece.offset = 3 * sizeof data;
    piece.size = 4 * sizeof data;
    struct wire_message m = message(WIRE_ROWS);
    m.rows = (struct wire_rows){ 1, &piece, position(42) };
    struct wire_message again = unpack(pack(&m));
    assert_int_equal(again.rows.rows[0].offset, 3 * sizeof data);
    assert_int_equal(again.rows.rows[0].changeset.size, sizeof data);
    piece.offset++;
    cannot_pack(m, "cannot send a message (rows): the rows's changeset is "
                   "1048576, more than 1048575");
}

static void a_message_over_the_limit_is_not_sent(void **state)
{
    (void) state;
    static uint8_t data[WIRE_FRAME_MAX];
    struct wire_row row = rows[0];
    row.changeset = ts_slice(data, sizeof data);
    row.size = sizeof data;
    struct wire_message m = message(WIRE_ROWS);
    m.rows = (struct wire_rows){ 1, &row, position(42) };
    struct ts_slice bytes;
    struct ts_err err;
    assert_int_equal(wire_pack(&m, &arena, &bytes, &err), TS_E_LIMIT);
    assert_non_null(strstr(err.text, "are more than 4194304"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_survives_the_way),
        cmocka_unit_test(fields_arrive_as_they_were_sent),
        cmocka_unit_test(the_bytes_of_version_1_stay),
        cmocka_unit_test(unknown_fields_are_passed_over_and_counted),
        cmocka_unit_test(an_unknown_body_is_told_apart_and_not_refused),
        cmocka_unit_test(a_version_and_the_one_before_it_talk),
        cmocka_unit_test(versions_too_far_apart_say_whom_to_upgrade),
        cmocka_unit_test(fields_out_of_their_range_are_not_sent),
        cmocka_unit_test(fields_out_of_their_range_are_not_taken),
        cmocka_unit_test(every_beginning_of_a_message_is_refused_or_sound),
        cmocka_unit_test(size_is_checked_before_anything_is_unpacked),
        cmocka_unit_test(a_bomb_of_empty_rows_hits_the_memory_limit),
        cmocka_unit_test(a_large_changeset_travels_in_pieces),
        cmocka_unit_test(a_message_over_the_limit_is_not_sent),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
