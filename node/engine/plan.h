/*
 * plan -- a preview that is carried out as it was shown.
 *
 * `preview` stores what it shows (plan_draft.h); `sync --plan HASH` puts that
 * in force. From then on, over restarts and kills, an intent is cleared only if
 * it is in the plan; everything else that is decided meanwhile is STAGED.
 *
 *   stored --plan_enforce--> in force --export complete: plan_finish--> gone
 *      \-- 24 hours, 8 newer ones --> gone     \-- another effect --> gone
 *
 * An intent is in the plan if the plan has an item for its object with the same
 * verb, or one that the intent follows from (creating, adopting and switching
 * on are followed by an update), and with the same content: a hash of all that
 * is to be written, with the values for creation only where it creates, and the
 * object's id at the target where it adopts. Taking away has no content. Giving
 * up a value for a while (unique.h) is a step of the update. A link
 * is told to the target only if it is among the item's links.
 *
 * Invariants:
 *   P2  what the plan does not have is not written while it is in force,
 *       whatever the guard or the state of the object says.
 *   P3  an item that the state no longer demands is dropped for good, and
 *       reported by name.
 */
#ifndef NODE_ENGINE_PLAN_H
#define NODE_ENGINE_PLAN_H

#include <jansson.h>

#include "node/engine/context.h"
#include "node/metaverse/object.h"

#define PLAN_REPORTED_MAX 100 /* dropped objects that a report names */
#define PLAN_LINK_SIZE    8

/* What is to be written: `verb` is that of the plan's item, `target_id` counts
 * for adoptions. A path that is quarantined (unique.h) is not written, so that
 * it is part of what is. */
struct plan_write {
    enum intent_verb verb;
    const struct metaverse_object *object;
    struct ts_slice target_id;
};
TS_MUSTUSE enum ts_code plan_content(struct metaverse *mv,
                                     struct ts_hasher *hasher,
                                     const struct plan_write *write,
                                     struct ts_hash *ret_content,
                                     struct ts_err *err);
/* A link of the object at hand that is added or removed. */
struct plan_link {
    uint8_t bytes[PLAN_LINK_SIZE];
};
struct plan_link plan_link_of(struct ts_hasher *hasher, struct ts_slice path,
                              struct ts_slice member_anchor, bool add);

/* Put a stored plan in force, in place of one that is.
 * Errors   TS_E_REFUSED: unknown, expired, or of another configuration. */
struct plan_approval {
    const char *hash, *actor, *reason;
};
TS_MUSTUSE enum ts_code plan_enforce(struct engine_context *engine,
                                     const struct plan_approval *approval,
                                     struct ts_err *err);

/* Make engine->plan what is stored; one of another effect is given up. Between
 * transactions. */
TS_MUSTUSE enum ts_code plan_recall(struct engine_context *engine,
                                    struct ts_err *err);
/* NULL is fine. */
void plan_free(struct plan *plan);
const char *plan_hash(const struct plan *plan);

/* ---- while one is in force (engine->plan) ---- */

TS_MUSTUSE enum ts_code plan_allows(struct engine_context *engine,
                                    const struct metaverse_object *object,
                                    const struct intent *intent,
                                    bool *ret_allowed, struct ts_err *err);
/* Was confirmed, in the caller's transaction; without a plan, nothing. */
TS_MUSTUSE enum ts_code plan_performed(struct engine_context *engine,
                                       const struct intent *intent,
                                       struct ts_err *err);
/* After everything was decided (P3). Between transactions. */
TS_MUSTUSE enum ts_code plan_drop(struct engine_context *engine,
                                  struct ts_err *err);
/* It is done: sets engine->plan_report. Between transactions. */
TS_MUSTUSE enum ts_code plan_finish(struct engine_context *engine,
                                    struct ts_err *err);

/* {"hash", "done", "performed", "dropped", "left", "dropped_objects"} of the
 * plan that was finished or is in force; null without. New. */
json_t *plan_report(struct engine_context *engine);

#endif
