/* db: what it does with files that are missing, damaged, foreign or newer. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/db/db.h"

static const char *const steps[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, v TEXT NOT NULL) STRICT;",
    "ALTER TABLE t ADD COLUMN w TEXT;",
};
static const struct db_schema version_1 = { 0x7473, steps, 1 };
static const struct db_schema version_2 = { 0x7473, steps, 2 };
static const struct db_schema other = { 0x9999, steps, 2 };

static char folder[32];
static char path[64];

static int make_folder(void **state)
{
    (void) state;
    (void) snprintf(folder, sizeof folder, "/tmp/twinsync-db-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void) snprintf(path, sizeof path, "%s/x.db", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void) state;
    const char *const suffixes[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < 3; i++) {
        char name[80];
        (void) snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void) unlink(name);
    }
    return rmdir(folder);
}

static void make_file(const struct db_schema *schema)
{
    struct db db;
    struct ts_err err;
    assert_int_equal(db_open(path, DB_DURABLE, schema, &db, &err), TS_OK);
    assert_int_equal(
        db_exec(&db,
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n "
                "LIMIT 2000) INSERT INTO t(v) SELECT printf('%0200d',i) FROM n",
                &err),
        TS_OK);
    db_close(&db);
}

static void migrates_an_older_file(void **state)
{
    (void) state;
    struct db db;
    struct ts_err err;
    int64_t value = 0;

    make_file(&version_1);
    assert_int_equal(db_open(path, DB_DURABLE, &version_2, &db, &err), TS_OK);
    assert_int_equal(db_query_int(&db, "SELECT count(*) FROM t WHERE w IS NULL",
                                  &value, &err),
                     TS_OK);
    assert_int_equal(value, 2000);
    assert_int_equal(db_query_int(&db, "PRAGMA synchronous", &value, &err),
                     TS_OK);
    assert_int_equal(value, 2);
    db_close(&db);
}

static off_t file_size(void)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void refuses_a_newer_file_and_leaves_it(void **state)
{
    (void) state;
    struct db db;
    struct ts_err err;

    make_file(&version_2);
    off_t before = file_size();
    assert_int_equal(db_open(path, DB_DURABLE, &version_1, &db, &err),
                     TS_E_VERSION);
    assert_non_null(strstr(err.text, "install the newer twinsync"));
    assert_int_equal(file_size(), before);
}

static void refuses_a_foreign_file(void **state)
{
    (void) state;
    struct db db;
    struct ts_err err;

    make_file(&version_2);
    assert_int_equal(db_open(path, DB_DURABLE, &other, &db, &err),
                     TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "something else"));
}

static void overwrite(off_t at, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, at), (ssize_t) size);
    assert_int_equal(close(fd), 0);
}

static void refuses_a_damaged_file_and_says_how_to_go_on(void **state)
{
    (void) state;
    struct db db;
    struct ts_err err;
    char junk[4096];
    memset(junk, 0xa5, sizeof junk);

    make_file(&version_2);
    overwrite(3 * 4096, junk, sizeof junk);
    assert_int_equal(db_open(path, DB_DURABLE, &version_2, &db, &err),
                     TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "restore it from a backup"));

    overwrite(0, junk, 100);
    assert_int_equal(db_open(path, DB_DURABLE, &version_2, &db, &err),
                     TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "restore it from a backup"));
}

static void reading_needs_an_existing_file(void **state)
{
    (void) state;
    struct db db;
    struct ts_err err;

    assert_int_equal(db_open(path, DB_READ_ONLY, &version_2, &db, &err),
                     TS_E_IO);
    make_file(&version_2);
    assert_int_equal(db_open(path, DB_READ_ONLY, &version_2, &db, &err), TS_OK);
    assert_int_equal(db_exec(&db, "DELETE FROM t", &err), TS_E_IO);
    db_close(&db);
}

int main(void)
{
#define ON_DISK(test) \
    cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        ON_DISK(migrates_an_older_file),
        ON_DISK(refuses_a_newer_file_and_leaves_it),
        ON_DISK(refuses_a_foreign_file),
        ON_DISK(refuses_a_damaged_file_and_says_how_to_go_on),
        ON_DISK(reading_needs_an_existing_file),
    };
    return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
