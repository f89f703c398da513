/* vault, keeper: what was changed rules, survives, and is nobody else's. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/file.h"
#include "node/vault/keeper.h"
#include "tests/lib/folder.h"

#define NAME "source/corp"

static char folder[FOLDER_SIZE];
static char file[FOLDER_SIZE + 32], record[FOLDER_SIZE + 32];
static char source_name[] = "corp";
static struct config_source source;
static struct config config;
static struct keeper *keeper;
static struct ts_err err;

static void write_file(const char *text)
{
    assert_int_equal(
        ts_file_replace(file, ts_slice_str(text), TS_FILE_OURS, &err), TS_OK);
}

static int make(void **state)
{
    (void) state;
    folder_make(folder);
    (void) snprintf(file, sizeof file, "%s/ldap.password", folder);
    (void) snprintf(record, sizeof record, "%s/vault/source.corp", folder);
    write_file("first\n");
    source = (struct config_source){ .name = source_name,
                                     .bind = { .method = CONFIG_BIND_SIMPLE,
                                               .password_file = file } };
    config = (struct config){ .state_directory = folder,
                              .sources = &source,
                              .sources_count = 1 };
    assert_int_equal(keeper_new(&config, &keeper, &err), TS_OK);
    return 0;
}

static int drop(void **state)
{
    (void) state;
    keeper_free(keeper);
    folder_remove(folder);
    return 0;
}

/* The file's content of now was taken, and then changed to `current`. */
static void keep_other(const char *current, const char *candidate,
                       enum vault_phase phase)
{
    struct vault_kept kept = { .name = NAME, .has_file = true, .phase = phase };
    TS_AUTOSECRET struct ts_secret secret = { 0 };
    assert_int_equal(ts_secret_read(file, &secret, &err), TS_OK);
    keeper_hash(&secret, kept.file_hash);
    (void) snprintf(kept.current, sizeof kept.current, "%s", current);
    (void) snprintf(kept.candidate, sizeof kept.candidate, "%s", candidate);
    assert_int_equal(vault_put(keeper_vault(keeper), &kept, &err), TS_OK);
}

static void assert_secret(const char *expected)
{
    TS_AUTOSECRET struct ts_secret secret = { 0 };
    assert_int_equal(ts_secret_ask(keeper_port(keeper), file, &secret, &err),
                     TS_OK);
    assert_string_equal(secret.text, expected);
}

static void nothing_kept_means_the_file(void **state)
{
    (void) state;
    struct vault_kept kept;
    assert_secret("first");
    assert_int_equal(vault_get(keeper_vault(keeper), NAME, &kept, &err),
                     TS_E_NOT_FOUND);
    char path[FOLDER_SIZE + 8];
    (void) snprintf(path, sizeof path, "%s/vault", folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void what_is_kept_rules_and_nobody_else_can_read_it(void **state)
{
    (void) state;
    struct stat st = { 0 };
    char bytes[4096] = "";
    keep_other("second", "", VAULT_SETTLED);
    assert_secret("second");
    assert_int_equal(stat(record, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    int fd = open(record, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, bytes, sizeof bytes);
    (void) close(fd);
    assert_true(size > 0);
    assert_null(memmem(bytes, (size_t) size, "second", 6));
}

static void the_candidate_rules_from_when_it_was_seen_accepted(void **state)
{
    (void) state;
    keep_other("second", "third", VAULT_ASKED);
    assert_secret("second");
    keep_other("second", "third", VAULT_CHANGED);
    assert_secret("third");
}

static void a_changed_file_is_noticed_and_not_taken_unseen(void **state)
{
    (void) state;
    size_t count = 0;
    const struct config_secret *secrets = keeper_secrets(keeper, &count);
    assert_int_equal(count, 1);
    assert_string_equal(secrets[0].name, NAME);
    assert_false(keeper_file_changed(keeper, &secrets[0]));
    keep_other("second", "", VAULT_SETTLED);
    assert_false(keeper_file_changed(keeper, &secrets[0]));
    write_file("by hand\n");
    assert_true(keeper_file_changed(keeper, &secrets[0]));
    assert_secret("second");
    assert_int_equal(unlink(file), 0);
    assert_false(keeper_file_changed(keeper, &secrets[0]));
    assert_secret("second");
}

static void flip(const char *path)
{
    uint8_t byte = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, 20), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 20), 1);
    (void) close(fd);
}

static void a_damaged_record_is_refused_and_never_the_file_instead(void **state)
{
    (void) state;
    TS_AUTOSECRET struct ts_secret secret = { 0 };
    keep_other("second", "", VAULT_SETTLED);
    flip(record);
    assert_int_equal(ts_secret_ask(keeper_port(keeper), file, &secret, &err),
                     TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "source.corp"));
    assert_null(strstr(err.text, "second"));
}

static void a_record_moved_to_another_name_does_not_open(void **state)
{
    (void) state;
    struct vault_kept kept;
    char other[FOLDER_SIZE + 32];
    keep_other("second", "", VAULT_SETTLED);
    (void) snprintf(other, sizeof other, "%s/vault/target", folder);
    assert_int_equal(rename(record, other), 0);
    assert_int_equal(vault_get(keeper_vault(keeper), "target", &kept, &err),
                     TS_E_CORRUPT);
}

static void without_its_key_nothing_opens_and_it_says_what_to_do(void **state)
{
    (void) state;
    struct vault_kept kept;
    char key[FOLDER_SIZE + 16];
    keep_other("second", "", VAULT_SETTLED);
    (void) snprintf(key, sizeof key, "%s/vault/key", folder);
    assert_int_equal(chmod(key, 0640), 0);
    assert_int_equal(vault_get(keeper_vault(keeper), NAME, &kept, &err),
                     TS_E_REFUSED);
    assert_int_equal(unlink(key), 0);
    assert_int_equal(vault_get(keeper_vault(keeper), NAME, &kept, &err),
                     TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "credentials set"));
}

static void a_key_of_the_service_manager_seals_too(void **state)
{
    (void) state;
    char path[FOLDER_SIZE + 32];
    (void) snprintf(path, sizeof path, "%s/twinsync.vault", folder);
    assert_int_equal(
        ts_file_replace(path,
                        ts_slice_str("00112233445566778899aabbccddeeff"
                                     "00112233445566778899aabbccddeeff"),
                        TS_FILE_OURS, &err),
        TS_OK);
    (void) snprintf(path, sizeof path, "%s/vault", folder);
    assert_int_equal(ts_file_folder(path, &err), TS_OK);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    keep_other("second", "", VAULT_SETTLED);
    assert_secret("second");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    struct vault_kept kept;
    assert_int_equal(vault_get(keeper_vault(keeper), NAME, &kept, &err),
                     TS_E_CORRUPT);
}

static void names_do_not_leave_the_folder(void **state)
{
    (void) state;
    struct vault_kept kept = { .name = "../escape", .current = "x" };
    assert_int_equal(vault_put(keeper_vault(keeper), &kept, &err), TS_E_CONFIG);
    assert_int_equal(vault_get(keeper_vault(keeper), "key", &kept, &err),
                     TS_E_CONFIG);
    assert_int_equal(vault_drop(keeper_vault(keeper), "", &err), TS_E_CONFIG);
}

static void a_dropped_record_gives_the_word_back_to_the_file(void **state)
{
    (void) state;
    keep_other("second", "", VAULT_SETTLED);
    assert_int_equal(vault_drop(keeper_vault(keeper), NAME, &err), TS_OK);
    assert_int_equal(vault_drop(keeper_vault(keeper), NAME, &err), TS_OK);
    assert_secret("first");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_kept_means_the_file),
        TEST(what_is_kept_rules_and_nobody_else_can_read_it),
        TEST(the_candidate_rules_from_when_it_was_seen_accepted),
        TEST(a_changed_file_is_noticed_and_not_taken_unseen),
        TEST(a_damaged_record_is_refused_and_never_the_file_instead),
        TEST(a_record_moved_to_another_name_does_not_open),
        TEST(without_its_key_nothing_opens_and_it_says_what_to_do),
        TEST(a_key_of_the_service_manager_seals_too),
        TEST(names_do_not_leave_the_folder),
        TEST(a_dropped_record_gives_the_word_back_to_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
