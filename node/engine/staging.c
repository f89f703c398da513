#include "node/engine/staging.h"

enum ts_code staging_begin(struct engine_context *engine, struct ts_err *err)
{
    (void) engine;
    (void) err;
    return TS_OK;
}

enum ts_code staging_decided(struct engine_context *engine, struct ts_err *err)
{
    (void) engine;
    (void) err;
    return TS_OK;
}

enum ts_code staging_exported(struct engine_context *engine, struct ts_err *err)
{
    (void) engine;
    (void) err;
    return TS_OK;
}
