/*
 * replaced -- many anchors vanish at once, and their people come back with
 * others.
 *
 * Taken at its word that is a deletion of everybody and a creation of everybody
 * else: all that the target knows of them would be lost. So when at least
 * REPLACED_LEAST objects, and REPLACED_PERCENT of the ledger, are about to be
 * deleted or deactivated because no source has them, and objects with equal
 * match values (twins.h) are about to be created, both are held, however much
 * the guard allows, and the hold says how they become pairs (reanchor.h).
 *
 * Invariants:
 *   R1  of a pair, neither the deletion nor the creation is sent before an
 *       operator approved it, also when it waited for a plan; who makes no pair
 *       is the guard's affair alone.
 *   R2  while such a hold is open, later halves of pairs join it.
 *
 * What is gone and kept by policy (deprovision: keep) is no deletion and does
 * not count.
 */
#ifndef NODE_ENGINE_REPLACED_H
#define NODE_ENGINE_REPLACED_H

#include "node/engine/context.h"

#define REPLACED_LEAST   20
#define REPLACED_PERCENT 5

/* Hold what makes pairs; drop items that are no longer due. Between
 * transactions, before anything else is cleared or counted. */
TS_MUSTUSE enum ts_code replaced_pass(struct engine_context *engine,
                                      struct ts_err *err);

#endif
