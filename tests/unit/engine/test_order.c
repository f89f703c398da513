/* order: what comes before what in a cycle. */
#include "tests/lib/test.h"

#include "node/engine/order.h"

static void a_watermark_waits_for_the_last_row_that_it_covers(void **state)
{
    (void) state;
    assert_false(order_watermark(true));
    assert_true(order_watermark(false));
}

static void without_the_lease_nothing_leaves(void **state)
{
    (void) state;
    assert_int_equal(order_ack(&(struct order_sending){
                         .is_acked = true, .is_unprotected = true }),
                     ENGINE_ACK_LOST);
}

static void
what_the_standby_has_not_may_leave_only_where_the_register_says_so(void **state)
{
    (void) state;
    assert_int_equal(order_ack(&(struct order_sending){ .has_lease = true }),
                     ENGINE_ACK_WAIT);
    assert_int_equal(order_ack(&(struct order_sending){
                         .has_lease = true, .is_unprotected = true }),
                     ENGINE_ACK_UNPROTECTED);
    assert_int_equal(order_ack(&(struct order_sending){ .has_lease = true,
                                                        .is_acked = true }),
                     ENGINE_ACK_DURABLE);
}

static void what_was_only_found_is_kept_until_an_operator_names_it(void **state)
{
    unsigned found = order_leaving(INTENT_DELETE, true, true);
    unsigned gone = order_leaving(INTENT_DELETE, false, true);
    (void) state;
    assert_true(order_keeps(found, false));
    assert_false(order_keeps(found, true));
    assert_false(order_keeps(gone, false));
}

static void why_it_leaves_decides_its_class(void **state)
{
    (void) state;
    assert_int_equal(order_leaving(INTENT_DELETE, false, true),
                     INTENT_CLASS_DELETE);
    assert_int_equal(order_leaving(INTENT_DEACTIVATE, false, true),
                     INTENT_CLASS_DEACTIVATE);
    assert_int_equal(order_leaving(INTENT_DEACTIVATE, false, false),
                     INTENT_CLASS_EXIT);
    assert_int_equal(order_leaving(INTENT_DEACTIVATE, true, false),
                     INTENT_CLASS_ORPHAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watermark_waits_for_the_last_row_that_it_covers),
        cmocka_unit_test(without_the_lease_nothing_leaves),
        cmocka_unit_test(
            what_the_standby_has_not_may_leave_only_where_the_register_says_so),
        cmocka_unit_test(
            what_was_only_found_is_kept_until_an_operator_names_it),
        cmocka_unit_test(why_it_leaves_decides_its_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
