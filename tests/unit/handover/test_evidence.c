/* evidence and its codec: rows are replaced in their place, and what lies in
 * the register or in the replicated state comes back as it was. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/handover/evidence.h"
#include "proto/handover.pb-c.h"

static struct handover_field a_field(void)
{
    return (struct handover_field){ .id = "00112233445566ff",
                                    .from = "alpha",
                                    .to = "beta",
                                    .actor = "root",
                                    .step = HANDOVER_RESET,
                                    .epoch = 8,
                                    .pass = 2,
                                    .reset_begun = true,
                                    .retire = true };
}

static void a_later_finding_takes_the_place_of_the_earlier(void **state)
{
    (void) state;
    struct handover_evidence list = { .id = "" };
    struct evidence_row pending =
        evidence_make(HANDOVER_RESET, EVIDENCE_PENDING, "source/corp", "asked");
    struct evidence_row other =
        evidence_make(HANDOVER_RESET, EVIDENCE_PROVED, "target", "gone");
    struct evidence_row proved = evidence_make(HANDOVER_RESET, EVIDENCE_PROVED,
                                               "source/corp", "refused");
    assert_true(evidence_put(&list, &pending));
    assert_true(evidence_put(&list, &other));
    assert_true(evidence_put(&list, &proved));
    assert_int_equal(list.count, 2);
    assert_int_equal(list.rows[0].state, EVIDENCE_PROVED);
    assert_string_equal(list.rows[0].text, "refused");
    assert_null(evidence_find(&list, HANDOVER_TAIL, "source/corp"));
}

static void a_full_list_is_left_as_it_is(void **state)
{
    (void) state;
    struct handover_evidence *list = calloc(1, sizeof *list);
    struct evidence_row row;
    char name[16];
    for (int i = 0; i < HANDOVER_ROWS_MAX; i++) {
        (void) snprintf(name, sizeof name, "%d", i);
        row = evidence_make(HANDOVER_RESET, EVIDENCE_DONE, name, "");
        assert_true(evidence_put(list, &row));
    }
    row = evidence_make(HANDOVER_RESET, EVIDENCE_DONE, "more", "");
    assert_false(evidence_put(list, &row));
    row = evidence_make(HANDOVER_RESET, EVIDENCE_FAILED, "7", "");
    assert_true(evidence_put(list, &row));
    assert_int_equal(list->count, HANDOVER_ROWS_MAX);
    free(list);
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void) state;
    char text[HANDOVER_TEXT_SIZE + 16];
    memset(text, 'a', sizeof text);
    memcpy(text + HANDOVER_TEXT_SIZE - 3, "\xe2\x82\xac", 3);
    text[sizeof text - 1] = '\0';
    struct evidence_row row =
        evidence_make(HANDOVER_TAIL, EVIDENCE_DONE, "a\nb", text);
    assert_int_equal(strlen(row.text), HANDOVER_TEXT_SIZE - 3);
    assert_string_equal(row.name, "a b");
}

static void a_step_is_over_when_its_own_row_says_so(void **state)
{
    (void) state;
    static const bool over[EVIDENCE_STATES] = { [EVIDENCE_DONE] = true,
                                                [EVIDENCE_PROVED] = true,
                                                [EVIDENCE_PENDING] = true,
                                                [EVIDENCE_UNTOUCHED] = true };
    struct handover_evidence list = { .id = "" };
    assert_false(evidence_is_over(&list, HANDOVER_DRAIN, ""));
    for (int i = 0; i < EVIDENCE_STATES; i++) {
        struct evidence_row row =
            evidence_make(HANDOVER_DRAIN, (enum evidence_state) i, "", "");
        assert_true(evidence_put(&list, &row));
        assert_int_equal(evidence_is_over(&list, HANDOVER_DRAIN, ""), over[i]);
    }
}

static void a_field_comes_back_as_it_was(void **state)
{
    (void) state;
    struct handover_field field = a_field(), back;
    struct ts_slice bytes;
    struct ts_arena arena;
    struct ts_err err;
    ts_arena_init(&arena, HANDOVER_ARENA_SIZE);
    assert_int_equal(handover_field_pack(&field, &arena, &bytes, &err), TS_OK);
    assert_int_equal(handover_field_unpack(bytes, &arena, &back, &err), TS_OK);
    assert_memory_equal(&back, &field, sizeof back);
    ts_arena_done(&arena);
}

static void a_field_that_cannot_be_is_refused(void **state)
{
    (void) state;
    struct handover_field field;
    struct ts_slice bytes;
    struct ts_arena arena;
    struct ts_err err;
    ts_arena_init(&arena, HANDOVER_ARENA_SIZE);
    field = a_field();
    memcpy(field.to, "alpha", 6);
    assert_int_equal(handover_field_pack(&field, &arena, &bytes, &err),
                     TS_E_PROTOCOL);
    field = a_field();
    field.id[3] = 'x';
    assert_int_equal(handover_field_pack(&field, &arena, &bytes, &err),
                     TS_E_PROTOCOL);
    field = a_field();
    field.step = HANDOVER_STEPS;
    assert_int_equal(handover_field_pack(&field, &arena, &bytes, &err),
                     TS_E_PROTOCOL);
    assert_int_equal(
        handover_field_unpack(ts_slice("\x0a", 1), &arena, &field, &err),
        TS_E_CORRUPT);
    ts_arena_done(&arena);
}

/* A reader that knows less passes a field over, unless it is told that it has
 * to understand it. */
static void a_field_of_a_newer_version_is_left_alone(void **state)
{
    (void) state;
    uint8_t bytes[128];
    struct handover_field back;
    struct ts_arena arena;
    struct ts_err err;
    Twinsync__V1__HandoverField m;
    char id[] = "00112233445566ff", from[] = "alpha", to[] = "beta";
    twinsync__v1__handover_field__init(&m);
    m.version_min = HANDOVER_VERSION;
    m.id = id;
    m.from = from;
    m.to = to;
    size_t size = twinsync__v1__handover_field__pack(&m, bytes);
    memcpy(bytes + size, "\xf8\x07\x01", 3); /* field 127, which nobody has */
    ts_arena_init(&arena, HANDOVER_ARENA_SIZE);
    assert_int_equal(
        handover_field_unpack(ts_slice(bytes, size + 3), &arena, &back, &err),
        TS_OK);
    m.version_min = HANDOVER_VERSION + 1;
    size = twinsync__v1__handover_field__pack(&m, bytes);
    assert_int_equal(
        handover_field_unpack(ts_slice(bytes, size), &arena, &back, &err),
        TS_E_VERSION);
    assert_non_null(strstr(err.text, "newer version"));
    ts_arena_done(&arena);
}

static void evidence_comes_back_as_it_was(void **state)
{
    (void) state;
    struct handover_evidence *list = calloc(2, sizeof *list);
    struct ts_slice bytes;
    struct ts_arena arena;
    struct ts_err err;
    *list = (struct handover_evidence){ .id = "00112233445566ff",
                                        .from = "alpha",
                                        .to = "beta",
                                        .actor = "root",
                                        .reason = "new hardware",
                                        .outcome = HANDOVER_COMPLETE,
                                        .started_ms = 5,
                                        .ended_ms = 9 };
    for (int i = 0; i < HANDOVER_ROWS_MAX; i++) {
        char name[16];
        (void) snprintf(name, sizeof name, "%d", i);
        struct evidence_row row = evidence_make(
            (enum handover_step)(i % HANDOVER_STEPS),
            (enum evidence_state)(i % EVIDENCE_STATES), name, "text");
        row.at_ms = i;
        assert_true(evidence_put(list, &row));
    }
    ts_arena_init(&arena, HANDOVER_ARENA_SIZE);
    assert_int_equal(handover_evidence_pack(list, &arena, &bytes, &err), TS_OK);
    assert_int_equal(handover_evidence_unpack(bytes, &arena, &list[1], &err),
                     TS_OK);
    assert_memory_equal(&list[0], &list[1], sizeof *list);
    list->rows[3].step = HANDOVER_STEPS;
    assert_int_equal(handover_evidence_pack(list, &arena, &bytes, &err),
                     TS_E_PROTOCOL);
    ts_arena_done(&arena);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_finding_takes_the_place_of_the_earlier),
        cmocka_unit_test(a_full_list_is_left_as_it_is),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(a_step_is_over_when_its_own_row_says_so),
        cmocka_unit_test(a_field_comes_back_as_it_was),
        cmocka_unit_test(a_field_that_cannot_be_is_refused),
        cmocka_unit_test(a_field_of_a_newer_version_is_left_alone),
        cmocka_unit_test(evidence_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
