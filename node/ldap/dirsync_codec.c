#include "node/ldap/dirsync_codec.h"

#include <lber.h>
#include <openssl/evp.h>
#include <stdio.h>

#define TAG_INTEGER  ((ber_tag_t) 0x02)
#define TAG_OCTETS   ((ber_tag_t) 0x04)
#define TAG_SEQUENCE ((ber_tag_t) 0x30)
#define INTEGER_MAX  4 /* bytes */

#define GUID_PART "<GUID="
#define SID_PART  ";<SID="

/* --- request -------------------------------------------------------------- */

enum ts_code dirsync_encode_request(uint32_t flags, struct ts_slice cookie,
                                    struct dirsync_request *ret_request,
                                    struct ts_err *err)
{
    static char empty[1];
    struct berval bytes = { cookie.size, empty };
    struct berval out = { 0, NULL };
    if (cookie.size > DIRSYNC_COOKIE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot send a cookie of %zu bytes, more than %zu",
                       cookie.size, DIRSYNC_COOKIE_MAX);
    }
    if (cookie.size > 0) {
        memcpy(&bytes.bv_val, &cookie.data, sizeof bytes.bv_val); /* read */
    }
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    bool made = ber != NULL &&
                ber_printf(ber, "{iiO}", (ber_int_t) flags,
                           (ber_int_t) DIRSYNC_BYTES_MAX, &bytes) != -1 &&
                ber_flatten2(ber, &out, 0) == 0 &&
                out.bv_len <= sizeof ret_request->bytes;
    if (made) {
        memcpy(ret_request->bytes, out.bv_val, out.bv_len);
        ret_request->size = out.bv_len;
    }
    ber_free(ber, 1);
    return made ? TS_OK
                : ts_fail(err, TS_E_NOMEM, 0,
                          "could not prepare a DirSync request");
}

/* --- response ------------------------------------------------------------- */

/* Take the next element off `ber`, which must have this tag. */
static bool take(BerElement *ber, ber_tag_t tag, struct ts_slice *ret)
{
    ber_len_t size = 0;
    ber_len_t left = 0;
    struct berval content = { 0, NULL };
    (void) ber_get_option(ber, LBER_OPT_BER_REMAINING_BYTES, &left);
    if (left == 0 || ber_peek_tag(ber, &size) != tag ||
        ber_skip_element(ber, &content) != tag) {
        return false;
    }
    *ret = ts_slice(content.bv_val, content.bv_len);
    return true;
}

static bool at_end(BerElement *ber)
{
    ber_len_t left = 0;
    (void) ber_get_option(ber, LBER_OPT_BER_REMAINING_BYTES, &left);
    return left == 0;
}

static BerElement *reader_of(struct ts_slice bytes)
{
    struct berval bv = { .bv_len = bytes.size };
    BerElement *ber = ber_alloc_t(0);
    memcpy(&bv.bv_val, &bytes.data, sizeof bv.bv_val); /* only read */
    if (ber != NULL) {
        ber_init2(ber, &bv, 0);
    }
    return ber;
}

static bool is_integer(struct ts_slice content)
{
    return content.size >= 1 && content.size <= INTEGER_MAX;
}

static bool is_zero(struct ts_slice integer)
{
    bool zero = true;
    for (size_t i = 0; i < integer.size; i++) {
        zero = zero && integer.data[i] == 0;
    }
    return zero;
}

static bool decode(BerElement *outer, struct dirsync_response *response)
{
    struct ts_slice sequence = TS_SLICE_NONE;
    struct ts_slice more = TS_SLICE_NONE;
    struct ts_slice unused = TS_SLICE_NONE;
    if (outer == NULL || !take(outer, TAG_SEQUENCE, &sequence) ||
        !at_end(outer) || sequence.size == 0) {
        return false;
    }
    BerElement *inner = reader_of(sequence);
    bool whole = inner != NULL && take(inner, TAG_INTEGER, &more) &&
                 is_integer(more) && take(inner, TAG_INTEGER, &unused) &&
                 is_integer(unused) &&
                 take(inner, TAG_OCTETS, &response->cookie) && at_end(inner) &&
                 response->cookie.size <= DIRSYNC_COOKIE_MAX;
    ber_free(inner, 0);
    response->more = whole && !is_zero(more);
    return whole;
}

enum ts_code dirsync_decode_response(struct ts_slice value,
                                     struct dirsync_response *ret_response,
                                     struct ts_err *err)
{
    struct dirsync_response response = { .more = false };
    BerElement *outer = value.size == 0 ? NULL : reader_of(value);
    bool whole = decode(outer, &response);
    ber_free(outer, 0);
    if (!whole || response.cookie.size == 0) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read the directory's DirSync answer of %zu "
                       "bytes: it is malformed",
                       value.size);
    }
    *ret_response = response;
    return TS_OK;
}

/* --- GUIDs ---------------------------------------------------------------- */

/* Where the bytes of the text are among those that are stored. */
static const uint8_t places[DIRSYNC_GUID_SIZE] = {
    3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15
};

static bool dash_before(size_t i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}

void dirsync_guid_text(struct dirsync_guid guid,
                       char text[static DIRSYNC_GUID_TEXT_SIZE])
{
    char *out = text;
    for (size_t i = 0; i < DIRSYNC_GUID_SIZE; i++) {
        out += snprintf(out, 4, "%s%02x", dash_before(i) ? "-" : "",
                        guid.bytes[places[i]]);
    }
}

void dirsync_guid_anchor(struct dirsync_guid guid,
                         char text[static DIRSYNC_GUID_ANCHOR_SIZE])
{
    unsigned char out[DIRSYNC_GUID_ANCHOR_SIZE];
    (void) EVP_EncodeBlock(out, guid.bytes, DIRSYNC_GUID_SIZE);
    memcpy(text, out, sizeof out);
}

void dirsync_guid_filter(struct dirsync_guid guid,
                         char text[static DIRSYNC_GUID_FILTER_SIZE])
{
    for (size_t i = 0; i < DIRSYNC_GUID_SIZE; i++) {
        (void) snprintf(text + 3 * i, 4, "\\%02x", guid.bytes[i]);
    }
}

static bool hex_digit(uint8_t c, uint8_t *ret)
{
    if (c >= '0' && c <= '9') {
        *ret = (uint8_t) (c - '0');
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        *ret = (uint8_t) ((c | 0x20) - 'a' + 10);
    } else {
        return false;
    }
    return true;
}

/* The 36 characters of a dashed GUID. */
static bool parse_guid(const uint8_t *text, struct dirsync_guid *ret_guid)
{
    for (size_t i = 0; i < DIRSYNC_GUID_SIZE; i++) {
        uint8_t high = 0;
        uint8_t low = 0;
        if (dash_before(i) && *text++ != '-') {
            return false;
        }
        if (!hex_digit(text[0], &high) || !hex_digit(text[1], &low)) {
            return false;
        }
        ret_guid->bytes[places[i]] = (uint8_t) (high << 4 | low);
        text += 2;
    }
    return true;
}

/* --- extended DNs ----------------------------------------------------------
 */

static bool begins(struct ts_slice text, const char *with)
{
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.data, with, size) == 0;
}

static struct ts_slice from(struct ts_slice text, size_t at)
{
    return ts_slice(text.data + at, text.size - at);
}

enum ts_code dirsync_name_parse(struct ts_slice text,
                                struct dirsync_name *ret_name,
                                struct ts_err *err)
{
    const size_t end = sizeof GUID_PART - 1 + DIRSYNC_GUID_TEXT_SIZE - 1;
    struct dirsync_name name = { .dn = TS_SLICE_NONE };
    bool good = begins(text, GUID_PART) && text.size > end &&
                parse_guid(text.data + sizeof GUID_PART - 1, &name.guid) &&
                text.data[end] == '>';
    struct ts_slice rest = good ? from(text, end + 1) : TS_SLICE_NONE;
    if (good && begins(rest, SID_PART)) {
        const uint8_t *close = memchr(rest.data, '>', rest.size);
        good = close != NULL;
        rest = good ? from(rest, (size_t) (close - rest.data) + 1) : rest;
    }
    good = good && (rest.size == 0 || rest.data[0] == ';');
    if (!good) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read \"%.*s\" as an extended name: it does not "
                       "begin with <GUID=...>",
                       (int) (text.size < 100 ? text.size : 100),
                       text.size == 0 ? "" : (const char *) text.data);
    }
    name.dn = rest.size == 0 ? TS_SLICE_NONE : from(rest, 1);
    *ret_name = name;
    return TS_OK;
}
