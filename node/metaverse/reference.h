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
 *   F3  a removal that follows from something that is kept back is kept back
 *       with it: no group loses a leaver before it is sure that he leaves.
 *   F4  while a plan is carried out, only its links are due (metaverse.h,
 *       link_filter).
 *   F5  a write that was refused does not wait for its hour once the owner's
 *       links are others: with them it is another write.
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

/* A single value is written: nothing of that path is held any more, before
 * reference_set_held says what is. */
TS_MUSTUSE enum ts_code reference_path_gone(struct metaverse *mv, int64_t owner,
                                            struct ts_slice path,
                                            struct ts_err *err);

/* SQL: the removal `r`, a row of reference, is kept back (F3), because the
 * member's own deactivation or deletion is, because member or owner lost an
 * attribute together with too many others, or because the owner loses too many
 * members (a hold of MEMBERS). `leave` tells which clearances of
 * the leaver's intent (enum intent_clearance) keep. */
#define REFERENCE_KEPT_WHILE(leave)                                          \
    "(EXISTS(SELECT 1 FROM intent kept WHERE kept.metaverse_id = "           \
    "r.member_id AND kept.verb IN (2, 4) AND kept.batch = 0 AND "            \
    "kept.clearance " leave ") OR EXISTS(SELECT 1 FROM lost_attribute kept " \
    "WHERE kept.metaverse_id IN (r.member_id, r.owner_id) AND "              \
    "kept.confirmed = 1) OR EXISTS(SELECT 1 FROM metaverse owner JOIN "      \
    "hold_item item ON item.anchor = owner.anchor AND item.kind = "          \
    "owner.kind JOIN hold ON hold.id = item.hold_id AND hold.class = 5 "     \
    "WHERE owner.id = r.owner_id))"
/* As far as decisions go: what is not checked yet, or waits for a plan, is
 * decided together with what follows from it, so that it is seen whole. */
#define REFERENCE_KEPT REFERENCE_KEPT_WHILE("= 3")

/* A reference that the target should get (wanted) or lose, whose member has
 * the id `target_id` there. */
struct reference_due {
    struct ts_slice path;
    int64_t member;
    struct ts_slice target_id;
    bool add;
};
/* At most *count of them for `owner`, removals first: what may be sent now. */
TS_MUSTUSE enum ts_code reference_due(struct metaverse *mv, int64_t owner,
                                      struct ts_arena *arena,
                                      struct reference_due *due, size_t *count,
                                      struct ts_err *err);
/* Is an addition, or a removal, to be decided for `owner`? */
TS_MUSTUSE enum ts_code reference_pending(struct metaverse *mv, int64_t owner,
                                          bool *ret_adds, bool *ret_removes,
                                          struct ts_err *err);
/* Is there an addition for `owner` whose member is in scope but not at the
 * target yet? Then it is worth waiting for. */
TS_MUSTUSE enum ts_code reference_waits(struct metaverse *mv, int64_t owner,
                                        bool *ret_waits, struct ts_err *err);

#endif
