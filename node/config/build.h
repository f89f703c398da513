/*
 * build -- from checked nodes to structs, by libcyaml.
 *
 * libcyaml 1.3 cannot load a mapping with the operator's own keys, has no
 * defaults and no ranges. So it is given another document than the operator's:
 * every option with its value or its default, and `flow: {a: b}` as
 * `flow: [{path: a, expression: b, line: 7}]`. Its schema comes from the table.
 *
 * Invariant:
 *   B1  what config_check_tree accepts libcyaml accepts (the fuzzer's claim).
 */
#ifndef NODE_CONFIG_BUILD_H
#define NODE_CONFIG_BUILD_H

#include "node/config/table.h"
#include "node/config/tree.h"

/* Owns     free with config_free.
 * Errors   TS_E_NOMEM; TS_E_CONFIG with libcyaml's words: see B1. */
TS_MUSTUSE enum ts_code config_build(const struct config_node *root,
                                     struct config **ret_config,
                                     struct ts_err *err);

#endif
