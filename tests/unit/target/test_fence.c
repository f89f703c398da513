/* fence: what confirms that a principal is gone, and what does not. */
#include "tests/lib/test.h"

#include <string.h>

#include "node/target/fence.h"

static struct fence fence;
static struct ts_clocks now;

static void begin(int64_t lifetime_s, bool introspection)
{
    const struct fence_options options = { .introspection = introspection,
                                           .lifetime_s = lifetime_s,
                                           .error_percent = 10 };
    now = (struct ts_clocks){ 1000000, 5000000 };
    fence_init(&fence, &options);
}

static void pass(int64_t ms)
{
    now.boot_ms += ms;
    now.raw_ms += ms;
}

static enum fence_act next(void)
{
    return fence_next(&fence, now);
}

/* It wants `act`; that takes a millisecond and comes to `answer`. */
static void does(enum fence_act act, enum fence_answer answer)
{
    assert_int_equal(next(), act);
    pass(1);
    fence_tell(&fence, answer, 3600, now);
}

/* Sleep as long as it says, then as does(). */
static void later(enum fence_act act, enum fence_answer answer)
{
    for (int i = 0; i < 10 && next() == FENCE_WAIT; i++) {
        int64_t wait = fence_wait_ms(&fence, now);
        assert_in_range(wait, 1, FENCE_WAIT_MAX_MS);
        pass(wait);
    }
    does(act, answer);
}

static void confirmed(enum fence_evidence evidence)
{
    assert_int_equal(next(), FENCE_DONE);
    assert_int_equal(fence_evidence(&fence), evidence);
}

static void pending(void)
{
    assert_int_not_equal(next(), FENCE_DONE);
    assert_int_equal(fence_evidence(&fence), FENCE_BY_NOTHING);
}

/* A canary that was served, and the client deleted. */
static void delete_with_canary(void)
{
    does(FENCE_ASK_CANARY, FENCE_YES);
    does(FENCE_TRY_CANARY, FENCE_YES);
    does(FENCE_DELETE, FENCE_YES);
    does(FENCE_ASK_AGAIN, FENCE_NO);
}

static void five_refusals_beside_our_successes_confirm(void **state)
{
    (void) state;
    begin(3600, false);
    delete_with_canary();
    for (int i = 0; i < FENCE_REFUSALS; i++) {
        pending();
        does(FENCE_TRY_CANARY, FENCE_NO);
        pending();
        does(FENCE_TRY_OWN, FENCE_YES);
    }
    confirmed(FENCE_BY_REFUSALS);
}

static void a_refusal_beside_no_success_of_ours_counts_for_nothing(void **state)
{
    (void) state;
    static const enum fence_answer without[] = { FENCE_NO, FENCE_BUSY,
                                                 FENCE_ODD };
    begin(3600, false);
    delete_with_canary();
    for (int i = 0; i < 30; i++) {
        later(FENCE_TRY_CANARY, FENCE_NO);
        does(FENCE_TRY_OWN, without[i % 3]);
        pending();
    }
    for (int i = 0; i < FENCE_REFUSALS; i++) {
        later(FENCE_TRY_CANARY, FENCE_NO);
        does(FENCE_TRY_OWN, FENCE_YES);
    }
    confirmed(FENCE_BY_REFUSALS);
}

static void an_outage_or_an_odd_status_is_no_refusal(void **state)
{
    (void) state;
    begin(3600, false);
    delete_with_canary();
    for (int i = 0; i < 30; i++) {
        later(FENCE_TRY_CANARY, i % 2 == 0 ? FENCE_BUSY : FENCE_ODD);
        pending();
    }
    assert_int_equal(fence.refusals, 0);
}

/* Nothing is exported while it is waited for. */
static void a_late_refusal_is_noticed_a_quarter_late_at_most(void **state)
{
    (void) state;
    for (int64_t lag = 1000; lag < 16000; lag += 500) {
        begin(3600, false);
        delete_with_canary();
        struct ts_clocks from = now;
        while (ts_elapsed_least(from, now) < lag) {
            later(FENCE_TRY_CANARY, FENCE_YES);
            pass(fence_wait_ms(&fence, now));
        }
        assert_true(ts_elapsed_least(from, now) <=
                    lag + lag / 4 + FENCE_WAIT_MIN_MS);
    }
}

static void one_admission_starts_the_count_anew(void **state)
{
    (void) state;
    begin(3600, false);
    delete_with_canary();
    for (int i = 0; i < FENCE_REFUSALS - 1; i++) {
        does(FENCE_TRY_CANARY, FENCE_NO);
        does(FENCE_TRY_OWN, FENCE_YES);
    }
    does(FENCE_TRY_CANARY, FENCE_YES);
    for (int i = 0; i < FENCE_REFUSALS; i++) {
        pending();
        later(FENCE_TRY_CANARY, FENCE_NO);
        does(FENCE_TRY_OWN, FENCE_YES);
    }
    confirmed(FENCE_BY_REFUSALS);
}

/* A cache may have seen the old node's token as late as the deletion. */
static void refusals_last_as_long_as_the_canary_was_older(void **state)
{
    (void) state;
    begin(3600, false);
    does(FENCE_ASK_CANARY, FENCE_YES);
    does(FENCE_TRY_CANARY, FENCE_YES);
    pass(20000); /* the registration endpoint is slow */
    does(FENCE_DELETE, FENCE_YES);
    does(FENCE_ASK_AGAIN, FENCE_NO);
    struct ts_clocks first = now;
    for (int i = 0; i < FENCE_REFUSALS; i++) {
        does(FENCE_TRY_CANARY, FENCE_NO);
        does(FENCE_TRY_OWN, FENCE_YES);
    }
    pending();
    while (next() != FENCE_DONE) {
        later(FENCE_TRY_CANARY, FENCE_NO);
        does(FENCE_TRY_OWN, FENCE_YES);
    }
    assert_true(ts_elapsed_least(first, now) >= 20000);
}

static void a_canary_that_may_have_expired_proves_nothing(void **state)
{
    (void) state;
    begin(100000, false);
    delete_with_canary();
    for (int i = 0; i < FENCE_REFUSALS - 1; i++) {
        does(FENCE_TRY_CANARY, FENCE_NO);
        does(FENCE_TRY_OWN, FENCE_YES);
    }
    pass(3600 * 1000); /* its life, and more than that less the clock's error */
    assert_int_equal(next(), FENCE_WAIT);
    pending();
}

static void a_canary_of_unknown_life_counts_for_a_minute(void **state)
{
    (void) state;
    begin(100000, false);
    assert_int_equal(next(), FENCE_ASK_CANARY);
    fence_tell(&fence, FENCE_YES, FENCE_LIFETIME_UNKNOWN, now);
    does(FENCE_TRY_CANARY, FENCE_YES);
    does(FENCE_DELETE, FENCE_YES);
    does(FENCE_ASK_AGAIN, FENCE_NO);
    assert_int_equal(next(), FENCE_TRY_CANARY);
    pass(FENCE_UNSAID_LIFE_S * 1000);
    assert_int_equal(next(), FENCE_WAIT);
    pending();
}

/* Its end may be a whole second before the one that was told. */
static void a_canary_counts_a_second_less_than_it_was_to_live(void **state)
{
    (void) state;
    begin(100000, false);
    assert_int_equal(next(), FENCE_ASK_CANARY);
    fence_tell(&fence, FENCE_YES, 11, now);
    does(FENCE_TRY_CANARY, FENCE_YES);
    does(FENCE_DELETE, FENCE_YES);
    does(FENCE_ASK_AGAIN, FENCE_NO);
    pass(9000);
    assert_int_equal(next(), FENCE_TRY_CANARY);
    pass(500); /* 10 s by a clock that is a tenth slow */
    assert_int_equal(next(), FENCE_WAIT);
    pending();
}

static void tokens_that_outlive_their_client_wait_for_their_end(void **state)
{
    (void) state;
    begin(3600, false);
    delete_with_canary();
    struct ts_clocks gone = now;
    while (next() != FENCE_DONE) {
        if (next() == FENCE_WAIT) {
            pass(fence_wait_ms(&fence, now));
        } else {
            does(FENCE_TRY_CANARY, FENCE_YES);
        }
    }
    confirmed(FENCE_BY_EXPIRY);
    assert_in_range(ts_elapsed_least(gone, now), 3600 * 1100,
                    3600 * 1100 + 10000);
}

/* The slower of the two clocks counts: too early would be wrong. */
static void expiry_counts_what_has_passed_for_certain(void **state)
{
    (void) state;
    begin(60, false);
    does(FENCE_ASK_CANARY, FENCE_NO);
    does(FENCE_DELETE, FENCE_NO);
    does(FENCE_ASK_AGAIN, FENCE_NO);
    now.boot_ms += 3600 * 1000; /* slept: the tokens' server may have, too */
    pending();
    now.raw_ms += 67 * 1000;
    confirmed(FENCE_BY_EXPIRY);
}

static void an_unknown_life_never_expires(void **state)
{
    (void) state;
    begin(FENCE_LIFETIME_UNKNOWN, false);
    does(FENCE_ASK_CANARY, FENCE_NO);
    does(FENCE_DELETE, FENCE_YES);
    does(FENCE_ASK_AGAIN, FENCE_NO);
    pass((int64_t) 1000 * 3600 * 24 * 365);
    pending();
}

static void who_never_had_a_token_is_gone_with_its_client(void **state)
{
    (void) state;
    begin(0, false);
    does(FENCE_DELETE, FENCE_YES);
    pending();
    does(FENCE_ASK_AGAIN, FENCE_NO);
    confirmed(FENCE_BY_NO_TOKEN);
}

static void a_client_that_still_gets_tokens_is_deleted_again(void **state)
{
    (void) state;
    begin(0, false);
    does(FENCE_DELETE, FENCE_NO); /* our management token is refused */
    does(FENCE_ASK_AGAIN, FENCE_YES);
    pending();
    later(FENCE_DELETE, FENCE_YES);
    does(FENCE_ASK_AGAIN, FENCE_NO);
    confirmed(FENCE_BY_NO_TOKEN);
}

static void nothing_is_confirmed_while_the_deletion_is_not(void **state)
{
    (void) state;
    begin(0, false);
    for (int i = 0; i < 50; i++) {
        later(FENCE_DELETE, i % 2 == 0 ? FENCE_BUSY : FENCE_ODD);
        pending();
    }
    later(FENCE_DELETE, FENCE_NO); /* a lost answer had done it */
    for (int i = 0; i < 50; i++) {
        later(FENCE_ASK_AGAIN, i % 2 == 0 ? FENCE_BUSY : FENCE_ODD);
        pending();
    }
    later(FENCE_ASK_AGAIN, FENCE_NO);
    confirmed(FENCE_BY_NO_TOKEN);
}

static void introspection_confirms_only_what_it_once_called_active(void **state)
{
    (void) state;
    for (int active = 0; active < 2; active++) {
        begin(3600, true);
        does(FENCE_ASK_CANARY, FENCE_YES);
        for (int i = 0; i < FENCE_PATIENCE; i++) {
            later(FENCE_TRY_CANARY, FENCE_ODD); /* it may not read */
        }
        /* A server calls inactive what the asker may not know. */
        does(FENCE_SEE_CANARY, active == 1 ? FENCE_YES : FENCE_NO);
        does(FENCE_DELETE, FENCE_YES);
        does(FENCE_ASK_AGAIN, FENCE_NO);
        if (active == 0) {
            assert_int_equal(next(), FENCE_WAIT);
            pending();
            continue;
        }
        does(FENCE_SEE_CANARY, FENCE_NO);
        does(FENCE_SEE_OWN, FENCE_NO);
        pending();
        later(FENCE_SEE_CANARY, FENCE_NO);
        does(FENCE_SEE_OWN, FENCE_YES);
        confirmed(FENCE_BY_INTROSPECTION);
    }
}

static void an_outage_does_not_cost_the_canary(void **state)
{
    (void) state;
    begin(3600, false);
    for (int i = 0; i < 100; i++) {
        later(FENCE_ASK_CANARY, FENCE_BUSY);
    }
    later(FENCE_ASK_CANARY, FENCE_YES);
    for (int i = 0; i < 100; i++) {
        later(FENCE_TRY_CANARY, FENCE_BUSY);
    }
    later(FENCE_TRY_CANARY, FENCE_YES);
    does(FENCE_DELETE, FENCE_YES);
}

/* As a new process would: everything but the memory is lost. */
static void crash(int64_t lifetime_s)
{
    struct fence_memory memory;
    struct ts_clocks then = now;
    fence_remember(&fence, &memory);
    begin(lifetime_s, false);
    now = then;
    fence_resume(&fence, &memory, now);
}

static void a_remembered_canary_goes_on_as_evidence(void **state)
{
    (void) state;
    begin(100000, false);
    does(FENCE_ASK_CANARY, FENCE_YES);
    does(FENCE_TRY_CANARY, FENCE_YES);
    crash(100000);
    does(FENCE_DELETE, FENCE_NO); /* the crash came after it */
    does(FENCE_ASK_AGAIN, FENCE_NO);
    crash(100000);
    for (int i = 0; i < FENCE_REFUSALS; i++) {
        pending();
        does(FENCE_TRY_CANARY, FENCE_NO);
        does(FENCE_TRY_OWN, FENCE_YES);
    }
    confirmed(FENCE_BY_REFUSALS);
    crash(100000);
    pending(); /* what was shown is shown again */
    pass(3600 * 1000);
    assert_int_equal(next(), FENCE_WAIT);
}

static void a_crash_does_not_start_the_wait_for_expiry_anew(void **state)
{
    (void) state;
    begin(600, false);
    does(FENCE_ASK_CANARY, FENCE_NO);
    does(FENCE_DELETE, FENCE_YES);
    does(FENCE_ASK_AGAIN, FENCE_NO);
    pass(600 * 1000);
    crash(600);
    pending();
    pass(60 * 1000);
    pending();
    pass(2000);
    confirmed(FENCE_BY_EXPIRY);
}

static void nothing_remembered_is_a_fence_from_the_start(void **state)
{
    (void) state;
    begin(600, false);
    crash(600);
    delete_with_canary();
    assert_int_equal(next(), FENCE_TRY_CANARY);
}

static void each_wait_says_what_for(void **state)
{
    (void) state;
    char text[200];
    begin(3600, false);
    delete_with_canary();
    does(FENCE_TRY_CANARY, FENCE_YES);
    fence_text(&fence, now, text, sizeof text);
    assert_string_equal(text, "the client is deleted, but its tokens are still "
                              "admitted; confirmed in 3961 s at the latest");
    later(FENCE_TRY_CANARY, FENCE_BUSY);
    fence_text(&fence, now, text, sizeof text);
    assert_non_null(
        strstr(text, "the target does not answer, or is busy; confirmed in"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_refusals_beside_our_successes_confirm),
        cmocka_unit_test(
            a_refusal_beside_no_success_of_ours_counts_for_nothing),
        cmocka_unit_test(an_outage_or_an_odd_status_is_no_refusal),
        cmocka_unit_test(a_late_refusal_is_noticed_a_quarter_late_at_most),
        cmocka_unit_test(one_admission_starts_the_count_anew),
        cmocka_unit_test(refusals_last_as_long_as_the_canary_was_older),
        cmocka_unit_test(a_canary_that_may_have_expired_proves_nothing),
        cmocka_unit_test(a_canary_of_unknown_life_counts_for_a_minute),
        cmocka_unit_test(tokens_that_outlive_their_client_wait_for_their_end),
        cmocka_unit_test(expiry_counts_what_has_passed_for_certain),
        cmocka_unit_test(a_canary_counts_a_second_less_than_it_was_to_live),
        cmocka_unit_test(an_unknown_life_never_expires),
        cmocka_unit_test(who_never_had_a_token_is_gone_with_its_client),
        cmocka_unit_test(a_client_that_still_gets_tokens_is_deleted_again),
        cmocka_unit_test(nothing_is_confirmed_while_the_deletion_is_not),
        cmocka_unit_test(
            introspection_confirms_only_what_it_once_called_active),
        cmocka_unit_test(an_outage_does_not_cost_the_canary),
        cmocka_unit_test(a_remembered_canary_goes_on_as_evidence),
        cmocka_unit_test(a_crash_does_not_start_the_wait_for_expiry_anew),
        cmocka_unit_test(nothing_remembered_is_a_fence_from_the_start),
        cmocka_unit_test(each_wait_says_what_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
