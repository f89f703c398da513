/* ad_watermark: what is printed is read again, and nothing else is. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/source/ad_watermark.h"

static uint8_t text[AD_WATERMARK_MAX + 1];

static struct ad_watermark sample(const char *dc, struct ts_slice cookie)
{
    struct ad_watermark watermark = { .shown = true,
                                      .usn = UINT64_C(0x0123456789abcdef),
                                      .cookie = cookie };
    memset(watermark.invocation, 0x5a, sizeof watermark.invocation);
    (void) snprintf(watermark.dc, sizeof watermark.dc, "%s", dc);
    return watermark;
}

static void what_is_printed_is_read_again(void **state)
{
    (void) state;
    static uint8_t cookie[DIRSYNC_COOKIE_MAX];
    static char longest[AD_DC_MAX + 1];
    memset(longest, 'd', AD_DC_MAX);
    const char *names[] = { "", "dc1.example.org", longest };
    size_t sizes[] = { 1, 108, sizeof cookie };
    for (size_t n = 0; n < 3; n++) {
        struct ad_watermark read;
        struct ad_watermark one = sample(names[n], ts_slice(cookie, sizes[n]));
        size_t size = ad_watermark_print(&one, text);
        assert_true(size <= AD_WATERMARK_MAX);
        assert_int_equal(ad_watermark_parse(ts_slice(text, size), &read, NULL),
                         TS_OK);
        assert_true(read.shown);
        assert_true(read.usn == one.usn);
        assert_string_equal(read.dc, names[n]);
        assert_memory_equal(read.invocation, one.invocation,
                            sizeof one.invocation);
        assert_true(ts_slice_equal(read.cookie, one.cookie));
    }
}

static void what_is_cut_off_or_not_ours_is_refused(void **state)
{
    (void) state;
    struct ad_watermark read;
    struct ad_watermark one = sample("dc1", ts_slice_str("c"));
    size_t size = ad_watermark_print(&one, text);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(ad_watermark_parse(ts_slice(text, cut), &read, NULL),
                         TS_E_PROTOCOL);
    }
    text[3] = 2; /* neither shown nor not */
    assert_int_equal(ad_watermark_parse(ts_slice(text, size), &read, NULL),
                     TS_E_PROTOCOL);
    assert_int_equal(
        ad_watermark_parse(
            ts_slice_str(
                "rid=000,csn=20260101000000.000000Z#000000#000#000000"),
            &read, NULL),
        TS_E_PROTOCOL);
}

static void a_name_with_a_zero_in_it_is_refused(void **state)
{
    (void) state;
    struct ad_watermark read;
    struct ad_watermark one = sample("dc1", ts_slice_str("c"));
    size_t size = ad_watermark_print(&one, text);
    text[size - 2] = 0;
    assert_int_equal(ad_watermark_parse(ts_slice(text, size), &read, NULL),
                     TS_E_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_read_again),
        cmocka_unit_test(what_is_cut_off_or_not_ours_is_refused),
        cmocka_unit_test(a_name_with_a_zero_in_it_is_refused),
    };
    return cmocka_run_group_tests_name("ad_watermark", tests, NULL, NULL);
}
