/*
 * compare -- from the metaverse to intents: what must change at the target.
 *
 * Works through the metaverse objects whose change number is above the last one
 * done, then through owners of references that are wanted and not held, or held
 * and not wanted. Each object gets the intent that its present state demands,
 * or none; an older decision that is no longer demanded is revoked.
 *
 *   presence   target has it    intent
 *   in         no               create; adopt where a free object matches
 *   in         yes              update if values or references differ;
 *                               reactivate if switched off
 *   out, gone  yes              by policy: deactivate, delete, nothing
 *   out, gone  no               none; a gone object leaves the metaverse
 *
 * Invariants:
 *   K1  nothing is decided on an object whose last export is in doubt.
 *   K2  deleting and deactivating touch only what the ledger has.
 *   K3  a state that the target refused is not decided again before its time.
 */
#ifndef NODE_ENGINE_COMPARE_H
#define NODE_ENGINE_COMPARE_H

#include "node/engine/context.h"
#include "node/metaverse/object.h"

/* All that is due. *ret_intents counts what was decided. */
TS_MUSTUSE enum ts_code compare_due(struct engine_context *engine,
                                    uint64_t *ret_intents, struct ts_err *err);
/* One object, within the caller's transaction. */
TS_MUSTUSE enum ts_code compare_one(struct engine_context *engine,
                                    int64_t metaverse_id,
                                    struct ts_arena *arena, struct ts_err *err);
/* What is done with an object that left the scope (OUT) or the source (GONE).
 */
enum config_leaver compare_leaver(const struct config *config, int kind,
                                  enum object_presence presence);

#endif
