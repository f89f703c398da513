/*
 * loss -- attributes that objects of a source had, and have no more.
 *
 * One value that is gone is a fact. The same attribute gone from many objects
 * in one run is more often a right that the reading account has lost, and the
 * directory does not say so: what may not be read is simply not there. So each
 * loss of a joined object is noted while it is imported, and judged when the
 * run has seen everything.
 *
 *   import   an object is stored with fewer attributes --loss_take--> noted
 *   its end  with the watermark --loss_conclude--> confirmed, or forgotten
 *   later    the attribute is back, or the object is gone: the row goes;
 *            an operator decided: loss_release
 *
 * While a row is confirmed, nothing that follows from it is exported
 * (node/engine/vanished.h), and references to its object are not taken away
 * (reference.h).
 *
 * Invariants:
 *   L1  a loss is noted in the transaction that stores the poorer object, and
 *       confirmed or forgotten in that of the watermark: a run that is cut off
 *       and begun again does not see it a second time, and does not need to.
 *   L2  only attributes that the source is asked for are missed; one that no
 *       rule reads any more is not a loss.
 *   L3  a row goes in the transaction that stores the attribute again.
 */
#ifndef NODE_METAVERSE_LOSS_H
#define NODE_METAVERSE_LOSS_H

#include "node/base/arena.h"
#include "node/metaverse/metaverse.h"

struct connector_row;

/* What a run keeps an eye on; see connector_writer. */
struct loss_watch {
    struct metaverse *mv;
    const char *const *attributes; /* that are asked for; borrowed */
    size_t attribute_count;
    const char *const *references; /* those of them that hold DNs; borrowed */
    size_t reference_count;
    bool known; /* there may be rows: what comes back is looked for */
    struct ts_arena arena;
};

/* Set the rest of a watch whose names are set. Errors: TS_E_IO. */
TS_MUSTUSE enum ts_code loss_watch(struct loss_watch *watch,
                                   struct metaverse *mv, struct ts_err *err);
void loss_watch_done(struct loss_watch *watch);

/* The stored object `id` is about to become `row`: note what it loses (if it is
 * joined), strike out what it has again. */
TS_MUSTUSE enum ts_code loss_take(struct loss_watch *watch, int64_t id,
                                  const struct connector_row *row,
                                  struct ts_err *err);

/* How many objects of a source may lose one attribute in one run. */
struct loss_limit {
    int64_t source_id;
    uint32_t always_allowed;
    uint32_t percent; /* of the source's objects, if that is more */
};
/* The run has seen everything. An attribute of which a loss is confirmed
 * already has no limit: what it loses now belongs to that. */
TS_MUSTUSE enum ts_code loss_conclude(struct metaverse *mv,
                                      const struct loss_limit *limit,
                                      struct ts_err *err);
/* The object is gone from its source, and what it had lost with it. */
TS_MUSTUSE enum ts_code loss_object_gone(struct metaverse *mv,
                                         int64_t object_id, struct ts_err *err);

/* Is a loss confirmed: of any object, of a source's, of a metaverse object? */
TS_MUSTUSE enum ts_code loss_any(struct metaverse *mv, bool *ret_any,
                                 struct ts_err *err);
TS_MUSTUSE enum ts_code loss_of_source(struct metaverse *mv, int64_t source_id,
                                       bool *ret_any, struct ts_err *err);
TS_MUSTUSE enum ts_code loss_of_object(struct metaverse *mv,
                                       int64_t metaverse_id, bool *ret_any,
                                       struct ts_err *err);

/* One attribute that was lost too often. */
struct loss {
    struct ts_slice source, attribute; /* names */
    struct ts_slice detail;            /* "SOURCE/attribute" */
};
/* Those of a metaverse object that are confirmed, at most *count; copies live
 * in `arena`. */
TS_MUSTUSE enum ts_code loss_list(struct metaverse *mv, int64_t metaverse_id,
                                  struct ts_arena *arena, struct loss *losses,
                                  size_t *count, struct ts_err *err);
/* How many objects lost it, and how many objects their source has. */
TS_MUSTUSE enum ts_code loss_extent(struct metaverse *mv,
                                    const struct loss *loss, int64_t *ret_lost,
                                    int64_t *ret_objects, struct ts_err *err);
/* Forget what is confirmed of objects that were compared (their change number
 * is at most `compared`) and from whose loss nothing follows: no intent, no
 * reference to be taken away, no appointment, no refused export. */
TS_MUSTUSE enum ts_code loss_forget_idle(struct metaverse *mv, int64_t compared,
                                         struct ts_err *err);
/* An operator has decided on that loss (by its detail) of a metaverse object.
 */
TS_MUSTUSE enum ts_code loss_release(struct metaverse *mv, int64_t metaverse_id,
                                     struct ts_slice detail,
                                     struct ts_err *err);

#endif
