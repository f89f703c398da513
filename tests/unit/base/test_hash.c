/* hash: SHA-256 as the standard has it, and fields that cannot run together. */
#include "tests/lib/test.h"

#include <string.h>

#include "node/base/hash.h"

static void agrees_with_the_standard(void **state)
{
    (void) state;
    char text[TS_HASH_TEXT_SIZE];
    ts_hash_text(ts_hash_of(ts_slice("abc", 3)), text); /* FIPS 180-2, B.1 */
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223"
                              "b00361a396177a9cb410ff61f20015ad");
    ts_hash_text(ts_hash_of(TS_SLICE_NONE), text);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb924"
                              "27ae41e4649b934ca495991b7852b855");
}

static struct ts_hash of_fields(struct ts_hasher *hasher, const char *a,
                                const char *b)
{
    ts_hasher_begin(hasher);
    ts_hasher_add_field(hasher, ts_slice_str(a));
    ts_hasher_add_field(hasher, ts_slice_str(b));
    return ts_hasher_end(hasher);
}

static void parts_add_up_and_fields_do_not(void **state)
{
    (void) state;
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    ts_hasher_add(hasher, ts_slice("a", 1));
    ts_hasher_add(hasher, TS_SLICE_NONE);
    ts_hasher_add(hasher, ts_slice("bc", 2));
    assert_true(
        ts_hash_equal(ts_hasher_end(hasher), ts_hash_of(ts_slice("abc", 3))));
    assert_false(ts_hash_equal(of_fields(hasher, "ab", "c"),
                               of_fields(hasher, "a", "bc")));
    assert_true(ts_hash_equal(of_fields(hasher, "ab", "c"),
                              of_fields(hasher, "ab", "c")));
    ts_hasher_free(hasher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_standard),
        cmocka_unit_test(parts_add_up_and_fields_do_not),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
