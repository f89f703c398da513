/*
 * unique -- a value that the target allows once goes to one object.
 *
 * Several objects may have a claim to one value (node/metaverse/claim.h). Who
 * gets it does not depend on the order of anything: whoever has it at the
 * target and still wants it; else the first by anchor of those who want it, as
 * soon as whoever has it gives it up.
 *
 *   the one who has it                     whoever is to take it
 *   will be deleted, or gets another one   waits for that write
 *   waits, over others, for itself         one of the ring is parked first
 *   keeps it, or its write is held back    is quarantined: that path stays as
 *                                          it is, all else goes on
 *
 * Waiting is done at the export, write by write (unique_waits), so that chains
 * come in the right order whatever their length. A ring is opened by its first
 * by anchor: INTENT_PARK gives it a temporary value (parked-HASH, with the
 * domain where there is one; a list just loses what others want). The target
 * row then says so, and from there the usual comparison goes on, also after a
 * crash.
 *
 * A quarantine is a problem of stage "unique" (node/metaverse/problem.h), which
 * names the other. It is tried again hourly, when the object changes, and as
 * soon as the value is let go of. A creation without a value that the target
 * requires waits whole.
 *
 *   compare --unique_decided--> [contested] --unique_clear, guard_pass-->
 *                                   ^
 *        unique_waits (at the export)   --unique_open_rings--> export
 *
 * Invariants:
 *   Q1  no write takes a value that another of our objects has at the target.
 *   Q2  the outcome does not depend on ids, nor on the order of import.
 *   Q3  a quarantine holds back one path; the object waits only for a required
 *       one that it never had.
 */
#ifndef NODE_ENGINE_UNIQUE_H
#define NODE_ENGINE_UNIQUE_H

#include "node/engine/context.h"
#include "node/engine/difference.h"
#include "node/metaverse/object.h"

/* Turn what is quarantined in `wanted` into KEEP. *ret_required: a path that an
 * object of the kind must have is among it. */
TS_MUSTUSE enum ts_code unique_withhold(struct engine_context *engine,
                                        const struct metaverse_object *object,
                                        struct ts_entry *wanted,
                                        bool *ret_required, struct ts_err *err);

/* `set` was decided to be sent: note the object if others have claims. */
TS_MUSTUSE enum ts_code unique_decided(struct engine_context *engine,
                                       const struct metaverse_object *object,
                                       const struct ts_entry *set,
                                       struct ts_err *err);
/* Has what is to be sent to wait, because another has a value of `set`? Such
 * an object is noted. */
TS_MUSTUSE enum ts_code unique_waits(struct engine_context *engine,
                                     int64_t metaverse_id, int kind,
                                     const struct ts_entry *set,
                                     bool *ret_waits, struct ts_err *err);
/* About `count` objects will be decided or sent: when they are many, it is
 * cheaper to look once whether any value is contested at all. */
TS_MUSTUSE enum ts_code unique_expect(struct engine_context *engine,
                                      int64_t count, struct ts_err *err);

/* Have that object looked at by the next unique_clear. */
TS_MUSTUSE enum ts_code unique_note(struct engine_context *engine,
                                    int64_t metaverse_id, struct ts_err *err);

/* After all was decided: guard_pass, and quarantine who cannot have what it
 * wants, before and after it. Between transactions. */
TS_MUSTUSE enum ts_code unique_clear(struct engine_context *engine,
                                     struct ts_err *err);
/* Then, before the export: park whoever opens a ring. */
TS_MUSTUSE enum ts_code unique_open_rings(struct engine_context *engine,
                                          struct ts_err *err);

/* What a parked object is sent, from what was sent before. An empty set: nobody
 * waits for anything that it has. */
TS_MUSTUSE enum ts_code unique_park(struct engine_context *engine,
                                    const struct metaverse_object *object,
                                    const struct ts_entry *sent,
                                    struct ts_arena *arena,
                                    struct difference *ret_difference,
                                    struct ts_err *err);

/* The target refused a value because somebody has it whom we do not know. */
struct unique_refusal {
    int kind;
    struct ts_slice anchor;
    const struct ts_entry *values; /* what was, or was to be, sent */
    struct ts_slice attribute;     /* which the target named; may be empty */
    struct ts_slice text;          /* its reason */
};
/* Quarantine the path, or, where the target named none, all that can be meant.
 * *ret_taken: there was one; decide on the object anew. */
TS_MUSTUSE enum ts_code unique_refused(struct engine_context *engine,
                                       const struct unique_refusal *refusal,
                                       bool *ret_taken, struct ts_err *err);

void unique_done(struct engine_context *engine);

#endif
