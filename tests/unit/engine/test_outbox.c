/* outbox: nothing leaves before the standby has its intent, and what cannot
 * leave is due again. The target is a closed door: whatever reaches the
 * exporter comes back from it. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/engine/outbox.h"
#include "node/engine/pair.h"
#include "tests/lib/folder.h"

#define DEADLINE_MS 20000

struct bench {
    char folder[FOLDER_SIZE];
    struct target_options target;
    struct engine_context engine;
    struct engine_pair pair;
    struct config config;
    struct outbox outbox;
    enum engine_ack ack, ack_later;
    int rests, later; /* after so many rests the other answer is given */
    struct journal_position asked;
    bool paused;
    int64_t last_left; /* intent */
};

/* ---- the port ----------------------------------------------------------- */

static enum engine_ack acked(void *context,
                             const struct journal_position *position)
{
    struct bench *bench = context;
    bench->asked = *position;
    return bench->rests >= bench->later ? bench->ack_later : bench->ack;
}

static bool unprotected(void *context)
{
    return acked(context, &((struct bench *) context)->asked) ==
           ENGINE_ACK_UNPROTECTED;
}

static bool paused(void *context)
{
    return ((struct bench *) context)->paused;
}

static void rest(void *owner, int64_t ms)
{
    struct bench *bench = owner;
    (void) ms;
    bench->rests++;
}

static bool may_export(void *context, struct ts_time deadline)
{
    (void) context;
    (void) deadline;
    return true;
}

/* ---- the bench ---------------------------------------------------------- */

static void exec(struct bench *bench, const char *sql)
{
    struct state *state = &bench->engine.state;
    struct ts_err err = { .code = TS_OK };
    assert_int_equal(state_begin(state, &err), TS_OK);
    if (db_exec(&state->mv->db, sql, &err) != TS_OK ||
        state_commit(state, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
}

static int make(void **state)
{
    static char door[] = "http://127.0.0.1:1/scim";
    static char nowhere[] = "/nowhere";
    struct bench *bench = calloc(1, sizeof *bench);
    struct ts_err err;
    assert_non_null(bench);
    folder_make(bench->folder);
    struct state *s = &bench->engine.state;
    assert_int_equal(state_open(s, bench->folder, 1, &err), TS_OK);
    assert_int_equal(state_build(s, &err), TS_OK);
    assert_int_equal(state_select(s, &err), TS_OK);
    bench->config.target =
        (struct config_target){ .url = door,
                                .token_file = nowhere,
                                .allow_plaintext_loopback = true,
                                .connections_max = 1,
                                .request_timeout_seconds = 1 };
    bench->target =
        (struct target_options){ .config = &bench->config.target,
                                 .gate = { .may_export = may_export },
                                 .cluster = "corp",
                                 .node = "alpha",
                                 .boot_id = "0" };
    assert_int_equal(
        exporter_new(&bench->target, &bench->engine.exporter, &err), TS_OK);
    bench->pair = (struct engine_pair){ .acked = acked,
                                        .unprotected = unprotected,
                                        .paused = paused,
                                        .context = bench };
    bench->engine.pair = &bench->pair;
    bench->engine.config = &bench->config;
    bench->engine.rest = rest;
    bench->engine.owner = bench;
    bench->later = 1000;
    *state = bench;
    return 0;
}

static int done(void **state)
{
    struct bench *bench = *state;
    outbox_done(&bench->outbox);
    exporter_free(bench->engine.exporter);
    state_close(&bench->engine.state);
    folder_remove(bench->folder);
    free(bench);
    return 0;
}

/* A parcel of one write that was marked as sent. */
static void put(struct bench *bench, int64_t id, enum intent_verb verb)
{
    char sql[300];
    (void) snprintf(sql, sizeof sql,
                    "INSERT INTO intent(id, phase, verb, kind, metaverse_id, "
                    "anchor, target_id, before, after, batch, doubt_since) "
                    "VALUES(%lld, 2, %d, 0, %lld, 'a', 't', x'', x'', 3, 1)",
                    (long long) id, (int) verb, (long long) id);
    exec(bench, sql);
    struct export_op *op = export_op_new();
    assert_non_null(op);
    op->intent = (struct intent){ .id = id, .verb = verb };
    op->op = (struct target_op){ .verb = TARGET_READ, .id = ts_slice_str("t") };
    outbox_put(&bench->engine, &bench->outbox, &op, 1);
}

static int64_t in_doubt(struct bench *bench)
{
    struct ts_err err;
    int64_t count = 0;
    assert_int_equal(db_query_int(&bench->engine.state.mv->db,
                                  "SELECT count(*) FROM intent WHERE batch > 0",
                                  &count, &err),
                     TS_OK);
    return count;
}

/* How many have left since it was asked last. */
static size_t left(struct bench *bench)
{
    size_t count = 0;
    while (exporter_pending(bench->engine.exporter) > 0) {
        struct export_op *op = exporter_collect(
            bench->engine.exporter, ts_time_after(ts_time_now(), DEADLINE_MS));
        assert_non_null(op);
        bench->last_left = op->intent.id;
        export_op_free(op);
        count++;
    }
    return count;
}

static enum ts_code flush(struct bench *bench, size_t leave)
{
    struct ts_err err;
    return outbox_flush(&bench->engine, &bench->outbox, leave, &err);
}

/* ---- the claims --------------------------------------------------------- */

static void nothing_leaves_before_the_standby_has_its_intent(void **state)
{
    struct bench *bench = *state;
    bench->ack = ENGINE_ACK_WAIT;
    bench->ack_later = ENGINE_ACK_DURABLE;
    bench->later = 3;
    put(bench, 1, INTENT_UPDATE);
    assert_int_equal(left(bench), 0);
    assert_int_equal(flush(bench, 0), TS_OK);
    assert_int_equal(bench->rests, 3);
    assert_int_equal(left(bench), 1);
    struct journal_position at = journal_position(bench->engine.state.journal);
    assert_int_equal(bench->asked.seq, at.seq);
    assert_int_equal(in_doubt(bench), 1);
}

static void a_node_alone_waits_for_nobody(void **state)
{
    struct bench *bench = *state;
    bench->engine.pair = NULL;
    put(bench, 1, INTENT_UPDATE);
    assert_int_equal(left(bench), 1);
    assert_int_equal(flush(bench, 0), TS_OK);
}

static void the_next_is_composed_while_one_travels(void **state)
{
    struct bench *bench = *state;
    bench->ack = ENGINE_ACK_WAIT;
    put(bench, 1, INTENT_UPDATE);
    assert_int_equal(flush(bench, OUTBOX_PARCELS - 1), TS_OK);
    assert_int_equal(bench->rests, 0);
    put(bench, 2, INTENT_UPDATE);
    assert_int_equal(left(bench), 0);
    bench->ack = ENGINE_ACK_DURABLE;
    assert_int_equal(flush(bench, 0), TS_OK);
    assert_int_equal(left(bench), 2);
    assert_int_equal(bench->last_left, 2);
}

static void a_lost_lease_sends_nothing(void **state)
{
    struct bench *bench = *state;
    bench->ack = ENGINE_ACK_LOST;
    put(bench, 1, INTENT_UPDATE);
    put(bench, 2, INTENT_UPDATE);
    assert_int_equal(flush(bench, 0), TS_E_CANCELLED);
    assert_int_equal(left(bench), 0);
    assert_int_equal(bench->outbox.count, 0);
}

static void a_pause_sends_nothing_and_says_that_it_was_one(void **state)
{
    struct bench *bench = *state;
    struct ts_err err;
    bench->ack = ENGINE_ACK_LOST;
    bench->paused = true;
    put(bench, 1, INTENT_UPDATE);
    assert_int_equal(outbox_flush(&bench->engine, &bench->outbox, 0, &err),
                     TS_E_CANCELLED);
    assert_non_null(strstr(err.text, "twinsync resume"));
    assert_int_equal(left(bench), 0);
}

static void after_leaving_at_once_what_was_to_go_stays_in_doubt(void **state)
{
    struct bench *bench = *state;
    atomic_bool closed = true;
    put(bench, 1, INTENT_UPDATE);
    bench->engine.state.closed = &closed;
    atomic_store(&bench->engine.stopping, true);
    assert_int_equal(flush(bench, 0), TS_E_CANCELLED);
    assert_int_equal(left(bench), 0);
    assert_int_equal(in_doubt(bench), 1);
}

static void what_a_drain_keeps_from_leaving_is_due_again(void **state)
{
    struct bench *bench = *state;
    put(bench, 1, INTENT_UPDATE);
    atomic_store(&bench->engine.stopping, true);
    assert_int_equal(flush(bench, 0), TS_E_CANCELLED);
    assert_int_equal(left(bench), 0);
    assert_int_equal(in_doubt(bench), 0);
}

static void unprotected_exports_go_where_the_policy_says_so(void **state)
{
    struct bench *bench = *state;
    bench->ack = ENGINE_ACK_UNPROTECTED;
    put(bench, 1, INTENT_UPDATE);
    put(bench, 2, INTENT_DELETE);
    assert_int_equal(flush(bench, 0), TS_OK);
    assert_int_equal(left(bench), 2);
}

static void hold_deletes_keeps_deletions_due_until_protected(void **state)
{
    const struct intent deletion = { .verb = INTENT_DELETE };
    const struct intent update = { .verb = INTENT_UPDATE };
    struct bench *bench = *state;
    bench->config.unprotected = CONFIG_UNPROTECTED_HOLD_DELETES;
    bench->ack = ENGINE_ACK_UNPROTECTED;
    put(bench, 1, INTENT_UPDATE);
    put(bench, 2, INTENT_DELETE);
    assert_int_equal(flush(bench, 0), TS_OK);
    assert_int_equal(left(bench), 1);
    assert_int_equal(bench->last_left, 1);
    assert_int_equal(in_doubt(bench), 1);
    assert_true(outbox_keeps_back(&bench->engine, &deletion));
    assert_false(outbox_keeps_back(&bench->engine, &update));
    bench->ack = ENGINE_ACK_DURABLE;
    assert_false(outbox_keeps_back(&bench->engine, &deletion));
}

#define OUTBOX_TEST(f) cmocka_unit_test_setup_teardown(f, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OUTBOX_TEST(nothing_leaves_before_the_standby_has_its_intent),
        OUTBOX_TEST(a_node_alone_waits_for_nobody),
        OUTBOX_TEST(the_next_is_composed_while_one_travels),
        OUTBOX_TEST(a_lost_lease_sends_nothing),
        OUTBOX_TEST(a_pause_sends_nothing_and_says_that_it_was_one),
        OUTBOX_TEST(after_leaving_at_once_what_was_to_go_stays_in_doubt),
        OUTBOX_TEST(what_a_drain_keeps_from_leaving_is_due_again),
        OUTBOX_TEST(unprotected_exports_go_where_the_policy_says_so),
        OUTBOX_TEST(hold_deletes_keeps_deletions_due_until_protected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
