/* snapshots: the old state counts until a whole, checked one takes its place,
 * whatever is lost, damaged or killed on the way. */
#include "tests/lib/test.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zstd.h>

#include "replication/generation.h"
#include "replication/snapshot_install.h"
#include "tests/lib/couple.h"

static struct couple couple;
static struct ts_err err;

/* Node 1 has followed once, and is too far behind now; some 13 chunks. */
static int set_up(void **state)
{
    (void) state;
    couple_make(&couple);
    couple_lead(&couple, 0, 2);
    assert_true(couple_settle(&couple, 60000));
    couple_cut(&couple, true);
    couple_exec(&couple, 0, "UPDATE people SET packed=randomblob(6000)");
    couple_change(&couple, 0);
    sample_exec(&couple.nodes[0].db,
                "DELETE FROM journal WHERE seq<(SELECT max(seq) FROM journal)");
    memset(couple.sent, 0, sizeof couple.sent);
    couple_cut(&couple, false);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    couple_remove(&couple);
    return 0;
}

static struct follower_figures figures(void)
{
    struct follower_figures now;
    follower_figures(couple.nodes[1].follower, couple.now, &now);
    return now;
}

static void turn_until_stored(uint32_t chunks)
{
    for (int i = 0; i < 100000 && figures().chunks_stored < chunks; i++) {
        couple_turn(&couple);
    }
    assert_int_equal(figures().chunks_stored, chunks);
}

static void chunks_that_are_lost_are_sent_again(void **s)
{
    (void) s;
    couple.lose = 20;
    turn_until_stored(5);
    couple.repeat = 20;
    couple.delay = 20;
    assert_true(couple_settle(&couple, 600000));
    couple_assert_equal(&couple);
}

static void a_cut_goes_on_with_the_chunk_that_is_missing(void **s)
{
    (void) s;
    turn_until_stored(5);
    uint32_t chunks = figures().chunks;
    couple_cut(&couple, true);
    for (int i = 0; i < 10; i++) {
        couple_turn(&couple);
    }
    couple_change(&couple, 0);
    couple_cut(&couple, false);
    assert_true(couple_settle(&couple, 600000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
    assert_in_range(couple.sent[FRAME_CHUNK], chunks,
                    chunks + FOLLOWER_CHUNKS_CREDIT);
}

static void a_damaged_chunk_is_refused_and_fetched_again(void **s)
{
    (void) s;
    couple.damage_chunk = 4;
    assert_true(couple_settle(&couple, 600000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.damage_chunk, 0); /* it was */
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
}

static void a_chunk_whose_writing_is_never_heard_of_is_fetched_again(void **s)
{
    (void) s;
    couple.lose_write = 4;
    assert_true(couple_settle(&couple, 600000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.lose_write, 0); /* it was */
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
}

/* Files of this process whose path has `part` in it. */
static int open_files(const char *part)
{
    char path[512];
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *item = NULL;
    assert_non_null(dir);
    while ((item = readdir(dir)) != NULL) {
        ssize_t size = readlinkat(dirfd(dir), item->d_name, path, sizeof path);
        count +=
            size > 0 && memmem(path, (size_t) size, part, strlen(part)) != NULL;
    }
    (void) closedir(dir);
    return count;
}

static void a_build_is_held_until_it_is_the_state_and_no_longer(void **s)
{
    (void) s;
    turn_until_stored(5);
    assert_int_equal(open_files("/building"), 1);
    assert_true(couple_settle(&couple, 600000));
    couple_assert_equal(&couple);
    assert_int_equal(open_files("/building"), 0);
}

static void the_leader_goes_on_writing_meanwhile(void **s)
{
    (void) s;
    for (uint32_t i = 1; i < 9; i++) {
        turn_until_stored(i);
        couple_change(&couple, 0);
    }
    assert_true(couple_settle(&couple, 600000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.sent[FRAME_OFFER], 1);
}

static void a_leader_that_was_restarted_makes_another_snapshot(void **s)
{
    (void) s;
    turn_until_stored(5);
    struct journal_position at = couple_at(&couple, 0);
    couple_cut(&couple, true);
    couple_crash(&couple, 0);
    /* The follower goes on where it was: it does not know. */
    struct leader_event begin = { .type = LEADER_BEGIN,
                                  .epoch = 2,
                                  .position = at };
    struct leader_actions actions;
    leader_step(couple.nodes[0].leader, &begin, couple.now, &actions);
    couple.nodes[0].leads = true;
    couple_cut(&couple, false);
    assert_true(couple_settle(&couple, 600000));
    couple_assert_equal(&couple);
    assert_int_equal(couple.sent[FRAME_OFFER], 2);
}

/* The state of node 1 as it is found on the disk is whole. */
static void check_found(struct journal_position before)
{
    struct journal_position at;
    uint64_t rows = 0;
    assert_int_equal(
        journal_verify(&couple.nodes[1].db, &sample_tables, &at, &rows, &err),
        TS_OK);
    struct journal_position theirs = couple_at(&couple, 0);
    assert_true(journal_position_equal(&at, &before) ||
                journal_position_equal(&at, &theirs));
}

static void a_kill_at_any_moment_leaves_the_old_or_the_new_state(void **s)
{
    struct journal_position before = couple_at(&couple, 1);
    bool done = false;
    for (int turns = 0; !done; turns += 3) {
        for (int i = 0; i < turns && !done; i++) {
            couple_turn(&couple);
        }
        struct leader_figures now;
        leader_figures(couple.nodes[0].leader, couple.now, &now);
        done = now.equal;
        couple_crash(&couple, 1);
        check_found(before);
        couple_lead(&couple, 0, 2);
        assert_in_range(turns, 0, 3000);
        if (!done) {
            tear_down(s);
            set_up(s);
            before = couple_at(&couple, 1);
        }
    }
    assert_true(couple_settle(&couple, 600000));
    couple_assert_equal(&couple);
}

static void a_snapshot_whose_rows_do_not_add_up_is_not_installed(void **s)
{
    (void) s;
    struct journal_position before = couple_at(&couple, 1);
    sample_exec(&couple.nodes[0].db,
                "UPDATE people SET score=77 WHERE id=5"); /* unjournalled */
    assert_false(couple_settle(&couple, 8000));
    struct journal_position after = couple_at(&couple, 1);
    assert_true(journal_position_equal(&before, &after));
    assert_non_null(strstr(couple.nodes[1].why, "its rows add up to"));
    assert_int_equal(couple.nodes[1].number, 1);
    couple_crash(&couple, 1);
    assert_int_equal(couple.nodes[1].number, 1);
}

static void a_full_disk_keeps_the_old_state_and_is_tried_again(void **s)
{
    (void) s;
    struct rlimit limit;
    struct journal_position before = couple_at(&couple, 1);
    for (int i = 0; i < 100000 && figures().chunks == 0; i++) {
        couple_turn(&couple);
    }
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit small = { 3 * 1024 * 1024, limit.rlim_max };
    (void) signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 100000 && figures().phase != FOLLOWER_STUCK; i++) {
        couple_turn(&couple);
    }
    struct journal_position after = couple_at(&couple, 1);
    assert_true(journal_position_equal(&before, &after));
    assert_non_null(strstr(figures().why, "free space"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_true(couple_settle(&couple, 600000));
    couple_assert_equal(&couple);
}

/* ---- one chunk ---------------------------------------------------------- */

static struct snapshot_install *install_of(uint8_t *raw, size_t size)
{
    const struct snapshot_install_options options = {
        .directory = couple.nodes[1].folder,
        .tables = &sample_tables,
        .schema = &sample_schema,
    };
    struct ts_hash hash = ts_hash_of(ts_slice(raw, size));
    const struct frame_offer offer = {
        .at = { .generation = 1 },
        .size = size,
        .hashes = ts_slice(hash.bytes, sizeof hash.bytes),
    };
    struct snapshot_install *install = NULL;
    assert_int_equal(snapshot_install_new(&options, &offer, &install, &err),
                     TS_OK);
    return install;
}

static void a_chunk_that_unpacks_to_more_than_it_says_is_refused(void **s)
{
    (void) s;
    static uint8_t raw[FRAME_CHUNK_SIZE];
    static uint8_t packed[4096];
    size_t size = ZSTD_compress(packed, sizeof packed, raw, sizeof raw, 1);
    assert_false(ZSTD_isError(size));
    struct snapshot_install *install = install_of(raw, 1000);
    struct frame_chunk chunk = { .raw_size = 1000,
                                 .packed = ts_slice(packed, size) };
    assert_int_equal(snapshot_install_write(install, &chunk, &err),
                     TS_E_PROTOCOL);
    chunk.raw_size = sizeof raw;
    assert_int_equal(snapshot_install_write(install, &chunk, &err),
                     TS_E_PROTOCOL);
    chunk.index = 1;
    chunk.raw_size = 1000;
    assert_int_equal(snapshot_install_write(install, &chunk, &err),
                     TS_E_PROTOCOL);
    chunk.index = 0;
    chunk.packed.size =
        ZSTD_compress(packed, sizeof packed, raw, chunk.raw_size, 1);
    assert_int_equal(snapshot_install_write(install, &chunk, &err), TS_OK);
    struct journal_position at;
    assert_int_not_equal(snapshot_install_finish(install, &at, &err), TS_OK);
    snapshot_install_free(install);
}

static void an_offer_whose_sizes_do_not_fit_is_refused(void **s)
{
    (void) s;
    const struct snapshot_install_options options = {
        .directory = couple.nodes[1].folder,
        .tables = &sample_tables,
        .schema = &sample_schema,
    };
    static const uint8_t hashes[64];
    struct frame_offer offer = { .at = { .generation = 1 },
                                 .size = FRAME_CHUNK_SIZE,
                                 .hashes = ts_slice(hashes, 64) };
    struct snapshot_install *install = NULL;
    assert_int_equal(snapshot_install_new(&options, &offer, &install, &err),
                     TS_E_PROTOCOL);
    offer.size = UINT64_MAX;
    assert_int_equal(snapshot_install_new(&options, &offer, &install, &err),
                     TS_E_PROTOCOL);
    offer.hashes.size = 0;
    assert_int_equal(snapshot_install_new(&options, &offer, &install, &err),
                     TS_E_PROTOCOL);
    offer.size = 0;
    assert_int_equal(snapshot_install_new(&options, &offer, &install, &err),
                     TS_E_PROTOCOL);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    if (capture_setup(&err) != TS_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        WITH(chunks_that_are_lost_are_sent_again),
        WITH(a_cut_goes_on_with_the_chunk_that_is_missing),
        WITH(a_damaged_chunk_is_refused_and_fetched_again),
        WITH(a_chunk_whose_writing_is_never_heard_of_is_fetched_again),
        WITH(a_build_is_held_until_it_is_the_state_and_no_longer),
        WITH(the_leader_goes_on_writing_meanwhile),
        WITH(a_leader_that_was_restarted_makes_another_snapshot),
        WITH(a_kill_at_any_moment_leaves_the_old_or_the_new_state),
        WITH(a_snapshot_whose_rows_do_not_add_up_is_not_installed),
        WITH(a_full_disk_keeps_the_old_state_and_is_tried_again),
        WITH(a_chunk_that_unpacks_to_more_than_it_says_is_refused),
        WITH(an_offer_whose_sizes_do_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
