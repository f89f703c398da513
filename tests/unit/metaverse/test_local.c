/* local: a node knows who it is, and never less than it knew before. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/metaverse/local.h"
#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

static char folder[FOLDER_SIZE];
static struct local *local;
static struct ts_err err;

static enum ts_code open_as(const char *cluster, const char *node)
{
    const struct local_options options = { folder, cluster, node };
    return local_open(&options, &local, &err);
}

static int set_up(void **state)
{
    (void) state;
    folder_make(folder);
    if (open_as("corp", "alpha") != TS_OK) {
        fail_msg("%s", err.text);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    local_close(local);
    local = NULL;
    folder_remove(folder);
    return 0;
}

static void restart(void)
{
    local_close(local);
    local = NULL;
    assert_int_equal(open_as("corp", "alpha"), TS_OK);
}

/* Change the file as somebody else would. */
static void meddle(const char *sql)
{
    char path[FOLDER_SIZE + 16];
    sqlite3 *handle = NULL;
    (void) snprintf(path, sizeof path, "%s/" LOCAL_FILE_NAME, folder);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    (void) sqlite3_close(handle);
}

static void each_start_has_its_own_boot_id(void **state)
{
    (void) state;
    char boot[LOCAL_ID_SIZE];
    (void) snprintf(boot, sizeof boot, "%s", local_identity(local)->boot);
    assert_int_equal(strlen(boot), 32);
    assert_int_equal(local_identity(local)->starts, 1);
    restart();
    assert_string_not_equal(boot, local_identity(local)->boot);
    assert_int_equal(local_identity(local)->starts, 2);
    assert_false(local_identity(local)->moved);
    assert_string_equal(local_identity(local)->node, "alpha");
}

static void a_file_of_another_node_is_refused(void **state)
{
    (void) state;
    static const char *const others[][2] = { { "corp", "beta" },
                                             { "lab", "alpha" } };
    for (size_t i = 0; i < 2; i++) {
        local_close(local);
        local = NULL;
        assert_int_equal(open_as(others[i][0], others[i][1]), TS_E_CONFIG);
        assert_non_null(strstr(err.text, "belongs to node alpha of corp"));
        assert_int_equal(open_as("corp", "alpha"), TS_OK);
        assert_int_equal(local_identity(local)->starts, (int64_t) i + 2);
    }
}

static void a_file_from_another_machine_is_noticed(void **state)
{
    (void) state;
    if (local_identity(local)->machine[0] == 0) {
        meddle("UPDATE identity SET machine=''");
        restart();
        assert_false(local_identity(local)->moved);
        return;
    }
    meddle("UPDATE identity SET machine='0123456789abcdef0123456789abcdef'");
    restart();
    assert_true(local_identity(local)->moved);
    restart();
    assert_false(local_identity(local)->moved);
}

static void epoch_and_generation_never_go_back(void **state)
{
    (void) state;
    assert_int_equal(local_epoch(local), 0);
    assert_int_equal(local_raise_epoch(local, 7, &err), TS_OK);
    assert_int_equal(local_raise_epoch(local, 3, &err), TS_OK);
    assert_int_equal(local_raise_generation(local, 2, &err), TS_OK);
    assert_int_equal(local_raise_generation(local, 1, &err), TS_OK);
    assert_int_equal(local_epoch(local), 7);
    restart();
    assert_int_equal(local_epoch(local), 7);
    assert_int_equal(local_generation(local), 2);
}

struct runs {
    int64_t count, ids[8];
    char result[8][16], counts[8][32];
};

static void see_run(void *context, const struct local_run *run)
{
    struct runs *runs = context;
    assert_true(runs->count < 8);
    runs->ids[runs->count] = run->id;
    (void) snprintf(runs->result[runs->count], 16, "%.*s",
                    TS_SLICE_ARGS(run->result));
    (void) snprintf(runs->counts[runs->count], 32, "%.*s",
                    TS_SLICE_ARGS(run->counts));
    runs->count++;
}

static struct runs runs(int64_t limit)
{
    struct runs found = { .count = 0 };
    assert_int_equal(local_runs(local, limit, see_run, &found, &err), TS_OK);
    return found;
}

static int64_t begin(void)
{
    int64_t id = 0;
    assert_int_equal(local_run_begin(local, "delta", &id, &err), TS_OK);
    return id;
}

static void end(int64_t id)
{
    json_t *counts = json_pack("{s:i}", "create", 3);
    const struct local_run_end ended = {
        .id = id, .result = "success", .duration_ms = 812, .counts = counts
    };
    assert_int_equal(local_run_end(local, &ended, &err), TS_OK);
    json_decref(counts);
}

static void runs_are_kept_with_their_results_newest_first(void **state)
{
    (void) state;
    int64_t first = begin();
    end(first);
    int64_t second = begin();
    assert_true(second > first);
    struct runs found = runs(8);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.ids[0], second);
    assert_string_equal(found.result[0], "");
    assert_string_equal(found.result[1], "success");
    assert_string_equal(found.counts[1], "{\"create\":3}");
    assert_int_equal(runs(1).count, 1);
}

static void a_run_cut_short_by_a_crash_is_shown_as_failed(void **state)
{
    (void) state;
    (void) begin();
    restart();
    assert_string_equal(runs(8).result[0], "failed");
    assert_string_equal(runs(8).counts[0], "{\"interrupted\":true}");
}

static void
runs_are_dropped_after_seven_days_and_ids_not_used_again(void **state)
{
    (void) state;
    int64_t old = begin();
    end(old);
    int64_t young = begin();
    end(young);
    meddle("UPDATE run SET finished=strftime('%Y-%m-%dT%H:%M:%fZ','now',"
           "CASE id WHEN 1 THEN '-169 hours' ELSE '-167 hours' END)");
    int64_t next = begin();
    struct runs found = runs(8);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.ids[1], young);
    end(next);
    meddle("DELETE FROM run");
    assert_true(begin() > next);
}

static void settings_outlive_a_restart(void **state)
{
    (void) state;
    char value[LOCAL_SETTING_MAX] = "x";
    char big[LOCAL_SETTING_MAX + 1];
    assert_int_equal(local_setting(local, "paused-until", value, &err), TS_OK);
    assert_string_equal(value, "");
    assert_int_equal(local_set_setting(local, "paused-until", "never", &err),
                     TS_OK);
    assert_int_equal(local_set_setting(local, "paused-until", "noon", &err),
                     TS_OK);
    restart();
    assert_int_equal(local_setting(local, "paused-until", value, &err), TS_OK);
    assert_string_equal(value, "noon");
    memset(big, 'b', sizeof big - 1);
    big[sizeof big - 1] = 0;
    assert_int_equal(local_set_setting(local, "x", big, &err), TS_E_LIMIT);
}

static void events_live_in_the_same_file(void **state)
{
    (void) state;
    struct events_verdict verdict;
    assert_int_equal(
        events_append(local_events(local), "started", "daemon", NULL, &err),
        TS_OK);
    restart();
    assert_int_equal(events_verify(local_events(local), &verdict, &err), TS_OK);
    assert_true(verdict.verified);
    assert_int_equal(verdict.head.seq, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(each_start_has_its_own_boot_id),
        TEST(a_file_of_another_node_is_refused),
        TEST(a_file_from_another_machine_is_noticed),
        TEST(epoch_and_generation_never_go_back),
        TEST(runs_are_kept_with_their_results_newest_first),
        TEST(a_run_cut_short_by_a_crash_is_shown_as_failed),
        TEST(runs_are_dropped_after_seven_days_and_ids_not_used_again),
        TEST(settings_outlive_a_restart),
        TEST(events_live_in_the_same_file),
    };
    return cmocka_run_group_tests_name("local", tests, NULL, NULL);
}
