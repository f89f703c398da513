/*
 * leaver -- what becomes of those who leave, and of those who come back.
 *
 *   user gone       active --deactivate--> inactive --delete-after-days-->
 * delete user out        active --out-of-scope--> inactive (or delete, or keep)
 *   group gone, out        --group-delay-days--------------------------> delete
 *   user in again   inactive --return: reactivate--> active
 *                            --return: keep--------> inactive, until retried
 *
 * What waits has an appointment (appointment.h). Its time is no decision: when
 * it comes the object is compared as if it had changed, and the deletion goes
 * through the guard like every other.
 *
 * Invariants:
 *   P1  a delay begins when the object left (OUT, GONE, or from OUT to GONE) or
 *       when we switched it off, whichever is later.
 *   P2  whoever is in scope again has no appointment.
 *   P3  kept deactivated, values flow as to everyone, but nothing of `active`
 *       is written, until an operator retries the user or it leaves again.
 *   P4  with another `deprovision` in the configuration, those who left already
 *       are decided on anew, as everything is (staging.h, S3).
 */
#ifndef NODE_ENGINE_LEAVER_H
#define NODE_ENGINE_LEAVER_H

#include "node/engine/context.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"

enum leaver_step {
    LEAVER_NOTHING,
    LEAVER_DEACTIVATE,
    LEAVER_DELETE
};

/* What is to be done now with an object that is not IN and that the ledger
 * has; what is to be done later gets its appointment. In the caller's
 * transaction. */
TS_MUSTUSE enum ts_code leaver_decide(struct engine_context *engine,
                                      const struct metaverse_object *object,
                                      const struct target_row *row,
                                      enum leaver_step *ret_step,
                                      struct ts_err *err);

/* The object is IN: whatever it was waiting for is off. */
TS_MUSTUSE enum ts_code leaver_returned(struct engine_context *engine,
                                        int64_t metaverse_id,
                                        struct ts_err *err);

/* Is an object that is IN kept deactivated? Then `wanted` (may be NULL) is
 * changed to say nothing of `active`. */
TS_MUSTUSE enum ts_code leaver_kept(struct engine_context *engine,
                                    const struct target_row *row,
                                    struct ts_entry *wanted, bool *ret_kept,
                                    struct ts_err *err);
/* Say so as the object's problem, or that it is over. */
TS_MUSTUSE enum ts_code leaver_note(struct engine_context *engine,
                                    const struct metaverse_object *object,
                                    bool kept, struct ts_err *err);
/* An operator wants it active again: due, and no longer kept. *ret_was tells
 * whether it was. In the caller's transaction. */
TS_MUSTUSE enum ts_code leaver_release(struct engine_context *engine,
                                       const struct metaverse_object *object,
                                       bool *ret_was, struct ts_err *err);

/* At a cycle's start: whose time has come is due. Between transactions. */
TS_MUSTUSE enum ts_code leaver_begin(struct engine_context *engine,
                                     struct ts_err *err);

#endif
