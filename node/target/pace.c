#include "node/target/pace.h"

#include <assert.h>
#include <time.h>

static const size_t ladder[PACE_STEPS] = { 1, 10, 30, 100, 300, 1000 };

/* A window also needs this many answers for each request under way. */
#define WINDOW_ROUNDS 4

static void check(const struct pace *pace, struct ts_time now)
{
    assert(pace->concurrency >= 1);
    assert(pace->concurrency <= pace->connections_max);
    assert(pace->step < PACE_STEPS);
    assert(pace->not_before.ms == INT64_MIN ||
           pace->not_before.ms <= now.ms + PACE_WAIT_MAX_MS);
}

void pace_init(struct pace *pace, uint32_t connections_max, size_t bundle_max)
{
    assert(connections_max >= 1 && bundle_max >= 1);
    *pace = (struct pace){
        .connections_max = connections_max,
        .bundle_max = bundle_max,
        .not_before = { .ms = INT64_MIN },
        .concurrency = connections_max < 4 ? connections_max : 4,
        .probe_in = 2,
        .probe_wait = 2,
        .window_start = TS_NEVER,
    };
}

static size_t step_size(const struct pace *pace, size_t step)
{
    return ladder[step] < pace->bundle_max ? ladder[step] : pace->bundle_max;
}

static bool can_step_up(const struct pace *pace)
{
    return pace->step + 1 < PACE_STEPS &&
           step_size(pace, pace->step + 1) > step_size(pace, pace->step);
}

/* The window tried one step up the ladder: keep it, or go back. */
static void judge_probe(struct pace *pace, uint64_t rate)
{
    pace->probing = false;
    if (rate > pace->rate + pace->rate / 10) {
        pace->step++;
        pace->rate = rate;
        pace->probe_wait = 2;
    } else if (pace->probe_wait < PACE_PROBE_WINDOWS_MAX) {
        pace->probe_wait *= 2;
    }
    pace->probe_in = pace->probe_wait;
}

static void judge_concurrency(struct pace *pace, uint64_t rate)
{
    bool worse = rate < pace->rate - pace->rate / 5;
    if (pace->grew && worse) {
        pace->concurrency--;
        pace->hold = PACE_HOLD_WINDOWS;
    }
    pace->grew = false;
    if (pace->hold > 0) {
        pace->hold--;
    } else if (pace->concurrency < pace->connections_max) {
        pace->concurrency++;
        pace->grew = true;
    }
}

static void end_window(struct pace *pace, int64_t elapsed_ms)
{
    uint64_t rate =
        pace->window_objects * 1000000 / (uint64_t) (elapsed_ms + 1);

    if (pace->probing) {
        judge_probe(pace, rate);
    } else {
        judge_concurrency(pace, rate);
        if (pace->step > 0 && rate < pace->rate / 2) {
            pace->step--; /* what was faster once is not any more */
        }
        pace->rate = rate;
        /* One experiment at a time. */
        if (!pace->grew && can_step_up(pace) && --pace->probe_in == 0) {
            pace->probing = true;
        }
    }
}

void pace_answered(struct pace *pace, struct ts_time now, size_t objects)
{
    pace->refusals = 0;
    if (pace->window_start.ms == INT64_MAX) {
        pace->window_start = now;
        pace->window_objects = 0;
        pace->window_requests = 0;
        return; /* its work was done before the window began */
    }
    pace->window_objects += objects;
    pace->window_requests++;
    int64_t elapsed = now.ms - pace->window_start.ms;
    if (elapsed >= PACE_WINDOW_MS &&
        pace->window_requests >= (uint64_t) WINDOW_ROUNDS * pace->concurrency) {
        end_window(pace, elapsed);
        pace->window_start = now;
        pace->window_objects = 0;
        pace->window_requests = 0;
    }
    check(pace, now);
}

void pace_idle(struct pace *pace)
{
    pace->window_start = TS_NEVER;
}

void pace_failed(struct pace *pace)
{
    if (pace->concurrency > 1) {
        pace->concurrency--;
    }
    if (pace->step > 0) {
        pace->step--;
    }
    pace->hold = PACE_HOLD_WINDOWS;
    pace->grew = pace->probing = false;
    pace->window_start = TS_NEVER;
}

void pace_bundle_refused(struct pace *pace, size_t size)
{
    pace->bundle_max = size > 10 ? size / 2 : 1;
    while (pace->step > 0 && ladder[pace->step] > pace->bundle_max) {
        pace->step--;
    }
    pace->probing = false;
    pace->window_start = TS_NEVER;
}

void pace_refused(struct pace *pace, struct ts_time now, int64_t retry_after_ms,
                  uint32_t random)
{
    int64_t wait = retry_after_ms;
    if (wait < 0) {
        uint32_t doublings = pace->refusals < 7 ? pace->refusals : 7;
        int64_t ceiling = (int64_t) PACE_BACKOFF_MIN_MS << doublings;
        if (ceiling > PACE_BACKOFF_MAX_MS) {
            ceiling = PACE_BACKOFF_MAX_MS;
        }
        wait = PACE_BACKOFF_MIN_MS / 2 +
               (int64_t) random % (ceiling - PACE_BACKOFF_MIN_MS / 2 + 1);
    }
    if (wait > PACE_WAIT_MAX_MS) {
        wait = PACE_WAIT_MAX_MS;
    }
    /* Requests that were under way together are one refusal, not eight. */
    if (now.ms >= pace->not_before.ms) {
        pace->concurrency = (pace->concurrency + 1) / 2;
        pace->refusals++;
    }
    if (now.ms + wait > pace->not_before.ms) {
        pace->not_before = ts_time_after(now, wait);
    }
    pace->hold = PACE_HOLD_WINDOWS;
    pace->grew = pace->probing = false;
    pace->window_start = TS_NEVER;
    check(pace, now);
}

size_t pace_bundle(const struct pace *pace, size_t waiting)
{
    size_t size = step_size(pace, pace->step + (pace->probing ? 1 : 0));
    /* Enough for every connection to carry one, else none. */
    return waiting >= size * pace->concurrency ? size : 1;
}

size_t pace_backlog(const struct pace *pace)
{
    size_t step = pace->step + (can_step_up(pace) ? 1 : 0);
    return 2 * step_size(pace, step) * pace->concurrency;
}

static bool parse_seconds(const char *text, int64_t *ret)
{
    int64_t seconds = 0;
    const char *at = text;
    while (*at >= '0' && *at <= '9') {
        if (seconds < PACE_WAIT_MAX_MS) {
            seconds = seconds * 10 + (*at - '0');
        }
        at++;
    }
    while (*at == ' ') {
        at++;
    }
    *ret = seconds;
    return at != text && *at == '\0' && text[0] != ' ';
}

/* The three forms of RFC 9110 section 5.6.7, all in GMT. */
static bool parse_date(const char *text, int64_t *ret)
{
    static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
                                         "%A, %d-%b-%y %H:%M:%S GMT",
                                         "%a %b %d %H:%M:%S %Y" };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm when = { 0 };
        const char *end = strptime(text, forms[i], &when);
        if (end != NULL && *end == '\0') {
            *ret = (int64_t) timegm(&when);
            return true;
        }
    }
    return false;
}

int64_t pace_retry_after(const char *text, const char *date,
                         int64_t wall_seconds)
{
    int64_t at, from = wall_seconds;
    if (text == NULL) {
        return -1;
    }
    if (!parse_seconds(text, &at)) {
        if (!parse_date(text, &at)) {
            return -1;
        }
        if (date != NULL) {
            (void) parse_date(date, &from);
        }
        at = at > from ? at - from : 0;
    }
    return at > PACE_WAIT_MAX_MS / 1000 ? PACE_WAIT_MAX_MS : at * 1000;
}
