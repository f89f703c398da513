/* spent: the window slides by the hour, and percentages are of its start. */
#include "tests/lib/test.h"

#include "node/metaverse/spent.h"
#include "tests/lib/store.h"

#define HOUR 3600

static const struct spent_key deletes = { .class = HOLD_DELETES };

static struct spent_window at(int64_t hour)
{
    return spent_window_of(hour * HOUR + 59, 24);
}

static void spend(struct store *store, int64_t hour, int64_t amount)
{
    struct ts_err err;
    struct spent_window window = at(hour);
    assert_int_equal(spent_add(store->mv, &deletes, &window, amount, &err),
                     TS_OK);
}

static int64_t sum(struct store *store, const struct spent_key *key,
                   int64_t hour)
{
    struct ts_err err;
    struct spent_window window = at(hour);
    int64_t amount = -1;
    assert_int_equal(spent_sum(store->mv, key, &window, &amount, &err), TS_OK);
    return amount;
}

static int64_t extent(struct store *store, int64_t hour, bool *now)
{
    struct ts_err err;
    struct spent_window window = at(hour);
    int64_t amount = 0;
    assert_int_equal(
        extent_of(store->mv, &deletes, &window, &amount, now, &err), TS_OK);
    return amount;
}

static void note(struct store *store, int64_t hour, int64_t amount)
{
    struct ts_err err;
    struct spent_window window = at(hour);
    assert_int_equal(extent_note(store->mv, &deletes, &window, amount, &err),
                     TS_OK);
}

static void what_passed_counts_for_a_whole_window(void **state)
{
    struct store *store = *state;
    spend(store, 100, 7);
    spend(store, 100, 3);
    assert_int_equal(sum(store, &deletes, 100), 10);
    spend(store, 110, 5);
    assert_int_equal(sum(store, &deletes, 124), 15);
    assert_int_equal(sum(store, &deletes, 125), 5);
    assert_int_equal(sum(store, &deletes, 135), 0);
}

static void budgets_are_apart_by_class_kind_and_subject(void **state)
{
    struct store *store = *state;
    const struct spent_key others[] = {
        { .class = HOLD_EXITS },
        { .class = HOLD_DELETES, .kind = 1 },
        { .class = HOLD_DELETES, .subject = ts_slice_str("group") },
    };
    spend(store, 100, 7);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(sum(store, &others[i], 100), 0);
    }
}

static void percentages_are_of_the_first_that_was_there(void **state)
{
    struct store *store = *state;
    bool now = true;
    assert_int_equal(extent(store, 100, &now), -1);
    assert_false(now);
    note(store, 100, 200);
    note(store, 100, 150);
    note(store, 110, 90);
    assert_int_equal(extent(store, 100, &now), 200);
    assert_true(now);
    assert_int_equal(extent(store, 124, &now), 200);
    assert_false(now);
    assert_int_equal(extent(store, 125, &now), 90);
    assert_int_equal(extent(store, 135, &now), -1);
}

static void only_what_is_before_the_window_is_trimmed(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct spent_window window = at(124);
    spend(store, 99, 1);
    spend(store, 100, 2);
    note(store, 99, 10);
    note(store, 100, 20);
    assert_int_equal(spent_trim(store->mv, &window, &err), TS_OK);
    assert_int_equal(store_int(store, "SELECT sum(amount) FROM spent"), 2);
    assert_int_equal(store_int(store, "SELECT sum(amount) FROM extent"), 20);
    int64_t before = store_written(store);
    assert_int_equal(spent_trim(store->mv, &window, &err), TS_OK);
    assert_int_equal(store_written(store), before);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, store_make, store_remove)
    const struct CMUnitTest tests[] = {
        T(what_passed_counts_for_a_whole_window),
        T(budgets_are_apart_by_class_kind_and_subject),
        T(percentages_are_of_the_first_that_was_there),
        T(only_what_is_before_the_window_is_trimmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
