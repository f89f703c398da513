/*
 * spent -- how much of the guard's budgets was used, in a sliding window.
 *
 * What passes is counted by the hour in which it does, per class, kind and
 * subject (a group's anchor for its members, "" for a whole kind). A window
 * reaches back so many hours from the present one, which it contains, so it is
 * never shorter than asked for. Beside it: how much there was (the ledger, a
 * group's members) when it was first asked in an hour; the earliest of these in
 * the window is what percentages are of.
 *
 * The caller says which hour it is: hours since 1970, spent_hour().
 *
 * Invariants:
 *   P1  counting is in the transaction that lets the write pass (guard.h, W3).
 *   P2  what there was is noted once an hour, and never changed.
 */
#ifndef NODE_METAVERSE_SPENT_H
#define NODE_METAVERSE_SPENT_H

#include "node/metaverse/hold.h"

struct spent_key {
    enum hold_class class;
    int kind;
    struct ts_slice subject;
};

/* The window that ends with the present hour. */
struct spent_window {
    int64_t first, now; /* hours since 1970, both are in it */
};
struct spent_window spent_window_of(int64_t seconds, uint32_t hours);

TS_MUSTUSE enum ts_code spent_add(struct metaverse *mv,
                                  const struct spent_key *key,
                                  const struct spent_window *window,
                                  int64_t amount, struct ts_err *err);
TS_MUSTUSE enum ts_code spent_sum(struct metaverse *mv,
                                  const struct spent_key *key,
                                  const struct spent_window *window,
                                  int64_t *ret_amount, struct ts_err *err);

/* What there was at the window's start, as far as it was noted; -1: in no hour
 * of the window. *ret_now: it was noted in the present hour. */
TS_MUSTUSE enum ts_code extent_of(struct metaverse *mv,
                                  const struct spent_key *key,
                                  const struct spent_window *window,
                                  int64_t *ret_amount, bool *ret_now,
                                  struct ts_err *err);
TS_MUSTUSE enum ts_code extent_note(struct metaverse *mv,
                                    const struct spent_key *key,
                                    const struct spent_window *window,
                                    int64_t amount, struct ts_err *err);

/* Remove what is before the window. */
TS_MUSTUSE enum ts_code spent_trim(struct metaverse *mv,
                                   const struct spent_window *window,
                                   struct ts_err *err);

#endif
