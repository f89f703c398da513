/* pace: a service of known behaviour is simulated on virtual time, and what the
 * machine settles on is compared with what that service takes best. */
#include "tests/lib/test.h"

#include "node/target/pace.h"

static struct ts_time at(int64_t ms)
{
    return (struct ts_time){ .ms = ms };
}

static void believes_retry_after(void **state)
{
    (void) state;
    struct pace pace;
    pace_init(&pace, 8, 1);
    pace_refused(&pace, at(1000), 7000, 0);
    assert_int_equal(pace.not_before.ms, 8000);
}

static void never_waits_longer_than_the_maximum(void **state)
{
    (void) state;
    struct pace pace;
    pace_init(&pace, 8, 1);
    pace_refused(&pace, at(0), INT64_MAX / 2, 0);
    assert_int_equal(pace.not_before.ms, PACE_WAIT_MAX_MS);
}

static void a_shorter_wait_does_not_shorten_a_longer_one(void **state)
{
    (void) state;
    struct pace pace;
    pace_init(&pace, 8, 1);
    pace_refused(&pace, at(0), 9000, 0);
    pace_refused(&pace, at(10), 1000, 0);
    assert_int_equal(pace.not_before.ms, 9000);
}

/* Without Retry-After: the window doubles, and the random bits choose in it. */
static void backs_off_with_jitter(void **state)
{
    (void) state;
    int64_t now = 0, last_most = 0;
    for (uint32_t refusals = 0; refusals < 12; refusals++) {
        int64_t least = INT64_MAX, most = 0;
        for (uint32_t random = 0; random < 4000; random++) {
            struct pace pace;
            pace_init(&pace, 8, 1);
            for (uint32_t i = 0; i < refusals; i++) {
                now = pace.not_before.ms < 0 ? 0 : pace.not_before.ms;
                pace_refused(&pace, at(now), -1, 7);
            }
            now = pace.not_before.ms < 0 ? 0 : pace.not_before.ms;
            pace_refused(&pace, at(now), -1, random * 1103515245u);
            int64_t wait = pace.not_before.ms - now;
            least = wait < least ? wait : least;
            most = wait > most ? wait : most;
        }
        assert_true(least >= PACE_BACKOFF_MIN_MS / 2);
        assert_true(most <= PACE_BACKOFF_MAX_MS);
        assert_true(most >= last_most - last_most / 20);
        assert_true(most > least);
        last_most = most;
    }
    assert_true(last_most > PACE_BACKOFF_MAX_MS / 2);
}

static void requests_refused_together_halve_once(void **state)
{
    (void) state;
    struct pace pace;
    pace_init(&pace, 16, 1);
    pace.concurrency = 16;
    for (int i = 0; i < 16; i++) {
        pace_refused(&pace, at(100 + i), 2000, 0);
    }
    assert_int_equal(pace.concurrency, 8);
    pace_refused(&pace, at(5000), 2000, 0);
    assert_int_equal(pace.concurrency, 4);
}

/* A service that takes `parallel` requests at once, each of `base_ms` plus
 * `object_us` an object, and refuses more than `refuse_above`. */
struct service {
    uint32_t parallel, refuse_above;
    int64_t request_us, object_us;
    size_t waiting;
};

static void simulate(struct pace *pace, const struct service *service,
                     int64_t until_ms)
{
    int64_t now_us = 0;
    while (now_us / 1000 < until_ms) {
        size_t bundle = pace_bundle(pace, service->waiting);
        int64_t each =
            service->request_us + service->object_us * (int64_t) bundle;
        uint32_t running = pace->concurrency < service->parallel
                               ? pace->concurrency
                               : service->parallel;
        now_us += each / running;
        if (now_us / 1000 < pace->not_before.ms) {
            now_us = pace->not_before.ms * 1000;
        }
        if (service->refuse_above != 0 &&
            pace->concurrency > service->refuse_above) {
            pace_refused(pace, at(now_us / 1000), 200, 0);
        } else {
            pace_answered(pace, at(now_us / 1000), bundle);
        }
    }
}

static void grows_while_the_service_keeps_up(void **state)
{
    (void) state;
    struct pace pace;
    pace_init(&pace, 12, 1);
    simulate(&pace, &(struct service){ 64, 0, 2000, 1000, 5000 }, 20000);
    assert_int_equal(pace.concurrency, 12);
}

static void stays_below_what_the_service_refuses(void **state)
{
    (void) state;
    struct pace pace;
    pace_init(&pace, 32, 1);
    simulate(&pace, &(struct service){ 64, 6, 2000, 1000, 5000 }, 60000);
    assert_in_range(pace.concurrency, 3, 7);
}

static void uses_bundles_where_a_request_costs_more_than_an_object(void **state)
{
    (void) state;
    struct pace pace;
    pace_init(&pace, 2, 1000);
    simulate(&pace, &(struct service){ 2, 0, 20000, 200, 100000 }, 120000);
    assert_true(pace_bundle(&pace, 100000) >= 100);
}

/* The service of the design's table: Bulk gains nothing. Trying must be rare.
 */
static void leaves_bundles_where_they_gain_nothing(void **state)
{
    (void) state;
    struct pace pace;
    const struct service service = { 2, 0, 0, 1400, 100000 };
    pace_init(&pace, 2, 1000);
    simulate(&pace, &service, 60000);
    assert_int_equal(pace.step, 0);
    assert_true(pace.probe_wait >= 64);
}

static void does_not_bundle_a_handful(void **state)
{
    (void) state;
    struct pace pace;
    pace_init(&pace, 4, 1000);
    pace.step = 3;
    assert_int_equal(pace_bundle(&pace, 4 * 100), 100);
    assert_int_equal(pace_bundle(&pace, 4 * 100 - 1), 1);
}

static void never_bundles_more_than_the_service_takes(void **state)
{
    (void) state;
    struct pace pace;
    pace_init(&pace, 1, 50);
    for (pace.step = 0; pace.step < PACE_STEPS; pace.step++) {
        assert_true(pace_bundle(&pace, 100000) <= 50);
    }
}

static void a_refused_bundle_is_not_tried_again(void **state)
{
    (void) state;
    struct pace pace;
    pace_init(&pace, 1, 1000);
    pace.step = 3;
    pace_bundle_refused(&pace, 100);
    assert_true(pace_bundle(&pace, 100000) <= 50);
    pace_bundle_refused(&pace, 10);
    assert_int_equal(pace_bundle(&pace, 100000), 1);
}

static void reads_retry_after_in_both_forms(void **state)
{
    (void) state;
    const char *date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_int_equal(pace_retry_after("120", NULL, 0), 120000);
    assert_int_equal(pace_retry_after("0", NULL, 0), 0);
    assert_int_equal(pace_retry_after(date, NULL, 784111777 - 30), 30000);
    assert_int_equal(pace_retry_after(date, NULL, 784111777 + 30), 0);
    /* The answer's own Date: our clock, a year off, does not count. */
    assert_int_equal(
        pace_retry_after(date, "Sun, 06 Nov 1994 08:49:07 GMT", 815647777),
        30000);
    assert_int_equal(
        pace_retry_after("Sunday, 06-Nov-94 08:49:37 GMT", NULL, 784111767),
        10000);
}

static void ignores_a_retry_after_that_is_neither(void **state)
{
    (void) state;
    const char *const wrong[] = { "",        " ",     "-1",  "soon",
                                  "1.5",     "12abc", " 12", "Sun, 06 Nov 1994",
                                  "\x80\xff" };
    assert_int_equal(pace_retry_after(NULL, NULL, 0), -1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(pace_retry_after(wrong[i], NULL, 0), -1);
    }
    assert_int_equal(pace_retry_after("99999999999999999999999", NULL, 0),
                     PACE_WAIT_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_retry_after),
        cmocka_unit_test(never_waits_longer_than_the_maximum),
        cmocka_unit_test(a_shorter_wait_does_not_shorten_a_longer_one),
        cmocka_unit_test(backs_off_with_jitter),
        cmocka_unit_test(requests_refused_together_halve_once),
        cmocka_unit_test(grows_while_the_service_keeps_up),
        cmocka_unit_test(stays_below_what_the_service_refuses),
        cmocka_unit_test(
            uses_bundles_where_a_request_costs_more_than_an_object),
        cmocka_unit_test(leaves_bundles_where_they_gain_nothing),
        cmocka_unit_test(does_not_bundle_a_handful),
        cmocka_unit_test(never_bundles_more_than_the_service_takes),
        cmocka_unit_test(a_refused_bundle_is_not_tried_again),
        cmocka_unit_test(reads_retry_after_in_both_forms),
        cmocka_unit_test(ignores_a_retry_after_that_is_neither),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
