/* claim: rows that follow single changes agree with counting anew. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "node/metaverse/claim.h"
#include "node/metaverse/problem.h"
#include "node/metaverse/target_space.h"
#include "proto/entry_codec.h"
#include "tests/lib/sample.h"
#include "tests/lib/store.h"

enum {
    USER,
    GROUP
};

static const struct metaverse_unique_path paths[] = {
    { .kind = USER, .path = "employeeNumber", .case_exact = true },
    { .kind = USER, .path = "emails[type eq \"home\"].value" },
    { .kind = USER, .path = "emails[type eq \"work\"].value" },
    { .kind = USER, .path = "userName", .required = true },
    { .kind = GROUP, .path = "userName" },
};

static int64_t change;

static int make(void **state)
{
    (void) store_make(state);
    struct store *store = *state;
    store->mv->unique_paths = paths;
    store->mv->unique_path_count = sizeof paths / sizeof paths[0];
    store->mv->change = &change;
    change = 1000;
    store_exec(store, "CREATE TEMP TABLE before(value, metaverse_id, path, "
                      "wanted, held)");
    return 0;
}

/* C1, for the state as it is. */
static void assert_as_counted_anew(struct store *store, int step)
{
    struct ts_err err;
    store_exec(store, "DELETE FROM temp.before; INSERT INTO temp.before "
                      "SELECT * FROM claim");
    assert_int_equal(claim_recount(store->mv, &err), TS_OK);
    int64_t differing = store_int(
        store, "SELECT (SELECT count(*) FROM (SELECT value, metaverse_id, "
               "wanted, held FROM claim EXCEPT SELECT value, metaverse_id, "
               "wanted, held FROM temp.before)) + (SELECT count(*) FROM "
               "(SELECT value, metaverse_id, wanted, held FROM temp.before "
               "EXCEPT SELECT value, metaverse_id, wanted, held FROM claim))");
    if (differing != 0) {
        fail_msg("step %d: %lld claims are counted otherwise than anew", step,
                 (long long) differing);
    }
}

/* ---- entries
 * ---------------------------------------------------------------------- */

/* One value for each of at most three paths, in order of names; NULL: none. */
static struct ts_slice entry_of(struct store *store, const char *home,
                                const char *work, const char *name)
{
    struct ts_slice values[3] = { ts_slice_str(home), ts_slice_str(work),
                                  ts_slice_str(name) };
    struct ts_attribute attributes[3];
    struct ts_entry entry = { .attributes = attributes };
    struct ts_slice packed;
    struct ts_err err;
    for (size_t i = 0; i < 3; i++) {
        if (values[i].data != NULL) {
            attributes[entry.count++] = (struct ts_attribute){
                .name = ts_slice_str(paths[i + 1].path),
                .kind = TS_KIND_TEXT,
                .value_count = 1,
                .values = &values[i],
            };
        }
    }
    assert_int_equal(entry_pack(&entry, &store->arena, &packed, &err), TS_OK);
    return packed;
}

static struct ts_slice named(struct store *store, const char *name)
{
    return entry_of(store, NULL, NULL, name);
}

static void add(struct store *store, int64_t id, const char *anchor,
                struct ts_slice packed)
{
    struct ts_err err;
    struct metaverse_object object = { .id = id,
                                       .kind = USER,
                                       .anchor = ts_slice_str(anchor),
                                       .presence = OBJECT_IN,
                                       .packed = packed,
                                       .once = ts_slice("", 0) };
    assert_int_equal(object_insert(store->mv, &object, &err), TS_OK);
}

static void change_to(struct store *store, int64_t id,
                      enum object_presence presence, struct ts_slice packed)
{
    struct ts_err err;
    struct metaverse_object object;
    assert_int_equal(object_get(store->mv, id, &store->arena, &object, &err),
                     TS_OK);
    object.presence = presence;
    object.packed = packed;
    assert_int_equal(object_update(store->mv, &object, &err), TS_OK);
}

static void put(struct store *store, int64_t id, struct ts_slice sent,
                struct ts_slice seen)
{
    char target_id[24];
    struct ts_err err;
    (void) snprintf(target_id, sizeof target_id, "t%lld", (long long) id);
    struct target_row row = { .target_id = ts_slice_str(target_id),
                              .kind = USER,
                              .anchor = ts_slice_str("a"),
                              .metaverse_id = id,
                              .active = true,
                              .etag = ts_slice_str(""),
                              .match_value = ts_slice_str(""),
                              .sent = sent,
                              .seen = seen };
    assert_int_equal(target_row_put(store->mv, &row, &err), TS_OK);
}

static void take_away(struct store *store, int64_t id)
{
    char target_id[24];
    struct ts_err err;
    (void) snprintf(target_id, sizeof target_id, "t%lld", (long long) id);
    assert_int_equal(
        target_row_remove(store->mv, ts_slice_str(target_id), &err), TS_OK);
}

static bool is_due(struct store *store, int64_t id, int64_t since)
{
    char sql[80];
    (void) snprintf(sql, sizeof sql,
                    "SELECT changed > %lld FROM metaverse WHERE id = %lld",
                    (long long) since, (long long) id);
    return store_int(store, sql) != 0;
}

/* ---- what counts
 * ------------------------------------------------------------------ */

static struct claim_value value_of(const struct metaverse_unique_path *path,
                                   const char *text)
{
    struct claim_value value;
    struct ts_err err;
    assert_int_equal(claim_value_of(path, ts_slice_str(text), &value, &err),
                     TS_OK);
    return value;
}

static bool same(struct claim_value a, struct claim_value b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

static void case_counts_only_where_the_target_says_so(void **state)
{
    (void) state;
    assert_true(same(value_of(&paths[3], "Ada@Example.org"),
                     value_of(&paths[3], "aDA@example.ORG")));
    assert_true(same(value_of(&paths[3], "J\xc3\x9cRGEN"),
                     value_of(&paths[3], "j\xc3\xbcrgen")));
    assert_false(same(value_of(&paths[0], "A1"), value_of(&paths[0], "a1")));
}

static void an_address_is_the_same_whatever_its_type(void **state)
{
    (void) state;
    assert_true(
        same(value_of(&paths[1], "a@b.c"), value_of(&paths[2], "a@b.c")));
    assert_false(
        same(value_of(&paths[1], "a@b.c"), value_of(&paths[3], "a@b.c")));
}

static void kinds_do_not_share_a_name_space(void **state)
{
    (void) state;
    assert_false(same(value_of(&paths[3], "x"), value_of(&paths[4], "x")));
}

static void what_left_the_scope_wants_nothing_and_has_what_it_has(void **state)
{
    struct store *store = *state;
    add(store, 1, "a", named(store, "ada"));
    put(store, 1, named(store, "ada"), TS_SLICE_NONE);
    change_to(store, 1, OBJECT_OUT, named(store, "ada"));
    assert_int_equal(store_int(store, "SELECT wanted * 10 + held FROM claim"),
                     1);
    take_away(store, 1);
    assert_int_equal(store_int(store, "SELECT count(*) FROM claim"), 0);
}

static void both_what_was_sent_and_what_is_shown_is_held(void **state)
{
    struct store *store = *state;
    add(store, 1, "a", named(store, " ada"));
    put(store, 1, named(store, " ada"), named(store, "ada"));
    assert_int_equal(store_int(store, "SELECT sum(held) FROM claim"), 2);
    assert_as_counted_anew(store, 0);
}

static void a_row_that_stays_as_it_is_costs_nothing(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    add(store, 1, "a", named(store, "ada"));
    put(store, 1, named(store, "ada"), TS_SLICE_NONE);
    int64_t written = store_written(store);
    put(store, 1, named(store, "ada"), TS_SLICE_NONE);
    assert_int_equal(claim_recount(store->mv, &err), TS_OK);
    assert_int_equal(store_written(store), written);
}

/* ---- who becomes due
 * -------------------------------------------------------------- */

static void a_value_let_go_of_makes_those_who_want_it_due(void **state)
{
    struct store *store = *state;
    add(store, 1, "z", named(store, "ada"));
    put(store, 1, named(store, "ada"), TS_SLICE_NONE);
    add(store, 2, "c", named(store, "ADA"));
    add(store, 3, "b", named(store, "ada"));
    add(store, 4, "d", named(store, "dora"));
    int64_t before = change;
    change_to(store, 1, OBJECT_IN, named(store, "eva"));
    put(store, 1, named(store, "eva"), TS_SLICE_NONE);
    assert_true(is_due(store, 3, before));
    assert_true(is_due(store, 2, before));
    assert_false(is_due(store, 4, before));
}

static void a_noted_problem_is_tried_again_at_once(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct problem problem = { .kind = USER,
                               .anchor = ts_slice_str("b"),
                               .stage = "unique",
                               .path = ts_slice_str("userName"),
                               .text = ts_slice_str("taken"),
                               .retry_at = INT64_MAX };
    add(store, 1, "a", named(store, "ada"));
    put(store, 1, named(store, "ada"), TS_SLICE_NONE);
    add(store, 2, "b", named(store, "ada"));
    assert_int_equal(problem_set(store->mv, &problem, &err), TS_OK);
    take_away(store, 1);
    assert_int_equal(store_int(store, "SELECT retry_at FROM object_error"), 0);
}

static void who_has_a_value_and_who_is_first_to_want_it(void **state)
{
    struct store *store = *state;
    struct claimant holder;
    struct claimant first;
    struct ts_err err;
    struct claim_value ada = value_of(&paths[3], "ada");
    add(store, 1, "z", named(store, "eva"));
    put(store, 1, named(store, "ada"), TS_SLICE_NONE);
    add(store, 2, "c", named(store, "ada"));
    add(store, 3, "b", named(store, "ada"));
    assert_int_equal(
        claim_rivals(store->mv, &ada, 2, &store->arena, &holder, &first, &err),
        TS_OK);
    assert_int_equal(holder.metaverse_id, 1);
    assert_false(holder.wants);
    assert_int_equal(first.metaverse_id, 3);
    take_away(store, 1);
    assert_int_equal(
        claim_rivals(store->mv, &ada, 2, &store->arena, &holder, &first, &err),
        TS_OK);
    assert_int_equal(holder.metaverse_id, 0);
}

static void whoever_was_promised_a_value_comes_before_all_others(void **state)
{
    struct store *store = *state;
    struct claimant holder;
    struct claimant first;
    struct ts_err err;
    struct claim_value ada = value_of(&paths[3], "ada");
    add(store, 1, "a", named(store, "ada"));
    add(store, 2, "b", named(store, "ada"));
    assert_int_equal(claim_promise(store->mv, &ada, 2, &err), TS_OK);
    assert_as_counted_anew(store, 0); /* which keeps the promise */
    assert_int_equal(
        claim_rivals(store->mv, &ada, 2, &store->arena, &holder, &first, &err),
        TS_OK);
    assert_int_equal(first.metaverse_id, 2);
    change_to(store, 2, OBJECT_IN, named(store, "eva"));
    change_to(store, 2, OBJECT_IN, named(store, "ada"));
    assert_int_equal(
        claim_rivals(store->mv, &ada, 2, &store->arena, &holder, &first, &err),
        TS_OK);
    assert_int_equal(first.metaverse_id, 1);
}

/* ---- random histories
 * ------------------------------------------------------------- */

#define OBJECTS 12

static const char *any(struct sample_random *random)
{
    static const char *const values[] = { NULL, "a", "A", "b", "c", "d", " a" };
    return values[sample_next(random, sizeof values / sizeof values[0])];
}

static struct ts_slice random_entry(struct store *store,
                                    struct sample_random *random)
{
    const char *home = any(random);
    const char *work = any(random);
    return entry_of(store, home, work, any(random));
}

static void any_history_agrees_with_counting_anew(void **state)
{
    struct store *store = *state;
    struct sample_random random = { .state = 4711 };
    char anchor[16];
    for (int64_t id = 1; id <= OBJECTS; id++) {
        (void) snprintf(anchor, sizeof anchor, "a%lld", (long long) id);
        add(store, id, anchor, random_entry(store, &random));
    }
    for (int step = 0; step < 600; step++) {
        int64_t id = 1 + (int64_t) sample_next(&random, OBJECTS);
        switch (sample_next(&random, 4)) {
        case 0:
            change_to(store, id, (enum object_presence) sample_next(&random, 3),
                      random_entry(store, &random));
            break;
        case 1:
            put(store, id, random_entry(store, &random), TS_SLICE_NONE);
            break;
        case 2:
            put(store, id, random_entry(store, &random),
                random_entry(store, &random));
            break;
        default:
            take_away(store, id);
            break;
        }
        assert_as_counted_anew(store, step);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, store_remove)
    const struct CMUnitTest tests[] = {
        TEST(case_counts_only_where_the_target_says_so),
        TEST(an_address_is_the_same_whatever_its_type),
        TEST(kinds_do_not_share_a_name_space),
        TEST(what_left_the_scope_wants_nothing_and_has_what_it_has),
        TEST(both_what_was_sent_and_what_is_shown_is_held),
        TEST(a_row_that_stays_as_it_is_costs_nothing),
        TEST(a_value_let_go_of_makes_those_who_want_it_due),
        TEST(a_noted_problem_is_tried_again_at_once),
        TEST(who_has_a_value_and_who_is_first_to_want_it),
        TEST(whoever_was_promised_a_value_comes_before_all_others),
        TEST(any_history_agrees_with_counting_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
