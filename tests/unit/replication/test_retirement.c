/* retirement: the mark first, then everything, and nothing else. */
#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/file.h"
#include "replication/certificate.h"
#include "replication/destroy.h"
#include "replication/pair_folder.h"
#include "replication/retirement.h"
#include "tests/lib/folder.h"

#define SECRET "correct horse battery staple"

static char state_of[FOLDER_SIZE];
static struct ts_err err;
static const struct retirement known = { .cluster = "corp",
                                         .node = "beta",
                                         .at_s = 1700000000,
                                         .membership = 4,
                                         .actor = "root",
                                         .reason = "moved \"away\"",
                                         .wipe = true };

/* ---- a state directory --------------------------------------------------- */

static void path_of(const char *name, char path[static 256])
{
    (void) snprintf(path, 256, "%s/%s", state_of, name);
}

static bool is_there(const char *name)
{
    char path[256];
    struct stat st;
    path_of(name, path);
    return lstat(path, &st) == 0;
}

static void put(const char *name)
{
    char path[256];
    path_of(name, path);
    assert_int_equal(
        ts_file_replace(path, ts_slice_str(SECRET), TS_FILE_OURS, &err), TS_OK);
}

static void make_folder(const char *name)
{
    char path[256];
    path_of(name, path);
    assert_int_equal(ts_file_folder(path, &err), TS_OK);
}

static const char *const made[] = {
    "local.db",
    "local.db-wal",
    "current",
    "vault/key",
    "vault/source.corp",
    "pair/pair.key",
    "pair/fence",
    "state.1/state.db",
    "state.2/state.db",
    "state.2/state.db-wal",
    "diverged.1/state.db",
    "register.manual",
};
static const char *const others[] = { "lock", "ldap.password", "notes.txt" };

static int make(void **state)
{
    (void) state;
    TS_AUTOCERTIFICATE struct certificate own = { .name = "" };
    static const char *const folders[] = { "vault", "pair", "state.1",
                                           "state.2", "diverged.1" };
    folder_make(state_of);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        make_folder(folders[i]);
    }
    assert_int_equal(certificate_own(state_of, "beta", &own, &err), TS_OK);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        put(made[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        put(others[i]);
    }
    return 0;
}

static int drop(void **state)
{
    (void) state;
    folder_remove(state_of);
    return 0;
}

static void assert_wiped(void)
{
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        assert_false(is_there(made[i]));
    }
    assert_false(is_there("pair"));
    assert_false(is_there("vault"));
    assert_true(is_there("retired"));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_true(is_there(others[i]));
    }
}

/* ---- the mark ------------------------------------------------------------ */

static void what_is_marked_is_told_at_every_start(void **state)
{
    (void) state;
    struct retirement found;
    assert_int_equal(retirement_load(state_of, &found, &err), TS_E_NOT_FOUND);
    assert_int_equal(retirement_enter(state_of, &known, &err), TS_OK);
    assert_int_equal(retirement_load(state_of, &found, &err), TS_OK);
    assert_memory_equal(&found, &known, sizeof found);
    assert_int_equal(retirement_refuse(&found, &err), TS_E_REFUSED);
    assert_string_equal(
        err.text,
        "cannot run as \"beta\" of cluster \"corp\": this computer was retired "
        "at 2023-11-14T22:13:20.000Z by root (moved \"away\"); to join anew, "
        "run "
        "twinsync token create --node beta on the active node, and twinsync "
        "join --token here");
}

static void the_first_mark_stays_and_the_keys_are_gone(void **state)
{
    (void) state;
    struct retirement later = known, found;
    later.at_s += 1000;
    assert_int_equal(retirement_enter(state_of, &known, &err), TS_OK);
    assert_false(is_there("pair/node.cert"));
    assert_false(is_there("pair/node.cert_secret"));
    assert_true(is_there("state.1/state.db")); /* nobody asked for more */
    assert_int_equal(retirement_enter(state_of, &later, &err), TS_OK);
    assert_int_equal(retirement_load(state_of, &found, &err), TS_OK);
    assert_int_equal(found.at_s, known.at_s);
}

static void a_damaged_mark_is_no_permission(void **state)
{
    (void) state;
    static const char *const damaged[] = { "", "{", "[]", "{}",
                                           "{\"node\": 4}" };
    struct retirement found;
    char path[256];
    path_of("retired", path);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        assert_int_equal(
            ts_file_replace(path, ts_slice_str(damaged[i]), TS_FILE_OURS, &err),
            TS_OK);
        assert_int_equal(retirement_load(state_of, &found, &err), TS_E_CORRUPT);
        assert_non_null(strstr(err.text, "is damaged; join anew"));
    }
}

/* ---- the wipe ------------------------------------------------------------ */

static void everything_of_ours_is_destroyed_and_nothing_else(void **state)
{
    (void) state;
    struct retirement retirement = known, found;
    assert_int_equal(retirement_enter(state_of, &known, &err), TS_OK);
    assert_int_equal(retirement_wipe(state_of, &retirement, &err), TS_OK);
    assert_wiped();
    assert_int_equal(retirement_load(state_of, &found, &err), TS_OK);
    assert_true(found.wiped);
    assert_int_equal(retirement_wipe(state_of, &retirement, &err), TS_OK);
}

/* What an open descriptor still sees of a file that was destroyed. */
static void the_bytes_are_overwritten_before_the_name_goes(void **state)
{
    (void) state;
    char path[256], bytes[sizeof SECRET] = "";
    path_of("vault/key", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(destroy(state_of, "vault", &err), TS_OK);
    assert_int_equal(pread(fd, bytes, strlen(SECRET), 0), strlen(SECRET));
    for (size_t i = 0; i < strlen(SECRET); i++) {
        assert_int_equal(bytes[i], 0);
    }
    (void) close(fd);
}

static void a_link_is_unlinked_and_never_followed(void **state)
{
    (void) state;
    char link[256], target[256], folder[256];
    path_of("vault/linked", link);
    path_of("ldap.password", target);
    assert_int_equal(symlink(target, link), 0);
    path_of("state.9", folder);
    path_of("elsewhere", target);
    make_folder("elsewhere");
    put("elsewhere/kept");
    assert_int_equal(symlink(target, folder), 0);
    struct retirement retirement = known;
    assert_int_equal(retirement_enter(state_of, &known, &err), TS_OK);
    assert_int_equal(retirement_wipe(state_of, &retirement, &err), TS_OK);
    assert_wiped();
    assert_true(is_there("elsewhere/kept"));
    assert_false(is_there("state.9"));
}

static void what_cannot_be_destroyed_is_named_and_the_rest_goes(void **state)
{
    (void) state;
    struct retirement retirement = known, found;
    char name[256] = "vault";
    size_t size = strlen(name);
    for (int depth = 0; depth < DESTROY_DEPTH_MAX + 1; depth++) {
        memcpy(name + size, "/x", sizeof "/x");
        size += strlen("/x");
        assert_true(size + sizeof "/x" <= sizeof name);
        make_folder(name);
    }
    assert_int_equal(retirement_enter(state_of, &known, &err), TS_OK);
    assert_int_equal(retirement_wipe(state_of, &retirement, &err), TS_E_LIMIT);
    assert_non_null(strstr(err.text, "too deep to be one of ours"));
    assert_false(is_there("pair"));
    assert_false(is_there("state.1"));
    assert_int_equal(retirement_load(state_of, &found, &err), TS_OK);
    assert_false(found.wiped); /* it is tried again at the next start */
}

/* ---- crashes ------------------------------------------------------------- */

static int retire_with_crash(const char *failpoint)
{
    pid_t child = fork();
    if (child == 0) {
        struct retirement retirement = known;
        struct ts_err own;
        (void) setenv("TWINSYNC_FAILPOINT", failpoint, 1);
        _exit(retirement_enter(state_of, &known, &own) == TS_OK &&
                      retirement_wipe(state_of, &retirement, &own) == TS_OK
                  ? 0
                  : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void after_a_crash_anywhere_it_is_ended_at_the_next_start(void **state)
{
    char failpoint[40];
    bool ended = false;
    for (int pass = 0; !ended; pass++) {
        (void) snprintf(failpoint, sizeof failpoint,
                        pass == 0 ? "retired-marked" : "retired-wiping:%d",
                        pass);
        ended = retire_with_crash(failpoint) == 0;
        struct retirement found;
        assert_int_equal(retirement_load(state_of, &found, &err), TS_OK);
        assert_int_equal(found.wiped, ended);
        assert_int_equal(retirement_enter(state_of, &found, &err), TS_OK);
        assert_int_equal(retirement_wipe(state_of, &found, &err), TS_OK);
        assert_wiped();
        assert_true(pass < 20);
        (void) drop(state);
        (void) make(state);
    }
}

/* ---- joining anew -------------------------------------------------------- */

static void who_joins_anew_waits_and_is_retired_no_more(void **state)
{
    (void) state;
    struct retirement found;
    bool waits = true;
    assert_int_equal(retirement_is_joining(state_of, &waits, &err), TS_OK);
    assert_false(waits);
    assert_int_equal(retirement_enter(state_of, &known, &err), TS_OK);
    assert_int_equal(retirement_leave(state_of, &err), TS_OK);
    assert_int_equal(retirement_load(state_of, &found, &err), TS_E_NOT_FOUND);
    assert_int_equal(retirement_is_joining(state_of, &waits, &err), TS_OK);
    assert_true(waits);
    assert_int_equal(retirement_joined(state_of, &err), TS_OK);
    assert_int_equal(retirement_is_joining(state_of, &waits, &err), TS_OK);
    assert_false(waits);
    assert_int_equal(retirement_joined(state_of, &err), TS_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
    const struct CMUnitTest tests[] = {
        TEST(what_is_marked_is_told_at_every_start),
        TEST(the_first_mark_stays_and_the_keys_are_gone),
        TEST(a_damaged_mark_is_no_permission),
        TEST(everything_of_ours_is_destroyed_and_nothing_else),
        TEST(the_bytes_are_overwritten_before_the_name_goes),
        TEST(a_link_is_unlinked_and_never_followed),
        TEST(what_cannot_be_destroyed_is_named_and_the_rest_goes),
        TEST(after_a_crash_anywhere_it_is_ended_at_the_next_start),
        TEST(who_joins_anew_waits_and_is_retired_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
