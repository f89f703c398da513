/* journal: one row for each transaction that changed something, never another.
 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "replication/journal.h"
#include "replication/summer.h"
#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

static char folder[FOLDER_SIZE], path[FOLDER_SIZE + 16];
static struct db db;
static struct journal *journal;
static struct ts_err err;
static struct journal_options options = { .tables = &sample_tables };
static const struct journal_position origin = { .generation = 3,
                                                .epoch = 5,
                                                .level = 1 };

static void open_all(void)
{
    if (db_open(path, DB_DURABLE, &sample_schema, &db, &err) != TS_OK ||
        journal_open(&db, &options, &journal, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
}

static void close_all(void)
{
    journal_close(journal);
    db_close(&db);
}

static int set_up_loading(void **state)
{
    (void) state;
    options = (struct journal_options){ .tables = &sample_tables };
    folder_make(folder);
    (void) snprintf(path, sizeof path, "%s/state.db", folder);
    open_all();
    return 0;
}

static int set_up(void **state)
{
    set_up_loading(state);
    sample_fill(&db);
    assert_int_equal(journal_start(journal, &origin, &err), TS_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    close_all();
    folder_remove(folder);
    return 0;
}

static int64_t ask(const char *sql)
{
    int64_t value = 0;
    assert_int_equal(db_query_int(&db, sql, &value, &err), TS_OK);
    return value;
}

static int64_t transact(const char *sql)
{
    int64_t seq = -1;
    assert_int_equal(journal_begin(journal, &err), TS_OK);
    sample_exec(&db, sql);
    if (journal_commit(journal, &seq, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    return seq;
}

static void verify(void)
{
    struct journal_position at;
    uint64_t rows = 0;
    if (journal_verify(&db, &sample_tables, &at, &rows, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(at.seq, journal_position(journal).seq);
    assert_true(sum_equal(at.sum, journal_position(journal).sum));
}

static void numbers_only_what_changed(void **state)
{
    (void) state;
    assert_int_equal(transact("UPDATE people SET name='x' WHERE id=1"), 1);
    assert_int_equal(transact("SELECT 1"), 0);
    assert_int_equal(transact("UPDATE people SET name='x' WHERE id=1"), 0);
    assert_int_equal(transact("INSERT INTO scratch(v) VALUES('v')"), 0);
    assert_int_equal(transact("DELETE FROM people WHERE id=1"), 2);
    assert_int_equal(ask("SELECT count(*) FROM scratch"), 1);
    assert_int_equal(ask("SELECT count(*) FROM journal"), 2);
    assert_int_equal(ask("SELECT count(*) FROM journal WHERE generation=3 AND "
                         "epoch=5 AND level=1"),
                     2);
    verify();
}

/* J3: by the size of the write-ahead log, where every write must go. */
static void an_idle_transaction_writes_nothing(void **state)
{
    (void) state;
    struct stat before;
    struct stat after;
    char wal[FOLDER_SIZE + 24];
    (void) snprintf(wal, sizeof wal, "%s-wal", path);
    sample_exec(&db, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(stat(wal, &before), 0);
    assert_int_equal(transact("SELECT 1; UPDATE people SET name='x' WHERE 0"),
                     0);
    assert_int_equal(stat(wal, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_int_equal(before.st_size, 0);
}

static void each_row_continues_the_one_before(void **state)
{
    (void) state;
    struct sample_random random = { 42 };
    for (int i = 0; i < 50; i++) {
        assert_int_equal(journal_begin(journal, &err), TS_OK);
        sample_change(&db, &random);
        assert_int_equal(journal_commit(journal, NULL, &err), TS_OK);
    }
    int64_t rows = ask("SELECT count(*) FROM journal");
    assert_true(rows > 20);
    assert_int_equal(ask("SELECT count(*) FROM journal a JOIN journal b ON "
                         "b.seq=a.seq+1 AND b.pre_sum=a.post_sum"),
                     rows - 1);
    assert_int_equal(ask("SELECT count(*) FROM journal JOIN lineage ON "
                         "seq=first_seq AND journal.pre_sum=lineage.pre_sum"),
                     1);
    verify();
}

static void the_rows_rebuild_the_tables_elsewhere(void **state)
{
    (void) state;
    struct db copy;
    struct journal_position at;
    char name[FOLDER_SIZE + 16];
    char sql[FOLDER_SIZE + 32];
    (void) snprintf(name, sizeof name, "%s/copy.db", folder);
    (void) snprintf(sql, sizeof sql, "VACUUM INTO '%s'", name);
    sample_exec(&db, sql);
    assert_int_equal(db_open(name, DB_DURABLE, &sample_schema, &copy, &err),
                     TS_OK);
    struct sample_random random = { 43 };
    for (int i = 0; i < 50; i++) {
        assert_int_equal(journal_begin(journal, &err), TS_OK);
        sample_change(&db, &random);
        assert_int_equal(journal_commit(journal, NULL, &err), TS_OK);
    }

    struct summer *summer = NULL;
    assert_int_equal(summer_new(&copy, &sample_tables, &summer, &err), TS_OK);
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    assert_int_equal(db_prepare(&db,
                                "SELECT changeset,post_sum FROM journal "
                                "ORDER BY seq",
                                &stmt, &err),
                     TS_OK);
    while (db_step(&db, stmt, &row, &err) == TS_OK && row) {
        struct sum sum;
        uint8_t bytes[SUM_SIZE];
        assert_int_equal(db_begin(&copy, &err), TS_OK);
        assert_int_equal(
            capture_apply(&copy, &sample_tables, db_column(stmt, 0), &err),
            TS_OK);
        assert_int_equal(db_commit(&copy, &err), TS_OK);
        assert_int_equal(summer_scan(summer, &sum, NULL, &err), TS_OK);
        sum_store(sum, bytes);
        assert_memory_equal(bytes, db_column(stmt, 1).data, SUM_SIZE);
        at.sum = sum;
    }
    assert_true(sum_equal(at.sum, journal_position(journal).sum));
    summer_free(summer);
    db_close(&copy);
}

static void survives_being_closed(void **state)
{
    (void) state;
    assert_int_equal(transact("DELETE FROM people WHERE id=1"), 1);
    struct journal_position before = journal_position(journal);
    close_all();
    open_all();
    struct journal_position after = journal_position(journal);
    assert_false(journal_loading(journal));
    assert_int_equal(after.seq, 1);
    assert_int_equal(after.epoch, 5);
    assert_int_equal(after.generation, 3);
    assert_true(sum_equal(before.sum, after.sum));
    assert_int_equal(journal_extent(journal).rows, 1);
    assert_int_equal(transact("DELETE FROM people WHERE id=2"), 2);
    verify();
}

static void a_rollback_leaves_no_trace(void **state)
{
    (void) state;
    struct sum before = journal_position(journal).sum;
    assert_int_equal(journal_begin(journal, &err), TS_OK);
    sample_exec(&db, "DELETE FROM people");
    journal_rollback(journal);
    journal_rollback(journal);
    assert_int_equal(ask("SELECT count(*) FROM people"), 1000);
    assert_true(sum_equal(before, journal_position(journal).sum));
    assert_int_equal(transact("DELETE FROM people WHERE id=2"), 1);
    verify();
}

static void a_load_is_not_captured_until_it_has_ended(void **state)
{
    (void) state;
    struct journal_position at;
    uint64_t rows = 0;
    assert_true(journal_loading(journal));
    assert_int_equal(transact("INSERT INTO codes VALUES('a',1)"), 0);
    assert_int_equal(journal_verify(&db, &sample_tables, &at, &rows, &err),
                     TS_E_NOT_FOUND);
    close_all();
    open_all();
    assert_true(journal_loading(journal));
    assert_int_equal(journal_start(journal, &origin, &err), TS_OK);
    assert_false(journal_loading(journal));
    assert_int_equal(ask("SELECT count(*) FROM journal"), 0);
    assert_int_equal(ask("SELECT first_seq FROM lineage WHERE epoch=5"), 1);
    assert_int_equal(transact("DELETE FROM codes"), 1);
    verify();
}

static void epochs_only_grow_and_open_a_new_line(void **state)
{
    (void) state;
    assert_int_equal(transact("DELETE FROM people WHERE id=1"), 1);
    assert_int_equal(journal_raise_epoch(journal, 5, &err), TS_OK);
    assert_int_equal(journal_raise_epoch(journal, 4, &err), TS_E_REFUSED);
    assert_int_equal(journal_raise_epoch(journal, 9, &err), TS_OK);
    assert_int_equal(transact("DELETE FROM people WHERE id=2"), 2);
    assert_int_equal(ask("SELECT count(*) FROM lineage"), 2);
    assert_int_equal(ask("SELECT count(*) FROM journal JOIN lineage USING"
                         "(epoch) WHERE epoch=9 AND seq=first_seq AND "
                         "journal.pre_sum=lineage.pre_sum"),
                     1);
    close_all();
    open_all();
    assert_int_equal(journal_position(journal).epoch, 9);
}

static void an_epoch_comes_with_its_transaction_or_not_at_all(void **state)
{
    (void) state;
    int64_t seq = 0;
    assert_int_equal(journal_begin(journal, &err), TS_OK);
    assert_int_equal(journal_raise_epoch(journal, 6, &err), TS_OK);
    journal_rollback(journal);
    assert_int_equal(journal_position(journal).epoch, 5);
    close_all();
    open_all();
    assert_int_equal(journal_position(journal).epoch, 5);
    assert_int_equal(ask("SELECT count(*) FROM lineage"), 1);
    assert_int_equal(journal_begin(journal, &err), TS_OK);
    assert_int_equal(journal_raise_epoch(journal, 7, &err), TS_OK);
    assert_int_equal(db_exec(&db, "DELETE FROM people WHERE id=1", &err),
                     TS_OK);
    assert_int_equal(ask("SELECT epoch FROM journal_state"), 7);
    assert_int_equal(journal_commit(journal, &seq, &err), TS_OK);
    assert_int_equal(ask("SELECT count(*) FROM journal JOIN lineage USING"
                         "(epoch) WHERE epoch=7 AND seq=first_seq AND "
                         "journal.pre_sum=lineage.pre_sum"),
                     1);
    close_all();
    open_all();
    assert_int_equal(journal_position(journal).epoch, 7);
    verify();
}

static void keeps_no_more_than_its_limits(void **state)
{
    (void) state;
    bool more = true;
    close_all();
    options.rows_max = 10;
    open_all();
    for (int i = 0; i < 700; i++) {
        assert_true(transact("UPDATE people SET score=score+1 WHERE id=7") > 0);
    }
    int rounds = 0;
    while (more) {
        assert_int_equal(journal_trim(journal, &more, &err), TS_OK);
        rounds++;
    }
    assert_int_equal(rounds, 3);
    assert_int_equal(ask("SELECT count(*) FROM journal"), 10);
    assert_int_equal(ask("SELECT min(seq) FROM journal"), 691);
    assert_int_equal(journal_extent(journal).first_seq, 691);
    assert_int_equal(journal_extent(journal).rows, 10);

    struct journal_extent kept = journal_extent(journal);
    close_all();
    options.size_max = kept.size - 1;
    open_all();
    assert_int_equal(journal_extent(journal).size, kept.size);
    assert_int_equal(journal_trim(journal, &more, &err), TS_OK);
    assert_false(more);
    assert_int_equal(ask("SELECT min(seq) FROM journal"), 692);
    verify();
}

/* What nobody captured: the full recomputation is there to find it. */
static void verify_finds_a_row_changed_behind_its_back(void **state)
{
    (void) state;
    struct journal_position at;
    uint64_t rows = 0;
    assert_int_equal(transact("DELETE FROM people WHERE id=1"), 1);
    sample_exec(&db, "UPDATE people SET packed=x'01' WHERE id=500");
    assert_int_equal(journal_verify(&db, &sample_tables, &at, &rows, &err),
                     TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "at seq 1"));
    assert_int_equal(at.seq, 1);
}

static void a_journal_that_contradicts_itself_is_refused(void **state)
{
    (void) state;
    assert_int_equal(transact("DELETE FROM people WHERE id=1"), 1);
    static const char *const damage[] = {
        "UPDATE journal_state SET seq=2",
        "UPDATE journal_state SET seq=1, post_sum=zeroblob(32)",
        "DELETE FROM journal_state",
    };
    for (size_t i = 0; i < 3; i++) {
        sample_exec(&db, damage[i]);
        journal_close(journal);
        journal = NULL;
        assert_int_equal(journal_open(&db, &options, &journal, &err),
                         TS_E_CORRUPT);
        assert_non_null(strstr(err.text, "restore"));
    }
}

int main(void)
{
    if (capture_setup(&err) != TS_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(numbers_only_what_changed),
        TEST(an_idle_transaction_writes_nothing),
        TEST(each_row_continues_the_one_before),
        TEST(the_rows_rebuild_the_tables_elsewhere),
        TEST(survives_being_closed),
        TEST(a_rollback_leaves_no_trace),
        cmocka_unit_test_setup_teardown(
            a_load_is_not_captured_until_it_has_ended, set_up_loading,
            tear_down),
        TEST(epochs_only_grow_and_open_a_new_line),
        TEST(an_epoch_comes_with_its_transaction_or_not_at_all),
        TEST(keeps_no_more_than_its_limits),
        TEST(verify_finds_a_row_changed_behind_its_back),
        TEST(a_journal_that_contradicts_itself_is_refused),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
