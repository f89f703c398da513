/* driver.h -- what one kind of connected directory implements; source.c picks
 * the row by `type:` and adds nothing. Contracts are those of source.h. */
#ifndef NODE_SOURCE_DRIVER_H
#define NODE_SOURCE_DRIVER_H

#include "node/source/source.h"

/* The arguments of source_import(). */
struct source_import_call {
    const struct source_watermark *from;
    source_sink_fn *sink;
    void *context;
    struct ts_arena *arena;
    struct source_result *ret_result;
};

struct source_driver {
    enum ts_code (*open)(const struct source_options *options, void **ret_state,
                         struct ts_err *err);
    void (*close)(void *state);
    enum ts_code (*import)(void *state, const struct source_import_call *call,
                           struct ts_err *err);
    void (*cancel)(void *state);
    enum ts_code (*schema)(void *state, struct ts_arena *arena,
                           struct source_attribute **ret_attributes,
                           size_t *ret_count, struct ts_err *err);
    size_t (*check)(void *state, struct ts_arena *arena,
                    struct source_finding findings[static SOURCE_FINDINGS_MAX]);
};

extern const struct source_driver source_contentsync, source_ad;

#endif
