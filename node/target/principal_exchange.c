#include "node/target/principal_exchange.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX ((size_t) 64 * 1024)
#define ARENA_MAX  ((size_t) 256 * 1024)

void exchange_done(struct exchange *exchange)
{
    ts_arena_done(&exchange->arena);
}

static void exchange_ended(struct ts_http_request *request,
                           const struct ts_http_answer *answer)
{
    struct exchange *exchange = request->owner;
    exchange->ended = true;
    exchange->end = answer->end;
    exchange->status = answer->status;
    exchange->err = answer->err;
    if (answer->end == TS_HTTP_ANSWERED) {
        exchange->body = ts_arena_copy(&exchange->arena, answer->body);
    }
}

void exchange_init(struct exchange *exchange,
                   const struct principal_keeper *keeper,
                   enum ts_http_method method, const char *url)
{
    *exchange = (struct exchange){
        .request = {
            .method = method,
            .url = url,
            .headers = { "Accept: application/json" },
            .timeout_ms = (int64_t) keeper->options.target
                              ->request_timeout_seconds * 1000,
            .answer_max = ANSWER_MAX,
            .done = exchange_ended,
        },
    };
    ts_arena_init(&exchange->arena, ARENA_MAX);
}

const char *exchange_text(struct exchange *exchange, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0) {
        return NULL;
    }
    struct ts_slice copy = ts_arena_copy(&exchange->arena, ts_slice_str(text));
    OPENSSL_cleanse(text, (size_t) n);
    free(text);
    return (const char *) copy.data;
}

enum ts_code exchange_run(struct principal_keeper *keeper,
                          struct exchange *exchange, struct ts_err *err)
{
    if (exchange->request.headers[1] == NULL || exchange->request.url == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not ask the authorization server: out of memory");
    }
    exchange->request.owner = exchange;
    exchange->ended = false;
    enum ts_code rc = ts_http_start(keeper->http, &exchange->request, err);
    while (rc == TS_OK && !exchange->ended) {
        (void) ts_http_run(keeper->http, -1, TS_NEVER);
    }
    return rc == TS_OK && ts_http_cancelled(keeper->http)
               ? ts_fail(err, TS_E_CANCELLED, 0, "could not ask %s: cancelled",
                         exchange->request.url)
               : rc;
}
