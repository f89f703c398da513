#include "node/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define BLOCK_SIZE ((size_t) 64 * 1024)

struct ts_arena_block {
    struct ts_arena_block *next;
    size_t used, size;
    alignas(max_align_t) uint8_t bytes[];
};

void ts_arena_init(struct ts_arena *arena, size_t size_max)
{
    *arena = (struct ts_arena){ .size_max = size_max };
}

static void blocks_free(struct ts_arena_block *block)
{
    while (block != NULL) {
        struct ts_arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void ts_arena_done(struct ts_arena *arena)
{
    if (arena != NULL) {
        blocks_free(arena->blocks);
        *arena = (struct ts_arena){ .size_max = arena->size_max };
    }
}

void ts_arena_reset(struct ts_arena *arena)
{
    struct ts_arena_block *keep = arena->blocks;
    if (keep != NULL) {
        blocks_free(keep->next);
        keep->next = NULL;
        keep->used = 0;
    }
    arena->used = 0;
}

static struct ts_arena_block *block_for(struct ts_arena *arena, size_t size)
{
    struct ts_arena_block *head = arena->blocks;
    if (head != NULL && head->size - head->used >= size) {
        return head;
    }

    size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct ts_arena_block *block = malloc(sizeof *block + room);
    if (block == NULL) {
        return NULL;
    }
    block->used = 0;
    block->size = room;
    /* A large piece goes behind the head, which still has room for small ones.
     */
    if (size > BLOCK_SIZE && head != NULL) {
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        arena->blocks = block;
    }
    return block;
}

void *ts_arena_take(struct ts_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > arena->size_max || arena->used > arena->size_max - size) {
        return NULL;
    }
    size_t padded = (size + align - 1) / align * align;
    if (padded == 0) {
        padded = align;
    }

    struct ts_arena_block *block = block_for(arena, padded);
    if (block == NULL) {
        return NULL;
    }
    void *piece = block->bytes + block->used;
    block->used += padded;
    arena->used += padded;
    return piece;
}

void *ts_arena_array(struct ts_arena *arena, size_t count, size_t item_size)
{
    size_t size;
    if (__builtin_mul_overflow(count, item_size, &size)) {
        return NULL;
    }
    void *items = ts_arena_take(arena, size);
    if (items != NULL) {
        memset(items, 0, size);
    }
    return items;
}

struct ts_slice ts_arena_copy(struct ts_arena *arena, struct ts_slice bytes)
{
    uint8_t *copy =
        bytes.size < SIZE_MAX ? ts_arena_take(arena, bytes.size + 1) : NULL;
    if (copy == NULL) {
        return TS_SLICE_NONE;
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    copy[bytes.size] = 0;
    return ts_slice(copy, bytes.size);
}
