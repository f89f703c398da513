/* flow: which source's value wins. */
#include "tests/lib/test.h"

#include "node/engine/flow.h"
#include "proto/entry_codec.h"

#define MEMORY ((size_t) 1024 * 1024)

/* A part with one value of `path` and one of `once`, NULL for none. */
static struct flow_part part(struct ts_arena *arena, size_t precedence,
                             int64_t id, const char *path, const char *value)
{
    struct flow_part made = { .object.id = id,
                              .object.anchor = ts_slice_str("anchor"),
                              .result.scope = RULES_IN,
                              .precedence = precedence };
    struct ts_attribute *attribute =
        ts_arena_array(arena, 1, sizeof *attribute);
    if (value != NULL) {
        attribute->name = ts_slice_str(path);
        attribute->kind = TS_KIND_TEXT;
        attribute->values = ts_arena_array(arena, 1, sizeof(struct ts_slice));
        attribute->values[0] = ts_slice_str(value);
        attribute->value_count = 1;
        made.result.values = (struct ts_entry){ 1, attribute };
        made.result.once = made.result.values;
    }
    return made;
}

static const char *value_of(const struct ts_entry *entry, const char *path)
{
    const struct ts_attribute *found = ts_entry_find(entry, ts_slice_str(path));
    return found == NULL ? "" : (const char *) found->values[0].data;
}

static struct flow_merged merge(struct ts_arena *arena, struct flow_part *parts,
                                size_t count, struct ts_slice last)
{
    struct flow_merged merged;
    struct ts_err err;
    assert_int_equal(flow_merge(parts, count, last, arena, &merged, &err),
                     TS_OK);
    return merged;
}

static void the_first_source_that_has_a_value_wins(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, MEMORY);
    struct flow_part parts[] = { part(&arena, 2, 1, "title", "third"),
                                 part(&arena, 1, 2, "title", "second"),
                                 part(&arena, 0, 3, "title", NULL),
                                 part(&arena, 0, 4, "phone", "first") };
    struct flow_merged merged = merge(&arena, parts, 4, TS_SLICE_NONE);
    struct ts_entry once;
    struct ts_err err;
    assert_string_equal(value_of(&merged.values, "title"), "second");
    assert_string_equal(value_of(&merged.values, "phone"), "first");
    assert_int_equal(entry_unpack(merged.once, &arena, &once, &err), TS_OK);
    assert_memory_equal(value_of(&once, "title"), "second", 6);
    ts_arena_done(&arena);
}

static void of_equals_the_elder_object_wins_in_any_order(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, MEMORY);
    struct flow_part one[] = { part(&arena, 0, 9, "title", "younger"),
                               part(&arena, 0, 3, "title", "elder") };
    struct flow_part other[] = { one[1], one[0] };
    struct flow_merged first = merge(&arena, one, 2, TS_SLICE_NONE);
    struct flow_merged second = merge(&arena, other, 2, TS_SLICE_NONE);
    assert_string_equal(value_of(&first.values, "title"), "elder");
    assert_string_equal(value_of(&second.values, "title"), "elder");
    ts_arena_done(&arena);
}

static void a_path_that_failed_keeps_its_last_good_value(void **state)
{
    (void) state;
    static const struct rules_problem problem = { .path = "title",
                                                  .text = "failed" };
    struct ts_arena arena;
    ts_arena_init(&arena, MEMORY);
    struct flow_part before = part(&arena, 0, 1, "title", "last");
    struct ts_slice last = merge(&arena, &before, 1, TS_SLICE_NONE).packed;
    struct flow_part now = part(&arena, 0, 1, "phone", "new");
    now.result.problems = &problem;
    now.result.problem_count = 1;
    struct flow_merged merged = merge(&arena, &now, 1, last);
    assert_memory_equal(value_of(&merged.values, "title"), "last", 4);
    assert_string_equal(value_of(&merged.values, "phone"), "new");

    /* What simply has no value any more is no failure. */
    now.result.problem_count = 0;
    merged = merge(&arena, &now, 1, last);
    assert_string_equal(value_of(&merged.values, "title"), "");
    ts_arena_done(&arena);
}

static void equal_parts_give_equal_bytes(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, MEMORY);
    struct flow_part one[] = { part(&arena, 0, 1, "a", "1"),
                               part(&arena, 1, 2, "b", "2") };
    struct flow_part other[] = { one[1], one[0] };
    struct ts_slice first = merge(&arena, one, 2, TS_SLICE_NONE).packed;
    struct ts_slice second = merge(&arena, other, 2, TS_SLICE_NONE).packed;
    assert_true(ts_slice_equal(first, second));
    ts_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_source_that_has_a_value_wins),
        cmocka_unit_test(of_equals_the_elder_object_wins_in_any_order),
        cmocka_unit_test(a_path_that_failed_keeps_its_last_good_value),
        cmocka_unit_test(equal_parts_give_equal_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
