/* seen and object_copy: the engine's small tools. */
#include "tests/lib/test.h"

#include "node/engine/object_copy.h"
#include "node/engine/seen.h"

static void what_was_added_is_seen_and_nothing_else(void **state)
{
    (void) state;
    static const int64_t ids[] = { 0, 1, 63, 64, 65, 4096, 1000003 };
    struct seen seen = { .words = NULL };
    assert_false(seen_has(&seen, 0));
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_false(seen_has(&seen, ids[i]));
        assert_true(seen_add(&seen, ids[i]));
        assert_true(seen_has(&seen, ids[i]));
        assert_false(seen_has(&seen, ids[i] + 2));
    }
    assert_false(seen_has(&seen, -1));
    assert_false(seen_has(&seen, INT64_MAX));
    seen_done(&seen);
    assert_false(seen_has(&seen, 0));
}

static void an_id_counts_once(void **state)
{
    (void) state;
    struct seen seen = { .words = NULL };
    for (int i = 0; i < 3; i++) {
        assert_true(seen_add(&seen, 7));
    }
    assert_true(seen_add(&seen, 8));
    assert_int_equal(seen.count, 2);
    seen_done(&seen);
}

static void a_copy_outlives_what_it_was_made_of(void **state)
{
    (void) state;
    struct ts_arena arena;
    char id[] = "id";
    char value[] = "value";
    char link[] = "link";
    struct ts_slice values[] = { ts_slice_str(value) };
    struct ts_slice links[] = { ts_slice_str(link) };
    struct ts_attribute attribute = { .name = ts_slice_str("title"),
                                      .kind = TS_KIND_TEXT,
                                      .value_count = 1,
                                      .values = values };
    struct target_object object = { .id = ts_slice_str(id),
                                    .values = { 1, &attribute },
                                    .values_known = true,
                                    .links = links,
                                    .link_count = 1,
                                    .links_known = true };
    struct target_object copy;
    ts_arena_init(&arena, 4096);
    assert_true(object_copy(&arena, &object, &copy));
    id[0] = value[0] = link[0] = '!';
    values[0] = links[0] = TS_SLICE_NONE;
    attribute.name = TS_SLICE_NONE;
    assert_true(ts_slice_equal(copy.id, ts_slice_str("id")));
    assert_true(
        ts_slice_equal(copy.values.attributes[0].name, ts_slice_str("title")));
    assert_true(ts_slice_equal(copy.values.attributes[0].values[0],
                               ts_slice_str("value")));
    assert_true(ts_slice_equal(copy.links[0], ts_slice_str("link")));
    assert_true(copy.values_known && copy.links_known);
    ts_arena_done(&arena);
}

static void a_copy_without_room_is_refused(void **state)
{
    (void) state;
    struct ts_arena arena;
    struct target_object object = { .id = ts_slice_str("id") };
    struct target_object copy;
    ts_arena_init(&arena, 1);
    assert_false(object_copy(&arena, &object, &copy));
    ts_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_seen_and_nothing_else),
        cmocka_unit_test(an_id_counts_once),
        cmocka_unit_test(a_copy_outlives_what_it_was_made_of),
        cmocka_unit_test(a_copy_without_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
