/* doubt: a look is believed after the quiet time only, and nothing is sent. */
#include "tests/lib/test.h"

#include "node/base/rule.h"
#include "node/engine/doubt.h"

static bool quiet_after(int64_t elapsed)
{
    const struct doubt_times times = { .since = 1000,
                                       .now = 1000 + elapsed,
                                       .quiet = 30 };
    return doubt_is_quiet(&times);
}

static void it_is_quiet_only_when_more_than_q_has_passed(void **state)
{
    (void) state;
    assert_false(quiet_after(0));
    assert_false(quiet_after(30)); /* the last unit may have been cut off */
    assert_true(quiet_after(31));
}

static void what_is_not_there_yet_may_still_come(void **state)
{
    (void) state;
    assert_int_equal(doubt_judge(false, false), DOUBT_UNKNOWN);
    assert_int_equal(doubt_judge(false, true), DOUBT_NOT_DONE);
}

static void what_is_there_is_done_whenever_it_is_seen(void **state)
{
    (void) state;
    assert_int_equal(doubt_judge(true, false), DOUBT_DONE);
    assert_int_equal(doubt_judge(true, true), DOUBT_DONE);
}

static void a_look_waits_for_the_quiet_time(void **state)
{
    (void) state;
    assert_false(doubt_may_look(false));
    assert_true(doubt_may_look(true));
}

static void only_where_anything_may_be_under_way_all_rests(void **state)
{
    (void) state;
    assert_int_equal(doubt_rest(true, 30), 30);
    assert_int_equal(doubt_rest(false, 30), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_quiet_only_when_more_than_q_has_passed),
        cmocka_unit_test(what_is_not_there_yet_may_still_come),
        cmocka_unit_test(what_is_there_is_done_whenever_it_is_seen),
        cmocka_unit_test(a_look_waits_for_the_quiet_time),
        cmocka_unit_test(only_where_anything_may_be_under_way_all_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
