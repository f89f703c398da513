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
        T(what_is_above_is_told_from_the_parent_up),
        T(due_are_those_changed_after_in_order),
        T(one_that_returns_is_the_same_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
