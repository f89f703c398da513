/*
 * staging -- a state in which everything is read and decided, nothing written.
 *
 * A store that never exported begins in it; it begins again when rules or scope
 * change (the fingerprint of what decides writes, config_effect()) or when an
 * operator asks for it. It ends when a plan was carried out whole, when what is
 * to be written turns out to be nothing, or, asked for, by the operator.
 *
 *   FIRST, RULES, MAINTENANCE --(plan done | nothing to write | off)--> NONE
 *
 * Stored as settings of the replicated state: "staging", "effect", and "plan"
 * while one is in force (which a restart carries on).
 *
 * Invariants:
 *   S1  while staging, an intent is CLEARED only by the plan in force.
 *   S2  what was in doubt is looked up all the same: that only reads.
 */
#ifndef NODE_ENGINE_STAGING_H
#define NODE_ENGINE_STAGING_H

#include "node/engine/context.h"

/* Before anything is decided: read what is stored; a configuration with another
 * effect begins staging. Leaves engine->staging and engine->plan as they are to
 * be. Between transactions. */
TS_MUSTUSE enum ts_code staging_begin(struct engine_context *engine,
                                      struct ts_err *err);
/* After everything was decided: with nothing to write, staging by RULES, or a
 * FIRST that has nothing to do, is over. Between transactions. */
TS_MUSTUSE enum ts_code staging_decided(struct engine_context *engine,
                                        struct ts_err *err);
/* After an export that left nothing due: the plan in force is done, and staging
 * with it. Between transactions. */
TS_MUSTUSE enum ts_code staging_exported(struct engine_context *engine,
                                         struct ts_err *err);

#endif
