/*
 * members -- believe which references the target showed.
 *
 * Of every reference that an object shows, one of these is noted:
 *
 *   the member is                     an authoritative     an additive
 *                                     group says           group says
 *   wanted                            held                 held
 *   ours, not wanted                  held: to be removed  nothing
 *   ours, not wanted, group keeps     a stranger           nothing
 *   not ours                          a stranger           nothing
 *
 * A group keeps members that it was not sent when it was adopted, until
 * somebody dismisses them, or when foreign edits are only reported
 * (node/metaverse/stranger.h). What was held and is not shown is held no more.
 */
#ifndef NODE_ENGINE_MEMBERS_H
#define NODE_ENGINE_MEMBERS_H

#include "node/engine/context.h"

/* Does an object keep members that it was not sent? */
TS_MUSTUSE enum ts_code members_kept(const struct engine_context *engine,
                                     int kind, int64_t owner, bool *ret_kept,
                                     struct ts_err *err);
TS_MUSTUSE enum ts_code members_observe(struct engine_context *engine,
                                        int64_t owner,
                                        const struct target_object *object,
                                        struct ts_err *err);

#endif
