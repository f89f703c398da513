/*
 * vanished -- what follows from an attribute that too many objects lost at
 * once.
 *
 * metaverse/loss.h knows which objects those are; here, nothing that follows
 * from it is exported before an operator said so: neither the value that would
 * be cleared, nor the exit from the scope of a rule that asks for it, nor the
 * deletion that the exit would lead to. What is done to objects that lost
 * nothing goes on.
 *
 *   confirmed loss --vanished_clearance--> intent of class LOST
 *        |          --vanished_pass------> HELD, item of the hold of
 *        |                                 (kind, "SOURCE/attribute"); so are
 *        |                                 owners whose references are kept
 *        +-- the attribute is back: decided anew, nothing is left to hold
 *        +-- vanished_decided: approved or rejected, no longer a loss
 *
 * Invariants:
 *   V1  no intent of an object with a confirmed loss is sent, unless a plan or
 *       an approval has it.
 *   V2  a loss from which nothing follows is forgotten, so that it neither
 *       keeps the source from being read in small steps nor waits for later.
 */
#ifndef NODE_ENGINE_VANISHED_H
#define NODE_ENGINE_VANISHED_H

#include "node/engine/context.h"
#include "node/metaverse/hold.h"
#include "node/metaverse/object.h"

/* Set INTENT_CLASS_LOST on the intent of an object with a confirmed loss,
 * whatever the intent. Costs nothing while no loss is known. */
TS_MUSTUSE enum ts_code vanished_clearance(struct engine_context *engine,
                                           int64_t metaverse_id,
                                           struct intent *intent,
                                           struct ts_err *err);
/* Hold what is unchecked and of class LOST; drop items that are no longer due,
 * and losses without consequences. Between transactions, before anything else
 * is cleared or counted. */
TS_MUSTUSE enum ts_code vanished_pass(struct engine_context *engine,
                                      struct ts_err *err);
/* An operator has approved or rejected an item of the hold with that detail:
 * the object lacks the attribute, and that is right. */
TS_MUSTUSE enum ts_code vanished_decided(struct engine_context *engine,
                                         const struct hold_item *item,
                                         struct ts_slice detail,
                                         struct ts_err *err);

#endif
