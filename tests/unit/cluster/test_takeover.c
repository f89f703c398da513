/* takeover: mint, claim, persist, fence, confirm, activate, in this order and
 * whatever the register answers. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/base/rule.h"
#include "tests/lib/cluster_world.h"

static struct register_value value;

/* Most tests have a pair of their own: *state. */
static int set_up(void **state)
{
    *state = world_pair();
    return 0;
}

static int tear_down(void **state)
{
    world_free(*state);
    return 0;
}

#define WITH_PAIR(test) \
    cmocka_unit_test_setup_teardown((test), set_up, tear_down)

/* ---- the fence ---------------------------------------------------------- */

static void nothing_is_exported_while_a_fence_is_pending(void **state)
{
    struct world *world = *state;
    world->nodes[1].fence_pending = true;
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_FENCING, 30000));
    world_run(world, 300000); /* the lease is renewed meanwhile */
    assert_int_equal(world_role(world, 1), MEMBER_FENCING);
    assert_false(world->nodes[1].has_activation);
    assert_false(world_exports(world, 1));
    world_value(world, &value);
    assert_false(value.fenced);
    assert_int_equal(value.principal_count, 2);
    world->nodes[1].fence_pending = false;
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 2000));
    world_value(world, &value);
    assert_true(value.fenced);
    assert_int_equal(value.principal_count, 1);
    assert_int_equal(value.principals[0].epoch, value.epoch);
}

static void an_operator_answers_for_a_fence_that_nothing_proves(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct world_node *beta = &world->nodes[1];
    beta->fence_pending = true;
    world_command(world, 1, MEMBER_COMMAND_ACCEPT_FENCE, NULL);
    assert_int_equal(beta->status, 3); /* nothing is pending */
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_FENCING, 30000));
    world_run(world, 5000);
    assert_false(beta->has_activation);
    world_command(world, 1, MEMBER_COMMAND_ACCEPT_FENCE, NULL);
    assert_int_equal(beta->status, 0);
    assert_non_null(strstr(world->log, "fence-accepted"));
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 2000));
    assert_true(beta->activation.quiesce_all); /* it may still be at work */
    world_value(world, &value);
    assert_true(value.fenced);
    assert_int_equal(value.principal_count, 1);
    world_command(world, 1, MEMBER_COMMAND_ACCEPT_FENCE, NULL);
    assert_int_equal(beta->status, 3);
    world_free(world);
}

static void a_rule_that_is_off_is_missed(void **state)
{
    (void) state;
    const enum ts_rule rules[] = { TS_RULE_FENCE_VERIFIED,
                                   TS_RULE_NOTHING_WHILE_PENDING };
    for (size_t i = 0; i < 2; i++) {
        struct world *world = world_pair();
        world->nodes[1].fence_pending = true;
        world_kill(world, 0);
        ts_rule_disable(rules[i]);
        world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
        world_value(world, &value); /* what is listed is what is not proved */
        assert_int_equal(value.fenced, i == 0);
        ts_rules_restore();
        world_free(world);
    }
}

static void who_comes_between_fence_and_export_is_noticed(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        world->nodes[1].fence_pending = true;
        world_kill(world, 0);
        world_told(world, world_until(world, 1, MEMBER_FENCING, 30000));
        world_run(world, 1000);
        if (broken) {
            ts_rule_disable(TS_RULE_REREAD_AFTER_FENCE);
        }
        world_value(world, &value); /* another node took a higher epoch */
        value.serial += 5;
        value.epoch++;
        (void) snprintf(value.holder, sizeof value.holder, "%s", "alpha");
        world_put(world, &value);
        world->nodes[1].fence_pending = false;
        world_run(world, 1000);
        assert_int_equal(world->nodes[1].has_activation, broken);
        assert_int_equal(world_role(world, 1) == MEMBER_STANDBY, !broken);
        ts_rules_restore();
        world_free(world);
    }
}

static void every_principal_below_is_fenced_by_whoever_wins(void **state)
{
    struct world *world = *state;
    world->nodes[1].fence_pending = true;
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_FENCING, 30000));
    world_kill(world, 1); /* in the middle of fencing */
    world_start(world, 1);
    world_told(world, world_until(world, 1, MEMBER_FENCING, 60000));
    world_run(world, 1000);
    world_value(world, &value);
    assert_int_equal(value.principal_count, 3);
    assert_int_equal(value.epoch, 3);
    world->nodes[1].fence_pending = false;
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 2000));
    world_value(world, &value);
    assert_int_equal(value.principal_count, 1);
}

static void each_epoch_has_a_principal_of_its_own(void **state)
{
    (void) state;
    struct world *world = world_pair();
    char first[REGISTER_CLIENT_SIZE];
    (void) snprintf(first, sizeof first, "%s", world->nodes[0].principal.id);
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
    assert_string_not_equal(first, world->nodes[1].principal.id);
    world_free(world);

    world = world_pair();
    (void) snprintf(first, sizeof first, "%s", world->nodes[0].principal.id);
    ts_rule_disable(TS_RULE_PRINCIPAL_OWN);
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
    assert_string_equal(first, world->nodes[1].principal.id);
    assert_int_equal(world->nodes[1].fences, 0); /* it would fence itself */
    ts_rules_restore();
    world_free(world);
}

static void a_principal_is_published_before_it_is_used(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        struct world_node *beta = &world->nodes[1];
        world_kill(world, 0);
        beta->reg = WORLD_REGISTER_DROPPED;
        if (broken) {
            ts_rule_disable(TS_RULE_PUBLISH_FIRST);
        }
        world_run(world, 20000);
        assert_true(beta->mints > 0);
        assert_int_equal(beta->has_activation, broken);
        ts_rules_restore();
        world_free(world);
    }
}

static void what_was_fenced_is_never_enabled_again(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        world_command(world, 0, MEMBER_COMMAND_FAILOVER, NULL);
        world_told(world, world_until(world, 1, MEMBER_ACTIVE, 2000));
        if (broken) {
            ts_rule_disable(TS_RULE_NEVER_REENABLE);
        }
        world_run(world, 40000);
        world_command(world, 1, MEMBER_COMMAND_FAILOVER, NULL);
        world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
        assert_int_equal(world->nodes[0].reenabled, broken);
        ts_rules_restore();
        world_free(world);
    }
}

/* ---- the claim ---------------------------------------------------------- */

static void a_claim_that_is_lost_unmakes_its_principal(void **state)
{
    struct world *world = *state;
    struct world_node *beta = &world->nodes[1];
    world_kill(world, 0);
    beta->mint_slow = true;
    while (beta->mints == 0) {
        world_run(world, 20);
    }
    world_value(world, &value); /* the holder was alive after all */
    value.serial++;
    world_put(world, &value);
    world_mint(world, 1);
    world_run(world, 1000);
    assert_int_equal(world_role(world, 1), MEMBER_STANDBY);
    assert_int_equal(beta->unmints, 1);
    world_value(world, &value);
    assert_int_equal(value.principal_count, 1);
}

static void a_claim_whose_answer_is_lost_is_read_back(void **state)
{
    struct world *world = *state;
    struct world_node *beta = &world->nodes[1];
    world_kill(world, 0);
    beta->reg = WORLD_REGISTER_DONE_LOST;
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    assert_int_equal(beta->mints, 1);
    assert_int_equal(beta->unmints, 0);
    world_value(world, &value);
    assert_int_equal(value.epoch, 2);
}

static void a_claim_that_was_dropped_is_not_assumed(void **state)
{
    struct world *world = *state;
    struct world_node *beta = &world->nodes[1];
    world_kill(world, 0);
    beta->reg = WORLD_REGISTER_DROPPED;
    assert_false(world_until(world, 1, MEMBER_FENCING, 60000));
    assert_true(beta->swaps > 1);
    assert_int_equal(beta->unmints, 0); /* it may still land */
    struct member_view view;
    member_view(beta->member, world_clocks(world, 1), &view);
    assert_true(view.swap_in_doubt);
    beta->reg = WORLD_REGISTER_UP;
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 2000));
    assert_int_equal(beta->mints, 1);
}

/* Alpha is dead; beta's claim is under way, and "unknown" is all that it hears.
 */
static struct world_node *claim_in_doubt(struct world *world)
{
    struct world_node *beta = &world->nodes[1];
    world_kill(world, 0);
    beta->reg = WORLD_REGISTER_SILENT_LATE;
    while (!beta->has_late) {
        world_run(world, 20);
    }
    return beta;
}

static void a_claim_that_lands_late_is_ours(void **state)
{
    struct world *world = *state;
    struct world_node *beta = claim_in_doubt(world);
    world_run(world, 4000); /* "unknown", read back as not there, then there */
    beta->reg = WORLD_REGISTER_UP;
    world_land(world, 1);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 3000));
    world_value(world, &value);
    assert_int_equal(value.epoch, 2);
    assert_int_equal(world->overlaps, 0);
}

static void a_stop_leaves_a_claim_in_doubt_to_whoever_comes_next(void **state)
{
    struct world *world = *state;
    struct world_node *beta = claim_in_doubt(world);
    world_command(world, 1, MEMBER_COMMAND_RELEASE, NULL);
    assert_int_equal(world_role(world, 1), MEMBER_STOPPED);
    assert_int_equal(beta->unmints, 0);
    world_land(world, 1);
    world_value(world, &value);
    assert_int_equal(value.epoch, 2); /* it is listed, to be fenced */
    assert_int_equal(value.principal_count, 2);
    world_kill(world, 1);
    world_start(world, 0);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 60000));
    world_value(world, &value);
    assert_int_equal(value.principal_count, 1);
}

static void a_mint_that_fails_is_tried_again(void **state)
{
    struct world *world = *state;
    world->nodes[1].mint_fails = true;
    world_kill(world, 0);
    world_run(world, 40000);
    assert_int_equal(world_role(world, 1), MEMBER_STANDBY);
    assert_true(world->nodes[1].mints > 3 && world->nodes[1].mints < 60);
    world_value(world, &value);
    assert_int_equal(value.epoch, 1);
    world->nodes[1].mint_fails = false;
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 5000));
}

static void an_engine_that_cannot_start_gives_the_lease_back(void **state)
{
    struct world *world = *state;
    world_kill(world, 0);
    world->nodes[1].activate_fails = true;
    world_run(world, 25000);
    assert_true(world->nodes[1].has_activation);
    assert_int_equal(world_role(world, 1), MEMBER_STANDBY);
    world_value(world, &value);
    assert_true(value.released);
    world->nodes[1].activate_fails = false;
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
}

/* ---- what is known ------------------------------------------------------ */

static void a_candidate_that_is_behind_reads_both_sides_first(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        struct member_event moved = { .kind = MEMBER_POSITION };
        moved.position.at.epoch = 1;
        moved.position.at.seq = 7;
        world_tell(world, 0, &moved);
        world_run(world, 4000);
        if (broken) {
            ts_rule_disable(TS_RULE_CANDIDATE_CURRENT);
        }
        world_kill(world, 0);
        world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
        assert_int_equal(world->nodes[1].activation.reconcile_first, !broken);
        ts_rules_restore();
        world_free(world);
    }
}

static void
a_takeover_that_dies_on_its_way_leaves_what_was_missing(void **state)
{
    struct world *world = *state;
    struct member_event moved = { .kind = MEMBER_POSITION };
    moved.position.at.epoch = 1;
    moved.position.at.seq = 7;
    world_tell(world, 0, &moved);
    world_run(world, 4000);
    world_kill(world, 0);
    world->nodes[1].fence_pending = true;
    world_told(world, world_until(world, 1, MEMBER_FENCING, 30000));
    world_run(world, 10000);
    world_kill(world, 1);
    world_run(world, 1000);
    world->nodes[1].fence_pending = false;
    world_start(world, 1);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    assert_true(world->nodes[1].activation.reconcile_first);
}

static void an_equal_candidate_goes_on_at_once(void **state)
{
    struct world *world = *state;
    struct member_event moved = { .kind = MEMBER_POSITION };
    moved.position.at.epoch = 1;
    moved.position.at.seq = 7;
    world_tell(world, 0, &moved);
    world_tell(world, 1, &moved);
    world_run(world, 4000);
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
    assert_false(world->nodes[1].activation.reconcile_first);
    assert_false(world->nodes[1].activation.quiesce_all);
}

static void after_an_unprotected_period_everything_is_quiet_first(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        world->equal = false;
        struct member_event event = { .kind = MEMBER_UNPROTECTED };
        world_tell(world, 0, &event);
        world_run(world, 1000);
        assert_true(world->nodes[0].shows_unprotected);
        if (broken) {
            ts_rule_disable(TS_RULE_QUIESCE);
        }
        world_kill(world, 0);
        world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
        assert_true(world->nodes[1].activation.reconcile_first);
        assert_int_equal(world->nodes[1].activation.quiesce_all, !broken);
        ts_rules_restore();
        world_free(world);
    }
}

static void who_lost_its_lease_and_lives_has_not_crashed(void **state)
{
    struct world *world = *state;
    struct world_node *alpha = &world->nodes[0];
    world_kill(world, 1);
    alpha->reg = WORLD_REGISTER_DOWN;
    world_told(world, world_until(world, 0, MEMBER_STANDBY, 60000));
    alpha->reg = WORLD_REGISTER_UP;
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 60000));
    assert_int_equal(alpha->activation.epoch, 2);
    assert_false(alpha->activation.crashed);

    world_kill(world, 0);
    world_start(world, 0);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 60000));
    assert_true(alpha->activation.crashed); /* it is another process now */
}

static void a_node_without_its_facts_is_no_candidate(void **state)
{
    struct world *world = *state;
    world_kill(world, 1);
    world->nodes[1].facts_size = 0; /* its disk is new */
    world->nodes[1].epoch = 0;
    world_start(world, 1);
    world_kill(world, 0);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 1), MEMBER_STANDBY);
    assert_int_equal(world->nodes[1].mints, 0);
}

static void a_node_without_state_is_no_candidate(void **state)
{
    struct world *world = *state;
    struct member_event event = { .kind = MEMBER_GENERATION, .generation = 1 };
    world_tell(world, 0, &event);
    world_run(world, 4000);
    assert_int_equal(world->nodes[0].generation_ok, 1);
    world_kill(world, 0);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 1), MEMBER_STANDBY);
    struct member_event has = { .kind = MEMBER_POSITION };
    has.position.has_state = true;
    has.position.at.generation = 1;
    world_tell(world, 1, &has);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 3000));
}

static void the_epoch_is_durable_before_anything_is_fenced(void **state)
{
    struct world *world = *state;
    world->nodes[1].persist_slow = true;
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_FENCING, 30000));
    world_run(world, 5000);
    assert_int_equal(world->nodes[1].fences, 0);
    world_persist(world, 1);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 1000));
    assert_int_equal(world->nodes[1].epoch, 2);
}

static void what_a_stopped_takeover_minted_is_unmade(void **state)
{
    struct world *world = *state;
    struct world_node *beta = &world->nodes[1];
    beta->mint_slow = true;
    world_kill(world, 0);
    while (beta->mints == 0) {
        world_run(world, 20);
    }
    world_command(world, 1, MEMBER_COMMAND_RELEASE, NULL);
    assert_int_equal(world_role(world, 1), MEMBER_STOPPED);
    world_mint(world, 1);
    assert_int_equal(beta->unmints, 1);
}

static void a_failover_moves_the_lease_from_either_side(void **state)
{
    (void) state;
    for (int side = 0; side < 2; side++) {
        struct world *world = world_pair();
        world_command(world, side, MEMBER_COMMAND_FAILOVER, NULL);
        world_told(world, world_until(world, 1, MEMBER_ACTIVE, 2000));
        assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
        assert_int_equal(world->nodes[side].status, 0);
        world_value(world, &value);
        assert_int_equal(value.takeover_count, 0);
        world_run(world, 120000); /* and it stays there */
        assert_int_equal(world_role(world, 1), MEMBER_ACTIVE);
        assert_int_equal(world->overlaps, 0);
        world_free(world);
    }
}

static void two_failovers_at_once_end_with_one_of_them(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[1].fence_pending = true;
    world_command(world, 1, MEMBER_COMMAND_FAILOVER, NULL);
    world_told(world, world_until(world, 1, MEMBER_FENCING, 3000));
    world_told(world, world_until(world, 0, MEMBER_STANDBY, 3000));
    int before[] = { world->nodes[0].answers, world->nodes[1].answers };
    world_command(world, 0, MEMBER_COMMAND_FAILOVER, NULL);
    world_run(world, 3000);
    world->nodes[1].fence_pending = false;
    world_run(world, 110000);
    for (int node = 0; node < 2; node++) {
        assert_int_equal(world->nodes[node].answers, before[node] + 1);
    }
    world_value(world, &value);
    world_told(world, value.epoch <= 3); /* it goes to and fro no more */
    assert_int_equal(world->overlaps, 0);
    world_told(world, world_exports(world, 0) != world_exports(world, 1));
    world_free(world);
}

static void a_manual_register_never_moves_by_itself(void **state)
{
    (void) state;
    struct world *world = world_new();
    world->is_manual = true;
    world_start(world, 0);
    world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
    world_command(world, 0, MEMBER_COMMAND_FAILOVER, NULL);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PAIR(nothing_is_exported_while_a_fence_is_pending),
        cmocka_unit_test(an_operator_answers_for_a_fence_that_nothing_proves),
        cmocka_unit_test(a_rule_that_is_off_is_missed),
        cmocka_unit_test(who_comes_between_fence_and_export_is_noticed),
        WITH_PAIR(every_principal_below_is_fenced_by_whoever_wins),
        cmocka_unit_test(each_epoch_has_a_principal_of_its_own),
        cmocka_unit_test(a_principal_is_published_before_it_is_used),
        cmocka_unit_test(what_was_fenced_is_never_enabled_again),
        WITH_PAIR(a_claim_that_is_lost_unmakes_its_principal),
        WITH_PAIR(a_claim_whose_answer_is_lost_is_read_back),
        WITH_PAIR(a_claim_that_was_dropped_is_not_assumed),
        WITH_PAIR(a_claim_that_lands_late_is_ours),
        WITH_PAIR(a_stop_leaves_a_claim_in_doubt_to_whoever_comes_next),
        WITH_PAIR(a_mint_that_fails_is_tried_again),
        WITH_PAIR(an_engine_that_cannot_start_gives_the_lease_back),
        cmocka_unit_test(a_candidate_that_is_behind_reads_both_sides_first),
        WITH_PAIR(a_takeover_that_dies_on_its_way_leaves_what_was_missing),
        WITH_PAIR(an_equal_candidate_goes_on_at_once),
        cmocka_unit_test(after_an_unprotected_period_everything_is_quiet_first),
        WITH_PAIR(who_lost_its_lease_and_lives_has_not_crashed),
        WITH_PAIR(a_node_without_its_facts_is_no_candidate),
        WITH_PAIR(a_node_without_state_is_no_candidate),
        WITH_PAIR(the_epoch_is_durable_before_anything_is_fenced),
        WITH_PAIR(what_a_stopped_takeover_minted_is_unmade),
        cmocka_unit_test(a_failover_moves_the_lease_from_either_side),
        cmocka_unit_test(two_failovers_at_once_end_with_one_of_them),
        cmocka_unit_test(a_manual_register_never_moves_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
