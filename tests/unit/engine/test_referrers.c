/* referrers: what is left of somebody at the target in those who referred to
 * him, when he is gone from there. */
#include "tests/lib/test.h"

#include "node/engine/observe.h"
#include "tests/lib/store.h"

enum {
    USER,
    GROUP
};

static struct engine_context *engine_of(struct store *store)
{
    static struct engine_context engine;
    engine = (struct engine_context){ .state.mv = store->mv };
    return &engine;
}

/* A boss (1) with two clerks: one (2) whose reference is wanted and held, one
 * (3) who is to lose it; a joiner (4) who was not told yet; and a team (5). */
static int make(void **state)
{
    (void) store_make(state);
    struct store *store = *state;
    store->mv->group_kind = GROUP;
    store_exec(store,
               "INSERT INTO metaverse(id, kind, anchor, presence, packed, "
               "once, changed) VALUES(1, 0, 'boss', 0, x'', x'', 0), "
               "(2, 0, 'clerk', 0, x'', x'', 0), "
               "(3, 0, 'moved', 0, x'', x'', 0), "
               "(4, 0, 'joiner', 0, x'', x'', 0), "
               "(5, 1, 'team', 0, x'', x'', 0)");
    store_exec(store, "INSERT INTO target_object(target_id, kind, anchor, "
                      "match_value, etag, metaverse_id, active, sent) "
                      "VALUES('old', 0, 'boss', '', '', 1, 1, x'')");
    store_exec(store,
               "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
               "VALUES(2, 'manager', 1, 1, 1), (3, 'manager', 1, 0, 1), "
               "(4, 'manager', 1, 1, 0), (5, 'members', 1, 1, 1)");
    return 0;
}

static void lose_the_boss(struct store *store)
{
    struct ts_err err;
    assert_int_equal(
        observe_gone(engine_of(store), ts_slice_str("old"), 1, &err), TS_OK);
}

static void his_id_is_nobodys_where_a_single_value_has_it(void **state)
{
    struct store *store = *state;
    lose_the_boss(store);
    assert_int_equal(store_int(store, "SELECT count(*) FROM stranger"), 2);
    assert_int_equal(store_int(store, "SELECT count(*) FROM stranger WHERE "
                                      "owner_id IN (2, 3) AND path = "
                                      "'manager' AND target_id = 'old'"),
                     2);
    assert_int_equal(store_int(store, "SELECT max(held) FROM reference"), 0);
}

static void those_who_have_it_are_looked_at_again(void **state)
{
    struct store *store = *state;
    lose_the_boss(store);
    assert_int_equal(store_int(store, "SELECT count(*) FROM metaverse WHERE "
                                      "changed > 0"),
                     2);
    assert_int_equal(store_int(store, "SELECT count(*) FROM metaverse WHERE "
                                      "changed > 0 AND id IN (2, 3)"),
                     2);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make, store_remove)
    const struct CMUnitTest tests[] = {
        T(his_id_is_nobodys_where_a_single_value_has_it),
        T(those_who_have_it_are_looked_at_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
