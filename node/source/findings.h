/* findings.h -- what `twinsync check` says of a source, as it is put together.
 */
#ifndef NODE_SOURCE_FINDINGS_H
#define NODE_SOURCE_FINDINGS_H

#include "node/source/source.h"

/* The findings so far, and where their texts live. */
struct source_findings {
    struct source_finding *items; /* SOURCE_FINDINGS_MAX of them */
    size_t count;
    struct ts_arena *arena;
};

/* A text in the arena, cut off at 600 bytes. */
TS_PRINTF(2, 3)
const char *source_keep(struct source_findings *findings, const char *fmt, ...);
void source_good(struct source_findings *findings, const char *name,
                 const char *value);
void source_bad(struct source_findings *findings, const char *name,
                const char *value, const char *fix);
/* No connection could be made: which finding that is, and what to do. */
void source_explain_connect(struct source_findings *findings,
                            const struct config_source *config,
                            const struct ts_err *why);

#endif
