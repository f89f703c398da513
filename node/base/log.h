/*
 * log -- one line per event, to standard error or the journal.
 *
 * A line is a stable event name and typed fields: `cycle-finished id=42
 * kind=delta ms=812`. Under systemd (JOURNAL_STREAM set) it carries the
 * priority prefix that the journal reads. Never an entry's values, never a
 * credential: an object is named by its anchor.
 *
 * Libraries return errors and do not log them; the outermost layer logs once.
 * Thread-safe: a line is written with one write(2).
 */
#ifndef NODE_BASE_LOG_H
#define NODE_BASE_LOG_H

#include "node/base/err.h"

enum ts_log_level {
    TS_LOG_ERROR = 3,
    TS_LOG_WARNING = 4,
    TS_LOG_INFO = 6,
    TS_LOG_DEBUG = 7
};

/* Lines above `level` are dropped; the default is TS_LOG_INFO. Call before
 * threads start. */
void ts_log_level(enum ts_log_level level);

/* `event` is lower-case-with-dashes; the rest is printf: "id=%d kind=%s".
 * A line over 1,024 bytes is cut. Control characters become '?'. */
void ts_log(enum ts_log_level level, const char *event, const char *fmt, ...)
    TS_PRINTF(3, 4);

#endif
