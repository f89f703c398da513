/* staging_events -- staging and plans in the log of events: when each began and
 * ended, why, and who said so. */
#ifndef NODE_ENGINE_STAGING_EVENTS_H
#define NODE_ENGINE_STAGING_EVENTS_H

#include "node/engine/plan.h"
#include "node/engine/private.h"
#include "node/engine/staging.h"

/* What is compared with what it was. */
struct staging_moment {
    enum staging why;
    char plan[TS_HASH_TEXT_SIZE];
};
struct staging_moment staging_moment(const struct engine_context *engine);

/* Append what changed since `before`; `reason` may be "". Blocks: fsync. */
TS_MUSTUSE enum ts_code
staging_note_change(struct engine *engine, const struct staging_moment *before,
                    const char *actor, const char *reason, struct ts_err *err);
TS_MUSTUSE enum ts_code
staging_note_approval(struct engine *engine,
                      const struct plan_approval *approval, struct ts_err *err);

#endif
