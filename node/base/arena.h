/*
 * arena -- memory that lives and dies together.
 *
 * A batch of directory entries, one HTTP answer, one evaluated object: each is
 * built from many small pieces that end at the same moment. An arena hands the
 * pieces out from blocks and gives all of them back at once.
 *
 * Invariants:
 *   A1  what was handed out stays where it is until _reset or _done.
 *   A2  the sum of what was handed out never passes size_max: beyond it every
 *       call answers NULL, which callers report as TS_E_LIMIT.
 *
 * Not for memory whose parts end at different times, and not thread-safe: an
 * arena belongs to whoever owns the batch.
 */
#ifndef NODE_BASE_ARENA_H
#define NODE_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "node/base/slice.h"

struct ts_arena_block;

struct ts_arena {
    struct ts_arena_block *blocks;
    size_t used;     /* handed out, in bytes, with padding */
    size_t size_max; /* see A2 */
};

/* No memory is taken before the first piece is asked for. */
void ts_arena_init(struct ts_arena *arena, size_t size_max);
/* Give everything back; NULL and a zeroed arena are fine. */
void ts_arena_done(struct ts_arena *arena);
/* Forget all pieces but keep one block for the next round. */
void ts_arena_reset(struct ts_arena *arena);

/* `size` bytes aligned for any type, not cleared; size 0 gives a valid pointer.
 * Errors   NULL: out of memory or past size_max. */
void *ts_arena_take(struct ts_arena *arena, size_t size);
/* As above for `count` items, zeroed, with the product checked. */
void *ts_arena_array(struct ts_arena *arena, size_t count, size_t item_size);
/* A copy with a NUL behind it, so that it also serves as a C string when the
 * bytes hold none. Errors: data == NULL with a non-NULL source. */
struct ts_slice ts_arena_copy(struct ts_arena *arena, struct ts_slice bytes);

#endif
