/* The register's handover field: the holder's alone to write, and moved with
 * the lease in one swap. */
#include "tests/lib/test.h"

#include <string.h>

#include "tests/lib/cluster_world.h"

static struct register_value value;

static void ask(struct world *world, int node, enum member_command command,
                const char *field)
{
    struct member_event event = { .kind = MEMBER_COMMAND };
    event.command = (struct member_request){ .command = command,
                                             .actor = "root",
                                             .reason = "new hardware",
                                             .handover = ts_slice_str(field) };
    world_tell(world, node, &event);
    if (command == MEMBER_COMMAND_HANDOVER) {
        world_run(world, 200); /* the exporter's loop has to go round */
    }
}

static bool holds(struct world *world, const char *field)
{
    world_value(world, &value);
    return value.handover_size == strlen(field) &&
           memcmp(value.handover, field, value.handover_size) == 0;
}

static void only_the_holder_writes_the_handover(void **state)
{
    (void) state;
    struct world *world = world_pair();
    ask(world, 1, MEMBER_COMMAND_HANDOVER, "step one");
    assert_int_equal(world->nodes[1].status, 3);
    assert_true(holds(world, ""));
    ask(world, 0, MEMBER_COMMAND_HANDOVER, "step one");
    assert_int_equal(world->nodes[0].status, 0);
    assert_true(holds(world, "step one"));
    ask(world, 0, MEMBER_COMMAND_HANDOVER, "");
    assert_int_equal(world->nodes[0].status, 0);
    assert_true(holds(world, ""));
    world_free(world);
}

static void a_handover_outlives_whoever_began_it(void **state)
{
    (void) state;
    struct world *world = world_pair();
    ask(world, 0, MEMBER_COMMAND_HANDOVER, "step one");
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
    assert_true(holds(world, "step one"));
    ask(world, 1, MEMBER_COMMAND_HANDOVER, "step two");
    assert_true(holds(world, "step two"));
    world_free(world);
}

static void the_release_moves_the_handover_on_in_the_same_swap(void **state)
{
    (void) state;
    struct world *world = world_pair();
    ask(world, 0, MEMBER_COMMAND_HANDOVER, "drain");
    ask(world, 0, MEMBER_COMMAND_FAILOVER, "lease");
    bool released = false;
    for (int i = 0; i < 400 && !released; i++) {
        world_value(world, &value);
        released = value.released || value.epoch > 1;
        assert_true(holds(world, released ? "lease" : "drain"));
        world_run(world, 5);
    }
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 3000));
    assert_true(holds(world, "lease"));
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

static void a_failover_without_one_leaves_the_handover_as_it_is(void **state)
{
    (void) state;
    struct world *world = world_pair();
    ask(world, 0, MEMBER_COMMAND_HANDOVER, "reset");
    world_command(world, 1, MEMBER_COMMAND_FAILOVER, NULL);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 3000));
    assert_true(holds(world, "reset"));
    world_free(world);
}

static void a_lost_lease_answers_who_wanted_to_write(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[0].reg = WORLD_REGISTER_LATE;
    ask(world, 0, MEMBER_COMMAND_HANDOVER, "step one");
    world_link(world, false);
    world_run(world, 60000);
    world_told(world, world_role(world, 0) != MEMBER_ACTIVE);
    assert_int_equal(world->nodes[0].status, 1);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_holder_writes_the_handover),
        cmocka_unit_test(a_handover_outlives_whoever_began_it),
        cmocka_unit_test(the_release_moves_the_handover_on_in_the_same_swap),
        cmocka_unit_test(a_failover_without_one_leaves_the_handover_as_it_is),
        cmocka_unit_test(a_lost_lease_answers_who_wanted_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
