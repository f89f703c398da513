/* disk: full or read-only, the operator is told which file and what to do, and
 * what was durable before is there afterwards. On a small file system of our
 * own where the kernel lets us mount one, else with limits and modes. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/metaverse/local.h"
#include "replication/generation.h"
#include "replication/journal.h"
#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

#define DISK_OPTIONS "size=1m,mode=0700"
#define DISK_SIZE    ((rlim_t) 1024 * 1024)

static char folder[FOLDER_SIZE];
static struct ts_err err;

/* In a child process: a mount or a limit must not outlive the test. */
#define REQUIRE(condition)                                                 \
    do {                                                                   \
        if (!(condition)) {                                                \
            (void) fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, \
                           #condition, err.text);                          \
            _exit(1);                                                      \
        }                                                                  \
    } while (0)

static bool mount_disk(void)
{
    return (unshare(CLONE_NEWNS) == 0 ||
            unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", folder, "tmpfs", 0, DISK_OPTIONS) == 0;
}

static void limit_files(rlim_t size)
{
    struct rlimit limit;
    (void) signal(SIGXFSZ, SIG_IGN);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = size;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void in_child(void (*body)(void))
{
    int status = 0;
    folder_make(folder);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(folder, 0700), 0);
    folder_remove(folder);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void path_of(char path[static GENERATION_PATH_SIZE])
{
    (void) snprintf(path, GENERATION_PATH_SIZE, "%s/state.db", folder);
}

static const struct journal_options options = { .tables = &sample_tables };
static const struct journal_position origin = { .generation = 1,
                                                .epoch = 1,
                                                .level = 1 };

/* Transactions of 20 kB until one fails. */
static enum ts_code fill(struct db *db, struct journal *journal)
{
    enum ts_code code = TS_OK;
    for (int i = 0; code == TS_OK && i < 1000; i++) {
        code = journal_begin(journal, &err);
        if (code == TS_OK) {
            code = db_exec(db,
                           "INSERT INTO people(id,name,packed) SELECT "
                           "max(id)+1,'x',randomblob(20000) FROM people",
                           &err);
            if (code != TS_OK) {
                journal_rollback(journal);
                break;
            }
            code = journal_commit(journal, NULL, &err);
        }
    }
    return code;
}

static void fill_a_disk(void)
{
    char path[GENERATION_PATH_SIZE];
    struct db db;
    struct journal *journal = NULL;
    struct journal_position at;
    uint64_t rows = 0;
    if (!mount_disk()) {
        limit_files(DISK_SIZE);
    }
    path_of(path);
    REQUIRE(db_open(path, DB_DURABLE, &sample_schema, &db, &err) == TS_OK);
    REQUIRE(journal_open(&db, &options, &journal, &err) == TS_OK);
    REQUIRE(journal_start(journal, &origin, &err) == TS_OK);
    REQUIRE(fill(&db, journal) == TS_E_IO);
    REQUIRE(strstr(err.text, path) != NULL);
    REQUIRE(strstr(err.text, "disk") != NULL && strstr(err.text, "space"));

    int64_t seq = journal_position(journal).seq;
    REQUIRE(seq > 5);
    REQUIRE(journal_verify(&db, &sample_tables, &at, &rows, &err) == TS_OK);
    REQUIRE(at.seq == seq && rows == (uint64_t) seq);
    journal_close(journal);
    db_close(&db);

    /* Started anew, with the disk as full as before. */
    journal = NULL;
    REQUIRE(db_open(path, DB_DURABLE, &sample_schema, &db, &err) == TS_OK);
    REQUIRE(journal_open(&db, &options, &journal, &err) == TS_OK);
    REQUIRE(journal_verify(&db, &sample_tables, &at, &rows, &err) == TS_OK);
    REQUIRE(at.seq == seq);
    journal_close(journal);
    db_close(&db);
}

static void a_full_disk_fails_the_transaction_and_harms_nothing(void **state)
{
    (void) state;
    in_child(fill_a_disk);
}

static void select_without_space(void)
{
    int64_t generation = 0;
    char path[GENERATION_PATH_SIZE];
    struct db db;
    for (int64_t i = 1; i <= 2; i++) {
        REQUIRE(generation_build_begin(folder, 0, &generation, &err) == TS_OK);
        REQUIRE(generation_path(folder, generation, path, &err) == TS_OK);
        REQUIRE(db_open(path, DB_BUILDING, &sample_schema, &db, &err) == TS_OK);
        db_close(&db);
        if (i == 2) {
            limit_files(0);
        }
        enum ts_code code = generation_select(folder, generation, &err);
        REQUIRE(code == (i == 1 ? TS_OK : TS_E_IO));
    }
    REQUIRE(strstr(err.text, folder) != NULL);
    REQUIRE(strstr(err.text, "free space on that disk") != NULL);
    REQUIRE(generation_current(folder, &generation, &err) == TS_OK);
    REQUIRE(generation == 1);
    limit_files(RLIM_INFINITY);
    REQUIRE(generation_select(folder, 2, &err) == TS_OK);
}

static void a_pointer_without_space_stays_the_old_one(void **state)
{
    (void) state;
    in_child(select_without_space);
}

static void open_read_only(void)
{
    const struct local_options who = { folder, "corp", "alpha" };
    struct local *local = NULL;
    struct db db;
    char path[GENERATION_PATH_SIZE];
    int64_t generation = 0;
    path_of(path);
    if (mount_disk()) {
        REQUIRE(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
    } else {
        REQUIRE(geteuid() != 0 && chmod(folder, 0500) == 0);
    }
    REQUIRE(db_open(path, DB_DURABLE, &sample_schema, &db, &err) == TS_E_IO);
    REQUIRE(strstr(err.text, path) != NULL);
    REQUIRE(strstr(err.text, "writable for this user") != NULL);
    REQUIRE(local_open(&who, &local, &err) == TS_E_IO);
    REQUIRE(strstr(err.text, "local.db") != NULL);
    REQUIRE(strstr(err.text, "writable for this user") != NULL);
    REQUIRE(generation_build_begin(folder, 0, &generation, &err) == TS_E_IO);
    REQUIRE(strstr(err.text, "state.1") != NULL);
    REQUIRE(strstr(err.text, "writable for this user") != NULL);
}

static void a_read_only_directory_is_named_with_what_to_do(void **state)
{
    (void) state;
    in_child(open_read_only);
}

static void run_out_and_on(void)
{
    char path[GENERATION_PATH_SIZE];
    struct db db;
    struct journal *journal = NULL;
    path_of(path);
    REQUIRE(db_open(path, DB_DURABLE, &sample_schema, &db, &err) == TS_OK);
    REQUIRE(journal_open(&db, &options, &journal, &err) == TS_OK);
    REQUIRE(journal_start(journal, &origin, &err) == TS_OK);
    limit_files(0);
    REQUIRE(fill(&db, journal) == TS_E_IO);
    REQUIRE(strstr(err.text, path) != NULL);
    limit_files(RLIM_INFINITY);
    int64_t seq = journal_position(journal).seq;
    REQUIRE(seq == 0);
    REQUIRE(journal_begin(journal, &err) == TS_OK);
    sample_exec(&db, "INSERT INTO codes VALUES('a',1)");
    REQUIRE(journal_commit(journal, &seq, &err) == TS_OK);
    REQUIRE(seq == 1);
}

static void writing_goes_on_when_the_disk_does(void **state)
{
    (void) state;
    in_child(run_out_and_on);
}

int main(void)
{
    if (capture_setup(&err) != TS_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_fails_the_transaction_and_harms_nothing),
        cmocka_unit_test(a_pointer_without_space_stays_the_old_one),
        cmocka_unit_test(a_read_only_directory_is_named_with_what_to_do),
        cmocka_unit_test(writing_goes_on_when_the_disk_does),
    };
    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
