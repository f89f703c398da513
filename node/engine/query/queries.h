/* queries -- what operators ask of the store, answered on its thread.
 * Documents: node/control/commands.md. Each takes its request over. */
#ifndef NODE_ENGINE_QUERIES_H
#define NODE_ENGINE_QUERIES_H

#include "node/engine/private.h"

/* After `cycle`, which was a preview and did not fail. */
void query_preview(struct engine *engine, const struct cycle_outcome *cycle,
                   struct request *request);
void query_verify(struct engine *engine, struct request *request);
void query_show(struct engine *engine, struct request *request);
void query_hold_list(struct engine *engine, struct request *request);
void query_errors(struct engine *engine, struct request *request);
void query_history(struct engine *engine, struct request *request);
void query_reconcile(struct engine *engine, struct request *request);
void query_events(struct engine *engine, struct request *request);
void query_events_verify(struct engine *engine, struct request *request);

#endif
