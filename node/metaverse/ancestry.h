/*
 * ancestry -- what the coming and going of an entry means to its neighbours.
 *
 * An entry that comes, goes or gets another name is above others: what rules
 * ask of the place of those (their DN, whether they are under a unit) may be
 * answered otherwise from now on, although the directory does not send them
 * again. They become due, so that a delta decides what a full reading would.
 *
 * And it may have the DN that another one had: whoever is named by that DN is
 * now somebody else.
 */
#ifndef NODE_METAVERSE_ANCESTRY_H
#define NODE_METAVERSE_ANCESTRY_H

#include "node/metaverse/connector.h"

/* All that is below the DN `key` becomes due. Only where rules ask
 * (connector_writer.places); else it costs nothing. */
TS_MUSTUSE enum ts_code ancestry_changed(struct connector_writer *writer,
                                         struct ts_slice key,
                                         struct ts_err *err);
/* The same of the object `id`, which is gone. */
TS_MUSTUSE enum ts_code ancestry_gone(struct connector_writer *writer,
                                      int64_t id, struct ts_err *err);
/* The new object `id` came to the DN of others: tells of each, to
 * connector_writer.on_same_dn. */
TS_MUSTUSE enum ts_code ancestry_arrived(struct connector_writer *writer,
                                         int64_t id,
                                         const struct connector_row *row,
                                         struct ts_err *err);

#endif
