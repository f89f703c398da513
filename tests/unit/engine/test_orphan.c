/* orphan: what an operator decided on an orphan, and rows of the ledger that
 * nobody accounts for. The pass itself needs rules: tests/system. */
#include "tests/lib/test.h"

#include "node/engine/orphan.h"
#include "node/metaverse/hold.h"
#include "node/metaverse/target_space.h"
#include "proto/entry_codec.h"
#include "tests/lib/store.h"

static const struct ts_entry empty = { .count = 0 };

static struct engine_context *engine_of(struct store *store)
{
    static struct engine_context engine;
    engine.state.mv = store->mv;
    return &engine;
}

/* A user at the target that carries `anchor`, in the ledger as `provenance`. */
static void put(struct store *store, const char *anchor,
                enum ledger_provenance provenance)
{
    struct ts_slice packed;
    struct ts_err err;
    assert_int_equal(entry_pack(&empty, &store->arena, &packed, &err), TS_OK);
    struct target_row row = { .target_id = ts_slice_str(anchor),
                              .anchor = ts_slice_str(anchor),
                              .active = true,
                              .seen = packed };
    assert_int_equal(target_row_put(store->mv, &row, &err), TS_OK);
    assert_int_equal(
        ledger_put(store->mv, 0, row.anchor, row.target_id, provenance, &err),
        TS_OK);
}

static void hold(struct store *store, const char *anchor)
{
    const struct hold_reason reason = { .class = HOLD_ORPHANS };
    const struct hold_item item = { .anchor = ts_slice_str(anchor),
                                    .verb = INTENT_DELETE,
                                    .amount = 1 };
    struct ts_err err;
    int64_t id = 0;
    assert_int_equal(hold_open(store->mv, &reason, "why", &id, &err), TS_OK);
    assert_int_equal(hold_add(store->mv, id, &item, &err), TS_OK);
}

static int64_t items(struct store *store)
{
    return store_int(store, "SELECT count(*) FROM hold_item");
}

static void a_released_orphan_has_a_leaver_that_stands_for_it(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    put(store, "a", LEDGER_FOUND);
    put(store, "b", LEDGER_FOUND);
    assert_int_equal(
        orphan_release(engine_of(store), 0, ts_slice_str("a"), &err), TS_OK);
    assert_int_equal(store_int(store, "SELECT count(*) FROM metaverse WHERE "
                                      "anchor = 'a' AND presence = 2 AND "
                                      "changed > 0 AND left_at > 0"),
                     1);
    assert_int_equal(
        store_int(store, "SELECT count(*) FROM target_object t JOIN metaverse "
                         "m ON m.id = t.metaverse_id"),
        1);
    /* Until the target has confirmed what was decided it is only found. */
    assert_int_equal(store_int(store, "SELECT provenance FROM ledger WHERE "
                                      "anchor = 'a'"),
                     LEDGER_FOUND);
}

static void only_an_orphan_can_be_released(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    put(store, "a", LEDGER_CREATED);
    assert_int_equal(
        orphan_release(engine_of(store), 0, ts_slice_str("a"), &err),
        TS_E_NOT_FOUND);
    assert_int_equal(
        orphan_release(engine_of(store), 0, ts_slice_str("z"), &err),
        TS_E_NOT_FOUND);
    assert_int_equal(store_int(store, "SELECT count(*) FROM metaverse"), 0);
}

static void what_is_adopted_is_no_orphan_any_more(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    put(store, "a", LEDGER_FOUND);
    hold(store, "a");
    assert_int_equal(items(store), 1);
    assert_int_equal(ledger_put(store->mv, 0, ts_slice_str("a"),
                                ts_slice_str("a"), LEDGER_ADOPTED, &err),
                     TS_OK);
    assert_int_equal(items(store), 0);
}

static void count_row(void *context, int kind, struct ts_slice anchor,
                      struct ts_slice target_id)
{
    int *count = context;
    assert_int_equal(kind, 0);
    assert_true(ts_slice_equal(anchor, target_id));
    assert_true(ts_slice_equal(anchor, ts_slice_str("nobody's")));
    ++*count;
}

static void the_ledger_tells_what_nobody_accounts_for(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    int count = 0;
    put(store, "listed", LEDGER_FOUND);
    hold(store, "listed");
    put(store, "ours", LEDGER_CREATED);
    (void) store_project(store, 0, "ours", 0);
    put(store, "nobody's", LEDGER_CREATED);
    assert_int_equal(orphan_unaccounted(store->mv, count_row, &count, &err),
                     TS_OK);
    assert_int_equal(count, 1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, store_make, store_remove)
    const struct CMUnitTest tests[] = {
        T(a_released_orphan_has_a_leaver_that_stands_for_it),
        T(only_an_orphan_can_be_released),
        T(what_is_adopted_is_no_orphan_any_more),
        T(the_ledger_tells_what_nobody_accounts_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
