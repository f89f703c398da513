/*
 * inherit_rows -- the rows of inherit.h: what a takeover finds in a state, and
 * leaves there. Which these are is said there.
 *
 * It knows a metaverse and nothing of the engine, so that the simulator takes
 * over by the same rows. All of it is in the caller's transaction.
 */
#ifndef NODE_ENGINE_INHERIT_ROWS_H
#define NODE_ENGINE_INHERIT_ROWS_H

#include "node/engine/pair.h"
#include "node/metaverse/metaverse.h"

struct inherit_found {
    bool reconcile_first; /* nothing is exported before both sides were read */
    bool hold_deletions;  /* until then, where an operator did not wait */
    bool read_all;        /* another node left hints */
};

/* `batch`: the last number that any holder has given to intents. */
TS_MUSTUSE enum ts_code
inherit_rows_take(struct metaverse *mv,
                  const struct engine_activation *activation, int64_t batch,
                  struct inherit_found *ret_found, struct ts_err *err);
TS_MUSTUSE enum ts_code inherit_rows_hinted(struct metaverse *mv,
                                            struct ts_err *err);
/* What the hints name was seen: they call for no reading any more. */
TS_MUSTUSE enum ts_code inherit_rows_looked_at(struct metaverse *mv,
                                               struct ts_err *err);
TS_MUSTUSE enum ts_code inherit_rows_reconciled(struct metaverse *mv,
                                                struct ts_err *err);
TS_MUSTUSE enum ts_code inherit_rows_looking(struct metaverse *mv,
                                             struct ts_err *err);
TS_MUSTUSE enum ts_code inherit_rows_settled(struct metaverse *mv,
                                             struct ts_err *err);

#endif
