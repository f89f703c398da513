/*
 * foreign -- what somebody else changed of the values that we write.
 *
 * An edit shows as a reading that differs, on a path that we wrote, from how
 * the target showed that path the last time (target_space.h). What then happens
 * is `foreign-edits`:
 *
 *   overwrite  the path no longer counts as sent, so that compare.h writes it
 *              again; the event "foreign-edit" names both values
 *   report     it stays; a problem of stage "foreign" names both values, until
 *              the target shows again what it did before, or the source changes
 *              the value, which is then written over it
 *
 * Invariants:
 *   E1  a value that we did not write is nobody's edit.
 *   E2  under `report`, nothing is written on a path whose edit is reported
 *       while neither side changes.
 *   E3  at most FOREIGN_EVENTS_MAX edits a cycle have an event each; the event
 *       "foreign-edits" then says how many there were.
 */
#ifndef NODE_ENGINE_FOREIGN_H
#define NODE_ENGINE_FOREIGN_H

#include "node/engine/context.h"
#include "node/metaverse/events.h"
#include "node/metaverse/target_space.h"

#define FOREIGN_EVENTS_MAX 100
#define FOREIGN_VALUE_MAX  200 /* bytes of one value that is told */
#define FOREIGN_VALUES_MAX 20  /* of one path */

/* Before the target is read to its end: has anything been left alone that is
 * not to be left alone any more? */
TS_MUSTUSE enum ts_code foreign_begin(struct engine_context *engine,
                                      struct ts_err *err);

/* The object of `row` (sent, seen) is now as `now` says. *ret_sent is what of
 * row->sent still counts as sent; *ret_edited: less than before. In the
 * caller's transaction; results live in `arena`. */
TS_MUSTUSE enum ts_code
foreign_judge(struct engine_context *engine, const struct target_row *row,
              const struct ts_entry *now, struct ts_arena *arena,
              struct ts_slice *ret_sent, bool *ret_edited, struct ts_err *err);

/* Was somebody switched on again whom we had switched off? Changes `row` to
 * what counts from now on. */
TS_MUSTUSE enum ts_code foreign_switched_on(struct engine_context *engine,
                                            struct target_row *row,
                                            const struct ts_entry *now,
                                            bool *ret_edited,
                                            struct ts_err *err);

/* We wrote these paths: what was reported of them is over. */
TS_MUSTUSE enum ts_code foreign_written(struct engine_context *engine, int kind,
                                        struct ts_slice anchor,
                                        const struct ts_entry *set,
                                        struct ts_err *err);

/* Append the cycle's events, and forget them. */
TS_MUSTUSE enum ts_code foreign_tell(struct engine_context *engine,
                                     struct events *events, struct ts_err *err);

#endif
