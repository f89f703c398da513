/*
 * batch -- filling batches and handing them over.
 *
 * A builder holds at most one batch. Rows are prepared in the batch's own arena
 * and count only once they are kept; a full batch goes to the sink, which owns
 * it from then on. What has not been handed over can be dropped (an answer that
 * turned out to be worthless).
 */
#ifndef NODE_SOURCE_BATCH_H
#define NODE_SOURCE_BATCH_H

#include "node/source/source.h"

/* One row may be as large as an entry: a group of 250,000 members takes 40 MB
 * with its links. */
#define SOURCE_BATCH_ARENA_MAX ((size_t) 512 * 1024 * 1024)

struct source_builder {
    source_sink_fn *sink;
    void *context;
    struct source_batch *batch;                      /* NULL: none begun */
    uint64_t put_count, present_count, delete_count; /* kept rows */
};

/* A blank row to fill from builder->batch->arena. `size` is roughly what it
 * will take: one that is larger than a batch gets a batch of its own. Errors
 * TS_E_NOMEM, or the sink's. */
TS_MUSTUSE enum ts_code source_builder_begin(struct source_builder *builder,
                                             size_t size,
                                             struct source_row **ret_row,
                                             struct ts_err *err);
/* The row begun last is complete. Errors: the sink's. */
TS_MUSTUSE enum ts_code source_builder_keep(struct source_builder *builder,
                                            struct ts_err *err);
/* Hand over what there is. */
TS_MUSTUSE enum ts_code source_builder_flush(struct source_builder *builder,
                                             struct ts_err *err);
/* Forget what has not been handed over. */
void source_builder_drop(struct source_builder *builder);

#endif
