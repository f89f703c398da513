/*
 * synchronize -- from the connector spaces to the metaverse: join and flow.
 *
 * Works through the source objects whose change number is above the last one
 * done, a transaction a chunk, the number with it: stopped anywhere, it goes on
 * there. For each object the rules say whether it is in scope; if so it is
 * joined to its metaverse object (by its join, its anchor, or a `join` value)
 * or becomes a new one, and the values of all that are joined flow together in
 * the order of precedence.
 *
 * Invariants:
 *   Y1  the result does not depend on the order in which objects arrive.
 *   Y2  a failing `when` changes nothing; a failing flow keeps its last good
 *       value (DESIGN, semantics: Errors).
 *   Y3  an object whose values did not change is not written.
 *   Y4  references follow every join and leave (node/metaverse/reference.h).
 */
#ifndef NODE_ENGINE_SYNCHRONIZE_H
#define NODE_ENGINE_SYNCHRONIZE_H

#include "node/engine/context.h"

/* Blocks until nothing is due. */
TS_MUSTUSE enum ts_code synchronize_due(struct engine_context *engine,
                                        struct ts_err *err);
/* Everything is due again: the rules, or the date they depend on, changed. */
TS_MUSTUSE enum ts_code synchronize_restart(struct engine_context *engine,
                                            struct ts_err *err);

#endif
