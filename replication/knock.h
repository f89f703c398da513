/*
 * knock -- one short conversation with a node that listens.
 *
 * Connect with a key of our own to a key that we know, say one thing, take one
 * answer; or say nothing, and only see that both keys are accepted.
 */
#ifndef REPLICATION_KNOCK_H
#define REPLICATION_KNOCK_H

#include "node/base/slice.h"
#include "replication/certificate.h"

struct knock {
    const char *endpoint;
    const char *server_key; /* text: only its owner will be talked to */
    const struct certificate *own;
    struct ts_slice request; /* empty: only be let in */
    int64_t timeout_ms;
};

/* Errors   TS_E_AUTH (we were not let in), TS_E_UNREACHABLE (nobody with that
 *          key answered in time), TS_E_TIMEOUT (let in, but no answer),
 *          TS_E_LIMIT (an answer over `size_max`), TS_E_CONFIG (no endpoint),
 *          TS_E_NOMEM. The caller says in whose name.
 * Blocks   for at most timeout_ms. */
TS_MUSTUSE enum ts_code knock(const struct knock *knock, uint8_t *answer,
                              size_t size_max, size_t *ret_size,
                              struct ts_err *err);

#endif
