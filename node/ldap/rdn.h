/* rdn.h -- one RDN in normal form, by libldap's parser and libunistring: the
 * general path of dn.c, which says what normal means. */
#ifndef NODE_LDAP_RDN_H
#define NODE_LDAP_RDN_H

#include "node/ldap/dn.h"

#define LDAP_RDN_TYPE_MAX 128

/* "type=value", or "type#BER"; from malloc. */
struct ldap_rdn_ava {
    uint8_t *bytes;
    size_t size;
};

struct ldap_rdn {
    struct ldap_rdn_ava avas[LDAP_DN_AVAS_MAX]; /* in byte order */
    size_t count;
};

/* The first RDN of a DN, cut off. */
struct ldap_rdn_cut {
    struct ts_slice rdn;    /* trimmed */
    struct ts_slice parent; /* what follows the separator, trimmed */
    bool more;              /* there was a separator */
};

/* Errors   TS_E_PROTOCOL, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code ldap_rdn_cut_first(struct ts_slice dn,
                                           struct ldap_rdn_cut *ret_cut,
                                           struct ts_err *err);
/* Owns     free with ldap_rdn_done, on success.
 * Errors   TS_E_PROTOCOL, TS_E_LIMIT, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code ldap_rdn_normalise(struct ts_slice text,
                                           struct ldap_rdn *ret_rdn,
                                           struct ts_err *err);
void ldap_rdn_done(struct ldap_rdn *rdn);

/* Bring an attribute type into its normal form in `out` (LDAP_RDN_TYPE_MAX
 * bytes); returns its length, 0 if it does not fit. */
size_t ldap_rdn_type(struct ts_slice type, uint8_t *out);
/* Without the spaces at both ends; an escaped one stays. */
struct ts_slice ldap_rdn_trim(struct ts_slice text);
/* TS_E_PROTOCOL: "cannot read ... as a distinguished name". */
enum ts_code ldap_rdn_refuse(struct ts_err *err, struct ts_slice dn);

static inline uint8_t ldap_rdn_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t) (c | 0x20) : c;
}

#endif
