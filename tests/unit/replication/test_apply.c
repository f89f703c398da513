/* apply: a leader's rows are made whole or not at all, and believed only as far
 * as our own rows add up. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/base/rule.h"
#include "replication/apply.h"
#include "replication/lineage.h"
#include "tests/lib/fault_vfs.h"
#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

#define CALLS_MAX 4000
#define ROWS      6

struct store {
    struct db db;
    struct journal *journal;
};

static char folder[FOLDER_SIZE], leader_path[96], path[96];
static struct store leader, follower;
static struct ts_err err;
static struct ts_arena arena;
static struct journal_item items[ROWS + 1]; /* with one mark */
static size_t item_count;

static void must(enum ts_code code)
{
    if (code != TS_OK) {
        fail_msg("%s", err.text);
    }
}

static int64_t rows_max; /* 0: the product's */

static void open_store(struct store *store, const char *at)
{
    const struct journal_options options = { .tables = &sample_tables,
                                             .rows_max = rows_max };
    must(db_open(at, DB_DURABLE, &sample_schema, &store->db, &err));
    must(journal_open(&store->db, &options, &store->journal, &err));
}

static void close_store(struct store *store)
{
    journal_close(store->journal);
    store->journal = NULL;
    db_close(&store->db);
}

static void load(const char *at)
{
    const struct journal_position from = { .generation = 1,
                                           .epoch = 1,
                                           .level = 2 };
    open_store(&leader, at);
    sample_exec(&leader.db, "PRAGMA synchronous=OFF");
    sample_fill(&leader.db);
    must(journal_start(leader.journal, &from, &err));
}

static void copy_file(const char *from, const char *to)
{
    static uint8_t bytes[1 << 21];
    FILE *in = fopen(from, "r");
    FILE *out = fopen(to, "w");
    assert_non_null(in);
    assert_non_null(out);
    size_t size = fread(bytes, 1, sizeof bytes, in);
    assert_in_range(size, 4096, sizeof bytes - 1);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    (void) fclose(in);
    (void) fclose(out);
}

/* The leader's rows, as they would come over the wire. */
static void read_items(void)
{
    const struct lineage_range range = {
        .after = { .generation = 1, .epoch = 1, .level = 2, .seq = 0 },
        .size_max = FRAME_ROWS_SIZE_MAX,
    };
    struct frame_piece *pieces = NULL;
    size_t count = 0;
    must(lineage_read(&leader.db, &range, &arena, &pieces, &count, &err));
    assert_int_equal(count, ROWS + 1);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pieces[i].total, pieces[i].item.changeset.size);
        items[i] = pieces[i].item;
    }
    item_count = count;
}

/* Before the tests: a leader with ROWS rows, the last of a second epoch. */
static void make_leader(void)
{
    struct sample_random random = { .state = 7 };
    folder_make(folder);
    (void) snprintf(leader_path, sizeof leader_path, "%s/leader.db", folder);
    (void) snprintf(path, sizeof path, "%s/follower.db", folder);
    char start[96];
    (void) snprintf(start, sizeof start, "%s/start.db", folder);
    load(leader_path);
    close_store(&leader);
    copy_file(leader_path, start);
    open_store(&leader, leader_path);
    while (journal_position(leader.journal).seq < ROWS) {
        if (journal_position(leader.journal).seq == ROWS - 1) {
            must(journal_raise_epoch(leader.journal, 4, &err));
        }
        must(journal_begin(leader.journal, &err));
        for (int i = 0; i < 5; i++) {
            sample_change(&leader.db, &random);
        }
        must(journal_commit(leader.journal, NULL, &err));
    }
    ts_arena_init(&arena, (size_t) 64 * 1024 * 1024);
    read_items();
}

static void fresh_follower(void)
{
    char start[96];
    (void) snprintf(start, sizeof start, "%s/start.db", folder);
    copy_file(start, path);
    open_store(&follower, path);
}

static int set_up(void **state)
{
    (void) state;
    fault_vfs_arm(0, FAULT_ONCE);
    ts_rules_restore();
    fresh_follower();
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    ts_rules_restore();
    sample_exec(&follower.db, "PRAGMA synchronous=OFF");
    close_store(&follower);
    return 0;
}

static void verify(const struct store *store)
{
    struct journal_position at;
    uint64_t rows = 0;
    struct db db = store->db;
    must(journal_verify(&db, &sample_tables, &at, &rows, &err));
}

static void is_the_leader(void)
{
    struct journal_position at = journal_position(follower.journal);
    struct journal_position theirs = journal_position(leader.journal);
    assert_true(journal_position_equal(&at, &theirs));
    verify(&follower);
}

static void all_rows_in_one_transaction_make_the_leaders_state(void **s)
{
    (void) s;
    must(journal_apply(follower.journal, items, item_count, &err));
    is_the_leader();
    assert_int_equal(journal_extent(follower.journal).rows, ROWS);
    assert_int_equal(journal_extent(follower.journal).size,
                     journal_extent(leader.journal).size);
}

static void refused(const struct journal_item *item, enum ts_code code,
                    const char *why)
{
    struct journal_position before = journal_position(follower.journal);
    assert_int_equal(journal_apply(follower.journal, item, 1, &err), code);
    if (strstr(err.text, why) == NULL) {
        fail_msg("%s", err.text);
    }
    struct journal_position after = journal_position(follower.journal);
    assert_true(journal_position_equal(&before, &after));
    verify(&follower);
}

static void a_row_that_does_not_follow_is_refused(void **s)
{
    (void) s;
    refused(&items[1], TS_E_PROTOCOL, "the next one is 1");
    must(journal_apply(follower.journal, items, 2, &err));
    refused(&items[1], TS_E_PROTOCOL, "the next one is 3");
    struct journal_item other = items[2];
    other.generation = 2;
    refused(&other, TS_E_CONFLICT, "another generation");
    other = items[2];
    other.level = 3;
    refused(&other, TS_E_VERSION, "schema level 3");
    other = items[2];
    other.changeset.size--;
    refused(&other, TS_E_PROTOCOL, "damaged");
}

static void a_row_of_a_lower_epoch_is_refused(void **s)
{
    (void) s;
    must(journal_apply(follower.journal, items, 2, &err));
    must(journal_raise_epoch(follower.journal, 3, &err));
    refused(&items[2], TS_E_REFUSED, "it has seen epoch 3");
}

static void a_row_whose_sums_are_not_ours_is_refused(void **s)
{
    (void) s;
    struct journal_item other = items[0];
    other.pre.limb[0]++;
    refused(&other, TS_E_CONFLICT, "another sum before it");
    other = items[0];
    other.post.limb[3]++;
    refused(&other, TS_E_CONFLICT, "another sum after it");
}

static void a_row_that_drifted_is_found_where_it_is_touched(void **s)
{
    (void) s;
    /* Behind the journal's back: a column that the next change does not name.
     */
    sample_exec(&follower.db, "UPDATE people SET score=score+1");
    assert_int_equal(journal_apply(follower.journal, items, item_count, &err),
                     TS_E_CONFLICT);
    assert_non_null(strstr(err.text, "must be replaced by a snapshot"));
}

static void sums_are_believed_when_the_rule_is_off(void **s)
{
    (void) s;
    struct journal_item other = items[0];
    other.post.limb[3]++;
    ts_rule_disable(TS_RULE_SUM_RECOMPUTED);
    must(journal_apply(follower.journal, &other, 1, &err));
    struct journal_position at;
    uint64_t rows = 0;
    assert_int_equal(
        journal_verify(&follower.db, &sample_tables, &at, &rows, &err),
        TS_E_CORRUPT);
}

static void the_followers_journal_is_bounded_too(void **s)
{
    (void) s;
    close_store(&follower);
    rows_max = 2;
    open_store(&follower, path);
    rows_max = 0;
    for (size_t i = 0; i < item_count; i++) {
        must(journal_apply(follower.journal, &items[i], 1, &err));
        assert_in_range(journal_extent(follower.journal).rows, 1, 2);
    }
    is_the_leader();
}

/* Fail the k-th call of the disk; true when there was none to fail. */
static bool fail_at(int k, enum fault_kind kind)
{
    fresh_follower();
    sample_exec(&follower.db, "PRAGMA cache_size=20");
    fault_vfs_arm(k, kind);
    enum ts_code code =
        journal_apply(follower.journal, items, item_count, &err);
    bool fired = fault_vfs_fired();
    fault_vfs_arm(0, kind);
    assert_true(fired || code == TS_OK);
    int64_t known = journal_position(follower.journal).seq;
    if (code != TS_OK) {
        assert_int_equal(code, TS_E_IO);
        assert_int_equal(known, 0);
    }
    if (code != TS_OK && kind == FAULT_ONCE && k % 2 == 0) {
        must(journal_apply(follower.journal, items, item_count, &err));
        is_the_leader();
    }
    close_store(&follower);
    open_store(&follower, path);
    int64_t found = journal_position(follower.journal).seq;
    assert_true(found == 0 || found == ROWS);
    assert_true(code != TS_OK || found == ROWS);
    verify(&follower);
    sample_exec(&follower.db, "PRAGMA synchronous=OFF");
    close_store(&follower);
    return !fired;
}

static void whatever_the_disk_does_a_batch_is_whole_or_not_at_all(void **s)
{
    (void) s;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        int k = 1;
        while (!fail_at(k, (enum fault_kind) kind)) {
            k += 1 + k / 20;
            assert_true(k < CALLS_MAX);
        }
        assert_true(k > 2);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    if (capture_setup(&err) != TS_OK) {
        return 1;
    }
    fault_vfs_install();
    make_leader();
    const struct CMUnitTest tests[] = {
        WITH(all_rows_in_one_transaction_make_the_leaders_state),
        WITH(a_row_that_does_not_follow_is_refused),
        WITH(a_row_of_a_lower_epoch_is_refused),
        WITH(a_row_whose_sums_are_not_ours_is_refused),
        WITH(a_row_that_drifted_is_found_where_it_is_touched),
        WITH(the_followers_journal_is_bounded_too),
        WITH(sums_are_believed_when_the_rule_is_off),
        cmocka_unit_test(whatever_the_disk_does_a_batch_is_whole_or_not_at_all),
    };
    int failures = cmocka_run_group_tests_name("apply", tests, NULL, NULL);
    close_store(&leader);
    ts_arena_done(&arena);
    folder_remove(folder);
    return failures;
}
