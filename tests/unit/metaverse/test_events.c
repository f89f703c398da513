/* events: whatever is altered in the chain, the verdict says where. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/metaverse/events.h"
#include "node/metaverse/events.sql.h"
#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

#define COUNT 20

static const char *const migrations[] = { events_sql };
static const struct db_schema schema = { 0x6576, migrations, 1 };

static char folder[FOLDER_SIZE];
static struct db db;
static struct events *events;
static struct ts_err err;

static void open_all(int64_t rows_max)
{
    char path[FOLDER_SIZE + 16];
    (void) snprintf(path, sizeof path, "%s/local.db", folder);
    assert_int_equal(db_open(path, DB_DURABLE, &schema, &db, &err), TS_OK);
    assert_int_equal(events_open(&db, rows_max, &events, &err), TS_OK);
}

static void close_all(void)
{
    events_close(events);
    db_close(&db);
}

static void append(int64_t number)
{
    json_t *fields =
        json_pack("{s:I, s:s}", "id", (json_int_t) number, "kind", "delta");
    if (events_append(events, "cycle-finished", "daemon", fields, &err) !=
        TS_OK) {
        fail_msg("%s", err.text);
    }
    json_decref(fields);
}

static int set_up(void **state)
{
    (void) state;
    folder_make(folder);
    open_all(0);
    for (int64_t i = 1; i <= COUNT; i++) {
        append(i);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    close_all();
    folder_remove(folder);
    return 0;
}

static struct events_verdict verify(void)
{
    struct events_verdict verdict;
    assert_int_equal(events_verify(events, &verdict, &err), TS_OK);
    return verdict;
}

static void a_whole_chain_is_verified_also_after_a_restart(void **state)
{
    (void) state;
    struct events_verdict verdict = verify();
    assert_true(verdict.verified);
    assert_int_equal(verdict.count, COUNT);
    assert_int_equal(verdict.head.seq, COUNT);
    close_all();
    open_all(0);
    append(21);
    verdict = verify();
    assert_true(verdict.verified);
    assert_int_equal(verdict.head.seq, 21);
    assert_true(ts_hash_equal(verdict.head.hash, events_head(events).hash));
}

static void an_empty_chain_is_whole(void **state)
{
    (void) state;
    sample_exec(&db, "DELETE FROM event; DELETE FROM event_end");
    close_all();
    open_all(0);
    assert_true(verify().verified);
    assert_int_equal(events_head(events).seq, 0);
}

static void note_id(void *context, const struct event *event)
{
    int64_t *next = context;
    assert_true(ts_slice_equal(event->name, ts_slice_str("epoch")));
    assert_int_equal((*next)--, event->seq);
}

static void events_of_one_name_are_found_among_others_newest_first(void **state)
{
    (void) state;
    json_t *fields = json_pack("{s:i}", "epoch", 7);
    assert_int_equal(events_append(events, "epoch", "daemon", fields, &err),
                     TS_OK);
    assert_int_equal(events_append(events, "epoch", "ada", fields, &err),
                     TS_OK);
    json_decref(fields);
    append(1);
    int64_t next = COUNT + 2;
    struct events_named named = { .name = "epoch", .limit = 10 };
    assert_int_equal(events_read_named(events, &named, note_id, &next, &err),
                     TS_OK);
    assert_int_equal(COUNT, next);
    named.limit = 1;
    next = COUNT + 2;
    assert_int_equal(events_read_named(events, &named, note_id, &next, &err),
                     TS_OK);
    assert_int_equal(COUNT + 1, next);
}

static void put_column(const char *column, const uint8_t *bytes, size_t size)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    char sql[80];
    (void) snprintf(sql, sizeof sql, "UPDATE event SET %s=?1 WHERE seq=7",
                    column);
    assert_int_equal(db_prepare(&db, sql, &stmt, &err), TS_OK);
    if (column[0] == 'p' || column[0] == 'h') {
        db_bind_blob(stmt, 1, ts_slice(bytes, size));
    } else {
        db_bind_text(stmt, 1, ts_slice(bytes, size));
    }
    assert_int_equal(db_run(&db, stmt, &err), TS_OK);
    assert_int_equal(sqlite3_changes(db.handle), 1);
}

static size_t get_column(const char *column, uint8_t bytes[static 256])
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    char sql[80];
    bool row = false;
    (void) snprintf(sql, sizeof sql, "SELECT %s FROM event WHERE seq=7",
                    column);
    assert_int_equal(db_prepare(&db, sql, &stmt, &err), TS_OK);
    assert_int_equal(db_step(&db, stmt, &row, &err), TS_OK);
    struct ts_slice value = db_column(stmt, 0);
    assert_in_range(value.size, 1, 256);
    memcpy(bytes, value.data, value.size);
    return value.size;
}

/* V2: each byte of each column, and a byte more. */
static void one_altered_byte_is_found_wherever_it_is(void **state)
{
    (void) state;
    static const char *const columns[] = { "at",     "name", "actor",
                                           "fields", "prev", "hash" };
    sample_exec(&db, "PRAGMA synchronous=OFF");
    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
        uint8_t bytes[257];
        size_t size = get_column(columns[c], bytes);
        bytes[size] = '1';
        for (size_t i = 0; i <= size; i++) {
            bytes[i] ^= 1;
            put_column(columns[c], bytes, i == size ? size + 1 : size);
            struct events_verdict verdict = verify();
            assert_false(verdict.verified);
            assert_int_equal(verdict.bad_seq, 7);
            assert_int_equal(verdict.count, 6);
            bytes[i] ^= 1;
        }
        put_column(columns[c], bytes, size);
        assert_true(verify().verified);
    }
}

static void every_kind_of_tampering_is_found_at_its_place(void **state)
{
    static const struct {
        const char *sql, *why;
        int64_t seq;
    } cases[] = {
        { "DELETE FROM event WHERE seq=1", "is missing; the next is 2", 1 },
        { "DELETE FROM event WHERE seq=7", "is missing; the next is 8", 7 },
        { "DELETE FROM event WHERE seq>15", "is missing; the newest was 20",
          16 },
        { "DELETE FROM event", "is missing", 1 },
        { "UPDATE event SET seq=99 WHERE seq=20", "is missing", 20 },
        { "UPDATE event SET seq=99 WHERE seq=7; UPDATE event SET seq=7 WHERE "
          "seq=8; UPDATE event SET seq=8 WHERE seq=99",
          "content", 7 },
        { "INSERT INTO event SELECT 21,at,name,actor,fields,prev,hash FROM "
          "event WHERE seq=20",
          "content", 21 },
        { "INSERT INTO event SELECT -1,at,name,actor,fields,prev,hash FROM "
          "event WHERE seq=20",
          "is missing", 1 },
        { "INSERT INTO event SELECT -9223372036854775808,at,name,actor,fields,"
          "prev,hash FROM event WHERE seq=20",
          "newest", 20 },
        { "UPDATE event_end SET seq=19 WHERE name='head'", "newest", 20 },
        { "UPDATE event_end SET hash=zeroblob(32) WHERE name='head'", "newest",
          20 },
        { "DELETE FROM event_end", "newest", 20 },
        { "UPDATE event SET name='x', hash=zeroblob(31) WHERE seq=3", "content",
          3 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sample_exec(&db, cases[i].sql);
        struct events_verdict verdict = verify();
        if (verdict.verified || verdict.bad_seq != cases[i].seq ||
            strstr(verdict.why, cases[i].why) == NULL) {
            fail_msg("%s: %lld %s", cases[i].sql, (long long) verdict.bad_seq,
                     verdict.why);
        }
        tear_down(state);
        set_up(state);
    }
}

/* Event 7 with other fields and, computed here from the header's words, the
 * hash that fits them: the next row gives it away. */
static void a_forged_row_breaks_the_row_behind_it(void **state)
{
    (void) state;
    static const char *const columns[] = { "at", "name", "actor", "fields",
                                           "prev" };
    static const uint8_t seq[8] = { 0, 0, 0, 0, 0, 0, 0, 7 };
    struct ts_hasher *hasher = ts_hasher_new();
    put_column("fields", (const uint8_t *) "{}", 2);
    ts_hasher_begin(hasher);
    ts_hasher_add_field(hasher, ts_slice(seq, sizeof seq));
    for (size_t c = 0; c < 5; c++) {
        uint8_t bytes[256];
        size_t size = get_column(columns[c], bytes);
        ts_hasher_add_field(hasher, ts_slice(bytes, size));
    }
    struct ts_hash hash = ts_hasher_end(hasher);
    ts_hasher_free(hasher);
    put_column("hash", hash.bytes, sizeof hash.bytes);
    struct events_verdict verdict = verify();
    assert_false(verdict.verified);
    assert_int_equal(verdict.bad_seq, 8);
    assert_non_null(strstr(verdict.why, "does not continue event 7"));
}

/* The header says so: only a copy of the head kept elsewhere tells. */
static void a_cut_with_a_fitting_head_is_not_found(void **state)
{
    (void) state;
    struct events_head before = events_head(events);
    sample_exec(&db, "DELETE FROM event WHERE seq>15; UPDATE event_end SET "
                     "seq=15, hash=(SELECT hash FROM event WHERE seq=15) WHERE "
                     "name='head'");
    struct events_verdict verdict = verify();
    assert_true(verdict.verified);
    assert_int_not_equal(verdict.head.seq, before.seq);
}

struct seen {
    int64_t first, last, count;
    char fields[64];
};

static void see(void *context, const struct event *event)
{
    struct seen *seen = context;
    if (seen->count++ == 0) {
        seen->first = event->seq;
    }
    seen->last = event->seq;
    (void) snprintf(seen->fields, sizeof seen->fields, "%.*s",
                    TS_SLICE_ARGS(event->fields));
}

static void reads_what_comes_after(void **state)
{
    (void) state;
    struct seen seen = { .count = 0 };
    assert_int_equal(
        events_read(events, (struct events_range){ 5, 3 }, see, &seen, &err),
        TS_OK);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.first, 6);
    assert_int_equal(seen.last, 8);
    assert_string_equal(seen.fields, "{\"id\":8,\"kind\":\"delta\"}");
    seen = (struct seen){ .count = 0 };
    assert_int_equal(events_read(events, (struct events_range){ COUNT, 3 }, see,
                                 &seen, &err),
                     TS_OK);
    assert_int_equal(seen.count, 0);
}

static void drops_the_oldest_and_stays_whole(void **state)
{
    (void) state;
    int64_t count = 0;
    close_all();
    open_all(100);
    sample_exec(&db, "PRAGMA synchronous=OFF");
    for (int64_t i = COUNT + 1; i <= 1200; i++) {
        append(i);
    }
    assert_int_equal(
        db_query_int(&db, "SELECT count(*) FROM event", &count, &err), TS_OK);
    assert_int_equal(count, 200);
    struct events_verdict verdict = verify();
    assert_true(verdict.verified);
    assert_int_equal(verdict.count, 200);
    sample_exec(&db, "DELETE FROM event WHERE seq=1001");
    assert_int_equal(verify().bad_seq, 1001);
}

static void refuses_what_is_too_long(void **state)
{
    (void) state;
    char actor[EVENT_ACTOR_SIZE_MAX + 2];
    memset(actor, 'a', sizeof actor - 1);
    actor[sizeof actor - 1] = 0;
    assert_int_equal(events_append(events, "x", actor, NULL, &err), TS_E_LIMIT);
    assert_int_equal(events_head(events).seq, COUNT);
    assert_int_equal(events_append(events, "x", actor + 1, NULL, &err), TS_OK);
    assert_true(verify().verified);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_whole_chain_is_verified_also_after_a_restart),
        TEST(an_empty_chain_is_whole),
        TEST(events_of_one_name_are_found_among_others_newest_first),
        TEST(one_altered_byte_is_found_wherever_it_is),
        TEST(every_kind_of_tampering_is_found_at_its_place),
        TEST(a_forged_row_breaks_the_row_behind_it),
        TEST(a_cut_with_a_fitting_head_is_not_found),
        TEST(reads_what_comes_after),
        TEST(drops_the_oldest_and_stays_whole),
        TEST(refuses_what_is_too_long),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
