/* Sources whose keys are identities: what is lost takes its references along,
 * and of a large group single members change. */
#include "tests/lib/test.h"

#include "node/metaverse/reference.h"
#include "tests/lib/store.h"

enum {
    USER,
    GROUP
};

static struct metaverse_reference_path paths[] = {
    { .kind = GROUP, .attribute = "member", .path = "members" },
    { .kind = GROUP, .attribute = "owner", .path = "owners" },
};

static int make(void **state)
{
    (void) store_make(state);
    struct store *store = *state;
    store->mv->reference_paths = paths;
    store->mv->reference_path_count = sizeof paths / sizeof paths[0];
    store->mv->group_kind = GROUP;
    return 0;
}

static struct ts_slice identity(const char *name)
{
    static uint8_t keys[8][CONNECTOR_KEY_SIZE];
    static int next;
    uint8_t *key = keys[next++ % 8];
    memset(key, name[0], CONNECTOR_KEY_SIZE);
    return ts_slice(key, CONNECTOR_KEY_SIZE);
}

static struct connector_link link_of(const char *attribute, const char *name,
                                     bool gone)
{
    static uint8_t keys[16][CONNECTOR_KEY_SIZE];
    static int next;
    uint8_t *key = keys[next++ % 16];
    memset(key, name[0], CONNECTOR_KEY_SIZE);
    return (struct connector_link){
        .attribute = ts_slice_str(attribute),
        .key = ts_slice(key, CONNECTOR_KEY_SIZE),
        .dn = ts_slice_str("dn"),
        .gone = gone,
    };
}

/* What a test says of one object; `partial` or a hash. */
struct said {
    const char *name, *rdn, *parent, *partial;
    const struct connector_link *links;
    size_t link_count;
};

static int64_t put(struct store *store, const struct said *said)
{
    int64_t id = 0;
    enum connector_change change = CONNECTOR_SAME;
    struct ts_err err;
    struct connector_row row = {
        .anchor = ts_slice_str(said->name),
        .key = identity(said->name),
        .parent = identity(said->parent != NULL ? said->parent : "0"),
        .rdn = ts_slice_str(said->rdn),
        .packed = ts_slice_str("x"),
        .hash = said->partial != NULL ? TS_SLICE_NONE : ts_slice_str(said->rdn),
        .links = said->links,
        .link_count = said->link_count,
        .partial =
            said->partial != NULL ? ts_slice_str(said->partial) : TS_SLICE_NONE,
    };
    assert_int_equal(connector_put(&store->writer, &row, &id, &change, &err),
                     TS_OK);
    return id;
}

static bool lose(struct store *store, const char *name)
{
    bool known = false;
    struct ts_err err;
    assert_int_equal(
        connector_lose(&store->writer, identity(name), &known, &err), TS_OK);
    return known;
}

#define COUNT_LINKS "SELECT count(*) FROM source_link"
#define WANTED      "SELECT count(*) FROM reference WHERE wanted > 0"

/* A group "g" of a, b and c, all joined. */
static void plant(struct store *store)
{
    struct connector_link links[] = { link_of("member", "a", false),
                                      link_of("member", "b", false),
                                      link_of("member", "c", false),
                                      link_of("owner", "a", false) };
    const char *const names[] = { "a", "b", "c" };
    for (int i = 0; i < 3; i++) {
        int64_t id =
            put(store, &(struct said){ names[i], "cn=x", .links = NULL });
        (void) store_project(store, USER, names[i], id);
    }
    int64_t id = put(
        store, &(struct said){ "g", "cn=g", .links = links, .link_count = 4 });
    (void) store_project(store, GROUP, "g", id);
    assert_int_equal(store_int(store, WANTED), 4);
}

static void
what_is_lost_leaves_its_groups_and_comes_back_without_them(void **state)
{
    struct store *store = *state;
    plant(store);
    assert_true(lose(store, "a"));
    assert_int_equal(store_int(store, COUNT_LINKS), 2);
    assert_int_equal(store_int(store, WANTED), 2);
    assert_int_equal(store_int(store, "SELECT gone FROM source_object WHERE "
                                      "anchor = 'a'"),
                     1);
    (void) put(store, &(struct said){ "a", "cn=x", .links = NULL });
    assert_int_equal(store_int(store, WANTED), 2);
}

static void
a_group_that_lost_a_member_is_looked_at_when_it_is_told_as_before(void **state)
{
    struct store *store = *state;
    plant(store);
    (void) lose(store, "a");
    (void) put(store, &(struct said){ "a", "cn=x", .links = NULL });
    struct connector_link links[] = { link_of("member", "a", false),
                                      link_of("member", "b", false),
                                      link_of("member", "c", false),
                                      link_of("owner", "a", false) };
    (void) put(store,
               &(struct said){ "g", "cn=g", .links = links, .link_count = 4 });
    assert_int_equal(store_int(store, WANTED), 4);
}

static void what_was_never_known_is_lost_quietly(void **state)
{
    struct store *store = *state;
    plant(store);
    int64_t written = store_written(store);
    assert_false(lose(store, "z"));
    assert_int_equal(store_written(store), written);
}

static void a_renamed_member_costs_its_own_row(void **state)
{
    struct store *store = *state;
    plant(store);
    int64_t written = store_written(store);
    (void) put(store, &(struct said){ "a", "cn=other", .parent = "b" });
    assert_int_equal(store_written(store), written + 1);
    assert_int_equal(store_int(store, WANTED), 4);
}

static void a_partial_row_changes_the_members_that_it_names(void **state)
{
    struct store *store = *state;
    plant(store);
    struct connector_link changes[] = { link_of("member", "a", true),
                                        link_of("member", "b", false),
                                        link_of("member", "d", false),
                                        link_of("member", "e", true),
                                        link_of("owner", "b", false) };
    (void) put(store, &(struct said){ "g", "cn=g", .partial = "member",
                                      .links = changes, .link_count = 5 });
    static const char members[] =
        "SELECT count(*) FROM source_link WHERE attribute = 'member' AND "
        "dn_key IN (x'62626262626262626262626262626262', "
        "x'63636363636363636363636363636363', "
        "x'64646464646464646464646464646464')";
    assert_int_equal(store_int(store, members), 3);
    assert_int_equal(store_int(store, COUNT_LINKS), 4);
    /* The other reference is told as a whole: one owner went, one came. */
    assert_int_equal(store_int(store, WANTED), 3);
}

static void after_a_partial_row_a_whole_one_is_looked_at(void **state)
{
    struct store *store = *state;
    plant(store);
    struct connector_link gone = link_of("member", "b", true);
    (void) put(store, &(struct said){ "g", "cn=g", .partial = "member",
                                      .links = &gone, .link_count = 1 });
    struct connector_link links[] = { link_of("member", "a", false),
                                      link_of("member", "b", false),
                                      link_of("member", "c", false),
                                      link_of("owner", "a", false) };
    (void) put(store,
               &(struct said){ "g", "cn=g", .links = links, .link_count = 4 });
    assert_int_equal(store_int(store, WANTED), 4);
}

static void what_is_below_a_moved_unit_is_due(void **state)
{
    struct store *store = *state;
    store->writer.places = true;
    (void) put(store, &(struct said){ "u", "ou=u", .parent = "1" });
    int64_t below = put(store, &(struct said){ "a", "cn=a", .parent = "u" });
    int64_t next = store->writer.next_change;
    struct ts_err err;
    struct connector_row moved = { .anchor = ts_slice_str("u"),
                                   .key = identity("u"),
                                   .parent = identity("2"),
                                   .rdn = ts_slice_str("ou=u"),
                                   .packed = ts_slice_str("x"),
                                   .hash = ts_slice_str("moved") };
    int64_t id = 0;
    enum connector_change change = CONNECTOR_SAME;
    assert_int_equal(connector_put(&store->writer, &moved, &id, &change, &err),
                     TS_OK);
    struct connector_object now;
    assert_int_equal(connector_get(store->mv, below, &store->arena, &now, &err),
                     TS_OK);
    assert_true(now.changed >= next);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make, store_remove)
    const struct CMUnitTest tests[] = {
        T(what_is_lost_leaves_its_groups_and_comes_back_without_them),
        T(a_group_that_lost_a_member_is_looked_at_when_it_is_told_as_before),
        T(what_was_never_known_is_lost_quietly),
        T(a_renamed_member_costs_its_own_row),
        T(a_partial_row_changes_the_members_that_it_names),
        T(after_a_partial_row_a_whole_one_is_looked_at),
        T(what_is_below_a_moved_unit_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
