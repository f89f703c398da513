/*
 * reconcile -- read the whole target and believe it.
 *
 * Every object there is compared with the connector space: what we know is
 * checked for foreign edits and lost references, what is new is remembered for
 * matching, what is missing is gone. compare.h then decides what to put right.
 *
 * Needed before the first export (nothing may be created that is there
 * already), after a reinstall, and as often as a full import.
 */
#ifndef NODE_ENGINE_RECONCILE_H
#define NODE_ENGINE_RECONCILE_H

#include "node/engine/context.h"

struct reconcile_outcome {
    uint64_t objects, edited, found, gone;
};

/* Errors   of target_enumerate and the store; what was read stays believed,
 *          absence is believed only after the last page. Blocks. */
TS_MUSTUSE enum ts_code reconcile_target(struct engine_context *engine,
                                         struct reconcile_outcome *ret_outcome,
                                         struct ts_err *err);
/* Of one object that was looked up: it is there, or not any more. In the
 * caller's transaction. */
TS_MUSTUSE enum ts_code reconcile_believe(struct engine_context *engine,
                                          const struct target_object *object,
                                          struct ts_err *err);
TS_MUSTUSE enum ts_code reconcile_lose(struct engine_context *engine,
                                       struct ts_slice target_id,
                                       struct ts_err *err);
/* Was the target ever read to its end in this state? Before that, nothing may
 * be decided. */
TS_MUSTUSE enum ts_code reconcile_known(struct engine_context *engine,
                                        bool *ret_known, struct ts_err *err);

#endif
