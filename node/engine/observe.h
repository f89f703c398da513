/*
 * observe -- believe what the target showed.
 *
 * The connector space of the target follows what was read there: after a
 * lookup, an adoption, a stale version, or a full enumeration. Nothing here
 * decides what to write; compare.h does, from what this leaves behind.
 */
#ifndef NODE_ENGINE_OBSERVE_H
#define NODE_ENGINE_OBSERVE_H

#include "node/engine/context.h"
#include "node/metaverse/target_space.h"

/* `object` is the counterpart of `metaverse_id`: what it shows counts as sent
 * and seen, its references as held. In the ledger as `provenance`. */
TS_MUSTUSE enum ts_code observe_ours(struct engine_context *engine,
                                     int64_t metaverse_id,
                                     const struct target_object *object,
                                     enum ledger_provenance provenance,
                                     struct ts_err *err);

/* `object` is known and joined (`row`). What differs from the last reading is
 * a foreign edit (foreign.h). */
struct observed {
    bool edited; /* it has to be compared again */
    bool links;  /* its references are not those that were known */
};
TS_MUSTUSE enum ts_code
observe_again(struct engine_context *engine, const struct target_row *row,
              const struct target_object *object, struct ts_arena *arena,
              struct observed *ret_observed, struct ts_err *err);

/* Somebody else's object: remembered for matching. `before` is its row, NULL
 * when there was none. */
TS_MUSTUSE enum ts_code observe_foreign(struct engine_context *engine,
                                        const struct target_object *object,
                                        const struct target_row *before,
                                        struct ts_arena *arena,
                                        struct ts_err *err);

/* The target does not have it any more. */
TS_MUSTUSE enum ts_code observe_gone(struct engine_context *engine,
                                     struct ts_slice target_id,
                                     int64_t metaverse_id, struct ts_err *err);

/* The metaverse object that is to adopt that object, as is decided, or 0. */
TS_MUSTUSE enum ts_code observe_adopter(struct metaverse *mv,
                                        struct ts_slice target_id,
                                        int64_t *ret_adopter,
                                        struct ts_err *err);

/* The metaverse object behind the target's id, or 0. */
TS_MUSTUSE enum ts_code observe_member(struct metaverse *mv,
                                       struct ts_slice target_id,
                                       int64_t *ret_member, struct ts_err *err);

#endif
