/*
 * configure -- from what the operator wrote to what the engine runs on.
 *
 * The exporter is made at once. The rules need to know what the source's schema
 * calls its attributes and what the target can hold, so they are compiled in
 * the first cycle in which the sources answer; then they stay.
 */
#ifndef NODE_ENGINE_CONFIGURE_H
#define NODE_ENGINE_CONFIGURE_H

#include "node/engine/context.h"

/* Which paths of the target the rules flow, for one kind; arrays in `arena`,
 * strings of the config. */
TS_MUSTUSE enum ts_code configure_paths(const struct config *config,
                                        enum config_kind kind,
                                        struct ts_arena *arena,
                                        struct target_paths *ret_paths,
                                        struct ts_err *err);

/* Compile the rules, if that has not been done. Blocks: asks every source for
 * its schema, and the target for what it can do (a target that cannot be
 * reached is taken to be what RFC 7643 says).
 * Errors   of source_schema and rules_compile. */
TS_MUSTUSE enum ts_code configure_rules(struct engine_context *engine,
                                        struct ts_err *err);
/* Tell the open store what the rules and the target need it to know. */
void configure_store(struct engine_context *engine);
void configure_done(struct engine_context *engine);

#endif
