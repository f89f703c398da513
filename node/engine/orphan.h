/*
 * orphan -- the ledger is rebuilt from the anchors at the target.
 *
 * After a reinstall with an empty state directory the target has objects that
 * we once made. Those whose anchor a source shows are adopted by the match
 * (match.h). What is left, after the whole target was read:
 *
 *   carries an anchor that                         becomes
 *   a source shows, out of scope by its rule       ours ("adopted"); what it
 *                                                  left by decides, as always
 *   a source shows, in scope                       nothing: a problem of that
 *                                                  object says why
 *   a source shows, undecided by an error          nothing
 *   no source shows                                an orphan: in the ledger as
 *                                                  "found", item of a hold
 *
 * Other systems also write anchors. So an orphan is listed, with target id and
 * date of creation, and nothing is done to it, whatever the guard allows,
 * until an operator
 *
 *   approves it by name   --> it leaves, as if its person had just been deleted
 *   rejects it            --> it is not ours (target_row_disown), and is not
 *                             listed again
 *
 * or a source shows its anchor: then it is adopted and leaves the list.
 *
 * Cost: that of the free objects with an anchor, and of the ledger's keys, each
 * time the whole target was read; nothing otherwise.
 */
#ifndef NODE_ENGINE_ORPHAN_H
#define NODE_ENGINE_ORPHAN_H

#include "node/engine/context.h"

/* The whole target was read: look for orphans when that is compared. In the
 * caller's transaction. */
TS_MUSTUSE enum ts_code orphan_due(struct engine_context *engine,
                                   struct ts_err *err);

/* After compare_due, before the guard's pass: list what is new, forget what is
 * gone. *ret_bound: so many became ours, and are to be compared. Between
 * transactions. */
TS_MUSTUSE enum ts_code orphan_pass(struct engine_context *engine,
                                    uint64_t *ret_bound, struct ts_err *err);

/* An operator approved it by name: a metaverse object that is GONE stands for
 * it from now on. In the caller's transaction.
 * Errors   TS_E_NOT_FOUND: it is no orphan any more. */
TS_MUSTUSE enum ts_code orphan_release(struct engine_context *engine, int kind,
                                       struct ts_slice anchor,
                                       struct ts_err *err);
/* Rows of the ledger that nothing accounts for (target_space.h, L2): told one
 * by one. There should be none. */
typedef void orphan_unaccounted_fn(void *context, int kind,
                                   struct ts_slice anchor,
                                   struct ts_slice target_id);
TS_MUSTUSE enum ts_code orphan_unaccounted(struct metaverse *mv,
                                           orphan_unaccounted_fn *tell,
                                           void *context, struct ts_err *err);

#endif
