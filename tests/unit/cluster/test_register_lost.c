/* The register lost, restored, made anew; members listed and not. */
#include "tests/lib/test.h"

#include <stdio.h>
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

/* ---- restored and lost -------------------------------------------------- */

static void a_restored_register_stops_both_and_starts_nobody(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        world_kill(world, 0);
        world_value(world, &value);
        struct register_value old = value;
        world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
        if (broken) {
            ts_rule_disable(TS_RULE_REGISTER_REGRESSED);
        }
        world_put(world, &old);
        world_start(world, 0);
        world_run(world, 12000);
        assert_false(world_exports(world, 1));
        bool taken = world_until(world, 0, MEMBER_ACTIVE, 60000) ||
                     world_until(world, 1, MEMBER_ACTIVE, 60000);
        world_told(world, taken == broken);
        ts_rules_restore();
        world_free(world);
    }
}

static void an_older_write_of_the_same_epoch_is_noticed(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_value(world, &value);
    world_run(world, 10000);
    world_put(world, &value);
    world_run(world, 4000);
    assert_string_not_equal(view_of(world, 1).register_text, "");
    world_run(world, 60000);
    assert_false(world_exports(world, 0));
    assert_false(world_exports(world, 1));
    world_free(world);
}

static void a_lost_register_is_not_made_anew_by_anybody(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->is_present = false;
    world_run(world, 11000);
    world_run(world, 60000);
    assert_false(world_exports(world, 0));
    assert_false(world->is_present);
    world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
    assert_int_equal(world->nodes[0].status, 3);
    assert_false(world->is_present);
    world_free(world);
}

static void a_repair_brings_the_pair_back(void **state)
{
    (void) state;
    struct world *world = world_pair();
    uint64_t before = view_of(world, 0).epoch;
    world->is_present = false;
    world_run(world, 60000);
    world_command(world, 0, MEMBER_COMMAND_REPAIR, NULL);
    assert_int_equal(world->nodes[0].status, 0);
    world_value(world, &value);
    assert_true(value.epoch > before);
    assert_int_equal(value.voter_count, 2);
    assert_false(value.released);
    bool moved = world_until(world, 0, MEMBER_ACTIVE, 60000) ||
                 world_role(world, 1) == MEMBER_ACTIVE;
    world_told(world, moved);
    int active = world_role(world, 0) == MEMBER_ACTIVE ? 0 : 1;
    assert_true(world->nodes[active].activation.reconcile_first);
    assert_int_equal(world->nodes[active].fences > 0, 1);
    world_run(world, 60000); /* the other believes it, by its peer's word */
    assert_true(view_of(world, 1 - active).register_ok);
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

static void a_repair_alone_goes_above_all_that_the_peer_can_know(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_kill(world, 1);
    world_run(world, 10000);
    world->is_present = false;
    world_run(world, 60000);
    world_command(world, 0, MEMBER_COMMAND_REPAIR, NULL);
    assert_int_equal(world->nodes[0].status, 0);
    world_value(world, &value);
    assert_true(value.epoch >= 1000000);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 60000));
    world_start(world, 1);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 1), MEMBER_STANDBY);
    assert_true(view_of(world, 1).register_ok);
    world_free(world);
}

/* While it makes its own facts durable, the other node is faster. */
static void a_repair_is_not_written_over_a_younger_one(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct world_node *alpha = &world->nodes[0];
    world_value(world, &value);
    world->is_present = false;
    world_run(world, 60000);
    alpha->persist_slow = true;
    world_command(world, 0, MEMBER_COMMAND_REPAIR, NULL);
    memset(value.id, 77, sizeof value.id);
    value.epoch += 2 * (uint64_t) 1000000;
    value.membership++;
    world_put(world, &value);
    world_run(world, 4000);
    world_persist(world, 0);
    world_run(world, 4000);
    struct register_value now;
    world_value(world, &now);
    assert_memory_equal(now.id, value.id, sizeof now.id);
    assert_int_equal(now.epoch, value.epoch);
    assert_int_equal(alpha->status, 1);
    world_free(world);
}

static void a_repair_is_refused_where_nothing_is_broken(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_command(world, 0, MEMBER_COMMAND_REPAIR, NULL);
    assert_int_equal(world->nodes[0].status, 3);
    assert_string_equal(world->nodes[0].answer,
                        "cannot repair the register: it is well");
    assert_true(world_exports(world, 0));
    world_free(world);
}

static void another_id_is_not_believed_without_the_peer(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_kill(world, 0);
    world_value(world, &value);
    value.id[0] ^= 1;
    value.epoch += 10;
    value.released = true;
    world_put(world, &value);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 1), MEMBER_STANDBY);
    assert_int_equal(world->nodes[1].mints, 0);
    world_command(world, 1, MEMBER_COMMAND_REPAIR, NULL); /* an operator */
    assert_int_equal(world->nodes[1].status, 0);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
    world_free(world);
}

static void an_epoch_that_is_not_durable_lets_a_restore_pass(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        struct register_value old;
        world_value(world, &old);
        if (broken) {
            ts_rule_disable(TS_RULE_EPOCH_PERSISTED);
        }
        world_kill(world, 0);
        world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
        world_run(world, 4000);
        world_kill(world, 1);
        world_put(world, &old);
        world_start(world, 1);
        world_told(world,
                   world_until(world, 1, MEMBER_ACTIVE, 60000) == broken);
        ts_rules_restore();
        world_free(world);
    }
}

/* ---- members ------------------------------------------------------------ */

static void who_is_not_listed_retires_and_never_swaps(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        world_kill(world, 0);
        world_value(world, &value);
        value.serial++;
        value.membership++;
        value.voter_count = 1; /* only alpha is left */
        memset(value.voters[1], 0, sizeof value.voters[1]);
        value.released = true;
        world_put(world, &value);
        int swaps = world->nodes[1].swaps;
        if (broken) {
            ts_rule_disable(TS_RULE_MEMBER_ONLY);
        }
        world_run(world, 60000);
        assert_int_equal(world->nodes[1].swaps > swaps, broken);
        assert_int_equal(world_role(world, 1) == MEMBER_RETIRED, !broken);
        ts_rules_restore();
        if (!broken) {
            world_kill(world, 1);
            world->nodes[1].reg = WORLD_REGISTER_DOWN;
            world_start(world, 1); /* and it stays so without the register */
            world_run(world, 60000);
            assert_int_equal(world_role(world, 1), MEMBER_RETIRED);
        }
        world_free(world);
    }
}

static void a_learner_is_swapped_in_only_when_it_has_everything(void **state)
{
    (void) state;
    struct world *world = world_new();
    world->link_up = true;
    world->equal = false;
    world_start(world, 0);
    world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
    world_start(world, 1);
    world_run(world, 1000);
    assert_int_equal(world_role(world, 1), MEMBER_STARTING); /* not listed */
    world_command(world, 0, MEMBER_COMMAND_ADMIT, "beta");
    world_run(world, 60000);
    assert_int_equal(world_role(world, 1), MEMBER_LEARNER);
    world_value(world, &value);
    assert_int_equal(value.voter_count, 1);
    world_kill(world, 0); /* a learner is no candidate */
    world_run(world, 120000);
    assert_int_equal(world_role(world, 1), MEMBER_LEARNER);
    world_start(world, 0);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
    world->equal = true;
    world_told(world, world_until(world, 1, MEMBER_STANDBY, 10000));
    world_value(world, &value);
    assert_int_equal(value.voter_count, 2);
    assert_string_equal(value.learner, "");
    assert_int_equal(value.membership, 3);
    world_free(world);
}

static void a_learner_whose_facts_are_not_durable_gets_no_vote(void **state)
{
    (void) state;
    struct world *world = world_new();
    world->link_up = true;
    world_start(world, 0);
    world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
    world->nodes[1].persist_slow = true;
    world_start(world, 1);
    world_command(world, 0, MEMBER_COMMAND_ADMIT, "beta");
    world_run(world, 30000);
    world_value(world, &value);
    assert_int_equal(value.voter_count, 1);
    world_persist(world, 1);
    world_told(world, world_until(world, 1, MEMBER_STANDBY, 10000));
    world_free(world);
}

static void a_node_that_joins_anew_becomes_a_learner_again(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_kill(world, 1);
    world->nodes[1].facts_size = 0;
    world->nodes[1].epoch = 0;
    world_start(world, 1);
    world_run(world, 20000);
    world->equal = false;
    world_run(world, 100);
    world_command(world, 0, MEMBER_COMMAND_ADMIT, "beta");
    world_run(world, 4000);
    assert_int_equal(world_role(world, 1), MEMBER_LEARNER);
    world->equal = true;
    world_told(world, world_until(world, 1, MEMBER_STANDBY, 10000));
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    world_free(world);
}

/* What a node says that replicates and has read the register. */
static void say_learner(struct world *world, const char *from)
{
    struct member_message beat = { .kind = MEMBER_MESSAGE_HEARTBEAT,
                                   .heartbeat = { .role = MEMBER_LEARNER } };
    struct member_event event = { .kind = MEMBER_HEARD, .heard = &beat };
    (void) snprintf(beat.from, sizeof beat.from, "%s", from);
    world_value(world, &value);
    memcpy(beat.cluster, value.id, sizeof beat.cluster);
    beat.epoch = value.epoch;
    beat.membership = value.membership;
    world_tell(world, 0, &event);
    event = (struct member_event){ .kind = MEMBER_EQUAL, .equal = true };
    world_tell(world, 0, &event);
    world_run(world, 1000); /* the exporter's loop goes round */
}

static void another_node_takes_the_place_of_one_that_is_lost(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct member_event up = { .kind = MEMBER_LINK, .link_up = true };
    world_kill(world, 1);
    world_run(world, 10000);
    world_tell(world, 0, &up); /* to gamma, now */
    world_command(world, 0, MEMBER_COMMAND_ADMIT, "gamma");
    assert_int_equal(world->nodes[0].status, 0);
    say_learner(world, "beta"); /* the one before does not speak for it */
    world_value(world, &value);
    assert_string_equal(value.learner, "gamma");
    assert_string_equal(value.voters[1], "beta"); /* still a candidate */
    assert_true(value.is_unprotected); /* what gamma has protects nothing yet */
    say_learner(world, "gamma");
    world_value(world, &value);
    assert_string_equal(value.learner, "");
    assert_int_equal(value.voter_count, 2);
    assert_string_equal(value.voters[1], "gamma");
    for (int i = 0; i < 5; i++) {
        say_learner(world, "gamma");
    }
    world_value(world, &value);
    assert_false(value.is_unprotected);
    world_start(world, 1);
    world_told(world, world_until(world, 1, MEMBER_RETIRED, 30000));
    assert_int_equal(world_role(world, 0), MEMBER_ACTIVE);
    world_free(world);
}

static void only_the_holder_admits(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_command(world, 1, MEMBER_COMMAND_ADMIT, "gamma");
    assert_int_equal(world->nodes[1].status, 3);
    assert_string_equal(world->nodes[1].answer,
                        "cannot admit on beta, which is standby: ask alpha");
    world_free(world);
}

static void a_new_server_is_pinned_under_a_promise(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[0].reg = WORLD_REGISTER_FOREIGN;
    world_run(world, 20000);
    assert_true(world_exports(world, 0));
    assert_true(view_of(world, 0).is_promised);
    struct member_event event = { .kind = MEMBER_COMMAND };
    event.command = (struct member_request){ .id = 900,
                                             .command = MEMBER_COMMAND_REPIN,
                                             .actor = "root",
                                             .reason = "a new server",
                                             .server = ts_slice_str("ldap-2") };
    world_tell(world, 0, &event); /* the wiring pins, and it is read again */
    world_run(world, 1000);
    world_value(world, &value);
    assert_int_equal(value.server_size, 6);
    assert_int_equal(world->nodes[0].status, 0);
    assert_true(world_exports(world, 0));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_register_stops_both_and_starts_nobody),
        cmocka_unit_test(an_older_write_of_the_same_epoch_is_noticed),
        cmocka_unit_test(a_lost_register_is_not_made_anew_by_anybody),
        cmocka_unit_test(a_repair_brings_the_pair_back),
        cmocka_unit_test(a_repair_alone_goes_above_all_that_the_peer_can_know),
        cmocka_unit_test(a_repair_is_not_written_over_a_younger_one),
        cmocka_unit_test(a_repair_is_refused_where_nothing_is_broken),
        cmocka_unit_test(another_id_is_not_believed_without_the_peer),
        cmocka_unit_test(an_epoch_that_is_not_durable_lets_a_restore_pass),
        cmocka_unit_test(who_is_not_listed_retires_and_never_swaps),
        cmocka_unit_test(a_learner_is_swapped_in_only_when_it_has_everything),
        cmocka_unit_test(a_learner_whose_facts_are_not_durable_gets_no_vote),
        cmocka_unit_test(a_node_that_joins_anew_becomes_a_learner_again),
        cmocka_unit_test(another_node_takes_the_place_of_one_that_is_lost),
        cmocka_unit_test(only_the_holder_admits),
        cmocka_unit_test(a_new_server_is_pinned_under_a_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
