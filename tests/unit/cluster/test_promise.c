/* promise: a renewal through the other node while the register is lost. */
#include "tests/lib/test.h"

#include <string.h>

#include "node/base/rule.h"
#include "tests/lib/cluster_world.h"

static struct register_value value;

static struct member_view view_of(struct world *world, int node)
{
    struct member_view view;
    member_view(world->nodes[node].member, world_clocks(world, node), &view);
    return view;
}

static void both_registers(struct world *world, enum world_register reg)
{
    world->nodes[0].reg = world->nodes[1].reg = reg;
}

static void a_lost_register_does_not_stop_a_pair(void **state)
{
    (void) state;
    struct world *world = world_pair();
    both_registers(world, WORLD_REGISTER_DOWN);
    world_run(world, 600000);
    world_told(world, world_exports(world, 0));
    assert_true(view_of(world, 0).is_promised);
    assert_true(view_of(world, 1).has_promised);
    both_registers(world, WORLD_REGISTER_UP);
    world_run(world, 5000);
    assert_false(view_of(world, 0).is_promised);
    assert_true(world_exports(world, 0));
    world_value(world, &value);
    world_told(world, value.epoch == 1);
    world_free(world);
}

static void no_register_and_no_peer_stops_exporting(void **state)
{
    (void) state;
    struct world *world = world_pair();
    both_registers(world, WORLD_REGISTER_DOWN);
    world_run(world, 60000);
    world_link(world, false);
    world_run(world, 11600);
    assert_false(world_exports(world, 0));
    assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
    world_free(world);
}

static void a_promise_binds_the_standby_that_sees_the_register(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[0].reg = WORLD_REGISTER_DOWN; /* the standby's is well */
    world_run(world, 60000);
    world_told(world, world_exports(world, 0));
    assert_int_equal(world->nodes[1].mints, 0);
    world_command(world, 1, MEMBER_COMMAND_FAILOVER,
                  NULL); /* an operator too */
    world_link(world, false);
    int64_t cut = world->now;
    world_told(world, world_until(world, 1, MEMBER_FENCING, 60000) ||
                          world_role(world, 1) == MEMBER_ACTIVE);
    assert_true(world->now - cut >= 11500);
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

static void a_promise_counts_from_before_its_request(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        world->delay_ms = 2500; /* until the grant is back */
        if (broken) {
            ts_rule_disable(TS_RULE_PROMISE_FROM_REQUEST);
        }
        world->nodes[0].reg = WORLD_REGISTER_DOWN;
        while (!view_of(world, 0).is_promised) {
            world_run(world, 20);
        }
        struct member_gate gate = member_gate(world->nodes[0].member);
        int64_t left = member_gate_left(&gate, world_clocks(world, 0));
        assert_int_equal(left <= 11500 - 2500, !broken);
        ts_rules_restore();
        world_free(world);
    }
}

static void no_promise_while_a_swap_is_in_doubt(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        struct world_node *beta = &world->nodes[1];
        world_link(world, false);
        world->nodes[0].reg = WORLD_REGISTER_DOWN;
        beta->reg = WORLD_REGISTER_DROPPED;
        while (beta->mints == 0) {
            world_run(world, 20);
        }
        world_run(world, 500);
        assert_true(view_of(world, 1).swap_in_doubt);
        if (broken) {
            ts_rule_disable(TS_RULE_PROMISE_NO_CAS);
        }
        world_value(world, &value);
        struct member_message message = {
            .kind = MEMBER_MESSAGE_PROMISE_REQUEST, .from = "alpha", .epoch = 1
        };
        message.membership = message.promise.membership = value.membership;
        message.promise.number = 1;
        message.promise.epoch = 1;
        memcpy(message.promise.boot, value.boot, sizeof value.boot);
        struct member_event event = { .kind = MEMBER_HEARD, .heard = &message };
        world_tell(world, 1, &event);
        assert_int_equal(beta->grants, broken);
        assert_int_equal(beta->refusals, !broken);
        ts_rules_restore();
        world_free(world);
    }
}

static void no_promise_soon_after_a_start(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_kill(world, 1);
    world_start(world, 1);
    world_run(world, 4000);
    world->nodes[0].reg = WORLD_REGISTER_DOWN;
    world_run(world, 12000);
    assert_int_equal(world->nodes[1].grants, 0);
    assert_true(world->nodes[1].refusals > 0);
    assert_string_equal(world->nodes[1].refusal, "it has started too recently");
    world_free(world);
}

static void a_promise_is_no_leave_to_export_unprotected(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->equal = false;
    struct member_event event = { .kind = MEMBER_UNPROTECTED };
    world_tell(world, 0, &event);
    world_run(world, 4000);
    assert_true(world->nodes[0].shows_unprotected);
    both_registers(world, WORLD_REGISTER_DOWN);
    world_run(world, 15000);
    assert_false(world_exports(world, 0));
    world_free(world);
}

static void a_grant_for_another_request_counts_for_nothing(void **state)
{
    (void) state;
    struct world *world = world_pair();
    both_registers(world, WORLD_REGISTER_DOWN);
    world->drops_grants = true;
    world_run(world, 8000);
    struct member_message message = { .kind = MEMBER_MESSAGE_PROMISE_GRANT,
                                      .from = "beta",
                                      .epoch = 1 };
    world_value(world, &value);
    message.membership = message.promise.membership = value.membership;
    message.promise.epoch = 1;
    memcpy(message.promise.boot, value.boot, sizeof value.boot);
    struct member_event event = { .kind = MEMBER_HEARD, .heard = &message };
    for (uint64_t number = 0; number < 20; number++) {
        message.promise.number = number; /* the nonce is not known */
        world_tell(world, 0, &event);
    }
    assert_false(view_of(world, 0).is_promised);
    world_run(world, 8000);
    assert_false(world_exports(world, 0));
    world_free(world);
}

static void a_hanging_exporter_gets_no_promise(void **state)
{
    (void) state;
    struct world *world = world_pair();
    both_registers(world, WORLD_REGISTER_DOWN);
    world_run(world, 30000);
    assert_true(world_exports(world, 0));
    world->nodes[0].hangs = true;
    world_run(world, 15000);
    assert_false(world_exports(world, 0));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_register_does_not_stop_a_pair),
        cmocka_unit_test(no_register_and_no_peer_stops_exporting),
        cmocka_unit_test(a_promise_binds_the_standby_that_sees_the_register),
        cmocka_unit_test(a_promise_counts_from_before_its_request),
        cmocka_unit_test(no_promise_while_a_swap_is_in_doubt),
        cmocka_unit_test(no_promise_soon_after_a_start),
        cmocka_unit_test(a_promise_is_no_leave_to_export_unprotected),
        cmocka_unit_test(a_grant_for_another_request_counts_for_nothing),
        cmocka_unit_test(a_hanging_exporter_gets_no_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
