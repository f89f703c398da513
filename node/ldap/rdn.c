#include "node/ldap/rdn.h"

#include <assert.h>
#include <ldap.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include "node/base/cleanup.h"

#define VALUE_GROWTH_OK ((size_t) 16 * LDAP_DN_SIZE_MAX)

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

/* --- types and values -------------------------------------------------------
 */

static int by_alias(const void *key, const void *row)
{
    const struct ts_slice *name = key;
    const struct alias *alias = row;
    return ts_slice_compare(*name, ts_slice_str(alias->name));
}

size_t ldap_rdn_type(struct ts_slice type, uint8_t *out)
{
    if (type.size == 0 || type.size > LDAP_RDN_TYPE_MAX) {
        return 0;
    }
    for (size_t i = 0; i < type.size; i++) {
        out[i] = ldap_rdn_lower(type.data[i]);
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
            folded[i] = ldap_rdn_lower(value.data[i]);
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

static enum ts_code ava_join(struct ts_slice type, bool text,
                             struct ts_slice value, struct ldap_rdn_ava *ret,
                             struct ts_err *err)
{
    if (value.size > VALUE_GROWTH_OK) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read a DN: a value has %zu bytes in normal form",
                       value.size);
    }
    uint8_t *bytes = malloc(type.size + 1 + value.size);
    if (bytes == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read a DN");
    }
    memcpy(bytes, type.data, type.size);
    bytes[type.size] = text ? '=' : '#';
    if (value.size > 0) {
        memcpy(bytes + type.size + 1, value.data, value.size);
    }
    *ret = (struct ldap_rdn_ava){ bytes, type.size + 1 + value.size };
    return TS_OK;
}

static enum ts_code ava_normalise(const LDAPAVA *from,
                                  struct ldap_rdn_ava *ret_ava,
                                  struct ts_err *err)
{
    uint8_t type[LDAP_RDN_TYPE_MAX];
    size_t type_size = ldap_rdn_type(
        ts_slice(from->la_attr.bv_val, from->la_attr.bv_len), type);
    if (type_size == 0) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read a DN: an attribute type has %zu bytes, "
                       "more than %d",
                       (size_t) from->la_attr.bv_len, LDAP_RDN_TYPE_MAX);
    }

    struct ts_slice value =
        ts_slice(from->la_value.bv_val, from->la_value.bv_len);
    bool text = true;
    if ((from->la_flags & LDAP_AVA_BINARY) != 0) {
        value = hex_content(value, &text);
    }
    uint8_t *folded = NULL;
    if (text) {
        size_t size = 0;
        folded = fold_value(value, &size);
        if (folded == NULL) {
            return ts_fail(err, TS_E_NOMEM, 0, "could not read a DN");
        }
        value = ts_slice(folded, size);
    }
    enum ts_code rc =
        ava_join(ts_slice(type, type_size), text, value, ret_ava, err);
    free(folded);
    return rc;
}

static int by_ava(const void *a, const void *b)
{
    const struct ldap_rdn_ava *x = a;
    const struct ldap_rdn_ava *y = b;
    return ts_slice_compare(ts_slice(x->bytes, x->size),
                            ts_slice(y->bytes, y->size));
}

enum ts_code ldap_rdn_refuse(struct ts_err *err, struct ts_slice dn)
{
    return ts_fail(err, TS_E_PROTOCOL, 0,
                   "cannot read \"%.*s\" as a distinguished name (RFC 4514)",
                   (int) (dn.size < 200 ? dn.size : 200),
                   (const char *) dn.data);
}

struct ts_slice ldap_rdn_trim(struct ts_slice text)
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
static enum ts_code parse(struct ts_slice dn, LDAPRDN *ret_rdn,
                          struct ldap_rdn_cut *cut, struct ts_err *err)
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
                   : ldap_rdn_refuse(err, dn);
    }
    size_t used = (size_t) (next - text);
    cut->more =
        used < dn.size && (dn.data[used] == ',' || dn.data[used] == ';');
    if (!cut->more && used < dn.size) {
        ldap_rdnfree(rdn);
        return ldap_rdn_refuse(err, dn);
    }
    cut->rdn = ldap_rdn_trim(ts_slice(dn.data, used));
    cut->parent =
        cut->more
            ? ldap_rdn_trim(ts_slice(dn.data + used + 1, dn.size - used - 1))
            : TS_SLICE_NONE;
    *ret_rdn = rdn;
    return TS_OK;
}

enum ts_code ldap_rdn_cut_first(struct ts_slice dn,
                                struct ldap_rdn_cut *ret_cut,
                                struct ts_err *err)
{
    LDAPRDN rdn = NULL;
    enum ts_code rc = parse(dn, &rdn, ret_cut, err);
    if (rc == TS_OK) {
        ldap_rdnfree(rdn);
    }
    return rc;
}

enum ts_code ldap_rdn_normalise(struct ts_slice text, struct ldap_rdn *ret_rdn,
                                struct ts_err *err)
{
    struct ldap_rdn_cut cut;
    LDAPRDN rdn = NULL;
    enum ts_code rc = parse(text, &rdn, &cut, err);
    if (rc != TS_OK || rdn == NULL) {
        return rc;
    }
    assert(rdn != NULL);
    ret_rdn->count = 0;
    for (size_t i = 0; rc == TS_OK && rdn[i] != NULL; i++) {
        rc = i < LDAP_DN_AVAS_MAX
                 ? ava_normalise(rdn[i], &ret_rdn->avas[i], err)
                 : ts_fail(err, TS_E_LIMIT, 0,
                           "cannot read a DN: an RDN has more than %d values",
                           LDAP_DN_AVAS_MAX);
        ret_rdn->count += rc == TS_OK;
    }
    ldap_rdnfree(rdn);
    if (rc != TS_OK) {
        ldap_rdn_done(ret_rdn);
        return rc;
    }
    qsort(ret_rdn->avas, ret_rdn->count, sizeof *ret_rdn->avas, by_ava);
    return TS_OK;
}

void ldap_rdn_done(struct ldap_rdn *rdn)
{
    for (size_t i = 0; i < rdn->count; i++) {
        free(rdn->avas[i].bytes);
    }
    rdn->count = 0;
}
