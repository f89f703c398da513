/* anchors -- which row an anchor has, in memory, while a first load runs
 * without the index that would tell. Sixteen bytes an object, by hash: a hit is
 * confirmed by the row itself. */
#ifndef NODE_METAVERSE_ANCHORS_H
#define NODE_METAVERSE_ANCHORS_H

#include "node/base/slice.h"

struct anchors_slot {
    uint64_t hash;
    int64_t id; /* 0: free */
};

struct anchors {
    struct anchors_slot *slots;
    size_t room, count;
};

/* A zeroed struct is empty. The row noted for an anchor of that hash, or 0. */
int64_t anchors_find(const struct anchors *anchors, struct ts_slice anchor);
/* False: out of memory. */
bool anchors_add(struct anchors *anchors, struct ts_slice anchor, int64_t id);
void anchors_done(struct anchors *anchors);

#endif
