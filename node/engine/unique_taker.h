/*
 * unique_taker -- one object that is to take values; for unique_pass.c only.
 *
 * What is decided for it says what it will get and have. Where several want a
 * value whose holder is to get another one, they are not equal: one of them may
 * be who gives the holder, over others or at once, what it gets. Such an
 * exchange is only possible with that one, so it comes before the order of
 * anchors; otherwise two who swap their names would be stopped by a third.
 */
#ifndef NODE_ENGINE_UNIQUE_TAKER_H
#define NODE_ENGINE_UNIQUE_TAKER_H

#include "node/engine/context.h"
#include "node/engine/difference.h"
#include "node/metaverse/claim.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"

#define UNIQUE_EXCHANGE_MAX 1000 /* objects in one exchange */

struct unique_taker {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena *arena;
    struct metaverse_object object;
    struct intent intent; /* id 0: none */
    struct target_row row;
    bool at_target;
    struct difference difference;
};

/* Set the three first members before. *ret_takes: it is in scope, something is
 * decided for it and not sent, and `difference` is set. */
TS_MUSTUSE enum ts_code unique_take(struct unique_taker *taker, int64_t id,
                                    bool *ret_takes, struct ts_err *err);
/* Will the object have `value` when what is decided is done? */
TS_MUSTUSE enum ts_code unique_still_has(const struct unique_taker *taker,
                                         const struct claim_value *value,
                                         bool *ret_has, struct ts_err *err);
/* `holder` will give `value` up by an update. If several want it, and one of
 * them is needed for that, it becomes *gets; the first of them by anchor. */
TS_MUSTUSE enum ts_code unique_exchange(const struct unique_taker *taker,
                                        const struct claimant *holder,
                                        const struct claim_value *value,
                                        struct claimant *gets,
                                        struct ts_err *err);

#endif
