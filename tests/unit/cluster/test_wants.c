/* What the holder wants in the register: used only when it is there. */
#include "tests/lib/test.h"

#include <string.h>

#include "node/base/rule.h"
#include "node/cluster/lease.h"
#include "tests/lib/cluster_world.h"

static struct register_value value;

static void tell(struct world *world, int node, enum member_event_kind kind)
{
    struct member_event event = { .kind = kind };
    world_tell(world, node, &event);
}

static void tell_token(struct world *world, int node, uint8_t byte)
{
    struct member_event event = { .kind = MEMBER_TOKEN };
    memset(event.token.hash, byte, sizeof event.token.hash);
    event.token.lifetime_s = 3600;
    world_tell(world, node, &event);
}

static void a_token_is_recorded_before_it_is_used(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        world->nodes[0].reg = WORLD_REGISTER_DOWN;
        if (broken) {
            ts_rule_disable(TS_RULE_TOKEN_EXPIRY);
        }
        tell_token(world, 0, 7);
        world_run(world, 1000);
        assert_int_equal(world->nodes[0].token_ok, broken);
        ts_rules_restore();
        world->nodes[0].reg = WORLD_REGISTER_UP;
        world_run(world, 4000);
        assert_int_equal(world->nodes[0].token_ok, 1);
        world_value(world, &value);
        const struct register_principal *own = register_principal_of(&value, 1);
        assert_int_equal(own->token_hash[0], broken ? 0 : 7);
        assert_int_equal(own->token_lifetime_s, broken ? 0 : 3600);
        world_free(world);
    }
}

static void a_token_of_a_lost_lease_is_refused(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[0].reg = WORLD_REGISTER_DOWN;
    world_link(world, false);
    tell_token(world, 0, 7);
    world_run(world, 20000);
    assert_int_equal(world->nodes[0].token_ok, 0);
    assert_int_equal(world->nodes[0].token_no, 1);
    tell_token(world, 0, 8);
    assert_int_equal(world->nodes[0].token_no, 2);
    world_free(world);
}

static void a_token_is_recorded_while_fencing_too(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[1].fence_pending = true;
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_FENCING, 30000));
    struct member_gate gate = member_gate(world->nodes[1].member);
    assert_true(gate.held && !gate.open);
    tell_token(world, 1, 9);
    world_run(world, 100);
    assert_int_equal(world->nodes[1].token_ok, 1);
    world_free(world);
}

static void unprotected_is_recorded_before_it_is_believed(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->equal = false;
    world->nodes[0].reg = WORLD_REGISTER_DOWN;
    tell(world, 0, MEMBER_UNPROTECTED);
    world_run(world, 3000);
    assert_false(world->nodes[0].shows_unprotected);
    world->nodes[0].reg = WORLD_REGISTER_UP;
    world_run(world, 4000);
    assert_true(world->nodes[0].shows_unprotected);
    world_value(world, &value);
    assert_true(value.is_unprotected);
    world_free(world);
}

static void
protected_comes_back_only_when_the_standby_has_everything(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->equal = false;
    tell(world, 0, MEMBER_UNPROTECTED);
    world_run(world, 60000);
    world_value(world, &value);
    assert_true(value.is_unprotected);
    world->equal = true;
    world_run(world, 500);
    assert_false(world->nodes[0].shows_unprotected); /* it waits again */
    world_value(world, &value);
    assert_true(value.is_unprotected); /* but the register does not say so */
    world_run(world, 6000);
    world_value(world, &value);
    assert_false(value.is_unprotected);
    world_free(world);
}

static bool late_one_says_protected(const struct world_node *node)
{
    struct ts_arena arena;
    struct ts_err err = { 0 };
    ts_arena_init(&arena, REGISTER_ARENA_SIZE);
    bool says = node->has_late &&
                register_unpack(ts_slice(node->late_bytes, node->late_size),
                                &arena, &value, &err) == TS_OK &&
                !value.is_unprotected;
    ts_arena_done(&arena);
    return says;
}

/* Nobody knows whether "protected" stands in the register, or will. */
static void unprotected_waits_for_a_swap_that_may_still_land(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct world_node *alpha = &world->nodes[0];
    world->equal = false;
    tell(world, 0, MEMBER_UNPROTECTED);
    world_run(world, 10000);
    assert_true(alpha->shows_unprotected);
    world->equal = true;
    alpha->reg = WORLD_REGISTER_SILENT_LATE;
    while (!late_one_says_protected(alpha)) {
        alpha->has_late = false;
        world_run(world, 20);
    }
    assert_false(alpha->shows_unprotected);
    world->equal = false;
    tell(world, 0, MEMBER_UNPROTECTED);
    world_run(world, 5000); /* read back, and tried again: unknown, too */
    assert_false(alpha->shows_unprotected);
    world_land(world, 0);
    world_value(world, &value);
    assert_false(value.is_unprotected);
    alpha->reg = WORLD_REGISTER_UP;
    world_run(world, 4000);
    assert_true(alpha->shows_unprotected);
    world_value(world, &value);
    assert_true(value.is_unprotected);
    world_free(world);
}

static void leave_to_send_unprotected_ends_with_the_lease(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->equal = false;
    tell(world, 0, MEMBER_UNPROTECTED);
    world_run(world, 4000);
    assert_true(member_gate(world->nodes[0].member).may_unprotected);
    world->equal = true;
    world_command(world, 0, MEMBER_COMMAND_FAILOVER, NULL);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
    world_run(world, 10000);
    world_command(world, 0, MEMBER_COMMAND_FAILOVER, NULL);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 30000));
    assert_false(member_gate(world->nodes[0].member).may_unprotected);
    assert_false(world->nodes[0].shows_unprotected);
    world_free(world);
}

static void a_strict_policy_never_records_unprotected(void **state)
{
    (void) state;
    struct world *world = world_new();
    world->unprotected = MEMBER_UNPROTECTED_STOP;
    world->link_up = true;
    world_start(world, 0);
    world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
    tell(world, 0, MEMBER_UNPROTECTED); /* it is alone, and the register says so
                                         */
    world_run(world, 100);
    assert_true(member_gate(world->nodes[0].member).may_unprotected);
    world_start(world, 1);
    world_command(world, 0, MEMBER_COMMAND_ADMIT, "beta");
    world_run(world, 10000);
    world_value(world, &value);
    assert_false(value.is_unprotected);
    world->equal = false;
    tell(world, 0, MEMBER_UNPROTECTED);
    world_run(world, 10000);
    world_value(world, &value);
    assert_false(value.is_unprotected);
    assert_false(member_gate(world->nodes[0].member).may_unprotected);
    world_free(world);
}

static void a_new_generation_is_recorded_as_unprotected(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct member_event event = { .kind = MEMBER_GENERATION, .generation = 4 };
    world->equal = false;
    world_tell(world, 0, &event);
    world_run(world, 100);
    assert_int_equal(world->nodes[0].generation_ok, 4);
    world_value(world, &value);
    assert_int_equal(value.data_generation, 4);
    assert_true(value.is_unprotected);
    world_free(world);
}

/* It named the generation, and died before it selected it. */
static void a_first_load_that_was_cut_off_is_begun_again(void **state)
{
    (void) state;
    for (int shown = 0; shown < 2; shown++) {
        struct world *world = world_new();
        struct world_node *alpha = &world->nodes[0];
        struct member_event event = { .kind = MEMBER_GENERATION,
                                      .generation = 1 };
        alpha->has_state = false;
        world_start(world, 0);
        world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
        world_told(world, world_until(world, 0, MEMBER_ACTIVE, 4000));
        world_tell(world, 0, &event);
        if (shown) { /* it is selected: a renewal says so */
            struct member_event moved = { .kind = MEMBER_POSITION };
            moved.position.at.generation = moved.position.at.epoch = 1;
            moved.position.has_state = true;
            world_tell(world, 0, &moved);
        }
        world_run(world, 4000);
        world_value(world, &value);
        assert_int_equal(value.data_generation, 1);
        assert_int_equal(value.position.generation, shown);
        world_kill(world, 0);
        world_start(world, 0);
        assert_int_equal(world_until(world, 0, MEMBER_ACTIVE, 60000), !shown);
        world_free(world);
    }
}

static void a_pause_closes_the_gate_and_keeps_the_lease(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_command(world, 1, MEMBER_COMMAND_PAUSE, NULL);
    assert_int_equal(world->nodes[1].status, 3);
    world_command(world, 0, MEMBER_COMMAND_PAUSE, NULL);
    assert_int_equal(world->nodes[0].status, 0);
    world_run(world, 120000);
    assert_int_equal(world_role(world, 0), MEMBER_ACTIVE);
    assert_false(world_exports(world, 0));
    world_kill(world, 0); /* and whoever takes over stays paused */
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
    assert_false(world_exports(world, 1));
    world_command(world, 1, MEMBER_COMMAND_RESUME, NULL);
    assert_int_equal(world->nodes[1].status, 0);
    assert_true(world_exports(world, 1));
    world_free(world);
}

static void pause_for(struct world *world, int64_t ms)
{
    struct member_event event = { .kind = MEMBER_COMMAND };
    event.command = (struct member_request){ .command = MEMBER_COMMAND_PAUSE,
                                             .actor = "root",
                                             .reason = "lunch",
                                             .for_ms = ms };
    world_tell(world, 0, &event);
}

static void a_pause_for_a_while_ends_by_itself(void **state)
{
    (void) state;
    struct world *world = world_pair();
    pause_for(world, 30000);
    world_run(world, 25000);
    assert_false(world_exports(world, 0));
    world_run(world, 6000);
    assert_true(world_exports(world, 0));
    world_run(world, 4000);
    world_value(world, &value);
    assert_false(value.paused);
    world_free(world);
}

static void a_second_pause_takes_the_place_of_the_first(void **state)
{
    (void) state;
    struct world *world = world_pair();
    pause_for(world, 30000);
    world_run(world, 5000);
    /* A renewal of before is answered after the second was asked for. */
    world->nodes[0].reg = WORLD_REGISTER_LATE;
    while (!world->nodes[0].held_swap) {
        world_run(world, 100);
    }
    pause_for(world, 60000);
    assert_true(world->nodes[0].held_swap);
    world->nodes[0].reg = WORLD_REGISTER_UP;
    world_run(world, 50000);
    assert_false(world_exports(world, 0));
    pause_for(world, 5000);
    world_run(world, 7000);
    assert_true(world_exports(world, 0));
    world_free(world);
}

static void no_pause_without_the_register(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[0].reg = world->nodes[1].reg = WORLD_REGISTER_DOWN;
    world_run(world, 20000);
    world_command(world, 0, MEMBER_COMMAND_PAUSE, NULL);
    assert_int_equal(world->nodes[0].status, 1);
    world_free(world);
}

static void maintenance_moves_the_lease_and_keeps_it_away(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_command(world, 0, MEMBER_COMMAND_MAINTENANCE_ON, NULL);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 3000));
    assert_int_equal(world->nodes[0].status, 0);
    world_kill(world, 1);
    world_run(world, 120000);
    assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
    world_command(world, 0, MEMBER_COMMAND_MAINTENANCE_OFF, NULL);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 3000));
    world_command(world, 0, MEMBER_COMMAND_MAINTENANCE_ON, NULL);
    assert_int_equal(world->nodes[0].status, 3); /* nobody else is fit */
    world_free(world);
}

static void a_level_needs_both_nodes(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct member_event event = { .kind = MEMBER_COMMAND };
    event.command = (struct member_request){ .command = MEMBER_COMMAND_LEVEL,
                                             .actor = "root",
                                             .reason = "finalize",
                                             .level = 2 };
    world_tell(world, 0, &event);
    assert_int_equal(world->nodes[0].status, 3);
    assert_string_equal(world->nodes[0].answer,
                        "cannot set schema level 2: this node knows level 1, "
                        "the other one 1, and 1 is in use; upgrade the other "
                        "node first");
    event.command.level = 1; /* it is so already */
    world_tell(world, 0, &event);
    assert_int_equal(world->nodes[0].status, 0);
    world_kill(world, 1);
    world_run(world, 10000); /* who knows what it is when it comes back? */
    world_tell(world, 0, &event);
    assert_int_equal(world->nodes[0].status, 3);
    assert_non_null(strstr(world->nodes[0].answer, "not connected"));
    world_free(world);
}

static void terms_that_cannot_be_safe_are_refused(void **state)
{
    (void) state;
    struct lease_terms terms = { 15000, 3000, 2000, 10 };
    struct ts_err err = { 0 };
    assert_int_equal(lease_check(&terms, &err), TS_OK);
    assert_int_equal(lease_allowed_ms(&terms), 11500);
    assert_int_equal(lease_wait_ms(&terms), 17500);
    terms = (struct lease_terms){ 5000, 500, 500, 10 };
    assert_int_equal(lease_check(&terms, &err), TS_OK);
    terms = (struct lease_terms){ 2000, 300, 200, 10 };
    assert_int_equal(lease_check(&terms, &err), TS_OK);
    terms = (struct lease_terms){ 15000, 4000, 2000, 10 };
    assert_int_equal(lease_check(&terms, &err), TS_E_CONFIG);
    assert_string_equal(
        err.text, "cannot renew a lease of 15000 ms only every 4000 ms: with a "
                  "margin of 2000 ms and 10 % clock error three renewals must "
                  "fit, so at the most every 3833 ms");
    terms = (struct lease_terms){ 100, 10, 0, 10 };
    assert_int_equal(lease_check(&terms, &err), TS_E_CONFIG);
}

static void the_rules_of_the_terms_can_be_missed(void **state)
{
    (void) state;
    struct lease_terms terms = { 15000, 3000, 2000, 10 };
    ts_rule_disable(TS_RULE_EPSILON);
    assert_int_equal(lease_allowed_ms(&terms), 13000);
    assert_int_equal(lease_wait_ms(&terms), 16000);
    ts_rules_restore();
    ts_rule_disable(TS_RULE_MARGIN);
    assert_int_equal(lease_allowed_ms(&terms), 13500);
    ts_rules_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_recorded_before_it_is_used),
        cmocka_unit_test(a_token_of_a_lost_lease_is_refused),
        cmocka_unit_test(a_token_is_recorded_while_fencing_too),
        cmocka_unit_test(unprotected_is_recorded_before_it_is_believed),
        cmocka_unit_test(
            protected_comes_back_only_when_the_standby_has_everything),
        cmocka_unit_test(unprotected_waits_for_a_swap_that_may_still_land),
        cmocka_unit_test(leave_to_send_unprotected_ends_with_the_lease),
        cmocka_unit_test(a_strict_policy_never_records_unprotected),
        cmocka_unit_test(a_new_generation_is_recorded_as_unprotected),
        cmocka_unit_test(a_first_load_that_was_cut_off_is_begun_again),
        cmocka_unit_test(a_pause_closes_the_gate_and_keeps_the_lease),
        cmocka_unit_test(a_pause_for_a_while_ends_by_itself),
        cmocka_unit_test(a_second_pause_takes_the_place_of_the_first),
        cmocka_unit_test(no_pause_without_the_register),
        cmocka_unit_test(maintenance_moves_the_lease_and_keeps_it_away),
        cmocka_unit_test(a_level_needs_both_nodes),
        cmocka_unit_test(terms_that_cannot_be_safe_are_refused),
        cmocka_unit_test(the_rules_of_the_terms_can_be_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
