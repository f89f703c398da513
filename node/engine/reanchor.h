/*
 * reanchor -- objects get the anchors under which their people came back.
 *
 * The anchor of an exported object never changes by itself: not when its entry
 * is renamed or moved, not when another entry gets its DN, not when a value by
 * which it once matched is somebody else's now. An entry that is deleted and
 * entered again is a deletion and a creation. The one way to another anchor is
 * an operator's approval of pairs that he has seen:
 *
 *   reanchor --match PATH --dry-run   pairs by equal values (twins.h)
 *   reanchor --match PATH             a hold of class REANCHOR; an item each
 *                                     for the old and the new anchor of a pair,
 *                                     one after the other
 *   approve HASH                      reanchor_approve(): for each pair the
 *                                     new object takes over what the old one
 *                                     has at the target: its object there, the
 *                                     ledger row, the references that are held;
 *                                     the old object and what was decided on
 *                                     both is gone
 *   the next comparison               an update that puts the new anchor into
 *                                     externalId, in place (compare.c, `stray`)
 *
 * Invariants:
 *   A1  only pairs on the approved list are performed, and only those that
 *       still are pairs: the old one gone and at the target as ours, the new
 *       one in scope and not there, nothing in doubt about either.
 *   A2  a pair is performed in one transaction, whole; an approval that was
 *       cut short is carried on by the next cycle, before anything is read.
 *   A3  nothing is created or deleted at the target, and no id there changes.
 *
 * Where the anchor is an attribute that people can edit, another value of it in
 * the same entry is an error of that object (altered.h), not another object.
 */
#ifndef NODE_ENGINE_REANCHOR_H
#define NODE_ENGINE_REANCHOR_H

#include "node/engine/context.h"

#define REANCHOR_CHUNK 64 /* pairs in one transaction */

/* Make the hold of the pairs that the last twins_find() found, in place of an
 * older one; its list can be approved. `path` is what they were compared by.
 * Between transactions. */
struct reanchor_hold {
    int64_t id;
    int64_t pairs;
    char hash[TS_HASH_TEXT_SIZE]; /* of its list */
};
TS_MUSTUSE enum ts_code reanchor_propose(struct engine_context *engine,
                                         const char *path,
                                         struct reanchor_hold *ret_hold,
                                         struct ts_err *err);
/* Perform the pairs of that hold with numbers up to `last_seq`, and drop those
 * that are none any more. Between transactions. */
struct reanchor_outcome {
    int64_t performed, dropped; /* pairs */
};
TS_MUSTUSE enum ts_code reanchor_approve(struct engine_context *engine,
                                         int64_t hold_id, int64_t last_seq,
                                         struct reanchor_outcome *ret_outcome,
                                         struct ts_err *err);
/* Carry on with what was approved and cut short, if anything. */
TS_MUSTUSE enum ts_code reanchor_resume(struct engine_context *engine,
                                        struct ts_err *err);

#endif
