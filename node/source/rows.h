/*
 * rows -- from an LDAP entry to a row of the connector space.
 *
 * Knows which attributes were asked for, under which spelling the rules know
 * them, and which of them hold DNs. Puts values into their normal form, makes
 * DN keys, packs and hashes.
 *
 * A server may answer with more than was asked for (cn brings cn;lang-de,
 * surname is answered as sn), so each name that comes back is matched against
 * the list: without regard to case, options included; ";binary" alone is only a
 * way of transfer (RFC 4522) and does not count.
 *
 * What a row is known by differs: most directories name entries by their DNs
 * (dn.h), others have identities that outlive every name. A kind says which.
 */
#ifndef NODE_SOURCE_ROWS_H
#define NODE_SOURCE_ROWS_H

#include <ldap.h>

#include "node/ldap/dn.h"
#include "node/source/batch.h"

/* Everything about a source's entries that stays the same between imports. */
struct source_rows;

/* One entry, read but not yet made into a row. Slices point into the message.
 */
struct source_seen {
    struct ts_slice dn;
    struct ts_slice never; /* why it is never in scope; to be set by the driver
                              before _fill, or empty */
    size_t size;           /* of all values */
};

#define SOURCE_EXTRAS_MAX 24

struct source_values {
    const struct ts_slice *items;
    size_t count;
};

/* What is particular about a kind of directory. */
struct source_rows_kind {
    const char *const *extras; /* ends in NULL: also asked for, for the driver;
                                  in a row only when the options name them */
    bool ranges; /* "member;range=0-1499" is a part of member, [MS-ADTS]
                    3.1.1.3.1.3.3 */
    /* Set key, parent, rdn and, where seen's is not what people call it, dn.
     * NULL: by the DN. */
    enum ts_code (*place)(void *context, const struct source_seen *seen,
                          struct ts_arena *arena, struct source_row *row,
                          struct ts_err *err);
    /* Set key and dn from one value of a reference. NULL: it is a DN. */
    enum ts_code (*link)(void *context, struct ts_slice value,
                         struct ts_arena *arena, struct source_link *link,
                         struct ts_err *err);
    void *context;
};

/* `options` and `kind` are borrowed until _free. Errors: TS_E_NOMEM,
 * TS_E_LIMIT. */
TS_MUSTUSE enum ts_code source_rows_new(const struct source_options *options,
                                        const struct source_rows_kind *kind,
                                        struct source_rows **ret_rows,
                                        struct ts_err *err);
void source_rows_free(struct source_rows *rows);

/* `answered` is how the server spells what was asked for as `asked`. */
TS_MUSTUSE enum ts_code source_rows_alias(struct source_rows *rows,
                                          const char *asked,
                                          const char *answered,
                                          struct ts_err *err);

/* The attribute list of the search request, ending in NULL: those of the
 * options and the kind's extras. */
const char *const *source_rows_attributes(const struct source_rows *rows);

/* Read `entry`. Whoever wants its controls takes them before: the getters used
 * here write into the message.
 * Errors   TS_E_PROTOCOL, TS_E_LIMIT, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code source_rows_read(struct source_rows *rows, LDAP *ld,
                                         LDAPMessage *entry,
                                         struct source_seen *ret_seen,
                                         struct ts_err *err);
/* A further part of the entry that _read saw last, with more values of what was
 * ranged. Its message lives until _fill, as the first one does. */
TS_MUSTUSE enum ts_code source_rows_read_more(struct source_rows *rows,
                                              LDAP *ld, LDAPMessage *entry,
                                              struct source_seen *seen,
                                              struct ts_err *err);
/* An attribute of which there are more values, as it was asked for, and the
 * index of the next; NULL when all are there. */
const char *source_rows_next_range(const struct source_rows *rows,
                                   uint32_t *ret_from);
/* Instead of reading the rest of the reference `name`: of its links the row
 * says only these changes, which live until _fill. */
void source_rows_patch(struct source_rows *rows, const char *name,
                       const struct source_link *links, size_t count);
/* The values of extra number `index` of what was read last. */
struct source_values source_rows_extra(const struct source_rows *rows,
                                       size_t index);
/* Make what _read saw last into a row (but its anchor), in `arena`.
 * Errors   TS_E_LIMIT, TS_E_PROTOCOL (its name is no DN). */
TS_MUSTUSE enum ts_code source_rows_fill(struct source_rows *rows,
                                         const struct source_seen *seen,
                                         struct ts_arena *arena,
                                         struct source_row *row,
                                         struct ts_err *err);

#endif
