/* The engine as a standby: the holder's rows become its own, and it goes on
 * from them when it takes over. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/engine/state.h"
#include "replication/batch.h"
#include "replication/generation.h"
#include "tests/lib/pairing.h"

/* The holder is a state in a folder of its own. */
struct bench {
    struct pairing *pairing;
    char folder[FOLDER_SIZE];
    struct state holder;
    struct journal_position start; /* of the holder's epoch */
};

static void copy_file(const char *from, const char *to)
{
    char bytes[8192];
    size_t size = 0;
    FILE *in = fopen(from, "rbe");
    FILE *out = fopen(to, "wbe");
    assert_non_null(in);
    assert_non_null(out);
    while ((size = fread(bytes, 1, sizeof bytes, in)) > 0) {
        assert_int_equal(fwrite(bytes, 1, size, out), size);
    }
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

/* The closed state of folder 1 of `from`, into folder `number` of `to`. */
static void copy_state(const char *from, const char *to, int64_t number)
{
    char source[200];
    char copy[200];
    (void) snprintf(source, sizeof source, "%s/state.1/state.db", from);
    (void) snprintf(copy, sizeof copy, "%s/state.%lld/state.db", to,
                    (long long) number);
    copy_file(source, copy);
}

/* Both begin with the same rows: the standby's folder is copied. */
static int make(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct ts_err err;
    int64_t number = 0;
    void *pairing = NULL;
    assert_non_null(bench);
    assert_int_equal(pairing_make(&pairing), 0);
    bench->pairing = pairing;
    folder_make(bench->folder);
    assert_int_equal(generation_build_begin(bench->folder, 0, &number, &err),
                     TS_OK);
    copy_state(bench->pairing->folder, bench->folder, number);
    assert_int_equal(generation_select(bench->folder, number, &err), TS_OK);
    assert_int_equal(state_open(&bench->holder, bench->folder, 3, &err), TS_OK);
    bench->start = journal_position(bench->holder.journal);
    pairing_start(bench->pairing);
    *state = bench;
    return 0;
}

static int done(void **state)
{
    struct bench *bench = *state;
    void *pairing = bench->pairing;
    state_close(&bench->holder);
    folder_remove(bench->folder);
    free(bench);
    return pairing_remove(&pairing);
}

static void holder_writes(struct bench *bench, const char *sql)
{
    struct ts_err err;
    struct state *holder = &bench->holder;
    assert_int_equal(state_begin(holder, &err), TS_OK);
    assert_int_equal(db_exec(&holder->mv->db, sql, &err), TS_OK);
    assert_int_equal(state_commit(holder, &err), TS_OK);
}

static struct sum sum_at(sqlite3_stmt *row, int column)
{
    struct ts_slice bytes = db_column(row, column);
    assert_int_equal(bytes.size, SUM_SIZE);
    return sum_load(bytes.data);
}

/* All rows of the holder behind seq `after`, and the mark of its epoch. */
static struct batch *rows_behind(struct bench *bench, int64_t after)
{
    static const char sql[] =
        "SELECT seq, generation, epoch, level, at, pre_sum, post_sum, "
        "changeset FROM journal WHERE seq > ?1 ORDER BY seq";
    struct batch *batch = batch_new();
    struct ts_err err;
    sqlite3_stmt *row = NULL;
    bool more = true;
    assert_non_null(batch);
    if (after == bench->start.seq) {
        const struct journal_item mark = { .kind = JOURNAL_EPOCH,
                                           .seq = after,
                                           .generation =
                                               bench->start.generation,
                                           .epoch = bench->start.epoch,
                                           .level = bench->start.level,
                                           .pre = bench->start.sum,
                                           .post = bench->start.sum };
        assert_non_null(batch_add(batch, &mark, 0));
    }
    assert_int_equal(metaverse_query(bench->holder.mv, sql,
                                     DB_VALUES(DB_INT(after)), &row, &err),
                     TS_OK);
    while (db_step(&bench->holder.mv->db, row, &more, &err) == TS_OK && more) {
        struct journal_item item = { .kind = JOURNAL_ROW,
                                     .seq = db_column_int(row, 0),
                                     .generation = db_column_int(row, 1),
                                     .epoch = db_column_int(row, 2),
                                     .level = db_column_int(row, 3),
                                     .at = db_column_int(row, 4),
                                     .changeset = db_column(row, 7) };
        item.pre = sum_at(row, 5);
        item.post = sum_at(row, 6);
        assert_non_null(batch_add(batch, &item, item.changeset.size));
    }
    db_reset(row);
    return batch;
}

static enum ts_code apply(struct bench *bench, struct batch *batch,
                          struct pairing_answer *answer)
{
    engine_apply(bench->pairing->engine, batch,
                 pairing_done(bench->pairing, answer));
    enum ts_code code = pairing_await(answer);
    if (code != TS_OK) {
        print_message("%s\n", answer->text);
    }
    return code;
}

static int64_t seq_of(const struct bench *bench)
{
    return journal_position(bench->holder.journal).seq;
}

static void the_holders_rows_become_the_standbys(void **state)
{
    struct bench *bench = *state;
    struct pairing_answer answer;
    int64_t from = seq_of(bench);
    holder_writes(bench, "UPDATE counter SET value = 41 WHERE name = 'object'");
    holder_writes(bench, "UPDATE counter SET value = 42 WHERE name = 'object'");
    assert_int_equal(apply(bench, rows_behind(bench, from), &answer), TS_OK);
    struct journal_position own = journal_position(bench->holder.journal);
    assert_true(journal_position_equal(&answer.position, &own));
    assert_int_equal(
        pairing_int(bench->pairing,
                    "SELECT value FROM counter WHERE name = 'object'"),
        42);
}

static void a_gap_is_refused_and_changes_nothing(void **state)
{
    struct bench *bench = *state;
    struct pairing_answer answer;
    holder_writes(bench, "UPDATE counter SET value = 41 WHERE name = 'object'");
    int64_t from = seq_of(bench);
    holder_writes(bench, "UPDATE counter SET value = 42 WHERE name = 'object'");
    assert_int_not_equal(apply(bench, rows_behind(bench, from), &answer),
                         TS_OK);
    assert_int_equal(
        pairing_int(bench->pairing,
                    "SELECT value FROM counter WHERE name = 'object'"),
        0);
}

static void numbers_go_on_from_the_holders_last(void **state)
{
    static const char lead_from[] =
        "SELECT count(*) FROM setting WHERE name = 'lead-from' AND value = "
        "x'000000000000004d'"; /* 77 */
    struct bench *bench = *state;
    struct engine_activation next = { .epoch = 4 };
    struct pairing_answer answer;
    int64_t from = seq_of(bench);
    holder_writes(bench, "UPDATE counter SET value = 77 WHERE name = 'batch'");
    assert_int_equal(apply(bench, rows_behind(bench, from), &answer), TS_OK);
    assert_int_equal(pairing_activate(bench->pairing, &next), TS_OK);
    pairing_stop(bench->pairing);
    assert_int_equal(pairing_int(bench->pairing, lead_from), 1);
    /* One row, and those of the cycle that may have begun by then. */
    assert_int_equal(
        pairing_int(bench->pairing,
                    "SELECT count(*) > 0 FROM journal WHERE epoch = 4"),
        1);
}

static void who_exports_takes_no_rows(void **state)
{
    struct bench *bench = *state;
    struct engine_activation next = { .epoch = 2 };
    struct pairing_answer answer;
    int64_t from = seq_of(bench);
    holder_writes(bench, "UPDATE counter SET value = 77 WHERE name = 'batch'");
    assert_int_equal(pairing_activate(bench->pairing, &next), TS_OK);
    assert_int_equal(apply(bench, rows_behind(bench, from), &answer),
                     TS_E_REFUSED);
}

static void a_snapshot_takes_the_place_of_what_was_there(void **state)
{
    struct bench *bench = *state;
    struct pairing *p = bench->pairing;
    struct pairing_answer answer;
    struct ts_err err;
    char kept[200];
    int64_t folder = 0;
    holder_writes(bench, "UPDATE counter SET value = 42 WHERE name = 'object'");
    struct journal_position at = journal_position(bench->holder.journal);
    state_close(&bench->holder);
    assert_int_equal(generation_build_begin(p->folder, 0, &folder, &err),
                     TS_OK);
    copy_state(bench->folder, p->folder, folder);
    engine_install(p->engine, folder, true, pairing_done(p, &answer));
    assert_int_equal(pairing_await(&answer), TS_OK);
    assert_true(journal_position_equal(&answer.position, &at));
    assert_int_equal(
        pairing_int(p, "SELECT value FROM counter WHERE name = 'object'"), 42);
    /* The folder's number is local, the generation the data's. */
    assert_int_not_equal(folder, at.generation);
    (void) snprintf(kept, sizeof kept, "%s/diverged.1", p->folder);
    assert_int_equal(access(kept, F_OK), 0);
}

#define FOLLOW_TEST(f) cmocka_unit_test_setup_teardown(f, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLLOW_TEST(the_holders_rows_become_the_standbys),
        FOLLOW_TEST(a_gap_is_refused_and_changes_nothing),
        FOLLOW_TEST(numbers_go_on_from_the_holders_last),
        FOLLOW_TEST(who_exports_takes_no_rows),
        FOLLOW_TEST(a_snapshot_takes_the_place_of_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
