/*
 * changeset -- the bytes of a change, read with suspicion.
 *
 * SQLite's own reader is lenient: of a header whose table name never ends it
 * reads for ever (3.40, sqlite3changeset_next), an update whose two records do
 * not fit makes it follow a null pointer, and a table that it does not know is
 * skipped with success. So bytes from elsewhere are walked through here before
 * SQLite sees them. The format is the one documented at the head of
 * ext/session/sqlite3session.c, "CHANGESET FORMAT":
 *
 *   changeset  { header change+ }*
 *   header     'T'  varint columns  one byte a column (0, or place in the key)
 *              name NUL
 *   change     verb (18 insert, 23 update, 9 delete)  indirect (0 or 1)
 *              the old record (update, delete)  the new record (insert, update)
 *              (an update's old record has the key and what changed, its new
 *              one only what changed; the others are whole)
 *   record     a value a column: type byte (0 none, 1 integer, 2 real, 3 text,
 *              4 blob, 5 null), then 8 bytes, or varint length and bytes
 */
#ifndef NODE_DB_CHANGESET_H
#define NODE_DB_CHANGESET_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/slice.h"

#define CHANGESET_COLUMNS_MAX 256
#define CHANGESET_NAME_MAX    63

/* Called for each header; false ends the walk. */
typedef bool changeset_table_fn(void *context, const char *table);

enum changeset_verdict {
    CHANGESET_GOOD,
    CHANGESET_BROKEN, /* not a changeset, or cut off */
    CHANGESET_REFUSED /* by the caller's function */
};

/* Walk through all of it. *ret_changes is the number of changes in it. */
enum changeset_verdict changeset_walk(struct ts_slice bytes,
                                      changeset_table_fn *on_table,
                                      void *context, int64_t *ret_changes);

#endif
