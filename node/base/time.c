#include "node/base/time.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct ts_time read_clock(clockid_t clock)
{
    struct timespec now;
    (void) clock_gettime(clock, &now);
    return (struct ts_time){ .ms = (int64_t) now.tv_sec * 1000 +
                                   now.tv_nsec / 1000000 };
}

struct ts_time ts_time_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

struct ts_time ts_time_worked(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t ts_time_left(struct ts_time deadline)
{
    if (deadline.ms == INT64_MAX) {
        return INT64_MAX;
    }
    int64_t left = deadline.ms - ts_time_now().ms;
    return left > 0 ? left : 0;
}

#ifdef TS_FAILPOINTS
static pthread_once_t offset_once = PTHREAD_ONCE_INIT;
static int64_t offset_seconds;

static void read_offset(void)
{
    const char *text = getenv("TWINSYNC_TEST_CLOCK_OFFSET");
    offset_seconds = text == NULL ? 0 : strtoll(text, NULL, 10);
}

static int64_t test_offset(void)
{
    (void) pthread_once(&offset_once, read_offset);
    return offset_seconds;
}
#else
static int64_t test_offset(void)
{
    return 0;
}
#endif

int64_t ts_wall_seconds(void)
{
    return (int64_t) time(NULL) + test_offset();
}

int64_t ts_wall_ms(void)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_REALTIME, &now);
    return ((int64_t) now.tv_sec + test_offset()) * 1000 +
           now.tv_nsec / 1000000;
}

void ts_wall_text(char text[static TS_WALL_TEXT_SIZE])
{
    struct timespec now;
    struct tm utc;
    (void) clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += test_offset();
    (void) gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(text, TS_WALL_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    (void) snprintf(text + used, TS_WALL_TEXT_SIZE - used, ".%03dZ",
                    (int) (now.tv_nsec / 1000000));
}

void ts_wall_text_of(int64_t seconds, char text[static TS_WALL_TEXT_SIZE])
{
    time_t at = (time_t) seconds;
    struct tm utc;
    if (gmtime_r(&at, &utc) == NULL ||
        strftime(text, TS_WALL_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S.000Z", &utc) ==
            0) {
        text[0] = 0;
    }
}
