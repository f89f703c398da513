/* inbox: each message once, in order, and no session comes back. */
#include "tests/lib/test.h"

#include "replication/inbox.h"

static void numbers_rise_within_a_session(void **state)
{
    (void) state;
    struct inbox inbox = { .is_begun = false };
    assert_true(inbox_take(&inbox, 7, 1));
    assert_true(inbox_take(&inbox, 7, 2));
    assert_true(inbox_take(&inbox, 7, 9)); /* some were lost */
    assert_false(inbox_take(&inbox, 7, 9));
    assert_false(inbox_take(&inbox, 7, 3));
    assert_true(inbox_take(&inbox, 7, 10));
}

static void a_new_session_begins_anywhere(void **state)
{
    (void) state;
    struct inbox inbox = { .is_begun = false };
    assert_true(inbox_take(&inbox, 0, 0));
    assert_true(inbox_take(&inbox, 8, 0));
    assert_false(inbox_take(&inbox, 8, 0));
}

static void a_session_that_was_followed_is_over(void **state)
{
    (void) state;
    struct inbox inbox = { .is_begun = false };
    for (uint64_t session = 1; session <= INBOX_PAST_MAX + 1; session++) {
        assert_true(inbox_take(&inbox, session, 5));
    }
    for (uint64_t session = 1; session <= INBOX_PAST_MAX; session++) {
        assert_false(inbox_take(&inbox, session, 100));
    }
    assert_true(inbox_take(&inbox, INBOX_PAST_MAX + 1, 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_rise_within_a_session),
        cmocka_unit_test(a_new_session_begins_anywhere),
        cmocka_unit_test(a_session_that_was_followed_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
