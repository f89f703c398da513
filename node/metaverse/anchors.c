#include "node/metaverse/anchors.h"

#include <stdlib.h>

/* FNV-1a. Never 0, so that a cleared slot matches nothing. */
static uint64_t hash_of(struct ts_slice anchor)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < anchor.size; i++) {
        hash = (hash ^ anchor.data[i]) * UINT64_C(1099511628211);
    }
    return hash | 1;
}

static struct anchors_slot *slot_for(const struct anchors *anchors,
                                     uint64_t hash)
{
    size_t at = (size_t) (hash >> 1) & (anchors->room - 1);
    while (anchors->slots[at].id != 0 && anchors->slots[at].hash != hash) {
        at = (at + 1) & (anchors->room - 1);
    }
    return &anchors->slots[at];
}

int64_t anchors_find(const struct anchors *anchors, struct ts_slice anchor)
{
    return anchors->room == 0 ? 0 : slot_for(anchors, hash_of(anchor))->id;
}

static bool grow(struct anchors *anchors)
{
    struct anchors wider = { .room = anchors->room == 0 ? 4096
                                                        : 2 * anchors->room };
    wider.slots = calloc(wider.room, sizeof *wider.slots);
    if (wider.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < anchors->room; i++) {
        if (anchors->slots[i].id != 0) {
            *slot_for(&wider, anchors->slots[i].hash) = anchors->slots[i];
            wider.count++;
        }
    }
    free(anchors->slots);
    *anchors = wider;
    return true;
}

bool anchors_add(struct anchors *anchors, struct ts_slice anchor, int64_t id)
{
    if (4 * anchors->count >= 3 * anchors->room && !grow(anchors)) {
        return false;
    }
    uint64_t hash = hash_of(anchor);
    struct anchors_slot *slot = slot_for(anchors, hash);
    anchors->count += slot->id == 0;
    *slot = (struct anchors_slot){ .hash = hash, .id = id };
    return true;
}

void anchors_done(struct anchors *anchors)
{
    free(anchors->slots);
    *anchors = (struct anchors){ .slots = NULL };
}
