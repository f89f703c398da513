/*
 * indexes -- built at once, after a first load, instead of row by row.
 *
 * A generation that is being built is loaded without its indexes: appending
 * rows and sorting the keys afterwards is several times faster than keeping
 * every index in order under way. Each step of the first load makes the
 * indexes of the tables that the next one searches.
 *
 * Only for a file that nobody relies on: a lookup without its index is slow,
 * and a unique index that is not there finds no duplicates until it is made.
 */
#ifndef NODE_METAVERSE_INDEXES_H
#define NODE_METAVERSE_INDEXES_H

#include "node/metaverse/metaverse.h"

/* Remember and drop every index that schema.sql makes. */
TS_MUSTUSE enum ts_code indexes_drop(struct metaverse *mv, struct ts_err *err);
/* Make those of `table` again, or of all tables (NULL). What is there already
 * stays. Errors: TS_E_IO, also when a unique index finds duplicates. */
TS_MUSTUSE enum ts_code indexes_make(struct metaverse *mv, const char *table,
                                     struct ts_err *err);

#endif
