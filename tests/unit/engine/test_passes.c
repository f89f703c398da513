/* passes: a reconcile ends when a pass finds nothing, or gives up by name. */
#include "tests/lib/test.h"

#include "node/engine/passes.h"

static struct pass_found found(enum pass_class class, uint64_t count)
{
    struct pass_found found = { .carried_out = true };
    found.count[class] = count;
    return found;
}

static void a_pass_that_finds_nothing_is_the_last(void **state)
{
    (void) state;
    const struct pass_found nothing = { .carried_out = true };
    for (unsigned pass = 1; pass <= PASSES_MAX; pass++) {
        assert_int_equal(passes_verdict(pass, &nothing), PASSES_CLEAN);
    }
}

static void whatever_the_first_pass_finds_asks_for_another(void **state)
{
    (void) state;
    for (int class = 0; class < PASS_CLASSES; class ++) {
        struct pass_found one = found((enum pass_class) class, 1);
        assert_int_equal(passes_verdict(1, &one), PASSES_AGAIN);
        assert_int_equal(passes_open(1, &one), 1);
        assert_int_equal(passes_young(1, &one), 0);
    }
}

static void
what_a_source_tells_later_flows_and_keeps_none_from_ending(void **state)
{
    (void) state;
    static const enum pass_class flows[] = { PASS_ADOPTED, PASS_DELETED,
                                             PASS_CREATED, PASS_CHANGED };
    for (unsigned pass = 2; pass <= PASSES_MAX; pass++) {
        for (size_t i = 0; i < sizeof flows / sizeof *flows; i++) {
            struct pass_found some = found(flows[i], 50);
            assert_int_equal(passes_verdict(pass, &some), PASSES_CLEAN);
            assert_int_equal(passes_young(pass, &some), 50);
        }
    }
}

static void what_the_target_shows_asks_for_another_pass_each_time(void **state)
{
    (void) state;
    static const enum pass_class there[] = { PASS_EDITED, PASS_MISSING,
                                             PASS_MEMBERS, PASS_UNSETTLED };
    for (unsigned pass = 1; pass < PASSES_MAX; pass++) {
        for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
            struct pass_found some = found(there[i], 1);
            assert_int_equal(passes_verdict(pass, &some), PASSES_AGAIN);
        }
    }
}

static void after_the_last_pass_it_gives_up(void **state)
{
    (void) state;
    struct pass_found some = found(PASS_EDITED, 1);
    assert_int_equal(passes_verdict(PASSES_MAX, &some), PASSES_INCOMPLETE);
    assert_int_equal(passes_verdict(PASSES_MAX + 1, &some), PASSES_INCOMPLETE);
}

static void what_cannot_be_carried_out_is_not_tried_again(void **state)
{
    (void) state;
    const struct pass_found kept = { .carried_out = false };
    assert_int_equal(passes_verdict(1, &kept), PASSES_INCOMPLETE);
}

static void each_class_has_a_name_of_its_own(void **state)
{
    (void) state;
    for (int a = 0; a < PASS_CLASSES; a++) {
        assert_non_null(pass_class_name((enum pass_class) a));
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(pass_class_name((enum pass_class) a),
                                    pass_class_name((enum pass_class) b));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_that_finds_nothing_is_the_last),
        cmocka_unit_test(whatever_the_first_pass_finds_asks_for_another),
        cmocka_unit_test(
            what_a_source_tells_later_flows_and_keeps_none_from_ending),
        cmocka_unit_test(what_the_target_shows_asks_for_another_pass_each_time),
        cmocka_unit_test(after_the_last_pass_it_gives_up),
        cmocka_unit_test(what_cannot_be_carried_out_is_not_tried_again),
        cmocka_unit_test(each_class_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
