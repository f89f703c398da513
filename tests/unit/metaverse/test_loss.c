/* loss: what is noted, what is confirmed, and how it heals. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "node/metaverse/loss.h"
#include "proto/entry_codec.h"
#include "tests/lib/store.h"

enum {
    PEOPLE = 20
};

static const char *const attributes[] = { "cn", "mail", "title" };
static const char *const references[] = { "member" };

struct fixture {
    struct store *store;
    struct loss_watch watch;
};

static int begin(void **state)
{
    static struct fixture fixture;
    void *store = NULL;
    struct ts_err err;
    assert_int_equal(store_make(&store), 0);
    fixture.store = store;
    fixture.watch = (struct loss_watch){ .attributes = attributes,
                                         .attribute_count = 3,
                                         .references = references,
                                         .reference_count = 1 };
    assert_int_equal(loss_watch(&fixture.watch, fixture.store->mv, &err),
                     TS_OK);
    fixture.store->writer.watch = &fixture.watch;
    store_exec(fixture.store, "INSERT INTO source VALUES(1, 'corp', x'', x'', "
                              "0, 0)");
    *state = &fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    void *store = fixture->store;
    loss_watch_done(&fixture->watch);
    return store_remove(&store);
}

/* Store person `n` with those attributes (names, in order, ended by NULL) and
 * one member, or none. */
static int64_t put(struct fixture *fixture, int n, const char *const *names,
                   bool member)
{
    struct ts_attribute list[8];
    struct ts_slice value = ts_slice_str("v");
    struct ts_entry entry = { .attributes = list };
    for (; names[entry.count] != NULL; entry.count++) {
        list[entry.count] =
            (struct ts_attribute){ .name = ts_slice_str(names[entry.count]),
                                   .kind = TS_KIND_TEXT,
                                   .value_count = 1,
                                   .values = &value };
    }
    char anchor[32];
    struct ts_err err;
    struct ts_slice packed;
    (void) snprintf(anchor, sizeof anchor, "a%d", n);
    assert_int_equal(entry_pack(&entry, &fixture->store->arena, &packed, &err),
                     TS_OK);
    struct store_key key = store_key(NULL, anchor);
    struct store_key root = { { 0 } };
    struct connector_link link = { .attribute = ts_slice_str("member"),
                                   .key = store_key_bytes(&key),
                                   .dn = ts_slice_str("dn") };
    struct ts_hash hash = ts_hash_of(packed);
    hash.bytes[0] ^= member ? 1 : 0;
    struct connector_row row = {
        .anchor = ts_slice_str(anchor),
        .key = store_key_bytes(&key),
        .parent = store_key_bytes(&root),
        .rdn = ts_slice_str(anchor),
        .packed = packed,
        .hash = ts_slice(hash.bytes, sizeof hash.bytes),
        .links = &link,
        .link_count = member ? 1 : 0,
    };
    enum connector_change change;
    int64_t id = 0;
    assert_int_equal(
        connector_put(&fixture->store->writer, &row, &id, &change, &err),
        TS_OK);
    return id;
}

static const char *const all[] = { "cn", "mail", "title", NULL };
static const char *const no_mail[] = { "cn", "title", NULL };

/* People with everything, joined. */
static void fill(struct fixture *fixture)
{
    for (int n = 0; n < PEOPLE; n++) {
        char anchor[32];
        (void) snprintf(anchor, sizeof anchor, "a%d", n);
        (void) store_project(fixture->store, 0, anchor,
                             put(fixture, n, all, true));
    }
}

static void lose_mail(struct fixture *fixture, int count)
{
    for (int n = 0; n < count; n++) {
        (void) put(fixture, n, no_mail, true);
    }
}

static void conclude(struct fixture *fixture)
{
    struct ts_err err;
    struct loss_limit limit = { .source_id = 1,
                                .always_allowed = 2,
                                .percent = 20 };
    assert_int_equal(loss_conclude(fixture->store->mv, &limit, &err), TS_OK);
}

static int64_t noted(struct fixture *fixture)
{
    return store_int(fixture->store, "SELECT count(*) FROM lost_attribute");
}

static int64_t confirmed(struct fixture *fixture)
{
    return store_int(fixture->store,
                     "SELECT count(*) FROM lost_attribute WHERE confirmed = 1");
}

static void only_joined_objects_can_lose(void **state)
{
    struct fixture *fixture = *state;
    (void) put(fixture, 0, all, true);
    (void) put(fixture, 0, no_mail, false);
    assert_int_equal(noted(fixture), 0);
}

static void a_value_and_all_links_of_an_attribute_are_noted(void **state)
{
    struct fixture *fixture = *state;
    static const char *const other[] = { "cn", "mail", NULL };
    fill(fixture);
    (void) put(fixture, 3, other, true);
    (void) put(fixture, 4, all, false);
    assert_int_equal(noted(fixture), 2);
    assert_int_equal(
        store_int(fixture->store,
                  "SELECT count(*) FROM lost_attribute l JOIN source_object s "
                  "ON s.id = l.object_id JOIN metaverse m ON m.id = "
                  "l.metaverse_id AND m.anchor = s.anchor WHERE (s.anchor, "
                  "l.attribute, l.confirmed) IN (VALUES('a3', 'title', 0), "
                  "('a4', 'member', 0))"),
        2);
}

static void what_is_no_longer_asked_for_is_not_missed(void **state)
{
    struct fixture *fixture = *state;
    static const char *const fewer[] = { "cn", "title" };
    static const char *const spelled[] = { "CN", "title", NULL };
    fill(fixture);
    fixture->watch.attributes = fewer;
    fixture->watch.attribute_count = 2;
    (void) put(fixture, 1, no_mail, true);
    assert_int_equal(noted(fixture), 0);
    (void) put(fixture, 1, spelled, true);
    assert_int_equal(noted(fixture), 0);
}

static void up_to_the_limit_it_is_forgotten_beyond_it_is_confirmed(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    lose_mail(fixture, 4); /* 20 % of 20 */
    assert_int_equal(noted(fixture), 4);
    conclude(fixture);
    assert_int_equal(noted(fixture), 0);
    for (int n = 0; n < 4; n++) {
        (void) put(fixture, n, all, true);
    }
    lose_mail(fixture, 5);
    conclude(fixture);
    assert_int_equal(confirmed(fixture), 5);
}

static void attributes_are_counted_one_by_one(void **state)
{
    struct fixture *fixture = *state;
    static const char *const no_title[] = { "cn", "mail", NULL };
    fill(fixture);
    lose_mail(fixture, 4);
    for (int n = 4; n < 8; n++) {
        (void) put(fixture, n, no_title, true);
    }
    conclude(fixture);
    assert_int_equal(noted(fixture), 0);
}

static void always_allowed_is_allowed_in_a_small_source(void **state)
{
    struct fixture *fixture = *state;
    struct ts_err err;
    struct loss_limit limit = { .source_id = 1,
                                .always_allowed = 6,
                                .percent = 20 };
    fill(fixture);
    lose_mail(fixture, 6);
    assert_int_equal(loss_conclude(fixture->store->mv, &limit, &err), TS_OK);
    assert_int_equal(noted(fixture), 0);
}

static void what_is_lost_while_a_loss_is_open_belongs_to_it(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    lose_mail(fixture, 5);
    conclude(fixture);
    (void) put(fixture, 9, no_mail, true);
    conclude(fixture);
    assert_int_equal(confirmed(fixture), 6);
}

static void what_was_noted_before_a_crash_still_counts(void **state)
{
    struct fixture *fixture = *state;
    struct ts_err err;
    fill(fixture);
    lose_mail(fixture, 3);
    loss_watch_done(&fixture->watch); /* another run of the same reading */
    assert_int_equal(loss_watch(&fixture->watch, fixture->store->mv, &err),
                     TS_OK);
    lose_mail(fixture, 5);
    conclude(fixture);
    assert_int_equal(confirmed(fixture), 5);
}

static void what_is_back_is_no_longer_lost(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    lose_mail(fixture, 6);
    (void) put(fixture, 7, no_mail, false); /* and its members */
    conclude(fixture);
    assert_int_equal(confirmed(fixture), 7);
    (void) put(fixture, 0, all, true);
    assert_int_equal(confirmed(fixture), 6);
    (void) put(fixture, 7, all, true);
    assert_int_equal(confirmed(fixture), 5);
}

static void what_is_gone_has_lost_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct ts_err err;
    fill(fixture);
    lose_mail(fixture, 5);
    conclude(fixture);
    int64_t id = store_int(fixture->store,
                           "SELECT id FROM source_object WHERE anchor = 'a2'");
    assert_int_equal(connector_remove(fixture->store->mv, id, &err), TS_OK);
    assert_int_equal(confirmed(fixture), 4);
}

static void an_object_tells_what_it_lost_and_is_released(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    struct loss losses[4];
    size_t count = 4;
    int64_t lost = 0;
    int64_t objects = 0;
    bool any = false;
    struct ts_err err;
    fill(fixture);
    lose_mail(fixture, 5);
    conclude(fixture);
    int64_t id =
        store_int(store, "SELECT id FROM metaverse WHERE anchor = 'a1'");
    assert_int_equal(
        loss_list(store->mv, id, &store->arena, losses, &count, &err), TS_OK);
    assert_int_equal(count, 1);
    assert_true(ts_slice_equal(losses[0].detail, ts_slice_str("corp/mail")));
    assert_int_equal(loss_extent(store->mv, &losses[0], &lost, &objects, &err),
                     TS_OK);
    assert_int_equal(lost, 5);
    assert_int_equal(objects, PEOPLE);
    assert_int_equal(loss_of_object(store->mv, id, &any, &err), TS_OK);
    assert_true(any);
    assert_int_equal(
        loss_release(store->mv, id, ts_slice_str("other/mail"), &err), TS_OK);
    assert_int_equal(confirmed(fixture), 5);
    assert_int_equal(
        loss_release(store->mv, id, ts_slice_str("corp/mail"), &err), TS_OK);
    assert_int_equal(confirmed(fixture), 4);
    assert_int_equal(loss_of_object(store->mv, id, &any, &err), TS_OK);
    assert_false(any);
    assert_int_equal(loss_of_source(store->mv, 1, &any, &err), TS_OK);
    assert_true(any);
    assert_int_equal(loss_of_source(store->mv, 2, &any, &err), TS_OK);
    assert_false(any);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        T(only_joined_objects_can_lose),
        T(a_value_and_all_links_of_an_attribute_are_noted),
        T(what_is_no_longer_asked_for_is_not_missed),
        T(up_to_the_limit_it_is_forgotten_beyond_it_is_confirmed),
        T(attributes_are_counted_one_by_one),
        T(always_allowed_is_allowed_in_a_small_source),
        T(what_is_lost_while_a_loss_is_open_belongs_to_it),
        T(what_was_noted_before_a_crash_still_counts),
        T(what_is_back_is_no_longer_lost),
        T(what_is_gone_has_lost_nothing),
        T(an_object_tells_what_it_lost_and_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
