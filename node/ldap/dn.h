/*
 * dn -- distinguished names, as keys.
 *
 * A DN has many spellings: case, spaces, escapes, quotes, the order inside a
 * multi-valued RDN, OIDs instead of names. Two DNs that mean the same entry get
 * the same 16-byte key, built from the root down:
 *
 *   key(root)  = 16 zero bytes
 *   key(child) = SHA-256(length || normalised RDN || key(parent)), first 16
 *
 * so that renaming an entry changes its subtree's keys by arithmetic on stored
 * RDNs, and nobody needs the text of a parent. A collision by accident needs
 * 2^64 names; on purpose it needs write access to the directory and 2^64 work.
 *
 * Normal form of an RDN (RFC 4514 read generously, RFC 4518 in spirit):
 *
 *   - types in lower case; OIDs and long names of common types become the short
 *     name (2.5.4.3 and commonName are cn);
 *   - values as characters (escapes and quotes undone), in lower case character
 *     by character, NFKC, spaces collapsed and trimmed: exactly what slapd's
 *     caseIgnoreMatch does, and no more. Full case folding, which RFC 4518 asks
 *     for, would give cn=Hans Weiss and cn=Hans Weiß one key, although slapd
 *     keeps them apart as two people. Every value is compared without regard to
 *     case: siblings that differ in case only are not told apart;
 *   - "#hex" values with a string tag become that string, others stay BER;
 *   - values that are not UTF-8 stay bytes, with ASCII folded;
 *   - AVAs of a multi-valued RDN in byte order.
 *
 * Invariants:
 *   D1  two spellings of one DN have one key, however it was computed: the
 *       fast path for plain ASCII and the general one agree (property test).
 *   D2  the cache of parents changes the cost, never the answer.
 *
 * Costs one hash for a child of a parent seen before. Not thread-safe.
 */
#ifndef NODE_LDAP_DN_H
#define NODE_LDAP_DN_H

#include "node/base/err.h"
#include "node/base/slice.h"

#define LDAP_DN_KEY_SIZE  16
#define LDAP_DN_SIZE_MAX  ((size_t) 8192)
#define LDAP_DN_DEPTH_MAX 64
/* AVAs in one RDN. */
#define LDAP_DN_AVAS_MAX 16

struct ldap_dn_key {
    uint8_t bytes[LDAP_DN_KEY_SIZE];
};

struct ldap_dn {
    struct ldap_dn_key key, parent;
    struct ts_slice rdn; /* as printed, inside the DN given; empty: root */
};

/* A hasher and the cache of parents. */
struct ldap_dn_keys;

/* Errors   NULL when out of memory. Owns: free with _free (NULL is fine). */
struct ldap_dn_keys *ldap_dn_keys_new(void);
void ldap_dn_keys_free(struct ldap_dn_keys *keys);

/* The keys of `dn` and of its parent. The empty DN is the root, its own parent.
 * Errors   TS_E_PROTOCOL (not a DN, a NUL inside), TS_E_LIMIT (too long, too
 *          deep). */
TS_MUSTUSE enum ts_code ldap_dn_key(struct ldap_dn_keys *keys,
                                    struct ts_slice dn, struct ldap_dn *ret_dn,
                                    struct ts_err *err);

/* The key of the entry named `rdn` under `parent`: what a renamed or moved
 * ancestor makes of its children. Errors as above; also when `rdn` holds more
 * than one RDN. */
TS_MUSTUSE enum ts_code ldap_dn_child_key(struct ldap_dn_keys *keys,
                                          struct ldap_dn_key parent,
                                          struct ts_slice rdn,
                                          struct ldap_dn_key *ret_key,
                                          struct ts_err *err);

/* A key for bytes that stand where a DN should be and are none: the same bytes
 * give the same key, and no DN has it. */
struct ldap_dn_key ldap_dn_opaque_key(struct ldap_dn_keys *keys,
                                      struct ts_slice bytes);

/* As ldap_dn_key without the fast path and the cache: for tests. */
TS_MUSTUSE enum ts_code ldap_dn_key_slowly(struct ldap_dn_keys *keys,
                                           struct ts_slice dn,
                                           struct ldap_dn *ret_dn,
                                           struct ts_err *err);

static inline bool ldap_dn_key_equal(struct ldap_dn_key a, struct ldap_dn_key b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

#endif
