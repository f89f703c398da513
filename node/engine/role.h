/*
 * role -- becoming the one that exports, and ceasing to be: pair.h's jobs, on
 * the store's thread.
 */
#ifndef NODE_ENGINE_ROLE_H
#define NODE_ENGINE_ROLE_H

#include "node/engine/private.h"

/* STANDBY -> ACTIVE. After an error it is a standby as before, but that its
 * journal may be in the new epoch. */
TS_MUSTUSE enum ts_code
role_activate(struct engine *engine, const struct engine_activation *activation,
              struct ts_err *err);
/* ACTIVE -> STANDBY: when it returns, no request is under way. */
void role_leave(struct engine *engine);

TS_MUSTUSE enum ts_code role_apply(struct engine *engine,
                                   const struct batch *batch,
                                   struct ts_err *err);
TS_MUSTUSE enum ts_code role_install(struct engine *engine, int64_t number,
                                     bool keep, struct ts_err *err);
/* Count anew what `status` shows of a standby, now and then. */
void role_recount(struct engine *engine);

#endif
