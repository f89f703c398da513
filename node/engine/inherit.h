/*
 * inherit -- what a takeover finds in the state, and what it means.
 *
 * The new holder goes on from rows that another node wrote until its last
 * moment. Facts that must outlive it, however often the pair changes hands, are
 * small settings of the replicated state:
 *
 *   "reconcile-first"  both sides are to be read to their end: 1 before the
 *                      first export, 2 meanwhile, and every deletion is held
 *   "read-all"         a node that came back left hints: what they name is to
 *                      be looked at (hints.h), or both sides are to be read
 *   "lead-from"        the last intent batch before the present holder's first
 *   "lead-epoch"       and its epoch
 *   "looked-in"        the epoch in which what is in doubt was last looked up
 *   "in-flight"        objects that were under way when a holder crashed
 *
 *   takeover --> in doubt: of earlier holders, quiet after Q (doubt.h)
 *            \-> crashed?  in flight now and at the crash before: quarantined
 *
 * Invariants:
 *   I1  what is in doubt stays as it is: nothing here sends, drops or decides.
 *   I2  the guard's windows, holds and approvals are rows like others: nothing
 *       here touches them.
 *   I3  a quarantined object is not looked up until an operator retries it.
 */
#ifndef NODE_ENGINE_INHERIT_H
#define NODE_ENGINE_INHERIT_H

#include "node/engine/context.h"
#include "node/engine/pair.h"

/* The stage of object_error that quarantines (problem.h). */
#define INHERIT_STAGE "crash"

/* This node holds the lease now: one transaction, and engine->inherited. */
TS_MUSTUSE enum ts_code inherit_take(struct engine_context *engine,
                                     const struct engine_activation *activation,
                                     struct ts_err *err);

/* Until nothing of earlier holders can take effect any more: before the target
 * is read whole, and before anything is written to it. At once where what was
 * under way is known by object.
 * Errors   TS_E_CANCELLED: the cycle is to end.
 * Blocks   for Q and a second at the most, answering operators. */
TS_MUSTUSE enum ts_code inherit_rest(struct engine_context *engine,
                                     enum engine_phase phase,
                                     struct ts_err *err);

/* Both sides are to be read, soon. In the caller's transaction. */
TS_MUSTUSE enum ts_code inherit_hinted(struct engine_context *engine,
                                       struct ts_err *err);
/* Each of the objects that the hints name was seen. A transaction of its own.
 */
TS_MUSTUSE enum ts_code inherit_looked_at(struct engine_context *engine,
                                          struct ts_err *err);
/* Both sides were read to their end. A transaction of its own, if any. */
TS_MUSTUSE enum ts_code inherit_reconciled(struct engine_context *engine,
                                           struct ts_err *err);

/* May what is in doubt be looked up: is it quiet, and not quarantined? */
TS_MUSTUSE enum ts_code inherit_may_look(struct engine_context *engine,
                                         const struct intent *intent,
                                         bool *ret_quiet, bool *ret_quarantined,
                                         struct ts_err *err);
/* Before the first look of an epoch: a transaction of its own, if any. */
TS_MUSTUSE enum ts_code inherit_looking(struct engine_context *engine,
                                        struct ts_err *err);
/* All that was sent is settled: no object was in flight. Likewise. */
TS_MUSTUSE enum ts_code inherit_settled(struct engine_context *engine,
                                        struct ts_err *err);
/* Intents in doubt that are quarantined. */
TS_MUSTUSE enum ts_code inherit_quarantined(struct engine_context *engine,
                                            int64_t *ret_count,
                                            struct ts_err *err);

#endif
