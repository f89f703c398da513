/* hold and approval: what is kept back, what was listed, what may pass. */
#include "tests/lib/test.h"

#include <string.h>

#include "node/metaverse/approval.h"
#include "tests/lib/store.h"

static const struct hold_reason leavers = { .class = HOLD_DELETES };

static struct hold open_hold(struct store *store,
                             const struct hold_reason *reason)
{
    struct hold *holds = NULL;
    size_t count = 0;
    int64_t id = 0;
    struct ts_err err;
    assert_int_equal(hold_open(store->mv, reason, "too many", &id, &err),
                     TS_OK);
    assert_int_equal(
        hold_all(store->mv, id, &store->arena, &holds, &count, &err), TS_OK);
    assert_int_equal(count, 1);
    return holds[0];
}

static void add(struct store *store, const struct hold *hold,
                const char *anchor, enum intent_verb verb, int64_t amount)
{
    struct ts_err err;
    struct hold_item item = { .anchor = ts_slice_str(anchor),
                              .verb = verb,
                              .amount = amount };
    assert_int_equal(hold_add(store->mv, hold->id, &item, &err), TS_OK);
}

static struct hold_list note(struct store *store, const struct hold *hold)
{
    static const struct ts_hash basis = { .bytes = { 1 } };
    struct hold_list list;
    struct ts_err err;
    assert_int_equal(hold_note(store->mv, hold, &basis, &err), TS_OK);
    assert_int_equal(hold_last_list(store->mv, hold->id, &list, &err), TS_OK);
    return list;
}

static size_t listed(struct store *store, const struct hold_list *list)
{
    struct hold_item items[8];
    struct ts_err err;
    size_t count = 8;
    const int64_t all[2] = { 0, list->last_seq };
    assert_int_equal(hold_items(store->mv, list->hold_id, all, &store->arena,
                                items, &count, &err),
                     TS_OK);
    return count;
}

static void one_reason_is_one_hold(void **state)
{
    struct store *store = *state;
    struct hold_reason term = { .class = HOLD_EXITS,
                                .detail = ts_slice_str("mail IS NOT NULL") };
    struct hold first = open_hold(store, &leavers);
    assert_int_equal(open_hold(store, &leavers).id, first.id);
    struct hold other = open_hold(store, &term);
    assert_true(other.id != first.id);
    assert_true(ts_slice_equal(other.reason.detail, term.detail));
    assert_int_equal(other.reason.class, HOLD_EXITS);
    assert_true(ts_slice_equal(other.text, ts_slice_str("too many")));
}

static void what_came_later_is_not_on_the_list(void **state)
{
    struct store *store = *state;
    struct hold hold = open_hold(store, &leavers);
    struct ts_err err;
    struct hold_list found;
    add(store, &hold, "a", INTENT_DELETE, 1);
    add(store, &hold, "b", INTENT_DELETE, 1);
    struct hold_list first = note(store, &hold);
    add(store, &hold, "c", INTENT_DELETE, 1);
    struct hold_list second = note(store, &hold);
    assert_string_not_equal(first.hash, second.hash);
    assert_int_equal(
        hold_list_of(store->mv, ts_slice_str(first.hash), &found, &err), TS_OK);
    assert_int_equal(listed(store, &found), 2);
    assert_int_equal(listed(store, &second), 3);
    assert_int_equal(hold_drop(store->mv, hold.id, 0, ts_slice_str("a"), &err),
                     TS_OK);
    assert_int_equal(listed(store, &found), 1);
    assert_string_equal(note(store, &hold).hash, second.hash);
}

static void under_another_configuration_it_is_another_list(void **state)
{
    struct store *store = *state;
    static const struct ts_hash other = { .bytes = { 2 } };
    struct hold hold = open_hold(store, &leavers);
    struct hold_list then;
    struct hold_list now;
    struct ts_err err;
    add(store, &hold, "a", INTENT_DELETE, 1);
    then = note(store, &hold);
    assert_int_equal(hold_forget_lists(store->mv, hold.id, &err), TS_OK);
    assert_int_equal(hold_note(store->mv, &hold, &other, &err), TS_OK);
    assert_int_equal(hold_last_list(store->mv, hold.id, &now, &err), TS_OK);
    assert_string_not_equal(then.hash, now.hash);
}

static void what_is_there_already_costs_nothing(void **state)
{
    struct store *store = *state;
    struct hold hold = open_hold(store, &leavers);
    add(store, &hold, "a", INTENT_DELETE, 1);
    (void) note(store, &hold);
    int64_t before = store_written(store);
    add(store, &hold, "a", INTENT_DELETE, 1);
    (void) note(store, &hold);
    (void) open_hold(store, &leavers);
    assert_int_equal(store_written(store), before);
}

static void an_item_that_changes_or_grows_is_listed_anew(void **state)
{
    struct store *store = *state;
    struct hold hold = open_hold(store, &leavers);
    add(store, &hold, "a", INTENT_DEACTIVATE, 1);
    add(store, &hold, "group", INTENT_UPDATE, 300);
    struct hold_list first = note(store, &hold);
    add(store, &hold, "group", INTENT_UPDATE, 200);
    assert_int_equal(listed(store, &first), 2);
    add(store, &hold, "a", INTENT_DELETE, 1);
    assert_int_equal(listed(store, &first), 1);
    add(store, &hold, "group", INTENT_UPDATE, 301);
    assert_int_equal(listed(store, &first), 0);
    assert_string_not_equal(note(store, &hold).hash, first.hash);
}

static void an_object_is_kept_back_in_each_of_its_classes(void **state)
{
    struct store *store = *state;
    struct hold_reason keys = { .class = HOLD_KEYS };
    struct hold one = open_hold(store, &leavers);
    struct hold two = open_hold(store, &keys);
    struct ts_err err;
    unsigned classes = 0;
    add(store, &one, "a", INTENT_DELETE, 1);
    add(store, &two, "a", INTENT_UPDATE, 1);
    assert_int_equal(
        hold_classes_of(store->mv, 0, ts_slice_str("a"), &classes, &err),
        TS_OK);
    assert_int_equal(classes, 1 << HOLD_DELETES | 1 << HOLD_KEYS);
    assert_int_equal(
        hold_drop_class(store->mv, HOLD_KEYS, 0, ts_slice_str("a"), &err),
        TS_OK);
    assert_int_equal(
        hold_classes_of(store->mv, 0, ts_slice_str("a"), &classes, &err),
        TS_OK);
    assert_int_equal(classes, 1 << HOLD_DELETES);
}

static void a_hold_goes_with_its_last_item_and_its_lists_with_it(void **state)
{
    struct store *store = *state;
    struct hold hold = open_hold(store, &leavers);
    struct hold_list list;
    struct ts_err err;
    bool open = false;
    add(store, &hold, "a", INTENT_DELETE, 1);
    list = note(store, &hold);
    assert_int_equal(hold_sweep(store->mv, &open, &err), TS_OK);
    assert_true(open);
    assert_int_equal(hold_drop(store->mv, hold.id, 0, ts_slice_str("a"), &err),
                     TS_OK);
    assert_int_equal(hold_sweep(store->mv, &open, &err), TS_OK);
    assert_false(open);
    assert_int_equal(
        hold_list_of(store->mv, ts_slice_str(list.hash), &list, &err),
        TS_E_NOT_FOUND);
    assert_int_equal(store_int(store, "SELECT count(*) FROM hold_list"), 0);
}

/* ---- approvals ------------------------------------------------------------
 */

static int64_t approved(struct store *store, const char *anchor,
                        enum intent_verb verb, enum hold_class class)
{
    struct ts_err err;
    struct approval wanted = { .anchor = ts_slice_str(anchor),
                               .verb = verb,
                               .class = class };
    int64_t amount = -1;
    assert_int_equal(approval_of(store->mv, &wanted, 100, &amount, &err),
                     TS_OK);
    return amount;
}

static struct approval approve(struct store *store, const char *anchor,
                               enum hold_class class, int64_t amount)
{
    struct ts_err err;
    struct approval approval = { .anchor = ts_slice_str(anchor),
                                 .verb = class == HOLD_MEMBERS ? INTENT_UPDATE
                                                               : INTENT_DELETE,
                                 .class = class,
                                 .amount = amount,
                                 .expires_at = 200 };
    assert_int_equal(approval_put(store->mv, &approval, &err), TS_OK);
    return approval;
}

static void an_approval_is_of_one_object_verb_and_class(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct approval done = approve(store, "a", HOLD_DELETES, 1);
    (void) approve(store, "a", HOLD_DELETES, 1);
    assert_int_equal(approved(store, "a", INTENT_DELETE, HOLD_DELETES), 1);
    assert_int_equal(approved(store, "a", INTENT_DEACTIVATE, HOLD_DELETES), 0);
    assert_int_equal(approved(store, "a", INTENT_DELETE, HOLD_EXITS), 0);
    assert_int_equal(approved(store, "b", INTENT_DELETE, HOLD_DELETES), 0);
    assert_int_equal(approval_carried(store->mv, &done, &err), TS_OK);
    assert_int_equal(approved(store, "a", INTENT_DELETE, HOLD_DELETES), 0);
}

static void approved_members_are_used_up_one_by_one(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct approval done = approve(store, "group", HOLD_MEMBERS, 100);
    (void) approve(store, "group", HOLD_MEMBERS, 20);
    assert_int_equal(approved(store, "group", INTENT_UPDATE, HOLD_MEMBERS),
                     120);
    assert_int_equal(approval_carried(store->mv, &done, &err), TS_OK);
    assert_int_equal(approved(store, "group", INTENT_UPDATE, HOLD_MEMBERS), 20);
    assert_int_equal(approval_carried(store->mv, &done, &err), TS_OK);
    assert_int_equal(approved(store, "group", INTENT_UPDATE, HOLD_MEMBERS), 0);
}

static void an_approval_expires(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    (void) approve(store, "a", HOLD_DELETES, 1);
    assert_int_equal(approval_expire(store->mv, 199, &err), TS_OK);
    assert_int_equal(approved(store, "a", INTENT_DELETE, HOLD_DELETES), 1);
    assert_int_equal(approval_expire(store->mv, 200, &err), TS_OK);
    assert_int_equal(approved(store, "a", INTENT_DELETE, HOLD_DELETES), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, store_make, store_remove)
    const struct CMUnitTest tests[] = {
        T(one_reason_is_one_hold),
        T(what_came_later_is_not_on_the_list),
        T(under_another_configuration_it_is_another_list),
        T(what_is_there_already_costs_nothing),
        T(an_item_that_changes_or_grows_is_listed_anew),
        T(an_object_is_kept_back_in_each_of_its_classes),
        T(a_hold_goes_with_its_last_item_and_its_lists_with_it),
        T(an_approval_is_of_one_object_verb_and_class),
        T(approved_members_are_used_up_one_by_one),
        T(an_approval_expires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
