#include "node/base/clock.h"

#include <assert.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec t;
    int failed = clock_gettime(id, &t);
    assert(failed == 0); /* both clocks are Linux's since 2.6.39 */
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct ts_clocks ts_clocks_now(void)
{
    return (struct ts_clocks){ .boot_ms = read_ms(CLOCK_BOOTTIME),
                               .raw_ms = read_ms(CLOCK_MONOTONIC_RAW) };
}

static int64_t since(int64_t from, int64_t now)
{
    return now > from ? now - from : 0;
}

int64_t ts_elapsed_most(struct ts_clocks from, struct ts_clocks now)
{
    int64_t boot = since(from.boot_ms, now.boot_ms);
    int64_t raw = since(from.raw_ms, now.raw_ms);
    return boot > raw ? boot : raw;
}

int64_t ts_elapsed_least(struct ts_clocks from, struct ts_clocks now)
{
    int64_t boot = since(from.boot_ms, now.boot_ms);
    int64_t raw = since(from.raw_ms, now.raw_ms);
    return boot < raw ? boot : raw;
}
