#include "proto/packing.h"

static void *take(void *context, size_t size)
{
    struct packing *packing = context;
    void *piece = ts_arena_take(packing->arena, size);
    packing->is_full |= piece == NULL;
    return piece;
}

static void keep(void *context, void *piece)
{
    (void) context; /* the arena gives everything back at once */
    (void) piece;
}

void packing_init(struct packing *packing, struct ts_arena *arena)
{
    *packing = (struct packing){ .arena = arena };
    packing->allocator = (ProtobufCAllocator){ take, keep, packing };
}

ProtobufCBinaryData packing_bytes(const void *data, size_t size)
{
    union {
        const void *borrowed;
        uint8_t *data;
    } bytes = { .borrowed = data };
    return (ProtobufCBinaryData){ .len = size, .data = bytes.data };
}

char *packing_text(const char *text)
{
    union {
        const char *borrowed;
        char *text;
    } slot = { .borrowed = text };
    return slot.text;
}
