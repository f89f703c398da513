/*
 * vanished -- what follows from an attribute that too many objects lost at
 * once.
 *
 * metaverse/loss.h knows which objects those are; here, nothing that follows
 * from it is exported before an operator said so: neither the value that would
 * be cleared, nor the exit from the scope of a rule that asks for it, nor the
 * deletion that the exit would lead to. What is done to objects that lost
 * nothing goes on. When the attribute is back, the object is decided anew and
 * nothing is left to hold.
 */
#ifndef NODE_ENGINE_VANISHED_H
#define NODE_ENGINE_VANISHED_H

#include "node/engine/context.h"
#include "node/metaverse/object.h"

/* Set INTENT_CLASS_LOST on the intent of an object with a confirmed loss,
 * whatever the intent. Costs nothing while no loss is known. */
TS_MUSTUSE enum ts_code vanished_clearance(struct engine_context *engine,
                                           int64_t metaverse_id,
                                           struct intent *intent,
                                           struct ts_err *err);

#endif
