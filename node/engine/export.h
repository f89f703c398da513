/*
 * export -- carry out what was decided, in order, and settle what comes back.
 *
 *   settle doubts --> phase 0 .. 5 --> compare again --> ... --> nothing due
 *                       |    ^
 *       mark sent (durable), submit, collect, settle (durable)
 *
 * Intents are marked as sent in batches, each one transaction and one SEQ; the
 * requests of a batch leave after its commit (I7). Outcomes are settled in
 * batches too. A phase is over when all of its operations are settled, since
 * the next one may refer to what this one created.
 *
 * Invariants:
 *   E1  no request leaves before its intent is durable as in doubt.
 *   E2  after a stop or a crash, what is in doubt is looked up before anything
 *       is decided on that object.
 */
#ifndef NODE_ENGINE_EXPORT_H
#define NODE_ENGINE_EXPORT_H

#include "node/engine/context.h"

enum export_end {
    EXPORT_COMPLETE, /* nothing is due */
    EXPORT_PARTIAL,  /* something is left: see counts and problems */
    EXPORT_STOPPED   /* the target cannot be written to now */
};

/* Blocks until nothing is due, or nothing more can be done now. `err` says why
 * when *ret_end is EXPORT_STOPPED. Errors: of the store. */
TS_MUSTUSE enum ts_code export_due(struct engine_context *engine,
                                   enum export_end *ret_end,
                                   struct ts_err *err);

#endif
