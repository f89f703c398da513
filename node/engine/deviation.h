/*
 * deviation -- where the target is not as it should be.
 *
 * Pure. The opposite question to difference.h: not what is to be sent, but
 * whether what the target shows is what is wanted. A target that lower-cases,
 * trims or drops shows something else than it was given, for ever; that is
 * normalisation, not a deviation that anybody could put right:
 *
 *   shown = wanted                                              equal
 *   else sent = wanted, and shown as it was seen after that     normalised
 *   else                                                        deviates
 *
 * How it looked after the write must be known for that: without `seen`, what is
 * not equal deviates.
 */
#ifndef NODE_ENGINE_DEVIATION_H
#define NODE_ENGINE_DEVIATION_H

#include "node/base/entry.h"

/* All normalised (entry.h). */
struct deviation_view {
    const struct ts_entry *wanted;
    const struct ts_entry *sent;  /* last confirmed there, as we wanted it */
    const struct ts_entry *seen;  /* as it looked then; NULL: not known */
    const struct ts_entry *shown; /* as it looks now */
};

struct deviation {
    struct ts_slice path;
    const struct ts_attribute *ours, *theirs; /* NULL: no value */
    bool normalised;
};

/* Paths that are not equal, in order of names within wanted, then what we once
 * set and want no more. Borrows the entries; the array is in `arena`.
 * Errors   TS_E_LIMIT (the arena is full). */
TS_MUSTUSE enum ts_code deviation_of(const struct deviation_view *view,
                                     struct ts_arena *arena,
                                     struct deviation **ret_list,
                                     size_t *ret_count, struct ts_err *err);

#endif
