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
 */
#ifndef NODE_SOURCE_ROWS_H
#define NODE_SOURCE_ROWS_H

#include <ldap.h>

#include "node/ldap/dn.h"
#include "node/source/batch.h"

/* Everything about a source's entries that stays the same between imports. */
struct source_rows;

/* `options` are borrowed until _free. Errors: TS_E_NOMEM, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code source_rows_new(const struct source_options *options,
                                        struct source_rows **ret_rows,
                                        struct ts_err *err);
void source_rows_free(struct source_rows *rows);

/* `answered` is how the server spells what was asked for as `asked`. */
TS_MUSTUSE enum ts_code source_rows_alias(struct source_rows *rows,
                                          const char *asked,
                                          const char *answered,
                                          struct ts_err *err);

/* The attribute list of the search request, ending in NULL: those of the
 * options, the anchor unless it is entryUUID, and entryCSN. */
const char *const *source_rows_attributes(const struct source_rows *rows);

#define SOURCE_CSN_MAX 64
/* One entry, read but not yet made into a row. Slices point into the message.
 */
struct source_seen {
    struct ts_slice dn;
    struct ts_slice anchor; /* the anchor attribute's value; none: see count */
    size_t anchor_count;
    struct ts_slice csn; /* entryCSN, or empty */
    size_t size;         /* of all values */
};

/* Read `entry`. Whoever wants its controls takes them before: the getters used
 * here write into the message.
 * Errors   TS_E_PROTOCOL, TS_E_LIMIT, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code source_rows_read(struct source_rows *rows, LDAP *ld,
                                         LDAPMessage *entry,
                                         struct source_seen *ret_seen,
                                         struct ts_err *err);
/* Make what _read saw last into a row (but its anchor), in `arena`.
 * Errors   TS_E_LIMIT, TS_E_PROTOCOL (its name is no DN). */
TS_MUSTUSE enum ts_code source_rows_fill(struct source_rows *rows,
                                         const struct source_seen *seen,
                                         struct ts_arena *arena,
                                         struct source_row *row,
                                         struct ts_err *err);

#endif
