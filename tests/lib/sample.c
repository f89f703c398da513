#include "tests/lib/sample.h"

#include "replication/journal.sql.h"
#include "tests/lib/test.h"

static const char *const names[] = { "people", "links", "codes" };
const struct capture_tables sample_tables = { names, 3 };

static const char *const migrations[] = {
    journal_sql,
    "CREATE TABLE people(id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
    " mail TEXT UNIQUE, score REAL, packed BLOB) STRICT;"
    "CREATE TABLE links(object INTEGER NOT NULL, attribute TEXT NOT NULL,"
    " key BLOB NOT NULL, dn TEXT, PRIMARY KEY(object, attribute, key)) STRICT;"
    "CREATE TABLE codes(k TEXT NOT NULL PRIMARY KEY, v ANY) STRICT,"
    " WITHOUT ROWID;"
    "CREATE TABLE scratch(id INTEGER NOT NULL PRIMARY KEY, v TEXT) STRICT;",
};
const struct db_schema sample_schema = { 0x7361, migrations, 2 };

uint64_t sample_next(struct sample_random *random, uint64_t below)
{
    uint64_t x = random->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return (x * UINT64_C(2685821657736338717) >> 16) % below;
}

void sample_exec(struct db *db, const char *sql)
{
    struct ts_err err = { .code = TS_OK };
    if (db_exec(db, sql, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
}

void sample_fill(struct db *db)
{
    sample_exec(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 "
                    "FROM n LIMIT 1000) INSERT INTO people SELECT i,'p'||i,"
                    "'p'||i||'@example.org',i/3.0,zeroblob(i%300) FROM n");
    sample_exec(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 "
                    "FROM n LIMIT 1000) INSERT INTO links SELECT i%50,'member',"
                    "CAST('k'||i AS BLOB),NULL FROM n");
    sample_exec(db, "INSERT INTO codes VALUES('int',1),('real',1.0),"
                    "('text','1'),('blob',x'31'),('null',NULL)");
}

/* Each with two small numbers; keys are few, so that they meet again. */
static const char *const changes[] = {
    "INSERT OR IGNORE INTO people VALUES(?1,'n',?1||'@example.org',?2/7.0,"
    "zeroblob(?2))",
    "INSERT INTO people VALUES(?1,'again',NULL,-0.0,x'00ff') ON CONFLICT(id) "
    "DO UPDATE SET name='conflict'||?2",
    "UPDATE people SET name='u'||?2 WHERE id=?1",
    "UPDATE people SET score=?2, packed=NULL WHERE id=?1",
    "UPDATE people SET mail=?2||'@example.org' WHERE id=?1",
    "UPDATE people SET id=?2 WHERE id=?1",
    "UPDATE people SET name=name WHERE id=?1",
    "DELETE FROM people WHERE id=?1",
    "REPLACE INTO people VALUES(?1,'r',?2||'@example.org',NULL,NULL)",
    "INSERT OR IGNORE INTO links VALUES(?1,'member',CAST(?2 AS BLOB),NULL)",
    "UPDATE links SET dn='cn='||?2 WHERE object=?1",
    "UPDATE OR IGNORE links SET object=?2 WHERE object=?1",
    "DELETE FROM links WHERE object=?1 AND key<CAST(?2 AS BLOB)",
    "REPLACE INTO codes VALUES('c'||?1,?2)",
    "REPLACE INTO codes VALUES('c'||?1,?2/1.0)",
    "REPLACE INTO codes VALUES('c'||?1,'t'||?2)",
    "REPLACE INTO codes VALUES('c'||?1,CAST(?2 AS BLOB))",
    "UPDATE codes SET v=NULL WHERE k='c'||?1",
    "DELETE FROM codes WHERE k='c'||?1",
    "INSERT INTO scratch(v) VALUES(?1||?2)",
    "DELETE FROM links WHERE ?1=13 AND ?2<3",
    "SAVEPOINT s; DELETE FROM people WHERE id<?1; INSERT INTO codes VALUES"
    "('gone'||?2,1); ROLLBACK TO s; RELEASE s",
};

void sample_change(struct db *db, struct sample_random *random)
{
    const char *sql =
        changes[sample_next(random, sizeof changes / sizeof changes[0])];
    int64_t a = (int64_t) sample_next(random, 20);
    int64_t b = (int64_t) sample_next(random, 20);
    while (*sql != 0) {
        sqlite3_stmt *stmt = NULL;
        assert_int_equal(sqlite3_prepare_v2(db->handle, sql, -1, &stmt, &sql),
                         SQLITE_OK);
        int wanted = sqlite3_bind_parameter_count(stmt);
        if (wanted > 0) {
            (void) sqlite3_bind_int64(stmt, 1, a);
            (void) sqlite3_bind_int64(stmt, wanted, wanted > 1 ? b : a);
        }
        int code = sqlite3_step(stmt);
        assert_true(code == SQLITE_DONE || code == SQLITE_CONSTRAINT);
        (void) sqlite3_finalize(stmt);
        sql += *sql == ' ';
    }
}
