/* evaluation_result -- what the rules said of one object, as a document. */
#ifndef TOOLS_TWINSYNC_EVALUATION_RESULT_H
#define TOOLS_TWINSYNC_EVALUATION_RESULT_H

#include <jansson.h>

#include "node/rules/rules.h"

/* The members "scope", "rule", "false_term", "values", "once" and "problems" of
 * an object. `rules` is the array that the result's index belongs to.
 * Owns     the result. */
json_t *evaluation_describe(const struct rules_result *result,
                            const struct config_rule *rules);

/* [{"path","now","draft"}] of what differs between two such documents, scope
 * included. Owns the result. */
json_t *evaluation_differences(const json_t *now, const json_t *draft);

#endif
