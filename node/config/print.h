/*
 * print -- a struct config as people and programs read it: with every default.
 */
#ifndef NODE_CONFIG_PRINT_H
#define NODE_CONFIG_PRINT_H

#include <jansson.h>
#include <stdio.h>

#include "node/base/err.h"
#include "node/base/hash.h"
#include "node/config/config.h"

/* The options in the table's order; mappings keep the operator's order, lines
 * are left out. Owns: a new reference. Errors: NULL when out of memory. */
json_t *config_json(const struct config *config);

/* The same as YAML, which loads to the same again. Paths of secrets are shown,
 * secrets never.
 * Errors   TS_E_NOMEM, TS_E_IO (`out`). Blocks: on `out`. */
TS_MUSTUSE enum ts_code config_print(const struct config *config, FILE *out,
                                     struct ts_err *err);

/* Equal for two configurations that do the same, on whichever node: over
 * config_json without this-node, state-directory and the names of files.
 * The order of rules and sources counts, the order of flows does not.
 * Errors   TS_E_NOMEM. */
TS_MUSTUSE enum ts_code config_fingerprint(const struct config *config,
                                           struct ts_hash *ret_hash,
                                           struct ts_err *err);

/* Equal for two configurations that decide the same writes, however often,
 * fast or carefully: over the options of the table that say `effect`. What was
 * previewed under one is not carried out under another.
 * Errors   TS_E_NOMEM. */
TS_MUSTUSE enum ts_code config_effect(const struct config *config,
                                      struct ts_hash *ret_hash,
                                      struct ts_err *err);

#endif
