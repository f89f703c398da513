/*
 * problem -- objects that could not be brought in step, as work items.
 *
 * A row says which object, at which stage, which path, why, since when, how
 * often it was tried, and when it will be tried again. It goes when the object
 * gets in step.
 *
 *   stage    until retry_at                     then
 *   anchor   nothing is done to it              read again with its source
 *   rules    the last good value stays          evaluated when it changes
 *   join     joined to none                     likewise
 *   match    neither created nor taken over     decided anew
 *   export   not sent for the same state        decided anew
 *   unique   that path stays, the rest goes on  decided anew
 *   policy   kept as a policy says              an operator retries it
 *   foreign  left as somebody else changed it   either side changes
 *   crash    in doubt, and not looked up        an operator retries it
 *
 * retry_at is 0 when there is no such time, or while it is being tried again.
 */
#ifndef NODE_METAVERSE_PROBLEM_H
#define NODE_METAVERSE_PROBLEM_H

#include "node/base/arena.h"
#include "node/metaverse/metaverse.h"

struct problem {
    int kind;
    struct ts_slice anchor;
    const char *stage; /* see above */
    struct ts_slice path, text;
    struct ts_hash after; /* "export": the wanted state that was refused;
                             "match": what is contended for (contest.h);
                             "foreign": how it was shown before */
    int64_t retry_at;     /* seconds since 1970 */
};

/* Note it, or renew the text; the first time it was seen stays. */
TS_MUSTUSE enum ts_code problem_set(struct metaverse *mv,
                                    const struct problem *problem,
                                    struct ts_err *err);
/* All of the object's problems of that stage are over. */
TS_MUSTUSE enum ts_code problem_clear(struct metaverse *mv, int kind,
                                      struct ts_slice anchor, const char *stage,
                                      struct ts_err *err);
/* That of one path only. */
TS_MUSTUSE enum ts_code problem_clear_path(struct metaverse *mv,
                                           const struct problem *problem,
                                           struct ts_err *err);
/* Those that are being tried again and did not come back. */
TS_MUSTUSE enum ts_code problem_clear_tried(struct metaverse *mv, int kind,
                                            struct ts_slice anchor,
                                            const char *stage,
                                            struct ts_err *err);
/* Let nothing block the object any more; that it is due is the caller's. */
TS_MUSTUSE enum ts_code problem_try_again(struct metaverse *mv, int kind,
                                          struct ts_slice anchor,
                                          struct ts_err *err);
/* The references of `owner` changed: what was refused is another write now, and
 * due. _above: of the groups that have the people of `owner`, too. */
TS_MUSTUSE enum ts_code problem_other_links(struct metaverse *mv, int64_t owner,
                                            struct ts_err *err);
TS_MUSTUSE enum ts_code problem_other_links_above(struct metaverse *mv,
                                                  int64_t owner,
                                                  struct ts_err *err);
struct problem_key {
    int kind;
    struct ts_slice anchor;
    const char *stage;
};
/* The paths that have a problem which is not being tried again, at most *count;
 * copies live in `arena`. */
TS_MUSTUSE enum ts_code problem_paths(struct metaverse *mv,
                                      const struct problem_key *of,
                                      struct ts_arena *arena,
                                      struct ts_slice *paths, size_t *count,
                                      struct ts_err *err);
/* Is an export of exactly `after` refused until later than `now`? */
TS_MUSTUSE enum ts_code problem_blocks(struct metaverse *mv, int kind,
                                       struct ts_slice anchor,
                                       const struct ts_hash *after,
                                       bool *ret_blocks, struct ts_err *err);
/* Make the objects with problems whose retry_at has come due again: their
 * change numbers are drawn from *next_change. */
TS_MUSTUSE enum ts_code problem_retry(struct metaverse *mv, int64_t now,
                                      int64_t *next_change, struct ts_err *err);

#endif
