/*
 * loops -- tell of groups that are members of themselves.
 *
 * Where members are flattened, a membership that closes a loop is ignored
 * (node/metaverse/nesting.h). It is a problem of the group that has it, stage
 * "join", until somebody breaks the loop at the source.
 */
#ifndef NODE_ENGINE_LOOPS_H
#define NODE_ENGINE_LOOPS_H

#include "node/engine/context.h"

/* Bring the problems in step with what is ignored now. Between transactions;
 * writes nothing when they are. */
TS_MUSTUSE enum ts_code loops_report(struct engine_context *engine,
                                     struct ts_err *err);

#endif
