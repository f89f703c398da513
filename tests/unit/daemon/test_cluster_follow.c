/* cluster_follow: work that no thread takes. The threads are replaced by the
 * functions below, which take nothing, as when memory has run out; the machines
 * are the real ones, and must not wait for an answer that never comes. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

/* The engine's own are in the same object as what other tests need. */
#define engine_record  fake_record
#define engine_nudge   fake_nudge
#define engine_apply   fake_apply
#define engine_install fake_install
#define engine_hints   fake_hints

#include "node/daemon/cluster_follow.c"

struct cluster_ship {
    int asked;
    enum ship_type last;
};

static struct bench {
    struct cluster_ship ship;
    struct frame sent; /* the last */
    int applied, installed;
} bench;

void cluster_peer_frame(struct cluster *c, const struct frame *frame)
{
    (void) c;
    bench.sent = *frame;
}

enum ts_code cluster_ship_new(const struct cluster_ship_options *options,
                              struct cluster_ship **ret_ship,
                              struct ts_err *err)
{
    (void) options;
    (void) err;
    *ret_ship = &bench.ship;
    return TS_OK;
}

enum ts_code cluster_ship_open(struct cluster_ship *ship, const char *path)
{
    (void) ship;
    (void) path;
    return TS_OK;
}

enum ts_code cluster_ship_give(struct cluster_ship *ship,
                               const struct ship_job *job)
{
    ship->asked++;
    ship->last = job->type;
    return TS_E_LIMIT;
}

bool cluster_store_call(struct cluster *c, cluster_store_fn *answered,
                        uint64_t number, struct engine_done *ret_done)
{
    (void) c;
    (void) answered;
    (void) number;
    (void) ret_done;
    return false;
}

struct engine_done cluster_store_forget(void)
{
    return (struct engine_done){ .call = NULL };
}

void cluster_feed(struct cluster *c, const struct member_event *event)
{
    (void) c;
    (void) event;
}

void cluster_moved(struct cluster *c, const struct journal_position *position)
{
    (void) c;
    (void) position;
}

void cluster_gate_acked(struct cluster_gate *gate,
                        const struct journal_position *position)
{
    (void) gate;
    (void) position;
}

void fake_record(struct engine *engine, const char *name, const char *actor,
                 json_t *fields, struct engine_done done)
{
    (void) engine;
    (void) name;
    (void) actor;
    (void) done;
    json_decref(fields);
}

void fake_nudge(struct engine *engine)
{
    (void) engine;
}

void fake_apply(struct engine *engine, struct batch *batch,
                struct engine_done done)
{
    (void) engine;
    (void) done;
    batch_free(batch);
    bench.applied++;
}

void fake_install(struct engine *engine, int64_t number, bool keep,
                  struct engine_done done)
{
    (void) engine;
    (void) number;
    (void) keep;
    (void) done;
    bench.installed++;
}

void fake_hints(struct engine *engine, const struct engine_tail *tail,
                struct engine_done done)
{
    (void) engine;
    (void) tail;
    (void) done;
}

/* ---- a follower with a state, whose link is up --------------------------- */

static const struct journal_position here = { .generation = 3,
                                              .epoch = 2,
                                              .seq = 7 };

static struct cluster *cluster;

static int set_up(void **state)
{
    (void) state;
    bench = (struct bench){ .applied = 0 };
    cluster = calloc(1, sizeof *cluster);
    assert_non_null(cluster);
    cluster->leader = leader_new();
    cluster->follower = follower_new();
    cluster->ship = &bench.ship;
    cluster->position = here;
    cluster_follow(cluster,
                   &(struct follower_event){ .type = FOLLOWER_BEGIN,
                                             .epoch = 2,
                                             .nonce = 100,
                                             .position = here,
                                             .wrote = { .epoch = 2 } });
    cluster_follow(
        cluster, &(struct follower_event){ .type = FOLLOWER_LINK, .up = true });
    assert_int_equal(bench.sent.type, FRAME_FOLLOW);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    leader_free(cluster->leader);
    follower_free(cluster->follower);
    free(cluster);
    return 0;
}

static void hear(struct frame *frame)
{
    frame->epoch = 3;
    frame->stream = bench.sent.stream;
    cluster_follow(cluster, &(struct follower_event){ .type = FOLLOWER_FRAME,
                                                      .frame = frame });
}

static enum follower_phase phase(void)
{
    struct follower_figures figures;
    follower_figures(cluster->follower, ts_time_now(), &figures);
    return figures.phase;
}

/* The reactor comes round, and is told to. */
static void tick(void)
{
    struct ts_time now = ts_time_now();
    assert_true(ts_time_reached(now, cluster_follow_deadline(cluster)));
    cluster_follow_tick(cluster, now);
}

static void a_followers_job_that_is_not_taken_is_answered(void **state)
{
    (void) state;
    hear(&(struct frame){ .type = FRAME_DIVERGED,
                          .diverged = { .why = FRAME_UNKNOWN } });
    assert_int_equal(phase(), FOLLOWER_HINTING);
    assert_int_equal(bench.ship.asked, 1);
    tick();
    assert_int_equal(phase(), FOLLOWER_STUCK); /* it tries again, and says so */
    assert_true(follower_deadline(cluster->follower).ms <
                ts_time_after(ts_time_now(), FOLLOWER_RETRY_MS + 1).ms);
}

static void rows_that_the_store_does_not_take_are_answered(void **state)
{
    (void) state;
    const uint8_t bytes[] = { 1, 2, 3 };
    struct frame_piece piece = {
        .item = { .kind = JOURNAL_ROW,
                  .generation = 3,
                  .epoch = 2,
                  .seq = 8,
                  .changeset = ts_slice(bytes, sizeof bytes) },
        .total = sizeof bytes,
    };
    hear(&(struct frame){
        .type = FRAME_ROWS,
        .rows = { .leader = { .generation = 3, .epoch = 2, .seq = 8 },
                  .count = 1,
                  .pieces = &piece } });
    assert_int_equal(phase(), FOLLOWER_STREAMING);
    assert_true(cluster->refused.apply);
    tick();
    assert_int_equal(phase(), FOLLOWER_STUCK);
    assert_int_equal(bench.applied, 0);
}

/* Its folder is not known yet; the jobs are done one after the other. */
static void a_snapshot_that_is_being_begun_is_given_up_at_the_end(void **state)
{
    (void) state;
    const uint8_t hashes[TS_HASH_SIZE] = { 1 };
    hear(&(struct frame){ .type = FRAME_DIVERGED,
                          .diverged = { .why = FRAME_NO_STATE } });
    assert_int_equal(phase(), FOLLOWER_WAITING);
    hear(&(struct frame){
        .type = FRAME_OFFER,
        .offer = { .at = here,
                   .size = 100,
                   .hashes = ts_slice(hashes, sizeof hashes) } });
    assert_int_equal(phase(), FOLLOWER_BEGINNING);
    assert_int_equal(bench.ship.last, SHIP_BEGIN);
    cluster_follow(cluster, &(struct follower_event){ .type = FOLLOWER_END });
    assert_int_equal(bench.ship.last, SHIP_ABANDON);
}

static void a_leaders_job_that_is_not_taken_is_answered(void **state)
{
    (void) state;
    cluster_lead(cluster, &(struct leader_event){ .type = LEADER_BEGIN,
                                                  .epoch = 3,
                                                  .position = here });
    struct frame ask = { .type = FRAME_FOLLOW,
                         .epoch = 2,
                         .stream = 5,
                         .follow = { .at = here, .credit = 1000 } };
    cluster_lead(cluster,
                 &(struct leader_event){ .type = LEADER_FRAME, .frame = &ask });
    assert_int_equal(bench.ship.asked, 1);
    tick();
    assert_int_equal(bench.sent.type, FRAME_REFUSED);
    assert_int_equal(bench.sent.refused.code, TS_E_LIMIT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_followers_job_that_is_not_taken_is_answered),
        TEST(rows_that_the_store_does_not_take_are_answered),
        TEST(a_snapshot_that_is_being_begun_is_given_up_at_the_end),
        TEST(a_leaders_job_that_is_not_taken_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
