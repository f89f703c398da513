/* plan_store: what was shown is stored whole, found by its hash, and goes. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "node/base/time.h"
#include "node/metaverse/plan_store.h"
#include "tests/lib/store.h"

static const struct ts_hash effect = { .bytes = { 7 } };

static struct plan_item item_of(const char *anchor, enum intent_verb verb)
{
    return (struct plan_item){ .anchor = ts_slice_str(anchor),
                               .verb = verb,
                               .content = ts_slice_str("content"),
                               .links = ts_slice_str("") };
}

static void draft(struct store *store, const char *anchor)
{
    struct plan_item item = item_of(anchor, INTENT_UPDATE);
    struct ts_err err;
    assert_int_equal(plan_store_draft_add(store->mv, &item, &err), TS_OK);
}

/* A plan of that name with those objects, one letter each. */
static int64_t keep(struct store *store, const char *name, const char *letters)
{
    struct ts_err err;
    int64_t id = 0;
    int64_t moved = 1;
    struct plan_move move = { .limit = 2 };
    assert_int_equal(plan_store_draft_reset(store->mv, &err), TS_OK);
    for (const char *at = letters; *at != 0; at++) {
        char anchor[2] = { *at, 0 };
        draft(store, anchor);
    }
    assert_int_equal(plan_store_put(store->mv, &effect, &id, &err), TS_OK);
    for (move.id = id; moved > 0; move.from += moved) {
        assert_int_equal(plan_store_draft_move(store->mv, &move, &moved, &err),
                         TS_OK);
    }
    assert_int_equal(plan_store_name(store->mv, id, name, &err), TS_OK);
    return id;
}

static int64_t found(struct store *store, const char *name)
{
    struct plan_row row;
    struct ts_err err;
    assert_int_equal(plan_store_find(store->mv, name, &row, &err), TS_OK);
    return row.id;
}

static void a_plan_is_found_by_its_hash_when_it_is_whole(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct plan_row row;
    int64_t id = 0;
    assert_int_equal(plan_store_put(store->mv, &effect, &id, &err), TS_OK);
    assert_int_equal(found(store, "#1"), 0); /* not by its number */
    assert_int_equal(keep(store, "abc", "zyx"), id + 1);
    assert_int_equal(plan_store_find(store->mv, "abc", &row, &err), TS_OK);
    assert_int_equal(row.id, id + 1);
    assert_true(ts_hash_equal(row.effect, effect));
    assert_int_equal(store_int(store, "SELECT count(*) FROM plan_item"), 3);
    assert_int_equal(found(store, "ab"), 0);
    assert_int_equal(found(store, ""), 0);
}

static void an_item_is_as_it_was_drafted(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct plan_item item;
    bool is_there = false;
    struct plan_key key = { .id = keep(store, "abc", "a"),
                            .anchor = ts_slice_str("a") };
    assert_int_equal(
        plan_store_item(store->mv, &key, &store->arena, &item, &is_there, &err),
        TS_OK);
    assert_true(is_there);
    assert_int_equal(item.verb, INTENT_UPDATE);
    assert_int_equal(item.state, PLAN_ITEM_OPEN);
    assert_true(ts_slice_equal(item.content, ts_slice_str("content")));
    key.kind = 1;
    assert_int_equal(
        plan_store_item(store->mv, &key, &store->arena, &item, &is_there, &err),
        TS_OK);
    assert_false(is_there);
}

static void only_the_newest_stay_and_whichever_is_spared(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    bool more = true;
    int64_t first = keep(store, "first", "ab");
    for (int i = 0; i < PLAN_STORE_KEPT + 1; i++) {
        char name[16];
        (void) snprintf(name, sizeof name, "plan %d", i);
        (void) keep(store, name, "ab");
    }
    assert_int_equal(plan_store_trim(store->mv, first, &err), TS_OK);
    assert_int_equal(found(store, "first"), first);
    assert_int_equal(found(store, "plan 0"), 0);
    assert_int_not_equal(found(store, "plan 1"), 0);
    assert_int_equal(plan_store_trim(store->mv, 0, &err), TS_OK);
    assert_int_equal(found(store, "first"), 0);
    while (more) {
        assert_int_equal(plan_store_sweep(store->mv, 1, &more, &err), TS_OK);
    }
    assert_int_equal(store_int(store, "SELECT count(*) FROM plan_item"),
                     2 * PLAN_STORE_KEPT);
}

static void a_plan_of_yesterday_goes(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    char sql[96];
    (void) keep(store, "old", "a");
    (void) snprintf(sql, sizeof sql, "UPDATE plan SET at = %lld",
                    (long long) (ts_wall_seconds() - PLAN_STORE_SECONDS));
    store_exec(store, sql);
    (void) keep(store, "new", "a");
    assert_int_equal(plan_store_trim(store->mv, 0, &err), TS_OK);
    assert_int_equal(found(store, "old"), 0);
    assert_int_not_equal(found(store, "new"), 0);
}

/* Those that are no longer demanded, one letter each. */
static const char *undemanded(struct store *store, int64_t id)
{
    static char letters[17];
    struct plan_item items[16];
    size_t count = 16;
    struct ts_err err;
    struct plan_key after = { .id = id,
                              .kind = -1,
                              .anchor = ts_slice_str("") };
    assert_int_equal(plan_store_undemanded(store->mv, &after, &store->arena,
                                           items, &count, &err),
                     TS_OK);
    for (size_t i = 0; i < count; i++) {
        letters[i] = (char) items[i].anchor.data[0];
    }
    letters[count] = 0;
    return letters;
}

static void decide(struct store *store, const char *anchor, int clearance)
{
    char sql[256];
    (void) snprintf(
        sql, sizeof sql,
        "INSERT INTO intent(phase, verb, kind, metaverse_id, anchor, "
        "target_id, before, after, batch, doubt_since, classes, clearance) "
        "SELECT 0, 1, 0, id, anchor, '', x'', x'', 0, 0, 0, %d FROM metaverse "
        "WHERE anchor = '%s'",
        clearance, anchor);
    store_exec(store, sql);
}

static void
what_waits_for_another_plan_or_for_nothing_is_not_demanded(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    int64_t counts[PLAN_ITEM_STATES];
    int64_t id = keep(store, "abc", "abcdefg");
    for (const char *at = "abcdef"; *at != 0; at++) {
        char anchor[2] = { *at, 0 };
        (void) store_project(store, 0, anchor, 0);
    }
    decide(store, "a", INTENT_CLEARED);
    decide(store, "b", INTENT_STAGED); /* other content */
    decide(store, "c", INTENT_HELD);
    /* d: refused; e: a link is due; f: nothing; g: is gone */
    store_exec(store,
               "INSERT INTO object_error(kind, anchor, stage, path, text, "
               "after, first_at, retry_at) VALUES(0, 'd', 'export', '', '', "
               "x'', 0, 0); "
               "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
               "SELECT id, 'manager', 1, 1, 0 FROM metaverse WHERE anchor = "
               "'e'");
    assert_string_equal(undemanded(store, id), "bfg");
    struct plan_key b = { .id = id, .anchor = ts_slice_str("b") };
    struct plan_key a = { .id = id, .anchor = ts_slice_str("a") };
    assert_int_equal(plan_store_mark(store->mv, &b, PLAN_ITEM_DROPPED, &err),
                     TS_OK);
    assert_int_equal(plan_store_mark(store->mv, &b, PLAN_ITEM_PERFORMED, &err),
                     TS_OK); /* dropped for good */
    assert_int_equal(plan_store_mark(store->mv, &a, PLAN_ITEM_PERFORMED, &err),
                     TS_OK);
    assert_string_equal(undemanded(store, id), "fg");
    assert_int_equal(plan_store_count(store->mv, id, counts, &err), TS_OK);
    assert_int_equal(counts[PLAN_ITEM_OPEN], 5);
    assert_int_equal(counts[PLAN_ITEM_PERFORMED], 1);
    assert_int_equal(counts[PLAN_ITEM_DROPPED], 1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, store_make, store_remove)
    const struct CMUnitTest tests[] = {
        T(a_plan_is_found_by_its_hash_when_it_is_whole),
        T(an_item_is_as_it_was_drafted),
        T(only_the_newest_stay_and_whichever_is_spared),
        T(a_plan_of_yesterday_goes),
        T(what_waits_for_another_plan_or_for_nothing_is_not_demanded),
    };
    return cmocka_run_group_tests_name("plan store", tests, NULL, NULL);
}
