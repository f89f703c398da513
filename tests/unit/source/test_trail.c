/* trail: a directory whose writes are in its log a while after its contextCSN
 * covers them, and imports at any time. */
#include "tests/lib/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/source/trail.h"

#define WRITES      400
#define ROUNDS      60
#define IMPORTS_MAX 2000 /* many more than any of them takes */

/* A write: seen in the contextCSN at `done`, told from `logged` on. */
struct write {
    int64_t done_ms, logged_ms;
    int told;
};

struct directory {
    struct write writes[WRITES + 1]; /* number 0 was before everything */
    struct trail trail;
    int64_t now_ms;
    unsigned random;
};

static int64_t below(struct directory *directory, int64_t limit)
{
    return rand_r(&directory->random) % limit;
}

static struct contentsync_mark mark_of(int number)
{
    struct contentsync_mark mark;
    mark.size = (size_t) snprintf(
        (char *) mark.bytes, sizeof mark.bytes,
        "rid=000,csn=20260101000000.%06dZ#000000#000#000000", number);
    return mark;
}

static int number_of(const struct contentsync_mark *mark)
{
    return (int) strtol((const char *) mark->bytes + 27, NULL, 10);
}

static void fill(struct directory *directory, int64_t gap_ms, int64_t late_ms)
{
    int64_t at = directory->now_ms;
    for (int i = 1; i <= WRITES; i++) {
        at += below(directory, gap_ms);
        directory->writes[i] =
            (struct write){ .done_ms = at,
                            .logged_ms = at + below(directory, late_ms + 1) };
    }
    struct contentsync_mark begin = mark_of(0);
    trail_rest(&directory->trail, &begin);
}

static int64_t last_logged(const struct directory *directory)
{
    int64_t last = 0;
    for (int i = 1; i <= WRITES; i++) {
        const struct write *write = &directory->writes[i];
        last = write->logged_ms > last ? write->logged_ms : last;
    }
    return last;
}

/* What slapd does, and what the watermark goes through in between. Returns
 * where the import asked from. */
static int import(struct directory *directory)
{
    int64_t asked = directory->now_ms / 1000;
    enum trail_kind kind = trail_next(&directory->trail, asked);
    int from = number_of(trail_from(&directory->trail, kind));
    int context = 0;
    for (int i = 1; i <= WRITES; i++) {
        struct write *write = &directory->writes[i];
        if (write->done_ms <= directory->now_ms) {
            context = i;
            write->told += i > from && write->logged_ms <= directory->now_ms;
        }
    }
    struct contentsync_mark mark = mark_of(context);
    trail_answer(&directory->trail, kind, asked, &mark, asked);
    static uint8_t text[TRAIL_TEXT_MAX];
    size_t size = trail_print(&directory->trail, text);
    assert_int_equal(trail_parse(ts_slice(text, size), &directory->trail, NULL),
                     TS_OK);
    return from;
}

static struct directory *directory_new(unsigned seed)
{
    struct directory *directory = calloc(1, sizeof *directory);
    assert_non_null(directory);
    directory->random = seed;
    directory->now_ms = 1000000000;
    return directory;
}

static bool rests(const struct directory *directory)
{
    static uint8_t text[TRAIL_TEXT_MAX];
    struct contentsync_mark mark = mark_of(WRITES);
    return ts_slice_equal(ts_slice(text, trail_print(&directory->trail, text)),
                          ts_slice(mark.bytes, mark.size));
}

static void what_is_logged_within_a_second_is_told_by_the_next_import(void **s)
{
    (void) s;
    for (unsigned seed = 1; seed <= ROUNDS; seed++) {
        struct directory *directory = directory_new(seed);
        fill(directory, 300, 1000);
        int64_t last = last_logged(directory);
        while (directory->now_ms <= last) {
            directory->now_ms += 1 + below(directory, seed % 2 ? 50 : 4000);
            (void) import(directory);
            for (int i = 1; i <= WRITES; i++) {
                const struct write *write = &directory->writes[i];
                assert_true(write->told > 0 ||
                            write->logged_ms > directory->now_ms);
            }
        }
        free(directory);
    }
}

static void
what_is_logged_within_29_seconds_is_told_before_the_trail_rests(void **s)
{
    (void) s;
    for (unsigned seed = 1; seed <= ROUNDS; seed++) {
        struct directory *directory = directory_new(seed);
        fill(directory, 600, 29000);
        for (int i = 0; !rests(directory); i++) {
            assert_true(i < IMPORTS_MAX);
            directory->now_ms += 1 + below(directory, 3000);
            (void) import(directory);
        }
        for (int i = 1; i <= WRITES; i++) {
            assert_true(directory->writes[i].told > 0);
        }
        free(directory);
    }
}

static void an_idle_directory_is_asked_from_its_own_mark(void **s)
{
    (void) s;
    struct directory *directory = directory_new(1);
    fill(directory, 600, 5);
    directory->now_ms = last_logged(directory);
    int repeated = 0;
    for (int i = 0; i < 300; i++) {
        directory->now_ms += 1000;
        int from = import(directory);
        repeated += from != WRITES;
        assert_true(i < 100 || from == WRITES);
    }
    assert_in_range(repeated, 2, 6);
    free(directory);
}

static void most_told(int64_t gap_ms, int *ret_most)
{
    struct directory *directory = directory_new(3);
    fill(directory, 3000, 5);
    for (int i = 0; !rests(directory); i++) {
        assert_true(i < IMPORTS_MAX);
        directory->now_ms += gap_ms;
        (void) import(directory);
    }
    *ret_most = 0;
    for (int i = 1; i <= WRITES; i++) {
        int told = directory->writes[i].told;
        *ret_most = told > *ret_most ? told : *ret_most;
    }
    free(directory);
}

static void a_change_is_asked_for_a_bounded_number_of_times(void **s)
{
    (void) s;
    int most = 0;
    most_told(1000, &most);
    assert_in_range(most, 2, 6);
    most_told(30000, &most);
    assert_int_equal(most, 2);
}

static void a_time_in_the_future_counts_from_now(void **s)
{
    (void) s;
    struct directory *directory = directory_new(1);
    fill(directory, 100, 5);
    directory->now_ms = last_logged(directory);
    (void) import(directory);
    directory->now_ms -= 3600 * (int64_t) 1000; /* another computer's clock */
    for (int i = 1; i <= WRITES; i++) {
        directory->writes[i].done_ms -= 3600 * (int64_t) 1000;
        directory->writes[i].logged_ms = directory->writes[i].done_ms;
    }
    for (int i = 0; i < 100; i++) {
        (void) import(directory);
        directory->now_ms += 1000;
    }
    assert_true(rests(directory));
    free(directory);
}

static void other_texts_are_refused(void **s)
{
    (void) s;
    static uint8_t text[TRAIL_TEXT_MAX];
    static const char *const templates[] = {
        "",
        "garbage",
        "M ",
        "M M",
        "M M 1",
        "M M 1 M M",
        "M M 1 M M ",
        "M M 1 M M x",
        "M M 1 M M 1",
        "M M -1 M M 1 M",
        "M M 1 M M 1 ",
        "M M 1 M M 1 x",
        "M M 1 M M 1 M M",
        " M M 1 M M 1 M",
        "M M 1 M M 9999999999999999999 M",
        "M  1 M M 1 M",
    };
    struct contentsync_mark mark = mark_of(1);
    static struct trail trail;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        size_t size = 0;
        for (const char *c = templates[i]; *c != 0; c++) {
            const void *bytes = *c == 'M' ? (const void *) mark.bytes : c;
            size_t count = *c == 'M' ? mark.size : 1;
            memcpy(text + size, bytes, count);
            size += count;
        }
        assert_int_equal(trail_parse(ts_slice(text, size), &trail, NULL),
                         TS_E_PROTOCOL);
    }
}

/* T6: restored to what it was between two cookies, or to the older of them. */
static void a_server_that_forgot_what_it_told_is_noticed(void **state)
{
    (void) state;
    struct trail trail;
    struct contentsync_mark told[] = { mark_of(0), mark_of(5), mark_of(9) };
    struct contentsync_mark between = mark_of(7), later = mark_of(12);
    trail_rest(&trail, &told[0]);
    assert_false(trail_is_past(&trail, &told[0]));
    trail_answer(&trail, TRAIL_LATE, 100, &told[1], 100);
    assert_true(trail_is_past(&trail, &told[0]));
    assert_false(trail_is_past(&trail, &told[1]));
    trail_answer(&trail, TRAIL_SOON, 103, &told[2], 103);
    assert_int_equal(number_of(trail_from(&trail, TRAIL_LATE)), 0);
    assert_true(trail_is_past(&trail, &told[1]));
    assert_true(trail_is_past(&trail, &between));
    assert_false(trail_is_past(&trail, &told[2]));
    assert_false(trail_is_past(&trail, &later));
    struct contentsync_mark none = { .size = 0 };
    assert_true(trail_is_past(&trail, &none));
}

/* T6: a look takes no other cookie until it is due; what was told in between is
 * not forgotten for that, nor in the text. */
static void the_newest_cookie_is_kept_while_no_look_is_due(void **state)
{
    (void) state;
    static uint8_t text[TRAIL_TEXT_MAX];
    static struct trail trail, read;
    struct contentsync_mark told[] = { mark_of(0), mark_of(5), mark_of(9) };
    trail_rest(&trail, &told[0]);
    trail_answer(&trail, TRAIL_LATE, 100, &told[1], 100);
    trail_answer(&trail, TRAIL_SOON, 101, &told[2], 101);
    assert_int_equal(number_of(trail_from(&trail, TRAIL_SOON)), 0);
    assert_true(trail_is_past(&trail, &told[1]));
    size_t size = trail_print(&trail, text);
    assert_int_equal(trail_parse(ts_slice(text, size), &read, NULL), TS_OK);
    assert_true(trail_is_past(&read, &told[1]));
    assert_false(trail_is_past(&read, &told[2]));
    /* An older state, told once more, is not the newest. */
    trail_answer(&trail, TRAIL_SOON, 101, &told[1], 101);
    assert_true(trail_is_past(&trail, &told[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            what_is_logged_within_a_second_is_told_by_the_next_import),
        cmocka_unit_test(
            what_is_logged_within_29_seconds_is_told_before_the_trail_rests),
        cmocka_unit_test(an_idle_directory_is_asked_from_its_own_mark),
        cmocka_unit_test(a_change_is_asked_for_a_bounded_number_of_times),
        cmocka_unit_test(a_time_in_the_future_counts_from_now),
        cmocka_unit_test(a_server_that_forgot_what_it_told_is_noticed),
        cmocka_unit_test(the_newest_cookie_is_kept_while_no_look_is_due),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
