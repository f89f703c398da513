/*
 * flow -- one metaverse object's values from all source objects joined to it.
 *
 * Pure but for reading the connector space: evaluates each contributor's rule
 * and merges by precedence: for each path the first source that has a value
 * wins; a path that failed keeps its last good value.
 */
#ifndef NODE_ENGINE_FLOW_H
#define NODE_ENGINE_FLOW_H

#include "node/engine/context.h"
#include "node/metaverse/connector.h"

#define FLOW_CONTRIBUTORS_MAX 8

/* One source object and what the rules make of it. */
struct flow_part {
    struct connector_object object;
    struct rules_result result;
    size_t precedence; /* lower wins */
};

/* Evaluate the rules for `object`. A name of a source that the configuration
 * no longer has is out of scope. Results live in `arena`. */
TS_MUSTUSE enum ts_code flow_evaluate(struct engine_context *engine,
                                      const struct connector_object *object,
                                      struct ts_arena *arena,
                                      struct flow_part *ret_part,
                                      struct ts_err *err);

struct flow_merged {
    struct ts_slice packed, once; /* proto Entry */
    struct ts_entry values;
};
/* Merge `parts` (at least one, all in scope; reordered). `last` is the packed
 * entry of the last good values, for paths that failed; may be empty. */
TS_MUSTUSE enum ts_code flow_merge(struct flow_part *parts, size_t count,
                                   struct ts_slice last, struct ts_arena *arena,
                                   struct flow_merged *ret_merged,
                                   struct ts_err *err);

#endif
