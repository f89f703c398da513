/*
 * guard_key -- does a write change what an object is found by?
 *
 * Keys are the paths of which the target says that no two objects have the same
 * value, and those by which the rules match. Another value, a first one and
 * none are changes; the same letters in another case are not.
 */
#ifndef NODE_ENGINE_GUARD_KEY_H
#define NODE_ENGINE_GUARD_KEY_H

#include "node/base/entry.h"
#include "node/engine/context.h"

/* `set` is what is to be written to an object of `kind`, of which `sent` was
 * written last. */
bool guard_key_changes(const struct engine_context *engine, int kind,
                       const struct ts_entry *set, const struct ts_entry *sent);

#endif
