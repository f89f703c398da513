/* principals: a full list of those not known to be gone. */
#include "tests/lib/test.h"

#include <string.h>

#include "tests/lib/cluster_world.h"

static struct register_value value;

/* The list is full of what nobody could fence yet; `idle` of them, the last
 * ones, never had a token. */
static void fill_principals(struct world *world, size_t idle,
                            enum register_kind kind)
{
    world_value(world, &value);
    struct register_principal like = value.principals[0];
    value.principal_count = REGISTER_PRINCIPALS_MAX;
    value.epoch = REGISTER_PRINCIPALS_MAX;
    value.serial += 5;
    for (size_t i = 0; i < REGISTER_PRINCIPALS_MAX; i++) {
        bool used = i + idle < REGISTER_PRINCIPALS_MAX;
        value.principals[i] = like;
        value.principals[i].epoch = i + 1;
        value.principals[i].kind = kind;
        value.principals[i].token_lifetime_s = used ? 60 : 0;
        memset(value.principals[i].token_hash, used ? 7 : 0,
               sizeof value.principals[i].token_hash);
    }
    world_put(world, &value);
}

static void a_full_list_has_room_where_one_never_had_a_token(void **state)
{
    struct world *world = world_pair();
    (void) state;
    world->nodes[1].fence_pending = true;
    world_kill(world, 0);
    fill_principals(world, 2, REGISTER_KIND_OAUTH);
    world_told(world, world_until(world, 1, MEMBER_FENCING, 60000));
    world_value(world, &value);
    assert_int_equal(value.principal_count, REGISTER_PRINCIPALS_MAX);
    assert_int_equal(value.principals[5].epoch, 6); /* had a token: stays */
    assert_int_equal(value.principals[6].epoch, 8); /* 7 has made room */
    assert_int_equal(value.principals[7].epoch, 9);
    world_free(world);
}

static void a_full_list_of_used_principals_has_none(void **state)
{
    (void) state;
    for (int exec = 0; exec < 2; exec++) {
        struct world *world = world_pair();
        world_kill(world, 0);
        fill_principals(world, exec ? 8 : 0,
                        exec ? REGISTER_KIND_EXEC : REGISTER_KIND_OAUTH);
        world_run(world, 60000);
        assert_int_equal(world_role(world, 1), MEMBER_STANDBY);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_list_has_room_where_one_never_had_a_token),
        cmocka_unit_test(a_full_list_of_used_principals_has_none),
    };
    return cmocka_run_group_tests_name("principals", tests, NULL, NULL);
}
