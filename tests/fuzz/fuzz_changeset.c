/* Whatever the bytes: no crash, no endless reading, and a change that is not
 * applied leaves no trace. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "replication/summer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = { "people", "links" };
static const struct capture_tables tables = { names, 2 };
static const char *const migrations[] = {
    "CREATE TABLE people(id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
    " mail TEXT UNIQUE, score REAL, packed BLOB) STRICT;"
    "CREATE TABLE links(object INTEGER NOT NULL, key BLOB NOT NULL, dn ANY,"
    " PRIMARY KEY(object, key)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE secret(id INTEGER NOT NULL PRIMARY KEY) STRICT;"
    "INSERT INTO people VALUES(1,'a','a@example.org',1.5,x'00'),"
    "(2,'b','b@example.org',NULL,NULL),(3,'c',NULL,-2.0,x'ff');"
    "INSERT INTO links VALUES(1,x'01','cn=a'),(1,x'02',NULL),(2,x'01',7);",
};
static const struct db_schema schema = { 0x667a, migrations, 1 };

static struct db db;
static struct summer *summer;
static struct sum origin;

static void start(void)
{
    struct ts_err err;
    if (db_open(":memory:", DB_DURABLE, &schema, &db, &err) != TS_OK ||
        summer_new(&db, &tables, &summer, &err) != TS_OK ||
        summer_scan(summer, &origin, NULL, &err) != TS_OK) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_err err = { 0 };
    struct sum sum;
    struct ts_slice changeset = ts_slice(data, size);
    if (db.handle == NULL) {
        start();
    }
    assert(db_begin(&db, &err) == TS_OK);
    enum ts_code before =
        summer_rows(summer, changeset, SUMMER_BEFORE, &sum, &err);
    assert(before == TS_OK || err.text[0] != '\0');
    enum ts_code applied = capture_apply(&db, &tables, changeset, &err);
    assert(applied == TS_OK || err.text[0] != '\0');
    if (applied == TS_OK) {
        assert(before == TS_OK);
        assert(summer_rows(summer, changeset, SUMMER_AFTER, &sum, &err) ==
               TS_OK);
    }
    db_rollback(&db);
    assert(summer_scan(summer, &sum, NULL, &err) == TS_OK);
    assert(sum_equal(sum, origin));
    return 0;
}
