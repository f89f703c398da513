#include "node/ldap/dn.h"

#include <ldap.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include "node/base/cleanup.h"
#include "node/base/hash.h"

/* A direct-mapped cache: 4,096 parents are every organizational unit of most
 * directories, and a miss costs one walk to the root. */
#define CACHE_SLOTS     4096
#define CACHE_TEXT_MAX  512
#define RDN_FAST_MAX    256
#define TYPE_SIZE_MAX   128
#define VALUE_GROWTH_OK ((size_t) 16 * LDAP_DN_SIZE_MAX)

struct cache_slot {
    char *text;
    size_t size;
    size_t depth;
    struct ldap_dn_key key;
};

struct ldap_dn_keys {
    struct ts_hasher *hasher;
    struct cache_slot slots[CACHE_SLOTS];
};

/* One type=value in normal form; `bytes` is from malloc. */
struct ava {
    uint8_t *bytes;
    size_t size;
};

/* One RDN cut off the front of a DN. */
struct cut {
    struct ts_slice rdn;    /* trimmed */
    struct ts_slice parent; /* what follows the separator */
    bool more;              /* there was a separator */
    uint8_t fast[RDN_FAST_MAX + TYPE_SIZE_MAX];
    size_t fast_size; /* 0: not in reach of the fast path */
};

/* What else a type is called. Sorted by name. Short names are shorter than six
 * letters and are not listed, so that most types skip the search. */
static const struct alias {
    const char *name, *is;
} aliases[] = {
    { "0.9.2342.19200300.100.1.1", "uid" },
    { "0.9.2342.19200300.100.1.25", "dc" },
    { "0.9.2342.19200300.100.1.3", "mail" },
    { "1.2.840.113549.1.9.1", "email" },
    { "2.16.840.1.113730.3.1.241", "displayname" },
    { "2.16.840.1.113730.3.1.3", "employeenumber" },
    { "2.5.4.10", "o" },
    { "2.5.4.11", "ou" },
    { "2.5.4.12", "title" },
    { "2.5.4.20", "telephonenumber" },
    { "2.5.4.3", "cn" },
    { "2.5.4.4", "sn" },
    { "2.5.4.42", "gn" },
    { "2.5.4.5", "serialnumber" },
    { "2.5.4.6", "c" },
    { "2.5.4.7", "l" },
    { "2.5.4.8", "st" },
    { "2.5.4.9", "street" },
    { "commonname", "cn" },
    { "countryname", "c" },
    { "domaincomponent", "dc" },
    { "emailaddress", "email" },
    { "givenname", "gn" },
    { "localityname", "l" },
    { "organizationalunitname", "ou" },
    { "organizationname", "o" },
    { "rfc822mailbox", "mail" },
    { "stateorprovincename", "st" },
    { "streetaddress", "street" },
    { "surname", "sn" },
    { "userid", "uid" },
};
#define ALIAS_NAME_MIN 6

/* --- small pieces ------------------------------------------------------- */

static uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t) (c | 0x20) : c;
}

static int by_alias(const void *key, const void *row)
{
    const struct ts_slice *name = key;
    const struct alias *alias = row;
    return ts_slice_compare(*name, ts_slice_str(alias->name));
}

/* Bring a type into its normal form in `out`; returns its length, 0 if it does
 * not fit. */
static size_t normalise_type(struct ts_slice type, uint8_t *out)
{
    if (type.size == 0 || type.size > TYPE_SIZE_MAX) {
        return 0;
    }
    for (size_t i = 0; i < type.size; i++) {
        out[i] = ascii_lower(type.data[i]);
    }
    if (type.size < ALIAS_NAME_MIN) {
        return type.size;
    }
    struct ts_slice lower = ts_slice(out, type.size);
    if (lower.size > 4 && memcmp(out, "oid.", 4) == 0) {
        lower = ts_slice(out + 4, lower.size - 4); /* LDAPv2's "OID.2.5.4.3" */
    }
    const struct alias *alias =
        bsearch(&lower, aliases, sizeof aliases / sizeof *aliases,
                sizeof *aliases, by_alias);
    if (alias != NULL) {
        lower = ts_slice_str(alias->is);
    }
    memmove(out, lower.data, lower.size);
    return lower.size;
}

static void put_length(uint8_t out[static 4], size_t size)
{
    for (size_t i = 0; i < 4; i++) {
        out[i] = (uint8_t) (size >> (24 - 8 * i));
    }
}

/* Collapse runs of spaces and trim the ends, in place. */
static size_t collapse_spaces(uint8_t *bytes, size_t size)
{
    size_t kept = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == ' ' && (kept == 0 || bytes[kept - 1] == ' ')) {
            continue;
        }
        bytes[kept++] = bytes[i];
    }
    return kept > 0 && bytes[kept - 1] == ' ' ? kept - 1 : kept;
}

static struct ldap_dn_key key_of(struct ldap_dn_keys *keys,
                                 const struct ava *avas, size_t count,
                                 struct ldap_dn_key parent)
{
    size_t body = 0;
    uint8_t length[4];
    for (size_t i = 0; i < count; i++) {
        body += sizeof length + avas[i].size;
    }
    ts_hasher_begin(keys->hasher);
    put_length(length, body);
    ts_hasher_add(keys->hasher, ts_slice(length, sizeof length));
    for (size_t i = 0; i < count; i++) {
        put_length(length, avas[i].size);
        ts_hasher_add(keys->hasher, ts_slice(length, sizeof length));
        ts_hasher_add(keys->hasher, ts_slice(avas[i].bytes, avas[i].size));
    }
    ts_hasher_add(keys->hasher, ts_slice(parent.bytes, sizeof parent.bytes));
    struct ts_hash hash = ts_hasher_end(keys->hasher);
    struct ldap_dn_key key;
    memcpy(key.bytes, hash.bytes, sizeof key.bytes);
    return key;
}

/* The same for one AVA, in one call of the hash function. */
static struct ldap_dn_key fast_key_of(struct ldap_dn_keys *keys,
                                      const struct cut *cut,
                                      struct ldap_dn_key parent)
{
    uint8_t input[8 + sizeof cut->fast + LDAP_DN_KEY_SIZE];
    put_length(input, 4 + cut->fast_size);
    put_length(input + 4, cut->fast_size);
    memcpy(input + 8, cut->fast, cut->fast_size);
    memcpy(input + 8 + cut->fast_size, parent.bytes, sizeof parent.bytes);
    ts_hasher_begin(keys->hasher);
    ts_hasher_add(keys->hasher,
                  ts_slice(input, 8 + cut->fast_size + sizeof parent.bytes));
    struct ts_hash hash = ts_hasher_end(keys->hasher);
    struct ldap_dn_key key;
    memcpy(key.bytes, hash.bytes, sizeof key.bytes);
    return key;
}

/* --- the general path ---------------------------------------------------- */

/* Lower case character by character, then NFKC; bytes that are not UTF-8 only
 * have their ASCII letters folded. NULL when out of memory. */
static uint8_t *fold_value(struct ts_slice value, size_t *ret_size)
{
    uint8_t *folded = malloc(2 * value.size + 8);
    if (folded == NULL) {
        return NULL;
    }
    if (value.size == 0 || u8_check(value.data, value.size) != NULL) {
        for (size_t i = 0; i < value.size; i++) {
            folded[i] = ascii_lower(value.data[i]);
        }
        *ret_size = collapse_spaces(folded, value.size);
        return folded;
    }

    size_t size = 0;
    for (size_t at = 0; at < value.size;) {
        ucs4_t c;
        int width = u8_mbtouc(&c, value.data + at, value.size - at);
        int put = u8_uctomb(folded + size, uc_tolower(c),
                            (ptrdiff_t) (2 * value.size + 8 - size));
        if (width <= 0 || put < 0) {
            break; /* cannot be: checked above, and no lower case is longer */
        }
        at += (size_t) width;
        size += (size_t) put;
    }
    uint8_t *composed =
        u8_normalize(UNINORM_NFKC, folded, size, NULL, ret_size);
    free(folded);
    if (composed != NULL) {
        *ret_size = collapse_spaces(composed, *ret_size);
    }
    return composed;
}

/* The content of a "#hex" value that is one short or long string, else the
 * whole of it with *ret_text false. */
static struct ts_slice hex_content(struct ts_slice ber, bool *ret_text)
{
    *ret_text = false;
    if (ber.size < 2) {
        return ber;
    }
    uint8_t tag = ber.data[0];
    bool string = tag == 0x0c || tag == 0x13 || tag == 0x16; /* UTF8String,
                                              PrintableString, IA5String */
    size_t head = 2;
    size_t length = ber.data[1];
    if (length == 0x81 && ber.size >= 3) {
        length = ber.data[2];
        head = 3;
    } else if (length == 0x82 && ber.size >= 4) {
        length = (size_t) ber.data[2] << 8 | ber.data[3];
        head = 4;
    } else if (length >= 0x80) {
        return ber;
    }
    if (!string || length != ber.size - head) {
        return ber;
    }
    *ret_text = true;
    return ts_slice(ber.data + head, length);
}

static enum ts_code ava_normalise(const LDAPAVA *from, struct ava *ret_ava,
                                  struct ts_err *err)
{
    uint8_t type[TYPE_SIZE_MAX];
    size_t type_size = normalise_type(
        ts_slice(from->la_attr.bv_val, from->la_attr.bv_len), type);
    if (type_size == 0) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read a DN: an attribute type has %zu bytes, "
                       "more than %d",
                       (size_t) from->la_attr.bv_len, TYPE_SIZE_MAX);
    }

    struct ts_slice value =
        ts_slice(from->la_value.bv_val, from->la_value.bv_len);
    bool text = true;
    if ((from->la_flags & LDAP_AVA_BINARY) != 0) {
        value = hex_content(value, &text);
    }
    TS_AUTOFREE uint8_t *folded = NULL;
    if (text) {
        size_t size = 0;
        folded = fold_value(value, &size);
        if (folded == NULL) {
            return ts_fail(err, TS_E_NOMEM, 0, "could not read a DN");
        }
        value = ts_slice(folded, size);
    }
    if (value.size > VALUE_GROWTH_OK) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read a DN: a value has %zu bytes in normal form",
                       value.size);
    }
    uint8_t *bytes = malloc(type_size + 1 + value.size);
    if (bytes == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read a DN");
    }
    memcpy(bytes, type, type_size);
    bytes[type_size] = text ? '=' : '#';
    if (value.size > 0) {
        memcpy(bytes + type_size + 1, value.data, value.size);
    }
    *ret_ava = (struct ava){ bytes, type_size + 1 + value.size };
    return TS_OK;
}

static int by_ava(const void *a, const void *b)
{
    const struct ava *x = a;
    const struct ava *y = b;
    return ts_slice_compare(ts_slice(x->bytes, x->size),
                            ts_slice(y->bytes, y->size));
}

static enum ts_code not_a_dn(struct ts_err *err, struct ts_slice dn)
{
    return ts_fail(err, TS_E_PROTOCOL, 0,
                   "cannot read \"%.*s\" as a distinguished name (RFC 4514)",
                   (int) (dn.size < 200 ? dn.size : 200),
                   (const char *) dn.data);
}

static struct ts_slice trim(struct ts_slice text)
{
    while (text.size > 0 && text.data[0] == ' ') {
        text = ts_slice(text.data + 1, text.size - 1);
    }
    while (text.size > 1 && text.data[text.size - 1] == ' ' &&
           text.data[text.size - 2] != '\\') {
        text.size--;
    }
    return text;
}

/* Let libldap find the end of the first RDN. `*ret_rdn` is freed with
 * ldap_rdnfree. */
static enum ts_code parse_rdn(struct ts_slice dn, LDAPRDN *ret_rdn,
                              struct cut *cut, struct ts_err *err)
{
    TS_AUTOFREE char *text = malloc(dn.size + 1);
    if (text == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read a DN");
    }
    memcpy(text, dn.data, dn.size);
    text[dn.size] = 0;

    struct berval bv = { .bv_len = dn.size, .bv_val = text };
    char *next = NULL;
    LDAPRDN rdn = NULL;
    int rc = ldap_bv2rdn(&bv, &rdn, &next, LDAP_DN_FORMAT_LDAP);
    if (rc != LDAP_SUCCESS || rdn == NULL || next == NULL) {
        if (rdn != NULL) {
            ldap_rdnfree(rdn);
        }
        return rc == LDAP_NO_MEMORY
                   ? ts_fail(err, TS_E_NOMEM, 0, "could not read a DN")
                   : not_a_dn(err, dn);
    }
    size_t used = (size_t) (next - text);
    cut->more =
        used < dn.size && (dn.data[used] == ',' || dn.data[used] == ';');
    if (!cut->more && used < dn.size) {
        ldap_rdnfree(rdn);
        return not_a_dn(err, dn);
    }
    cut->rdn = trim(ts_slice(dn.data, used));
    cut->parent = cut->more
                      ? trim(ts_slice(dn.data + used + 1, dn.size - used - 1))
                      : TS_SLICE_NONE;
    *ret_rdn = rdn;
    return TS_OK;
}

static enum ts_code general_key(struct ldap_dn_keys *keys, struct ts_slice dn,
                                struct ldap_dn_key parent,
                                struct ldap_dn_key *ret_key, struct ts_err *err)
{
    struct cut cut;
    LDAPRDN rdn = NULL;
    enum ts_code rc = parse_rdn(dn, &rdn, &cut, err);
    if (rc != TS_OK) {
        return rc;
    }
    struct ava avas[LDAP_DN_AVAS_MAX];
    size_t count = 0;
    while (rc == TS_OK && rdn[count] != NULL) {
        if (count == LDAP_DN_AVAS_MAX) {
            rc = ts_fail(err, TS_E_LIMIT, 0,
                         "cannot read a DN: an RDN has more than %d values",
                         LDAP_DN_AVAS_MAX);
            break;
        }
        rc = ava_normalise(rdn[count], &avas[count], err);
        count += rc == TS_OK;
    }
    ldap_rdnfree(rdn);
    if (rc == TS_OK) {
        qsort(avas, count, sizeof *avas, by_ava);
        *ret_key = key_of(keys, avas, count, parent);
    }
    for (size_t i = 0; i < count; i++) {
        free(avas[i].bytes);
    }
    return rc;
}

/* --- the fast path ------------------------------------------------------- */

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '+' && c != ';' &&
           c != '<' && c != '>' && c != '\\' && c != '#';
}

static bool is_letter(uint8_t c)
{
    c = ascii_lower(c);
    return c >= 'a' && c <= 'z';
}

/* Cut one single-valued RDN of plain ASCII off the front of `dn`, already in
 * normal form. False: the general path must look. */
static bool cut_fast(struct ts_slice dn, struct cut *cut)
{
    const uint8_t *p = dn.data;
    size_t at = 0;
    if (dn.size == 0 || !is_letter(p[0])) {
        return false;
    }
    while (at < dn.size && (is_letter(p[at]) || p[at] == '-' ||
                            (p[at] >= '0' && p[at] <= '9'))) {
        at++;
    }
    if (at == dn.size || p[at] != '=' || at > TYPE_SIZE_MAX) {
        return false;
    }
    size_t size = normalise_type(ts_slice(p, at), cut->fast);
    cut->fast[size++] = '=';

    size_t value = size;
    for (at++; at < dn.size && p[at] != ','; at++) {
        if (!is_plain(p[at]) || size == sizeof cut->fast) {
            return false;
        }
        if (p[at] == ' ' && (size == value || cut->fast[size - 1] == ' ')) {
            continue;
        }
        cut->fast[size++] = ascii_lower(p[at]);
    }
    if (size > value && cut->fast[size - 1] == ' ') {
        size--;
    }
    cut->fast_size = size;
    cut->rdn = trim(ts_slice(p, at));
    cut->more = at < dn.size;
    cut->parent = cut->more ? trim(ts_slice(p + at + 1, dn.size - at - 1))
                            : TS_SLICE_NONE;
    return true;
}

static enum ts_code cut_any(struct ts_slice dn, bool slowly, struct cut *cut,
                            struct ts_err *err)
{
    cut->fast_size = 0;
    if (slowly || !cut_fast(dn, cut)) {
        cut->fast_size = 0;
        LDAPRDN rdn = NULL;
        enum ts_code rc = parse_rdn(dn, &rdn, cut, err);
        if (rc != TS_OK) {
            return rc;
        }
        ldap_rdnfree(rdn);
    }
    if (cut->more && cut->parent.size == 0) {
        return not_a_dn(err, dn); /* "cn=a," */
    }
    return TS_OK;
}

static enum ts_code cut_key(struct ldap_dn_keys *keys, const struct cut *cut,
                            struct ldap_dn_key parent,
                            struct ldap_dn_key *ret_key, struct ts_err *err)
{
    if (cut->fast_size > 0) {
        *ret_key = fast_key_of(keys, cut, parent);
        return TS_OK;
    }
    return general_key(keys, cut->rdn, parent, ret_key, err);
}

/* --- parents -------------------------------------------------------------- */

/* FNV-1a: only spreads texts over slots; nothing trusts it. */
static struct cache_slot *slot_of(struct ldap_dn_keys *keys,
                                  struct ts_slice text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.size; i++) {
        h = (h ^ text.data[i]) * 0x100000001b3u;
    }
    return &keys->slots[(h ^ h >> 32) % CACHE_SLOTS];
}

static bool slot_holds(const struct cache_slot *slot, struct ts_slice text)
{
    return slot->text != NULL && slot->size == text.size &&
           memcmp(slot->text, text.data, text.size) == 0;
}

/* Out of memory only means that nothing is remembered. */
static void slot_remember(struct cache_slot *slot, struct ts_slice text,
                          struct ldap_dn_key key, size_t depth)
{
    if (text.size > CACHE_TEXT_MAX) {
        return;
    }
    char *copy = malloc(text.size);
    if (copy == NULL) {
        return;
    }
    memcpy(copy, text.data, text.size);
    free(slot->text);
    *slot = (struct cache_slot){ copy, text.size, depth, key };
}

/* The key of a whole DN, from the root down; `slowly` avoids every short cut.
 * `*ret_depth` is the number of RDNs. */
static enum ts_code walk(struct ldap_dn_keys *keys, struct ts_slice dn,
                         bool slowly, struct ldap_dn_key *ret_key,
                         size_t *ret_depth, struct ts_err *err)
{
    struct ts_slice above[LDAP_DN_DEPTH_MAX]; /* each DN on the way up */
    size_t count = 0;
    size_t depth = 0;
    struct ldap_dn_key key = { 0 };
    struct cut cut;

    for (struct ts_slice rest = dn; rest.size > 0; rest = cut.parent) {
        struct cache_slot *slot = slot_of(keys, rest);
        if (!slowly && slot_holds(slot, rest)) {
            key = slot->key;
            depth = slot->depth;
            break;
        }
        if (count == LDAP_DN_DEPTH_MAX) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "cannot read a DN with more than %d levels",
                           LDAP_DN_DEPTH_MAX);
        }
        enum ts_code rc = cut_any(rest, slowly, &cut, err);
        if (rc != TS_OK) {
            return rc;
        }
        above[count++] = rest;
    }
    depth += count;
    if (depth > LDAP_DN_DEPTH_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read a DN with more than %d levels",
                       LDAP_DN_DEPTH_MAX);
    }
    for (size_t i = count; i-- > 0;) {
        enum ts_code rc = cut_any(above[i], slowly, &cut, err);
        if (rc == TS_OK) {
            rc = cut_key(keys, &cut, key, &key, err);
        }
        if (rc != TS_OK) {
            return rc;
        }
        if (!slowly) {
            slot_remember(slot_of(keys, above[i]), above[i], key, depth - i);
        }
    }
    *ret_key = key;
    *ret_depth = depth;
    return TS_OK;
}

static enum ts_code key_by(struct ldap_dn_keys *keys, struct ts_slice dn,
                           bool slowly, struct ldap_dn *ret_dn,
                           struct ts_err *err)
{
    if (dn.size > LDAP_DN_SIZE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read a DN of %zu bytes, more than %zu", dn.size,
                       LDAP_DN_SIZE_MAX);
    }
    if (dn.size > 0 && memchr(dn.data, 0, dn.size) != NULL) {
        return not_a_dn(err, dn);
    }
    struct ldap_dn result = { .rdn = TS_SLICE_NONE };
    dn = trim(dn);
    if (dn.size > 0) {
        struct cut cut;
        size_t depth = 0;
        enum ts_code rc = cut_any(dn, slowly, &cut, err);
        if (rc == TS_OK) {
            rc = walk(keys, cut.parent, slowly, &result.parent, &depth, err);
        }
        if (rc == TS_OK && depth == LDAP_DN_DEPTH_MAX) {
            rc = ts_fail(err, TS_E_LIMIT, 0,
                         "cannot read a DN with more than %d levels",
                         LDAP_DN_DEPTH_MAX);
        }
        if (rc == TS_OK) {
            rc = cut_key(keys, &cut, result.parent, &result.key, err);
        }
        if (rc != TS_OK) {
            return rc;
        }
        result.rdn = cut.rdn;
    }
    *ret_dn = result;
    return TS_OK;
}

/* --- public ----------------------------------------------------------------
 */

struct ldap_dn_keys *ldap_dn_keys_new(void)
{
    struct ldap_dn_keys *keys = calloc(1, sizeof *keys);
    if (keys != NULL) {
        keys->hasher = ts_hasher_new();
    }
    return keys;
}

void ldap_dn_keys_free(struct ldap_dn_keys *keys)
{
    if (keys == NULL) {
        return;
    }
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        free(keys->slots[i].text);
    }
    ts_hasher_free(keys->hasher);
    free(keys);
}

enum ts_code ldap_dn_key(struct ldap_dn_keys *keys, struct ts_slice dn,
                         struct ldap_dn *ret_dn, struct ts_err *err)
{
    return key_by(keys, dn, false, ret_dn, err);
}

enum ts_code ldap_dn_key_slowly(struct ldap_dn_keys *keys, struct ts_slice dn,
                                struct ldap_dn *ret_dn, struct ts_err *err)
{
    return key_by(keys, dn, true, ret_dn, err);
}

enum ts_code ldap_dn_child_key(struct ldap_dn_keys *keys,
                               struct ldap_dn_key parent, struct ts_slice rdn,
                               struct ldap_dn_key *ret_key, struct ts_err *err)
{
    struct cut cut;
    if (rdn.size == 0 || rdn.size > LDAP_DN_SIZE_MAX ||
        memchr(rdn.data, 0, rdn.size) != NULL) {
        return not_a_dn(err, rdn);
    }
    enum ts_code rc = cut_any(trim(rdn), false, &cut, err);
    if (rc == TS_OK && cut.more) {
        rc = not_a_dn(err, rdn);
    }
    return rc == TS_OK ? cut_key(keys, &cut, parent, ret_key, err) : rc;
}

struct ldap_dn_key ldap_dn_opaque_key(struct ldap_dn_keys *keys,
                                      struct ts_slice bytes)
{
    /* A length that no RDN can have keeps these apart from all DNs. */
    static const uint8_t mark[4] = { 0xff, 0xff, 0xff, 0xff };
    ts_hasher_begin(keys->hasher);
    ts_hasher_add(keys->hasher, ts_slice(mark, sizeof mark));
    ts_hasher_add(keys->hasher, bytes);
    struct ts_hash hash = ts_hasher_end(keys->hasher);
    struct ldap_dn_key key;
    memcpy(key.bytes, hash.bytes, sizeof key.bytes);
    return key;
}
