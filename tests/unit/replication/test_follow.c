/* leader and follower over two real stores: the follower is a prefix of the
 * leader at every moment, whatever the way between them does. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/couple.h"

static struct couple couple;

static int set_up(void **state)
{
    (void) state;
    couple_make(&couple);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    couple_remove(&couple);
    return 0;
}

/* Node 1 gets the state by a snapshot, then follows. */
static void begin(void)
{
    couple_lead(&couple, 0, 2);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
}

static void a_node_without_a_state_gets_a_snapshot_and_then_follows(void **s)
{
    (void) s;
    begin();
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
    couple_change(&couple, 0);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
}

static struct sum sums[4096];

/* What the follower has is what the leader had at that row. */
static void compare_with_then(struct couple *c)
{
    struct journal_position at;
    uint64_t rows = 0;
    struct ts_err err;
    assert_int_equal(
        journal_verify(&c->nodes[1].db, &sample_tables, &at, &rows, &err),
        TS_OK);
    assert_true(sum_equal(at.sum, sums[at.seq]));
}

static void the_follower_equals_the_leader_at_every_number(void **s)
{
    (void) s;
    begin();
    couple.after_batch = compare_with_then;
    for (int i = 0; i < 300; i++) {
        couple_change(&couple, 0);
        struct journal_position at = couple_at(&couple, 0);
        sums[at.seq] = at.sum;
        for (uint64_t turns = sample_next(&couple.random, 6); turns > 0;
             turns--) {
            couple_turn(&couple);
        }
    }
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
}

static void a_bad_way_delays_and_changes_nothing(void **s)
{
    (void) s;
    begin();
    couple.lose = 10;
    couple.repeat = 10;
    couple.delay = 20;
    for (int i = 0; i < 200; i++) {
        couple_change(&couple, 0);
        for (int turns = 0; turns < 4; turns++) {
            couple_turn(&couple);
        }
    }
    couple.lose = 0;
    couple.repeat = 0;
    couple.delay = 0;
    assert_true(couple_settle(&couple, 120000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
}

static void an_acknowledged_position_is_durable_on_the_follower(void **s)
{
    (void) s;
    begin();
    for (int i = 0; i < 50; i++) {
        couple_change(&couple, 0);
        struct journal_position at = couple_at(&couple, 0);
        assert_false(couple_at(&couple, 1).seq < at.seq &&
                     leader_has_acked(couple.nodes[0].leader, &at));
        assert_true(couple_settle(&couple, 10000));
        assert_true(leader_has_acked(couple.nodes[0].leader, &at));
        couple_crash(&couple, 1);
        struct journal_position found = couple_at(&couple, 1);
        assert_true(journal_position_equal(&found, &at));
        couple_lead(&couple, 0, 2);
    }
}

static void a_cut_link_is_taken_up_again_behind_the_last_row(void **s)
{
    (void) s;
    begin();
    couple_cut(&couple, true);
    for (int i = 0; i < 20; i++) {
        couple_change(&couple, 0);
    }
    assert_false(couple_settle(&couple, 5000));
    couple_cut(&couple, false);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
}

static void the_other_node_takes_over_and_is_followed(void **s)
{
    (void) s;
    begin();
    for (int64_t epoch = 3; epoch < 9; epoch++) {
        size_t leader = (size_t) epoch % 2;
        couple_lead(&couple, leader, epoch);
        for (int i = 0; i < 10; i++) {
            couple_change(&couple, leader);
        }
        assert_true(couple_settle(&couple, 60000));
        couple_assert_equal(&couple);
    }
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
    assert_int_equal(couple_int(&couple, 0, "SELECT count(*) FROM lineage"), 8);
}

static void an_epoch_without_rows_is_in_the_lineage_of_both(void **s)
{
    (void) s;
    begin();
    couple_lead(&couple, 1, 5);
    assert_true(couple_settle(&couple, 60000));
    couple_lead(&couple, 0, 7);
    couple_change(&couple, 0);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
}

/* I6, and the order of F4. */
static void an_old_primary_hands_over_its_tail_and_takes_a_snapshot(void **s)
{
    (void) s;
    begin();
    couple_cut(&couple, true);
    couple_exec(&couple, 0, "UPDATE people SET name='lost 1' WHERE id=100");
    couple_exec(&couple, 0, "DELETE FROM people WHERE id=200");
    couple_lead(&couple, 1, 3);
    couple_exec(&couple, 1, "UPDATE people SET name='won' WHERE id=100");
    couple_cut(&couple, false);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_int_equal(
        couple_int(&couple, 0, "SELECT name='won' FROM people WHERE id=100"),
        1);
    assert_string_equal(couple.nodes[1].hinted, "lost 1 p200 ");
    assert_non_null(strstr(couple.nodes[0].told, "diverged"));
    char path[512];
    (void) snprintf(path, sizeof path, "%s/diverged.1/state.db",
                    couple.nodes[0].folder);
    FILE *kept = fopen(path, "r");
    assert_non_null(kept);
    (void) fclose(kept);
}

static void a_tail_of_a_process_that_did_not_hold_the_lease_is_refused(void **s)
{
    (void) s;
    begin();
    couple_cut(&couple, true);
    couple_exec(&couple, 0, "UPDATE people SET name='lost' WHERE id=100");
    couple_lead(&couple, 1, 3);
    couple.nodes[0].wrote.boot.bytes[5] = 1; /* another one than the register
                                                says */
    struct leader_event begin_again = {
        .type = LEADER_BEGIN,
        .epoch = 3,
        .position = couple_at(&couple, 1),
        .before = { .epoch = 2, .boot = { { 9 } } },
    };
    struct leader_actions actions;
    leader_step(couple.nodes[1].leader, &begin_again, couple.now, &actions);
    couple_cut(&couple, false);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.nodes[1].hints, 0);
    assert_non_null(strstr(couple.nodes[0].told, "tail-refused"));
}

static void an_old_primary_that_wrote_nothing_more_needs_no_snapshot(void **s)
{
    (void) s;
    begin();
    couple_cut(&couple, true);
    couple_lead(&couple, 1, 3);
    couple_change(&couple, 1);
    couple_cut(&couple, false);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
    assert_int_equal(couple.sent[FRAME_TAIL], 0);
}

static void a_follower_that_drifted_is_found_and_replaced(void **s)
{
    (void) s;
    begin();
    sample_exec(
        &couple.nodes[1].db,
        "UPDATE people SET score=-1 WHERE id=300"); /* behind its back */
    couple_exec(&couple, 0, "UPDATE people SET name='x' WHERE id=300");
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.sent[FRAME_OFFER], 2);
    assert_non_null(strstr(couple.nodes[1].told, "replica-differs"));
}

/* A recount has found that the follower's rows do not add up. */
static void tell_damage(void)
{
    struct ts_err why;
    (void) ts_fail(&why, TS_E_CORRUPT, 0, "cannot trust the rows");
    couple_follow(
        &couple, &couple.nodes[1],
        &(struct follower_event){ .type = FOLLOWER_DAMAGED, .err = &why });
}

static void a_follower_whose_rows_do_not_add_up_gets_a_copy(void **s)
{
    (void) s;
    for (int when = 0; when < 3; when++) {
        begin();
        sample_exec(&couple.nodes[1].db,
                    "UPDATE people SET score=-1 WHERE id=300");
        if (when == 1) { /* rows are on their way */
            couple_exec(&couple, 0, "UPDATE people SET name='x' WHERE id=1");
            couple_turn(&couple);
        } else if (when == 2) {
            couple_cut(&couple, true);
        }
        tell_damage();
        tell_damage(); /* told twice, done once */
        couple_cut(&couple, false);
        couple_exec(&couple, 0, "UPDATE people SET name='z' WHERE id=2");
        assert_true(couple_settle(&couple, 60000));
        couple_assert_equal(&couple);
        assert_int_equal(couple.sent[FRAME_OFFER], 2);
        assert_non_null(strstr(couple.nodes[1].told, "replica-damaged"));
        couple_exec(&couple, 0, "UPDATE people SET name='y' WHERE id=300");
        assert_true(couple_settle(&couple, 60000));
        couple_assert_equal(&couple);
        if (when < 2) {
            couple_remove(&couple);
            couple_make(&couple);
        }
    }
}

static void a_leader_of_a_lower_epoch_is_refused_and_yields(void **s)
{
    (void) s;
    begin();
    struct follower_actions actions;
    struct follower_event again = { .type = FOLLOWER_BEGIN,
                                    .epoch = 9,
                                    .nonce = 77,
                                    .position = couple_at(&couple, 1) };
    follower_step(couple.nodes[1].follower, &again, couple.now, &actions);
    assert_int_equal(actions.items[0].frame.type, FRAME_FOLLOW);
    struct leader_event event = { .type = LEADER_FRAME,
                                  .frame = &actions.items[0].frame };
    struct leader_actions answers;
    leader_step(couple.nodes[0].leader, &event, couple.now, &answers);
    assert_int_equal(answers.items[0].type, LEADER_YIELD);
    assert_int_equal(answers.items[0].frame.epoch, 9);
    struct leader_figures figures;
    leader_figures(couple.nodes[0].leader, couple.now, &figures);
    assert_int_equal(figures.phase, LEADER_RESTING);
}

/* F1. */
static void a_row_that_leaves_a_gap_is_asked_for_again(void **s)
{
    (void) s;
    begin();
    static const uint8_t bytes[] = "T";
    struct follower_actions actions;
    struct journal_position at = couple_at(&couple, 1);
    struct follower_event again = {
        .type = FOLLOWER_BEGIN, .epoch = 2, .nonce = 77, .position = at
    };
    follower_step(couple.nodes[1].follower, &again, couple.now, &actions);
    struct frame_piece piece = {
        .item = { .seq = at.seq + 2,
                  .generation = at.generation,
                  .epoch = at.epoch,
                  .changeset = ts_slice(bytes, 1) },
        .total = 1,
    };
    struct frame frame = { .type = FRAME_ROWS,
                           .epoch = 2,
                           .stream = actions.items[0].frame.stream,
                           .rows = {
                               .leader = at, .count = 1, .pieces = &piece } };
    struct follower_event event = { .type = FOLLOWER_FRAME, .frame = &frame };
    follower_step(couple.nodes[1].follower, &event, couple.now, &actions);
    assert_int_equal(actions.count, 1);
    assert_int_equal(actions.items[0].type, FOLLOWER_SEND);
    assert_int_equal(actions.items[0].frame.type, FRAME_FOLLOW);
}

static bool asks(const struct follower_actions *actions)
{
    return actions->count == 1 && actions->items[0].type == FOLLOWER_SEND &&
           actions->items[0].frame.type == FRAME_FOLLOW;
}

/* The other node fences for a while before it leads: nobody answers. */
static void who_asked_in_vain_asks_again_when_the_other_node_leads(void **s)
{
    (void) s;
    struct follower_actions actions;
    const struct follower_event tick = { .type = FOLLOWER_TICK };
    const struct follower_event led = { .type = FOLLOWER_LED };
    begin();
    couple_change(&couple, 0);
    assert_true(couple_settle(&couple, 60000));
    struct follower *follower = couple.nodes[1].follower;
    struct ts_time now = couple.now;
    struct follower_event again = { .type = FOLLOWER_BEGIN,
                                    .epoch = 2,
                                    .nonce = 77,
                                    .position = couple_at(&couple, 1) };
    follower_step(follower, &led, now, &actions); /* it follows already */
    assert_int_equal(actions.count, 0);
    follower_step(follower, &again, now, &actions);
    assert_true(asks(&actions));
    for (int i = 0; i < 6; i++) {
        now = follower_deadline(follower);
        follower_step(follower, &tick, now, &actions);
        assert_true(asks(&actions));
    }
    assert_int_equal(follower_deadline(follower).ms - now.ms,
                     FOLLOWER_PATIENCE_MS);
    now = ts_time_after(now, 1);
    follower_step(follower, &led, now, &actions);
    assert_true(asks(&actions));
    assert_int_equal(follower_deadline(follower).ms - now.ms, FOLLOWER_ASK_MS);
}

static void a_frame_of_a_lower_epoch_is_refused(void **s)
{
    (void) s;
    begin();
    struct follower_actions actions;
    struct frame frame = { .type = FRAME_ROWS, .epoch = 1 };
    struct follower_event event = { .type = FOLLOWER_FRAME, .frame = &frame };
    follower_step(couple.nodes[1].follower, &event, couple.now, &actions);
    assert_int_equal(actions.count, 1);
    assert_int_equal(actions.items[0].frame.type, FRAME_REFUSED);
    assert_int_equal(actions.items[0].frame.refused.code, TS_E_REFUSED);
}

/* L2, F3. */
static void a_slow_store_bounds_what_is_on_the_way(void **s)
{
    (void) s;
    begin();
    for (int i = 0; i < 60; i++) {
        couple_exec(&couple, 0,
                    "UPDATE people SET packed=randomblob(1000) WHERE id<=400");
    }
    assert_true(couple_settle(&couple, 600000));
    couple_assert_equal(&couple);
    /* The credit, one frame, one row. */
    assert_in_range(couple.nodes[1].held_max, 1024 * 1024,
                    FOLLOWER_CREDIT + 2 * FRAME_ROWS_SIZE_MAX);
}

static void a_row_larger_than_the_credit_comes_in_pieces(void **s)
{
    (void) s;
    begin();
    couple_exec(&couple, 0,
                "UPDATE people SET packed=randomblob(20000) WHERE id<=600");
    couple_change(&couple, 0);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_in_range(couple.sent[FRAME_ROWS], 12, 100000);
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
}

static void rows_that_are_no_longer_kept_are_replaced_by_a_snapshot(void **s)
{
    (void) s;
    begin();
    couple_cut(&couple, true);
    for (int i = 0; i < 5; i++) {
        couple_change(&couple, 0);
    }
    sample_exec(&couple.nodes[0].db,
                "DELETE FROM journal WHERE seq<(SELECT max(seq) FROM journal)");
    couple_cut(&couple, false);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.sent[FRAME_OFFER], 2);
    assert_null(strstr(couple.nodes[1].told, "diverged"));
}

static void a_new_generation_reaches_the_follower_as_a_snapshot(void **s)
{
    (void) s;
    begin();
    couple_change(&couple, 0);
    assert_true(couple_settle(&couple, 60000));
    struct journal_position before = couple_at(&couple, 0);
    couple_reload(&couple, 0, 2);
    assert_false(leader_has_acked(couple.nodes[0].leader, &before));
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_int_equal(couple_at(&couple, 1).generation, 2);
    assert_int_equal(couple.sent[FRAME_OFFER], 2);
    couple_change(&couple, 0);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);

    couple_cut(&couple, true); /* the next one comes while it is away */
    couple_reload(&couple, 0, 3);
    couple_cut(&couple, false);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_null(strstr(couple.nodes[1].told, "diverged"));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    struct ts_err err;
    if (capture_setup(&err) != TS_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        WITH(a_node_without_a_state_gets_a_snapshot_and_then_follows),
        WITH(the_follower_equals_the_leader_at_every_number),
        WITH(a_bad_way_delays_and_changes_nothing),
        WITH(an_acknowledged_position_is_durable_on_the_follower),
        WITH(a_cut_link_is_taken_up_again_behind_the_last_row),
        WITH(the_other_node_takes_over_and_is_followed),
        WITH(an_epoch_without_rows_is_in_the_lineage_of_both),
        WITH(an_old_primary_hands_over_its_tail_and_takes_a_snapshot),
        WITH(a_tail_of_a_process_that_did_not_hold_the_lease_is_refused),
        WITH(an_old_primary_that_wrote_nothing_more_needs_no_snapshot),
        WITH(a_follower_that_drifted_is_found_and_replaced),
        WITH(a_follower_whose_rows_do_not_add_up_gets_a_copy),
        WITH(a_leader_of_a_lower_epoch_is_refused_and_yields),
        WITH(a_row_that_leaves_a_gap_is_asked_for_again),
        WITH(who_asked_in_vain_asks_again_when_the_other_node_leads),
        WITH(a_frame_of_a_lower_epoch_is_refused),
        WITH(a_slow_store_bounds_what_is_on_the_way),
        WITH(a_row_larger_than_the_credit_comes_in_pieces),
        WITH(rows_that_are_no_longer_kept_are_replaced_by_a_snapshot),
        WITH(a_new_generation_reaches_the_follower_as_a_snapshot),
    };
    return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
