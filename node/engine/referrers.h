/*
 * referrers -- those who refer to an object that comes to the target or goes.
 *
 * A write that names a member by an id that the target does not have any more
 * is refused, and would be tried again only after an hour; and what was written
 * into a single value (a manager) stays there when he is deleted, at services
 * that do not look. So:
 *
 *   it came, or was found gone   refused writes of its referrers are due again
 *   we deleted it                what they had of it is to be cleared
 */
#ifndef NODE_ENGINE_REFERRERS_H
#define NODE_ENGINE_REFERRERS_H

#include "node/engine/context.h"

/* `member` has another id at the target from now on, or none. Before its
 * references are given up. */
TS_MUSTUSE enum ts_code referrers_release(struct engine_context *engine,
                                          int64_t member, struct ts_err *err);

#endif
