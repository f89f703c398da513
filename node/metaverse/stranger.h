/*
 * stranger -- members that the target shows and that we never sent.
 *
 * A row (owner, path, id at the target) is a member of a group of ours whom
 * either nobody here knows, or whom we know and do not want there, while the
 * group still keeps such members. Written from what the target showed, so they
 * are as old as the last full reading. Additive groups have none: what others
 * add there is their affair.
 *
 *   the group           its strangers
 *   created by us       go; with `foreign-edits: report` stay
 *   adopted             stay, until an operator dismisses them
 *   dismissed           go, whatever the configuration says
 *
 * Of a person's single reference (a manager) only ids are known that we wrote
 * there ourselves and whose object is gone since, by whosever doing: they go.
 *
 * Invariants:
 *   U1  a stranger to whom the group has a reference by now is none.
 *   U2  who is kept back (reference.h, F3) is kept here too, and whoever an
 *       operator has disowned stays where he is, unless dismissed by name of
 *       the group.
 */
#ifndef NODE_METAVERSE_STRANGER_H
#define NODE_METAVERSE_STRANGER_H

#include "node/metaverse/reference.h"

/* Column keeps_strangers of the target object. */
enum stranger_policy {
    STRANGERS_AS_CONFIGURED,
    STRANGERS_STAY,     /* adopted */
    STRANGERS_DISMISSED /* until the target shows none any more */
};

TS_MUSTUSE enum ts_code stranger_policy(struct metaverse *mv, int64_t owner,
                                        enum stranger_policy *ret_policy,
                                        struct ts_err *err);
TS_MUSTUSE enum ts_code stranger_set_policy(struct metaverse *mv, int64_t owner,
                                            enum stranger_policy policy,
                                            struct ts_err *err);

/* All that the target shows on `path` (ids ascending, none twice): only what
 * differs is written. With none left a dismissal is over. */
TS_MUSTUSE enum ts_code stranger_set(struct metaverse *mv, int64_t owner,
                                     const char *path,
                                     const struct ts_slice *ids, size_t count,
                                     struct ts_err *err);
/* `member`, who was `id` there, is gone: where a single value still names him
 * (a manager; services that delete from groups do so by themselves) he is a
 * stranger from now on, though the target may show him for ever. */
TS_MUSTUSE enum ts_code stranger_left_behind(struct metaverse *mv,
                                             int64_t member, struct ts_slice id,
                                             struct ts_err *err);
/* The single value shows `id`, or "" for none: no other is left behind there.
 */
TS_MUSTUSE enum ts_code stranger_only(struct metaverse *mv, int64_t owner,
                                      const char *path, struct ts_slice id,
                                      struct ts_err *err);
/* The target has lost him. */
TS_MUSTUSE enum ts_code stranger_gone(struct metaverse *mv, int64_t owner,
                                      const char *path, struct ts_slice id,
                                      struct ts_err *err);

/* Strangers that are to be removed from `owner` now, at most *count, as
 * removals of member 0; copies live in `arena`. */
TS_MUSTUSE enum ts_code stranger_due(struct metaverse *mv, int64_t owner,
                                     struct ts_arena *arena,
                                     struct reference_due *due, size_t *count,
                                     struct ts_err *err);
/* How many are to be removed. Costs one look into an index where there are
 * none. */
TS_MUSTUSE enum ts_code stranger_count_due(struct metaverse *mv, int64_t owner,
                                           int64_t *ret_count,
                                           struct ts_err *err);
/* How many `owner` loses for the guard: also those whom a hold on its members
 * keeps, and not those who leave themselves or are kept for what they lost. */
TS_MUSTUSE enum ts_code stranger_count_lost(struct metaverse *mv, int64_t owner,
                                            int64_t *ret_count,
                                            struct ts_err *err);

#endif
