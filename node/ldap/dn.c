#include "node/ldap/dn.h"

#include <stdlib.h>

#include "node/base/hash.h"
#include "node/ldap/rdn.h"

/* A direct-mapped cache: 4,096 parents are every organizational unit of most
 * directories, and a miss costs one walk to the root. */
#define CACHE_SLOTS    4096
#define CACHE_TEXT_MAX 512
#define RDN_FAST_MAX   256

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

/* One RDN cut off the front of a DN. */
struct cut {
    struct ldap_rdn_cut at;
    uint8_t fast[RDN_FAST_MAX + LDAP_RDN_TYPE_MAX];
    size_t fast_size; /* 0: not in reach of the fast path */
};

/* --- small pieces ------------------------------------------------------- */

static void put_length(uint8_t out[static 4], size_t size)
{
    for (size_t i = 0; i < 4; i++) {
        out[i] = (uint8_t) (size >> (24 - 8 * i));
    }
}

static struct ldap_dn_key key_of(struct ldap_dn_keys *keys,
                                 const struct ldap_rdn *rdn,
                                 struct ldap_dn_key parent)
{
    size_t body = 0;
    uint8_t length[4];
    for (size_t i = 0; i < rdn->count; i++) {
        body += sizeof length + rdn->avas[i].size;
    }
    ts_hasher_begin(keys->hasher);
    put_length(length, body);
    ts_hasher_add(keys->hasher, ts_slice(length, sizeof length));
    for (size_t i = 0; i < rdn->count; i++) {
        put_length(length, rdn->avas[i].size);
        ts_hasher_add(keys->hasher, ts_slice(length, sizeof length));
        ts_hasher_add(keys->hasher,
                      ts_slice(rdn->avas[i].bytes, rdn->avas[i].size));
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

/* --- the fast path ------------------------------------------------------- */

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '+' && c != ';' &&
           c != '<' && c != '>' && c != '\\' && c != '#';
}

static bool is_letter(uint8_t c)
{
    c = ldap_rdn_lower(c);
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
    if (at == dn.size || p[at] != '=' || at > LDAP_RDN_TYPE_MAX) {
        return false;
    }
    size_t size = ldap_rdn_type(ts_slice(p, at), cut->fast);
    cut->fast[size++] = '=';

    size_t value = size;
    for (at++; at < dn.size && p[at] != ','; at++) {
        if (!is_plain(p[at]) || size == sizeof cut->fast) {
            return false;
        }
        if (p[at] == ' ' && (size == value || cut->fast[size - 1] == ' ')) {
            continue;
        }
        cut->fast[size++] = ldap_rdn_lower(p[at]);
    }
    if (size > value && cut->fast[size - 1] == ' ') {
        size--;
    }
    cut->fast_size = size;
    cut->at.rdn = ldap_rdn_trim(ts_slice(p, at));
    cut->at.more = at < dn.size;
    cut->at.parent = cut->at.more
                         ? ldap_rdn_trim(ts_slice(p + at + 1, dn.size - at - 1))
                         : TS_SLICE_NONE;
    return true;
}

static enum ts_code cut_any(struct ts_slice dn, bool slowly, struct cut *cut,
                            struct ts_err *err)
{
    cut->fast_size = 0;
    if (slowly || !cut_fast(dn, cut)) {
        cut->fast_size = 0;
        enum ts_code rc = ldap_rdn_cut_first(dn, &cut->at, err);
        if (rc != TS_OK) {
            return rc;
        }
    }
    if (cut->at.more && cut->at.parent.size == 0) {
        return ldap_rdn_refuse(err, dn); /* "cn=a," */
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
    struct ldap_rdn rdn;
    enum ts_code rc = ldap_rdn_normalise(cut->at.rdn, &rdn, err);
    if (rc == TS_OK) {
        *ret_key = key_of(keys, &rdn, parent);
        ldap_rdn_done(&rdn);
    }
    return rc;
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

struct place {
    struct ldap_dn_key key;
    size_t depth; /* the number of RDNs */
};

/* The key of a whole DN, from the root down; `slowly` avoids every short cut.
 */
static enum ts_code walk(struct ldap_dn_keys *keys, struct ts_slice dn,
                         bool slowly, struct place *ret_place,
                         struct ts_err *err)
{
    struct ts_slice above[LDAP_DN_DEPTH_MAX]; /* each DN on the way up */
    size_t count = 0;
    size_t depth = 0;
    struct ldap_dn_key key = { 0 };
    struct cut cut;

    for (struct ts_slice rest = dn; rest.size > 0; rest = cut.at.parent) {
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
    *ret_place = (struct place){ key, depth };
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
        return ldap_rdn_refuse(err, dn);
    }
    struct ldap_dn result = { .rdn = TS_SLICE_NONE };
    dn = ldap_rdn_trim(dn);
    if (dn.size > 0) {
        struct cut cut;
        struct place parent = { .depth = 0 };
        enum ts_code rc = cut_any(dn, slowly, &cut, err);
        if (rc == TS_OK) {
            rc = walk(keys, cut.at.parent, slowly, &parent, err);
        }
        result.parent = parent.key;
        if (rc == TS_OK && parent.depth == LDAP_DN_DEPTH_MAX) {
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
        result.rdn = cut.at.rdn;
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
        return ldap_rdn_refuse(err, rdn);
    }
    enum ts_code rc = cut_any(ldap_rdn_trim(rdn), false, &cut, err);
    if (rc == TS_OK && cut.at.more) {
        rc = ldap_rdn_refuse(err, rdn);
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
