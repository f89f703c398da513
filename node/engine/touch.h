/*
 * touch -- make metaverse objects due for comparison again.
 *
 * For when they did not change, but something did that decides what becomes of
 * them. In the caller's transaction.
 */
#ifndef NODE_ENGINE_TOUCH_H
#define NODE_ENGINE_TOUCH_H

#include "node/engine/context.h"

TS_MUSTUSE enum ts_code touch_one(struct engine_context *engine,
                                  int64_t metaverse_id, struct ts_err *err);

/* All that `sql` selects: ids above ?1 in order, at most TOUCH_LIST of them;
 * `values` are its parameters, of which the first is overwritten. */
#define TOUCH_LIST 64
TS_MUSTUSE enum ts_code touch_all(struct engine_context *engine,
                                  const char *sql, struct db_value *values,
                                  size_t value_count, struct ts_err *err);

#endif
