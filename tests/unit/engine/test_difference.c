/* difference: every row of its table. */
#include "tests/lib/test.h"

#include <string.h>

#include "node/engine/difference.h"

struct fixture {
    struct ts_arena arena;
};

static int make(void **state)
{
    static struct fixture fixture;
    ts_arena_init(&fixture.arena, (size_t) 1024 * 1024);
    *state = &fixture;
    return 0;
}

static int done(void **state)
{
    struct fixture *fixture = *state;
    ts_arena_done(&fixture->arena);
    return 0;
}

/* "a=1 b=CLEAR c=KEEP": an entry. */
static struct ts_entry entry(struct fixture *f, const char *text)
{
    struct ts_entry made = { .attributes = ts_arena_array(
                                 &f->arena, 8, sizeof(struct ts_attribute)) };
    char *copy =
        (char *) (uintptr_t) ts_arena_copy(&f->arena, ts_slice_str(text)).data;
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        struct ts_attribute *attribute = &made.attributes[made.count++];
        char *value = strchr(word, '=');
        *value++ = 0;
        attribute->name = ts_slice_str(word);
        if (strcmp(value, "CLEAR") == 0 || strcmp(value, "KEEP") == 0) {
            attribute->kind = value[0] == 'C' ? TS_KIND_CLEAR : TS_KIND_KEEP;
            continue;
        }
        attribute->kind = TS_KIND_TEXT;
        attribute->values =
            ts_arena_array(&f->arena, 1, sizeof(struct ts_slice));
        attribute->values[0] = ts_slice_str(value);
        attribute->value_count = 1;
    }
    ts_entry_normalise(&made);
    return made;
}

static void assert_entry(struct fixture *f, const struct ts_entry *is,
                         const char *expected)
{
    struct ts_entry wanted = entry(f, expected);
    assert_true(ts_entry_equal(is, &wanted));
}

/* One row of the table in difference.h. */
static void assert_row(struct fixture *f, const char *wanted, const char *sent,
                       const char *set, const char *after)
{
    struct ts_entry want = entry(f, wanted);
    struct ts_entry was = entry(f, sent);
    struct difference difference;
    struct ts_err err;
    assert_int_equal(difference_of(&want, &was, &f->arena, &difference, &err),
                     TS_OK);
    assert_entry(f, &difference.set, set);
    assert_entry(f, &difference.sent, after);
}

static void what_is_sent_follows_the_table(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *wanted, *sent, *set, *after;
    } rows[] = {
        { "a=1", "", "a=1", "a=1" },
        { "a=1", "a=2", "a=1", "a=1" },
        { "a=1", "a=CLEAR", "a=1", "a=1" },
        { "a=1", "a=1", "", "a=1" },
        { "a=CLEAR", "a=1", "a=CLEAR", "a=CLEAR" },
        { "a=CLEAR", "", "a=CLEAR", "a=CLEAR" },
        { "a=CLEAR", "a=CLEAR", "", "a=CLEAR" },
        { "a=KEEP", "a=1", "", "a=1" },
        { "a=KEEP", "a=CLEAR", "", "a=CLEAR" },
        { "a=KEEP", "", "", "" },
        { "", "a=1", "a=CLEAR", "" },
        { "", "a=CLEAR", "", "" },
        { "", "", "", "" },
        { "a=1 c=3", "b=2 c=0", "a=1 b=CLEAR c=3", "a=1 c=3" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_row(f, rows[i].wanted, rows[i].sent, rows[i].set, rows[i].after);
    }
}

static void afterwards_nothing_is_due(void **state)
{
    struct fixture *f = *state;
    static const char *const entries[] = { "",           "a=1",
                                           "a=2 b=1",    "a=CLEAR",
                                           "a=KEEP b=2", "b=CLEAR c=1" };
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 6; j++) {
            struct ts_entry wanted = entry(f, entries[i]);
            struct ts_entry sent = entry(f, entries[j]);
            struct difference first;
            struct difference second;
            struct ts_err err;
            assert_int_equal(
                difference_of(&wanted, &sent, &f->arena, &first, &err), TS_OK);
            assert_int_equal(
                difference_of(&wanted, &first.sent, &f->arena, &second, &err),
                TS_OK);
            assert_int_equal(second.set.count, 0);
            assert_true(ts_entry_equal(&first.sent, &second.sent));
        }
    }
}

static void
a_new_object_gets_values_and_once_but_not_keep_or_clear(void **state)
{
    struct fixture *f = *state;
    struct ts_entry wanted = entry(f, "a=1 b=CLEAR c=KEEP");
    struct ts_entry once = entry(f, "a=9 b=9 d=4 e=KEEP f=CLEAR");
    struct difference difference;
    struct ts_err err;
    assert_int_equal(
        difference_for_new(&wanted, &once, &f->arena, &difference, &err),
        TS_OK);
    assert_entry(f, &difference.set, "a=1 d=4");
    assert_entry(f, &difference.sent, "a=1 b=CLEAR"); /* once is never ours */
}

static void too_little_memory_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct ts_entry wanted = entry(f, "a=1 b=2 c=3");
    struct difference difference;
    struct ts_arena small;
    struct ts_err err;
    ts_arena_init(&small, 16);
    assert_int_equal(difference_of(&wanted, &wanted, &small, &difference, &err),
                     TS_E_LIMIT);
    ts_arena_done(&small);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make, done)
    const struct CMUnitTest tests[] = {
        T(what_is_sent_follows_the_table),
        T(afterwards_nothing_is_due),
        T(a_new_object_gets_values_and_once_but_not_keep_or_clear),
        T(too_little_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
