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
 * FIRST ends with nothing to write only where the ledger says that something
 * is ours: an empty source is no first export. `approve_first` is a plan for
 * FIRST that nobody looked at: what is decided is cleared at once.
 *
 * Stored as settings of the replicated state: "staging" (why and since when),
 * "effect" (of the configuration that was decided under last), and "plan"
 * while one is in force (which a restart carries on).
 *
 * Invariants:
 *   S1  while staging, an intent is CLEARED only by the plan in force.
 *   S2  what was in doubt is looked up all the same: that only reads.
 *   S3  under another effect everything is compared anew before it counts.
 *   S4  maintenance does not let other rules through: what was decided under
 *       an effect that was never exported needs a plan when it ends, too.
 */
#ifndef NODE_ENGINE_STAGING_H
#define NODE_ENGINE_STAGING_H

#include <jansson.h>

#include "node/engine/context.h"
#include "node/metaverse/object.h"

/* Before anything is decided: read what is stored; a configuration with another
 * effect begins staging. Leaves engine->staging and engine->plan as they are to
 * be, and what was decided before with the clearance that this means. Between
 * transactions. */
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

/* Does it decide on clearances: while staging, or while a plan is in force? */
bool staging_governs(const struct engine_context *engine);
/* Then, for guard_clearance(): STAGED or CLEARED. What no plan may clear (an
 * orphan, a consequence of an attribute's loss) stays UNCHECKED: the guard
 * holds it. */
TS_MUSTUSE enum ts_code staging_clearance(struct engine_context *engine,
                                          const struct metaverse_object *object,
                                          struct intent *intent,
                                          struct ts_err *err);

/* After the state was opened: what is stored. */
TS_MUSTUSE enum ts_code staging_recall(struct engine_context *engine,
                                       struct ts_err *err);
/* An operator begins or ends MAINTENANCE; what is so already is no error. When
 * rules or scope changed meanwhile, RULES follows (S4).
 * Between transactions.
 * Errors   TS_E_REFUSED: only a plan ends FIRST and RULES; TS_E_NOT_FOUND:
 *          nothing was read yet. */
TS_MUSTUSE enum ts_code staging_maintenance(struct engine_context *engine,
                                            bool on, struct ts_err *err);

/* What operators are told. */
struct staging_view {
    enum staging why;
    int64_t since;                /* seconds since 1970 */
    int64_t waiting;              /* intents that wait for a plan */
    char text[256];               /* one sentence; "" when not staging */
    char plan[TS_HASH_TEXT_SIZE]; /* in force, or "" */
};
TS_MUSTUSE enum ts_code staging_view(struct engine_context *engine,
                                     struct staging_view *ret_view,
                                     struct ts_err *err);
/* "first", "rules", "maintenance"; NULL for NONE. */
const char *staging_name(enum staging why);
/* {"why", "since", "text", "waiting", "plan"}, or null when not staging. */
json_t *staging_document(const struct staging_view *view);

#endif
