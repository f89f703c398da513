/*
 * appointment -- objects to look at again when their time has come.
 *
 * One row an object that waits for a delay of `deprovision`. Who waits, and for
 * how long, is decided by node/engine/leaver.h; the row only brings the object
 * back to it, and goes with the object.
 */
#ifndef NODE_METAVERSE_APPOINTMENT_H
#define NODE_METAVERSE_APPOINTMENT_H

#include "node/metaverse/metaverse.h"

/* `at` in seconds since 1970. The same again writes nothing. */
TS_MUSTUSE enum ts_code appointment_set(struct metaverse *mv,
                                        int64_t metaverse_id, int64_t at,
                                        struct ts_err *err);
TS_MUSTUSE enum ts_code appointment_cancel(struct metaverse *mv,
                                           int64_t metaverse_id,
                                           struct ts_err *err);
/* 0: none. */
TS_MUSTUSE enum ts_code appointment_of(struct metaverse *mv,
                                       int64_t metaverse_id, int64_t *ret_at,
                                       struct ts_err *err);
/* Those whose time is `now` or before are forgotten. */
TS_MUSTUSE enum ts_code appointment_forget(struct metaverse *mv, int64_t now,
                                           struct ts_err *err);

#endif
