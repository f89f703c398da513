/* Blocking work off the reactor: errands.h and post.h. */
#include "tests/lib/test.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "node/base/time.h"
#include "node/daemon/errands.h"

enum {
    DEADLINE_MS = 10000,
    DEPTH = 2
};

struct job {
    struct errand errand;
    struct bench *bench;
    int number;
};

struct bench {
    struct post *post;
    struct errands *errands;
    pthread_t reactor;
    sem_t begun, go; /* a job says that it has begun, and waits */
    int delivered[16];
    int delivered_count, forgone_count, dropped_count, worked_count;
};

static void deliver(struct post_letter *letter)
{
    struct job *job = (struct job *) letter;
    struct bench *bench = job->bench;
    assert_true(pthread_equal(pthread_self(), bench->reactor));
    bench->forgone_count += job->errand.forgone;
    bench->delivered[bench->delivered_count++] = job->number;
    free(job);
}

static void drop(struct post_letter *letter)
{
    struct job *job = (struct job *) letter;
    job->bench->dropped_count++;
    free(job);
}

static void work_at_once(struct errand *errand)
{
    ((struct job *) errand)->bench->worked_count++;
}

static void work_when_told(struct errand *errand)
{
    struct bench *bench = ((struct job *) errand)->bench;
    (void) sem_post(&bench->begun);
    (void) sem_wait(&bench->go);
    bench->worked_count++;
}

static struct job *job_new(struct bench *bench, int number,
                           void (*work)(struct errand *))
{
    struct job *job = calloc(1, sizeof *job);
    assert_non_null(job);
    *job = (struct job){ .errand = { .letter = { .deliver = deliver,
                                                 .drop = drop },
                                     .work = work },
                         .bench = bench,
                         .number = number };
    return job;
}

/* Step the post until `count` letters were delivered. */
static void wait_for(struct bench *bench, int count)
{
    struct ts_time end = ts_time_after(ts_time_now(), DEADLINE_MS);
    while (bench->delivered_count < count) {
        struct pollfd waited = { .fd = post_fd(bench->post), .events = POLLIN };
        assert_int_equal(1, poll(&waited, 1, (int) ts_time_left(end)));
        post_step(bench->post);
    }
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    struct ts_err err;
    bench->reactor = pthread_self();
    assert_int_equal(0, sem_init(&bench->begun, 0, 0));
    assert_int_equal(0, sem_init(&bench->go, 0, 0));
    assert_int_equal(TS_OK, post_new(&bench->post, &err));
    assert_int_equal(
        TS_OK, errands_new("test", DEPTH, bench->post, &bench->errands, &err));
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    errands_free(bench->errands);
    post_free(bench->post);
    (void) sem_destroy(&bench->begun);
    (void) sem_destroy(&bench->go);
    free(bench);
    return 0;
}

static void outcomes_come_back_in_order_on_the_reactors_thread(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 8; i++) {
        struct job *job = job_new(bench, i, work_at_once);
        while (errands_give(bench->errands, &job->errand) != TS_OK) {
            wait_for(bench, bench->delivered_count + 1);
        }
    }
    wait_for(bench, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(i, bench->delivered[i]);
    }
    assert_int_equal(8, bench->worked_count);
}

static void a_full_list_refuses_at_once_and_takes_nothing_over(void **state)
{
    struct bench *bench = *state;
    struct job *busy = job_new(bench, 0, work_when_told);
    assert_int_equal(TS_OK, errands_give(bench->errands, &busy->errand));
    (void) sem_wait(&bench->begun);
    for (int i = 0; i < DEPTH; i++) {
        struct job *waiting = job_new(bench, 1 + i, work_at_once);
        assert_int_equal(TS_OK, errands_give(bench->errands, &waiting->errand));
    }
    struct job *refused = job_new(bench, 9, work_at_once);
    assert_int_equal(TS_E_LIMIT,
                     errands_give(bench->errands, &refused->errand));
    free(refused);
    (void) sem_post(&bench->go);
    wait_for(bench, 1 + DEPTH);
}

static void what_was_not_begun_at_a_stop_comes_back_forgone(void **state)
{
    struct bench *bench = *state;
    struct job *busy = job_new(bench, 0, work_when_told);
    assert_int_equal(TS_OK, errands_give(bench->errands, &busy->errand));
    (void) sem_wait(&bench->begun);
    struct job *waiting = job_new(bench, 1, work_at_once);
    assert_int_equal(TS_OK, errands_give(bench->errands, &waiting->errand));
    errands_stop(bench->errands);
    struct job *late = job_new(bench, 2, work_at_once);
    assert_int_equal(TS_E_CANCELLED,
                     errands_give(bench->errands, &late->errand));
    free(late);
    (void) sem_post(&bench->go);
    wait_for(bench, 2);
    assert_int_equal(1, bench->worked_count);
    assert_int_equal(1, bench->forgone_count);
}

static void a_closed_post_delivers_nothing_more(void **state)
{
    struct bench *bench = *state;
    struct job *busy = job_new(bench, 0, work_when_told);
    assert_int_equal(TS_OK, errands_give(bench->errands, &busy->errand));
    (void) sem_wait(&bench->begun);
    post_close(bench->post);
    (void) sem_post(&bench->go);
    errands_free(bench->errands);
    bench->errands = NULL;
    post_step(bench->post);
    assert_int_equal(0, bench->delivered_count);
    assert_int_equal(1, bench->dropped_count);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(outcomes_come_back_in_order_on_the_reactors_thread),
        TEST(a_full_list_refuses_at_once_and_takes_nothing_over),
        TEST(what_was_not_begun_at_a_stop_comes_back_forgone),
        TEST(a_closed_post_delivers_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
