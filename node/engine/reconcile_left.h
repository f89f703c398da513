/*
 * reconcile_left -- what a reconcile leaves as it is, and why.
 *
 *   class               whoever decides       listed further by
 *   held-CLASS          an operator           twinsync hold list
 *   staged              an operator           twinsync preview
 *   quarantined-STAGE   source or target      twinsync errors
 *   foreign             whoever edited it     twinsync errors
 *   not-shown           a source: what it did not show is not believed to be
 *                       gone (absence.h)
 */
#ifndef NODE_ENGINE_RECONCILE_LEFT_H
#define NODE_ENGINE_RECONCILE_LEFT_H

#include <jansson.h>

#include "node/engine/context.h"

/* [{"class","count","objects":[{"kind","anchor","name"}]}], those that have
 * any; new. */
TS_MUSTUSE enum ts_code reconcile_left(struct engine_context *engine,
                                       json_t **ret_list, struct ts_err *err);

#endif
