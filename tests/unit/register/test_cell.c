/* cell, and the manual register on it: one value in a file. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/time.h"
#include "node/register/cell.h"
#include "tests/lib/folder.h"

#define THIEF_MAX   64
#define THIEF_EACH  30 /* swaps that are done, and that fail */
#define DEADLINE_MS 30000

static char folder[FOLDER_SIZE];
static char path[FOLDER_SIZE + 32];

static int set_up(void **state)
{
    (void) state;
    folder_make(folder);
    (void) snprintf(path, sizeof path, "%s/corp.cell", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    folder_remove(folder);
    return 0;
}

static enum register_outcome swap(struct register_cell *cell,
                                  const char *expected, const char *value)
{
    enum register_outcome outcome = REGISTER_SWAP_UNKNOWN;
    struct ts_err err;
    assert_int_equal(register_cell_swap(cell, ts_slice_str(expected),
                                        ts_slice_str(value), &outcome, &err),
                     TS_OK);
    return outcome;
}

static struct register_cell *open_cell(void)
{
    struct register_cell *cell = NULL;
    struct ts_err err;
    assert_int_equal(register_cell_open(path, &cell, &err), TS_OK);
    return cell;
}

static void assert_holds(const char *expected)
{
    struct register_cell *cell = open_cell();
    struct ts_slice value;
    assert_int_equal(register_cell_read(cell, &value, NULL), TS_OK);
    assert_true(ts_slice_equal(value, ts_slice_str(expected)));
    register_cell_close(cell);
}

static void swap_is_there_after_opening_again(void **state)
{
    (void) state;
    struct register_cell *cell = open_cell();
    assert_int_equal(swap(cell, "", "one"), REGISTER_SWAP_DONE);
    assert_int_equal(swap(cell, "", "two"), REGISTER_SWAP_LOST);
    assert_int_equal(swap(cell, "one", "two"), REGISTER_SWAP_DONE);
    register_cell_close(cell);
    assert_holds("two");
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
}

static void unfinished_swap_leaves_the_old_value(void **state)
{
    (void) state;
    struct register_cell *cell = open_cell();
    (void) swap(cell, "", "old");
    register_cell_close(cell);
    char next[sizeof path + 8];
    (void) snprintf(next, sizeof next, "%s.new", path);
    FILE *file = fopen(next, "w");
    assert_non_null(file);
    (void) fputs("half of a ne", file);
    (void) fclose(file);
    assert_holds("old");
}

static void
swap_that_cannot_be_written_is_certain_to_have_changed_nothing(void **state)
{
    (void) state;
    struct register_cell *cell = open_cell();
    (void) swap(cell, "", "old");
    char next[sizeof path + 8];
    (void) snprintf(next, sizeof next, "%s.new", path);
    assert_int_equal(mkdir(next, 0700), 0); /* the new file has no place */
    enum register_outcome outcome = REGISTER_SWAP_UNKNOWN;
    struct ts_err err;
    assert_int_equal(register_cell_swap(cell, ts_slice_str("old"),
                                        ts_slice_str("new"), &outcome, &err),
                     TS_E_IO);
    assert_int_equal(rmdir(next), 0);
    assert_int_equal(swap(cell, "old", "new"), REGISTER_SWAP_DONE);
    register_cell_close(cell);
}

static void
doubtful_swap_is_unknown_and_nothing_is_served_after_it(void **state)
{
    (void) state;
    struct register_cell *cell = open_cell();
    (void) swap(cell, "", "old");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0); /* the renaming fails */
    enum register_outcome outcome = REGISTER_SWAP_DONE;
    struct ts_err err;
    assert_int_equal(register_cell_swap(cell, ts_slice_str("old"),
                                        ts_slice_str("new"), &outcome, &err),
                     TS_OK);
    assert_int_equal(outcome, REGISTER_SWAP_UNKNOWN);
    struct ts_slice value;
    assert_int_equal(register_cell_read(cell, &value, &err), TS_E_CORRUPT);
    assert_int_equal(register_cell_swap(cell, ts_slice_str("old"),
                                        ts_slice_str("new"), &outcome, &err),
                     TS_E_CORRUPT);
    register_cell_close(cell);
    assert_int_equal(rmdir(path), 0);
}

/* Takes each descriptor that comes free, and gives one back now and then, as
 * strangers do who connect and say nothing. */
static void *take_descriptors(void *context)
{
    int held[THIEF_MAX];
    size_t count = 0;
    while (!atomic_load((atomic_bool *) context)) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            held[count++] = fd;
        } else if (count > 0) {
            (void) close(held[--count]);
            (void) poll(NULL, 0, 1);
        }
    }
    while (count > 0) {
        (void) close(held[--count]);
    }
    return NULL;
}

static void no_swap_is_doubtful_because_descriptors_have_run_out(void **state)
{
    (void) state;
    struct rlimit before, few = { THIEF_MAX, THIEF_MAX };
    atomic_bool over = false;
    pthread_t thief;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    struct register_cell *cell = open_cell();
    (void) swap(cell, "", "value");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(pthread_create(&thief, NULL, take_descriptors, &over), 0);
    int done = 0, failed = 0, other = 0;
    struct ts_time deadline = ts_time_after(ts_time_now(), DEADLINE_MS);
    while ((done < THIEF_EACH || failed < THIEF_EACH) && other == 0 &&
           ts_time_left(deadline) > 0) {
        enum register_outcome outcome = REGISTER_SWAP_LOST;
        struct ts_err err;
        enum ts_code code = register_cell_swap(
            cell, ts_slice_str("value"), ts_slice_str("value"), &outcome, &err);
        bool is_done = code == TS_OK && outcome == REGISTER_SWAP_DONE;
        bool is_failed = code == TS_E_IO; /* certain to have changed nothing */
        done += is_done;
        failed += is_failed;
        other += !is_done && !is_failed;
    }
    atomic_store(&over, true);
    assert_int_equal(pthread_join(thief, NULL), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(other, 0);
    assert_true(done >= THIEF_EACH && failed >= THIEF_EACH);
    register_cell_close(cell);
    assert_holds("value");
}

static void damage(long offset, int byte)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    (void) fputc(byte, file);
    (void) fclose(file);
}

static void damaged_value_is_refused_until_it_is_put_aside(void **state)
{
    (void) state;
    struct register_cell *cell = open_cell();
    (void) swap(cell, "", "value");
    register_cell_close(cell);
    char aside[REGISTER_CELL_PATH_MAX + 32];
    struct ts_err err;
    assert_int_equal(register_cell_repair(path, aside, &err), TS_E_REFUSED);
    damage(42, 'x');
    assert_int_equal(register_cell_open(path, &cell, &err), TS_E_CORRUPT);
    assert_int_equal(register_cell_repair(path, aside, &err), TS_OK);
    assert_int_equal(access(aside, F_OK), 0);
    assert_holds("");
    assert_int_equal(register_cell_repair(path, aside, &err), TS_E_NOT_FOUND);
}

static void too_large_and_empty_values_are_refused(void **state)
{
    (void) state;
    static uint8_t large[REGISTER_VALUE_MAX + 1];
    struct register_cell *cell = open_cell();
    enum register_outcome outcome = REGISTER_SWAP_UNKNOWN;
    struct ts_err err;
    const size_t sizes[] = { 0, sizeof large };
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(register_cell_swap(cell, TS_SLICE_NONE,
                                            ts_slice(large, sizes[i]), &outcome,
                                            &err),
                         TS_E_LIMIT);
    }
    register_cell_close(cell);
    assert_holds("");
}

static void manual_register_takes_nobody_over_by_itself(void **state)
{
    (void) state;
    const struct register_options options = { .kind = REGISTER_MANUAL,
                                              .cluster = "corp",
                                              .node = "alpha",
                                              .timeout_ms = 1000,
                                              .manual_file = path };
    struct register_client *client = NULL;
    struct ts_arena arena;
    struct ts_slice value;
    struct ts_err err;
    enum register_outcome outcome = REGISTER_SWAP_UNKNOWN;
    ts_arena_init(&arena, 2 * REGISTER_VALUE_MAX);
    assert_int_equal(register_open(&options, &client, &err), TS_OK);
    assert_false(register_is_automatic(client));
    assert_string_equal(register_server(client), "");
    assert_int_equal(
        register_swap(client, TS_SLICE_NONE, ts_slice_str("a"), &outcome, &err),
        TS_OK);
    assert_int_equal(outcome, REGISTER_SWAP_DONE);
    assert_int_equal(register_read(client, &arena, &value, &err), TS_OK);
    assert_true(ts_slice_equal(value, ts_slice_str("a")));
    assert_string_equal(register_server(client), "manual");
    register_cancel(client);
    assert_int_equal(register_read(client, &arena, &value, NULL),
                     TS_E_CANCELLED);
    register_resume(client);
    register_pin(client, "slapd somewhere");
    assert_int_equal(register_read(client, &arena, &value, NULL),
                     TS_E_CONFLICT);
    register_close(client);
    ts_arena_done(&arena);
    assert_holds("a");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(swap_is_there_after_opening_again),
        TEST(unfinished_swap_leaves_the_old_value),
        TEST(swap_that_cannot_be_written_is_certain_to_have_changed_nothing),
        TEST(doubtful_swap_is_unknown_and_nothing_is_served_after_it),
        TEST(no_swap_is_doubtful_because_descriptors_have_run_out),
        TEST(damaged_value_is_refused_until_it_is_put_aside),
        TEST(too_large_and_empty_values_are_refused),
        TEST(manual_register_takes_nobody_over_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
