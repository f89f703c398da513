/*
 * match -- which object of the target belongs to a person who has none there.
 *
 * Only for objects that are new at the target. Order (SEMANTICS: Anchor and
 * match): 1 hard match: the object that carries the anchor; 2 soft match: one
 * without any anchor that has the values of the rule's `match` paths (a kind
 * without such paths has no soft match); 3 none: create.
 *
 *   at the target                                  becomes of the person
 *   one object with the anchor                     hard match
 *   one with the anchor of another source object   hard match; that anchor is
 *   of the same person                             the person's from now on
 *   several with the anchor                        "match"
 *   the anchor on an object of the other kind      "object-type-mismatch"
 *   one without anchor that matches by value       soft match, unless others
 *                                                  match it: "match" for all
 *   several of them                                "match"
 *   only such as carry another anchor              "invalid-soft-match"
 *   only such of the other kind, where both kinds  "object-type-mismatch"
 *   match by the same paths
 *   only administrators and the like               "shielded"
 *   what a switch of the configuration forbids     "hard-match-blocked",
 *                                                  "soft-match-blocked"
 *   nothing                                        create
 *
 * Who is refused so is neither created nor adopted until the cause is gone
 * (contest.h).
 *
 * Invariants:
 *   H1  an administrator, a service identity, our own account, or what
 *       `never-match` names is never matched.
 *   H2  no object is given to anybody while two could have it, in whichever
 *       order they came.
 *   H3  an object that carries an anchor is only ever given to that anchor.
 */
#ifndef NODE_ENGINE_MATCH_H
#define NODE_ENGINE_MATCH_H

#include "node/engine/context.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"

/* The values of the kind's `match` paths, folded and joined, by which objects
 * are compared; empty when one is missing. In `arena`. */
TS_MUSTUSE enum ts_code
match_value_of(const struct engine_context *engine, enum config_kind kind,
               const struct ts_entry *values, struct ts_arena *arena,
               struct ts_slice *ret_value, struct ts_err *err);

/* The same of a kind that matches by one path, which has the value `text`. */
TS_MUSTUSE enum ts_code match_value_one(struct ts_slice text,
                                        struct ts_arena *arena,
                                        struct ts_slice *ret_value,
                                        struct ts_err *err);

/* Does target.never-match name one of the values joined in `match_value`? */
bool match_is_never(const struct engine_context *engine,
                    struct ts_slice match_value);

enum match_verdict {
    MATCH_NONE,
    MATCH_HARD,
    MATCH_SOFT,
    MATCH_REFUSED /* noted as the object's problem */
};

/* A free object of the target for `object`, whose wanted values are given.
 * *ret_row when HARD (it may carry another anchor of the person) or SOFT. In
 * the caller's transaction. */
TS_MUSTUSE enum ts_code
match_free(struct engine_context *engine, const struct metaverse_object *object,
           const struct ts_entry *wanted, struct ts_arena *arena,
           struct target_row *ret_row, enum match_verdict *ret_verdict,
           struct ts_err *err);

#endif
