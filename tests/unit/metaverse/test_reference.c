/* reference: counts that follow single changes agree with counting anew. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/metaverse/intent.h"
#include "node/metaverse/problem.h"
#include "node/metaverse/reference.h"
#include "tests/lib/sample.h"
#include "tests/lib/store.h"

enum {
    USER,
    GROUP
};

static struct metaverse_reference_path paths[] = {
    { .kind = USER, .attribute = "manager", .path = "manager" },
    { .kind = GROUP, .attribute = "member", .path = "members" },
    { .kind = GROUP, .attribute = "uniqueMember", .path = "members" },
    { .kind = GROUP,
      .attribute = "owner",
      .path = "owner",
      .omit_groups = true },
};
static const char *const attributes[] = { "Member", "manager", "owner",
                                          "uniqueMember", "unused" };
#define ATTRIBUTES (sizeof attributes / sizeof attributes[0])

static int make(void **state)
{
    (void) store_make(state);
    struct store *store = *state;
    store->mv->reference_paths = paths;
    store->mv->reference_path_count = sizeof paths / sizeof paths[0];
    store->mv->group_kind = GROUP;
    store_exec(store, "CREATE TEMP TABLE before(owner_id, path, member_id, "
                      "wanted, held)");
    return 0;
}

/* F1, for the state as it is. */
static void assert_counts_as_anew(struct store *store, int64_t seed, int step)
{
    struct ts_err err;
    store_exec(store, "DELETE FROM temp.before; INSERT INTO temp.before "
                      "SELECT * FROM reference");
    assert_int_equal(reference_recount(store->mv, &err), TS_OK);
    int64_t differing = store_int(
        store, "SELECT (SELECT count(*) FROM (SELECT * FROM reference EXCEPT "
               "SELECT * FROM temp.before)) + (SELECT count(*) FROM (SELECT * "
               "FROM temp.before EXCEPT SELECT * FROM reference))");
    if (differing != 0) {
        fail_msg("seed %lld, step %d: %lld references are counted otherwise "
                 "than anew",
                 (long long) seed, step, (long long) differing);
    }
}

/* ---- random histories ----------------------------------------------------
 */

#define UNITS   5
#define OBJECTS 24 /* units first */
#define LINKS   10

struct node {
    int parent; /* a unit with a smaller number, or -1 */
    char rdn[24], anchor[24];
    int64_t id, metaverse_id; /* 0: not there, not joined */
    int64_t source;
};

struct history {
    struct store *store;
    struct sample_random random;
    struct node nodes[OBJECTS];
    int renames;
};

static int below(struct history *h, int n)
{
    return (int) sample_next(&h->random, (uint64_t) n);
}

/* Both sources have the same base: equal names are equal keys. */
static struct store_key key_of(const struct history *h, int i)
{
    struct store_key parent;
    if (h->nodes[i].parent < 0) {
        return store_key(NULL, h->nodes[i].rdn);
    }
    parent = key_of(h, h->nodes[i].parent);
    return store_key(&parent, h->nodes[i].rdn);
}

static int by_attribute_and_key(const void *a, const void *b)
{
    const struct connector_link *x = a;
    const struct connector_link *y = b;
    int order = ts_slice_compare(x->attribute, y->attribute);
    return order != 0 ? order : ts_slice_compare(x->key, y->key);
}

static size_t random_links(struct history *h, struct connector_link *links,
                           struct store_key *keys)
{
    size_t count = (size_t) below(h, LINKS + 1);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        keys[i] = key_of(h, below(h, OBJECTS));
        links[i] = (struct connector_link){
            .attribute = ts_slice_str(attributes[below(h, ATTRIBUTES)]),
            .key = store_key_bytes(&keys[i]),
            .dn = ts_slice_str("as printed"),
        };
    }
    qsort(links, count, sizeof *links, by_attribute_and_key);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || by_attribute_and_key(&links[kept - 1], &links[i])) {
            links[kept++] = links[i];
        }
    }
    return kept;
}

static void put(struct history *h, int i)
{
    struct node *node = &h->nodes[i];
    struct connector_link links[LINKS];
    struct store_key keys[LINKS];
    struct store_key parent = { { 0 } };
    char text[24];
    if (node->parent >= 0) {
        parent = key_of(h, node->parent);
    }
    (void) snprintf(text, sizeof text, "%d", below(h, 1000));
    struct store_object object = { .anchor = node->anchor,
                                   .rdn = node->rdn,
                                   .parent = &parent,
                                   .text = text,
                                   .links = links,
                                   .link_count = random_links(h, links, keys) };
    h->store->writer.source_id = node->source;
    (void) store_put(h->store, &object, &node->id);
}

/* Units keep to units of their own source, which come before them; their names
 * come back, so that old links mean them again. Names of others may meet. */
static void rename_node(struct history *h, int i)
{
    struct node *node = &h->nodes[i];
    int parent = below(h, i < UNITS ? i + 1 : UNITS) - 1;
    if (i < UNITS) {
        (void) snprintf(node->rdn, sizeof node->rdn, "ou=%d-%d", i,
                        below(h, 2));
    } else {
        (void) snprintf(node->rdn, sizeof node->rdn, "uid=%d", below(h, 12));
    }
    if (node->id == 0 || below(h, 3) == 0) {
        node->parent = parent >= 0 && h->nodes[parent].source == node->source
                           ? parent
                           : -1;
    }
}

static void leave(struct history *h, struct node *node)
{
    struct ts_err err;
    assert_int_equal(reference_left(h->store->mv, node->id, &err), TS_OK);
    assert_int_equal(object_unjoin(h->store->mv, node->id, &err), TS_OK);
    node->metaverse_id = 0;
}

static void step(struct history *h)
{
    int i = below(h, OBJECTS);
    struct node *node = &h->nodes[i];
    struct ts_err err;
    switch (below(h, 8)) {
    case 0:
        rename_node(h, i);
        put(h, i);
        break;
    case 6:
        i = below(h, UNITS);
        rename_node(h, i);
        put(h, i);
        break;
    case 1:
    case 2:
    case 3:
        if (node->id != 0 && node->metaverse_id == 0) {
            char anchor[48];
            (void) snprintf(anchor, sizeof anchor, "%s-%d", node->anchor,
                            h->renames++);
            node->metaverse_id = store_project(
                h->store, below(h, 3) == 0 ? GROUP : USER, anchor, node->id);
        }
        break;
    case 4:
        if (node->metaverse_id != 0) {
            leave(h, node);
        }
        break;
    case 5:
        if (i >= UNITS && node->id != 0) {
            if (node->metaverse_id != 0) {
                leave(h, node);
            }
            assert_int_equal(connector_remove(h->store->mv, node->id, &err),
                             TS_OK);
            node->id = 0;
        }
        break;
    default:
        put(h, i);
    }
}

/* C3: what the store says of where things are, against the model. */
static void assert_keys_follow(struct history *h)
{
    for (int i = 0; i < OBJECTS; i++) {
        struct connector_object object;
        struct ts_err err;
        struct store_key key = key_of(h, i);
        if (h->nodes[i].id == 0) {
            continue;
        }
        assert_int_equal(connector_get(h->store->mv, h->nodes[i].id,
                                       &h->store->arena, &object, &err),
                         TS_OK);
        assert_memory_equal(object.key.data, key.bytes, sizeof key.bytes);
        ts_arena_reset(&h->store->arena);
    }
}

static void follow_histories(struct store *store)
{
    for (int64_t seed = 1; seed <= 10; seed++) {
        struct history h = {
            .store = store, .random = { (uint64_t) seed * 0x9E3779B97F4A7C15U }
        };
        int64_t seen = 0;
        store_exec(store, "DELETE FROM source_object; DELETE FROM source_link; "
                          "DELETE FROM joined; DELETE FROM metaverse; "
                          "DELETE FROM reference; DELETE FROM nesting");
        for (int i = 0; i < OBJECTS; i++) {
            struct node *node = &h.nodes[i];
            node->source = i % 5 == 4 ? 2 : 1;
            node->parent = -1;
            (void) snprintf(node->anchor, sizeof node->anchor, "a%d", i);
            rename_node(&h, i);
        }
        for (int i = 0; i < OBJECTS; i++) {
            put(&h, i);
        }
        for (int i = 0; i < 250; i++) {
            step(&h);
            assert_counts_as_anew(store, seed, i);
            seen += store_int(store, "SELECT count(*) FROM reference");
        }
        assert_keys_follow(&h);
        /* Something was proved only if there was something to count. */
        assert_true(seen > 100);
    }
}

static void counts_follow_any_history(void **state)
{
    follow_histories(*state);
}

/* Groups that are renamed, moved, replaced and left, below others. */
static void flattened_counts_follow_any_history(void **state)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        paths[i].flatten = strcmp(paths[i].path, "members") == 0;
    }
    follow_histories(*state);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        paths[i].flatten = false;
    }
}

/* ---- single rules --------------------------------------------------------
 */

static struct connector_link link_to(const char *attribute,
                                     const struct store_key *key)
{
    return (struct connector_link){ .attribute = ts_slice_str(attribute),
                                    .key = store_key_bytes(key),
                                    .dn = ts_slice_str("dn") };
}

static void a_dn_means_an_object_of_the_same_source(void **state)
{
    struct store *store = *state;
    struct store_key ada = store_key(NULL, "uid=ada");
    struct connector_link link = link_to("member", &ada);
    int64_t ada_1 = 0;
    int64_t ada_2 = 0;
    int64_t group = 0;
    struct store_object person = { .anchor = "1",
                                   .rdn = "uid=ada",
                                   .text = "" };
    struct store_object team = { .anchor = "2",
                                 .rdn = "cn=team",
                                 .text = "",
                                 .links = &link,
                                 .link_count = 1 };
    (void) store_put(store, &person, &ada_1);
    (void) store_put(store, &team, &group);
    store->writer.source_id = 2;
    (void) store_put(store, &person, &ada_2);
    int64_t mine = store_project(store, USER, "1", ada_1);
    int64_t owner = store_project(store, GROUP, "2", group);
    (void) store_project(store, USER, "other 1", ada_2);

    assert_int_equal(store_int(store, "SELECT count(*) FROM reference"), 1);
    assert_int_equal(store_int(store, "SELECT member_id FROM reference"), mine);
    assert_int_equal(store_int(store, "SELECT owner_id FROM reference"), owner);
    assert_counts_as_anew(store, 0, 0);
}

static void a_group_is_never_its_own_member(void **state)
{
    struct store *store = *state;
    struct store_key self = store_key(NULL, "cn=empty");
    struct connector_link link = link_to("member", &self);
    struct store_object group = { .anchor = "1",
                                  .rdn = "cn=empty",
                                  .text = "",
                                  .links = &link,
                                  .link_count = 1 };
    int64_t id = 0;
    (void) store_put(store, &group, &id);
    (void) store_project(store, GROUP, "1", id);
    assert_int_equal(store_int(store, "SELECT count(*) FROM reference"), 0);
}

static void who_is_configured_as_nobody_is_in_no_group(void **state)
{
    struct store *store = *state;
    struct store_key nobody = store_key(NULL, "cn=nobody");
    struct store_key other = store_key(NULL, "cn=other");
    struct store_key keys[2] = { other, nobody };
    struct connector_link member = link_to("member", &nobody);
    struct connector_link manager = link_to("manager", &nobody);
    struct store_object person = { .anchor = "1",
                                   .rdn = "cn=nobody",
                                   .text = "" };
    struct store_object group = { .anchor = "2",
                                  .rdn = "cn=empty",
                                  .text = "",
                                  .links = &member,
                                  .link_count = 1 };
    struct store_object clerk = { .anchor = "3",
                                  .rdn = "cn=clerk",
                                  .text = "",
                                  .links = &manager,
                                  .link_count = 1 };
    int64_t ids[3];
    store->mv->dummies = ts_slice(keys[0].bytes, sizeof keys);
    (void) store_put(store, &person, &ids[0]);
    (void) store_put(store, &group, &ids[1]);
    (void) store_put(store, &clerk, &ids[2]);
    (void) store_project(store, USER, "1", ids[0]);
    (void) store_project(store, GROUP, "2", ids[1]);
    int64_t owner = store_project(store, USER, "3", ids[2]);
    assert_int_equal(store_int(store, "SELECT count(*) FROM reference"), 1);
    assert_int_equal(store_int(store, "SELECT owner_id FROM reference"), owner);
    assert_counts_as_anew(store, 0, 0);
}

static void one_may_be_ones_own_manager(void **state)
{
    struct store *store = *state;
    struct store_key self = store_key(NULL, "uid=boss");
    struct connector_link link = link_to("manager", &self);
    struct store_object boss = { .anchor = "1",
                                 .rdn = "uid=boss",
                                 .text = "",
                                 .links = &link,
                                 .link_count = 1 };
    int64_t id = 0;
    (void) store_put(store, &boss, &id);
    int64_t me = store_project(store, USER, "1", id);
    assert_int_equal(store_int(store, "SELECT wanted FROM reference"), 1);
    boss.rdn = "uid=chief"; /* the directory still names the old DN */
    (void) store_put(store, &boss, &id);
    assert_int_equal(store_int(store, "SELECT count(*) FROM reference"), 0);
    assert_counts_as_anew(store, 0, 0);
    assert_true(me > 0);
}

static void what_is_held_stays_until_the_target_has_lost_it(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    struct ts_slice path = ts_slice_str("members");
    int64_t written = 0;
    assert_int_equal(reference_set_held(store->mv, 1, path, 2, true, &err),
                     TS_OK);
    written = store_written(store);
    assert_int_equal(reference_set_held(store->mv, 1, path, 2, true, &err),
                     TS_OK);
    assert_int_equal(reference_recount(store->mv, &err), TS_OK);
    assert_int_equal(store_written(store), written); /* nothing new: no write */
    assert_int_equal(store_int(store, "SELECT held FROM reference"), 1);
    assert_int_equal(reference_member_gone(store->mv, 2, &err), TS_OK);
    assert_int_equal(store_int(store, "SELECT count(*) FROM reference"), 0);
}

/* ---- what is kept back ---------------------------------------------------
 */

#define OWNER 1

/* The owner holds the member, whom nobody wants there any more. */
static void lose_a_member(struct store *store)
{
    store_exec(store,
               "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
               "VALUES(1, 'members', 2, 0, 1); "
               "INSERT INTO target_object(target_id, kind, anchor, "
               "match_value, etag, metaverse_id, active, sent) "
               "VALUES('two', 0, 'b', '', '', 2, 1, x'')");
}

static void leave_intent(struct store *store, int verb, int clearance)
{
    char sql[300];
    (void) snprintf(
        sql, sizeof sql,
        "INSERT INTO intent(id, phase, verb, kind, metaverse_id, anchor, "
        "target_id, before, after, batch, doubt_since, clearance) "
        "VALUES(1, 1, %d, 0, 2, 'b', 'two', x'', x'', 0, 0, %d)",
        verb, clearance);
    store_exec(store, sql);
}

/* How many references may be sent, and whether a removal may be decided. */
static size_t due(struct store *store, bool *ret_decided)
{
    struct reference_due list[4];
    size_t count = 4;
    bool adds = false;
    struct ts_err err;
    assert_int_equal(
        reference_due(store->mv, OWNER, &store->arena, list, &count, &err),
        TS_OK);
    assert_int_equal(
        reference_pending(store->mv, OWNER, &adds, ret_decided, &err), TS_OK);
    assert_false(adds);
    return count;
}

static void a_leaver_is_removed_only_when_he_may_leave(void **state)
{
    static const struct {
        int verb, clearance;
        bool decided;
        size_t sent;
    } cases[] = {
        { INTENT_DELETE, INTENT_UNCHECKED, true, 0 },
        { INTENT_DELETE, INTENT_CLEARED, true, 1 },
        { INTENT_DELETE, INTENT_STAGED, true, 0 },
        { INTENT_DELETE, INTENT_HELD, false, 0 },
        { INTENT_DEACTIVATE, INTENT_HELD, false, 0 },
        { INTENT_UPDATE, INTENT_HELD, true, 1 },
    };
    struct store *store = *state;
    bool decided = false;
    lose_a_member(store);
    assert_int_equal(due(store, &decided), 1);
    assert_true(decided);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store_exec(store, "DELETE FROM intent");
        leave_intent(store, cases[i].verb, cases[i].clearance);
        assert_int_equal(due(store, &decided), cases[i].sent);
        assert_int_equal(decided, cases[i].decided);
    }
}

static void what_follows_from_a_lost_attribute_is_kept_back(void **state)
{
    static const char *const lost[] = { "2", "1" }; /* member, owner */
    struct store *store = *state;
    bool decided = false;
    char sql[120];
    lose_a_member(store);
    for (size_t i = 0; i < 2; i++) {
        (void) snprintf(sql, sizeof sql,
                        "DELETE FROM lost_attribute; INSERT INTO "
                        "lost_attribute VALUES(9, 'mail', %s, 0)",
                        lost[i]);
        store_exec(store, sql);
        assert_int_equal(due(store, &decided), 1);
        store_exec(store, "UPDATE lost_attribute SET confirmed = 1");
        assert_int_equal(due(store, &decided), 0);
        assert_false(decided);
    }
}

static void a_single_value_takes_the_place_of_all_before(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    store_exec(store,
               "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
               "VALUES(1, 'manager', 2, 0, 1), (1, 'manager', 3, 1, 1), "
               "(1, 'other', 2, 0, 1)");
    assert_int_equal(
        reference_path_gone(store->mv, 1, ts_slice_str("manager"), &err),
        TS_OK);
    assert_int_equal(store_int(store, "SELECT count(*) FROM reference"), 2);
    assert_int_equal(
        store_int(store, "SELECT wanted + held FROM reference WHERE path = "
                         "'manager' AND member_id = 3"),
        1);
}

/* Refused until a late hour, as an export or for another reason. */
static void refuse(struct store *store, const char *stage)
{
    struct ts_err err;
    const struct problem problem = { .kind = USER,
                                     .anchor = ts_slice_str("2"),
                                     .stage = stage,
                                     .text = ts_slice_str("why"),
                                     .retry_at = INT64_MAX };
    assert_int_equal(problem_set(store->mv, &problem, &err), TS_OK);
}

static void
a_refusal_is_tried_again_when_the_owner_has_other_links(void **state)
{
    struct store *store = *state;
    struct store_key key = store_key(NULL, "uid=boss");
    struct connector_link link = link_to("manager", &key);
    struct store_object boss = { .anchor = "1", .rdn = "uid=boss", .text = "" };
    const struct store_object clerk = { .anchor = "2",
                                        .rdn = "uid=clerk",
                                        .text = "",
                                        .links = &link,
                                        .link_count = 1 };
    struct ts_err err;
    int64_t id = 0;
    int64_t change = 1000;
    (void) store_put(store, &boss, &id);
    (void) store_project(store, USER, "1", id);
    (void) store_put(store, &clerk, &id);
    int64_t me = store_project(store, USER, "2", id);
    refuse(store, "export");
    refuse(store, "policy");
    boss.rdn = "uid=chief"; /* and the clerk still names the old DN */
    (void) store_put(store, &boss, &id);
    assert_int_equal(problem_retry(store->mv, INT64_MAX - 1, &change, &err),
                     TS_OK);
    assert_int_equal(store_int(store, "SELECT id FROM metaverse WHERE "
                                      "changed = 1000"),
                     me);
    assert_int_equal(store_int(store, "SELECT count(*) FROM object_error WHERE "
                                      "stage = 'policy' AND retry_at > 0"),
                     1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make, store_remove)
    const struct CMUnitTest tests[] = {
        T(counts_follow_any_history),
        T(flattened_counts_follow_any_history),
        T(a_dn_means_an_object_of_the_same_source),
        T(a_group_is_never_its_own_member),
        T(who_is_configured_as_nobody_is_in_no_group),
        T(one_may_be_ones_own_manager),
        T(what_is_held_stays_until_the_target_has_lost_it),
        T(a_leaver_is_removed_only_when_he_may_leave),
        T(what_follows_from_a_lost_attribute_is_kept_back),
        T(a_single_value_takes_the_place_of_all_before),
        T(a_refusal_is_tried_again_when_the_owner_has_other_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
