/*
 * absence -- is what a source did not show really gone?
 *
 * A directory does not say "I show you less than last time". It may have lost a
 * database, or the account a right; whoever believes such an answer empties the
 * cloud. So absence from a reading to the end proves something only when
 * nothing speaks against it (DESIGN: I9).
 *
 * Invariants:
 *   B1  it was read with the attributes, base, filter and identity of the time
 *       before, which are one fingerprint.
 *   B2  every canary of the source is among what was seen. An operator cannot
 *       vouch for its absence: one that is really gone has to be taken off the
 *       configuration.
 *   B3  at least ABSENCE_SHARE_MIN percent came of what was known to be there
 *       before this reading (what deltas added or took away is counted, so
 *       that a source that grew is not judged by what it once was), or the
 *       operator vouches for it.
 *   B4  the source does not say that it tells by itself what is gone
 *       (source_result, keep_because), or the operator vouches for it.
 *
 * Whether the deletions that follow are carried out is decided by the guard.
 */
#ifndef NODE_ENGINE_ABSENCE_H
#define NODE_ENGINE_ABSENCE_H

#include "node/engine/context.h"
#include "node/engine/seen.h"
#include "node/metaverse/connector.h"

#define ABSENCE_SHARE_MIN    90
#define ABSENCE_BECAUSE_SIZE 500

struct absence {
    struct engine_context *engine;
    struct connector_writer *writer;
    const struct config_source *config;
    const struct seen *seen;  /* ids of what was shown, new ones included */
    uint64_t added;           /* how many of them are new */
    bool same_reading;        /* B1 */
    const char *keep_because; /* B4, or NULL */
    /* Set by absence_judge(): */
    uint64_t missing; /* known, and not seen */
    bool believed;
    char because[ABSENCE_BECAUSE_SIZE]; /* not believed: why */
};

/* Count what is missing and say whether it counts. In the transaction of the
 * watermark. */
TS_MUSTUSE enum ts_code absence_judge(struct absence *absence,
                                      struct ts_err *err);
/* Mark what is missing as gone, but for what is there under another anchor
 * (altered.h). *ret_gone tells how many that were. */
TS_MUSTUSE enum ts_code absence_mark(struct absence *absence,
                                     uint64_t *ret_gone, struct ts_err *err);

/* The ids of objects above `*after` that are missing, at most *count; `*after`
 * is where to go on. Fewer than asked for: there are no more. */
TS_MUSTUSE enum ts_code absence_unseen(const struct absence *absence,
                                       int64_t *ids, size_t *count,
                                       int64_t *after, struct ts_err *err);

#endif
