/* file: a small file is there whole or not at all, for whom it is meant. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/file.h"
#include "tests/lib/folder.h"

static char folder[FOLDER_SIZE];
static char path[FOLDER_SIZE + 32], beside[FOLDER_SIZE + 40];

static int make(void **state)
{
    (void) state;
    folder_make(folder);
    (void) snprintf(path, sizeof path, "%s/secret", folder);
    (void) snprintf(beside, sizeof beside, "%s.new", path);
    return 0;
}

static int drop(void **state)
{
    (void) state;
    folder_remove(folder);
    return 0;
}

static void put(const char *text)
{
    struct ts_err err = { .text = "" };
    assert_int_equal(
        ts_file_replace(path, ts_slice_str(text), TS_FILE_OURS, &err), TS_OK);
}

static void assert_holds(const char *text)
{
    char bytes[64] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, bytes, sizeof bytes - 1) >= 0);
    (void) close(fd);
    assert_string_equal(bytes, text);
}

static void a_file_is_replaced_whole_and_is_its_owners(void **state)
{
    (void) state;
    struct stat st = { 0 };
    put("the first one, which is longer");
    put("the second");
    assert_holds("the second");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(access(beside, F_OK), -1);
}

static void what_a_crash_left_beside_it_is_no_hindrance(void **state)
{
    (void) state;
    put("old");
    assert_int_equal(symlink("/etc/hostname", beside), 0);
    put("new");
    assert_holds("new");
    struct stat st = { 0 };
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    (void) state;
    struct ts_err err = { .text = "" };
    put("old");
    const struct rlimit none = { 2, RLIM_INFINITY };
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    enum ts_code code =
        ts_file_replace(path, ts_slice_str("new"), TS_FILE_OURS, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(code, TS_E_IO);
    assert_non_null(strstr(err.text, "could not write"));
    assert_holds("old");
    assert_int_equal(access(beside, F_OK), -1);
}

static void removing_is_fine_twice_and_a_folder_is_ours_alone(void **state)
{
    (void) state;
    struct ts_err err = { .text = "" };
    char inner[FOLDER_SIZE + 8];
    struct stat st = { 0 };
    put("gone");
    assert_int_equal(ts_file_remove(path, &err), TS_OK);
    assert_int_equal(ts_file_remove(path, &err), TS_OK);
    assert_int_equal(access(path, F_OK), -1);
    (void) snprintf(inner, sizeof inner, "%s/vault", folder);
    assert_int_equal(ts_file_folder(inner, &err), TS_OK);
    assert_int_equal(ts_file_folder(inner, &err), TS_OK);
    assert_int_equal(stat(inner, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    (void) snprintf(path, sizeof path, "%s/none/secret", folder);
    assert_int_equal(
        ts_file_replace(path, ts_slice_str("x"), TS_FILE_OURS, &err), TS_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_file_is_replaced_whole_and_is_its_owners, make, drop),
        cmocka_unit_test_setup_teardown(
            what_a_crash_left_beside_it_is_no_hindrance, make, drop),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_file,
                                        make, drop),
        cmocka_unit_test_setup_teardown(
            removing_is_fine_twice_and_a_folder_is_ours_alone, make, drop),
    };
    (void) signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
