/* clock, rule: the safe figure of two clocks; rules hold unless a test says so.
 */
#include "tests/lib/test.h"

#include "node/base/clock.h"
#include "node/base/rule.h"
#include "node/base/time.h"

static void holder_believes_the_faster_clock_standby_the_slower(void **state)
{
    (void) state;
    struct ts_clocks from = { 1000, 5000 }, now = { 1900, 6000 };
    assert_int_equal(ts_elapsed_most(from, now), 1000);
    assert_int_equal(ts_elapsed_least(from, now), 900);
}

static void a_clock_that_went_back_counts_as_nothing(void **state)
{
    (void) state;
    struct ts_clocks from = { 1000, 5000 }, now = { 900, 5100 };
    assert_int_equal(ts_elapsed_most(from, now), 100);
    assert_int_equal(ts_elapsed_least(from, now), 0);
}

static void both_clocks_run(void **state)
{
    (void) state;
    struct ts_clocks first = ts_clocks_now(), now;
    do {
        now = ts_clocks_now();
    } while (ts_elapsed_least(first, now) < 2);
    assert_true(ts_elapsed_most(first, now) >= 2);
}

static void a_second_of_no_year_that_fits_has_no_text(void **state)
{
    (void) state;
    char text[TS_WALL_TEXT_SIZE];
    ts_wall_text_of(1767323045, text);
    assert_string_equal(text, "2026-01-02T03:04:05.000Z");
    ts_wall_text_of(INT64_MAX, text);
    assert_string_equal(text, "");
}

static void a_rule_holds_until_a_test_disables_it(void **state)
{
    (void) state;
#if TS_RULES_SWITCHABLE
    assert_true(TS_RULE(EPSILON));
    ts_rule_disable(ts_rule_find("EPSILON"));
    assert_false(TS_RULE(EPSILON));
    assert_true(TS_RULE(MARGIN));
    ts_rules_restore();
    assert_int_equal(ts_rule_find("epsilon"), TS_RULES_COUNT);
    assert_string_equal(ts_rule_name(TS_RULE_MARGIN), "MARGIN");
    assert_string_equal(ts_rule_text(TS_RULE_MARGIN), "m ignored");
#endif
    assert_true(TS_RULE(EPSILON));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holder_believes_the_faster_clock_standby_the_slower),
        cmocka_unit_test(a_clock_that_went_back_counts_as_nothing),
        cmocka_unit_test(both_clocks_run),
        cmocka_unit_test(a_second_of_no_year_that_fits_has_no_text),
        cmocka_unit_test(a_rule_holds_until_a_test_disables_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
