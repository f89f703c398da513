/* appointment: one an object, kept until its time has come. */
#include "tests/lib/test.h"

#include "node/metaverse/appointment.h"
#include "tests/lib/store.h"

static int64_t of(struct store *store, int64_t id)
{
    struct ts_err err;
    int64_t at = -1;
    assert_int_equal(appointment_of(store->mv, id, &at, &err), TS_OK);
    return at;
}

static void set(struct store *store, int64_t id, int64_t at)
{
    struct ts_err err;
    assert_int_equal(appointment_set(store->mv, id, at, &err), TS_OK);
}

static void an_object_has_one_appointment_or_none(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    assert_int_equal(of(store, 7), 0);
    set(store, 7, 100);
    set(store, 8, 300);
    set(store, 7, 200);
    assert_int_equal(of(store, 7), 200);
    assert_int_equal(appointment_cancel(store->mv, 7, &err), TS_OK);
    assert_int_equal(of(store, 7), 0);
    assert_int_equal(of(store, 8), 300);
}

static void the_same_again_writes_nothing(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    set(store, 7, 100);
    int64_t before = store_written(store);
    set(store, 7, 100);
    assert_int_equal(appointment_cancel(store->mv, 8, &err), TS_OK);
    assert_int_equal(appointment_forget(store->mv, 99, &err), TS_OK);
    assert_int_equal(store_written(store), before);
}

static void only_those_whose_time_has_come_are_forgotten(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    set(store, 7, 100);
    set(store, 8, 101);
    assert_int_equal(appointment_forget(store->mv, 100, &err), TS_OK);
    assert_int_equal(of(store, 7), 0);
    assert_int_equal(of(store, 8), 101);
}

static void it_goes_with_its_object(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    int64_t id = store_project(store, 0, "a", 0);
    set(store, id, 100);
    assert_int_equal(object_remove(store->mv, id, &err), TS_OK);
    assert_int_equal(of(store, id), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, store_make, store_remove)
    const struct CMUnitTest tests[] = {
        T(an_object_has_one_appointment_or_none),
        T(the_same_again_writes_nothing),
        T(only_those_whose_time_has_come_are_forgotten),
        T(it_goes_with_its_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
