#include "tests/sim/clock.h"

void clock_start(struct sim_clock *clock, int64_t now_ms, int rate)
{
    *clock = (struct sim_clock){ .since_ms = now_ms,
                                 .boot_ms = 60000,
                                 .raw_ms = 60000,
                                 .boot_rate = rate,
                                 .raw_rate = rate,
                                 .rate = rate };
}

int64_t clock_boot(const struct sim_clock *clock, int64_t now_ms)
{
    return clock->boot_ms +
           (now_ms - clock->since_ms) * clock->boot_rate / 1000;
}

int64_t clock_raw(const struct sim_clock *clock, int64_t now_ms)
{
    return clock->raw_ms + (now_ms - clock->since_ms) * clock->raw_rate / 1000;
}

static void fix(struct sim_clock *clock, int64_t now_ms)
{
    int64_t boot_ms = clock_boot(clock, now_ms);
    clock->raw_ms = clock_raw(clock, now_ms);
    clock->boot_ms = boot_ms;
    clock->since_ms = now_ms;
}

void clock_set(struct sim_clock *clock, int64_t now_ms,
               enum sim_clock_state state)
{
    fix(clock, now_ms);
    clock->boot_rate = state == SIM_CLOCK_PAUSED ? 0 : clock->rate;
    clock->raw_rate = state == SIM_CLOCK_RUNS ? clock->rate : 0;
    clock->broken = clock->broken || state == SIM_CLOCK_PAUSED;
}

void clock_jump(struct sim_clock *clock, int64_t now_ms, int64_t boot_ms)
{
    fix(clock, now_ms);
    clock->boot_ms += boot_ms;
}

int64_t clock_stretch(const struct sim_clock *clock, int64_t delay_ms)
{
    /* Rounded up: a timer never fires early. */
    return (delay_ms * 1000 + clock->rate - 1) / clock->rate;
}
