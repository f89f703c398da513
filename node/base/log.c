#include "node/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/time.h"

#define LINE_SIZE 1024

static enum ts_log_level threshold = TS_LOG_INFO;

void ts_log_level(enum ts_log_level level)
{
    threshold = level;
}

static size_t clamp(int printed, size_t room)
{
    if (printed < 0) {
        return 0;
    }
    return (size_t) printed < room ? (size_t) printed : room - 1;
}

void ts_log(enum ts_log_level level, const char *event, const char *fmt, ...)
{
    if (level > threshold) {
        return;
    }

    char line[LINE_SIZE];
    size_t used;
    if (getenv("JOURNAL_STREAM") != NULL) {
        used = clamp(snprintf(line, sizeof line, "<%d>%s ", (int) level, event),
                     sizeof line);
    } else {
        char now[TS_WALL_TEXT_SIZE];
        ts_wall_text(now);
        used = clamp(snprintf(line, sizeof line, "%s %s ", now, event),
                     sizeof line);
    }

    va_list args;
    va_start(args, fmt);
    used += clamp(vsnprintf(line + used, sizeof line - used, fmt, args),
                  sizeof line - used);
    va_end(args);

    for (size_t i = 0; i < used; i++) {
        if ((unsigned char) line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[used < sizeof line - 1 ? used : sizeof line - 1] = '\n';
    (void) !write(STDERR_FILENO, line,
                  used + 1 < sizeof line ? used + 1 : sizeof line);
}
