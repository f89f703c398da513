/* state: numbers and rows are durable together, or not at all. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/engine/state.h"
#include "node/metaverse/indexes.h"
#include "replication/generation.h"
#include "replication/journal.sql.h"
#include "tests/lib/folder.h"

struct fixture {
    char folder[FOLDER_SIZE];
    struct state state;
};

/* A selected generation, as a first load leaves it. */
static int make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct ts_err err;
    assert_non_null(f);
    folder_make(f->folder);
    assert_int_equal(state_open(&f->state, f->folder, 1, &err), TS_OK);
    assert_null(f->state.mv);
    assert_int_equal(state_build(&f->state, &err), TS_OK);
    assert_true(f->state.building);
    assert_int_equal(state_begin(&f->state, &err), TS_OK);
    f->state.numbers.object = 5;
    assert_int_equal(state_commit(&f->state, &err), TS_OK);
    assert_int_equal(state_select(&f->state, &err), TS_OK);
    *state = f;
    return 0;
}

static int done(void **state)
{
    struct fixture *f = *state;
    state_close(&f->state);
    folder_remove(f->folder);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    struct ts_err err;
    state_close(&f->state);
    assert_int_equal(state_open(&f->state, f->folder, 1, &err), TS_OK);
}

static void numbers_are_stored_with_what_carries_them(void **state)
{
    struct fixture *f = *state;
    struct ts_err err;
    assert_int_equal(f->state.numbers.object, 5); /* of the first load */
    assert_int_equal(state_begin(&f->state, &err), TS_OK);
    f->state.numbers.object = 9;
    f->state.numbers.intent = 3;
    assert_int_equal(state_commit(&f->state, &err), TS_OK);
    reopen(f);
    assert_int_equal(f->state.numbers.object, 9);
    assert_int_equal(f->state.numbers.intent, 3);
}

static void a_rollback_takes_numbers_back(void **state)
{
    struct fixture *f = *state;
    struct ts_err err;
    assert_int_equal(state_begin(&f->state, &err), TS_OK);
    f->state.numbers.object = 100;
    state_rollback(&f->state);
    assert_int_equal(f->state.numbers.object, 5);
    assert_int_equal(state_begin(&f->state, &err), TS_OK);
    assert_int_equal(state_commit(&f->state, &err), TS_OK);
    reopen(f);
    assert_int_equal(f->state.numbers.object, 5);
}

static void a_commit_without_changes_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct ts_err err;
    int64_t seq = journal_position(f->state.journal).seq;
    assert_int_equal(state_begin(&f->state, &err), TS_OK);
    assert_int_equal(state_commit(&f->state, &err), TS_OK);
    assert_int_equal(journal_position(f->state.journal).seq, seq);
    assert_int_equal(state_begin(&f->state, &err), TS_OK);
    f->state.numbers.change++;
    assert_int_equal(state_commit(&f->state, &err), TS_OK);
    assert_int_equal(journal_position(f->state.journal).seq, seq + 1);
}

static void a_build_given_up_leaves_no_generation(void **state)
{
    struct fixture *f = *state;
    struct ts_err err;
    char folder[FOLDER_SIZE];
    struct state other;
    (void) f;
    folder_make(folder);
    assert_int_equal(state_open(&other, folder, 1, &err), TS_OK);
    assert_int_equal(state_build(&other, &err), TS_OK);
    state_discard(&other);
    state_close(&other);
    assert_int_equal(state_open(&other, folder, 1, &err), TS_OK);
    assert_int_equal(other.generation, 0);
    assert_null(other.mv);
    state_close(&other);
    folder_remove(folder);
}

static int64_t count_indexes(struct fixture *f)
{
    struct ts_err err;
    int64_t count = 0;
    assert_int_equal(
        db_query_int(&f->state.mv->db,
                     "SELECT count(*) FROM sqlite_schema WHERE type = 'index' "
                     "AND sql IS NOT NULL",
                     &count, &err),
        TS_OK);
    return count;
}

static void indexes_that_were_dropped_are_all_made_again(void **state)
{
    struct fixture *f = *state;
    struct ts_err err;
    int64_t all = count_indexes(f);
    assert_true(all > 10);
    assert_int_equal(indexes_drop(f->state.mv, &err), TS_OK);
    assert_int_equal(count_indexes(f), 0);
    assert_int_equal(indexes_make(f->state.mv, "source_link", &err), TS_OK);
    assert_int_equal(count_indexes(f), 1);
    assert_int_equal(indexes_make(f->state.mv, NULL, &err), TS_OK);
    assert_int_equal(count_indexes(f), all);
    assert_int_equal(indexes_make(f->state.mv, NULL, &err), TS_OK);
}

/* A selected generation of level 1, with one intent. */
static void make_level_1(const char *folder)
{
    static char sql[sizeof journal_sql + 32 * 1024];
    const char *steps[] = { sql };
    const struct db_schema schema = { 0x54534d56, steps, 1 };
    static const char *const names[] = { "intent" };
    const struct capture_tables tables = { names, 1 };
    const struct journal_options options = { .tables = &tables };
    const struct journal_position from = { 1, 1, 1, 0, { { 0 } } };
    char path[GENERATION_PATH_SIZE];
    struct metaverse *mv = NULL;
    struct journal *journal = NULL;
    struct ts_err err;
    int64_t generation = 0;
    (void) snprintf(sql, sizeof sql, "%s\n%s", metaverse_sql[0], journal_sql);
    assert_int_equal(generation_build_begin(folder, 0, &generation, &err),
                     TS_OK);
    assert_int_equal(generation_path(folder, generation, path, &err), TS_OK);
    assert_int_equal(metaverse_open(path, DB_BUILDING, &schema, &mv, &err),
                     TS_OK);
    assert_int_equal(journal_open(&mv->db, &options, &journal, &err), TS_OK);
    assert_int_equal(
        db_exec(&mv->db,
                "INSERT INTO intent VALUES(7, 0, 1, 0, 3, 'anchor', 'id', "
                "x'00', x'00', 0, 0)",
                &err),
        TS_OK);
    assert_int_equal(journal_start(journal, &from, &err), TS_OK);
    journal_close(journal);
    metaverse_close(mv);
    assert_int_equal(generation_select(folder, generation, &err), TS_OK);
}

static void a_store_of_level_1_is_brought_to_this_level(void **state)
{
    struct fixture *f = *state;
    struct ts_err err;
    struct journal_position at;
    int64_t clearance = -1;
    uint64_t rows = 0;
    struct state old;
    char folder[FOLDER_SIZE];
    (void) f;
    folder_make(folder);
    make_level_1(folder);
    for (int i = 0; i < 2; i++) { /* the second time it is no news */
        assert_int_equal(state_open(&old, folder, 1, &err), TS_OK);
        assert_int_equal(db_query_int(&old.mv->db,
                                      "SELECT clearance FROM intent",
                                      &clearance, &err),
                         TS_OK);
        assert_int_equal(clearance, 0); /* the guard has not seen it */
        assert_int_equal(state_verify(&old, &at, &rows, &err), TS_OK);
        assert_int_equal(at.level, METAVERSE_LEVELS);
        assert_int_equal(state_begin(&old, &err), TS_OK);
        old.numbers.object++;
        assert_int_equal(
            db_exec(&old.mv->db, "UPDATE intent SET phase = 1 - phase", &err),
            TS_OK);
        assert_int_equal(state_commit(&old, &err), TS_OK);
        /* An added column has its default in what is captured, too. */
        assert_int_equal(state_verify(&old, &at, &rows, &err), TS_OK);
        state_close(&old);
    }
    folder_remove(folder);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make, done)
    const struct CMUnitTest tests[] = {
        T(numbers_are_stored_with_what_carries_them),
        T(a_rollback_takes_numbers_back),
        T(a_commit_without_changes_writes_nothing),
        T(a_build_given_up_leaves_no_generation),
        T(indexes_that_were_dropped_are_all_made_again),
        T(a_store_of_level_1_is_brought_to_this_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
