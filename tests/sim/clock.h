/*
 * clock -- what a node's clocks show, as against the world's time.
 *
 * Each node has its own CLOCK_BOOTTIME and CLOCK_MONOTONIC_RAW. Both run at the
 * node's own rate, 0.9 to 1.1. A suspended host's BOOTTIME goes on while its
 * MONOTONIC_RAW stands still; a paused virtual machine's clocks both stand
 * still while the world goes on, which breaks what the lease rests on: only the
 * fence protects from it.
 */
#ifndef TESTS_SIM_CLOCK_H
#define TESTS_SIM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct sim_clock {
    int64_t since_ms;        /* world time of the last change */
    int64_t boot_ms, raw_ms; /* what they showed then */
    int boot_rate, raw_rate; /* permille now */
    int rate;                /* permille while it runs */
    bool broken;             /* was paused: its lease may not be believed */
};

enum sim_clock_state {
    SIM_CLOCK_RUNS,
    SIM_CLOCK_SUSPENDED,
    SIM_CLOCK_PAUSED
};

/* A host's boot: both start near zero. */
void clock_start(struct sim_clock *clock, int64_t now_ms, int rate);
void clock_set(struct sim_clock *clock, int64_t now_ms,
               enum sim_clock_state state);
void clock_jump(struct sim_clock *clock, int64_t now_ms, int64_t boot_ms);
int64_t clock_boot(const struct sim_clock *clock, int64_t now_ms);
int64_t clock_raw(const struct sim_clock *clock, int64_t now_ms);
/* After how much of the world's time a timer of `delay_ms` fires. */
int64_t clock_stretch(const struct sim_clock *clock, int64_t delay_ms);

#endif
