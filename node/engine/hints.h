/*
 * hints -- look at what a node that came back wrote last.
 *
 * An old primary that returns names the objects that its rows behind the fork
 * are about (replication/tail.h). At the source nothing has to be looked at one
 * by one: our own watermark is from before the fork, so the next delta reads
 * whatever the other node read. At the target each object is looked up by its
 * anchor, and read by its id where we know one, and what is there is believed
 * as in a full reading; compare.h decides.
 *
 *   hints --> due, and "read-all" (inherit.h) --> looked at --> not "read-all"
 *                        |                           |
 *                        +-- too many, cut, a look --+--> both sides are read
 *                            that failed, a crash         to their end
 *
 * Invariants:
 *   H1  "read-all" is durable with the hints, and taken away only when each of
 *       them was seen, or both sides were read: whatever goes wrong in between
 *       ends in a full reading.
 *   H2  a look decides nothing and writes nothing to the target.
 *   H3  an object that we do not know and the target has is for the full
 *       reading: only that tells whose it is.
 */
#ifndef NODE_ENGINE_HINTS_H
#define NODE_ENGINE_HINTS_H

#include "node/engine/context.h"
#include "node/engine/pair.h"

/* Make the objects of `tail` due, and remember to look at them. In the caller's
 * transaction. */
TS_MUSTUSE enum ts_code hints_note(struct engine_context *engine,
                                   const struct engine_tail *tail,
                                   struct ts_err *err);
/* Are they few enough, and all known, so that a look at each will do? */
bool hints_listed(const struct engine_context *engine);
/* Look at each, after the import of a delta: transactions of its own.
 * Errors   TS_E_UNREACHABLE, TS_E_CANCELLED, of the store: H1. Blocks. */
TS_MUSTUSE enum ts_code hints_look(struct engine_context *engine,
                                   struct ts_err *err);
/* Both sides were read, or are to be. */
void hints_forget(struct engine_context *engine);

#endif
