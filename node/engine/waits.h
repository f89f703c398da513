/*
 * waits -- who waits for whom, and whom to move out of the way.
 *
 * Pure. Edges say that an object can be written only after another was. Where
 * they form rings nobody can begin; waits_open() then names objects without
 * which no ring is left: of what is in rings the first by anchor, then, of
 * what is still in rings, the next, and so on. The answer does not depend on
 * ids nor on the order of the edges.
 *
 * Cost: about n log n in the number of edges.
 */
#ifndef NODE_ENGINE_WAITS_H
#define NODE_ENGINE_WAITS_H

#include "node/base/arena.h"
#include "node/base/err.h"

struct waits_object {
    int64_t id;
    struct ts_slice anchor; /* copied by waits_add */
    int kind;               /* the second word, where anchors are equal */
};

struct waits_edge {
    struct waits_object from; /* waits for */
    int64_t to;
};

struct waits {
    struct waits_edge *edges;
    size_t count, room;
    struct ts_arena anchors;
};
void waits_init(struct waits *waits);
void waits_done(struct waits *waits);

/* Errors   TS_E_NOMEM. */
TS_MUSTUSE enum ts_code waits_add(struct waits *waits,
                                  const struct waits_edge *edge,
                                  struct ts_err *err);
/* Ids in `ret_ids`, which the caller frees; none: no ring. Reorders the edges.
 * Errors   TS_E_NOMEM. */
TS_MUSTUSE enum ts_code waits_open(struct waits *waits, int64_t **ret_ids,
                                   size_t *ret_count, struct ts_err *err);

#endif
