/*
 * nesting -- groups below groups, for `nested: flatten`.
 *
 * A group whose members are flattened has the people of the groups below it,
 * however deep, and none of these groups. The rows are kept as the links come
 * and go, so that one user more in a nested group costs one row for each group
 * above it, and one group more the memberships that it brings:
 *
 *   direct    how many links of the owner lead to the group at once
 *   ways      on how many ways the group is below the owner; a way may take a
 *             link only once, and parallel links are several ways
 *
 *   reference.wanted of (owner, person) = links of the owner to the person
 *       + the sum, over the groups below, of ways x their links to the person
 *
 * Links that form a loop would make infinitely many ways. Of the links between
 * groups, taken in the order of the anchors of owner and member, each one that
 * closes a loop with those before it is ignored. So which one it is does not
 * depend on what came first, and it is told (nesting_ignored).
 *
 * Invariants:
 *   R1  the rows, and the references made of them, are those that
 *       nesting_recount computes from nothing.
 *   R2  the links that are not ignored form no loop.
 */
#ifndef NODE_METAVERSE_NESTING_H
#define NODE_METAVERSE_NESTING_H

#include "node/base/arena.h"
#include "node/metaverse/metaverse.h"

/* One more (delta 1) or less (-1) link of `owner` leads to `group`. */
TS_MUSTUSE enum ts_code nesting_link(struct metaverse *mv, const char *path,
                                     int64_t owner, int64_t group, int delta,
                                     struct ts_err *err);
/* The same of a person: for the groups above `owner`, not for itself. */
TS_MUSTUSE enum ts_code nesting_person(struct metaverse *mv, const char *path,
                                       int64_t owner, int64_t member, int delta,
                                       struct ts_err *err);

/* All rows anew, and what they add to the references of `path`, which have only
 * their own links until then. NULL: nothing is flattened. */
TS_MUSTUSE enum ts_code nesting_recount(struct metaverse *mv, const char *path,
                                        struct ts_err *err);

/* A link that is ignored. */
struct nesting_loop {
    int64_t owner, group;
};
/* At most *count of them. */
TS_MUSTUSE enum ts_code nesting_ignored(struct metaverse *mv,
                                        struct nesting_loop *loops,
                                        size_t *count, struct ts_err *err);
/* The groups on a way from `from` down to `to`, both included, by
 * links that count: at most *count. */
TS_MUSTUSE enum ts_code nesting_way(struct metaverse *mv, int64_t from,
                                    int64_t to, int64_t *groups, size_t *count,
                                    struct ts_err *err);

#endif
