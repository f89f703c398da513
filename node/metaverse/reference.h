/*
 * reference -- who refers to whom, as wanted and as held.
 *
 * A row (owner, path, member) exists while a source wants it or the target
 * holds it. `wanted` counts the source links that resolve to it: a link
 * (object, attribute, DN key) counts when its object is joined, when an object
 * with that DN is joined, and when a reference path is configured for the
 * attribute. Each event that changes one of these adjusts the count, so that
 * the cost of a change is the number of links it touches:
 *
 *   reference_link_changed    a link came or went
 *   reference_joined, _left   an object got or lost its metaverse object
 *   reference_dn_left, _taken an object's DN changed
 *
 * Invariants:
 *   F1  wanted = the number of such links, at the end of every transaction;
 *       reference_recount computes the same from nothing (and is how a first
 *       load is done in one pass).
 *   F2  a DN means an object of the source that says it: two directories with
 *       one base DN do not refer to each other's people.
 */
#ifndef NODE_METAVERSE_REFERENCE_H
#define NODE_METAVERSE_REFERENCE_H

#include "node/base/arena.h"
#include "node/metaverse/metaverse.h"

TS_MUSTUSE enum ts_code reference_link_changed(struct metaverse *mv,
                                               int64_t object_id,
                                               struct ts_slice attribute,
                                               struct ts_slice key, int delta,
                                               struct ts_err *err);
TS_MUSTUSE enum ts_code reference_dn_left(struct metaverse *mv,
                                          int64_t object_id,
                                          struct ts_slice key,
                                          struct ts_err *err);
TS_MUSTUSE enum ts_code reference_dn_taken(struct metaverse *mv,
                                           int64_t object_id,
                                           struct ts_slice key,
                                           struct ts_err *err);
/* Call _joined after the row in `joined` was made, _left before it goes. */
TS_MUSTUSE enum ts_code reference_joined(struct metaverse *mv,
                                         int64_t object_id, struct ts_err *err);
TS_MUSTUSE enum ts_code reference_left(struct metaverse *mv, int64_t object_id,
                                       struct ts_err *err);

/* All counts anew; `held` stays. */
TS_MUSTUSE enum ts_code reference_recount(struct metaverse *mv,
                                          struct ts_err *err);

/* The target was told, or was seen: it has the reference, or has not. */
TS_MUSTUSE enum ts_code reference_set_held(struct metaverse *mv, int64_t owner,
                                           struct ts_slice path, int64_t member,
                                           bool held, struct ts_err *err);
/* The member is no longer at the target, so nobody there refers to it. */
TS_MUSTUSE enum ts_code
reference_member_gone(struct metaverse *mv, int64_t member, struct ts_err *err);
/* The owner is no longer at the target: nothing of it is held there. */
TS_MUSTUSE enum ts_code reference_owner_gone(struct metaverse *mv,
                                             int64_t owner, struct ts_err *err);

/* A reference that the target should get (wanted) or lose, whose member has
 * the id `target_id` there. */
struct reference_due {
    struct ts_slice path;
    int64_t member;
    struct ts_slice target_id;
    bool add;
};
/* At most *count of them for `owner`, removals first. */
TS_MUSTUSE enum ts_code reference_due(struct metaverse *mv, int64_t owner,
                                      struct ts_arena *arena,
                                      struct reference_due *due, size_t *count,
                                      struct ts_err *err);
/* Is there an addition for `owner` whose member is in scope but not at the
 * target yet? Then it is worth waiting for. */
TS_MUSTUSE enum ts_code reference_waits(struct metaverse *mv, int64_t owner,
                                        bool *ret_waits, struct ts_err *err);

#endif
