#include "replication/batch.h"

#include <assert.h>
#include <stdlib.h>

bool journal_position_equal(const struct journal_position *a,
                            const struct journal_position *b)
{
    return a->generation == b->generation && a->epoch == b->epoch &&
           a->level == b->level && a->seq == b->seq &&
           sum_equal(a->sum, b->sum);
}

struct journal_position journal_item_end(const struct journal_item *item)
{
    return (struct journal_position){
        .generation = item->generation,
        .epoch = item->epoch,
        .level = item->level,
        .seq = item->seq,
        .sum = item->post,
    };
}

struct batch *batch_new(void)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL) {
        ts_arena_init(&batch->arena, 2 * CAPTURE_SIZE_MAX);
    }
    return batch;
}

void batch_free(struct batch *batch)
{
    if (batch != NULL) {
        ts_arena_done(&batch->arena);
        free(batch);
    }
}

bool batch_fits(const struct batch *batch, size_t size)
{
    return batch->count == 0 || (batch->count < BATCH_ITEMS_MAX &&
                                 batch->size + size <= BATCH_SIZE_MAX);
}

struct journal_item *batch_add(struct batch *batch,
                               const struct journal_item *item, size_t size)
{
    assert(batch_fits(batch, size) && item->changeset.size <= size);
    uint8_t *bytes = ts_arena_take(&batch->arena, size);
    if (bytes == NULL) {
        return NULL;
    }
    if (item->changeset.size > 0) {
        memcpy(bytes, item->changeset.data, item->changeset.size);
    }
    struct journal_item *added = &batch->items[batch->count++];
    *added = *item;
    added->changeset = ts_slice(bytes, size);
    batch->size += size;
    return added;
}
