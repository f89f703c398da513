/*
 * altered -- an entry that has another anchor than before, in its place.
 *
 * entryUUID never changes; an anchor that is an attribute like any other may,
 * by a slip of somebody's hand. What then came under the new anchor, at the DN
 * of an object that did not come any more, is that same entry, and to believe
 * it would delete a person and create another. It is an error of that object
 * instead (stage "anchor"), until the old value is back. Where it is no slip
 * but a migration, there are many at once: then the old ones are believed to be
 * gone, and both halves wait for reanchor (replaced.h).
 *
 *   import       the old object is kept, with its error; altered_find()
 *   synchronize  the new object joins nothing and makes nothing new
 *   old value back, or the entry gone from that DN: the error goes
 *
 * With entryUUID as the anchor an entry at the same DN is another entry: there
 * is nothing to look for.
 */
#ifndef NODE_ENGINE_ALTERED_H
#define NODE_ENGINE_ALTERED_H

#include "node/engine/absence.h"

/* From so many on, and that many percent of the source, it is a migration. */
#define ALTERED_LEAST   20
#define ALTERED_PERCENT 5

/* Which of the objects that are missing are altered: added to `ret_kept`, and
 * told as errors; errors that are over are forgotten. In the transaction of
 * the watermark. Errors: TS_E_NOMEM, or the store's. */
TS_MUSTUSE enum ts_code altered_find(const struct absence *absence,
                                     struct seen *ret_kept, struct ts_err *err);
/* One that is missing is believed to be gone: whoever is at its DN under
 * another anchor is due now. */
TS_MUSTUSE enum ts_code altered_gone(struct connector_writer *writer,
                                     int64_t object_id, struct ts_err *err);
/* Is there a joined object of the same source at this one's DN? */
TS_MUSTUSE enum ts_code altered_waits(struct engine_context *engine,
                                      const struct connector_object *object,
                                      bool *ret_waits, struct ts_err *err);

#endif
