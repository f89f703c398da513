#include "node/source/source.h"

#include <stdlib.h>

#include "node/source/driver.h"

struct source {
    const struct source_driver *driver;
    void *state;
};

static const struct source_driver *const drivers[] = {
    [CONFIG_SOURCE_CONTENTSYNC] = &source_contentsync,
    [CONFIG_SOURCE_AD] = &source_ad,
};

enum ts_code source_open(const struct source_options *options,
                         struct source **ret_source, struct ts_err *err)
{
    struct source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare source \"%s\"",
                       options->config->name);
    }
    source->driver = drivers[options->config->type];
    enum ts_code rc = source->driver->open(options, &source->state, err);
    if (rc != TS_OK) {
        free(source);
        return rc;
    }
    *ret_source = source;
    return TS_OK;
}

void source_close(struct source *source)
{
    if (source != NULL) {
        source->driver->close(source->state);
        free(source);
    }
}

enum ts_code source_import(struct source *source,
                           const struct source_watermark *from,
                           source_sink_fn *sink, void *context,
                           struct ts_arena *arena,
                           struct source_result *ret_result, struct ts_err *err)
{
    struct source_import_call call = { from, sink, context, arena, ret_result };
    return source->driver->import(source->state, &call, err);
}

void source_cancel(struct source *source)
{
    source->driver->cancel(source->state);
}

enum ts_code source_schema(struct source *source, struct ts_arena *arena,
                           struct source_attribute **ret_attributes,
                           size_t *ret_count, struct ts_err *err)
{
    return source->driver->schema(source->state, arena, ret_attributes,
                                  ret_count, err);
}

size_t source_check(struct source *source, struct ts_arena *arena,
                    struct source_finding findings[static SOURCE_FINDINGS_MAX])
{
    return source->driver->check(source->state, arena, findings);
}
