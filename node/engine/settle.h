/*
 * settle -- what an operation's outcome means for the state.
 *
 * Each outcome is applied in the caller's transaction and leaves the object
 * either in step, or with a new decision (compare_one), or with a problem that
 * says why not.
 *
 *   outcome    what follows
 *   done       the target row says sent, references held; the intent goes
 *   gone       for a deletion: done. Else: it is not there, decide anew
 *   conflict   a creation looks who is there; else a problem
 *   stale      look, then decide anew
 *   refused    a problem; not decided again for the same state for an hour
 *   denied     as before, and the export ends: others would be denied too
 *   later      back to due; the export ends
 *   unknown    in doubt: looked up after the quiet time, never repeated
 *   stopped    back to due
 *
 * Invariants:
 *   T1  an operation in doubt is only ever followed by looks (DESIGN: Quiesce).
 *   T2  the ledger gains an anchor with the confirmation of a creation or an
 *       adoption, and loses it with that of a deletion, in one transaction with
 *       the connector space.
 */
#ifndef NODE_ENGINE_SETTLE_H
#define NODE_ENGINE_SETTLE_H

#include "node/engine/context.h"

enum settle_advice {
    SETTLE_GO_ON,
    SETTLE_LOOK, /* submit a look (compose_look) for this intent */
    SETTLE_END   /* nothing more can be exported now */
};

/* `op` is the caller's, and may be looked at afterwards. */
TS_MUSTUSE enum ts_code settle(struct engine_context *engine,
                               const struct export_op *op,
                               enum settle_advice *ret_advice,
                               struct ts_err *err);

#endif
