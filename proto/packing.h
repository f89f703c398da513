/*
 * packing -- what every codec of this folder needs of protobuf-c.
 *
 * protobuf-c allocates what it unpacks through an allocator: ours gives it an
 * arena, so that memory is bounded by the caller and given back at once. Bytes
 * that are packed are borrowed for the time of one call.
 */
#ifndef PROTO_PACKING_H
#define PROTO_PACKING_H

#include <protobuf-c/protobuf-c.h>

#include "node/base/arena.h"

/* Keep it in one place while protobuf-c works: `allocator` points into it. */
struct packing {
    struct ts_arena *arena;
    bool is_full; /* the arena had no more: TS_E_LIMIT, not TS_E_CORRUPT */
    ProtobufCAllocator allocator;
};

/* Over `arena`, which is borrowed. */
void packing_init(struct packing *packing, struct ts_arena *arena);

/* Borrows: protobuf-c only reads what it packs. */
ProtobufCBinaryData packing_bytes(const void *data, size_t size);
char *packing_text(const char *text);

#endif
