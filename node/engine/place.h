/*
 * place -- where an object stands in its source's tree, for rules that ask.
 *
 * Neither the DN nor the entries above are stored with an object: both follow
 * from the chain of parents, so that a renamed unit costs its own row and the
 * change numbers of what is below it.
 *
 * Invariant:
 *   L1  a chain with a gap is never taken for a whole one: then the DN is not
 *       known, and nothing is said not to be above. A rule that asks fails,
 *       and the object stays as it is.
 */
#ifndef NODE_ENGINE_PLACE_H
#define NODE_ENGINE_PLACE_H

#include "node/engine/context.h"
#include "node/metaverse/connector.h"

/* Fill dn, ancestors and ancestors_complete of `input`, as far as the rules
 * ask for them: those that do not cost nothing. What is filled in is in
 * `arena`.
 * Errors   TS_E_LIMIT (the arena is full), TS_E_IO. */
TS_MUSTUSE enum ts_code place_find(struct engine_context *engine,
                                   const struct connector_object *object,
                                   struct ts_arena *arena,
                                   struct rules_input *input,
                                   struct ts_err *err);

/* The DN as the source writes it, whether rules ask or not; empty where there
 * is a gap. */
TS_MUSTUSE enum ts_code place_dn(struct engine_context *engine,
                                 const struct connector_object *object,
                                 struct ts_arena *arena,
                                 struct ts_slice *ret_dn, struct ts_err *err);

/* The key of whatever has that DN in a source: made of the DN, or, where keys
 * are identities, looked for among what is known, name by name from the base
 * down. False: there is no such entry, or it is no DN.
 * Errors   TS_E_IO, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code place_key(struct engine_context *engine, size_t source,
                                  struct ts_slice dn,
                                  uint8_t ret_key[static CONNECTOR_KEY_SIZE],
                                  bool *ret_known, struct ts_err *err);

#endif
