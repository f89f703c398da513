/*
 * plan_draft -- a plan while a preview works it out, and stored when it is
 * whole.
 *
 * Bounded: items go to a table of this connection only, in no transaction that
 * counts; they are copied to the replicated store in chunks, and not at all
 * when the same plan is stored already.
 */
#ifndef NODE_ENGINE_PLAN_DRAFT_H
#define NODE_ENGINE_PLAN_DRAFT_H

#include "node/engine/context.h"
#include "node/metaverse/plan_store.h"

TS_MUSTUSE enum ts_code plan_draft_begin(struct engine_context *engine,
                                         struct ts_err *err);
TS_MUSTUSE enum ts_code plan_draft_add(struct engine_context *engine,
                                       const struct plan_item *item,
                                       struct ts_err *err);
/* Store what was added under `hash` (text), or renew what is stored so. Between
 * transactions. */
TS_MUSTUSE enum ts_code plan_draft_keep(struct engine_context *engine,
                                        const char *hash, struct ts_err *err);

#endif
