/* entry_codec: canonical bytes, and nothing is believed unread. */
#include "tests/lib/test.h"

#include "proto/entry_codec.h"

#define VALUES(...)                                                           \
    .value_count =                                                            \
        sizeof((struct ts_slice[]){ __VA_ARGS__ }) / sizeof(struct ts_slice), \
    .values = (struct ts_slice[])                                             \
    {                                                                         \
        __VA_ARGS__                                                           \
    }
#define TEXT(s)                              \
    {                                        \
        (const uint8_t *) (s), sizeof(s) - 1 \
    }
#define BYTES(s) ts_slice((s), sizeof(s) - 1)

static struct ts_arena arena;

static int open_arena(void **state)
{
    (void) state;
    ts_arena_init(&arena, (size_t) 256 * 1024 * 1024);
    return 0;
}

static int close_arena(void **state)
{
    (void) state;
    ts_arena_done(&arena);
    return 0;
}

static struct ts_slice pack(const struct ts_entry *entry)
{
    struct ts_slice bytes = TS_SLICE_NONE;
    struct ts_err err = { 0 };
    assert_int_equal(entry_pack(entry, &arena, &bytes, &err), TS_OK);
    return bytes;
}

static enum ts_code unpack(struct ts_slice bytes, struct ts_err *err)
{
    struct ts_entry entry = { .count = 77 };
    enum ts_code code = entry_unpack(bytes, &arena, &entry, err);
    if (code != TS_OK) {
        assert_int_equal(entry.count, 77); /* untouched on error */
    }
    return code;
}

static void refuses(struct ts_slice bytes, enum ts_code code, const char *text)
{
    struct ts_err err = { 0 };
    assert_int_equal(unpack(bytes, &err), code);
    assert_string_equal(err.text, text);
}

/* Every kind, sorted. */
static struct ts_entry sample(struct ts_attribute attributes[static 7])
{
    struct ts_attribute all[7] = {
        { TEXT("active"), TS_KIND_BOOLEAN, VALUES(TEXT("true")) },
        { TEXT("badge"), TS_KIND_INTEGER,
          VALUES(TEXT("-9223372036854775808"), TEXT("7")) },
        { TEXT("cn"), TS_KIND_TEXT, VALUES(TEXT(""), TEXT("Ada"), TEXT("Å")) },
        { TEXT("emails"), TS_KIND_JSON, VALUES(TEXT("[{\"a\":1}]")) },
        { TEXT("nick"), TS_KIND_CLEAR, 0, NULL },
        { TEXT("photo"), TS_KIND_BLOB, VALUES(TEXT("\0\377"), TEXT("\1")) },
        { TEXT("title"), TS_KIND_KEEP, 0, NULL },
    };
    for (size_t i = 0; i < 7; i++) {
        attributes[i] = all[i];
        struct ts_slice *values =
            ts_arena_array(&arena, all[i].value_count, sizeof *values);
        for (size_t v = 0; v < all[i].value_count; v++) {
            values[v] = all[i].values[v];
        }
        attributes[i].values = values;
    }
    return (struct ts_entry){ 7, attributes };
}

static void what_was_packed_comes_back(void **state)
{
    (void) state;
    struct ts_attribute attributes[7];
    struct ts_entry entry = sample(attributes);
    struct ts_entry back;
    struct ts_err err;

    struct ts_slice bytes = pack(&entry);
    assert_int_equal(entry_unpack(bytes, &arena, &back, &err), TS_OK);
    assert_true(ts_entry_equal(&entry, &back));
    assert_true(ts_slice_equal(bytes, pack(&back)));
}

static void unpacked_values_outlive_the_bytes(void **state)
{
    (void) state;
    struct ts_attribute attributes[7];
    struct ts_entry entry = sample(attributes);
    struct ts_entry back;
    struct ts_slice bytes = pack(&entry);
    uint8_t copy[512];
    assert_in_range(bytes.size, 1, sizeof copy);
    memcpy(copy, bytes.data, bytes.size);

    assert_int_equal(
        entry_unpack(ts_slice(copy, bytes.size), &arena, &back, NULL), TS_OK);
    memset(copy, 0xee, sizeof copy);
    assert_true(ts_entry_equal(&entry, &back));
}

/* The bytes of version 0.1.0. If this fails, stored hashes no longer hold:
 * see proto/README.md, rule 5. */
static void the_bytes_never_change(void **state)
{
    (void) state;
    struct ts_attribute attributes[] = {
        { TEXT("cn"), TS_KIND_TEXT, VALUES(TEXT("Ada"), TEXT("Bo")) },
        { TEXT("on"), TS_KIND_BOOLEAN, VALUES(TEXT("true")) },
        { TEXT("x"), TS_KIND_CLEAR, 0, NULL },
    };
    struct ts_slice bytes = pack(&(struct ts_entry){ 3, attributes });

    static const char expected[] = "\x0a\x0d\x0a\x02"
                                   "cn\x1a\x03"
                                   "Ada\x1a\x02"
                                   "Bo"
                                   "\x0a\x0c\x0a\x02"
                                   "on\x10\x03\x1a\x04true"
                                   "\x0a\x05\x0a\x01x\x10\x05";
    assert_int_equal(bytes.size, sizeof expected - 1);
    assert_memory_equal(bytes.data, expected, bytes.size);
    assert_int_equal(pack(&(struct ts_entry){ 0, NULL }).size, 0);
}

static void unknown_fields_are_ignored(void **state)
{
    (void) state;
    struct ts_entry back;
    /* field 9 of the attribute (varint), field 15 of the entry (bytes) */
    struct ts_slice bytes =
        BYTES("\x0a\x08\x0a\x01x\x48\x05\x1a\x01v\x7a\x02hi");
    assert_int_equal(entry_unpack(bytes, &arena, &back, NULL), TS_OK);
    assert_int_equal(back.count, 1);
    assert_true(ts_slice_equal(back.attributes[0].values[0], BYTES("v")));
}

static void names_out_of_order_or_twice_are_refused(void **state)
{
    (void) state;
    refuses(BYTES("\x0a\x03\x0a\x01y\x0a\x03\x0a\x01x"), TS_E_CORRUPT,
            "cannot unpack an entry: attribute \"x\" is not in order");
    refuses(BYTES("\x0a\x03\x0a\x01x\x0a\x03\x0a\x01x"), TS_E_CORRUPT,
            "cannot unpack an entry: attribute \"x\" is not in order");
    refuses(BYTES("\x0a\x02\x0a\x00"), TS_E_CORRUPT,
            "cannot unpack an entry: an attribute's name is empty or not UTF-8 "
            "text");
    refuses(BYTES("\x0a\x03\x0a\x01\xff"), TS_E_CORRUPT,
            "cannot unpack an entry: an attribute's name is empty or not UTF-8 "
            "text");
}

static void values_out_of_order_or_twice_are_refused(void **state)
{
    (void) state;
    refuses(BYTES("\x0a\x09\x0a\x01x\x1a\x01q\x1a\x01p"), TS_E_CORRUPT,
            "cannot unpack an entry: the values of attribute \"x\" are not in "
            "order");
    refuses(BYTES("\x0a\x09\x0a\x01x\x1a\x01q\x1a\x01q"), TS_E_CORRUPT,
            "cannot unpack an entry: the values of attribute \"x\" are not in "
            "order");
}

static void values_must_be_of_their_kind(void **state)
{
    (void) state;
    static const struct {
        const char *value;
        uint8_t kind;
        bool good;
    } cases[] = {
        { "true", TS_KIND_BOOLEAN, true },
        { "TRUE", TS_KIND_BOOLEAN, false },
        { "0", TS_KIND_INTEGER, true },
        { "-9223372036854775808", TS_KIND_INTEGER, true },
        { "9223372036854775807", TS_KIND_INTEGER, true },
        { "9223372036854775808", TS_KIND_INTEGER, false },
        { "-", TS_KIND_INTEGER, false },
        { "1x", TS_KIND_INTEGER, false },
        { "18446744073709551617", TS_KIND_INTEGER, false },
        { "\xff", TS_KIND_TEXT, false },
        { "\xff", TS_KIND_BLOB, true },
        { "{}", TS_KIND_JSON, true },
        { "v", TS_KIND_CLEAR, false },
        { "v", TS_KIND_KEEP, false },
        { "v", TS_KINDS, false },
        { "v", 127, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[64] = {
            0x0a, 0, 0x0a, 1, 'x', 0x10, cases[i].kind, 0x1a
        };
        size_t size = strlen(cases[i].value);
        bytes[1] = (uint8_t) (7 + size);
        bytes[8] = (uint8_t) size;
        memcpy(bytes + 9, cases[i].value, size);
        struct ts_err err;
        assert_int_equal(unpack(ts_slice(bytes, 9 + size), &err),
                         cases[i].good ? TS_OK : TS_E_CORRUPT);
        if (cases[i].kind < TS_KINDS) {
            struct ts_slice value = ts_slice_str(cases[i].value), packed;
            struct ts_attribute one = { TEXT("x"), cases[i].kind, 1, &value };
            struct ts_entry entry = { 1, &one };
            assert_int_equal(entry_pack(&entry, &arena, &packed, &err),
                             cases[i].good ? TS_OK : TS_E_PROTOCOL);
        }
    }
    refuses(BYTES("\x0a\x05\x0a\x01x\x10\x07"), TS_E_CORRUPT,
            "cannot unpack an entry: attribute \"x\" has the unknown kind 7");
}

static void every_truncation_is_refused_or_shorter(void **state)
{
    (void) state;
    struct ts_attribute attributes[7];
    struct ts_entry entry = sample(attributes);
    struct ts_slice whole = pack(&entry);
    size_t refused = 0;

    for (size_t size = 0; size < whole.size; size++) {
        struct ts_entry back;
        enum ts_code code =
            entry_unpack(ts_slice(whole.data, size), &arena, &back, NULL);
        if (code == TS_OK) { /* cut between two attributes */
            assert_in_range(back.count, 0, entry.count - 1);
        } else {
            assert_int_equal(code, TS_E_CORRUPT);
            refused++;
        }
    }
    assert_int_equal(refused, whole.size - entry.count);
}

static void huge_counts_end_at_the_arenas_maximum(void **state)
{
    (void) state;
    /* Two bytes an attribute, 64 bytes of struct each: an amplifier. */
    size_t size = 2 * 1024 * 1024;
    uint8_t *bytes = ts_arena_take(&arena, size);
    for (size_t i = 0; i < size; i += 2) {
        bytes[i] = 0x0a;
        bytes[i + 1] = 0;
    }
    struct ts_arena small;
    struct ts_entry entry;
    struct ts_err err;
    ts_arena_init(&small, 1024 * 1024);
    assert_int_equal(entry_unpack(ts_slice(bytes, size), &small, &entry, &err),
                     TS_E_LIMIT);
    assert_in_range(small.used, 0, 1024 * 1024 + 64);
    ts_arena_done(&small);

    refuses(ts_slice(bytes, 2 * (TS_ENTRY_ATTRIBUTES_MAX + 1)), TS_E_LIMIT,
            "cannot unpack an entry of 4097 attributes: the limit is 4096");
    refuses(ts_slice(bytes, TS_ENTRY_SIZE_MAX + 1), TS_E_LIMIT,
            "cannot unpack an entry of 67108865 bytes: the limit is 67108864");
}

static void a_claimed_length_beyond_the_end_is_refused(void **state)
{
    (void) state;
    refuses(BYTES("\x0a\xff\xff\xff\xff\x0f\x0a"), TS_E_CORRUPT,
            "cannot unpack an entry: its 7 bytes are not the message "
            "twinsync.v1.Entry");
    refuses(BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            TS_E_CORRUPT,
            "cannot unpack an entry: its 12 bytes are not the message "
            "twinsync.v1.Entry");
}

static void packing_keeps_its_limits(void **state)
{
    (void) state;
    struct ts_err err;
    struct ts_slice bytes;
    struct ts_slice big = { ts_arena_take(&arena, TS_ENTRY_SIZE_MAX),
                            TS_ENTRY_SIZE_MAX };
    struct ts_attribute one = { TEXT("x"), TS_KIND_BLOB, 1, &big };
    struct ts_entry entry = { 1, &one };
    assert_int_equal(entry_pack(&entry, &arena, &bytes, &err), TS_E_LIMIT);
    assert_string_equal(err.text,
                        "cannot pack an entry of more than 67108864 bytes");

    struct ts_arena small;
    ts_arena_init(&small, 1000);
    big.size = 2000;
    assert_int_equal(entry_pack(&entry, &small, &bytes, &err), TS_E_LIMIT);
    ts_arena_done(&small);

    one.name = ts_slice("a\0b", 3);
    assert_int_equal(entry_pack(&entry, &arena, &bytes, &err), TS_E_PROTOCOL);
}

static void a_large_entry_leaves_the_stack(void **state)
{
    (void) state;
    enum {
        COUNT = 3000
    };
    struct ts_attribute *attributes =
        ts_arena_array(&arena, COUNT, sizeof *attributes);
    for (size_t i = 0; i < COUNT; i++) {
        char name[] = { 'a', (char) ('0' + i / 1000),
                        (char) ('0' + i / 100 % 10), (char) ('0' + i / 10 % 10),
                        (char) ('0' + i % 10) };
        attributes[i].name = ts_arena_copy(&arena, ts_slice(name, sizeof name));
        attributes[i].values = &attributes[i].name;
        attributes[i].value_count = 1;
    }
    struct ts_entry entry = { COUNT, attributes }, back;
    struct ts_slice bytes = pack(&entry);
    assert_int_equal(entry_unpack(bytes, &arena, &back, NULL), TS_OK);
    assert_true(ts_entry_equal(&entry, &back));
}

int main(void)
{
#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, open_arena, close_arena)
    const struct CMUnitTest tests[] = {
        CASE(what_was_packed_comes_back),
        CASE(unpacked_values_outlive_the_bytes),
        CASE(the_bytes_never_change),
        CASE(unknown_fields_are_ignored),
        CASE(names_out_of_order_or_twice_are_refused),
        CASE(values_out_of_order_or_twice_are_refused),
        CASE(values_must_be_of_their_kind),
        CASE(every_truncation_is_refused_or_shorter),
        CASE(huge_counts_end_at_the_arenas_maximum),
        CASE(a_claimed_length_beyond_the_end_is_refused),
        CASE(packing_keeps_its_limits),
        CASE(a_large_entry_leaves_the_stack),
    };
    return cmocka_run_group_tests_name("entry_codec", tests, NULL, NULL);
}
