/* A node is retired: by whom, in which order, and what it then finds. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/cluster_world.h"

static struct register_value value;

static void retire(struct world *world, int asked, const char *node, bool wipe)
{
    struct member_event event = { .kind = MEMBER_COMMAND };
    event.command = (struct member_request){ .id = 7777,
                                             .command = MEMBER_COMMAND_RETIRE,
                                             .actor = "root",
                                             .reason = "moved to gamma",
                                             .node = node,
                                             .at_s = 1700000000,
                                             .wipe = wipe };
    memset(event.command.key, 9, sizeof event.command.key);
    world->nodes[asked].status = -1;
    world_tell(world, asked, &event);
    world_run(world, 6000);
}

static bool is_listed(struct world *world, const char *node)
{
    world_value(world, &value);
    return register_has_member(&value, node);
}

/* ---- asked --------------------------------------------------------------- */

static void
a_standby_leaves_the_list_which_says_since_when_and_why(void **state)
{
    (void) state;
    struct world *world = world_pair();
    retire(world, 0, "beta", true);
    assert_int_equal(world->nodes[0].status, 0);
    assert_false(is_listed(world, "beta"));
    const struct register_retired *record = register_retired_of(&value, "beta");
    assert_non_null(record);
    assert_int_equal(record->membership, value.membership);
    assert_int_equal(record->at_s, 1700000000);
    assert_string_equal(record->actor, "root");
    assert_string_equal(record->reason, "moved to gamma");
    assert_true(record->wipe);
    assert_int_equal(record->key[31], 9);
    assert_int_equal(world_role(world, 1), MEMBER_RETIRED);
    world_free(world);
}

static void who_is_left_exports_alone_and_the_register_says_so(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_value(world, &value);
    assert_false(value.is_unprotected);
    retire(world, 0, "beta", false);
    assert_true(world_exports(world, 0));
    world_value(world, &value);
    assert_int_equal(value.voter_count, 1);
    assert_true(value.is_unprotected);
    world_run(world, 60000);
    assert_true(world_exports(world, 0));
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

static void where_nothing_is_written_alone_that_stays_so(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_kill(world, 0);
    world->unprotected = MEMBER_UNPROTECTED_STOP;
    world_start(world, 0);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    world_kill(world, 1);
    world_told(world, world_until(world, 0, MEMBER_ACTIVE, 60000));
    world_start(world, 1);
    world_run(world, 30000);
    retire(world, 0, "beta", false);
    assert_int_equal(world->nodes[0].status, 0);
    assert_false(is_listed(world, "beta"));
    assert_false(value.is_unprotected);
    world_free(world);
}

static void nobody_retires_who_exports(void **state)
{
    (void) state;
    struct world *world = world_pair();
    retire(world, 0, "alpha", true);
    assert_int_equal(world->nodes[0].status, 3);
    assert_non_null(strstr(world->nodes[0].answer, "it is the active node"));
    assert_true(is_listed(world, "alpha"));
    assert_true(world_exports(world, 0));
    world_free(world);
}

static void only_the_holder_retires_and_only_members(void **state)
{
    (void) state;
    struct world *world = world_pair();
    retire(world, 1, "alpha", true);
    assert_int_equal(world->nodes[1].status, 3);
    assert_string_equal(
        world->nodes[1].answer,
        "cannot retire a node on beta, which is standby: ask alpha");
    retire(world, 0, "omega", true);
    assert_int_equal(world->nodes[0].status, 3);
    retire(world, 0, "", true);
    assert_int_equal(world->nodes[0].status, 3);
    assert_true(is_listed(world, "alpha") && is_listed(world, "beta"));
    assert_int_equal(value.retired_count, 0);
    world_free(world);
}

static void without_the_register_nobody_is_retired(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world->nodes[0].reg = WORLD_REGISTER_DOWN;
    world_run(world, 12000); /* on beta's promise, now */
    assert_true(world_exports(world, 0));
    retire(world, 0, "beta", true);
    assert_int_equal(world->nodes[0].status, 1);
    assert_true(is_listed(world, "beta"));
    world_free(world);
}

static void asked_again_it_is_done_and_may_ask_for_more(void **state)
{
    (void) state;
    struct world *world = world_pair();
    retire(world, 0, "beta", false);
    world_value(world, &value);
    uint64_t list = value.membership, since = value.retired[0].membership;
    retire(world, 0, "beta", false);
    assert_int_equal(world->nodes[0].status, 0);
    world_value(world, &value);
    assert_int_equal(value.membership, list);
    retire(world, 0, "beta", true); /* and let it destroy what it knows */
    assert_int_equal(world->nodes[0].status, 0);
    world_value(world, &value);
    assert_true(value.retired[0].wipe);
    assert_int_equal(value.retired[0].membership, since);
    assert_int_equal(value.retired_count, 1);
    world_free(world);
}

static void a_reason_is_kept_as_the_register_takes_it(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct member_event event = { .kind = MEMBER_COMMAND };
    char reason[400];
    memset(reason, 'x', sizeof reason);
    reason[1] = '\n';
    memcpy(reason + REGISTER_REASON_SIZE - 2, "\xc3\xa9", 2); /* at the edge */
    reason[sizeof reason - 1] = '\0';
    event.command = (struct member_request){ .command = MEMBER_COMMAND_RETIRE,
                                             .actor = "root\x01",
                                             .reason = reason,
                                             .node = "beta" };
    world_tell(world, 0, &event);
    world_run(world, 6000);
    assert_false(is_listed(world, "beta"));
    assert_string_equal(value.retired[0].actor, "root ");
    assert_int_equal(value.retired[0].reason[1], ' ');
    assert_int_equal(strlen(value.retired[0].reason), REGISTER_REASON_SIZE - 2);
    assert_true(world_exports(world, 0));
    world_free(world);
}

/* ---- sealed by another key ------------------------------------------------
 */

static void reseal(struct world *world, int asked, struct ts_slice sealed)
{
    const struct member_event event = { .kind = MEMBER_COMMAND,
                                        .command = { .id = 8888,
                                                     .command =
                                                         MEMBER_COMMAND_RESEAL,
                                                     .actor = "daemon",
                                                     .reason = "",
                                                     .sealed = sealed } };
    world->nodes[asked].status = -1;
    world_tell(world, asked, &event);
    world_run(world, 6000);
}

static void the_holder_shows_its_credential_sealed_anew(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_value(world, &value);
    struct register_principal *own =
        &value.principals[value.principal_count - 1];
    own->sealed_size = 3; /* as sealed by the key of before */
    memcpy(own->sealed, "old", 3);
    value.serial++;
    world_kill(world, 0);
    world_put(world, &value);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    world_value(world, &value);
    own = &value.principals[value.principal_count - 1];
    own->sealed_size = 3;
    memcpy(own->sealed, "old", 3);
    value.serial++;
    world_put(world, &value);
    world_run(world, 10000);
    reseal(world, 1, ts_slice("sealed anew", 11));
    assert_int_equal(world->nodes[1].status, 0);
    world_value(world, &value);
    own = &value.principals[value.principal_count - 1];
    assert_int_equal(own->sealed_size, 11);
    assert_memory_equal(own->sealed, "sealed anew", 11);
    reseal(world, 1, TS_SLICE_NONE);
    assert_int_equal(world->nodes[1].status, 3);
    world_free(world);
}

/* ---- interrupted --------------------------------------------------------- */

/* Whatever becomes of the swap and its answer, and whenever the holder dies:
 * nobody exports beside another one, and asked again it is done. */
static void interrupted_anywhere_it_is_ended_by_asking_again(void **state)
{
    (void) state;
    static const enum world_register mishaps[] = {
        WORLD_REGISTER_DONE_LOST, WORLD_REGISTER_DROPPED, WORLD_REGISTER_SILENT,
        WORLD_REGISTER_LATE,      WORLD_REGISTER_DOWN,    WORLD_REGISTER_UP,
    };
    for (size_t i = 0; i < 2 * sizeof mishaps / sizeof *mishaps; i++) {
        struct world *world = world_pair();
        world->nodes[0].reg = mishaps[i / 2];
        world_command(world, 0, MEMBER_COMMAND_RETIRE, "beta");
        world_run(world, 50);
        if (i % 2 == 0) {
            world_kill(world, 0);
        }
        world->nodes[0].reg = WORLD_REGISTER_UP;
        if (i % 2 == 0) {
            world_start(world, 0);
        }
        world_run(world, 60000);
        int active = world_role(world, 0) == MEMBER_ACTIVE ? 0 : 1;
        const char *other = active == 0 ? "beta" : "alpha";
        world_told(world, world_exports(world, active));
        retire(world, active, other, true);
        world_told(world, world->nodes[active].status == 0);
        assert_false(is_listed(world, other));
        assert_int_equal(world_role(world, 1 - active), MEMBER_RETIRED);
        assert_int_equal(world->overlaps, 0);
        world_free(world);
    }
}

/* ---- on the node that is out --------------------------------------------- */

static void
a_disk_image_of_before_finds_itself_out_and_never_swaps(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct world_node image = world->nodes[1];
    retire(world, 0, "beta", true);
    world_kill(world, 1);
    memcpy(world->nodes[1].facts, image.facts, sizeof image.facts);
    world->nodes[1].facts_size = image.facts_size;
    world->nodes[1].epoch = image.epoch;
    int swaps = world->nodes[1].swaps;
    world->nodes[1].reg = WORLD_REGISTER_DOWN;
    world_start(world, 1);
    world_run(world, 60000);
    assert_int_equal(world_role(world, 1), MEMBER_STANDBY); /* no more */
    world->nodes[1].reg = WORLD_REGISTER_UP;
    world_told(world, world_until(world, 1, MEMBER_RETIRED, 30000));
    assert_int_equal(world->nodes[1].swaps, swaps);
    assert_true(world_exports(world, 0));
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

static void an_active_image_of_before_is_out_too(void **state)
{
    (void) state;
    struct world *world = world_pair();
    struct world_node image = world->nodes[0];
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    retire(world, 1, "alpha", true);
    assert_int_equal(world->nodes[1].status, 0); /* a host nobody reaches */
    memcpy(world->nodes[0].facts, image.facts, sizeof image.facts);
    world->nodes[0].facts_size = image.facts_size;
    world->nodes[0].epoch = image.epoch;
    world_start(world, 0);
    world_told(world, world_until(world, 0, MEMBER_RETIRED, 30000));
    assert_true(world_exports(world, 1));
    assert_int_equal(world->overlaps, 0);
    world_free(world);
}

static void who_has_lost_all_knows_by_its_name_that_it_is_out(void **state)
{
    (void) state;
    struct world *world = world_pair();
    retire(world, 0, "beta", true);
    world_kill(world, 1);
    world->nodes[1].facts_size = 0;
    world->nodes[1].epoch = 0;
    world_start(world, 1);
    world_told(world, world_until(world, 1, MEMBER_RETIRED, 30000));
    world_free(world);
}

static void who_has_joined_anew_waits_to_be_listed(void **state)
{
    (void) state;
    struct world *world = world_pair();
    retire(world, 0, "beta", false);
    world_kill(world, 1);
    world->nodes[1].is_joining = true;
    world_start(world, 1); /* it knows that it was retired */
    world_run(world, 20000);
    assert_int_equal(world_role(world, 1), MEMBER_STARTING);
    world_command(world, 0, MEMBER_COMMAND_ADMIT, "beta");
    world_told(world, world_until(world, 1, MEMBER_STANDBY, 60000));
    world_value(world, &value);
    assert_null(register_retired_of(&value, "beta"));
    world->nodes[1].is_joining = false;
    world_kill(world, 0);
    world_told(world, world_until(world, 1, MEMBER_ACTIVE, 60000));
    world_free(world);
}

/* ---- replaced ------------------------------------------------------------ */

static void whose_place_was_taken_is_told_by_whom(void **state)
{
    (void) state;
    struct world *world = world_pair();
    world_kill(world, 1);
    world_run(world, 10000);
    world_command(world, 0, MEMBER_COMMAND_ADMIT, "gamma");
    world_command(world, 0, MEMBER_COMMAND_ADMIT, "delta"); /* changed minds */
    world_run(world, 6000);
    world_value(world, &value);
    assert_string_equal(value.learner, "delta");
    assert_string_equal(value.retired[0].node, "gamma");
    assert_string_equal(value.retired[0].reason, "delta has taken its place");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_standby_leaves_the_list_which_says_since_when_and_why),
        cmocka_unit_test(who_is_left_exports_alone_and_the_register_says_so),
        cmocka_unit_test(where_nothing_is_written_alone_that_stays_so),
        cmocka_unit_test(nobody_retires_who_exports),
        cmocka_unit_test(only_the_holder_retires_and_only_members),
        cmocka_unit_test(without_the_register_nobody_is_retired),
        cmocka_unit_test(asked_again_it_is_done_and_may_ask_for_more),
        cmocka_unit_test(a_reason_is_kept_as_the_register_takes_it),
        cmocka_unit_test(the_holder_shows_its_credential_sealed_anew),
        cmocka_unit_test(interrupted_anywhere_it_is_ended_by_asking_again),
        cmocka_unit_test(
            a_disk_image_of_before_finds_itself_out_and_never_swaps),
        cmocka_unit_test(an_active_image_of_before_is_out_too),
        cmocka_unit_test(who_has_lost_all_knows_by_its_name_that_it_is_out),
        cmocka_unit_test(who_has_joined_anew_waits_to_be_listed),
        cmocka_unit_test(whose_place_was_taken_is_told_by_whom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
