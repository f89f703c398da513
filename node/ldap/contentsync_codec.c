#include "node/ldap/contentsync_codec.h"

#include <lber.h>
#include <stdlib.h>

#define TAG_ENUM            ((ber_tag_t) 0x0a)
#define TAG_BOOLEAN         ((ber_tag_t) 0x01)
#define TAG_OCTETS          ((ber_tag_t) 0x04)
#define TAG_SEQUENCE        ((ber_tag_t) 0x30)
#define TAG_SET             ((ber_tag_t) 0x31)
#define TAG_NEW_COOKIE      ((ber_tag_t) 0x80)
#define TAG_REFRESH_DELETE  ((ber_tag_t) 0xa1)
#define TAG_REFRESH_PRESENT ((ber_tag_t) 0xa2)
#define TAG_ID_SET          ((ber_tag_t) 0xa3)

#define MODE_REFRESH_ONLY 1
/* One element of an id set as slapd writes it: 04 10 and 16 bytes. */
#define ID_ELEMENT_SIZE (2 + CONTENTSYNC_UUID_SIZE)

/* --- reading BER -------------------------------------------------------------
 *
 * Over ber_skip_element(), which neither copies nor writes into the buffer, as
 * ber_scanf's string formats do.
 */

struct reader {
    BerElement *ber;
};

static void reader_done(struct reader *reader)
{
    ber_free(reader->ber, 0);
}
#define AUTOREADER __attribute__((cleanup(reader_done)))

static struct berval bv_of(struct ts_slice bytes)
{
    struct berval bv = { .bv_len = bytes.size };
    memcpy(&bv.bv_val, &bytes.data, sizeof bv.bv_val); /* only read */
    return bv;
}

/* False when out of memory. */
static bool reader_init(struct reader *reader, struct ts_slice bytes)
{
    struct berval bv = bv_of(bytes);
    reader->ber = ber_alloc_t(0);
    if (reader->ber != NULL) {
        ber_init2(reader->ber, &bv, 0);
    }
    return reader->ber != NULL;
}

/* The next element's tag, or LBER_DEFAULT at the end and for broken ones. */
static ber_tag_t peek(struct reader *reader)
{
    ber_len_t size = 0;
    ber_len_t left = 0;
    (void) ber_get_option(reader->ber, LBER_OPT_BER_REMAINING_BYTES, &left);
    return left == 0 ? LBER_DEFAULT : ber_peek_tag(reader->ber, &size);
}

static bool at_end(struct reader *reader)
{
    ber_len_t left = 0;
    (void) ber_get_option(reader->ber, LBER_OPT_BER_REMAINING_BYTES, &left);
    return left == 0;
}

/* Take one element with this tag. */
static bool take(struct reader *reader, ber_tag_t tag, struct ts_slice *ret)
{
    struct berval content = { 0, NULL };
    if (peek(reader) != tag || ber_skip_element(reader->ber, &content) != tag) {
        return false;
    }
    *ret = ts_slice(content.bv_val, content.bv_len);
    return true;
}

static bool take_cookie(struct reader *reader, struct ts_slice *ret)
{
    static const uint8_t empty[1];
    if (peek(reader) != TAG_OCTETS) {
        return true; /* optional */
    }
    if (!take(reader, TAG_OCTETS, ret) || ret->size > CONTENTSYNC_COOKIE_MAX) {
        return false;
    }
    if (ret->size == 0) {
        ret->data = empty; /* there, and empty: not the same as absent */
    }
    return true;
}

/* DEFAULT values may be absent. True is any other byte than 0. */
static bool take_boolean(struct reader *reader, bool *ret)
{
    struct ts_slice content;
    if (peek(reader) != TAG_BOOLEAN) {
        return true;
    }
    if (!take(reader, TAG_BOOLEAN, &content) || content.size != 1) {
        return false;
    }
    *ret = content.data[0] != 0;
    return true;
}

/* The one element with `tag` that fills all of `value`. */
static bool open_only(struct ts_slice value, ber_tag_t tag,
                      struct ts_slice *ret_content)
{
    AUTOREADER struct reader outer = { NULL };
    return reader_init(&outer, value) && take(&outer, tag, ret_content) &&
           at_end(&outer);
}

static enum ts_code malformed(struct ts_err *err, const char *what, size_t size)
{
    return ts_fail(err, TS_E_PROTOCOL, 0,
                   "cannot read the directory's %s (RFC 4533) of %zu bytes: it "
                   "is malformed",
                   what, size);
}

/* --- request
 * ------------------------------------------------------------------
 */

enum ts_code contentsync_encode_request(struct ts_slice cookie,
                                        struct contentsync_request *ret_request,
                                        struct ts_err *err)
{
    if (cookie.size > CONTENTSYNC_COOKIE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot send a cookie of %zu bytes, more than %zu",
                       cookie.size, CONTENTSYNC_COOKIE_MAX);
    }
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    if (ber == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not ask for changes");
    }
    /* reloadHint is FALSE, the default, and therefore absent (RFC 4511, 5.1):
     * a present phase is cheaper for us than starting anew. */
    struct berval bv = bv_of(cookie);
    int n = cookie.size == 0 ? ber_printf(ber, "{eN}", MODE_REFRESH_ONLY)
                             : ber_printf(ber, "{eON}", MODE_REFRESH_ONLY, &bv);
    struct berval flat = { 0, NULL };
    bool ok = n >= 0 && ber_flatten2(ber, &flat, 0) == 0 &&
              flat.bv_len <= sizeof ret_request->bytes;
    if (ok) {
        memcpy(ret_request->bytes, flat.bv_val, flat.bv_len);
        ret_request->size = flat.bv_len;
    }
    ber_free(ber, 1);
    return ok ? TS_OK
              : ts_fail(err, TS_E_NOMEM, 0, "could not ask for changes");
}

/* --- state
 * -------------------------------------------------------------------- */

enum ts_code contentsync_decode_state(struct ts_slice value,
                                      struct contentsync_state *ret_state,
                                      struct ts_err *err)
{
    struct contentsync_state state = { .cookie = TS_SLICE_NONE };
    struct ts_slice content;
    struct ts_slice verb;
    struct ts_slice uuid;
    AUTOREADER struct reader reader = { NULL };
    if (!open_only(value, TAG_SEQUENCE, &content) ||
        !reader_init(&reader, content) || !take(&reader, TAG_ENUM, &verb) ||
        verb.size != 1 || verb.data[0] > CONTENTSYNC_DELETE ||
        !take(&reader, TAG_OCTETS, &uuid) ||
        uuid.size != CONTENTSYNC_UUID_SIZE ||
        !take_cookie(&reader, &state.cookie) || !at_end(&reader)) {
        return malformed(err, "Sync State control", value.size);
    }
    state.verb = (enum contentsync_verb) verb.data[0];
    memcpy(state.uuid.bytes, uuid.data, uuid.size);
    *ret_state = state;
    return TS_OK;
}

/* --- done
 * ---------------------------------------------------------------------
 */

enum ts_code contentsync_decode_done(struct ts_slice value,
                                     struct contentsync_done *ret_done,
                                     struct ts_err *err)
{
    struct contentsync_done done = { .cookie = TS_SLICE_NONE };
    struct ts_slice content;
    AUTOREADER struct reader reader = { NULL };
    if (!open_only(value, TAG_SEQUENCE, &content) ||
        !reader_init(&reader, content) || !take_cookie(&reader, &done.cookie) ||
        !take_boolean(&reader, &done.refresh_deletes) || !at_end(&reader)) {
        return malformed(err, "Sync Done control", value.size);
    }
    *ret_done = done;
    return TS_OK;
}

/* --- info
 * ---------------------------------------------------------------------
 */

bool contentsync_next_id(struct ts_slice *ids,
                         struct contentsync_uuid *ret_uuid)
{
    if (ids->size < ID_ELEMENT_SIZE) {
        return false;
    }
    memcpy(ret_uuid->bytes, ids->data + 2, CONTENTSYNC_UUID_SIZE);
    *ids = ts_slice(ids->data + ID_ELEMENT_SIZE, ids->size - ID_ELEMENT_SIZE);
    return true;
}

/* Every element must be 04 10 and 16 bytes. BER would allow longer forms of the
 * length; no server writes them, and one shape keeps a million ids cheap. */
static bool check_ids(struct ts_slice ids)
{
    for (size_t at = 0; at < ids.size; at += ID_ELEMENT_SIZE) {
        if (ids.size - at < ID_ELEMENT_SIZE || ids.data[at] != TAG_OCTETS ||
            ids.data[at + 1] != CONTENTSYNC_UUID_SIZE) {
            return false;
        }
    }
    return true;
}

static bool decode_refresh(struct ts_slice content,
                           struct contentsync_info *info)
{
    AUTOREADER struct reader reader = { NULL };
    info->refresh_done = true; /* DEFAULT TRUE */
    return reader_init(&reader, content) &&
           take_cookie(&reader, &info->cookie) &&
           take_boolean(&reader, &info->refresh_done) && at_end(&reader);
}

/* One id of no bytes, which no entry has. */
static bool is_torn(struct ts_slice ids)
{
    return ids.size == 2 && ids.data[0] == TAG_OCTETS && ids.data[1] == 0;
}

static bool decode_id_set(struct ts_slice content,
                          struct contentsync_info *info)
{
    AUTOREADER struct reader reader = { NULL };
    if (!reader_init(&reader, content) ||
        !take_cookie(&reader, &info->cookie) ||
        !take_boolean(&reader, &info->refresh_deletes) ||
        !take(&reader, TAG_SET, &info->ids) || !at_end(&reader)) {
        return false;
    }
    if (info->refresh_deletes && is_torn(info->ids)) {
        info->torn = true;
        info->ids = TS_SLICE_NONE;
    }
    if (!check_ids(info->ids)) {
        return false;
    }
    info->id_count = info->ids.size / ID_ELEMENT_SIZE;
    return true;
}

enum ts_code contentsync_decode_info(struct ts_slice value,
                                     struct contentsync_info *ret_info,
                                     struct ts_err *err)
{
    struct contentsync_info info = { .cookie = TS_SLICE_NONE };
    struct ts_slice content;
    bool ok = false;
    if (open_only(value, TAG_NEW_COOKIE, &content)) {
        static const uint8_t empty[1];
        info.kind = CONTENTSYNC_NEW_COOKIE;
        info.cookie = content.size == 0 ? ts_slice(empty, 0) : content;
        ok = content.size <= CONTENTSYNC_COOKIE_MAX;
    } else if (open_only(value, TAG_REFRESH_DELETE, &content)) {
        info.kind = CONTENTSYNC_REFRESH_DELETE;
        ok = decode_refresh(content, &info);
    } else if (open_only(value, TAG_REFRESH_PRESENT, &content)) {
        info.kind = CONTENTSYNC_REFRESH_PRESENT;
        ok = decode_refresh(content, &info);
    } else if (open_only(value, TAG_ID_SET, &content)) {
        info.kind = CONTENTSYNC_ID_SET;
        ok = decode_id_set(content, &info);
    }
    if (!ok) {
        return malformed(err, "Sync Info message", value.size);
    }
    *ret_info = info;
    return TS_OK;
}

/* --- UUIDs and cookies -------------------------------------------------------
 */

void contentsync_uuid_text(struct contentsync_uuid uuid,
                           char text[static CONTENTSYNC_UUID_TEXT_SIZE])
{
    static const char digit[] = "0123456789abcdef";
    char *out = text;
    for (size_t i = 0; i < sizeof uuid.bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = digit[uuid.bytes[i] >> 4];
        *out++ = digit[uuid.bytes[i] & 15];
    }
    *out = 0;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* Does `text` match `shape`, where 9 is a digit, ? a hex digit, and all else
 * itself? */
static bool has_shape(struct ts_slice text, const char *shape)
{
    if (text.size != strlen(shape)) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool fits = shape[i] == '9'   ? c >= '0' && c <= '9'
                    : shape[i] == '?' ? is_hex(c)
                                      : c == (uint8_t) shape[i];
        if (!fits) {
            return false;
        }
    }
    return true;
}

static unsigned hex_value(uint8_t c)
{
    return c <= '9' ? (unsigned) c - '0' : ((unsigned) c | 0x20u) - 'a' + 10u;
}

enum ts_code contentsync_csn_parse(struct ts_slice text,
                                   struct contentsync_csn *ret_csn)
{
    if (!has_shape(text, "99999999999999.999999Z#??????#???#??????")) {
        return TS_E_PROTOCOL;
    }
    memcpy(ret_csn->text, text.data, text.size);
    ret_csn->text[text.size] = 0;
    ret_csn->sid = hex_value(text.data[30]) << 8 |
                   hex_value(text.data[31]) << 4 | hex_value(text.data[32]);
    return TS_OK;
}

/* Take what stands before `end` (or everything) off the front of `text`. */
static struct ts_slice take_until(struct ts_slice *text, char end)
{
    const uint8_t *at =
        text->size == 0 ? NULL : memchr(text->data, end, text->size);
    size_t size = at == NULL ? text->size : (size_t) (at - text->data);
    struct ts_slice head = ts_slice(text->data, size);
    size_t skip = at == NULL ? size : size + 1;
    *text = ts_slice(text->data == NULL ? NULL : text->data + skip,
                     text->size - skip);
    return head;
}

static bool parse_csns(struct ts_slice text, struct contentsync_cookie *cookie)
{
    while (text.size > 0) {
        struct contentsync_csn csn;
        if (cookie->count == CONTENTSYNC_CSNS_MAX ||
            contentsync_csn_parse(take_until(&text, ';'), &csn) != TS_OK ||
            (cookie->count > 0 &&
             csn.sid <= cookie->csns[cookie->count - 1].sid)) {
            return false;
        }
        cookie->csns[cookie->count++] = csn;
    }
    return cookie->count > 0;
}

static bool parse_cookie(struct ts_slice text,
                         struct contentsync_cookie *cookie)
{
    bool rid = false;
    bool csns = false;
    if (text.size == 0 || text.size > CONTENTSYNC_COOKIE_MAX) {
        return false;
    }
    while (text.size > 0) {
        struct ts_slice part = take_until(&text, ',');
        if (has_shape(part, "rid=999") && !rid) {
            rid = true;
        } else if (part.size > 4 && memcmp(part.data, "csn=", 4) == 0 &&
                   !csns) {
            csns = parse_csns(ts_slice(part.data + 4, part.size - 4), cookie);
            if (!csns) {
                return false;
            }
        } else if (!has_shape(part, "sid=???")) {
            return false;
        }
    }
    return rid && csns;
}

enum ts_code contentsync_cookie_parse(struct ts_slice text,
                                      struct contentsync_cookie *ret_cookie,
                                      struct ts_err *err)
{
    ret_cookie->count = 0;
    if (!parse_cookie(text, ret_cookie)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot use a cookie of %zu bytes that is not "
                       "\"rid=...,csn=...\"",
                       text.size);
    }
    return TS_OK;
}

bool contentsync_cookie_same_servers(const struct contentsync_cookie *a,
                                     const struct contentsync_cookie *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->csns[i].sid != b->csns[i].sid) {
            return false;
        }
    }
    return true;
}

bool contentsync_cookie_covers(const struct contentsync_cookie *cookie,
                               const struct contentsync_csn *csn)
{
    for (size_t i = 0; i < cookie->count; i++) {
        if (cookie->csns[i].sid == csn->sid) {
            return memcmp(csn->text, cookie->csns[i].text,
                          CONTENTSYNC_CSN_SIZE) <= 0;
        }
    }
    return false;
}
