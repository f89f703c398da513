/* tail: every object that rows behind a position are about is named once,
 * whatever became of it. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/engine/state.h"
#include "node/engine/tail_tables.h"
#include "tests/lib/folder.h"

static char folder[FOLDER_SIZE];
static struct db db;
static struct db_schema schema;
static struct journal *journal;
static struct ts_arena arena;
static struct ts_err err;

static void must(enum ts_code code)
{
    if (code != TS_OK) {
        fail_msg("%s", err.text);
    }
}

static void change(const char *sql)
{
    must(journal_begin(journal, &err));
    must(db_exec(&db, sql, &err));
    must(journal_commit(journal, NULL, &err));
}

static int set_up(void **state)
{
    const struct journal_options options = { .tables = state_tables() };
    const struct journal_position from = { .generation = 1,
                                           .epoch = 4,
                                           .level = 2 };
    char path[96];
    (void) state;
    schema = state_schema();
    folder_make(folder);
    ts_arena_init(&arena, (size_t) 64 * 1024 * 1024);
    (void) snprintf(path, sizeof path, "%s/state.db", folder);
    must(db_open(path, DB_BUILDING, &schema, &db, &err));
    must(db_exec(&db,
                 "INSERT INTO metaverse(id,kind,anchor,presence,packed,once,"
                 "changed) VALUES(1,0,'anna',0,x'',x'',1),"
                 "(2,0,'bert',0,x'',x'',1),(3,1,'crew',0,x'',x'',1);"
                 "INSERT INTO intent(id,phase,verb,kind,metaverse_id,anchor,"
                 "target_id,before,after,batch,doubt_since) VALUES(1,0,0,0,2,"
                 "'bert','t2',x'',x'',0,0);",
                 &err));
    must(journal_open(&db, &options, &journal, &err));
    must(journal_start(journal, &from, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    journal_close(journal);
    db_close(&db);
    ts_arena_done(&arena);
    folder_remove(folder);
    return 0;
}

/* "kind/anchor kind/anchor ..." */
static const char *tail_behind(struct journal_position after, bool *ret_cut)
{
    static char text[1024];
    const struct tail_options options = { state_tables(), tail_tables,
                                          TAIL_TABLE_COUNT };
    struct tail tail;
    must(tail_read(&db, &options, &after, &arena, &tail, &err));
    text[0] = '\0';
    for (size_t i = 0; i < tail.count && i < 20; i++) {
        size_t used = strlen(text);
        (void) snprintf(text + used, sizeof text - used, "%lld/%.*s ",
                        (long long) tail.hints[i].kind,
                        TS_SLICE_ARGS(tail.hints[i].anchor));
    }
    *ret_cut = tail.cut;
    return text;
}

static void each_object_that_was_written_is_named_once(void **s)
{
    (void) s;
    bool cut = true;
    struct journal_position start = journal_position(journal);
    change("UPDATE intent SET batch=7 WHERE id=1");      /* found by its key */
    change("UPDATE metaverse SET changed=9 WHERE id=2"); /* the same object */
    change("INSERT INTO ledger VALUES(0,'anna','t1',1,5)");
    change("INSERT INTO reference VALUES(3,'members',1,1,0)"); /* its owner's */
    assert_string_equal(tail_behind(start, &cut), "0/anna 0/bert 1/crew ");
    assert_false(cut);
}

static void what_is_gone_is_named_by_its_last_row(void **s)
{
    (void) s;
    bool cut = true;
    struct journal_position start = journal_position(journal);
    change("DELETE FROM intent WHERE id=1");
    change("DELETE FROM metaverse WHERE id=3");
    change("INSERT INTO ledger VALUES(1,'gone','t9',1,5)");
    change("DELETE FROM ledger WHERE anchor='gone'");
    assert_string_equal(tail_behind(start, &cut), "0/bert 1/crew 1/gone ");
}

static void only_rows_behind_the_position_count(void **s)
{
    (void) s;
    bool cut = true;
    change("UPDATE metaverse SET changed=9 WHERE id=1");
    struct journal_position fork = journal_position(journal);
    assert_string_equal(tail_behind(fork, &cut), "");
    change("UPDATE metaverse SET changed=9 WHERE id=2");
    assert_string_equal(tail_behind(fork, &cut), "0/bert ");
    must(journal_raise_epoch(journal, 6, &err));
    change("UPDATE metaverse SET changed=9 WHERE id=3");
    /* Without a fork: all that was written since the epoch began. */
    struct journal_position epoch = { .epoch = 6, .seq = -1 };
    assert_string_equal(tail_behind(epoch, &cut), "1/crew ");
    assert_false(cut);
}

static void a_tail_over_the_limit_is_cut_and_says_so(void **s)
{
    (void) s;
    const struct tail_options options = { state_tables(), tail_tables,
                                          TAIL_TABLE_COUNT };
    struct journal_position start = journal_position(journal);
    struct tail tail;
    change("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT "
           "60000) INSERT INTO ledger SELECT 0,'many '||i,'t',1,5 FROM n");
    must(tail_read(&db, &options, &start, &arena, &tail, &err));
    assert_int_equal(tail.count, TAIL_HINTS_MAX);
    assert_true(tail.cut);
}

static void a_tail_of_rows_that_are_not_kept_says_so(void **s)
{
    (void) s;
    bool cut = false;
    struct journal_position start = journal_position(journal);
    change("UPDATE metaverse SET changed=9 WHERE id=1");
    change("UPDATE metaverse SET changed=9 WHERE id=2");
    must(db_exec(&db, "DELETE FROM journal WHERE seq=1", &err));
    assert_string_equal(tail_behind(start, &cut), "0/bert ");
    assert_true(cut);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    if (capture_setup(&err) != TS_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        WITH(each_object_that_was_written_is_named_once),
        WITH(what_is_gone_is_named_by_its_last_row),
        WITH(only_rows_behind_the_position_count),
        WITH(a_tail_over_the_limit_is_cut_and_says_so),
        WITH(a_tail_of_rows_that_are_not_kept_says_so),
    };
    return cmocka_run_group_tests_name("tail", tests, NULL, NULL);
}
