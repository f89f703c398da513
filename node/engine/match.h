/*
 * match -- which object of the target belongs to a person who has none there.
 *
 * Order (semantics, Anchor and match): 1 hard match: an object that carries the
 * anchor; 2 soft match: an object that carries no anchor and has the value of a
 * `match` path; 3 none: create. Several candidates: nobody gets one.
 */
#ifndef NODE_ENGINE_MATCH_H
#define NODE_ENGINE_MATCH_H

#include "node/engine/context.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"

/* The values of the kind's `match` paths, folded and joined, by which objects
 * are compared; empty when one is missing. In `arena`. */
TS_MUSTUSE enum ts_code
match_value_of(const struct engine_context *engine, enum config_kind kind,
               const struct ts_entry *values, struct ts_arena *arena,
               struct ts_slice *ret_value, struct ts_err *err);

/* A free object of the target for `object`, whose wanted values are given. */
TS_MUSTUSE enum ts_code
match_free(struct engine_context *engine, const struct metaverse_object *object,
           const struct ts_entry *wanted, struct ts_arena *arena,
           struct target_row *ret_row, bool *ret_found, struct ts_err *err);

#endif
