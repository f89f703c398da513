/* summer: however the rows change, the running sum is the sum of the rows. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "replication/summer.h"
#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

#define SEEDS        20
#define TRANSACTIONS 40

struct side {
    struct db db;
    struct summer *summer;
};

static char folder[FOLDER_SIZE];
static struct side leader, follower;
static struct ts_err err;

static void open_side(struct side *side, const char *name)
{
    char path[FOLDER_SIZE + 16];
    (void) snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(
        db_open(path, DB_BUILDING, &sample_schema, &side->db, &err), TS_OK);
    assert_int_equal(summer_new(&side->db, &sample_tables, &side->summer, &err),
                     TS_OK);
}

static int set_up(void **state)
{
    (void) state;
    folder_make(folder);
    open_side(&leader, "leader.db");
    open_side(&follower, "follower.db");
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    summer_free(leader.summer);
    summer_free(follower.summer);
    db_close(&leader.db);
    db_close(&follower.db);
    folder_remove(folder);
    return 0;
}

static struct sum scan(struct side *side)
{
    struct sum sum;
    assert_int_equal(summer_scan(side->summer, &sum, NULL, &err), TS_OK);
    return sum;
}

/* One random transaction; the caller frees the changeset. */
static struct ts_slice change(struct sample_random *random, struct sum *sum)
{
    struct capture capture;
    struct ts_slice changeset = TS_SLICE_NONE;
    struct sum delta;
    assert_int_equal(db_begin(&leader.db, &err), TS_OK);
    assert_int_equal(capture_begin(&capture, &leader.db, &sample_tables, &err),
                     TS_OK);
    for (uint64_t n = sample_next(random, 12) + 1; n > 0; n--) {
        sample_change(&leader.db, random);
    }
    assert_int_equal(capture_end(&capture, &changeset, &err), TS_OK);
    if (summer_change(leader.summer, changeset, &delta, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    sum_add(sum, delta);
    assert_int_equal(db_commit(&leader.db, &err), TS_OK);
    return changeset;
}

static void follow(struct ts_slice changeset, struct sum *sum)
{
    struct sum rows;
    assert_int_equal(db_begin(&follower.db, &err), TS_OK);
    assert_int_equal(
        summer_rows(follower.summer, changeset, SUMMER_BEFORE, &rows, &err),
        TS_OK);
    sum_subtract(sum, rows);
    if (capture_apply(&follower.db, &sample_tables, changeset, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(
        summer_rows(follower.summer, changeset, SUMMER_AFTER, &rows, &err),
        TS_OK);
    sum_add(sum, rows);
    assert_int_equal(db_commit(&follower.db, &err), TS_OK);
}

/* M1 and M2. */
static void running_sums_equal_full_sums_on_both_sides(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sample_random random = { seed * UINT64_C(0x9e3779b97f4a7c15) };
        struct sum leading = { { 0 } };
        struct sum following = { { 0 } };
        for (int t = 0; t < TRANSACTIONS; t++) {
            struct ts_slice changeset = change(&random, &leading);
            follow(changeset, &following);
            capture_free(&changeset);
            if (!sum_equal(leading, scan(&leader)) ||
                !sum_equal(following, leading) ||
                !sum_equal(following, scan(&follower))) {
                fail_msg("seed %u, transaction %d", (unsigned) seed, t);
            }
        }
        tear_down(state);
        set_up(state);
    }
}

static void the_order_of_rows_does_not_matter(void **state)
{
    (void) state;
    uint64_t rows = 0;
    struct sum sum;
    sample_fill(&leader.db);
    sample_exec(&follower.db, "PRAGMA foreign_keys=0");
    sample_fill(&follower.db);
    sample_exec(&follower.db,
                "CREATE TEMP TABLE copy AS SELECT * FROM people;"
                "CREATE TEMP TABLE copy2 AS SELECT * FROM links;"
                "DELETE FROM people; DELETE FROM links;"
                "INSERT INTO people SELECT * FROM copy ORDER BY name DESC;"
                "INSERT INTO links SELECT * FROM copy2 ORDER BY key DESC");
    assert_true(sum_equal(scan(&leader), scan(&follower)));
    assert_int_equal(summer_scan(leader.summer, &sum, &rows, &err), TS_OK);
    assert_int_equal(rows, 2005);
}

static void every_type_of_a_value_counts(void **state)
{
    (void) state;
    static const char *const values[] = {
        "NULL", "1", "1.0", "'1'", "x'31'", "''", "x''", "0", "0.0", "'NULL'"
    };
    enum {
        COUNT = sizeof values / sizeof values[0]
    };
    struct sum sums[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        char sql[80];
        (void) snprintf(sql, sizeof sql, "REPLACE INTO codes VALUES('k',%s)",
                        values[i]);
        sample_exec(&leader.db, sql);
        sums[i] = scan(&leader);
        for (size_t j = 0; j < i; j++) {
            assert_false(sum_equal(sums[i], sums[j]));
        }
    }
    sample_exec(&leader.db, "REPLACE INTO codes VALUES('k',-0.0)");
    assert_true(sum_equal(scan(&leader), sums[8]));
}

static void rows_of_different_tables_never_cancel_out(void **state)
{
    (void) state;
    sample_exec(&leader.db, "INSERT INTO people VALUES(1,'a',NULL,NULL,NULL)");
    sample_exec(&follower.db, "INSERT INTO links VALUES(1,'a',x'',NULL)");
    assert_false(sum_equal(scan(&leader), scan(&follower)));
}

/* A column that the change does not touch differs: only own rows show it. */
static void a_follower_that_drifted_computes_another_sum(void **state)
{
    (void) state;
    struct sum sum = { { 0 } };
    struct ts_slice changeset = TS_SLICE_NONE;
    struct capture capture;
    sample_fill(&leader.db);
    sample_fill(&follower.db);
    sample_exec(&follower.db, "UPDATE people SET score=17 WHERE id=1");
    struct sum before = scan(&follower);

    assert_int_equal(db_begin(&leader.db, &err), TS_OK);
    assert_int_equal(capture_begin(&capture, &leader.db, &sample_tables, &err),
                     TS_OK);
    sample_exec(&leader.db, "UPDATE people SET name='Ada' WHERE id=1");
    assert_int_equal(capture_end(&capture, &changeset, &err), TS_OK);
    assert_int_equal(summer_change(leader.summer, changeset, &sum, &err),
                     TS_OK);
    assert_int_equal(db_commit(&leader.db, &err), TS_OK);

    struct sum own = { { 0 } };
    follow(changeset, &own);
    capture_free(&changeset);
    assert_false(sum_equal(own, sum));
    sum_add(&before, own);
    assert_true(sum_equal(before, scan(&follower)));
}

static void damaged_changesets_are_errors(void **state)
{
    (void) state;
    struct sum sum;
    struct sample_random random = { 7 };
    struct sum total = { { 0 } };
    sample_fill(&leader.db);
    struct ts_slice changeset = change(&random, &total);
    assert_true(changeset.size > 20);
    assert_int_equal(summer_rows(leader.summer,
                                 ts_slice(changeset.data, changeset.size - 1),
                                 SUMMER_AFTER, &sum, &err),
                     TS_E_CORRUPT);
    assert_int_equal(summer_rows(leader.summer, ts_slice("T\x02\x01\x00", 4),
                                 SUMMER_AFTER, &sum, &err),
                     TS_E_CORRUPT);
    capture_free(&changeset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(running_sums_equal_full_sums_on_both_sides),
        TEST(the_order_of_rows_does_not_matter),
        TEST(every_type_of_a_value_counts),
        TEST(rows_of_different_tables_never_cancel_out),
        TEST(a_follower_that_drifted_computes_another_sum),
        TEST(damaged_changesets_are_errors),
    };
    return cmocka_run_group_tests_name("summer", tests, NULL, NULL);
}
