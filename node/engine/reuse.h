/*
 * reuse -- a new entry has the DN of one that is gone.
 *
 * Groups and people that named the old one by its DN name the new one from now
 * on, for that is what the directory says. It is right as often as it is an
 * accident (a name given again, an entry deleted and entered anew), so it is
 * told: event "dn-reused", with both anchors. Only what came and went between
 * two readings is seen.
 */
#ifndef NODE_ENGINE_REUSE_H
#define NODE_ENGINE_REUSE_H

#include "node/engine/context.h"
#include "node/metaverse/connector.h"
#include "node/metaverse/events.h"

#define REUSE_EVENTS_MAX 100 /* of one cycle */

/* connector_same_dn_fn; the context is the engine's. */
connector_same_dn_fn reuse_note;
/* A source was read to the end of its news: forget those of the noted whose
 * DN is another by now. */
TS_MUSTUSE enum ts_code reuse_conclude(struct engine_context *engine,
                                       struct ts_err *err);
/* Append the cycle's events, and forget them. */
TS_MUSTUSE enum ts_code reuse_tell(struct engine_context *engine,
                                   struct events *events, struct ts_err *err);

#endif
