/* inherit: when what is in doubt may be looked up, whoever sent it. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "node/engine/inherit.h"
#include "tests/lib/folder.h"

#define QUIET_S 60

struct bench {
    char folder[FOLDER_SIZE];
    struct engine_context engine;
    struct engine_pair pair;
    struct config config;
};

/* In a process that was a standby for long, and has just taken over. */
static int make(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct ts_err err;
    assert_non_null(bench);
    folder_make(bench->folder);
    struct state *s = &bench->engine.state;
    assert_int_equal(state_open(s, bench->folder, 1, &err), TS_OK);
    assert_int_equal(state_build(s, &err), TS_OK);
    assert_int_equal(state_select(s, &err), TS_OK);
    bench->config.target.quiesce_seconds = QUIET_S;
    bench->engine.config = &bench->config;
    bench->engine.pair = &bench->pair;
    bench->engine.started_at = 1;
    bench->engine.inherited.batch = 10;
    bench->engine.inherited.since = ts_time_now();
    *state = bench;
    return 0;
}

static int done(void **state)
{
    struct bench *bench = *state;
    state_close(&bench->engine.state);
    folder_remove(bench->folder);
    free(bench);
    return 0;
}

static bool may_look(struct bench *bench, int64_t batch, int64_t doubt_since)
{
    const struct intent intent = { .anchor = ts_slice_str("a"),
                                   .batch = batch,
                                   .doubt_since = doubt_since };
    struct ts_err err;
    bool quiet = false;
    bool quarantined = false;
    assert_int_equal(
        inherit_may_look(&bench->engine, &intent, &quiet, &quarantined, &err),
        TS_OK);
    return quiet && !quarantined;
}

static void
an_earlier_holders_time_stamp_does_not_shorten_the_quiet_time(void **state)
{
    struct bench *bench = *state;
    assert_false(may_look(bench, 10, 1));
    bench->engine.inherited.since =
        ts_time_after(ts_time_now(), -1000 * QUIET_S + 500);
    assert_false(may_look(bench, 10, 1));
}

static void nor_does_one_from_the_future_lengthen_it(void **state)
{
    struct bench *bench = *state;
    bench->engine.inherited.since =
        ts_time_after(ts_time_now(), -1000 * QUIET_S - 500);
    assert_true(may_look(bench, 10, ts_wall_seconds() + 86400));
}

static void what_this_holder_sent_is_quiet_after_its_own_doubt(void **state)
{
    struct bench *bench = *state;
    assert_false(may_look(bench, 11, ts_wall_seconds()));
    assert_true(may_look(bench, 11, ts_wall_seconds() - QUIET_S - 2));
}

static void what_is_quarantined_is_not_looked_up(void **state)
{
    struct bench *bench = *state;
    struct state *s = &bench->engine.state;
    struct ts_err err;
    assert_int_equal(state_begin(s, &err), TS_OK);
    assert_int_equal(
        db_exec(&s->mv->db,
                "INSERT INTO object_error(kind, anchor, stage, path, text, "
                "after, first_at, retry_at) VALUES(0, 'a', '" INHERIT_STAGE
                "', '', 'why', x'', 1, 0)",
                &err),
        TS_OK);
    assert_int_equal(state_commit(s, &err), TS_OK);
    assert_false(may_look(bench, 11, 1));
}

/* Of how many milliseconds from now on is nothing read or written? */
static int64_t rest_of(struct bench *bench,
                       const struct engine_activation *activation)
{
    struct ts_err err;
    struct ts_time before = ts_time_now();
    assert_int_equal(inherit_take(&bench->engine, activation, &err), TS_OK);
    return bench->engine.inherited.quiet.ms - before.ms;
}

static void
who_goes_on_with_anothers_reading_waits_for_the_quiet_time(void **state)
{
    struct bench *bench = *state;
    struct engine_activation behind = { .epoch = 2,
                                        .reconcile_first = true,
                                        .quiesce_all = true };
    struct engine_activation next = { .epoch = 3, .crashed = true };
    assert_true(rest_of(bench, &behind) >= 1000 * QUIET_S);
    assert_true(rest_of(bench, &next) >= 1000 * QUIET_S);
    assert_true(bench->engine.inherited.reconcile_first);
    /* The epoch is raised in the same transaction. */
    assert_int_equal(journal_position(bench->engine.state.journal).epoch, 3);
}

static void who_has_everything_waits_for_nothing(void **state)
{
    struct bench *bench = *state;
    struct engine_activation current = { .epoch = 2, .crashed = true };
    assert_true(rest_of(bench, &current) < 1000);
}

static void a_rest_ends_when_the_cycle_is_to_end(void **state)
{
    struct bench *bench = *state;
    struct ts_err err;
    bench->engine.inherited.quiet = ts_time_after(ts_time_now(), 60000);
    atomic_store(&bench->engine.stopping, true);
    assert_int_equal(inherit_rest(&bench->engine, ENGINE_RECONCILE, &err),
                     TS_E_CANCELLED);
}

#define INHERIT_TEST(f) cmocka_unit_test_setup_teardown(f, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        INHERIT_TEST(
            an_earlier_holders_time_stamp_does_not_shorten_the_quiet_time),
        INHERIT_TEST(nor_does_one_from_the_future_lengthen_it),
        INHERIT_TEST(what_this_holder_sent_is_quiet_after_its_own_doubt),
        INHERIT_TEST(what_is_quarantined_is_not_looked_up),
        INHERIT_TEST(
            who_goes_on_with_anothers_reading_waits_for_the_quiet_time),
        INHERIT_TEST(who_has_everything_waits_for_nothing),
        INHERIT_TEST(a_rest_ends_when_the_cycle_is_to_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
