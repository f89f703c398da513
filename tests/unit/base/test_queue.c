/* queue: nothing is lost, doubled or overtaken, and a full one stops. */
#include "tests/lib/test.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "node/base/queue.h"

#define ITEMS   5000
#define DEPTH   4
#define SOON_MS 20
#define LONG_MS 20000

static unsigned destroyed;

static void count_destroyed(void *item)
{
    (void) item;
    destroyed++;
}

static void *item(uintptr_t number)
{
    static char items[ITEMS + 1];
    return &items[number];
}

static struct ts_time in_ms(int64_t ms)
{
    return ts_time_after(ts_time_now(), ms);
}

static void *produce(void *context)
{
    struct ts_queue *queue = context;
    uintptr_t number = 0;
    while (number < ITEMS &&
           ts_queue_push(queue, item(number), in_ms(LONG_MS)) == TS_OK) {
        number++;
    }
    ts_queue_close(queue);
    return item(number);
}

static void every_item_comes_out_once_and_in_order(void **state)
{
    (void) state;
    struct ts_queue *queue = ts_queue_new(DEPTH, NULL);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, queue), 0);
    for (uintptr_t i = 0; i < ITEMS; i++) {
        assert_ptr_equal(ts_queue_pop(queue, in_ms(LONG_MS)), item(i));
        assert_true(ts_queue_count(queue) <= DEPTH);
    }
    assert_null(ts_queue_pop(queue, in_ms(LONG_MS)));
    assert_true(ts_queue_finished(queue));
    void *pushed = NULL;
    assert_int_equal(pthread_join(producer, &pushed), 0);
    assert_ptr_equal(pushed, item(ITEMS));
    ts_queue_free(queue);
}

static void a_full_queue_stops_the_producer(void **state)
{
    (void) state;
    struct ts_queue *queue = ts_queue_new(DEPTH, NULL);
    for (uintptr_t i = 0; i < DEPTH; i++) {
        assert_int_equal(ts_queue_push(queue, item(i), in_ms(0)), TS_OK);
    }
    assert_int_equal(ts_queue_push(queue, item(DEPTH), in_ms(SOON_MS)),
                     TS_E_TIMEOUT);
    assert_int_equal(ts_queue_count(queue), DEPTH);
    assert_ptr_equal(ts_queue_pop(queue, in_ms(0)), item(0));
    assert_int_equal(ts_queue_push(queue, item(DEPTH), in_ms(0)), TS_OK);
    ts_queue_free(queue);
}

static void an_empty_queue_is_waited_for_in_vain(void **state)
{
    (void) state;
    struct ts_queue *queue = ts_queue_new(DEPTH, NULL);
    assert_null(ts_queue_pop(queue, in_ms(SOON_MS)));
    assert_false(ts_queue_finished(queue));
    ts_queue_free(queue);
}

static void
a_closed_queue_gives_out_what_is_inside_and_takes_nothing(void **state)
{
    (void) state;
    struct ts_queue *queue = ts_queue_new(DEPTH, NULL);
    assert_int_equal(ts_queue_push(queue, item(1), in_ms(0)), TS_OK);
    ts_queue_close(queue);
    ts_queue_close(queue);
    assert_int_equal(ts_queue_push(queue, item(2), in_ms(LONG_MS)),
                     TS_E_CANCELLED);
    assert_false(ts_queue_finished(queue));
    assert_ptr_equal(ts_queue_pop(queue, in_ms(LONG_MS)), item(1));
    assert_null(ts_queue_pop(queue, in_ms(LONG_MS)));
    assert_true(ts_queue_finished(queue));
    ts_queue_free(queue);
}

static void closing_wakes_a_producer_that_waits(void **state)
{
    (void) state;
    struct ts_queue *queue = ts_queue_new(1, NULL);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, queue), 0);
    while (ts_queue_count(queue) < 1) {
        (void) poll(NULL, 0, 1); /* the producer is about to fill it */
    }
    ts_queue_close(queue);
    void *pushed = NULL;
    assert_int_equal(pthread_join(producer, &pushed), 0);
    assert_ptr_equal(pushed, item(1));
    ts_queue_free(queue);
}

static void what_nobody_took_is_destroyed(void **state)
{
    (void) state;
    struct ts_queue *queue = ts_queue_new(DEPTH, count_destroyed);
    destroyed = 0;
    for (uintptr_t i = 0; i < 3; i++) {
        assert_int_equal(ts_queue_push(queue, item(i), in_ms(0)), TS_OK);
    }
    assert_ptr_equal(ts_queue_pop(queue, in_ms(0)), item(0));
    ts_queue_free(queue);
    assert_int_equal(destroyed, 2);
}

static void a_push_is_seen_on_the_event_descriptor(void **state)
{
    (void) state;
    struct ts_queue *queue = ts_queue_new(DEPTH, NULL);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(fd >= 0);
    ts_queue_notify(queue, fd);
    struct pollfd set = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&set, 1, 0), 0);
    assert_int_equal(ts_queue_push(queue, item(0), in_ms(0)), TS_OK);
    assert_int_equal(poll(&set, 1, LONG_MS), 1);
    ts_queue_free(queue);
    (void) close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_comes_out_once_and_in_order),
        cmocka_unit_test(a_full_queue_stops_the_producer),
        cmocka_unit_test(an_empty_queue_is_waited_for_in_vain),
        cmocka_unit_test(
            a_closed_queue_gives_out_what_is_inside_and_takes_nothing),
        cmocka_unit_test(closing_wakes_a_producer_that_waits),
        cmocka_unit_test(what_nobody_took_is_destroyed),
        cmocka_unit_test(a_push_is_seen_on_the_event_descriptor),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
