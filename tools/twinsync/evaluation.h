/*
 * evaluation -- objects of the source under the rules of a configuration.
 *
 * Reads from the real source with the real connector and evaluates with the
 * real rules, in this process; nothing is stored and nothing is written. What
 * the target can take comes from its own schema when it can be asked, else
 * from RFC 7643.
 */
#ifndef TOOLS_TWINSYNC_EVALUATION_H
#define TOOLS_TWINSYNC_EVALUATION_H

#include <jansson.h>

#include "node/base/err.h"
#include "node/config/config.h"

#define EVALUATION_SAMPLE_MAX 1000

struct evaluation_options {
    const struct config *draft;
    const struct config *now; /* compared with; NULL: nothing */
    const char *object;       /* an anchor, a DN or a name; NULL: a sample */
    size_t sample;            /* how many objects at most */
};

/* {"objects":[{"source","anchor","dn","scope","rule","false_term","values",
 * "once","problems","differences"}],"passed_over":{false term: how many},
 * "target_schema":null or the sentence why RFC 7643 was assumed};
 * "differences" is null when nothing was compared; a sample leaves out objects
 * that are out of scope under both configurations, and counts them.
 * Owns     *ret_document.
 * Errors   of the source, and TS_E_CONFIG of the rules.
 * Blocks   as long as the source does. */
TS_MUSTUSE enum ts_code evaluation_run(const struct evaluation_options *options,
                                       json_t **ret_document,
                                       struct ts_err *err);

#endif
