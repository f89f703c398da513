/* What becomes of an operator's request: its answer, or why there is none. */
#include "node/engine/private.h"

#include <stdlib.h>

void request_free(struct request *request)
{
    if (request != NULL) {
        json_decref(request->args);
        free(request);
    }
}

void request_finish(struct request *request, int exit_status, json_t *result,
                    const char *error)
{
    request->reply.finish(request->reply.context, exit_status, result, error);
    request_free(request);
}

int request_exit_of(enum ts_code code)
{
    switch (code) {
    case TS_OK:
        return 0;
    case TS_E_CONFIG:
        return 2;
    case TS_E_REFUSED:
    case TS_E_VERSION:
        return 3;
    case TS_E_UNREACHABLE:
    case TS_E_TIMEOUT:
        return 4;
    case TS_E_NOMEM:
    case TS_E_IO:
    case TS_E_CORRUPT:
    case TS_E_LIMIT:
    case TS_E_PROTOCOL:
    case TS_E_AUTH:
    case TS_E_CANCELLED:
    case TS_E_NOT_FOUND:
    case TS_E_CONFLICT:
    case TS_E_RULE:
        break;
    }
    return 1;
}

void request_fail(struct request *request, const struct ts_err *err)
{
    request_finish(request, request_exit_of(err->code), NULL, err->text);
}
