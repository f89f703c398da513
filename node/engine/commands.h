/* commands -- what operators ask for that runs a cycle or changes something,
 * answered on the store's thread; what only asks is in query/queries.h.
 * Documents: node/control/commands.md. Each takes its request over. */
#ifndef NODE_ENGINE_COMMANDS_H
#define NODE_ENGINE_COMMANDS_H

#include "node/engine/private.h"
#include "node/metaverse/decision.h"

/* Append to a list of ENGINE_WAITERS_MAX; false: it was full, and the request
 * was answered. */
bool commands_keep(struct request **list, size_t *count,
                   struct request *request);

/* Make what an operator decided durable, in a transaction of its own. */
TS_MUSTUSE enum ts_code commands_decided(struct engine *engine,
                                         const struct decision *decision,
                                         struct ts_err *err);

void commands_sync(struct engine *engine, struct request *request);
void commands_preview(struct engine *engine, struct request *request);
void commands_maintenance(struct engine *engine, struct request *request);

#endif
