/* time.h -- monotonic time. A struct, so that it cannot be mixed with a
 * duration, a wall-clock value or a bare integer by accident. */
#ifndef NODE_BASE_TIME_H
#define NODE_BASE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ts_time {
    int64_t ms; /* since an arbitrary origin; never goes back */
};

#define TS_NEVER ((struct ts_time){ .ms = INT64_MAX })

/* CLOCK_MONOTONIC. Pure machines take the time as an argument instead. */
struct ts_time ts_time_now(void);

/* Processor time that this thread has used: how much work was done, however
 * busy the machine is. Compare it only with itself. */
struct ts_time ts_time_worked(void);

static inline struct ts_time ts_time_after(struct ts_time t, int64_t delay_ms)
{
    return (struct ts_time){ .ms = t.ms + delay_ms };
}

static inline bool ts_time_reached(struct ts_time now, struct ts_time deadline)
{
    return now.ms >= deadline.ms;
}

/* Milliseconds from now to `deadline`: 0 when passed, INT64_MAX for TS_NEVER.
 */
int64_t ts_time_left(struct ts_time deadline);

/* Seconds since 1970 in UTC, for what people read and for stored expiry dates;
 * never for measuring.
 *
 * So that a test sees what happens in 30 days without waiting for it, a build
 * with TS_FAILPOINTS adds TWINSYNC_TEST_CLOCK_OFFSET (seconds, read once) here
 * and in ts_wall_text(). The release build does not know that name. */
int64_t ts_wall_seconds(void);
int64_t ts_wall_ms(void); /* the same in milliseconds */

#define TS_WALL_TEXT_SIZE 32
/* RFC 3339 in UTC with milliseconds, of the present moment. */
void ts_wall_text(char text[static TS_WALL_TEXT_SIZE]);
/* Of that second since 1970; empty when it is of no year that fits. */
void ts_wall_text_of(int64_t seconds, char text[static TS_WALL_TEXT_SIZE]);

#endif
