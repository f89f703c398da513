/* secret: only what nobody else can read is taken, and it is wiped. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/secret.h"

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void) state;
    (void) snprintf(folder, sizeof folder, "/tmp/twinsync-secret-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void) snprintf(path, sizeof path, "%s/password", folder);
    return unsetenv("CREDENTIALS_DIRECTORY");
}

static int remove_folder(void **state)
{
    (void) state;
    (void) unlink(path);
    return rmdir(folder);
}

static void write_file(const void *bytes, size_t size, mode_t mode)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void reads(const char *expected)
{
    struct ts_err err = { .text = "" };
    struct ts_secret secret = { 0 };
    if (ts_secret_read(path, &secret, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(secret.size, strlen(expected));
    assert_string_equal(secret.text, expected);
    ts_secret_done(&secret);
    assert_null(secret.text);
}

/* `%s` in `format` stands for the path. */
static void refuses_path(const char *which, enum ts_code code,
                         const char *format)
{
    struct ts_err err = { .text = "" };
    struct ts_secret secret = { (char *) &err, 7 };
    const char *mark = strstr(format, "%s");
    char expected[sizeof err.text];
    (void) snprintf(
        expected, sizeof expected, "%.*s%s%s",
        (int) (mark == NULL ? strlen(format) : (size_t) (mark - format)),
        format, mark == NULL ? "" : path, mark == NULL ? "" : mark + 2);
    assert_int_equal(ts_secret_read(which, &secret, &err), code);
    assert_string_equal(err.text, expected);
    assert_int_equal(err.code, code);
    assert_int_equal(secret.size, 7); /* untouched */
    assert_int_equal(ts_secret_check(which, NULL), code);
}

static void one_newline_at_the_end_is_not_part_of_it(void **state)
{
    (void) state;
    write_file("hunter2", 7, 0600);
    reads("hunter2");
    write_file("hunter2\n", 8, 0400);
    reads("hunter2");
    write_file("hunter2\r\n", 9, 0600);
    reads("hunter2");
    write_file(" two\n\n", 6, 0600);
    reads(" two\n");
}

static void what_others_can_read_is_refused(void **state)
{
    (void) state;
    static const mode_t modes[] = { 0640, 0604, 0620, 0601, 0610, 0602 };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char text[256];
        write_file("x", 1, modes[i]);
        (void) snprintf(text, sizeof text,
                        "cannot read the secret \"%%s\": others than its owner "
                        "can read it (mode %04o); chmod 0600 it, and change "
                        "the secret if that was so for long",
                        (unsigned) modes[i]);
        refuses_path(path, TS_E_REFUSED, text);
    }
}

static void a_foreign_owner_is_refused(void **state)
{
    (void) state;
    write_file("x", 1, 0600);
    if (geteuid() != 0) { /* only root can give a file away */
        assert_int_equal(chown(path, 4321, 4321), -1);
        return;
    }
    assert_int_equal(chown(path, 4321, 4321), 0);
    refuses_path(path, TS_E_REFUSED,
                 "cannot read the secret \"%s\": it belongs to user 4321, not "
                 "to root or the user that runs this (0); chown it");
}

static void a_folder_or_fifo_is_refused_without_waiting(void **state)
{
    (void) state;
    assert_int_equal(mkfifo(path, 0600), 0);
    refuses_path(path, TS_E_REFUSED,
                 "cannot read the secret \"%s\": it is not a regular file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    refuses_path(path, TS_E_REFUSED,
                 "cannot read the secret \"%s\": it is not a regular file");
    assert_int_equal(rmdir(path), 0);
}

static void a_symbolic_link_is_refused(void **state)
{
    (void) state;
    assert_int_equal(symlink("/dev/null", path), 0);
    refuses_path(path, TS_E_REFUSED,
                 "cannot read the secret \"%s\": it is a symbolic link; name "
                 "the file itself");
}

static void empty_large_and_binary_files_are_refused(void **state)
{
    (void) state;
    static char big[TS_SECRET_SIZE_MAX + 1];
    memset(big, 'k', sizeof big);
    write_file("", 0, 0600);
    refuses_path(path, TS_E_CONFIG,
                 "cannot use the secret \"%s\": the file is empty");
    write_file("\n", 1, 0600);
    refuses_path(path, TS_E_CONFIG,
                 "cannot use the secret \"%s\": the file is empty");
    write_file("a\0b", 3, 0600);
    refuses_path(path, TS_E_CONFIG,
                 "cannot use the secret \"%s\": the file holds a NUL byte");
    write_file(big, sizeof big, 0600);
    refuses_path(path, TS_E_LIMIT,
                 "cannot read the secret \"%s\": its 65537 bytes are over the "
                 "limit of 65536");
    write_file(big, sizeof big - 1, 0600);
    assert_int_equal(ts_secret_check(path, NULL), TS_OK);
}

static void a_missing_file_is_not_found(void **state)
{
    (void) state;
    refuses_path(path, TS_E_NOT_FOUND,
                 "could not open the secret \"%s\": No such file or "
                 "directory");
}

static void a_bare_name_is_a_systemd_credential(void **state)
{
    (void) state;
    refuses_path("password", TS_E_CONFIG,
                 "cannot read the secret \"password\": it names a systemd "
                 "credential, but CREDENTIALS_DIRECTORY is not set; give an "
                 "absolute path or add LoadCredential= to the unit");
    refuses_path("etc/password", TS_E_CONFIG,
                 "cannot read the secret \"etc/password\": give an absolute "
                 "path, or the bare name of a systemd credential");

    write_file("s3cret\n", 7, 0440); /* as systemd's ACL mask shows it */
    assert_int_equal(ts_secret_check(path, NULL), TS_E_REFUSED);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    assert_int_equal(ts_secret_check("password", NULL), TS_OK);
    reads("s3cret");
    write_file("s3cret\n", 7, 0444);
    assert_int_equal(ts_secret_check("password", NULL), TS_E_REFUSED);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

int main(void)
{
#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        CASE(one_newline_at_the_end_is_not_part_of_it),
        CASE(what_others_can_read_is_refused),
        CASE(a_foreign_owner_is_refused),
        CASE(a_folder_or_fifo_is_refused_without_waiting),
        CASE(a_symbolic_link_is_refused),
        CASE(empty_large_and_binary_files_are_refused),
        CASE(a_missing_file_is_not_found),
        CASE(a_bare_name_is_a_systemd_credential),
    };
    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
