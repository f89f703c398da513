#include "node/cluster/lease.h"

#include <inttypes.h>

#include "node/base/rule.h"

static int64_t error_ms(const struct lease_terms *terms)
{
    return TS_RULE(EPSILON) ? terms->ttl_ms * terms->error_percent / 100 : 0;
}

int64_t lease_allowed_ms(const struct lease_terms *terms)
{
    int64_t margin_ms = TS_RULE(MARGIN) ? terms->margin_ms : 0;
    return terms->ttl_ms - error_ms(terms) - margin_ms;
}

int64_t lease_wait_ms(const struct lease_terms *terms)
{
    int64_t extra_ms = TS_RULE(MARGIN) ? LEASE_EXTRA_MS : 0;
    return terms->ttl_ms + error_ms(terms) + extra_ms;
}

int64_t lease_travel_ms(const struct lease_terms *terms)
{
    return TS_RULE(MARGIN)
               ? terms->margin_ms * (100 + terms->error_percent) / 100 + 1
               : 0;
}

int64_t lease_left_ms(const struct lease_terms *terms, struct ts_clocks from,
                      struct ts_clocks now)
{
    int64_t left = lease_allowed_ms(terms) - ts_elapsed_most(from, now);
    return left > 0 ? left : 0;
}

bool lease_waited(const struct lease_terms *terms, struct ts_clocks from,
                  struct ts_clocks now)
{
    return ts_elapsed_least(from, now) >= lease_wait_ms(terms);
}

enum ts_code lease_check(const struct lease_terms *terms, struct ts_err *err)
{
    if (terms->ttl_ms < LEASE_TTL_MIN_MS || terms->ttl_ms > LEASE_TTL_MAX_MS ||
        terms->error_percent < 1 ||
        terms->error_percent > LEASE_ERROR_MAX_PERCENT || terms->renew_ms < 1 ||
        terms->margin_ms < 0 || terms->margin_ms > terms->ttl_ms) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use a lease of %" PRId64 " ms renewed every "
                       "%" PRId64 " ms with a margin of %" PRId64 " ms and "
                       "%u %% clock error: a lease takes %d to %d ms, an error "
                       "1 to %d %%",
                       terms->ttl_ms, terms->renew_ms, terms->margin_ms,
                       terms->error_percent, LEASE_TTL_MIN_MS, LEASE_TTL_MAX_MS,
                       LEASE_ERROR_MAX_PERCENT);
    }
    int64_t most = lease_allowed_ms(terms) / 3;
    if (terms->renew_ms > most) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot renew a lease of %" PRId64 " ms only every "
                       "%" PRId64 " ms: with a margin of %" PRId64 " ms and "
                       "%u %% clock error three renewals must fit, so at the "
                       "most every %" PRId64 " ms",
                       terms->ttl_ms, terms->renew_ms, terms->margin_ms,
                       terms->error_percent, most > 0 ? most : 0);
    }
    return TS_OK;
}
