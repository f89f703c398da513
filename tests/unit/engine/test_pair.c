/* The engine as one half of a pair: what a standby does and does not, and what
 * a takeover makes of the state that it finds. */
#include "tests/lib/test.h"

#include <poll.h>

#include "node/engine/inherit.h"
#include "tests/lib/pairing.h"

#define SEQ "SELECT max(seq) FROM journal"

static const struct engine_activation plain = { .epoch = 7 };

/* An object in doubt, sent with batch `batch`. */
#define IN_DOUBT(id, batch)                                                    \
    "INSERT INTO metaverse(id, kind, anchor, presence, packed, once, "         \
    "changed) VALUES(" #id ", 0, 'a" #id "', 0, x'', x'', 0);"                 \
    "INSERT INTO intent(id, phase, verb, kind, metaverse_id, anchor, "         \
    "target_id, before, after, batch, doubt_since) VALUES(" #id                \
    ", 2, 1, 0, " #id ", 'a" #id "', 't', zeroblob(32), zeroblob(32), " #batch \
    ", 1);"

/* ---- standby ------------------------------------------------------------- */

static void a_standby_writes_no_row_of_its_own(void **state)
{
    struct pairing *p = *state;
    char text[512];
    int64_t before = pairing_int(p, SEQ);
    pairing_start(p);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pairing_ask(p, "errors", json_object(), text), 0);
    }
    pairing_stop(p);
    assert_int_equal(pairing_int(p, SEQ), before);
    assert_int_equal(p->committed, 0);
}

static void
a_standby_refuses_what_writes_and_names_the_active_node(void **state)
{
    static const char *const writing[] = { "sync", "preview", "retry",
                                           "reanchor" };
    struct pairing *p = *state;
    char text[512];
    pairing_start(p);
    engine_publish(p->engine, "standby", "beta", NULL);
    for (size_t i = 0; i < sizeof writing / sizeof writing[0]; i++) {
        assert_int_equal(pairing_ask(p, writing[i], json_object(), text), 3);
        assert_non_null(strstr(text, "\"beta\" exports"));
    }
}

static void a_standby_answers_what_only_reads(void **state)
{
    static const char *const reading[] = {
        "errors", "hold-list", "history", "events", "events-verify", "verify"
    };
    struct pairing *p = *state;
    char text[512];
    pairing_start(p);
    for (size_t i = 0; i < sizeof reading / sizeof reading[0]; i++) {
        assert_int_equal(pairing_ask(p, reading[i], json_object(), text), 0);
    }
}

static void status_shows_what_the_pair_publishes(void **state)
{
    struct pairing *p = *state;
    char text[512];
    pairing_start(p);
    engine_publish(p->engine, "fencing", "beta",
                   json_pack("{s:{s:s}, s:{s:i}}", "lease", "holder", "beta",
                             "replication", "lag_ms", 77));
    (void) pairing_ask(p, "status", json_object(), text);
    assert_non_null(strstr(text, "\"role\":\"fencing\""));
    assert_non_null(strstr(text, "\"holder\":\"beta\""));
}

/* ---- taking over ----------------------------------------------------------
 */

static void taking_over_raises_the_epoch_of_the_journal(void **state)
{
    struct pairing *p = *state;
    pairing_start(p);
    assert_int_equal(pairing_activate(p, &plain), TS_OK);
    assert_int_equal(p->last.epoch, 7);
    assert_int_equal(pairing_deactivate(p), TS_OK);
    pairing_stop(p);
    assert_int_equal(pairing_int(p, "SELECT max(epoch) FROM lineage"), 7);
}

static void a_lower_epoch_is_refused(void **state)
{
    struct pairing *p = *state;
    struct engine_activation lower = { .epoch = 6 };
    pairing_start(p);
    assert_int_equal(pairing_activate(p, &plain), TS_OK);
    assert_int_equal(pairing_activate(p, &plain), TS_E_CONFLICT);
    assert_int_equal(pairing_deactivate(p), TS_OK);
    assert_int_equal(pairing_activate(p, &lower), TS_E_REFUSED);
}

static void after_leaving_at_once_nothing_is_written(void **state)
{
    struct pairing *p = *state;
    char text[512];
    pairing_start(p);
    assert_int_equal(pairing_activate(p, &plain), TS_OK);
    assert_int_equal(pairing_deactivate(p), TS_OK);
    int committed = p->committed;
    int64_t before = pairing_int(p, SEQ);
    assert_int_equal(pairing_ask(p, "sync", json_object(), text), 3);
    pairing_stop(p);
    assert_int_equal(pairing_int(p, SEQ), before);
    assert_int_equal(p->committed, committed);
}

static void it_can_take_over_again_and_again(void **state)
{
    struct pairing *p = *state;
    pairing_start(p);
    for (int64_t epoch = 2; epoch < 6; epoch++) {
        struct engine_activation next = { .epoch = epoch };
        assert_int_equal(pairing_activate(p, &next), TS_OK);
        assert_int_equal(pairing_deactivate(p), TS_OK);
    }
}

static void who_wrote_last_is_known_after_a_restart(void **state)
{
    struct pairing *p = *state;
    struct engine_facts facts;
    char boot[33];
    pairing_start(p);
    engine_facts(p->engine, &facts);
    assert_int_equal(facts.wrote_epoch, 0);
    (void) memcpy(boot, facts.boot, sizeof boot);
    assert_int_equal(pairing_activate(p, &plain), TS_OK);
    pairing_stop(p);
    pairing_start(p);
    engine_facts(p->engine, &facts);
    assert_int_equal(facts.wrote_epoch, 7);
    assert_string_equal(facts.wrote_boot, boot);
    assert_string_not_equal(facts.boot, boot);
    assert_int_equal(facts.epoch, 7);
}

static void the_guards_windows_go_on_after_a_takeover(void **state)
{
    struct pairing *p = *state;
    pairing_exec(p, "INSERT INTO spent(class, kind, subject, hour, amount) "
                    "VALUES(1, 0, '', 500000, 44)");
    pairing_start(p);
    assert_int_equal(pairing_activate(p, &plain), TS_OK);
    pairing_stop(p);
    assert_int_equal(pairing_int(p, "SELECT sum(amount) FROM spent"), 44);
}

static void reconcile_first_outlives_crash_and_takeover(void **state)
{
    static const char sql[] =
        "SELECT count(*) FROM setting WHERE name = 'reconcile-first' AND value "
        "= x'0000000000000001'";
    struct pairing *p = *state;
    struct engine_activation behind = { .epoch = 7, .reconcile_first = true };
    struct engine_activation later = { .epoch = 8 };
    pairing_start(p);
    assert_int_equal(pairing_activate(p, &behind), TS_OK);
    pairing_stop(p);
    assert_int_equal(pairing_int(p, sql), 1);
    pairing_start(p);
    assert_int_equal(pairing_activate(p, &later), TS_OK);
    pairing_stop(p);
    assert_int_equal(pairing_int(p, sql), 1);
}

static void who_accepts_data_loss_has_deletions_held_instead(void **state)
{
    struct pairing *p = *state;
    struct engine_activation forced = { .epoch = 7,
                                        .reconcile_first = true,
                                        .accept_data_loss = true };
    pairing_start(p);
    assert_int_equal(pairing_activate(p, &forced), TS_OK);
    pairing_stop(p);
    assert_int_equal(
        pairing_int(p, "SELECT count(*) FROM setting WHERE name = "
                       "'reconcile-first' AND value = x'0000000000000002'"),
        1);
}

/* ---- in flight at two crashes ----------------------------------------------
 */

#define QUARANTINED \
    "SELECT count(*) FROM object_error WHERE stage = '" INHERIT_STAGE "'"

static void crash_and_take_over(struct pairing *p, int64_t epoch)
{
    struct engine_activation crashed = { .epoch = epoch, .crashed = true };
    pairing_start(p);
    assert_int_equal(pairing_activate(p, &crashed), TS_OK);
    pairing_stop(p);
}

static void an_object_in_flight_at_two_crashes_is_quarantined(void **state)
{
    struct pairing *p = *state;
    pairing_exec(p, IN_DOUBT(1, 6) IN_DOUBT(2, 6));
    crash_and_take_over(p, 7);
    assert_int_equal(pairing_int(p, QUARANTINED), 0);
    /* The new holder settled one, sent the other again, and crashed too. */
    pairing_exec(p, "DELETE FROM intent WHERE id = 2;"
                    "UPDATE counter SET value = 9 WHERE name = 'batch';"
                    "UPDATE intent SET batch = 9;" IN_DOUBT(3, 9));
    crash_and_take_over(p, 8);
    assert_int_equal(pairing_int(p, QUARANTINED), 1);
    assert_int_equal(pairing_int(p, "SELECT anchor = 'a1' FROM object_error"),
                     1);
    /* It stays in doubt: nothing was decided about it. */
    assert_int_equal(pairing_int(p, "SELECT count(*) FROM intent WHERE id = 1"),
                     1);
}

static void what_only_waits_for_its_look_was_not_in_flight(void **state)
{
    struct pairing *p = *state;
    pairing_exec(p, IN_DOUBT(1, 5)); /* 5 is the last that was drawn */
    crash_and_take_over(p, 7);
    pairing_exec(p, "UPDATE counter SET value = 9 WHERE name = 'batch'");
    crash_and_take_over(p, 8);
    assert_int_equal(pairing_int(p, QUARANTINED), 0);
}

static void a_handover_is_no_crash(void **state)
{
    struct pairing *p = *state;
    pairing_exec(p, IN_DOUBT(1, 6));
    crash_and_take_over(p, 7);
    pairing_exec(p, "UPDATE intent SET batch = 9");
    pairing_start(p);
    struct engine_activation planned = { .epoch = 8 };
    assert_int_equal(pairing_activate(p, &planned), TS_OK);
    pairing_stop(p);
    assert_int_equal(pairing_int(p, QUARANTINED), 0);
}

static void an_operator_can_retry_what_was_quarantined(void **state)
{
    struct pairing *p = *state;
    struct engine_activation next = { .epoch = 9 };
    char text[512];
    pairing_exec(p, IN_DOUBT(1, 6));
    crash_and_take_over(p, 7);
    pairing_exec(p, "UPDATE counter SET value = 9 WHERE name = 'batch';"
                    "UPDATE intent SET batch = 9");
    crash_and_take_over(p, 8);
    assert_int_equal(pairing_int(p, QUARANTINED), 1);
    pairing_start(p);
    assert_int_equal(pairing_activate(p, &next), TS_OK);
    assert_int_equal(pairing_ask(p, "retry", json_object(), text), 0);
    assert_non_null(strstr(text, "\"retried\":1"));
    pairing_stop(p);
    assert_int_equal(pairing_int(p, QUARANTINED), 0);
}

/* ---- hints ------------------------------------------------------------------
 */

static void hints_make_objects_due_and_change_nothing_else(void **state)
{
    const struct engine_hint hints[] = {
        { .kind = 0, .anchor = ts_slice_str("a1") },
        { .kind = 0, .anchor = ts_slice_str("nobody") }
    };
    const struct engine_tail tail = { .hints = hints, .count = 2 };
    struct pairing *p = *state;
    struct pairing_answer answer;
    pairing_exec(p, IN_DOUBT(1, 6) IN_DOUBT(2, 6));
    pairing_start(p);
    engine_hints(p->engine, &tail, pairing_done(p, &answer));
    assert_int_equal(pairing_await(&answer), TS_E_REFUSED);
    assert_int_equal(pairing_activate(p, &plain), TS_OK);
    engine_hints(p->engine, &tail, pairing_done(p, &answer));
    assert_int_equal(pairing_await(&answer), TS_OK);
    pairing_stop(p);
    assert_int_equal(
        pairing_int(p, "SELECT changed > 0 FROM metaverse WHERE id = 1"), 1);
    assert_int_equal(
        pairing_int(p, "SELECT changed FROM metaverse WHERE id = 2"), 0);
    assert_int_equal(pairing_int(p, "SELECT count(*) FROM intent"), 2);
}

static void only_who_exports_brings_the_state_to_a_new_level(void **state)
{
    struct pairing *p = *state;
    struct pairing_answer answer;
    pairing_start(p);
    engine_finalize(p->engine, 3, pairing_done(p, &answer));
    assert_int_equal(pairing_await(&answer), TS_E_REFUSED);
    assert_int_equal(pairing_activate(p, &plain), TS_OK);
    engine_finalize(p->engine, 3, pairing_done(p, &answer));
    assert_int_equal(pairing_await(&answer), TS_E_VERSION);
    pairing_stop(p);
    assert_int_equal(pairing_int(p, "PRAGMA user_version"), 2);
}

/* ---- this node's own file
 * ----------------------------------------------------- */

static void what_was_persisted_is_there_after_a_restart(void **state)
{
    static const uint8_t bytes[] = { 0, 255, 'x', 0, 17 };
    struct pairing *p = *state;
    struct pairing_answer answer;
    struct engine_facts facts;
    pairing_start(p);
    engine_facts(p->engine, &facts);
    assert_int_equal(facts.facts.size, 0);
    engine_persist(p->engine, ts_slice(bytes, sizeof bytes), 12,
                   pairing_done(p, &answer));
    assert_int_equal(pairing_await(&answer), TS_OK);
    pairing_stop(p);
    pairing_start(p);
    engine_facts(p->engine, &facts);
    assert_int_equal(facts.epoch, 12);
    assert_int_equal(facts.facts.size, sizeof bytes);
    assert_memory_equal(facts.facts.data, bytes, sizeof bytes);
}

static void every_call_is_answered_at_stop(void **state)
{
    struct pairing *p = *state;
    struct pairing_answer answers[40];
    pairing_start(p);
    for (size_t i = 0; i < 40; i += 2) {
        engine_deactivate(p->engine, ENGINE_LEAVE_DRAINED,
                          pairing_done(p, &answers[i]));
        engine_record(p->engine, "takeover", "daemon", json_object(),
                      pairing_done(p, &answers[i + 1]));
    }
    pairing_stop(p);
    assert_int_equal(p->answers, 40);
}

static void a_call_after_the_end_is_answered_too(void **state)
{
    struct pairing *p = *state;
    struct pairing_answer answer;
    struct ts_err err;
    pairing_start(p);
    engine_stop(p->engine);
    struct pollfd end = { .fd = engine_event_fd(p->engine), .events = POLLIN };
    assert_int_equal(poll(&end, 1, 20000), 1);
    assert_true(engine_ended(p->engine, &err));
    engine_record(p->engine, "takeover", "daemon", json_object(),
                  pairing_done(p, &answer));
    assert_true(answer.came);
    assert_int_equal(answer.code, TS_E_CANCELLED);
}

static void closed_doors_are_told_by_their_gates(void **state)
{
    struct pairing *p = *state;
    struct pairing_answer answer;
    pairing_start(p);
    engine_probe(p->engine, pairing_done(p, &answer));
    assert_int_equal(pairing_await(&answer), TS_OK);
    assert_false(answer.gates[ENGINE_GATE_SOURCE].ok);
    assert_non_null(strstr(answer.gates[ENGINE_GATE_SOURCE].text, "hq"));
    assert_false(answer.gates[ENGINE_GATE_TARGET].ok);
    assert_true(answer.gates[ENGINE_GATE_DISK].ok);
    assert_true(answer.gates[ENGINE_GATE_STATE].ok);
}

#define PAIR_TEST(f) \
    cmocka_unit_test_setup_teardown(f, pairing_make, pairing_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(a_standby_writes_no_row_of_its_own),
        PAIR_TEST(a_standby_refuses_what_writes_and_names_the_active_node),
        PAIR_TEST(a_standby_answers_what_only_reads),
        PAIR_TEST(status_shows_what_the_pair_publishes),
        PAIR_TEST(taking_over_raises_the_epoch_of_the_journal),
        PAIR_TEST(a_lower_epoch_is_refused),
        PAIR_TEST(after_leaving_at_once_nothing_is_written),
        PAIR_TEST(it_can_take_over_again_and_again),
        PAIR_TEST(who_wrote_last_is_known_after_a_restart),
        PAIR_TEST(the_guards_windows_go_on_after_a_takeover),
        PAIR_TEST(reconcile_first_outlives_crash_and_takeover),
        PAIR_TEST(who_accepts_data_loss_has_deletions_held_instead),
        PAIR_TEST(an_object_in_flight_at_two_crashes_is_quarantined),
        PAIR_TEST(what_only_waits_for_its_look_was_not_in_flight),
        PAIR_TEST(a_handover_is_no_crash),
        PAIR_TEST(an_operator_can_retry_what_was_quarantined),
        PAIR_TEST(hints_make_objects_due_and_change_nothing_else),
        PAIR_TEST(only_who_exports_brings_the_state_to_a_new_level),
        PAIR_TEST(what_was_persisted_is_there_after_a_restart),
        PAIR_TEST(every_call_is_answered_at_stop),
        PAIR_TEST(a_call_after_the_end_is_answered_too),
        PAIR_TEST(closed_doors_are_told_by_their_gates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
