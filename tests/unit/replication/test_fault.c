/* journal: whichever write or sync of a transaction fails, the file is found
 * before or after it, never between, and the operator is told which file. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "replication/journal.h"
#include "tests/lib/fault_vfs.h"
#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

#define CALLS_MAX 4000

static char folder[FOLDER_SIZE], path[FOLDER_SIZE + 16];
static struct db db;
static struct journal *journal;
static struct ts_err err;
static const struct journal_options options = { .tables = &sample_tables,
                                                .rows_max = 2 };
static const struct journal_position origin = { .generation = 1,
                                                .epoch = 1,
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
    journal = NULL;
    db_close(&db);
}

/* Made once and copied for each fault: [0] while it loads, [1] with a journal
 * of five rows. */
static struct {
    uint8_t bytes[1 << 20];
    size_t size;
} templates[2];

static void make_template(size_t which)
{
    folder_make(folder);
    (void) snprintf(path, sizeof path, "%s/state.db", folder);
    open_all();
    sample_exec(&db, "PRAGMA synchronous=OFF");
    sample_fill(&db);
    if (which == 1) {
        assert_int_equal(journal_start(journal, &origin, &err), TS_OK);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(journal_begin(journal, &err), TS_OK);
            sample_exec(&db, "UPDATE people SET score=score+1 WHERE id<9");
            assert_int_equal(journal_commit(journal, NULL, &err), TS_OK);
        }
    }
    close_all();
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    templates[which].size =
        fread(templates[which].bytes, 1, sizeof templates[which].bytes, file);
    assert_in_range(templates[which].size, 4096,
                    sizeof templates[which].bytes - 1);
    assert_int_equal(fclose(file), 0);
    folder_remove(folder);
}

/* A small cache, so that a transaction spills while it is still open. */
static void set_up(size_t which)
{
    fault_vfs_arm(0, FAULT_ONCE);
    folder_make(folder);
    (void) snprintf(path, sizeof path, "%s/state.db", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(
        fwrite(templates[which].bytes, 1, templates[which].size, file),
        templates[which].size);
    assert_int_equal(fclose(file), 0);
    open_all();
    sample_exec(&db, "PRAGMA cache_size=20");
}

static void tear_down(void)
{
    sample_exec(&db, "PRAGMA synchronous=OFF");
    close_all();
    folder_remove(folder);
}

static void verify(void)
{
    struct journal_position at;
    uint64_t rows = 0;
    if (journal_verify(&db, &sample_tables, &at, &rows, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    assert_true(sum_equal(at.sum, journal_position(journal).sum));
}

/* The steps under test: each says whether it was done. */
static enum ts_code transact(void)
{
    enum ts_code code = journal_begin(journal, &err);
    if (code == TS_OK) {
        if (db_exec(&db,
                    "UPDATE people SET packed=randomblob(900) WHERE id<200;"
                    "DELETE FROM links WHERE object<10;"
                    "REPLACE INTO codes VALUES('fault',1)",
                    &err) != TS_OK) {
            journal_rollback(journal);
            return err.code;
        }
        code = journal_commit(journal, NULL, &err);
    }
    return code;
}

static enum ts_code transact_and_checkpoint(void)
{
    enum ts_code code = transact();
    return code == TS_OK ? db_exec(&db, "PRAGMA wal_checkpoint(TRUNCATE)", &err)
                         : code;
}

static enum ts_code trim(void)
{
    bool more = false;
    return journal_trim(journal, &more, &err);
}

static enum ts_code raise_epoch(void)
{
    return journal_raise_epoch(journal, 2, &err);
}

static enum ts_code start(void)
{
    return journal_start(journal, &origin, &err);
}

/* What tells before from after, as one number. */
static int64_t state_number(void)
{
    int64_t rows = 0;
    assert_int_equal(
        db_query_int(&db, "SELECT count(*) FROM journal", &rows, &err), TS_OK);
    struct journal_position at = journal_position(journal);
    return at.seq * 10000 + at.epoch * 100 + rows;
}

/* One step under test, and how it moves state_number(). */
struct step {
    enum ts_code (*run)(void);
    int64_t move;
    size_t template;
    bool commits_first; /* the failure may come after the commit */
};

/* J5: nothing of it is believed. */
static void check_refusal(const struct step *step, int64_t before,
                          struct sum sum)
{
    assert_int_equal(err.code, TS_E_IO);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "disk"));
    if (!step->commits_first) {
        assert_int_equal(state_number(), before);
        assert_true(sum_equal(journal_position(journal).sum, sum));
    }
}

/* Fail the k-th call; true when there was none to fail. */
static bool fail_at(int k, enum fault_kind kind, const struct step *step)
{
    set_up(step->template);
    int64_t before = state_number();
    struct sum sum = journal_position(journal).sum;

    fault_vfs_arm(k, kind);
    enum ts_code code = step->run();
    bool fired = fault_vfs_fired();
    fault_vfs_arm(0, kind);

    assert_true(fired || code == TS_OK);
    if (code != TS_OK) {
        check_refusal(step, before, sum);
        if (kind == FAULT_ONCE && k % 2 == 0) {
            code = step->run(); /* the disk works again */
            assert_int_equal(code, TS_OK);
        }
    }
    int64_t known = state_number();
    close_all();
    open_all();
    int64_t found = state_number();
    if (code == TS_OK) {
        assert_int_equal(found, known);
    } else {
        assert_true(found == before || found == before + step->move);
    }
    if (!journal_loading(journal)) {
        verify();
    }
    tear_down();
    return !fired;
}

static void walk(const struct step *step)
{
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        int k = 1;
        while (!fail_at(k, (enum fault_kind) kind, step)) {
            /* Every call at first, then with growing strides. */
            k += 1 + k / 20;
            assert_true(k < CALLS_MAX);
        }
        assert_true(k > 2);
    }
}

static void a_failed_transaction_never_happened(void **state)
{
    (void) state;
    walk(&(struct step){ transact, 10001, 1, false });
}

static void a_failed_checkpoint_loses_nothing(void **state)
{
    (void) state;
    walk(&(struct step){ transact_and_checkpoint, 10001, 1, true });
}

static void a_failed_trim_keeps_every_row(void **state)
{
    (void) state;
    walk(&(struct step){ trim, -3, 1, false });
}

static void a_failed_epoch_stays_the_old_one(void **state)
{
    (void) state;
    walk(&(struct step){ raise_epoch, 100, 1, false });
}

static void a_load_whose_start_failed_is_still_a_load(void **state)
{
    (void) state;
    walk(&(struct step){ start, 100, 0, false });
}

int main(void)
{
    if (capture_setup(&err) != TS_OK) {
        return 1;
    }
    fault_vfs_install();
    make_template(0);
    make_template(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_transaction_never_happened),
        cmocka_unit_test(a_failed_checkpoint_loses_nothing),
        cmocka_unit_test(a_failed_trim_keeps_every_row),
        cmocka_unit_test(a_failed_epoch_stays_the_old_one),
        cmocka_unit_test(a_load_whose_start_failed_is_still_a_load),
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
