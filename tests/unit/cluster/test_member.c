/* member: exactly one exporter, told as stories on two clocks. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/base/rule.h"
#include "tests/lib/cluster_world.h"

static void the_first_node_writes_the_register_and_exports(void **state)
{
    (void) state;
    struct world *world = world_new();
    world_start(world, 0);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
    assert_false(world->is_present); /* nothing writes it by itself */
    world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
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
    world_told(world, value.voter_count == 2 && !value.is_unprotected);
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
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    world_told(world, world->now - killed < 15000 * 11 / 10 + 2000);
    assert_true(world->nodes[1].activation.crashed);
    assert_int_equal(world->nodes[1].fences, 1);
    world_start(world, 0);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

/* ---- the lease ---------------------------------------------------------- */

static void a_lease_counts_from_before_its_renewal_was_sent(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        if (broken) {
            ts_rule_disable(TS_RULE_CLOCK_BEFORE_SEND);
        }
        int64_t slow = 2000, before = world->now;
        world->nodes[0].reg = WORLD_REGISTER_LATE;
        while (!world->nodes[0].held_swap) {
            world_run(world, 20);
        }
        int64_t sent = world->now;
        assert_true(sent - before <= 3100);
        world_run(world, slow);
        world->nodes[0].reg = WORLD_REGISTER_UP;
        world_run(world, 20);
        struct member_gate gate = member_gate(world->nodes[0].member);
        int64_t left = member_gate_left(&gate, world_clocks(world, 0));
        int64_t most = 15000 * 9 / 10 - 2000 - (world->now - sent);
        world_told(world, (left <= most) == !broken);
        ts_rules_restore();
        world_free(world);
    }
}

/* From the moment at which beta sends nothing more until it gives the lease
 * back: after a lapse, or as an operator wants it. */
static int64_t ms_until_given_back(bool unfenced, bool lapses)
{
    struct world *world = world_pair();
    struct register_value value;
    world->unfenced = unfenced;
    world_command(world, 0, MEMBER_COMMAND_FAILOVER, NULL);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    world_run(world, 60000);
    if (lapses) {
        world->nodes[1].reg = WORLD_REGISTER_DOWN;
        world_link(world, false);
        world_told(world, world_until(world, 1, MEMBER_STANDBY, 20000));
        world->nodes[1].reg = WORLD_REGISTER_UP;
    } else {
        world_command(world, 1, MEMBER_COMMAND_FAILOVER, NULL);
    }
    int64_t from = world->now;
    do {
        world_run(world, 20);
        world_value(world, &value);
    } while (value.epoch == 2 && !value.released);
    int64_t took = world->now - from;
    world_told(world, took < 4000); /* not by alpha's own patience */
    world_free(world);
    return took;
}

static void where_nothing_is_fenced_a_lease_is_kept_for_the_margin(void **state)
{
    (void) state;
    for (int lapses = 0; lapses < 2; lapses++) {
        assert_true(ms_until_given_back(false, lapses) < 1000);
        int64_t kept_ms = ms_until_given_back(true, lapses);
        assert_in_range(kept_ms, 2200, 2600);
        ts_rule_disable(TS_RULE_MARGIN);
        assert_true(ms_until_given_back(true, lapses) < 1000);
        ts_rules_restore();
    }
}

/* Its only voter is killed, and starts again. */
static void a_lone_node_lets_its_predecessors_requests_arrive(void **state)
{
    (void) state;
    for (int unfenced = 0; unfenced < 2; unfenced++) {
        struct world *world = world_new();
        world->unfenced = unfenced;
        world_start(world, 0);
        world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
        world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
        world_run(world, 10000);
        world_kill(world, 0);
        world_start(world, 0);
        int64_t from = world->now;
        world_told(world, world_until(world, 0, MEMBER_ACTIVE, 10000));
        int64_t took = world->now - from;
        assert_true(unfenced ? took > 2200 && took < 3000 : took < 1000);
        world_free(world);
    }
}

/* A holder without register and peer, and a standby that sees the register. */
static int overlaps_of_an_isolated_holder(double holder_rate,
                                          double standby_rate)
{
    struct world *world = world_pair();
    for (int i = 0; i < 2; i++) {
        world->nodes[i].base = world_clocks(world, i);
        world->nodes[i].since = world->now;
    }
    world->nodes[0].rate = holder_rate;
    world->nodes[1].rate = standby_rate;
    world->nodes[0].reg = WORLD_REGISTER_DOWN;
    world_link(world, false);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    world_told(world,
               world_role(world, 0) != MEMBER_ACTIVE || world->overlaps > 0);
    int overlaps = world->overlaps;
    world_free(world);
    return overlaps;
}

static void clocks_within_epsilon_never_overlap(void **state)
{
    (void) state;
    assert_int_equal(overlaps_of_an_isolated_holder(1, 1), 0);
    assert_int_equal(overlaps_of_an_isolated_holder(0.9, 1.1), 0);
    assert_int_equal(overlaps_of_an_isolated_holder(1.1, 0.9), 0);
    ts_rule_disable(TS_RULE_EPSILON);
    ts_rule_disable(TS_RULE_MARGIN);
    assert_true(overlaps_of_an_isolated_holder(0.9, 1.1) > 0);
    ts_rules_restore();
}

static void a_standby_counts_from_the_change_that_it_saw(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_link(world, false);
    world_run(world, 60000);
    assert_int_equal(world->overlaps, 0);
    ts_rule_disable(TS_RULE_OBSERVED_CHANGE);
    world_run(world, 20000);
    assert_true(world->overlaps > 0);
    ts_rules_restore();
    world_free(world);
}

static void a_frozen_holder_wakes_as_standby(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct world_node *alpha = &world->nodes[0];
    struct ts_clocks at = world_clocks(world, 0);
    int64_t since = world->now;
    alpha->frozen = true;
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    alpha->frozen = false; /* its clocks have run on */
    alpha->base =
        (struct ts_clocks){ at.boot_ms + world->now - since, at.raw_ms };
    alpha->since = world->now;
    assert_false(world_exports(world, 0));
    world_run(world, 1000);
    assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

static void an_exporter_that_hangs_loses_the_lease(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        world->nodes[0].hangs = true;
        if (broken) {
            ts_rule_disable(TS_RULE_PROGRESS);
        }
        bool moved = world_until(world, 1, MEMBER_ACTIVE, 60000);
        world_told(world, moved == !broken);
        assert_int_equal(world->overlaps, 0);
        ts_rules_restore();
        world_free(world);
    }
}

static void an_exporter_that_hangs_again_and_again_is_held(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_kill(world, 1); /* nobody else can */
    world->nodes[0].hangs = true;
    world_run(world, 800000);
    struct register_value value;
    world_value(world, &value);
    world_told(world, value.epoch == 4); /* three retakes, then it waits */
    assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
    world_free(world);
}

static void a_single_voter_that_hangs_again_and_again_is_held_too(void **state)
{
    (void) state;
    struct world *world = world_new();
    struct register_value value;
    world_start(world, 0);
    world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
    world->nodes[0].hangs = true;
    world_run(world, 800000);
    world_value(world, &value);
    world_told(world, value.epoch == 4); /* three retakes, then it waits */
    assert_int_equal(world->nodes[0].mints, 4);
    world->nodes[0].hangs = false;
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 200000));
    world_kill(world, 0);
    world_start(world, 0); /* a start is no retake */
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
    world_value(world, &value);
    assert_int_equal(value.epoch, 6);
    world_free(world);
}

static void a_start_waits_before_it_reaches_out(void **state)
{
    (void) state;
    for (int broken = 0; broken < 2; broken++) {
        struct world *world = world_pair();
        world_kill(world, 1);
        world_command(world, 0, MEMBER_COMMAND_RELEASE, NULL);
        world_told(world, world_until(world, 0, MEMBER_STOPPED, 10000));
        world_kill(world, 0);
        if (broken) {
            ts_rule_disable(TS_RULE_START_WAIT);
        }
        world_start(world, 1);
        bool early = world_until(world, 1, MEMBER_ACTIVE, 17000);
        world_told(world, early == broken);
        world_told(world, world_until(world, 1, MEMBER_ACTIVE, 2000));
        ts_rules_restore();
        world_free(world);
    }
}

static void a_single_voter_waits_for_nobody(void **state)
{
    (void) state;
    struct world *world = world_new();
    world_start(world, 0);
    world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
    world_kill(world, 0);
    world_start(world, 0);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 2000));
    assert_int_equal(world->nodes[0].activation.epoch, 2);
    assert_false(world->nodes[0].activation.reconcile_first);
    world_free(world);
}

static void a_graceful_stop_hands_over_at_once(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_command(world, 0, MEMBER_COMMAND_RELEASE, NULL);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 2000));
    assert_int_equal(world_role(world, 0), MEMBER_STOPPED);
    assert_int_equal(world->nodes[0].status, 0);
    assert_false(world->nodes[1].activation.crashed);
    struct register_value value;
    world_value(world, &value);
    assert_int_equal(value.takeover_count, 0);
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

static void a_proved_death_shortens_the_wait(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct register_value value;
    world_kill(world, 0);
    world_value(world, &value); /* what the supervisor's one swap does */
    value.serial++;
    value.released = true;
    world_put(world, &value);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 1000));
    assert_true(world->nodes[1].activation.crashed);
    assert_int_equal(world->nodes[1].fences, 1); /* never left out */
    world_value(world, &value);
    assert_int_equal(value.takeover_count, 1);
    world_free(world);
}

static void three_takeovers_in_a_quarter_of_an_hour_are_enough(void **state)
{
    (void) state;
    struct world *world = world_pair();
    int holder = 0;
    for (int i = 0; i < 3; i++) {
        world_kill(world, holder);
        world_told(world, world_until(world, 1 - holder, MEMBER_ACTIVE, 60000));
        world_start(world, holder);
        world_run(world, 30000);
        holder = 1 - holder;
    }
    world_kill(world, holder);
    assert_false(world_until(world, 1 - holder, MEMBER_ACTIVE, 120000));
    struct member_gate_row rows[MEMBER_GATES_MAX];
    size_t count = member_explain(world->nodes[1 - holder].member,
                                  world_clocks(world, 1 - holder), rows);
    const char *closed = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].ok && closed == NULL) {
            closed = rows[i].name;
            assert_string_equal(rows[i].value, "3 unplanned in 15 min");
            assert_string_not_equal(rows[i].fix, "");
        }
    }
    assert_string_equal(closed, "takeovers");
    world_command(world, 1 - holder, MEMBER_COMMAND_FAILOVER, NULL);
    world_told(world, world_until(world, 1 - holder, MEMBER_ACTIVE, 5000));
    world_free(world);
}

/* ---- roles -------------------------------------------------------------- */

static void every_role_can_be_reached_and_every_row_speaks(void **state)
{
    (void) state;
    size_t count;
    const struct member_transition *rows = member_transitions(&count);
    for (int role = MEMBER_LEARNER; role < MEMBER_ROLES; role++) {
        bool found = false;
        for (size_t i = 0; i < count; i++) {
            found |= (int) rows[i].to == role && rows[i].from != rows[i].to;
        }
        assert_true(found);
        assert_string_not_equal(member_role_name((enum member_role) role), "");
    }
    for (size_t i = 0; i < count; i++) {
        assert_true(strlen(rows[i].sentence) > 10 && rows[i].when[0] != '\0');
    }
}

static void a_peer_that_is_fitter_for_30_s_gets_the_lease(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[0].probe_ok[MEMBER_PROBE_SOURCE] = false;
    world_run(world, 25000);
    assert_int_equal(world_role(world, 0), MEMBER_ACTIVE);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 30000));
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

static void an_unfit_holder_without_a_fitter_peer_stays(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[0].probe_ok[MEMBER_PROBE_SOURCE] = false;
    world->nodes[1].probe_ok[MEMBER_PROBE_DISK] = false;
    world_run(world, 120000);
    assert_int_equal(world_role(world, 0), MEMBER_ACTIVE);
    world_free(world);
}

static void an_unfit_standby_does_not_take_over(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[1].probe_ok[MEMBER_PROBE_TARGET] = false;
    world_kill(world, 0);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 1), MEMBER_STANDBY);
    assert_int_equal(world->nodes[1].mints, 0);
    world->nodes[1].probe_ok[MEMBER_PROBE_TARGET] = true;
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 3000));
    world_free(world);
}

static void a_higher_epoch_heard_ends_an_office_at_once(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct member_message message = { .kind = MEMBER_MESSAGE_HEARTBEAT,
                                      .from = "beta",
                                      .epoch = 9 };
    struct member_event event = { .kind = MEMBER_HEARD, .heard = &message };
    world_tell(world, 0, &event);
    assert_int_equal(world_role(world, 0), MEMBER_STANDBY);
    assert_false(world_exports(world, 0));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_node_writes_the_register_and_exports),
        cmocka_unit_test(a_second_node_becomes_standby_when_it_has_everything),
        cmocka_unit_test(a_killed_holder_is_followed_within_the_bound),
        cmocka_unit_test(a_lease_counts_from_before_its_renewal_was_sent),
        cmocka_unit_test(
            where_nothing_is_fenced_a_lease_is_kept_for_the_margin),
        cmocka_unit_test(a_lone_node_lets_its_predecessors_requests_arrive),
        cmocka_unit_test(clocks_within_epsilon_never_overlap),
        cmocka_unit_test(a_standby_counts_from_the_change_that_it_saw),
        cmocka_unit_test(a_frozen_holder_wakes_as_standby),
        cmocka_unit_test(an_exporter_that_hangs_loses_the_lease),
        cmocka_unit_test(an_exporter_that_hangs_again_and_again_is_held),
        cmocka_unit_test(a_single_voter_that_hangs_again_and_again_is_held_too),
        cmocka_unit_test(a_start_waits_before_it_reaches_out),
        cmocka_unit_test(a_single_voter_waits_for_nobody),
        cmocka_unit_test(a_graceful_stop_hands_over_at_once),
        cmocka_unit_test(a_proved_death_shortens_the_wait),
        cmocka_unit_test(three_takeovers_in_a_quarter_of_an_hour_are_enough),
        cmocka_unit_test(every_role_can_be_reached_and_every_row_speaks),
        cmocka_unit_test(a_peer_that_is_fitter_for_30_s_gets_the_lease),
        cmocka_unit_test(an_unfit_holder_without_a_fitter_peer_stays),
        cmocka_unit_test(an_unfit_standby_does_not_take_over),
        cmocka_unit_test(a_higher_epoch_heard_ends_an_office_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
