/* vault_codec: a kept secret survives packing; what is none is refused. */
#include "tests/lib/test.h"

#include <string.h>

#include "proto/vault_codec.h"

static struct vault_kept sample(void)
{
    struct vault_kept kept = { .name = "source/corp",
                               .current = "old",
                               .candidate = "new",
                               .phase = VAULT_ASKED,
                               .has_file = true,
                               .changed = 1,
                               .proved = 2,
                               .expires = 3,
                               .by = "root" };
    memset(kept.file_hash, 7, sizeof kept.file_hash);
    return kept;
}

static struct vault_bytes packed(const struct vault_kept *kept)
{
    struct vault_bytes bytes;
    struct ts_err err = { .text = "" };
    assert_int_equal(vault_pack(kept, &bytes, &err), TS_OK);
    return bytes;
}

static void a_kept_secret_comes_back_as_it_was(void **state)
{
    (void) state;
    struct ts_err err;
    struct vault_kept back = { .name = "" }, kept = sample();
    struct vault_bytes bytes = packed(&kept);
    assert_int_equal(
        vault_unpack(ts_slice(bytes.data, bytes.size), &back, &err), TS_OK);
    assert_string_equal(back.name, kept.name);
    assert_string_equal(back.current, "old");
    assert_string_equal(back.candidate, "new");
    assert_int_equal(back.phase, VAULT_ASKED);
    assert_memory_equal(back.file_hash, kept.file_hash, VAULT_HASH_SIZE);
    assert_int_equal(back.changed, 1);
    assert_int_equal(back.proved, 2);
    assert_int_equal(back.expires, 3);
    assert_string_equal(back.by, "root");
}

static void a_phase_and_its_candidate_belong_together(void **state)
{
    (void) state;
    struct vault_bytes bytes;
    struct ts_err err;
    struct vault_kept kept = sample();
    kept.phase = VAULT_SETTLED;
    assert_int_equal(vault_pack(&kept, &bytes, &err), TS_E_PROTOCOL);
    kept = sample();
    kept.candidate[0] = '\0';
    assert_int_equal(vault_pack(&kept, &bytes, &err), TS_E_PROTOCOL);
    kept = sample();
    kept.current[0] = '\0';
    assert_int_equal(vault_pack(&kept, &bytes, &err), TS_E_PROTOCOL);
}

static void
every_cut_and_every_altered_byte_is_refused_or_still_sound(void **state)
{
    (void) state;
    struct ts_err err;
    struct vault_kept kept = sample(), back = { .name = "untouched" };
    struct vault_bytes bytes = packed(&kept);
    for (size_t size = 0; size < bytes.size; size++) {
        enum ts_code code =
            vault_unpack(ts_slice(bytes.data, size), &back, &err);
        assert_true(code == TS_OK || code == TS_E_CORRUPT);
        assert_true(code == TS_OK || strcmp(back.name, "untouched") == 0);
        back = (struct vault_kept){ .name = "untouched" };
    }
    for (size_t at = 0; at < 8 * bytes.size; at++) {
        struct vault_bytes other = bytes;
        other.data[at / 8] ^= (uint8_t) (1U << (at % 8));
        enum ts_code code =
            vault_unpack(ts_slice(other.data, other.size), &back, &err);
        assert_true(code == TS_OK || code == TS_E_CORRUPT ||
                    code == TS_E_VERSION);
        assert_true(code != TS_OK || vault_pack(&back, &other, &err) == TS_OK);
    }
    assert_int_equal(
        vault_unpack(ts_slice(bytes.data, VAULT_PACKED_MAX + 1), &back, &err),
        TS_E_LIMIT);
}

static void a_record_of_a_later_version_is_told_apart(void **state)
{
    (void) state;
    struct ts_err err;
    struct vault_kept kept = sample(), back;
    struct vault_bytes bytes = packed(&kept);
    assert_int_equal(bytes.data[0], 0x08); /* version_min */
    bytes.data[1] = VAULT_VERSION + 1;
    assert_int_equal(
        vault_unpack(ts_slice(bytes.data, bytes.size), &back, &err),
        TS_E_VERSION);
    assert_non_null(strstr(err.text, "install the newer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_secret_comes_back_as_it_was),
        cmocka_unit_test(a_phase_and_its_candidate_belong_together),
        cmocka_unit_test(
            every_cut_and_every_altered_byte_is_refused_or_still_sound),
        cmocka_unit_test(a_record_of_a_later_version_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
