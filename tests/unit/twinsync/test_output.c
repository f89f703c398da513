/* output, bar and the views: what people see. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "tools/twinsync/bar.h"
#include "tools/twinsync/evaluation_result.h"
#include "tools/twinsync/events_view.h"
#include "tools/twinsync/status_view.h"
#include "tools/twinsync/values.h"

/* A screen in memory; text_of() ends it. */
struct paper {
    struct screen screen;
    char *text;
    size_t size;
};

static void take_paper(struct paper *paper, bool color, int width)
{
    *paper = (struct paper){ .screen = { .color = color, .width = width } };
    paper->screen.out = open_memstream(&paper->text, &paper->size);
    assert_non_null(paper->screen.out);
}

static const char *text_of(struct paper *paper)
{
    (void) fclose(paper->screen.out);
    return paper->text;
}

static void counts_are_grouped(void **state)
{
    (void) state;
    char text[TEXT_SIZE];
    assert_string_equal(count_text(text, 0), "0");
    assert_string_equal(count_text(text, 999), "999");
    assert_string_equal(count_text(text, 1000), "1,000");
    assert_string_equal(count_text(text, 1234567), "1,234,567");
    assert_string_equal(count_text(text, -123456), "-123,456");
}

static void spans_have_two_units(void **state)
{
    (void) state;
    char text[TEXT_SIZE];
    assert_string_equal(span_text(text, 812), "812 ms");
    assert_string_equal(span_text(text, 3450), "3.4 s");
    assert_string_equal(span_text(text, 125000), "2 min 5 s");
    assert_string_equal(span_text(text, 11520000), "3 h 12 min");
    assert_string_equal(span_text(text, 187200000), "2 d 4 h");
}

static void times_are_told_from_now(void **state)
{
    (void) state;
    char text[TEXT_SIZE];
    const char *when = "2026-01-02T03:04:05.678Z";
    assert_int_equal(time_of(when), 1767323045678);
    int64_t then = 1767323045;
    assert_string_equal(ago_text(text, when, then), "0 s ago");
    assert_string_equal(ago_text(text, when, then + 59), "59 s ago");
    assert_string_equal(ago_text(text, when, then + 125), "2 min 5 s ago");
    assert_string_equal(ago_text(text, when, then - 7200), "in 2 h 0 min");
    assert_string_equal(ago_text(text, NULL, then), "never");
    assert_string_equal(ago_text(text, "", then), "never");
    assert_string_equal(ago_text(text, "soon", then), "soon");
    assert_int_equal(time_of("2026-01-02T03:04:05Z"), 1767323045000);
    assert_int_equal(time_of("2026-01-02T03:04:05+01:00"), -1);
}

static void no_control_character_reaches_a_terminal(void **state)
{
    (void) state;
    struct paper paper;
    take_paper(&paper, false, 0);
    put_text(&paper.screen, "a\033[2Jb\r\nc\x7f"
                            "d\xc2\x9b"
                            "e \xc3\xa4");
    assert_string_equal(text_of(&paper), "a?[2Jb??c?d?e \xc3\xa4");
    free(paper.text);
}

static void colour_is_only_where_it_is_wanted(void **state)
{
    (void) state;
    struct paper paper;
    take_paper(&paper, false, 0);
    put_toned(&paper.screen, TONE_BAD, 6, "no");
    assert_string_equal(text_of(&paper), "no    ");
    free(paper.text);
    take_paper(&paper, true, 0);
    put_toned(&paper.screen, TONE_BAD, 3, "\xc3\xa4");
    assert_string_equal(text_of(&paper), "\033[31m\xc3\xa4\033[0m  ");
    free(paper.text);
}

static void long_text_is_broken_at_blanks(void **state)
{
    (void) state;
    struct paper paper;
    take_paper(&paper, false, 20);
    put_wrapped(&paper.screen, 4, "one two three four five");
    assert_string_equal(text_of(&paper), "one two three \n    four five\n");
    free(paper.text);
}

static void many_and_long_values_are_cut_between_characters(void **state)
{
    (void) state;
    struct paper paper;
    json_t *values = json_pack("[s,s,s,s,s,s]", "a", "b", "c", "d", "e", "f");
    take_paper(&paper, false, 0);
    put_values(&paper.screen, TONE_PLAIN, values);
    assert_string_equal(text_of(&paper), "a | b | c | d and 2 more");
    free(paper.text);
    json_decref(values);

    char text[512] = "";
    for (size_t i = 0; i + 2 < sizeof text; i += 2) {
        memcpy(text + i, "\xc3\xa4", 3);
    }
    memmove(text + 1, text, 400);
    text[0] = 'x';
    text[401] = 0;
    values = json_pack("[s]", text);
    assert_non_null(values);
    take_paper(&paper, false, 0);
    put_values(&paper.screen, TONE_PLAIN, values);
    const char *got = text_of(&paper);
    assert_non_null(strstr(got, "... (401 bytes)"));
    assert_int_equal(strcspn(got, "."), 119);
    free(paper.text);
    json_decref(values);

    take_paper(&paper, false, 0);
    put_values(&paper.screen, TONE_PLAIN, NULL);
    assert_string_equal(text_of(&paper), "(none)");
    free(paper.text);
}

static void a_bar_shows_the_part_that_is_done(void **state)
{
    (void) state;
    struct paper paper;
    take_paper(&paper, false, 80);
    bar_put(&paper.screen, 500, 1000, 10);
    assert_string_equal(text_of(&paper), "#####..... 500 of 1,000");
    free(paper.text);
    take_paper(&paper, false, 80);
    bar_put(&paper.screen, 2000, 1000, 4); // more came than was announced
    assert_string_equal(text_of(&paper), "#### 2,000 of 1,000");
    free(paper.text);
    take_paper(&paper, false, 80);
    bar_put(&paper.screen, 77, 0, 10);
    assert_string_equal(text_of(&paper), "77");
    free(paper.text);
}

static void a_rate_is_told_once_it_means_something(void **state)
{
    (void) state;
    char text[2 * TEXT_SIZE];
    assert_string_equal(bar_rate_text(text, 100, 1000, 10), "");
    assert_string_equal(bar_rate_text(text, 0, 1000, 5000), "");
    assert_string_equal(bar_rate_text(text, 20000, 80000, 2000),
                        "  10,000/s  6.0 s left");
    assert_string_equal(bar_rate_text(text, 1000, 1000, 2000), "  500/s");
}

static void nothing_is_drawn_where_nothing_can_be_redrawn(void **state)
{
    (void) state;
    struct paper paper;
    take_paper(&paper, false, 0);
    struct bar bar = { .screen = paper.screen };
    bar_update(&bar, "import", 1, 2, (struct ts_time){ 0 });
    bar_done(&bar);
    assert_string_equal(text_of(&paper), "");
    free(paper.text);
}

static json_t *status_document(void)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:{s:i, s:i},"
        " s:{s:b, s:i, s:s, s:s, s:i, s:s},"
        " s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i},"
        " s:{s:i, s:i, s:i, s:i, s:i},"
        " s:[{s:s, s:s, s:s, s:s}]}",
        "version", "1.2.3", "cluster", "corp", "node", "alpha", "role",
        "active", "epoch", 1, "replication", "seq", 7, "generation", 3, "cycle",
        "running", 0, "id", 42, "kind", "delta", "started",
        "2026-01-02T03:04:05.678Z", "duration_ms", 812, "result", "partial",
        "counts", "source", 1060, "metaverse", 1060, "target", 1059, "ledger",
        1059, "pending", 1, "held", 0, "quarantined", 0, "errors", 1, "exports",
        "create", 3, "update", 2, "delete", 0, "retries", 1, "throttled_ms",
        1200, "problems", "code", "conflict", "severity", "error", "text",
        "could not create ada", "fix", "change her mail");
}

static void the_status_view_leads_with_health_and_ends_with_fixes(void **state)
{
    (void) state;
    struct paper paper;
    json_t *status = status_document();
    take_paper(&paper, false, 80);
    status_view(&paper.screen, status, false, 1767323048);
    assert_string_equal(
        text_of(&paper),
        "* corp/alpha is not healthy: 1 error, 0 warnings\n"
        "  role        active, epoch 1, generation 3, seq 7  twinsyncd 1.2.3\n"
        "  last cycle  #42 delta: partial, began 3 s ago, took 812 ms\n"
        "  objects     1,060 at the source, 1,060 joined, 1,059 at the target, "
        "1,059 in the ledger\n"
        "  waiting     1 pending, 0 held, 0 quarantined, 1 with errors\n"
        "  exported    3 created, 2 updated, 0 deleted, 1 retries, throttled "
        "for 1.2 s\n"
        "\nProblems\n"
        "  x conflict\n"
        "    could not create ada\n"
        "    > change her mail\n");
    free(paper.text);
    json_decref(status);
}

static void a_running_cycle_shows_how_far_it_is(void **state)
{
    (void) state;
    struct paper paper;
    json_t *status = status_document();
    json_t *cycle = json_object_get(status, "cycle");
    (void) json_object_set_new(cycle, "running", json_true());
    (void) json_object_set_new(cycle, "phase", json_string("export"));
    (void) json_object_set_new(cycle, "done", json_integer(5));
    (void) json_object_set_new(cycle, "total", json_integer(10));
    take_paper(&paper, false, 80);
    status_view(&paper.screen, status, true, 1767323048);
    assert_non_null(strstr(text_of(&paper),
                           "  this cycle  #42 delta: export "
                           "##########.......... 5 of 10, began 3 s ago\n"));
    free(paper.text);
    json_decref(status);
}

static void a_status_of_nothing_is_drawn_as_nothing(void **state)
{
    (void) state;
    struct paper paper;
    json_t *empty = json_object();
    take_paper(&paper, false, 80);
    status_view(&paper.screen, empty, true, 0);
    assert_non_null(strstr(text_of(&paper), "none yet"));
    free(paper.text);
    json_decref(empty);
}

static void an_event_is_a_line_of_fields(void **state)
{
    (void) state;
    struct paper paper;
    json_t *events = json_pack(
        "[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}]", "time", "t1", "event",
        "cycle-finished", "actor", "daemon", "text",
        "{\"exports\":{\"create\":5,\"delete\":0,\"phases\":{\"x\":1}},"
        "\"id\":0,\"ok\":true}",
        "time", "t2", "event", "paused", "actor", "uid 0", "text", "no object");
    take_paper(&paper, false, 72);
    events_view(&paper.screen, events, true);
    assert_string_equal(
        text_of(&paper),
        "  t1                       cycle-finished            create=5 id=0 "
        "ok=ye\n"
        "  t2                       paused                    no object by "
        "uid 0\n");
    free(paper.text);
    json_decref(events);
}

static void two_evaluations_differ_where_scope_or_values_do(void **state)
{
    (void) state;
    json_t *now = json_pack("{s:s, s:[{s:s,s:[s]},{s:s,s:[s]}], s:[]}", "scope",
                            "in", "values", "path", "a", "values", "1", "path",
                            "b", "values", "2", "once");
    json_t *draft = json_pack("{s:s, s:[{s:s,s:[s]},{s:s,s:[s]}], s:[]}",
                              "scope", "out", "values", "path", "a", "values",
                              "1", "path", "c", "values", "3", "once");
    json_t *expected =
        json_pack("[{s:s,s:[s],s:[s]},{s:s,s:[],s:[s]},{s:s,s:[s],s:[]}]",
                  "path", "(scope)", "now", "in", "draft", "out", "path", "c",
                  "now", "draft", "3", "path", "b", "now", "2", "draft");
    json_t *got = evaluation_differences(now, draft);
    assert_true(json_equal(got, expected));
    json_decref(got);
    got = evaluation_differences(now, now);
    assert_int_equal(json_array_size(got), 0);
    json_decref(got);
    json_decref(expected);
    json_decref(now);
    json_decref(draft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_grouped),
        cmocka_unit_test(spans_have_two_units),
        cmocka_unit_test(times_are_told_from_now),
        cmocka_unit_test(no_control_character_reaches_a_terminal),
        cmocka_unit_test(colour_is_only_where_it_is_wanted),
        cmocka_unit_test(long_text_is_broken_at_blanks),
        cmocka_unit_test(many_and_long_values_are_cut_between_characters),
        cmocka_unit_test(a_bar_shows_the_part_that_is_done),
        cmocka_unit_test(a_rate_is_told_once_it_means_something),
        cmocka_unit_test(nothing_is_drawn_where_nothing_can_be_redrawn),
        cmocka_unit_test(the_status_view_leads_with_health_and_ends_with_fixes),
        cmocka_unit_test(a_running_cycle_shows_how_far_it_is),
        cmocka_unit_test(a_status_of_nothing_is_drawn_as_nothing),
        cmocka_unit_test(an_event_is_a_line_of_fields),
        cmocka_unit_test(two_evaluations_differ_where_scope_or_values_do),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
