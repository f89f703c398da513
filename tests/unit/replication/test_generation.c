/* generation: the pointer never names what is not there, and nothing that
 * counts is ever deleted or written over. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replication/generation.h"
#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

static char folder[FOLDER_SIZE];
static struct ts_err err;

static int set_up(void **state)
{
    (void) state;
    folder_make(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    folder_remove(folder);
    return 0;
}

static const char *at(const char *name)
{
    static char path[GENERATION_PATH_SIZE];
    (void) snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool is_there(const char *name)
{
    return access(at(name), F_OK) == 0;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* A build with one row that tells it apart. */
static int64_t build(int64_t seen)
{
    struct db db;
    int64_t generation = 0;
    char path[GENERATION_PATH_SIZE];
    char sql[64];
    if (generation_build_begin(folder, seen, &generation, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(generation_path(folder, generation, path, &err), TS_OK);
    assert_int_equal(db_open(path, DB_BUILDING, &sample_schema, &db, &err),
                     TS_OK);
    (void) snprintf(sql, sizeof sql, "INSERT INTO codes VALUES('g',%lld)",
                    (long long) generation);
    sample_exec(&db, sql);
    db_close(&db);
    return generation;
}

static void select_it(int64_t generation)
{
    if (generation_select(folder, generation, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
}

/* What a start finds: the generation, and that its content is its own. */
static int64_t start(void)
{
    struct db db;
    int64_t generation = 0;
    int64_t content = 0;
    char path[GENERATION_PATH_SIZE];
    if (generation_locate(folder, &generation, path, &err) != TS_OK ||
        db_open(path, DB_DURABLE, &sample_schema, &db, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(
        db_query_int(&db, "SELECT v FROM codes WHERE k='g'", &content, &err),
        TS_OK);
    assert_int_equal(content, generation);
    db_close(&db);
    return generation;
}

static void a_build_is_invisible_until_it_is_selected(void **state)
{
    (void) state;
    int64_t generation = 0;
    char path[GENERATION_PATH_SIZE];
    assert_int_equal(generation_current(folder, &generation, &err), TS_OK);
    assert_int_equal(generation, 0);
    assert_int_equal(build(0), 1);
    assert_int_equal(generation_locate(folder, &generation, path, &err),
                     TS_E_NOT_FOUND);
    select_it(1);
    assert_int_equal(start(), 1);

    assert_int_equal(build(0), 2);
    assert_int_equal(start(), 1);
    select_it(2);
    assert_int_equal(start(), 2);
    assert_false(is_there("current.next"));
}

static void leftovers_of_builds_are_discarded_and_nothing_else(void **state)
{
    (void) state;
    select_it(build(0));
    assert_int_equal(build(6), 7);
    assert_int_equal(mkdir(at("state.x"), 0700), 0);
    /* As a crash between making the folder and marking it leaves it. */
    assert_int_equal(mkdir(at("state.9"), 0700), 0);
    assert_int_equal(mkdir(at("state.07"), 0700), 0);
    write_file("local.db", "another's");
    assert_int_equal(build(0), 2);
    assert_false(is_there("state.7") || is_there("state.9"));
    assert_true(is_there("state.1/state.db"));
    assert_true(is_there("state.x") && is_there("state.07"));
    assert_true(is_there("local.db"));
    select_it(2);
    assert_true(is_there("state.1/state.db"));
    assert_int_equal(generation_discard(folder, &err), TS_OK);
    assert_false(is_there("state.1"));
    assert_int_equal(start(), 2);
}

/* A first load and a snapshot, by threads that know nothing of each other. */
static void a_build_that_is_held_is_deleted_by_nobody(void **state)
{
    (void) state;
    int64_t load = 0;
    int64_t snapshot = 0;
    int load_hold = -1;
    int snapshot_hold = -1;
    assert_int_equal(
        generation_build_hold(folder, 0, &snapshot, &snapshot_hold, &err),
        TS_OK);
    assert_int_equal(generation_build_hold(folder, 0, &load, &load_hold, &err),
                     TS_OK);
    assert_int_equal(snapshot, 1);
    assert_int_equal(load, 2); /* a number of its own */
    assert_true(is_there("state.1"));
    assert_int_equal(generation_abandon(folder, 2, &err), TS_OK);
    assert_int_equal(generation_discard(folder, &err), TS_OK);
    assert_true(is_there("state.2/building"));
    generation_release(snapshot_hold);
    assert_int_equal(generation_abandon(folder, 1, &err), TS_OK);
    assert_false(is_there("state.1"));
    generation_release(load_hold);
    assert_int_equal(generation_discard(folder, &err), TS_OK);
    assert_false(is_there("state.2"));
}

/* With the pointer gone, the state looks like nobody's. */
static void a_state_whose_pointer_was_lost_is_not_discarded(void **state)
{
    (void) state;
    int64_t generation = 0;
    select_it(build(0));
    assert_int_equal(unlink(at("current")), 0);
    assert_int_equal(generation_build_begin(folder, 0, &generation, &err),
                     TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "write 1 into that file"));
    assert_true(is_there("state.1/state.db"));
    write_file("current", "1\n");
    assert_int_equal(start(), 1);
}

static void a_selection_cut_short_before_its_mark_went_is_complete(void **state)
{
    (void) state;
    select_it(build(0));
    assert_false(is_there("state.1/building"));
    write_file("state.1/building", "");
    assert_int_equal(generation_discard(folder, &err), TS_OK);
    assert_false(is_there("state.1/building"));
    assert_int_equal(start(), 1);
}

static void files_that_are_not_ours_are_never_deleted(void **state)
{
    (void) state;
    int64_t generation = 0;
    assert_int_equal(build(0), 1);
    write_file("state.1/thesis.txt", "mine");
    assert_int_equal(generation_build_begin(folder, 0, &generation, &err),
                     TS_E_IO);
    assert_non_null(strstr(err.text, "state.1"));
    assert_true(is_there("state.1/thesis.txt"));
}

static void a_generation_that_is_open_or_older_is_not_selected(void **state)
{
    (void) state;
    struct db db;
    char path[GENERATION_PATH_SIZE];
    assert_int_equal(build(0), 1);
    assert_int_equal(generation_path(folder, 1, path, &err), TS_OK);
    assert_int_equal(db_open(path, DB_DURABLE, &sample_schema, &db, &err),
                     TS_OK);
    sample_exec(&db, "DELETE FROM people");
    assert_int_equal(generation_select(folder, 1, &err), TS_E_CONFLICT);
    db_close(&db);
    select_it(1);
    assert_int_equal(generation_select(folder, 1, &err), TS_E_REFUSED);
    assert_int_equal(generation_select(folder, 9, &err), TS_E_IO);
    assert_int_equal(start(), 1);
}

static void a_pointer_that_cannot_be_read_is_refused(void **state)
{
    (void) state;
    static const char *const bad[] = { "",
                                       "1",
                                       "\n",
                                       "0\n",
                                       "01\n",
                                       "-1\n",
                                       "1 \n",
                                       "1\n2\n",
                                       "x\n",
                                       "99999999999\n",
                                       "1111111111111111111111\n" };
    select_it(build(0));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t generation = 0;
        char text[8] = "";
        write_file("current", bad[i]);
        assert_int_equal(generation_current(folder, &generation, &err),
                         TS_E_CORRUPT);
        assert_non_null(strstr(err.text, "twinsync sync --full"));
        assert_int_equal(generation_build_begin(folder, 0, &generation, &err),
                         TS_E_CORRUPT);
        assert_int_equal(generation_select(folder, 2, &err), TS_E_CORRUPT);
        assert_int_equal(generation_discard(folder, &err), TS_E_CORRUPT);
        /* G3: as it was. */
        FILE *file = fopen(at("current"), "r");
        assert_non_null(file);
        size_t size = fread(text, 1, sizeof text - 1, file);
        assert_int_equal(fclose(file), 0);
        assert_memory_equal(text, bad[i], size);
        assert_true(is_there("state.1/state.db"));
    }
}

static void a_pointer_to_nothing_is_refused_and_nothing_created(void **state)
{
    (void) state;
    int64_t generation = 0;
    char path[GENERATION_PATH_SIZE];
    select_it(build(0));
    assert_int_equal(unlink(at("state.1/state.db")), 0);
    assert_int_equal(generation_locate(folder, &generation, path, &err),
                     TS_E_CORRUPT);
    assert_false(is_there("state.1/state.db"));
    write_file("state.1/state.db", "");
    assert_int_equal(generation_locate(folder, &generation, path, &err),
                     TS_E_CORRUPT);
    write_file("current", "5\n");
    assert_int_equal(generation_locate(folder, &generation, path, &err),
                     TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "restore that directory from a backup"));
}

static void a_directory_that_cannot_be_used_is_named(void **state)
{
    (void) state;
    int64_t generation = 0;
    char path[GENERATION_PATH_SIZE];
    char deep[600];
    assert_int_equal(generation_current(at("none"), &generation, &err),
                     TS_E_IO);
    assert_non_null(strstr(err.text, "/none\""));
    memset(deep, 'd', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    assert_int_equal(generation_path(deep, 1, path, &err), TS_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_build_is_invisible_until_it_is_selected),
        TEST(leftovers_of_builds_are_discarded_and_nothing_else),
        TEST(a_build_that_is_held_is_deleted_by_nobody),
        TEST(a_state_whose_pointer_was_lost_is_not_discarded),
        TEST(a_selection_cut_short_before_its_mark_went_is_complete),
        TEST(files_that_are_not_ours_are_never_deleted),
        TEST(a_generation_that_is_open_or_older_is_not_selected),
        TEST(a_pointer_that_cannot_be_read_is_refused),
        TEST(a_pointer_to_nothing_is_refused_and_nothing_created),
        TEST(a_directory_that_cannot_be_used_is_named),
    };
    return cmocka_run_group_tests_name("generation", tests, NULL, NULL);
}
