/* member: exactly one exporter, told as stories on two clocks. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/cluster_world.h"

static void told(struct world *world, bool ok)
{
    if (!ok) {
        print_message("%s", world->log);
    }
    assert_true(ok);
}

static void the_first_node_writes_the_register_and_exports(void **state)
{
    (void) state;
    struct world *world = world_new();
    world_start(world, 0);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
    assert_false(world->is_present); /* nothing writes it by itself */
    world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
    told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
    struct register_value value;
    world_value(world, &value);
    assert_string_equal(value.holder, "alpha");
    assert_int_equal(value.epoch, 1);
    assert_true(value.fenced);
    assert_int_equal(value.principal_count, 1);
    world_free(world);
}

static void a_second_node_becomes_standby_when_it_has_everything(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct register_value value;
    world_value(world, &value);
    told(world, value.voter_count == 2 && !value.is_unprotected);
    assert_int_equal(world_role(world, 0), MEMBER_ACTIVE);
    assert_int_equal(world_role(world, 1), MEMBER_STANDBY);
    assert_false(world->nodes[0].shows_unprotected);
    world_run(world, 120000);
    assert_int_equal(world_role(world, 0), MEMBER_ACTIVE);
    assert_true(world_exports(world, 0));
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

static void a_killed_holder_is_followed_within_the_bound(void **state)
{
    (void) state;
    struct world *world = world_pair();
    int64_t killed = world->now;
    world_kill(world, 0);
    told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    told(world, world->now - killed < 15000 * 11 / 10 + 2000);
    assert_true(world->nodes[1].activation.crashed);
    assert_int_equal(world->nodes[1].fences, 1);
    world_start(world, 0);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_node_writes_the_register_and_exports),
        cmocka_unit_test(a_second_node_becomes_standby_when_it_has_everything),
        cmocka_unit_test(a_killed_holder_is_followed_within_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
