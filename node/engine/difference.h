/*
 * difference -- what must be sent so that the target has what is wanted.
 *
 * Pure. Compares the wanted values with those last confirmed as sent, never
 * with what the target shows, so that a target that normalises is written once
 * and then left alone.
 *
 *   wanted    sent            ->  to send       sent afterwards
 *   value     none, another       value         value
 *   value     the same            nothing       value
 *   CLEAR     not CLEAR, none     CLEAR         CLEAR
 *   KEEP      whatever            nothing       as it was
 *   (absent)  value               CLEAR         (absent): we clear what we set
 *   (absent)  CLEAR, none         nothing       (absent): never ours
 */
#ifndef NODE_ENGINE_DIFFERENCE_H
#define NODE_ENGINE_DIFFERENCE_H

#include "node/base/entry.h"

struct difference {
    struct ts_entry set;  /* to send; empty when nothing is due */
    struct ts_entry sent; /* what will have been sent afterwards */
};

/* Both entries normalised; results share their values, arrays in `arena`.
 * Errors   TS_E_LIMIT (the arena is full). */
TS_MUSTUSE enum ts_code difference_of(const struct ts_entry *wanted,
                                      const struct ts_entry *sent,
                                      struct ts_arena *arena,
                                      struct difference *ret_difference,
                                      struct ts_err *err);
/* For an object that the target does not have: all wanted values, and those of
 * `once` that are not wanted anyway. */
TS_MUSTUSE enum ts_code difference_for_new(const struct ts_entry *wanted,
                                           const struct ts_entry *once,
                                           struct ts_arena *arena,
                                           struct difference *ret_difference,
                                           struct ts_err *err);
#endif
