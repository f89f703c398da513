/*
 * pace -- how fast a service may be written to, as a pure machine.
 *
 * Answers go in with their times, three decisions come out: not before when
 * the next request may leave, how many requests may be under way at once, and
 * how many objects one request should carry where the service offers Bulk. It
 * reads no clock and draws no random number: both come in.
 *
 * Waiting. A service that says Retry-After is believed (up to a maximum); one
 * that only says 429 or 503 gets exponential back-off with full jitter, so that
 * two nodes or many targets do not return in step.
 *
 * Concurrency is additive increase, multiplicative decrease: one more request
 * per window that went at least as well as the one before, one less (and a
 * pause of HOLD windows) after a window that went clearly worse, half after a
 * refusal for load.
 *
 * Bundles. Whether Bulk helps is a property of the service that none of its
 * documents tells: one service was as fast with 100 objects a request as with
 * one, and 3.5 times slower with 1,000. So rates in objects per second are
 * compared, one step of the ladder 1, 10, 30, 100, 300, 1000 at a time: a step
 * is kept when it is a tenth faster, and after every failed try the next one
 * comes twice as late.
 *
 * Invariants, asserted after every step:
 *   P1  1 <= concurrency <= connections_max.
 *   P2  1 <= bundle <= bundle_max.
 *   P3  not_before is never further away than PACE_WAIT_MAX_MS.
 */
#ifndef NODE_TARGET_PACE_H
#define NODE_TARGET_PACE_H

#include "node/base/time.h"

enum {
    PACE_WAIT_MAX_MS = 15 * 60 * 1000, /* the longest Retry-After believed */
    PACE_BACKOFF_MIN_MS = 500,
    PACE_BACKOFF_MAX_MS = 60 * 1000,
    PACE_WINDOW_MS = 100,
    PACE_HOLD_WINDOWS = 8,
    PACE_PROBE_WINDOWS_MAX = 256,
    PACE_STEPS = 6
};

/* Treat the fields as read-only. */
struct pace {
    uint32_t connections_max;
    size_t bundle_max; /* 1: no Bulk */

    struct ts_time not_before;
    uint32_t refusals; /* 429 or 503 in a row */

    uint32_t concurrency;
    uint32_t hold; /* windows before concurrency may grow again */
    bool grew;     /* this window is the first after an increase */

    size_t step;         /* on the bundle ladder */
    bool probing;        /* this window tries step + 1 */
    uint32_t probe_in;   /* windows until the next try */
    uint32_t probe_wait; /* how long the last wait was */

    struct ts_time window_start; /* TS_NEVER: no window open */
    uint64_t window_objects;
    uint64_t window_requests;
    uint64_t rate; /* objects per 1,000 s of the last settled window */
};

void pace_init(struct pace *pace, uint32_t connections_max, size_t bundle_max);

/* A request that carried `objects` was answered, and not refused for load. */
void pace_answered(struct pace *pace, struct ts_time now, size_t objects);
/* 429, or 503 with or without Retry-After: retry_after_ms -1 when it gave no
 * usable one; `random` is 32 fresh random bits. */
void pace_refused(struct pace *pace, struct ts_time now, int64_t retry_after_ms,
                  uint32_t random);
/* The connection failed, a request timed out, or a 5xx: one step back. */
void pace_failed(struct pace *pace);
/* The service does not take a bundle of `size`: never again one so large. */
void pace_bundle_refused(struct pace *pace, size_t size);
/* Nothing is waiting to be sent: what is measured now says nothing. */
void pace_idle(struct pace *pace);

/* Objects for the next request, given how many wait. A bundle is not tried on
 * a handful: that would delay the first for the sake of the last. */
size_t pace_bundle(const struct pace *pace, size_t waiting);

/* How many objects should wait or be under way, so that neither a connection
 * nor the next step of the ladder lacks work. */
size_t pace_backlog(const struct pace *pace);

/* A Retry-After header in milliseconds from now: seconds, or an HTTP date
 * measured against the answer's own Date where it has one, so that two clocks
 * that differ do no harm. RFC 9110 section 10.2.3.
 * Errors   -1: neither. */
int64_t pace_retry_after(const char *text, const char *date,
                         int64_t wall_seconds);

#endif
