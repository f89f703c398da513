/* sum: arithmetic modulo 2^256, checked against what can be seen by eye. */
#include "tests/lib/test.h"

#include <string.h>

#include "replication/sum.h"

static const struct sum zero = { { 0 } };
static const struct sum one = { { 1, 0, 0, 0 } };
static const struct sum most = { { UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                   UINT64_MAX } };

static void carries_run_through_every_limb(void **state)
{
    (void) state;
    struct sum sum = most;
    sum_add(&sum, one);
    assert_true(sum_equal(sum, zero));
    sum_subtract(&sum, one);
    assert_true(sum_equal(sum, most));
    sum_add(&sum, most);
    assert_int_equal(sum.limb[0], UINT64_MAX - 1);
    assert_int_equal(sum.limb[3], UINT64_MAX);
    sum_subtract(&sum, most);
    assert_true(sum_equal(sum, most));
}

static void what_was_added_can_be_subtracted(void **state)
{
    (void) state;
    struct sum sum = zero;
    for (int i = 0; i < 200; i++) {
        sum_add(&sum, sum_of_hash(ts_hash_of(ts_slice(&i, sizeof i))));
    }
    for (int i = 199; i >= 0; i--) {
        sum_subtract(&sum, sum_of_hash(ts_hash_of(ts_slice(&i, sizeof i))));
    }
    assert_true(sum_equal(sum, zero));
}

static void is_stored_with_its_highest_byte_first(void **state)
{
    (void) state;
    uint8_t bytes[SUM_SIZE];
    char text[SUM_TEXT_SIZE];
    struct sum sum = { { 0x0f, 0, 0, UINT64_C(0xab) << 56 } };
    sum_store(sum, bytes);
    assert_int_equal(bytes[0], 0xab);
    assert_int_equal(bytes[SUM_SIZE - 1], 0x0f);
    assert_true(sum_equal(sum_load(bytes), sum));
    sum_text(sum, text);
    assert_memory_equal(text, "ab00", 4);
    assert_string_equal(text + 60, "000f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_run_through_every_limb),
        cmocka_unit_test(what_was_added_can_be_subtracted),
        cmocka_unit_test(is_stored_with_its_highest_byte_first),
    };
    return cmocka_run_group_tests_name("sum", tests, NULL, NULL);
}
