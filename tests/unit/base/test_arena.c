/* arena: pieces stay put, and the maximum holds. */
#include "tests/lib/test.h"

#include "node/base/arena.h"

static void pieces_stay_where_they_are(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, 1 << 20);
    char *pieces[500];

    for (size_t i = 0; i < 500; i++) {
        size_t size = i % 7 == 0 ? 90000 / (i + 1) : i;
        pieces[i] = ts_arena_take(&arena, size + 1);
        assert_non_null(pieces[i]);
        pieces[i][0] = (char) i;
    }
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(pieces[i][0], (char) i);
    }
    ts_arena_done(&arena);
}

static void refuses_more_than_its_maximum(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, 1000);

    assert_non_null(ts_arena_take(&arena, 600));
    assert_null(ts_arena_take(&arena, 600));
    assert_null(ts_arena_array(&arena, SIZE_MAX / 2, 4));
    ts_arena_reset(&arena);
    assert_non_null(ts_arena_take(&arena, 900));
    ts_arena_done(&arena);
}

static void copies_end_in_nul(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, 1000);

    struct ts_slice copy = ts_arena_copy(&arena, ts_slice("abcdef", 3));
    assert_int_equal(copy.size, 3);
    assert_string_equal((const char *) copy.data, "abc");
    assert_non_null(ts_arena_copy(&arena, TS_SLICE_NONE).data);
    ts_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_stay_where_they_are),
        cmocka_unit_test(refuses_more_than_its_maximum),
        cmocka_unit_test(copies_end_in_nul),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
