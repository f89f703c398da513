/* intent and problem: what is decided, in doubt, refused, and tried again. */
#include "tests/lib/test.h"

#include <string.h>

#include "node/base/time.h"
#include "node/metaverse/intent.h"
#include "node/metaverse/problem.h"
#include "tests/lib/store.h"

static struct intent intent_for(int64_t id, int64_t object)
{
    return (struct intent){ .id = id,
                            .phase = INTENT_USER_CREATE,
                            .verb = INTENT_CREATE,
                            .metaverse_id = object,
                            .anchor = ts_slice_str("anchor"),
                            .target_id = ts_slice_str(""),
                            .clearance = INTENT_CLEARED };
}

static enum ts_code put(struct store *store, int64_t id, int64_t object)
{
    struct ts_err err;
    struct intent intent = intent_for(id, object);
    return intent_put(store->mv, &intent, &err);
}

static size_t in_doubt(struct store *store, struct intent *intents, size_t room)
{
    struct ts_err err;
    assert_int_equal(
        intent_in_doubt(store->mv, 0, &store->arena, intents, &room, &err),
        TS_OK);
    return room;
}

static size_t due(struct store *store, struct intent *intents, size_t room)
{
    struct ts_err err;
    assert_int_equal(intent_due(store->mv, INTENT_USER_CREATE, 0, &store->arena,
                                intents, &room, &err),
                     TS_OK);
    return room;
}

static void an_object_has_one_intent(void **state)
{
    struct store *store = *state;
    struct intent found[4];
    struct ts_err err;
    assert_int_equal(put(store, 1, 7), TS_OK);
    assert_int_not_equal(put(store, 2, 7), TS_OK);
    assert_int_equal(intent_revoke(store->mv, 7, &err), TS_OK);
    assert_int_equal(put(store, 2, 7), TS_OK);
    assert_int_equal(put(store, 3, 8), TS_OK);
    assert_int_equal(due(store, found, 4), 2);
    assert_int_equal(found[0].id, 2);
    assert_int_equal(found[1].id, 3);
}

static void what_was_sent_is_in_doubt_and_not_due(void **state)
{
    struct store *store = *state;
    struct intent found[4];
    struct ts_err err;
    assert_int_equal(put(store, 1, 7), TS_OK);
    assert_int_equal(put(store, 2, 8), TS_OK);
    assert_int_equal(intent_mark_sent(store->mv, 1, 5, &err), TS_OK);
    assert_int_equal(due(store, found, 4), 1);
    assert_int_equal(found[0].id, 2);
    assert_int_equal(in_doubt(store, found, 4), 1);
    assert_int_equal(found[0].id, 1);
    assert_int_equal(found[0].batch, 5);
    assert_true(found[0].doubt_since > 0);
}

static void nothing_is_decided_on_what_is_in_doubt(void **state)
{
    struct store *store = *state;
    struct intent found[4];
    struct ts_err err;
    assert_int_equal(put(store, 1, 7), TS_OK);
    assert_int_equal(intent_mark_sent(store->mv, 1, 5, &err), TS_OK);
    assert_int_equal(intent_revoke(store->mv, 7, &err), TS_OK);
    assert_int_not_equal(put(store, 2, 7), TS_OK);
    assert_int_equal(in_doubt(store, found, 4), 1); /* revoking spares it */
    assert_int_equal(intent_drop(store->mv, 1, &err), TS_OK);
    assert_int_equal(put(store, 2, 7), TS_OK);
}

static void what_did_not_leave_is_due_again(void **state)
{
    struct store *store = *state;
    struct intent found[4];
    struct ts_err err;
    assert_int_equal(put(store, 1, 7), TS_OK);
    assert_int_equal(intent_mark_sent(store->mv, 1, 5, &err), TS_OK);
    assert_int_equal(intent_unsend(store->mv, 1, &err), TS_OK);
    assert_int_equal(in_doubt(store, found, 4), 0);
    assert_int_equal(due(store, found, 4), 1);
}

static void counts_tell_due_from_doubt(void **state)
{
    struct store *store = *state;
    struct intent_counts counts;
    struct ts_err err;
    assert_int_equal(put(store, 1, 7), TS_OK);
    assert_int_equal(put(store, 2, 8), TS_OK);
    assert_int_equal(put(store, 3, 9), TS_OK);
    assert_int_equal(intent_mark_sent(store->mv, 3, 1, &err), TS_OK);
    assert_int_equal(intent_count(store->mv, &counts, &err), TS_OK);
    assert_int_equal(counts.due, 2);
    assert_int_equal(counts.doubt, 1);
    assert_int_equal(counts.by_verb[INTENT_CREATE], 3);
}

/* ---- problems ------------------------------------------------------------
 */

static struct problem refusal(const char *text, uint8_t wanted,
                              int64_t retry_at)
{
    struct problem problem = { .kind = 0,
                               .anchor = ts_slice_str("anchor"),
                               .stage = "export",
                               .path = ts_slice_str("emails"),
                               .text = ts_slice_str(text),
                               .retry_at = retry_at };
    memset(problem.after.bytes, wanted, sizeof problem.after.bytes);
    return problem;
}

static bool blocked(struct store *store, const struct problem *problem)
{
    struct ts_err err;
    bool blocks = false;
    assert_int_equal(problem_blocks(store->mv, 0, ts_slice_str("anchor"),
                                    &problem->after, &blocks, &err),
                     TS_OK);
    return blocks;
}

static void only_what_was_refused_is_blocked_and_only_until_then(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct problem later = refusal("taken", 1, ts_wall_seconds() + 3600);
    struct problem other = refusal("taken", 2, 0);
    struct problem past = refusal("taken", 1, ts_wall_seconds() - 1);
    assert_int_equal(problem_set(store->mv, &later, &err), TS_OK);
    assert_true(blocked(store, &later));
    assert_false(blocked(store, &other));
    assert_int_equal(problem_set(store->mv, &past, &err), TS_OK);
    assert_false(blocked(store, &past));
}

static void a_problem_keeps_its_first_time_and_costs_nothing_again(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct problem problem = refusal("taken", 1, 50);
    assert_int_equal(problem_set(store->mv, &problem, &err), TS_OK);
    store_exec(store, "UPDATE object_error SET first_at = 7");
    int64_t written = store_written(store);
    assert_int_equal(problem_set(store->mv, &problem, &err), TS_OK);
    assert_int_equal(store_written(store), written);
    problem.text = ts_slice_str("still taken");
    assert_int_equal(problem_set(store->mv, &problem, &err), TS_OK);
    assert_int_equal(store_int(store, "SELECT first_at FROM object_error"), 7);
}

static void clearing_a_stage_leaves_the_others(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct problem problem = refusal("taken", 1, 50);
    assert_int_equal(problem_set(store->mv, &problem, &err), TS_OK);
    problem.stage = "rules";
    assert_int_equal(problem_set(store->mv, &problem, &err), TS_OK);
    assert_int_equal(
        problem_clear(store->mv, 0, ts_slice_str("anchor"), "export", &err),
        TS_OK);
    assert_int_equal(store_int(store, "SELECT count(*) FROM object_error WHERE "
                                      "stage = 'rules'"),
                     1);
    assert_int_equal(store_int(store, "SELECT count(*) FROM object_error"), 1);
}

static void what_is_to_be_tried_again_is_made_due_once(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct problem problem = refusal("taken", 1, 50);
    int64_t id = store_project(store, 0, "anchor", 0);
    int64_t next = store->writer.next_change;
    assert_int_equal(problem_set(store->mv, &problem, &err), TS_OK);
    assert_int_equal(problem_retry(store->mv, 49, &next, &err), TS_OK);
    assert_int_equal(next, store->writer.next_change);
    assert_int_equal(problem_retry(store->mv, 50, &next, &err), TS_OK);
    assert_int_equal(next, store->writer.next_change + 1);
    assert_int_equal(store_int(store, "SELECT changed FROM metaverse"),
                     store->writer.next_change);
    assert_int_equal(problem_retry(store->mv, 99, &next, &err), TS_OK);
    assert_int_equal(next, store->writer.next_change + 1);
    assert_true(id > 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, store_make, store_remove)
    const struct CMUnitTest tests[] = {
        T(an_object_has_one_intent),
        T(what_was_sent_is_in_doubt_and_not_due),
        T(nothing_is_decided_on_what_is_in_doubt),
        T(what_did_not_leave_is_due_again),
        T(counts_tell_due_from_doubt),
        T(only_what_was_refused_is_blocked_and_only_until_then),
        T(a_problem_keeps_its_first_time_and_costs_nothing_again),
        T(clearing_a_stage_leaves_the_others),
        T(what_is_to_be_tried_again_is_made_due_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
