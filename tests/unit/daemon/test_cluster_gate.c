/* What the pair's state means to the threads that export: cluster_gate.h. */
#include "tests/lib/test.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "node/daemon/cluster_gate.h"

enum {
    DEADLINE_MS = 10000,
    LONG_MS = 60000
};

struct bench {
    struct post *post;
    struct cluster_gate *gate;
    struct cluster_token told; /* the last that the reactor was told of */
    int told_count;
    pthread_t asker;
    enum ts_code asked; /* what the asking thread was told */
};

static void on_token(void *context, const struct cluster_token *token)
{
    struct bench *bench = context;
    bench->told = *token;
    bench->told_count++;
}

static void show(struct bench *bench, bool unprotected, bool follower_counts)
{
    const struct cluster_protection shown = { .unprotected = unprotected,
                                              .follower_counts =
                                                  follower_counts,
                                              .generation = 1 };
    cluster_gate_protection(bench->gate, &shown);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    struct ts_err err;
    assert_int_equal(TS_OK, post_new(&bench->post, &err));
    assert_int_equal(TS_OK, cluster_gate_new(bench->post, on_token, bench,
                                             &bench->gate, &err));
    *state = bench;
    show(bench, false, true);
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    cluster_gate_free(bench->gate);
    post_free(bench->post);
    free(bench);
    return 0;
}

static struct cluster_lease lease_of(uint64_t epoch, int64_t age_ms,
                                     int64_t allowed_ms)
{
    struct ts_clocks now = ts_clocks_now();
    return (struct cluster_lease){
        .held = true,
        .open = true,
        .epoch = epoch,
        .from = { now.boot_ms - age_ms, now.raw_ms - age_ms },
        .allowed_ms = allowed_ms,
    };
}

/* A lease of `epoch` that was confirmed `age_ms` ago and lasts `allowed_ms`. */
static void hold(struct bench *bench, uint64_t epoch, int64_t age_ms,
                 int64_t allowed_ms)
{
    struct cluster_lease lease = lease_of(epoch, age_ms, allowed_ms);
    cluster_gate_publish(bench->gate, &lease);
}

static void go_on_unprotected(struct bench *bench, bool may)
{
    struct cluster_lease lease = lease_of(7, 0, LONG_MS);
    lease.may_unprotected = may;
    cluster_gate_publish(bench->gate, &lease);
}

static bool may_export(struct bench *bench, int64_t within_ms)
{
    return cluster_gate_may_export(bench->gate,
                                   ts_time_after(ts_time_now(), within_ms));
}

static struct journal_position row(int64_t generation, int64_t epoch,
                                   int64_t seq)
{
    return (struct journal_position){ .generation = generation,
                                      .epoch = epoch,
                                      .seq = seq };
}

static enum engine_ack ack(struct bench *bench, int64_t generation,
                           int64_t epoch, int64_t seq)
{
    struct journal_position position = row(generation, epoch, seq);
    return cluster_gate_ack(bench->gate, &position);
}

static void nothing_is_sent_without_a_lease(void **state)
{
    struct bench *bench = *state;
    assert_false(may_export(bench, 0));
    assert_int_equal(0, cluster_gate_remaining_ms(bench->gate));
    hold(bench, 7, 0, LONG_MS);
    assert_true(may_export(bench, 1000));
    cluster_gate_publish(bench->gate, &(struct cluster_lease){ .epoch = 7 });
    assert_false(may_export(bench, 0));
}

static void a_request_that_may_end_too_late_is_not_sent(void **state)
{
    struct bench *bench = *state;
    hold(bench, 7, 0, LONG_MS);
    assert_true(may_export(bench, LONG_MS - 10000));
    assert_false(may_export(bench, LONG_MS + 10000));
    assert_false(cluster_gate_may_export(bench->gate, TS_NEVER));
}

static void a_lease_that_nobody_renews_ends_by_itself(void **state)
{
    struct bench *bench = *state;
    hold(bench, 7, LONG_MS + 1, LONG_MS);
    assert_false(may_export(bench, 0));
    assert_int_equal(0, cluster_gate_remaining_ms(bench->gate));
    assert_int_equal(ENGINE_ACK_LOST, ack(bench, 1, 7, 1));
}

/* A holder believes the clock that says more. */
static void a_suspended_machine_does_not_keep_its_lease(void **state)
{
    struct bench *bench = *state;
    struct ts_clocks now = ts_clocks_now();
    cluster_gate_publish(bench->gate,
                         &(struct cluster_lease){
                             .held = true,
                             .open = true,
                             .epoch = 7,
                             .from = { now.boot_ms - 2 * LONG_MS, now.raw_ms },
                             .allowed_ms = LONG_MS });
    assert_false(may_export(bench, 0));
}

static void a_batch_waits_for_the_standby_or_for_the_register(void **state)
{
    struct bench *bench = *state;
    struct cluster_signs signs;
    hold(bench, 7, 0, LONG_MS);
    assert_int_equal(ENGINE_ACK_WAIT, ack(bench, 1, 7, 10));
    cluster_gate_signs(bench->gate, &signs);
    assert_true(signs.unprotected_wanted);
    cluster_gate_signs(bench->gate, &signs);
    assert_false(signs.unprotected_wanted);

    struct journal_position acked = row(1, 7, 9);
    cluster_gate_acked(bench->gate, &acked);
    assert_int_equal(ENGINE_ACK_WAIT, ack(bench, 1, 7, 10));
    go_on_unprotected(bench, true);
    assert_int_equal(ENGINE_ACK_UNPROTECTED, ack(bench, 1, 7, 10));
    go_on_unprotected(bench, false);
    acked = row(1, 7, 10);
    cluster_gate_acked(bench->gate, &acked);
    assert_int_equal(ENGINE_ACK_DURABLE, ack(bench, 1, 7, 10));
}

/* "protected" is being written, so that the standby may have to answer for what
 * leaves now. */
static void what_the_register_shows_is_no_leave_to_send(void **state)
{
    struct bench *bench = *state;
    hold(bench, 7, 0, LONG_MS);
    show(bench, true, true);
    assert_int_equal(ENGINE_ACK_WAIT, ack(bench, 1, 7, 10));
    assert_true(cluster_gate_unprotected(bench->gate)); /* nothing is deleted */
    go_on_unprotected(bench, true);
    assert_int_equal(ENGINE_ACK_UNPROTECTED, ack(bench, 1, 7, 10));
    hold(bench, 8, 0, LONG_MS); /* it was for that epoch */
    assert_int_equal(ENGINE_ACK_WAIT, ack(bench, 1, 8, 1));
}

static void a_learners_acknowledgement_counts_when_none_is_needed(void **state)
{
    struct bench *bench = *state;
    struct journal_position acked = row(1, 7, 10);
    hold(bench, 7, 0, LONG_MS);
    cluster_gate_acked(bench->gate, &acked);
    show(bench, false, false);
    assert_int_equal(ENGINE_ACK_WAIT, ack(bench, 1, 7, 10));
    show(bench, false, true); /* it has its vote */
    assert_int_equal(ENGINE_ACK_DURABLE, ack(bench, 1, 7, 10));
}

static void sequence_numbers_of_another_epoch_are_not_compared(void **state)
{
    struct bench *bench = *state;
    hold(bench, 7, 0, LONG_MS);
    struct journal_position acked = row(1, 6, 100);
    cluster_gate_acked(bench->gate, &acked);
    assert_int_equal(ENGINE_ACK_WAIT, ack(bench, 1, 7, 10));
    assert_int_equal(ENGINE_ACK_DURABLE, ack(bench, 1, 6, 100));
    assert_int_equal(ENGINE_ACK_WAIT, ack(bench, 2, 6, 1));
}

static void a_generation_is_used_when_the_register_has_it(void **state)
{
    struct bench *bench = *state;
    hold(bench, 7, 0, LONG_MS);
    cluster_gate_protection(bench->gate,
                            &(struct cluster_protection){ .generation = 3 });
    assert_int_equal(ENGINE_ACK_WAIT, cluster_gate_generation(bench->gate, 4));
    assert_int_equal(ENGINE_ACK_DURABLE,
                     cluster_gate_generation(bench->gate, 3));
    cluster_gate_close(bench->gate);
    assert_int_equal(ENGINE_ACK_LOST, cluster_gate_generation(bench->gate, 3));
}

/* --- tokens --------------------------------------------------------------- */

static void *ask(void *context)
{
    struct bench *bench = context;
    struct ts_hash hash = { .bytes = { 1, 2, 3 } };
    struct ts_err err;
    bench->asked = cluster_gate_token(bench->gate, &hash, 300, &err);
    return NULL;
}

/* Another thread asks; returns when the reactor was told of it. */
static void begin_to_ask(struct bench *bench)
{
    int before = bench->told_count;
    assert_int_equal(0, pthread_create(&bench->asker, NULL, ask, bench));
    struct ts_time end = ts_time_after(ts_time_now(), DEADLINE_MS);
    while (bench->told_count == before) {
        struct pollfd waited = { .fd = post_fd(bench->post), .events = POLLIN };
        assert_int_equal(1, poll(&waited, 1, (int) ts_time_left(end)));
        post_step(bench->post);
    }
}

static enum ts_code what_it_was_told(struct bench *bench)
{
    assert_int_equal(0, pthread_join(bench->asker, NULL));
    return bench->asked;
}

static void a_token_is_used_when_the_register_shows_it(void **state)
{
    struct bench *bench = *state;
    hold(bench, 7, 0, LONG_MS);
    begin_to_ask(bench);
    assert_int_equal(7, bench->told.epoch);
    assert_int_equal(300, bench->told.lifetime_s);
    cluster_gate_token_answer(bench->gate, bench->told.number, true);
    assert_int_equal(TS_OK, what_it_was_told(bench));

    begin_to_ask(bench);
    cluster_gate_token_answer(bench->gate, bench->told.number - 1, true);
    cluster_gate_token_answer(bench->gate, bench->told.number, false);
    assert_int_equal(TS_E_REFUSED, what_it_was_told(bench));
}

static void a_token_that_nobody_records_is_not_used(void **state)
{
    struct bench *bench = *state;
    hold(bench, 7, 0, 50); /* the lease ends while it waits */
    begin_to_ask(bench);
    assert_int_equal(TS_E_CANCELLED, what_it_was_told(bench));
}

static void a_token_of_a_lost_epoch_is_not_used_in_the_next(void **state)
{
    struct bench *bench = *state;
    hold(bench, 7, 0, LONG_MS);
    begin_to_ask(bench);
    hold(bench, 9, 0, LONG_MS);
    cluster_gate_token_answer(bench->gate, bench->told.number, true);
    assert_int_equal(TS_E_CANCELLED, what_it_was_told(bench));
}

static void a_token_is_recorded_while_nothing_may_be_exported_yet(void **state)
{
    struct bench *bench = *state;
    cluster_gate_publish(bench->gate,
                         &(struct cluster_lease){ .held = true,
                                                  .epoch = 7,
                                                  .from = ts_clocks_now(),
                                                  .allowed_ms = LONG_MS });
    assert_false(may_export(bench, 0));
    begin_to_ask(bench);
    cluster_gate_token_answer(bench->gate, bench->told.number, true);
    assert_int_equal(TS_OK, what_it_was_told(bench));
}

static void whoever_waits_is_woken_when_the_gate_closes(void **state)
{
    struct bench *bench = *state;
    hold(bench, 7, 0, LONG_MS);
    begin_to_ask(bench);
    cluster_gate_close(bench->gate);
    assert_int_equal(TS_E_CANCELLED, what_it_was_told(bench));
    assert_false(may_export(bench, 0));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_sent_without_a_lease),
        TEST(a_request_that_may_end_too_late_is_not_sent),
        TEST(a_lease_that_nobody_renews_ends_by_itself),
        TEST(a_suspended_machine_does_not_keep_its_lease),
        TEST(a_batch_waits_for_the_standby_or_for_the_register),
        TEST(what_the_register_shows_is_no_leave_to_send),
        TEST(a_learners_acknowledgement_counts_when_none_is_needed),
        TEST(sequence_numbers_of_another_epoch_are_not_compared),
        TEST(a_generation_is_used_when_the_register_has_it),
        TEST(a_token_is_used_when_the_register_shows_it),
        TEST(a_token_that_nobody_records_is_not_used),
        TEST(a_token_of_a_lost_epoch_is_not_used_in_the_next),
        TEST(a_token_is_recorded_while_nothing_may_be_exported_yet),
        TEST(whoever_waits_is_woken_when_the_gate_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
