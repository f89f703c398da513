#include "node/source/batch.h"

#include <stdlib.h>

void source_batch_free(struct source_batch *batch)
{
    if (batch != NULL) {
        ts_arena_done(&batch->arena);
        free(batch);
    }
}

/* The rows are left uninitialised: a batch of long rows touches few of them. */
static struct source_batch *batch_new(void)
{
    struct source_batch *batch = malloc(sizeof *batch);
    if (batch != NULL) {
        ts_arena_init(&batch->arena, SOURCE_BATCH_ARENA_MAX);
        batch->row_count = 0;
    }
    return batch;
}

enum ts_code source_builder_flush(struct source_builder *builder,
                                  struct ts_err *err)
{
    struct source_batch *batch = builder->batch;
    builder->batch = NULL;
    if (batch == NULL || batch->row_count == 0) {
        source_batch_free(batch);
        return TS_OK;
    }
    return builder->sink(builder->context, batch, err);
}

void source_builder_drop(struct source_builder *builder)
{
    source_batch_free(builder->batch);
    builder->batch = NULL;
}

enum ts_code source_builder_begin(struct source_builder *builder, size_t size,
                                  struct source_row **ret_row,
                                  struct ts_err *err)
{
    if (builder->batch != NULL && builder->batch->row_count > 0 &&
        builder->batch->arena.used + size > SOURCE_BATCH_SIZE) {
        enum ts_code rc = source_builder_flush(builder, err);
        if (rc != TS_OK) {
            return rc;
        }
    }
    if (builder->batch == NULL) {
        builder->batch = batch_new();
        if (builder->batch == NULL) {
            return ts_fail(err, TS_E_NOMEM, 0, "could not take in entries");
        }
    }
    struct source_row *row = &builder->batch->rows[builder->batch->row_count];
    *row = (struct source_row){ .verb = SOURCE_PUT };
    *ret_row = row;
    return TS_OK;
}

enum ts_code source_builder_keep(struct source_builder *builder,
                                 struct ts_err *err)
{
    struct source_batch *batch = builder->batch;
    switch (batch->rows[batch->row_count++].verb) {
    case SOURCE_PUT:
        builder->put_count++;
        break;
    case SOURCE_PRESENT:
        builder->present_count++;
        break;
    case SOURCE_DELETE:
        builder->delete_count++;
        break;
    }
    if (batch->row_count == SOURCE_BATCH_ROWS_MAX ||
        batch->arena.used >= SOURCE_BATCH_SIZE) {
        return source_builder_flush(builder, err);
    }
    return TS_OK;
}
