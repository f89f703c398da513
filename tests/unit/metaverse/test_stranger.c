/* stranger: members that nobody sent, and who of them goes. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "node/metaverse/object.h"
#include "node/metaverse/stranger.h"
#include "tests/lib/store.h"

enum {
    USER,
    GROUP
};
#define OWNER 1

static struct metaverse_reference_path paths[] = {
    { .kind = USER, .attribute = "manager", .path = "manager" },
    { .kind = GROUP, .attribute = "member", .path = "members" },
};

static int make(void **state)
{
    (void) store_make(state);
    struct store *store = *state;
    paths[1].additive = false;
    paths[1].reported = false;
    store->mv->reference_paths = paths;
    store->mv->reference_path_count = 2;
    store->mv->group_kind = GROUP;
    store_exec(store,
               "INSERT INTO target_object(target_id, kind, anchor, "
               "match_value, etag, metaverse_id, active, sent, disowned) "
               "VALUES('group', 1, 'g', '', '', 1, 1, x'', 0), "
               "('b', 0, 'b', '', '', 2, 1, x'', 0), "
               "('c', 0, 'c', '', '', NULL, 1, x'', 1)");
    return 0;
}

/* The target shows these, one letter each. */
static void show(struct store *store, const char *letters)
{
    struct ts_slice ids[16];
    struct ts_err err;
    size_t count = strlen(letters);
    for (size_t i = 0; i < count; i++) {
        ids[i] = ts_slice(&letters[i], 1);
    }
    assert_int_equal(
        stranger_set(store->mv, OWNER, "members", ids, count, &err), TS_OK);
}

/* Those that are to go, one letter each. */
static const char *due(struct store *store)
{
    static char letters[17];
    struct reference_due list[16];
    size_t count = 16;
    int64_t counted = 0;
    struct ts_err err;
    assert_int_equal(
        stranger_due(store->mv, OWNER, &store->arena, list, &count, &err),
        TS_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].target_id.size, 1);
        assert_int_equal(list[i].member, 0);
        assert_false(list[i].add);
        letters[i] = (char) list[i].target_id.data[0];
    }
    letters[count] = 0;
    assert_int_equal(stranger_count_due(store->mv, OWNER, &counted, &err),
                     TS_OK);
    assert_int_equal(counted, count);
    return letters;
}

static void set_policy(struct store *store, enum stranger_policy policy)
{
    struct ts_err err;
    assert_int_equal(stranger_set_policy(store->mv, OWNER, policy, &err),
                     TS_OK);
}

static void only_what_differs_is_written(void **state)
{
    static const struct {
        const char *shown;
        int64_t written;
    } steps[] = { { "ace", 3 }, { "ace", 0 }, { "abde", 3 },
                  { "", 4 },    { "", 0 },    { "z", 1 } };
    struct store *store = *state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int64_t before = store_written(store);
        show(store, steps[i].shown);
        assert_int_equal(store_written(store) - before, steps[i].written);
        assert_int_equal(store_int(store, "SELECT count(*) FROM stranger"),
                         (int64_t) strlen(steps[i].shown));
    }
}

static void strangers_go_unless_the_group_was_adopted(void **state)
{
    struct store *store = *state;
    show(store, "ab");
    assert_string_equal(due(store), "ab");
    set_policy(store, STRANGERS_STAY);
    assert_string_equal(due(store), "");
    set_policy(store, STRANGERS_DISMISSED);
    assert_string_equal(due(store), "ab");
}

static void what_is_only_reported_goes_when_dismissed(void **state)
{
    struct store *store = *state;
    paths[1].reported = true;
    show(store, "ab");
    assert_string_equal(due(store), "");
    set_policy(store, STRANGERS_DISMISSED);
    assert_string_equal(due(store), "ab");
    show(store, ""); /* gone: from now on as configured again */
    show(store, "d");
    assert_string_equal(due(store), "");
}

static void an_additive_group_loses_nobody(void **state)
{
    struct store *store = *state;
    show(store, "ab");
    paths[1].additive = true;
    assert_string_equal(due(store), "");
    set_policy(store, STRANGERS_DISMISSED);
    assert_string_equal(due(store), "");
}

static void whom_the_group_wants_by_now_is_no_stranger(void **state)
{
    struct store *store = *state;
    show(store, "ab");
    store_exec(store,
               "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
               "VALUES(1, 'members', 2, 1, 0)");
    assert_string_equal(due(store), "a");
}

static void whom_an_operator_disowned_stays_until_dismissed(void **state)
{
    struct store *store = *state;
    show(store, "ac");
    assert_string_equal(due(store), "a");
    set_policy(store, STRANGERS_DISMISSED);
    assert_string_equal(due(store), "ac");
}

static void a_leaver_whose_deletion_is_held_stays(void **state)
{
    struct store *store = *state;
    show(store, "ab");
    store_exec(store,
               "INSERT INTO intent(id, phase, verb, kind, metaverse_id, "
               "anchor, target_id, before, after, batch, doubt_since, "
               "clearance) VALUES(1, 1, 4, 0, 2, 'b', 'b', x'', x'', 0, 0, 3)");
    assert_string_equal(due(store), "a");
}

static void they_go_with_their_group(void **state)
{
    struct store *store = *state;
    struct ts_err err;
    show(store, "ab");
    assert_int_equal(object_remove(store->mv, OWNER, &err), TS_OK);
    assert_int_equal(store_int(store, "SELECT count(*) FROM stranger"), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make, store_remove)
    const struct CMUnitTest tests[] = {
        T(only_what_differs_is_written),
        T(strangers_go_unless_the_group_was_adopted),
        T(what_is_only_reported_goes_when_dismissed),
        T(an_additive_group_loses_nobody),
        T(whom_the_group_wants_by_now_is_no_stranger),
        T(whom_an_operator_disowned_stays_until_dismissed),
        T(a_leaver_whose_deletion_is_held_stays),
        T(they_go_with_their_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
