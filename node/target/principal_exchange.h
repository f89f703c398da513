/* principal_exchange.h -- one HTTP request of a keeper, waited for. */
#ifndef NODE_TARGET_PRINCIPAL_EXCHANGE_H
#define NODE_TARGET_PRINCIPAL_EXCHANGE_H

#include "node/target/principal_private.h"

#define PRINCIPAL_BEARER    "Authorization: Bearer "
#define PRINCIPAL_JSON_TYPE "Content-Type: application/json"
#define PRINCIPAL_FORM_TYPE "Content-Type: application/x-www-form-urlencoded"

/* status 0: no answer; `end` and `err` say why. */
struct exchange {
    struct ts_http_request request; /* headers[1] is the credential */
    struct ts_arena arena;
    bool ended;
    enum ts_http_end end;
    int status;
    struct ts_slice body; /* in the arena */
    struct ts_err err;
};

void exchange_init(struct exchange *exchange,
                   const struct principal_keeper *keeper,
                   enum ts_http_method method, const char *url);
void exchange_done(struct exchange *exchange);
#define TS_AUTOEXCHANGE __attribute__((cleanup(exchange_done)))

/* printf into the exchange's arena; NULL: out of memory. */
const char *exchange_text(struct exchange *exchange, const char *fmt, ...)
    TS_PRINTF(2, 3);

/* Send and wait. A credential or a URL that is NULL is want of memory.
 * Errors   TS_E_CANCELLED, TS_E_NOMEM; every other end is in the exchange.
 * Blocks   up to the request's time-out. */
TS_MUSTUSE enum ts_code exchange_run(struct principal_keeper *keeper,
                                     struct exchange *exchange,
                                     struct ts_err *err);

#endif
