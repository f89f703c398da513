/* dirsync_codec: the values of [MS-ADTS]'s controls, byte by byte. The fixtures
 * are assembled by hand from 3.1.1.3.4.1.3 and 3.1.1.3.4.1.5, and from X.690.
 */
#include "tests/lib/test.h"

#include <string.h>

#include "node/ldap/dirsync_codec.h"

#define SLICE(bytes) ts_slice(bytes, sizeof bytes)

static const struct dirsync_guid known = { { 0xa4, 0xa9, 0xdd, 0x5d, 0xf2, 0x2c,
                                             0xf8, 0x4b, 0x8a, 0x6c, 0xa8, 0x44,
                                             0x95, 0x0f, 0xf7, 0xca } };
#define KNOWN_TEXT "5ddda9a4-2cf2-4bf8-8a6c-a844950ff7ca"

/* --- request ---------------------------------------------------------------
 */

static void flags_are_sent_in_four_bytes(void **state)
{
    (void) state;
    static const uint8_t want[] = { 0x30, 0x0d, 0x02, 0x04, 0x80,
                                    0x00, 0x00, 0x01, 0x02, 0x03,
                                    0x10, 0x00, 0x00, 0x04, 0x00 };
    struct dirsync_request request;
    assert_int_equal(dirsync_encode_request(DIRSYNC_INCREMENTAL_VALUES |
                                                DIRSYNC_OBJECT_SECURITY,
                                            TS_SLICE_NONE, &request, NULL),
                     TS_OK);
    assert_int_equal(request.size, sizeof want);
    assert_memory_equal(request.bytes, want, sizeof want);
}

static void a_request_carries_the_cookie(void **state)
{
    (void) state;
    static const uint8_t want[] = { 0x30, 0x10, 0x02, 0x04, 0x80, 0x00,
                                    0x08, 0x01, 0x02, 0x03, 0x10, 0x00,
                                    0x00, 0x04, 0x03, 'a',  'b',  'c' };
    struct dirsync_request request;
    assert_int_equal(dirsync_encode_request(
                         DIRSYNC_INCREMENTAL_VALUES | DIRSYNC_ANCESTORS_FIRST |
                             DIRSYNC_OBJECT_SECURITY,
                         ts_slice_str("abc"), &request, NULL),
                     TS_OK);
    assert_int_equal(request.size, sizeof want);
    assert_memory_equal(request.bytes, want, sizeof want);
}

static void a_cookie_over_its_limit_is_not_sent(void **state)
{
    (void) state;
    static uint8_t cookie[DIRSYNC_COOKIE_MAX + 1];
    static struct dirsync_request request;
    assert_int_equal(
        dirsync_encode_request(1, ts_slice(cookie, DIRSYNC_COOKIE_MAX),
                               &request, NULL),
        TS_OK);
    assert_int_equal(dirsync_encode_request(1, SLICE(cookie), &request, NULL),
                     TS_E_LIMIT);
}

/* --- response --------------------------------------------------------------
 */

static void a_response_tells_more_and_the_cookie(void **state)
{
    (void) state;
    static const uint8_t last[] = { 0x30, 0x09, 0x02, 0x01, 0x00, 0x02,
                                    0x01, 0x00, 0x04, 0x01, 'x' };
    static const uint8_t more[] = { 0x30, 0x09, 0x02, 0x01, 0x01, 0x02,
                                    0x01, 0x00, 0x04, 0x01, 'y' };
    /* Windows writes lengths in four bytes, and any number but 0 is "more". */
    static const uint8_t windows[] = { 0x30, 0x84, 0x00, 0x00, 0x00, 0x18,
                                       0x02, 0x04, 0xff, 0xff, 0xff, 0xff,
                                       0x02, 0x01, 0x00, 0x04, 0x84, 0x00,
                                       0x00, 0x00, 0x09, 'M',  'S',  'D',
                                       'S',  3,    0,    0,    0,    1 };
    struct dirsync_response response;
    assert_int_equal(dirsync_decode_response(SLICE(last), &response, NULL),
                     TS_OK);
    assert_false(response.more);
    assert_true(ts_slice_equal(response.cookie, ts_slice_str("x")));
    assert_int_equal(dirsync_decode_response(SLICE(more), &response, NULL),
                     TS_OK);
    assert_true(response.more);
    assert_true(ts_slice_equal(response.cookie, ts_slice_str("y")));
    assert_int_equal(dirsync_decode_response(SLICE(windows), &response, NULL),
                     TS_OK);
    assert_true(response.more);
    assert_int_equal(response.cookie.size, 9);
}

static void a_malformed_response_is_refused(void **state)
{
    (void) state;
    static const uint8_t good[] = { 0x30, 0x09, 0x02, 0x01, 0x00, 0x02,
                                    0x01, 0x00, 0x04, 0x01, 'x' };
    static const uint8_t no_cookie[] = { 0x30, 0x08, 0x02, 0x01, 0x00,
                                         0x02, 0x01, 0x00, 0x04, 0x00 };
    static const uint8_t five[] = { 0x30, 0x0d, 0x02, 0x05, 0x00,
                                    0x80, 0x00, 0x00, 0x00, 0x02,
                                    0x01, 0x00, 0x04, 0x01, 'x' };
    static const uint8_t trailing[] = { 0x30, 0x09, 0x02, 0x01, 0x00, 0x02,
                                        0x01, 0x00, 0x04, 0x01, 'x',  0x05 };
    static const uint8_t inside[] = { 0x30, 0x0b, 0x02, 0x01, 0x00, 0x02, 0x01,
                                      0x00, 0x04, 0x01, 'x',  0x05, 0x00 };
    struct dirsync_response response;
    for (size_t size = 0; size < sizeof good; size++) {
        assert_int_equal(
            dirsync_decode_response(ts_slice(good, size), &response, NULL),
            TS_E_PROTOCOL);
    }
    assert_int_equal(dirsync_decode_response(SLICE(no_cookie), &response, NULL),
                     TS_E_PROTOCOL);
    assert_int_equal(dirsync_decode_response(SLICE(five), &response, NULL),
                     TS_E_PROTOCOL);
    assert_int_equal(dirsync_decode_response(SLICE(trailing), &response, NULL),
                     TS_E_PROTOCOL);
    assert_int_equal(dirsync_decode_response(SLICE(inside), &response, NULL),
                     TS_E_PROTOCOL);
}

/* --- names ------------------------------------------------------------------
 */

static void a_guid_has_three_forms(void **state)
{
    (void) state;
    char text[DIRSYNC_GUID_TEXT_SIZE];
    char anchor[DIRSYNC_GUID_ANCHOR_SIZE];
    char filter[DIRSYNC_GUID_FILTER_SIZE];
    dirsync_guid_text(known, text);
    dirsync_guid_anchor(known, anchor);
    dirsync_guid_filter(known, filter);
    assert_string_equal(text, KNOWN_TEXT);
    assert_string_equal(anchor, "pKndXfIs+EuKbKhElQ/3yg==");
    assert_string_equal(
        filter,
        "\\a4\\a9\\dd\\5d\\f2\\2c\\f8\\4b\\8a\\6c\\a8\\44\\95\\0f\\f7\\ca");
}

static void an_extended_name_is_taken_apart(void **state)
{
    (void) state;
    static const struct {
        const char *text, *dn;
    } rows[] = {
        { "<GUID=" KNOWN_TEXT ">;<SID=S-1-5-21-1-2-3-1104>;CN=a,DC=b",
          "CN=a,DC=b" },
        { "<GUID=" KNOWN_TEXT ">;CN=a\\;<SID=b,DC=b", "CN=a\\;<SID=b,DC=b" },
        { "<GUID=5DDDA9A4-2CF2-4BF8-8A6C-A844950FF7CA>;DC=b", "DC=b" },
        { "<GUID=" KNOWN_TEXT ">;", "" },
        { "<GUID=" KNOWN_TEXT ">", "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dirsync_name name;
        assert_int_equal(
            dirsync_name_parse(ts_slice_str(rows[i].text), &name, NULL), TS_OK);
        assert_memory_equal(name.guid.bytes, known.bytes, sizeof known.bytes);
        assert_true(ts_slice_equal(name.dn, ts_slice_str(rows[i].dn)));
    }
}

static void a_name_without_guid_is_refused(void **state)
{
    (void) state;
    static const char *const rows[] = {
        "",
        "CN=a,DC=b",
        "<GUID=>;CN=a",
        "<GUID=5ddda9a4-2cf2-4bf8-8a6c-a844950ff7c>;CN=a",
        "<GUID=5ddda9a4-2cf2-4bf8-8a6c-a844950ff7cg>;CN=a",
        "<GUID=5ddda9a412cf2-4bf8-8a6c-a844950ff7ca>;CN=a",
        "<GUID=" KNOWN_TEXT,
        "<GUID=" KNOWN_TEXT ";CN=a",
        "<GUID=" KNOWN_TEXT ">CN=a",
        "<GUID=" KNOWN_TEXT ">;<SID=S-1-5;CN=a",
        "<GUID=a4a9dd5df22cf84b8a6ca844950ff7ca>;CN=a",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dirsync_name name;
        assert_int_equal(dirsync_name_parse(ts_slice_str(rows[i]), &name, NULL),
                         TS_E_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_are_sent_in_four_bytes),
        cmocka_unit_test(a_request_carries_the_cookie),
        cmocka_unit_test(a_cookie_over_its_limit_is_not_sent),
        cmocka_unit_test(a_response_tells_more_and_the_cookie),
        cmocka_unit_test(a_malformed_response_is_refused),
        cmocka_unit_test(a_guid_has_three_forms),
        cmocka_unit_test(an_extended_name_is_taken_apart),
        cmocka_unit_test(a_name_without_guid_is_refused),
    };
    return cmocka_run_group_tests_name("dirsync_codec", tests, NULL, NULL);
}
