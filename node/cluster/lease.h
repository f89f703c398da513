/*
 * lease -- how long is long enough, on clocks that may be wrong.
 *
 * A holder and a standby measure the same lease on two hosts. With T the time
 * to live, e the error of a clock's rate and m a margin for what is on its way:
 *
 *   holder    reads its clocks, then sends the renewal; exports no longer than
 *             T(1-e) - m after that reading. A slow answer costs it time.
 *   standby   counts from the moment at which it saw the register's value
 *             change, which is later than the write; reaches out after
 *             T(1+e) + 1 s. A slow read costs it time.
 *
 * So with rates within e of the truth the holder has stopped before the standby
 * begins, whatever the network does between them.
 */
#ifndef NODE_CLUSTER_LEASE_H
#define NODE_CLUSTER_LEASE_H

#include "node/base/clock.h"
#include "node/base/err.h"

#define LEASE_TTL_MIN_MS        500
#define LEASE_TTL_MAX_MS        600000
#define LEASE_ERROR_MAX_PERCENT 30
#define LEASE_EXTRA_MS          1000 /* what a standby waits beyond T(1+e) */

struct lease_terms {
    int64_t ttl_ms, renew_ms, margin_ms;
    uint32_t error_percent;
};

/* Errors   TS_E_CONFIG: out of range, or renew > (T(1-e) - m) / 3. */
TS_MUSTUSE enum ts_code lease_check(const struct lease_terms *terms,
                                    struct ts_err *err);

/* T(1-e) - m: how long a holder may export after the reading. */
int64_t lease_allowed_ms(const struct lease_terms *terms);
/* T(1+e) + 1 s: how long a standby waits, and how long a promise binds. */
int64_t lease_wait_ms(const struct lease_terms *terms);

/* How long a request may still travel, in any clock: m(1+e). Where the target
 * cannot fence, the lease is given back only when that is over. */
int64_t lease_travel_ms(const struct lease_terms *terms);

/* What is left of a lease that was renewed at `from`; 0 when it is over. */
int64_t lease_left_ms(const struct lease_terms *terms, struct ts_clocks from,
                      struct ts_clocks now);
/* Has a standby's wait that began at `from` ended? */
bool lease_waited(const struct lease_terms *terms, struct ts_clocks from,
                  struct ts_clocks now);

#endif
