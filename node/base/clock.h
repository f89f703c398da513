/*
 * clock -- how long something took, said so that being wrong is safe.
 *
 * A lease rests on two hosts agreeing on how much time has passed without ever
 * comparing a time stamp. No clock of Linux does that alone: CLOCK_BOOTTIME
 * counts a suspended machine but is slewed by NTP; CLOCK_MONOTONIC_RAW is not
 * slewed but stops while the machine sleeps. So both are read together, and who
 * must not hold on for too long believes the one that says more, who must not
 * reach out too early the one that says less.
 *
 * Pure machines are given these clocks and read none; ts_clocks_now() is called
 * by their shells and by the thread that is about to send.
 */
#ifndef NODE_BASE_CLOCK_H
#define NODE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct ts_clocks {
    int64_t boot_ms; /* CLOCK_BOOTTIME */
    int64_t raw_ms;  /* CLOCK_MONOTONIC_RAW */
};

struct ts_clocks ts_clocks_now(void);

/* Milliseconds between two readings of one host since the same boot: the larger
 * figure for a holder, the smaller for a standby. Never negative. */
int64_t ts_elapsed_most(struct ts_clocks from, struct ts_clocks now);
int64_t ts_elapsed_least(struct ts_clocks from, struct ts_clocks now);

#endif
