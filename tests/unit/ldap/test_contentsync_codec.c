/* contentsync_codec: RFC 4533's values, byte by byte. The fixtures are
 * assembled by hand from the ASN.1 of the sections named. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/ldap/contentsync_codec.h"

#define UUID_BYTES                                                          \
    0x18, 0x58, 0x12, 0xec, 0x7a, 0xc0, 0x10, 0x41, 0x94, 0xda, 0x39, 0x65, \
        0xdd, 0x41, 0x6e, 0xe0
#define SLICE(bytes) ts_slice(bytes, sizeof bytes)

/* --- 2.2 Sync Request -------------------------------------------------------
 */

static void a_first_request_has_the_mode_alone(void **state)
{
    (void) state;
    static const uint8_t want[] = { 0x30, 0x03, 0x0a, 0x01, 0x01 };
    struct contentsync_request request;
    assert_int_equal(contentsync_encode_request(TS_SLICE_NONE, &request, NULL),
                     TS_OK);
    assert_int_equal(request.size, sizeof want);
    assert_memory_equal(request.bytes, want, sizeof want);
}

static void a_request_carries_the_cookie(void **state)
{
    (void) state;
    static const uint8_t want[] = { 0x30, 0x08, 0x0a, 0x01, 0x01,
                                    0x04, 0x03, 'a',  'b',  'c' };
    struct contentsync_request request;
    assert_int_equal(
        contentsync_encode_request(ts_slice_str("abc"), &request, NULL), TS_OK);
    assert_int_equal(request.size, sizeof want);
    assert_memory_equal(request.bytes, want, sizeof want);
}

static void a_cookie_over_its_limit_is_not_sent(void **state)
{
    (void) state;
    static uint8_t cookie[CONTENTSYNC_COOKIE_MAX + 1];
    struct contentsync_request request;
    assert_int_equal(
        contentsync_encode_request(ts_slice(cookie, CONTENTSYNC_COOKIE_MAX),
                                   &request, NULL),
        TS_OK);
    assert_int_equal(contentsync_encode_request(SLICE(cookie), &request, NULL),
                     TS_E_LIMIT);
}

/* --- 2.3 Sync State ----------------------------------------------------------
 */

static void a_state_tells_verb_uuid_and_cookie(void **state)
{
    (void) state;
    static const uint8_t bytes[] = { 0x30, 0x1a, 0x0a,       0x01, 0x03,
                                     0x04, 0x10, UUID_BYTES, 0x04, 0x03,
                                     'a',  'b',  'c' };
    struct contentsync_state got;
    assert_int_equal(contentsync_decode_state(SLICE(bytes), &got, NULL), TS_OK);
    assert_int_equal(got.verb, CONTENTSYNC_DELETE);
    assert_true(ts_slice_equal(got.cookie, ts_slice_str("abc")));
    char text[CONTENTSYNC_UUID_TEXT_SIZE];
    contentsync_uuid_text(got.uuid, text);
    assert_string_equal(text, "185812ec-7ac0-1041-94da-3965dd416ee0");
}

static void a_state_without_cookie_has_none(void **state)
{
    (void) state;
    static const uint8_t bytes[] = { 0x30, 0x15, 0x0a, 0x01,
                                     0x01, 0x04, 0x10, UUID_BYTES };
    struct contentsync_state got;
    assert_int_equal(contentsync_decode_state(SLICE(bytes), &got, NULL), TS_OK);
    assert_int_equal(got.verb, CONTENTSYNC_ADD);
    assert_null(got.cookie.data);
}

static void a_malformed_state_is_refused(void **state)
{
    (void) state;
    static const uint8_t unknown_verb[] = { 0x30, 0x15, 0x0a, 0x01,
                                            0x04, 0x04, 0x10, UUID_BYTES };
    static const uint8_t wide_verb[] = { 0x30, 0x16, 0x0a, 0x02,      0x00,
                                         0x01, 0x04, 0x10, UUID_BYTES };
    static const uint8_t short_uuid[] = { 0x30, 0x07, 0x0a, 0x01, 0x01,
                                          0x04, 0x02, 0x18, 0x58 };
    static const uint8_t trailing[] = { 0x30, 0x15, 0x0a,       0x01, 0x01,
                                        0x04, 0x10, UUID_BYTES, 0x00 };
    static const uint8_t inside[] = { 0x30, 0x17, 0x0a,       0x01, 0x01,
                                      0x04, 0x10, UUID_BYTES, 0x05, 0x00 };
    static const uint8_t set[] = { 0x31, 0x15, 0x0a, 0x01,
                                   0x01, 0x04, 0x10, UUID_BYTES };
    static const uint8_t cut[] = { 0x30, 0x15, 0x0a, 0x01, 0x01, 0x04, 0x10 };
    static const struct ts_slice rows[] = {
        { unknown_verb, sizeof unknown_verb },
        { wide_verb, sizeof wide_verb },
        { short_uuid, sizeof short_uuid },
        { trailing, sizeof trailing },
        { inside, sizeof inside },
        { set, sizeof set },
        { cut, sizeof cut },
        { NULL, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct contentsync_state got;
        if (contentsync_decode_state(rows[i], &got, NULL) != TS_E_PROTOCOL) {
            fail_msg("row %zu was believed", i);
        }
    }
}

/* --- 2.4 Sync Done
 * ------------------------------------------------------------ */

static void a_done_tells_no_cookie_from_an_empty_one(void **state)
{
    (void) state;
    static const uint8_t unchanged[] = { 0x30, 0x03, 0x01, 0x01, 0xff };
    static const uint8_t dropped[] = {
        0x30, 0x05, 0x04, 0x00, 0x01, 0x01, 0xff
    };
    static const uint8_t nothing[] = { 0x30, 0x00 };
    struct contentsync_done got;
    assert_int_equal(contentsync_decode_done(SLICE(unchanged), &got, NULL),
                     TS_OK);
    assert_null(got.cookie.data);
    assert_true(got.refresh_deletes);
    assert_int_equal(contentsync_decode_done(SLICE(dropped), &got, NULL),
                     TS_OK);
    assert_non_null(got.cookie.data);
    assert_int_equal(got.cookie.size, 0);
    assert_true(got.refresh_deletes);
    assert_int_equal(contentsync_decode_done(SLICE(nothing), &got, NULL),
                     TS_OK);
    assert_null(got.cookie.data);
    assert_false(got.refresh_deletes); /* DEFAULT FALSE */
}

static void a_malformed_done_is_refused(void **state)
{
    (void) state;
    static const uint8_t long_boolean[] = { 0x30, 0x04, 0x01, 0x02, 0xff, 0 };
    static const uint8_t order[] = { 0x30, 0x06, 0x01, 0x01,
                                     0xff, 0x04, 0x01, 'a' };
    static const uint8_t long_cookie[] = { 0x30, 0x84, 0xff, 0xff,
                                           0xff, 0xff, 0x04 };
    struct contentsync_done got;
    assert_int_equal(contentsync_decode_done(SLICE(long_boolean), &got, NULL),
                     TS_E_PROTOCOL);
    assert_int_equal(contentsync_decode_done(SLICE(order), &got, NULL),
                     TS_E_PROTOCOL);
    assert_int_equal(contentsync_decode_done(SLICE(long_cookie), &got, NULL),
                     TS_E_PROTOCOL);
}

static void a_done_cookie_over_its_limit_is_refused(void **state)
{
    (void) state;
    static uint8_t bytes[8 + CONTENTSYNC_COOKIE_MAX + 1];
    const size_t size = CONTENTSYNC_COOKIE_MAX + 1;
    const uint8_t head[] = {
        0x30, 0x82, (uint8_t) ((size + 4) >> 8), (uint8_t) (size + 4),
        0x04, 0x82, (uint8_t) (size >> 8),       (uint8_t) size
    };
    memcpy(bytes, head, sizeof head);
    struct contentsync_done got;
    assert_int_equal(contentsync_decode_done(SLICE(bytes), &got, NULL),
                     TS_E_PROTOCOL);
}

/* --- 2.5 Sync Info
 * ------------------------------------------------------------ */

static void an_info_is_one_of_four(void **state)
{
    (void) state;
    static const uint8_t cookie[] = { 0x80, 0x03, 'a', 'b', 'c' };
    static const uint8_t deletes[] = { 0xa1, 0x03, 0x01, 0x01, 0x00 };
    static const uint8_t presents[] = { 0xa2, 0x00 };
    struct contentsync_info got;
    assert_int_equal(contentsync_decode_info(SLICE(cookie), &got, NULL), TS_OK);
    assert_int_equal(got.kind, CONTENTSYNC_NEW_COOKIE);
    assert_true(ts_slice_equal(got.cookie, ts_slice_str("abc")));
    assert_int_equal(contentsync_decode_info(SLICE(deletes), &got, NULL),
                     TS_OK);
    assert_int_equal(got.kind, CONTENTSYNC_REFRESH_DELETE);
    assert_false(got.refresh_done);
    assert_int_equal(contentsync_decode_info(SLICE(presents), &got, NULL),
                     TS_OK);
    assert_int_equal(got.kind, CONTENTSYNC_REFRESH_PRESENT);
    assert_true(got.refresh_done); /* DEFAULT TRUE */
}

static void an_id_set_gives_its_ids_in_order(void **state)
{
    (void) state;
    static const uint8_t bytes[] = {
        0xa3, 0x2e, 0x04, 0x03,       'x',  'y',  'z', 0x01, 0x01, 0x01, 0x31,
        0x24, 0x04, 0x10, UUID_BYTES, 0x04, 0x10, 0,   1,    2,    3,    4,
        5,    6,    7,    8,          9,    10,   11,  12,   13,   14,   15
    };
    struct contentsync_info got;
    assert_int_equal(contentsync_decode_info(SLICE(bytes), &got, NULL), TS_OK);
    assert_int_equal(got.kind, CONTENTSYNC_ID_SET);
    assert_int_equal(got.id_count, 2);
    assert_true(got.refresh_deletes); /* any byte but 0 is true */
    assert_true(ts_slice_equal(got.cookie, ts_slice_str("xyz")));
    struct contentsync_uuid uuid;
    struct ts_slice ids = got.ids;
    assert_true(contentsync_next_id(&ids, &uuid));
    assert_int_equal(uuid.bytes[0], 0x18);
    assert_true(contentsync_next_id(&ids, &uuid));
    assert_int_equal(uuid.bytes[15], 15);
    assert_false(contentsync_next_id(&ids, &uuid));
}

static void an_empty_id_set_is_one(void **state)
{
    (void) state;
    static const uint8_t bytes[] = { 0xa3, 0x02, 0x31, 0x00 };
    struct contentsync_info got;
    assert_int_equal(contentsync_decode_info(SLICE(bytes), &got, NULL), TS_OK);
    assert_int_equal(got.id_count, 0);
    assert_false(got.refresh_deletes); /* DEFAULT FALSE */
}

static void an_id_of_no_bytes_says_that_deletions_were_lost(void **state)
{
    (void) state;
    static const uint8_t gone[] = { 0xa3, 0x07, 0x01, 0x01, 0xff,
                                    0x31, 0x02, 0x04, 0x00 };
    static const uint8_t present[] = { 0xa3, 0x04, 0x31, 0x02, 0x04, 0x00 };
    struct contentsync_info got;
    assert_int_equal(contentsync_decode_info(SLICE(gone), &got, NULL), TS_OK);
    assert_true(got.torn);
    assert_int_equal(got.id_count, 0);
    assert_int_equal(contentsync_decode_info(SLICE(present), &got, NULL),
                     TS_E_PROTOCOL); /* who is missing there would be deleted */
}

static void a_malformed_info_is_refused(void **state)
{
    (void) state;
    static const uint8_t unknown[] = { 0xa4, 0x00 };
    static const uint8_t no_set[] = { 0xa3, 0x00 };
    static const uint8_t short_id[] = {
        0xa3, 0x05, 0x31, 0x03, 0x04, 0x01, 0x00
    };
    static const uint8_t cut_id[] = { 0xa3, 0x06, 0x31, 0x04,
                                      0x04, 0x10, 0x00, 0x00 };
    static const struct ts_slice rows[] = {
        { unknown, sizeof unknown },
        { no_set, sizeof no_set },
        { short_id, sizeof short_id },
        { cut_id, sizeof cut_id },
        { NULL, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct contentsync_info got;
        if (contentsync_decode_info(rows[i], &got, NULL) != TS_E_PROTOCOL) {
            fail_msg("row %zu was believed", i);
        }
    }
}

/* --- cookies
 * ------------------------------------------------------------------- */

#define CSN(time, sid) time ".000000Z#000000#" sid "#000000"

static bool parses(const char *text, struct contentsync_cookie *cookie)
{
    return contentsync_cookie_parse(ts_slice_str(text), cookie, NULL) == TS_OK;
}

static void cookies_that_slapd_gives_are_read(void **state)
{
    (void) state;
    struct contentsync_cookie cookie;
    assert_true(parses("rid=000,csn=" CSN("20261122125802", "000"), &cookie));
    assert_int_equal(cookie.count, 1);
    assert_true(
        parses("rid=000,sid=00a,csn=" CSN("20261122125802", "001") ";" CSN(
                   "20251122125802", "0fF"),
               &cookie));
    assert_int_equal(cookie.count, 2);
    assert_int_equal(cookie.csns[1].sid, 0xff);
}

static void cookies_that_slapd_would_ignore_are_not_sent(void **state)
{
    (void) state;
    static const char *const texts[] = {
        "",
        "garbage",
        "csn=" CSN("20261122125802", "000"),
        "rid=000",
        "rid=000,csn=",
        "rid=0,csn=" CSN("20261122125802", "000"),
        "rid=000,csn=20261122125802Z#000000#000#000000",
        "rid=000,csn=" CSN("2026112212580x", "000"),
        "rid=000,csn=" CSN("20261122125802",
                           "000") ",delcsn=" CSN("20261122125802", "000"),
        "rid=000,csn=" CSN("20261122125802", "001") ";" CSN("20261122125802",
                                                            "000"),
        "rid=000,csn=" CSN("20261122125802", "000") ";" CSN("20261122125802",
                                                            "000"),
        "rid=000,csn=" CSN("20261122125802",
                           "000") ",csn=" CSN("20261122125802", "001"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct contentsync_cookie cookie;
        if (parses(texts[i], &cookie)) {
            fail_msg("\"%s\" was taken", texts[i]);
        }
    }
}

static void a_cookie_covers_what_is_not_newer_at_its_server(void **state)
{
    (void) state;
    struct contentsync_cookie cookie;
    struct contentsync_csn csn;
    assert_true(parses("rid=000,csn=" CSN("20261122125802", "001"), &cookie));
    static const struct {
        const char *csn;
        bool covered;
    } rows[] = {
        { CSN("20261122125801", "001"), true },
        { CSN("20261122125802", "001"), true },
        { CSN("20261122125803", "001"), false },
        { CSN("20261122125801", "002"), false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(contentsync_csn_parse(ts_slice_str(rows[i].csn), &csn),
                         TS_OK);
        assert_int_equal(contentsync_cookie_covers(&cookie, &csn),
                         rows[i].covered);
    }
}

static void cookies_of_other_servers_are_told_apart(void **state)
{
    (void) state;
    struct contentsync_cookie one;
    struct contentsync_cookie two;
    struct contentsync_cookie both;
    assert_true(parses("rid=000,csn=" CSN("20261122125802", "001"), &one));
    assert_true(parses("rid=000,csn=" CSN("20271122125802", "002"), &two));
    assert_true(parses("rid=000,csn=" CSN("20261122125802", "001") ";" CSN(
                           "20261122125802", "002"),
                       &both));
    assert_true(contentsync_cookie_same_servers(&one, &one));
    assert_false(contentsync_cookie_same_servers(&one, &two));
    assert_false(contentsync_cookie_same_servers(&one, &both));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_request_has_the_mode_alone),
        cmocka_unit_test(a_request_carries_the_cookie),
        cmocka_unit_test(a_cookie_over_its_limit_is_not_sent),
        cmocka_unit_test(a_state_tells_verb_uuid_and_cookie),
        cmocka_unit_test(a_state_without_cookie_has_none),
        cmocka_unit_test(a_malformed_state_is_refused),
        cmocka_unit_test(a_done_tells_no_cookie_from_an_empty_one),
        cmocka_unit_test(a_malformed_done_is_refused),
        cmocka_unit_test(a_done_cookie_over_its_limit_is_refused),
        cmocka_unit_test(an_info_is_one_of_four),
        cmocka_unit_test(an_id_set_gives_its_ids_in_order),
        cmocka_unit_test(an_empty_id_set_is_one),
        cmocka_unit_test(an_id_of_no_bytes_says_that_deletions_were_lost),
        cmocka_unit_test(a_malformed_info_is_refused),
        cmocka_unit_test(cookies_that_slapd_gives_are_read),
        cmocka_unit_test(cookies_that_slapd_would_ignore_are_not_sent),
        cmocka_unit_test(a_cookie_covers_what_is_not_newer_at_its_server),
        cmocka_unit_test(cookies_of_other_servers_are_told_apart),
    };
    return cmocka_run_group_tests_name("contentsync_codec", tests, NULL, NULL);
}
