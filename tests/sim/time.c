/* The product's clock (node/base/time.h), as the world has it: defined here,
 * the archive's own is not linked. The wall clock stands still: what is stored
 * with a date must be the same whenever a seed is run. */
#include "node/base/time.h"

#include <stdio.h>

#include "tests/sim/world.h"

struct ts_time ts_time_now(void)
{
    return (struct ts_time){ .ms = 0 };
}

struct ts_time ts_time_worked(void)
{
    return (struct ts_time){ .ms = 0 };
}

int64_t ts_time_left(struct ts_time deadline)
{
    return deadline.ms == TS_NEVER.ms ? INT64_MAX : 0;
}

int64_t ts_wall_seconds(void)
{
    return WORLD_EPOCH_SECONDS;
}

void ts_wall_text(char text[static TS_WALL_TEXT_SIZE])
{
    (void) snprintf(text, TS_WALL_TEXT_SIZE, "2023-11-14T22:13:20.000Z");
}
