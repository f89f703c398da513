/*
 * referrers -- those who refer to an object that comes to the target or goes.
 *
 * A write that names a member by an id that the target does not have any more
 * is refused, and would be tried again only after an hour; and what was written
 * into a single value (a manager) stays there when he is deleted, by us or by
 * somebody else, at services that do not look. So:
 *
 *   it came, or it is gone   refused writes of its referrers are due again
 *   it is gone               what single values have of it is to be cleared, or
 *                            replaced by its next id, should it come again
 */
#ifndef NODE_ENGINE_REFERRERS_H
#define NODE_ENGINE_REFERRERS_H

#include "node/engine/context.h"

/* `member` has another id at the target from now on, or none. Before its
 * references are given up. */
TS_MUSTUSE enum ts_code referrers_release(struct engine_context *engine,
                                          int64_t member, struct ts_err *err);
/* `member` was `id` there and is gone, whoever did it. Before its references
 * are given up: they tell who has it. */
TS_MUSTUSE enum ts_code referrers_left_behind(struct engine_context *engine,
                                              int64_t member,
                                              struct ts_slice id,
                                              struct ts_err *err);

#endif
