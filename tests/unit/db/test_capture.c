/* capture: nothing that changed goes unrecorded, nothing is applied by half. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

static char folder[FOLDER_SIZE];
static struct db here, there;
static struct ts_err err;

static void open_at(const char *name, struct db *db)
{
    char path[FOLDER_SIZE + 16];
    (void) snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(db_open(path, DB_DURABLE, &sample_schema, db, &err),
                     TS_OK);
}

static int set_up(void **state)
{
    (void) state;
    folder_make(folder);
    open_at("here.db", &here);
    open_at("there.db", &there);
    sample_fill(&here);
    sample_fill(&there);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    db_close(&here);
    db_close(&there);
    folder_remove(folder);
    return 0;
}

static void record(const char *sql, struct ts_slice *ret_changeset)
{
    struct capture capture;
    assert_int_equal(db_begin(&here, &err), TS_OK);
    assert_int_equal(capture_begin(&capture, &here, &sample_tables, &err),
                     TS_OK);
    sample_exec(&here, sql);
    assert_int_equal(capture_end(&capture, ret_changeset, &err), TS_OK);
    assert_int_equal(db_commit(&here, &err), TS_OK);
}

static enum ts_code apply(struct ts_slice changeset)
{
    assert_int_equal(db_begin(&there, &err), TS_OK);
    enum ts_code code = capture_apply(&there, &sample_tables, changeset, &err);
    if (code == TS_OK) {
        assert_int_equal(db_commit(&there, &err), TS_OK);
    }
    db_rollback(&there);
    return code;
}

static int64_t ask(struct db *db, const char *sql)
{
    int64_t value = 0;
    assert_int_equal(db_query_int(db, sql, &value, &err), TS_OK);
    return value;
}

static void carries_a_change_to_another_file(void **state)
{
    (void) state;
    struct ts_slice changeset = TS_SLICE_NONE;
    record("UPDATE people SET name='Ada' WHERE id=1;"
           "DELETE FROM people WHERE id=2; DELETE FROM links WHERE object=7;"
           "INSERT INTO codes VALUES('x',x'00')",
           &changeset);
    assert_true(changeset.size > 0);
    assert_int_equal(apply(changeset), TS_OK);
    assert_int_equal(ask(&there, "SELECT name='Ada' FROM people WHERE id=1"),
                     1);
    assert_int_equal(ask(&there, "SELECT count(*) FROM people"), 999);
    assert_int_equal(ask(&there, "SELECT count(*) FROM links"), 980);
    assert_int_equal(ask(&there, "SELECT count(*) FROM codes WHERE k='x'"), 1);
    capture_free(&changeset);
}

static void a_unique_value_may_be_handed_on(void **state)
{
    (void) state;
    struct ts_slice changeset = TS_SLICE_NONE;
    record("UPDATE people SET mail=NULL WHERE id=1;"
           "UPDATE people SET mail='p1@example.org' WHERE id=2;"
           "DELETE FROM people WHERE id=3;"
           "UPDATE people SET mail='p3@example.org' WHERE id=4;"
           "INSERT INTO people VALUES(3000,'new','p4@example.org',NULL,NULL)",
           &changeset);
    assert_int_equal(apply(changeset), TS_OK);
    capture_free(&changeset);
}

/* C4: a changeset knows two states and no way between them. */
static void unique_values_exchanged_in_a_circle_are_a_conflict(void **state)
{
    (void) state;
    struct ts_slice changeset = TS_SLICE_NONE;
    record("UPDATE people SET mail='x' WHERE id=1;"
           "UPDATE people SET mail='p1@example.org' WHERE id=2;"
           "UPDATE people SET mail='p2@example.org' WHERE id=1",
           &changeset);
    assert_int_equal(apply(changeset), TS_E_CONFLICT);
    assert_non_null(strstr(err.text, "constraint"));
    capture_free(&changeset);
}

static void what_cancels_out_is_no_change(void **state)
{
    (void) state;
    struct ts_slice changeset = TS_SLICE_NONE;
    record("INSERT INTO codes VALUES('x',1); DELETE FROM codes WHERE k='x';"
           "UPDATE people SET name=name; INSERT INTO scratch(v) VALUES('v')",
           &changeset);
    assert_int_equal(changeset.size, 0);
    record("SELECT 1", &changeset);
    assert_int_equal(changeset.size, 0);
    record("INSERT INTO scratch(v) VALUES('v')", &changeset);
    assert_int_equal(changeset.size, 0);
}

/* A session that records nothing, as for a table that lost its primary key. */
static void a_blind_capture_is_an_error(void **state)
{
    (void) state;
    struct ts_slice changeset = TS_SLICE_NONE;
    struct capture capture;
    static const char *const names[] = { "naked" };
    static const struct capture_tables naked = { names, 1 };
    sample_exec(&here, "CREATE TABLE naked(v TEXT) STRICT");

    assert_int_equal(db_begin(&here, &err), TS_OK);
    assert_int_equal(capture_begin(&capture, &here, &naked, &err), TS_OK);
    sample_exec(&here, "INSERT INTO naked VALUES('lost')");
    assert_int_equal(capture_end(&capture, &changeset, &err), TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "1 rows of replicated tables"));
    db_rollback(&here);
}

static void tables_that_cannot_be_captured_are_refused(void **state)
{
    (void) state;
    static const struct {
        const char *sql, *why;
    } cases[] = {
        { "CREATE TABLE t(v TEXT) STRICT", "no primary key" },
        { "CREATE TABLE t(v TEXT PRIMARY KEY)", "may be NULL" },
        { "CREATE TABLE t(v TEXT NOT NULL PRIMARY KEY, w TEXT AS (v)) STRICT",
          "generated" },
        { "CREATE VIEW t AS SELECT 1", "is a view" },
        { "CREATE VIRTUAL TABLE t USING fts5(v)", "is a virtual" },
        { "CREATE TABLE t(v INTEGER NOT NULL PRIMARY KEY);"
          "CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END",
          "trigger tr" },
        { "CREATE TABLE t(v INTEGER NOT NULL PRIMARY KEY REFERENCES people "
          "ON DELETE CASCADE)",
          "foreign key to people" },
        { "CREATE TEMP TABLE t(v INTEGER NOT NULL PRIMARY KEY)", "is missing" },
        { "SELECT 1", "is missing" },
    };
    static const char *const names[] = { "people", "t" };
    static const struct capture_tables tables = { names, 2 };
    assert_int_equal(capture_check(&here, &sample_tables, &err), TS_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(db_begin(&here, &err), TS_OK);
        sample_exec(&here, cases[i].sql);
        if (capture_check(&here, &tables, &err) != TS_E_CORRUPT) {
            fail_msg("accepted: %s", cases[i].sql);
        }
        if (strstr(err.text, cases[i].why) == NULL) {
            fail_msg("%s: %s", cases[i].why, err.text);
        }
        db_rollback(&here);
    }
}

static void a_row_that_differs_stops_the_apply(void **state)
{
    (void) state;
    static const struct {
        const char *before, *change, *why;
    } cases[] = {
        { "UPDATE people SET name='other' WHERE id=1",
          "UPDATE people SET name='Ada' WHERE id=1", "other values" },
        { "DELETE FROM people WHERE id=1",
          "UPDATE people SET name='Ada' WHERE id=1", "is not here" },
        { "DELETE FROM people WHERE id=1", "DELETE FROM people WHERE id=1",
          "is not here" },
        { "UPDATE people SET score=0 WHERE id=1",
          "DELETE FROM people WHERE id=1", "other values" },
        { "INSERT INTO codes VALUES('x',2)", "INSERT INTO codes VALUES('x',1)",
          "here already" },
        { "UPDATE people SET mail='a@example.org' WHERE id=2",
          "UPDATE people SET mail='a@example.org' WHERE id=1", "constraint" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ts_slice changeset = TS_SLICE_NONE;
        tear_down(state);
        set_up(state);
        sample_exec(&there, cases[i].before);
        record("INSERT INTO links VALUES(999,'a',x'01',NULL)", &changeset);
        capture_free(&changeset);
        record(cases[i].change, &changeset);
        assert_int_equal(apply(changeset), TS_E_CONFLICT);
        capture_free(&changeset);
        if (strstr(err.text, cases[i].why) == NULL) {
            fail_msg("%s: %s", cases[i].why, err.text);
        }
    }
}

static void a_table_outside_the_list_is_refused(void **state)
{
    (void) state;
    struct ts_slice changeset = TS_SLICE_NONE;
    static const char *const names[] = { "people", "links" };
    static const struct capture_tables fewer = { names, 2 };
    record("DELETE FROM people WHERE id=1; INSERT INTO codes VALUES('x',1)",
           &changeset);
    assert_int_equal(db_begin(&there, &err), TS_OK);
    assert_int_equal(capture_apply(&there, &fewer, changeset, &err),
                     TS_E_PROTOCOL);
    assert_non_null(strstr(err.text, "table codes is not replicated"));
    assert_int_equal(ask(&there, "SELECT count(*) FROM people"), 1000);
    db_rollback(&there);
    capture_free(&changeset);
}

/* SQLite itself skips such tables and answers with success. */
static void a_table_that_does_not_fit_is_an_error(void **state)
{
    (void) state;
    static const char *const unfit[] = {
        "DROP TABLE codes",
        "DROP TABLE codes; CREATE TABLE codes(k TEXT NOT NULL PRIMARY KEY)",
        "DROP TABLE codes; CREATE TABLE codes(k TEXT, v ANY NOT NULL PRIMARY "
        "KEY)",
    };
    struct ts_slice changeset = TS_SLICE_NONE;
    record("DELETE FROM people WHERE id=1; INSERT INTO codes VALUES('x',1)",
           &changeset);
    for (size_t i = 0; i < 3; i++) {
        tear_down(state);
        set_up(state);
        sample_exec(&there, unfit[i]);
        assert_int_equal(apply(changeset), TS_E_CONFLICT);
        assert_non_null(strstr(err.text, "1 of its 2 rows do not fit"));
        assert_int_equal(ask(&there, "SELECT count(*) FROM people"), 1000);
    }
    capture_free(&changeset);
}

static void bytes_that_are_no_changeset_are_refused(void **state)
{
    (void) state;
    struct ts_slice changeset = TS_SLICE_NONE;
    record("DELETE FROM people WHERE id=5; INSERT INTO codes VALUES('x',1)",
           &changeset);
    size_t accepted = 0;
    for (size_t cut = 1; cut < changeset.size; cut++) {
        assert_int_equal(db_begin(&there, &err), TS_OK);
        enum ts_code code = capture_apply(&there, &sample_tables,
                                          ts_slice(changeset.data, cut), &err);
        db_rollback(&there);
        accepted += code == TS_OK;
        assert_true(code == TS_OK || code == TS_E_PROTOCOL);
    }
    /* Between its two changes a cut leaves a shorter changeset. */
    assert_int_equal(accepted, 1);
    static const char endless[] = "T\x05\x01\x00\x00\x00\x00peop";
    assert_int_equal(apply(ts_slice(endless, sizeof endless - 2)),
                     TS_E_PROTOCOL);
    assert_int_equal(apply(ts_slice("hello, world", 12)), TS_E_PROTOCOL);
    capture_free(&changeset);
}

int main(void)
{
    if (capture_setup(&err) != TS_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(carries_a_change_to_another_file),
        TEST(a_unique_value_may_be_handed_on),
        TEST(unique_values_exchanged_in_a_circle_are_a_conflict),
        TEST(what_cancels_out_is_no_change),
        TEST(a_blind_capture_is_an_error),
        TEST(tables_that_cannot_be_captured_are_refused),
        TEST(a_row_that_differs_stops_the_apply),
        TEST(a_table_outside_the_list_is_refused),
        TEST(a_table_that_does_not_fit_is_an_error),
        TEST(bytes_that_are_no_changeset_are_refused),
    };
    return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
