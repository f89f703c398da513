/* lineage: whose position is ours, where histories parted, and what comes
 * behind a position. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "node/base/rule.h"
#include "replication/journal.h"
#include "replication/lineage.h"
#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

#define ROWS 9

static char folder[FOLDER_SIZE];
static struct db db;
static struct journal *journal;
static struct ts_err err;
static struct ts_arena arena;
/* Where the state was at each row: 1-3 in epoch 1, 4-6 in 2, 7-9 in 5; epoch 4
 * began without a row. */
static struct journal_position at[ROWS + 1];

static void must(enum ts_code code)
{
    if (code != TS_OK) {
        fail_msg("%s", err.text);
    }
}

static int set_up(void **state)
{
    const struct journal_options options = { .tables = &sample_tables };
    const struct journal_position from = { .generation = 3,
                                           .epoch = 1,
                                           .level = 2 };
    char path[96];
    (void) state;
    folder_make(folder);
    ts_arena_init(&arena, (size_t) 16 * 1024 * 1024);
    (void) snprintf(path, sizeof path, "%s/state.db", folder);
    must(db_open(path, DB_DURABLE, &sample_schema, &db, &err));
    sample_exec(&db, "PRAGMA synchronous=OFF");
    sample_fill(&db);
    must(journal_open(&db, &options, &journal, &err));
    must(journal_start(journal, &from, &err));
    at[0] = journal_position(journal);
    for (int i = 1; i <= ROWS; i++) {
        char sql[80];
        if (i == 4) {
            must(journal_raise_epoch(journal, 2, &err));
        } else if (i == 7) {
            must(journal_raise_epoch(journal, 4, &err));
            must(journal_raise_epoch(journal, 5, &err));
        }
        must(journal_begin(journal, &err));
        (void) snprintf(sql, sizeof sql,
                        "UPDATE people SET name='row %d' WHERE id<30", i);
        sample_exec(&db, sql);
        must(journal_commit(journal, NULL, &err));
        at[i] = journal_position(journal);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    ts_rules_restore();
    journal_close(journal);
    db_close(&db);
    ts_arena_done(&arena);
    folder_remove(folder);
    return 0;
}

static struct lineage_answer find(struct journal_position position)
{
    struct lineage_answer answer;
    must(lineage_find(&db, &position, &answer, &err));
    return answer;
}

static void each_place_of_our_own_history_is_ours(void **s)
{
    (void) s;
    for (int i = 0; i <= ROWS; i++) {
        assert_int_equal(find(at[i]).found, LINEAGE_HELD);
    }
    struct journal_position mark = at[6]; /* epoch 4 began here */
    mark.epoch = 4;
    assert_int_equal(find(mark).found, LINEAGE_HELD);
}

static void the_same_place_with_another_sum_is_not_ours(void **s)
{
    (void) s;
    for (int i = 0; i <= ROWS; i++) {
        struct journal_position other = at[i];
        other.sum.limb[2]++;
        assert_int_equal(find(other).found, LINEAGE_NOT_OURS);
    }
}

static void another_generation_is_not_ours(void **s)
{
    (void) s;
    struct journal_position other = at[ROWS];
    other.generation = 2;
    assert_int_equal(find(other).found, LINEAGE_NOT_OURS);
    assert_false(find(other).fork_known);
    other.generation = 0;
    assert_int_equal(find(other).found, LINEAGE_NOT_OURS);
}

/* An old primary that wrote on in epoch 2 after we had taken over. */
static void a_place_behind_the_end_of_its_epoch_tells_the_fork(void **s)
{
    (void) s;
    struct journal_position other = at[7];
    other.epoch = 2;
    struct lineage_answer answer = find(other);
    assert_int_equal(answer.found, LINEAGE_NOT_OURS);
    assert_true(answer.fork_known);
    assert_int_equal(answer.fork.seq, 6);
    assert_true(sum_equal(answer.fork.sum, at[6].sum));
}

static void an_epoch_that_we_never_saw_forks_where_we_went_on(void **s)
{
    (void) s;
    struct journal_position other = at[8];
    other.epoch = 3;
    struct lineage_answer answer = find(other);
    assert_int_equal(answer.found, LINEAGE_NOT_OURS);
    assert_true(answer.fork_known);
    assert_int_equal(answer.fork.seq, 6);
    other.epoch = 9;
    assert_int_equal(find(other).found, LINEAGE_NOT_OURS);
    assert_false(find(other).fork_known);
}

/* Numbers of different epochs are not compared. */
static void a_number_of_an_earlier_epoch_is_not_ours_in_a_later_one(void **s)
{
    (void) s;
    struct journal_position other = at[3];
    other.epoch = 5;
    assert_int_equal(find(other).found, LINEAGE_NOT_OURS);
}

static void rows_that_are_dropped_make_a_position_too_old(void **s)
{
    (void) s;
    sample_exec(&db, "DELETE FROM journal WHERE seq<6");
    assert_int_equal(find(at[2]).found, LINEAGE_TOO_OLD);
    assert_int_equal(find(at[4]).found, LINEAGE_TOO_OLD);
    assert_int_equal(find(at[3]).found, LINEAGE_TOO_OLD); /* ours, but gone */
    assert_int_equal(find(at[6]).found, LINEAGE_HELD);
    sample_exec(&db, "DELETE FROM journal");
    assert_int_equal(find(at[ROWS]).found, LINEAGE_HELD);
    assert_int_equal(find(at[8]).found, LINEAGE_TOO_OLD);
}

static void everything_is_ours_when_the_rule_is_off(void **s)
{
    (void) s;
    struct journal_position other = at[4];
    other.sum.limb[0]++;
    ts_rule_disable(TS_RULE_LINEAGE);
    assert_int_equal(find(other).found, LINEAGE_HELD);
}

/* ---- reading ------------------------------------------------------------ */

static size_t read_behind(struct journal_position after, size_t offset,
                          size_t size_max, struct frame_piece **ret_pieces)
{
    const struct lineage_range range = { after, offset, size_max };
    size_t count = 0;
    must(lineage_read(&db, &range, &arena, ret_pieces, &count, &err));
    return count;
}

static void marks_stand_before_the_rows_of_their_epochs(void **s)
{
    (void) s;
    static const struct {
        enum journal_item_kind kind;
        int64_t seq, epoch;
    } expected[] = {
        { JOURNAL_ROW, 3, 1 },   { JOURNAL_EPOCH, 3, 2 },
        { JOURNAL_ROW, 4, 2 },   { JOURNAL_ROW, 5, 2 },
        { JOURNAL_ROW, 6, 2 },   { JOURNAL_EPOCH, 6, 4 },
        { JOURNAL_EPOCH, 6, 5 }, { JOURNAL_ROW, 7, 5 },
        { JOURNAL_ROW, 8, 5 },   { JOURNAL_ROW, 9, 5 },
    };
    struct frame_piece *pieces = NULL;
    size_t count = read_behind(at[2], 0, FRAME_ROWS_SIZE_MAX, &pieces);
    assert_int_equal(count, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pieces[i].item.kind, expected[i].kind);
        assert_int_equal(pieces[i].item.seq, expected[i].seq);
        assert_int_equal(pieces[i].item.epoch, expected[i].epoch);
        struct journal_position end = journal_item_end(&pieces[i].item);
        assert_true(sum_equal(end.sum, at[end.seq].sum));
    }
    assert_int_equal(read_behind(at[ROWS], 0, 100, &pieces), 0);
}

static void a_mark_without_a_row_is_told_at_the_end(void **s)
{
    (void) s;
    struct frame_piece *pieces = NULL;
    must(journal_raise_epoch(journal, 8, &err));
    assert_int_equal(read_behind(at[ROWS], 0, 100, &pieces), 1);
    assert_int_equal(pieces[0].item.kind, JOURNAL_EPOCH);
    assert_int_equal(pieces[0].item.epoch, 8);
}

static void pieces_never_pass_the_size_that_was_asked_for(void **s)
{
    (void) s;
    static uint8_t whole[1 << 16];
    struct journal_position after = at[0];
    size_t offset = 0;
    int rows = 0;
    for (int reads = 0; rows < ROWS; reads++) {
        struct frame_piece *pieces = NULL;
        size_t count = read_behind(after, offset, 301, &pieces);
        size_t size = 0;
        assert_in_range(reads, 0, 1000);
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++) {
            size += pieces[i].item.changeset.size;
            offset = pieces[i].offset + pieces[i].item.changeset.size;
            assert_in_range(pieces[i].total, 0, sizeof whole);
            if (offset == pieces[i].total) {
                after = journal_item_end(&pieces[i].item);
                offset = 0;
                rows += pieces[i].item.kind == JOURNAL_ROW;
            }
        }
        assert_in_range(size, 1, 301);
    }
    assert_true(journal_position_equal(&after, &at[ROWS]));
}

static void a_row_that_was_dropped_meanwhile_is_an_error(void **s)
{
    (void) s;
    struct frame_piece *pieces = NULL;
    size_t count = 0;
    const struct lineage_range range = { at[2], 0, 1000 };
    sample_exec(&db, "DELETE FROM journal WHERE seq<6");
    assert_int_equal(lineage_read(&db, &range, &arena, &pieces, &count, &err),
                     TS_E_CONFLICT);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    if (capture_setup(&err) != TS_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        WITH(each_place_of_our_own_history_is_ours),
        WITH(the_same_place_with_another_sum_is_not_ours),
        WITH(another_generation_is_not_ours),
        WITH(a_place_behind_the_end_of_its_epoch_tells_the_fork),
        WITH(an_epoch_that_we_never_saw_forks_where_we_went_on),
        WITH(a_number_of_an_earlier_epoch_is_not_ours_in_a_later_one),
        WITH(rows_that_are_dropped_make_a_position_too_old),
        WITH(everything_is_ours_when_the_rule_is_off),
        WITH(marks_stand_before_the_rows_of_their_epochs),
        WITH(a_mark_without_a_row_is_told_at_the_end),
        WITH(pieces_never_pass_the_size_that_was_asked_for),
        WITH(a_row_that_was_dropped_meanwhile_is_an_error),
    };
    return cmocka_run_group_tests_name("lineage", tests, NULL, NULL);
}
