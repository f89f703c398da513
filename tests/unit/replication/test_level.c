/* level: both nodes come to a new level at one row, each with its own code, and
 * there is no way back. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "replication/level.h"
#include "tests/lib/couple.h"

static struct couple couple;
static struct ts_err err;

/* What the next program knows: a column, rows and an index more. */
static const char *next_steps[3];
static struct db_schema next;
static const char *other_steps[3];
static struct db_schema other;

static void describe(struct db_schema *schema, const char *steps[static 3],
                     const char *step)
{
    steps[0] = sample_schema.migrations[0];
    steps[1] = sample_schema.migrations[1];
    steps[2] = step;
    *schema =
        (struct db_schema){ .application_id = sample_schema.application_id,
                            .migrations = steps,
                            .migration_count = 3 };
}

static int set_up(void **state)
{
    (void) state;
    describe(&next, next_steps,
             "ALTER TABLE people ADD COLUMN team TEXT NOT NULL DEFAULT 'none';"
             "CREATE INDEX people_team ON people(team);"
             "INSERT INTO codes VALUES('level',3);");
    describe(&other, other_steps, "INSERT INTO codes VALUES('level',4);");
    couple_make(&couple);
    couple.schema[0] = &next;
    couple.schema[1] = &next;
    couple_crash(&couple, 0);
    couple_crash(&couple, 1);
    couple_lead(&couple, 0, 2);
    assert_true(couple_settle(&couple, 60000));
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    couple_remove(&couple);
    return 0;
}

static void a_newer_program_writes_the_old_level_until_it_is_told(void **s)
{
    (void) s;
    assert_int_equal(couple_at(&couple, 0).level, 2);
    couple.schema[1] = &sample_schema; /* going back is a restart */
    couple_crash(&couple, 1);
    couple_lead(&couple, 0, 2);
    couple_change(&couple, 0);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
}

static void both_nodes_go_up_at_one_row_and_their_sums_agree(void **s)
{
    (void) s;
    couple_change(&couple, 0);
    couple_finalize(&couple, 0, 3);
    couple_exec(&couple, 0, "UPDATE people SET team='a' WHERE id<10");
    couple_change(&couple, 0);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
    assert_int_equal(couple_at(&couple, 1).level, 3);
    assert_int_equal(couple_int(&couple, 1, "PRAGMA user_version"), 3);
    assert_int_equal(
        couple_int(&couple, 1, "SELECT count(*) FROM people WHERE team='a'"),
        couple_int(&couple, 0, "SELECT count(*) FROM people WHERE team='a'"));
    assert_int_equal(couple.sent[FRAME_OFFER], 1); /* that of set_up */
}

static void after_it_the_older_program_refuses_the_file_and_says_why(void **s)
{
    (void) s;
    struct db db = { .handle = NULL };
    couple_finalize(&couple, 0, 3);
    assert_int_equal(db_open_kept(couple.nodes[0].path, DB_READ_ONLY,
                                  &sample_schema, &db, &err),
                     TS_E_VERSION);
    assert_non_null(strstr(err.text, "its schema has version 3 and this "
                                     "program knows 2; install the newer"));
    assert_int_equal(journal_finalize(couple.nodes[0].journal, 2, &err),
                     TS_E_REFUSED);
    assert_non_null(strstr(err.text, "going back is not possible"));
}

static void a_program_that_does_not_know_the_level_stops_at_it(void **s)
{
    (void) s;
    couple.schema[1] = &sample_schema;
    couple_crash(&couple, 1);
    couple_lead(&couple, 0, 2);
    couple_finalize(&couple, 0, 3);
    assert_false(couple_settle(&couple, 20000));
    assert_int_equal(couple_at(&couple, 1).level, 2);
    assert_string_equal(couple.nodes[1].told + strlen(couple.nodes[1].told) -
                            strlen("replication-stuck "),
                        "replication-stuck ");
    assert_non_null(strstr(couple.nodes[1].why, "this program knows 2; "
                                                "install the newer twinsync"));
    couple.schema[1] = &next;
    couple_crash(&couple, 1);
    couple_lead(&couple, 0, 2);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
}

static void other_code_for_the_same_level_is_refused(void **s)
{
    (void) s;
    couple.schema[1] = &other;
    couple_crash(&couple, 1);
    couple_lead(&couple, 0, 2);
    couple_finalize(&couple, 0, 3);
    assert_false(couple_settle(&couple, 20000));
    assert_int_equal(couple_at(&couple, 1).level, 2);
    assert_non_null(strstr(couple.nodes[1].why, "with other code"));
}

static void a_step_that_fails_leaves_the_old_level(void **s)
{
    (void) s;
    next_steps[2] = "ALTER TABLE people ADD COLUMN team TEXT;"
                    "DROP TABLE links;";
    couple_crash(&couple, 0);
    couple_lead(&couple, 0, 2);
    struct journal_position before = couple_at(&couple, 0);
    assert_int_not_equal(journal_finalize(couple.nodes[0].journal, 3, &err),
                         TS_OK);
    struct journal_position after = couple_at(&couple, 0);
    assert_true(journal_position_equal(&before, &after));
    couple_change(&couple, 0);
    assert_true(couple_settle(&couple, 60000));
    couple_assert_equal(&couple);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    if (capture_setup(&err) != TS_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        WITH(a_newer_program_writes_the_old_level_until_it_is_told),
        WITH(both_nodes_go_up_at_one_row_and_their_sums_agree),
        WITH(after_it_the_older_program_refuses_the_file_and_says_why),
        WITH(a_program_that_does_not_know_the_level_stops_at_it),
        WITH(other_code_for_the_same_level_is_refused),
        WITH(a_step_that_fails_leaves_the_old_level),
    };
    return cmocka_run_group_tests_name("level", tests, NULL, NULL);
}
