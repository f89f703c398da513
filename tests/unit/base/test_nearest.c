/* nearest: the name that was meant is offered, and nothing far-fetched. */
#include "tests/lib/test.h"

#include <string.h>

#include "node/base/nearest.h"

static const char *nearest_of(const char *word, const char *const *names,
                              size_t count)
{
    struct ts_nearest nearest;
    ts_nearest_init(&nearest, word);
    for (size_t i = 0; i < count; i++) {
        ts_nearest_offer(&nearest, names[i]);
    }
    return nearest.best;
}

static const char *const NAMES[] = { "cn",     "sn",          "mail",
                                     "member", "displayName", "userName" };
#define NEAREST(word) nearest_of(word, NAMES, sizeof NAMES / sizeof NAMES[0])

static void finds_swapped_missing_and_doubled_letters(void **state)
{
    (void) state;
    assert_string_equal(NEAREST("dispalyName"), "displayName");
    assert_string_equal(NEAREST("displyName"), "displayName");
    assert_string_equal(NEAREST("maill"), "mail");
    assert_string_equal(NEAREST("mial"), "mail");
}

static void letter_case_costs_nothing(void **state)
{
    (void) state;
    assert_string_equal(NEAREST("DISPLAYNAMES"), "displayName");
}

static void first_offered_wins_a_tie(void **state)
{
    (void) state;
    assert_string_equal(NEAREST("xn"), "cn");
}

static void offers_nothing_that_is_far(void **state)
{
    (void) state;
    assert_null(NEAREST("telephoneNumber"));
    assert_null(NEAREST("mango"));
    assert_null(NEAREST(""));
}

static void overlong_words_are_near_nothing(void **state)
{
    (void) state;
    char word[TS_NEAREST_SIZE_MAX * 2 + 1];
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = 0;
    const char *const names[] = { word + 1, NULL };

    assert_null(nearest_of(word, names, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_swapped_missing_and_doubled_letters),
        cmocka_unit_test(letter_case_costs_nothing),
        cmocka_unit_test(first_offered_wins_a_tie),
        cmocka_unit_test(offers_nothing_that_is_far),
        cmocka_unit_test(overlong_words_are_near_nothing),
    };
    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
