/*
 * query_find -- which object an operator means.
 *
 * By anchor, by the target's id, by DN: one look into an index each. Else by
 * name, which no index has, so the rows are read one after the other, for at
 * most QUERY_SCAN_MS: first the RDNs of the sources, then userName and
 * displayName of the metaverse. Names are compared without regard to case.
 */
#ifndef NODE_ENGINE_QUERY_FIND_H
#define NODE_ENGINE_QUERY_FIND_H

#include "node/engine/context.h"

#define QUERY_FOUND_MAX 20
#define QUERY_SCAN_MS   3000

/* One object: seen at a source, or in the metaverse, or both. */
struct query_object {
    int64_t source_object; /* row of the connector space; 0: none */
    int64_t metaverse;     /* 0: none */
};

struct query_found {
    struct query_object objects[QUERY_FOUND_MAX];
    size_t count;
    bool more;       /* than fit */
    bool unfinished; /* not every name was looked at */
};

/* Errors   of the store; nothing found is no error. Blocks, see above. */
TS_MUSTUSE enum ts_code query_find(struct engine_context *engine,
                                   struct ts_slice text,
                                   struct query_found *ret_found,
                                   struct ts_err *err);

#endif
