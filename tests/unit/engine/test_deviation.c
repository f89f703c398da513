/* deviation: four views of one object in, what is wrong with it out. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/engine/deviation.h"

static struct ts_arena arena;

/* Entries as text: "a=1 b=2,3 c! d?" -- values, CLEAR, KEEP; in order. */
static struct ts_attribute attribute_of(char *word)
{
    struct ts_attribute attribute = { .kind = TS_KIND_TEXT };
    char *values = strchr(word, '=');
    size_t last = strlen(word) - 1;
    if (values == NULL) {
        attribute.kind = word[last] == '!' ? TS_KIND_CLEAR : TS_KIND_KEEP;
        word[last] = 0;
    } else {
        char *rest = NULL;
        *values = 0;
        attribute.values = ts_arena_array(&arena, 8, sizeof(struct ts_slice));
        for (char *value = strtok_r(values + 1, ",", &rest); value != NULL;
             value = strtok_r(NULL, ",", &rest)) {
            attribute.values[attribute.value_count++] = ts_slice_str(value);
        }
    }
    attribute.name = ts_slice_str(word);
    return attribute;
}

static struct ts_entry entry(const char *text)
{
    char *rest = NULL;
    char *copy =
        (char *) (uintptr_t) ts_arena_copy(&arena, ts_slice_str(text)).data;
    struct ts_entry result = { .count = 0 };
    result.attributes = ts_arena_array(&arena, 8, sizeof *result.attributes);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        result.attributes[result.count++] = attribute_of(word);
    }
    ts_entry_normalise(&result);
    return result;
}

/* What deviates, as "path" or "path~" (normalised), joined by spaces. */
static const char *found(const char *wanted, const char *sent, const char *seen,
                         const char *shown)
{
    static char text[256];
    struct ts_entry want = entry(wanted);
    struct ts_entry was_sent = entry(sent);
    struct ts_entry was_seen = entry(seen == NULL ? "" : seen);
    struct ts_entry is_shown = entry(shown);
    const struct deviation_view view = { &want, &was_sent,
                                         seen == NULL ? NULL : &was_seen,
                                         &is_shown };
    struct deviation *list = NULL;
    size_t count = 0;
    struct ts_err err;
    assert_int_equal(deviation_of(&view, &arena, &list, &count, &err), TS_OK);
    text[0] = 0;
    int used = 0;
    for (size_t i = 0; i < count; i++) {
        used += snprintf(text + used, sizeof text - (size_t) used, "%s%.*s%s",
                         i > 0 ? " " : "", (int) list[i].path.size,
                         (const char *) list[i].path.data,
                         list[i].normalised ? "~" : "");
        assert_true(used >= 0 && (size_t) used < sizeof text);
    }
    return text;
}

static void what_is_shown_as_wanted_is_equal(void **state)
{
    (void) state;
    assert_string_equal(
        found("a=1 b=2,3", "a=1 b=2,3", "a=1 b=2,3", "a=1 b=2,3"), "");
    assert_string_equal(found("a=1", "", NULL, "a=1"), "");
}

static void another_or_no_value_deviates(void **state)
{
    (void) state;
    assert_string_equal(found("a=1 b=2", "a=1 b=2", "a=1 b=2", "a=9"), "a b");
    assert_string_equal(found("a=1,2", "a=1,2", "a=1,2", "a=1"), "a");
}

static void what_the_target_made_of_it_is_normalised(void **state)
{
    (void) state;
    assert_string_equal(found("a=Ada", "a=Ada", "a=ada", "a=ada"), "a~");
    assert_string_equal(found("a=Ada", "a=Ada", "", ""), "a~");
}

static void a_foreign_edit_is_not_taken_for_normalisation(void **state)
{
    (void) state;
    assert_string_equal(found("a=Ada", "a=Ada", "a=ada", "a=eve"), "a");
    /* What was sent is not what is wanted now. */
    assert_string_equal(found("a=Ada", "a=Eve", "a=eve", "a=eve"), "a");
    /* It is not known what the target made of it. */
    assert_string_equal(found("a=Ada", "a=Ada", NULL, "a=ada"), "a");
}

static void cleared_means_no_value_and_kept_means_any(void **state)
{
    (void) state;
    assert_string_equal(found("a! b?", "a!", "", "b=1"), "");
    assert_string_equal(found("a! b?", "a!", "", "a=1 b=1"), "a");
    assert_string_equal(found("a!", "a!", "a=default", "a=default"), "a~");
}

static void only_what_we_once_set_must_go(void **state)
{
    (void) state;
    assert_string_equal(found("", "a=1", "a=1 b=2", "a=1 b=2"), "a");
    assert_string_equal(found("", "a=1 c!", "a=1", "b=2 c=3"), "");
}

static int begin(void **state)
{
    (void) state;
    ts_arena_init(&arena, (size_t) 1024 * 1024);
    return 0;
}

static int end(void **state)
{
    (void) state;
    ts_arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_as_wanted_is_equal),
        cmocka_unit_test(another_or_no_value_deviates),
        cmocka_unit_test(what_the_target_made_of_it_is_normalised),
        cmocka_unit_test(a_foreign_edit_is_not_taken_for_normalisation),
        cmocka_unit_test(cleared_means_no_value_and_kept_means_any),
        cmocka_unit_test(only_what_we_once_set_must_go),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
