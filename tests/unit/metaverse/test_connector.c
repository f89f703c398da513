/* connector: what is written, and what follows a renamed unit. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "tests/lib/store.h"

static struct connector_link link_to(const struct store_key *key)
{
    return (struct connector_link){ .attribute = ts_slice_str("member"),
                                    .key = store_key_bytes(key),
                                    .dn = ts_slice_str("dn") };
}

static void an_unchanged_row_is_not_written(void **state)
{
    struct store *store = *state;
    struct store_key ada = store_key(NULL, "uid=ada");
    struct connector_link link = link_to(&ada);
    struct store_object object = { .anchor = "1",
                                   .rdn = "cn=a",
                                   .text = "x",
                                   .links = &link,
                                   .link_count = 1 };
    int64_t id = 0;
    int64_t again = 0;
    assert_int_equal(store_put(store, &object, &id), CONNECTOR_NEW);
    int64_t written = store_written(store);
    int64_t next = store->writer.next_change;
    assert_int_equal(store_put(store, &object, &again), CONNECTOR_SAME);
    assert_int_equal(store_written(store), written);
    assert_int_equal(store->writer.next_change, next);
    assert_int_equal(again, id);
    object.text = "y";
    assert_int_equal(store_put(store, &object, &again), CONNECTOR_CHANGED);
    assert_int_equal(again, id);
    assert_int_equal(store_written(store), written + 1);
}

static void one_changed_member_costs_one_row(void **state)
{
    enum {
        MEMBERS = 500
    };
    struct store *store = *state;
    static struct store_key keys[MEMBERS + 1];
    static struct connector_link links[MEMBERS + 1];
    for (int i = 0; i <= MEMBERS; i++) {
        /* In order of keys, as a source gives them. */
        memset(keys[i].bytes, 0, sizeof keys[i].bytes);
        keys[i].bytes[0] = (uint8_t) (i / 256);
        keys[i].bytes[1] = (uint8_t) (i % 256);
        links[i] = link_to(&keys[i]);
    }
    struct store_object group = { .anchor = "1",
                                  .rdn = "cn=all",
                                  .text = "x",
                                  .links = links,
                                  .link_count = MEMBERS };
    int64_t id = 0;
    (void) store_put(store, &group, &id);
    int64_t written = store_written(store);
    group.link_count = MEMBERS + 1; /* the last one comes */
    (void) store_put(store, &group, &id);
    assert_int_equal(store_written(store), written + 2); /* it, and the row */
    group.links = links + 1; /* the first one goes */
    group.link_count = MEMBERS;
    (void) store_put(store, &group, &id);
    assert_int_equal(store_written(store), written + 4);
    assert_int_equal(store_int(store, "SELECT count(*) FROM source_link"),
                     MEMBERS);
}

static struct connector_object get(struct store *store, int64_t id)
{
    struct connector_object object;
    struct ts_err err;
    assert_int_equal(connector_get(store->mv, id, &store->arena, &object, &err),
                     TS_OK);
    return object;
}

static void descendants_follow_a_renamed_unit(void **state)
{
    struct store *store = *state;
    struct store_key old_unit = store_key(NULL, "ou=old");
    struct store_key old_below = store_key(&old_unit, "ou=below");
    struct store_object unit = { .anchor = "u", .rdn = "ou=old", .text = "" };
    struct store_object below = {
        .anchor = "b", .rdn = "ou=below", .parent = &old_unit, .text = ""
    };
    struct store_object ada = {
        .anchor = "a", .rdn = "uid=ada", .parent = &old_below, .text = ""
    };
    struct store_object bob = { .anchor = "o", .rdn = "uid=bob", .text = "" };
    int64_t unit_id = 0;
    int64_t id = 0;
    int64_t ada_id = 0;
    int64_t bob_id = 0;
    (void) store_put(store, &unit, &unit_id);
    (void) store_put(store, &below, &id);
    (void) store_put(store, &ada, &ada_id);
    (void) store_put(store, &bob, &bob_id);
    int64_t before = store->writer.next_change;
    int64_t bob_changed = get(store, bob_id).changed;

    unit.rdn = "ou=new";
    (void) store_put(store, &unit, &unit_id);

    struct store_key new_unit = store_key(NULL, "ou=new");
    struct store_key new_below = store_key(&new_unit, "ou=below");
    struct store_key new_ada = store_key(&new_below, "uid=ada");
    struct connector_object now = get(store, ada_id);
    assert_memory_equal(now.key.data, new_ada.bytes, sizeof new_ada.bytes);
    assert_memory_equal(now.parent.data, new_below.bytes,
                        sizeof new_below.bytes);
    assert_true(now.changed >= before); /* due: its DN is another */
    assert_int_equal(get(store, bob_id).changed, bob_changed);
}

/* A unit, a unit below it, a person below both, and one beside. */
struct tree {
    struct store_key unit_key, below_key;
    struct store_object unit, below, ada, bob;
    int64_t unit_id, below_id, ada_id, bob_id;
};

static void plant(struct store *store, struct tree *tree)
{
    *tree = (struct tree){
        .unit = { .anchor = "u", .rdn = "ou=unit", .text = "" },
        .ada = { .anchor = "a", .rdn = "uid=ada", .text = "" },
        .below = { .anchor = "b", .rdn = "ou=below", .text = "" },
        .bob = { .anchor = "o", .rdn = "uid=bob", .text = "" },
    };
    tree->unit_key = store_key(NULL, "ou=unit");
    tree->below_key = store_key(&tree->unit_key, "ou=below");
    tree->below.parent = &tree->unit_key;
    tree->ada.parent = &tree->below_key;
    (void) store_put(store, &tree->below, &tree->below_id);
    (void) store_put(store, &tree->ada, &tree->ada_id);
    (void) store_put(store, &tree->bob, &tree->bob_id);
}

/* Which of ada and bob became due since; then everything is done with. */
static int due_since(struct store *store, const struct tree *tree,
                     int64_t *since)
{
    int due = (get(store, tree->ada_id).changed >= *since) +
              2 * (get(store, tree->bob_id).changed >= *since);
    *since = store->writer.next_change;
    return due;
}

static void what_is_below_is_due_when_an_ancestor_comes_or_goes(void **state)
{
    struct store *store = *state;
    struct tree tree;
    struct ts_err err;
    plant(store, &tree);
    store->writer.places = true;
    int64_t since = store->writer.next_change;
    (void) store_put(store, &tree.unit, &tree.unit_id);
    assert_int_equal(due_since(store, &tree, &since), 1);
    tree.unit.text = "described"; /* where they are is as before */
    (void) store_put(store, &tree.unit, &tree.unit_id);
    assert_int_equal(due_since(store, &tree, &since), 0);
    assert_int_equal(connector_mark_gone(&store->writer, tree.unit_id, &err),
                     TS_OK);
    assert_int_equal(due_since(store, &tree, &since), 1);
    (void) store_put(store, &tree.unit, &tree.unit_id);
    assert_int_equal(due_since(store, &tree, &since), 1);
}

static void what_is_below_is_not_looked_at_when_no_rule_asks(void **state)
{
    struct store *store = *state;
    struct tree tree;
    struct ts_err err;
    plant(store, &tree);
    int64_t since = store->writer.next_change;
    (void) store_put(store, &tree.unit, &tree.unit_id);
    assert_int_equal(connector_mark_gone(&store->writer, tree.unit_id, &err),
                     TS_OK);
    assert_int_equal(due_since(store, &tree, &since), 0);
}

static void who_waits_below_a_name_is_due_when_a_unit_takes_it(void **state)
{
    struct store *store = *state;
    struct tree tree;
    plant(store, &tree);
    store->writer.places = true;
    tree.unit.rdn = "ou=other";
    (void) store_put(store, &tree.unit, &tree.unit_id);
    int64_t since = store->writer.next_change;
    tree.unit.rdn = "ou=unit";
    (void) store_put(store, &tree.unit, &tree.unit_id);
    assert_int_equal(due_since(store, &tree, &since), 1);
}

struct met {
    int count;
    int64_t other;
    char was[8], is[8];
};

static void on_meeting(void *context, int64_t other, struct ts_slice was,
                       struct ts_slice is)
{
    struct met *met = context;
    met->count++;
    met->other = other;
    (void) snprintf(met->was, sizeof met->was, "%.*s", TS_SLICE_ARGS(was));
    (void) snprintf(met->is, sizeof met->is, "%.*s", TS_SLICE_ARGS(is));
}

static void a_new_anchor_with_the_dn_of_another_is_told(void **state)
{
    struct store *store = *state;
    struct met met = { .count = 0 };
    struct store_object ada = { .anchor = "a", .rdn = "uid=ada", .text = "" };
    struct store_object new = { .anchor = "n", .rdn = "uid=ada", .text = "" };
    struct ts_err err;
    int64_t ada_id = 0;
    int64_t id = 0;
    store->writer.on_same_dn = on_meeting;
    store->writer.same_dn_context = &met;
    (void) store_put(store, &ada, &ada_id);
    assert_int_equal(met.count, 0);
    assert_int_equal(connector_mark_gone(&store->writer, ada_id, &err), TS_OK);
    (void) store_put(store, &new, &id);
    assert_int_equal(met.count, 1);
    assert_int_equal(met.other, ada_id);
    assert_string_equal(met.was, "a");
    assert_string_equal(met.is, "n");
}

static void what_is_above_is_told_from_the_parent_up(void **state)
{
    struct store *store = *state;
    struct store_key top = store_key(NULL, "dc=org");
    struct store_key unit = store_key(&top, "ou=unit");
    struct store_object objects[] = {
        { .anchor = "t", .rdn = "dc=org", .text = "" },
        { .anchor = "u", .rdn = "ou=unit", .parent = &top, .text = "" },
        { .anchor = "a", .rdn = "uid=ada", .parent = &unit, .text = "" },
    };
    int64_t ids[3];
    for (size_t i = 0; i < 3; i++) {
        (void) store_put(store, &objects[i], &ids[i]);
    }
    struct connector_object ada = get(store, ids[2]);
    struct connector_ancestor above[8];
    size_t count = 8;
    struct ts_err err;
    assert_int_equal(
        connector_above(store->mv, &ada, &store->arena, above, &count, &err),
        TS_OK);
    assert_int_equal(count, 2);
    assert_true(ts_slice_equal(above[0].anchor, ts_slice_str("u")));
    assert_true(ts_slice_equal(above[1].rdn, ts_slice_str("dc=org")));

    /* A gap ends the list; another source's entry does not fill it. */
    assert_int_equal(connector_mark_gone(&store->writer, ids[1], &err), TS_OK);
    store->writer.source_id = 2;
    (void) store_put(store, &objects[1], &ids[1]);
    count = 8;
    assert_int_equal(
        connector_above(store->mv, &ada, &store->arena, above, &count, &err),
        TS_OK);
    assert_int_equal(count, 0);
}

static void due_are_those_changed_after_in_order(void **state)
{
    struct store *store = *state;
    struct connector_object due[8];
    struct ts_err err;
    int64_t ids[4];
    for (int i = 0; i < 4; i++) {
        char name[8];
        (void) snprintf(name, sizeof name, "%d", i);
        struct store_object object = { .anchor = name,
                                       .rdn = name,
                                       .text = "" };
        (void) store_put(store, &object, &ids[i]);
    }
    int64_t after = get(store, ids[1]).changed;
    assert_int_equal(connector_mark_gone(&store->writer, ids[0], &err), TS_OK);
    size_t count = 2;
    assert_int_equal(
        connector_due(store->mv, after, &store->arena, due, &count, &err),
        TS_OK);
    assert_int_equal(count, 2);
    assert_int_equal(due[0].id, ids[2]);
    assert_int_equal(due[1].id, ids[3]);
    count = 8;
    assert_int_equal(connector_due(store->mv, due[1].changed, &store->arena,
                                   due, &count, &err),
                     TS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(due[0].id, ids[0]);
    assert_true(due[0].gone);
}

static void one_that_returns_is_the_same_object(void **state)
{
    struct store *store = *state;
    struct store_object object = { .anchor = "1", .rdn = "cn=a", .text = "x" };
    struct ts_err err;
    int64_t id = 0;
    int64_t again = 0;
    (void) store_put(store, &object, &id);
    assert_int_equal(connector_mark_gone(&store->writer, id, &err), TS_OK);
    assert_int_equal(store_put(store, &object, &again), CONNECTOR_CHANGED);
    assert_int_equal(again, id);
    assert_false(get(store, id).gone);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, store_make, store_remove)
    const struct CMUnitTest tests[] = {
        T(an_unchanged_row_is_not_written),
        T(one_changed_member_costs_one_row),
        T(descendants_follow_a_renamed_unit),
        T(what_is_below_is_due_when_an_ancestor_comes_or_goes),
        T(what_is_below_is_not_looked_at_when_no_rule_asks),
        T(who_waits_below_a_name_is_due_when_a_unit_takes_it),
        T(a_new_anchor_with_the_dn_of_another_is_told),
        T(what_is_above_is_told_from_the_parent_up),
        T(due_are_those_changed_after_in_order),
        T(one_that_returns_is_the_same_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
