/* target_space: what is known of the target, and what it costs to know it. */
#include "tests/lib/test.h"

#include "node/metaverse/target_space.h"
#include "tests/lib/store.h"

static struct target_row row_of(const char *id, const char *anchor,
                                int64_t metaverse_id)
{
    return (struct target_row){ .target_id = ts_slice_str(id),
                                .anchor = ts_slice_str(anchor),
                                .etag = ts_slice_str("W/1"),
                                .match_value = ts_slice_str(""),
                                .metaverse_id = metaverse_id,
                                .active = true,
                                .sent = ts_slice_str("sent") };
}

static void put(struct store *store, const struct target_row *row)
{
    struct ts_err err;
    assert_int_equal(target_row_put(store->mv, row, &err), TS_OK);
}

static struct target_row get(struct store *store, const char *id)
{
    struct target_row row;
    struct ts_err err;
    bool found = false;
    assert_int_equal(target_row_by_id(store->mv, ts_slice_str(id),
                                      &store->arena, &row, &found, &err),
                     TS_OK);
    assert_true(found);
    return row;
}

static void an_unchanged_row_is_not_written(void **state)
{
    struct store *store = *state;
    struct target_row row = row_of("id-1", "a", 7);
    struct target_row foreign = row_of("id-2", "", 0);
    put(store, &row);
    put(store, &foreign); /* columns that are NULL compare too */
    int64_t written = store_written(store);
    put(store, &row);
    put(store, &foreign);
    assert_int_equal(store_written(store), written);
    row.etag = ts_slice_str("W/2");
    put(store, &row);
    assert_int_equal(store_written(store), written + 1);
}

static void seen_is_unknown_as_sent_or_otherwise(void **state)
{
    struct store *store = *state;
    struct target_row row = row_of("id-1", "a", 7);
    put(store, &row);
    assert_null(get(store, "id-1").seen.data);

    row.seen = row.sent;
    put(store, &row);
    assert_true(ts_slice_equal(get(store, "id-1").seen, ts_slice_str("sent")));
    /* Most targets show what they were sent: that costs one byte. */
    assert_int_equal(store_int(store, "SELECT length(seen) FROM target_object"),
                     1);

    row.seen = ts_slice_str("SENT");
    put(store, &row);
    assert_true(ts_slice_equal(get(store, "id-1").seen, ts_slice_str("SENT")));
    assert_true(ts_slice_equal(get(store, "id-1").sent, ts_slice_str("sent")));
}

static void a_row_is_found_by_whom_it_stands_for(void **state)
{
    struct store *store = *state;
    struct target_row row = row_of("id-1", "a", 7);
    struct ts_err err;
    bool found = true;
    put(store, &row);
    assert_int_equal(target_row_by_metaverse(store->mv, 8, &store->arena, &row,
                                             &found, &err),
                     TS_OK);
    assert_false(found);
    assert_int_equal(target_row_by_metaverse(store->mv, 7, &store->arena, &row,
                                             &found, &err),
                     TS_OK);
    assert_true(found);
    assert_true(ts_slice_equal(row.target_id, ts_slice_str("id-1")));
}

static struct target_candidates by_anchor(struct store *store, int kind,
                                          const char *anchor)
{
    struct target_candidates found;
    struct ts_err err;
    assert_int_equal(target_candidates_by_anchor(store->mv, kind,
                                                 ts_slice_str(anchor),
                                                 &store->arena, &found, &err),
                     TS_OK);
    return found;
}

static void only_a_free_object_of_the_kind_is_taken_by_anchor(void **state)
{
    struct store *store = *state;
    struct target_row mine = row_of("id-1", "taken", 7);
    struct target_row free_one = row_of("id-2", "free", 0);
    put(store, &mine);
    put(store, &free_one);
    struct target_candidates found = by_anchor(store, 0, "free");
    assert_int_equal(found.usable, 1);
    assert_true(ts_slice_equal(found.row.target_id, ts_slice_str("id-2")));
    assert_int_equal(by_anchor(store, 1, "free").usable, 0);
    assert_int_equal(by_anchor(store, 1, "free").of_other_kind, 1);
    assert_int_equal(by_anchor(store, 0, "taken").usable, 0);
    assert_int_equal(by_anchor(store, 0, "").usable, 0);
}

static struct target_candidates by_match(struct store *store, const char *value)
{
    struct target_candidates found;
    struct ts_err err;
    assert_int_equal(target_candidates_by_match(store->mv, 0,
                                                ts_slice_str(value),
                                                &store->arena, &found, &err),
                     TS_OK);
    return found;
}

static void a_match_tells_what_is_free_from_what_is_not(void **state)
{
    struct store *store = *state;
    struct target_row rows[] = {
        row_of("id-1", "", 0),       row_of("id-2", "", 0),
        row_of("id-3", "theirs", 0), row_of("id-4", "", 9),
        row_of("id-5", "", 0),       row_of("id-6", "", 0)
    };
    static const char *const values[] = { "ada", "bob", "ada",
                                          "ada", "bob", "ada" };
    rows[5].kind = 1;
    for (size_t i = 0; i < 6; i++) {
        rows[i].match_value = ts_slice_str(values[i]);
        put(store, &rows[i]);
    }
    struct target_candidates ada = by_match(store, "ada");
    assert_int_equal(ada.usable, 1);
    assert_int_equal(ada.anchored, 1);
    assert_int_equal(ada.of_other_kind, 1);
    assert_true(ts_slice_equal(ada.row.target_id, ts_slice_str("id-1")));
    assert_int_equal(by_match(store, "bob").usable, 2);
    assert_int_equal(by_match(store, "eve").usable, 0);
    assert_int_equal(by_match(store, "").usable, 0);
}

static void what_is_shielded_is_no_candidate(void **state)
{
    struct store *store = *state;
    struct target_row row = row_of("id-1", "", 0);
    struct target_row anchored = row_of("id-2", "a", 0);
    row.match_value = ts_slice_str("root");
    row.shielded = anchored.shielded = true;
    put(store, &row);
    put(store, &anchored);
    assert_int_equal(by_match(store, "root").usable, 0);
    assert_int_equal(by_match(store, "root").shielded, 1);
    assert_int_equal(by_anchor(store, 0, "a").usable, 0);
    assert_int_equal(by_anchor(store, 0, "a").shielded, 1);
    row.shielded = false; /* its role was taken away */
    put(store, &row);
    assert_int_equal(by_match(store, "root").usable, 1);
}

static void
when_it_was_created_is_kept_when_an_answer_leaves_it_out(void **state)
{
    struct store *store = *state;
    struct target_row row = row_of("id-1", "a", 7);
    row.created = ts_slice_str("2026-01-02T03:04:05Z");
    put(store, &row);
    row.created = TS_SLICE_NONE;
    row.etag = ts_slice_str("W/2");
    put(store, &row);
    assert_true(ts_slice_equal(get(store, "id-1").created,
                               ts_slice_str("2026-01-02T03:04:05Z")));
}

static void what_is_disowned_stays_so_until_it_is_ours(void **state)
{
    struct store *store = *state;
    struct target_row row = row_of("id-1", "a", 7);
    struct ts_err err;
    put(store, &row);
    assert_int_equal(target_row_disown(store->mv, row.target_id, &err), TS_OK);
    row.metaverse_id = 0;
    row.etag = ts_slice_str("W/2");
    put(store, &row);
    assert_true(get(store, "id-1").disowned);
    row.metaverse_id = 8;
    put(store, &row);
    assert_false(get(store, "id-1").disowned);
}

static bool ledger_knows(struct store *store, int kind, const char *anchor)
{
    struct ts_err err;
    bool has = false;
    assert_int_equal(
        ledger_has(store->mv, kind, ts_slice_str(anchor), &has, &err), TS_OK);
    return has;
}

static void the_ledger_outlives_the_row(void **state)
{
    struct store *store = *state;
    struct target_row row = row_of("id-1", "a", 7);
    struct ts_err err;
    put(store, &row);
    assert_int_equal(ledger_put(store->mv, 0, row.anchor, row.target_id,
                                LEDGER_CREATED, &err),
                     TS_OK);
    assert_int_equal(target_row_remove(store->mv, row.target_id, &err), TS_OK);
    assert_true(ledger_knows(store, 0, "a"));
    assert_false(ledger_knows(store, 1, "a"));
    assert_int_equal(ledger_remove(store->mv, 0, row.anchor, &err), TS_OK);
    assert_false(ledger_knows(store, 0, "a"));
}

static void provenance_stays_while_the_object_is_the_same(void **state)
{
    struct store *store = *state;
    struct ts_slice anchor = ts_slice_str("a");
    struct ts_slice id = ts_slice_str("id-1");
    struct ts_err err;
    assert_int_equal(ledger_put(store->mv, 0, anchor, id, LEDGER_CREATED, &err),
                     TS_OK);
    assert_int_equal(ledger_put(store->mv, 0, anchor, id, LEDGER_ADOPTED, &err),
                     TS_OK);
    assert_int_equal(store_int(store, "SELECT provenance FROM ledger"),
                     LEDGER_CREATED);
}

static void what_was_found_gives_way_to_what_is_known(void **state)
{
    struct store *store = *state;
    struct ts_slice anchor = ts_slice_str("a");
    struct ts_slice id = ts_slice_str("id-1");
    struct ts_err err;
    assert_int_equal(ledger_put(store->mv, 0, anchor, id, LEDGER_FOUND, &err),
                     TS_OK);
    assert_int_equal(ledger_put(store->mv, 0, anchor, id, LEDGER_ADOPTED, &err),
                     TS_OK);
    assert_int_equal(store_int(store, "SELECT provenance FROM ledger"),
                     LEDGER_ADOPTED);
    assert_int_equal(ledger_put(store->mv, 0, anchor, id, LEDGER_FOUND, &err),
                     TS_OK);
    assert_int_equal(store_int(store, "SELECT provenance FROM ledger"),
                     LEDGER_ADOPTED);
    /* Nor another object with the same anchor. */
    assert_int_equal(ledger_put(store->mv, 0, anchor, ts_slice_str("id-2"),
                                LEDGER_FOUND, &err),
                     TS_OK);
    assert_int_equal(store_int(store, "SELECT count(*) FROM ledger WHERE "
                                      "target_id = 'id-1'"),
                     1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, store_make, store_remove)
    const struct CMUnitTest tests[] = {
        T(an_unchanged_row_is_not_written),
        T(seen_is_unknown_as_sent_or_otherwise),
        T(a_row_is_found_by_whom_it_stands_for),
        T(only_a_free_object_of_the_kind_is_taken_by_anchor),
        T(a_match_tells_what_is_free_from_what_is_not),
        T(what_is_shielded_is_no_candidate),
        T(when_it_was_created_is_kept_when_an_answer_leaves_it_out),
        T(what_is_disowned_stays_so_until_it_is_ours),
        T(the_ledger_outlives_the_row),
        T(provenance_stays_while_the_object_is_the_same),
        T(what_was_found_gives_way_to_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
