/*
 * reconcile_report -- what the last reconcile found, as both nodes keep it.
 *
 * A row of the replicated state (setting "reconcile-report"), written as the
 * reconcile begins, after each pass and at its end:
 *
 *   {"state":"running", "reason":"operator", "node":"alpha", "epoch":7,
 *    "started":TIME, "finished":null, "duration_ms":0, "why":null,
 *    "anew":0, "passes":[{"pass":1, ...}], "left":[...]}
 *
 *   state       the reconcile
 *   running     is under way, or its node died: then the next cycle, here or
 *               on the other node, begins it anew and counts that ("anew")
 *   clean       ended with a pass that found nothing but what is in "left"
 *   incomplete  gave up; the last pass names what still differs, "why" says it
 *   failed      could not go on; "why" is the error
 *
 * "passes" as in reconcile_found.h, "left" as in reconcile_left.h.
 */
#ifndef NODE_ENGINE_RECONCILE_REPORT_H
#define NODE_ENGINE_RECONCILE_REPORT_H

#include <jansson.h>

#include "node/engine/context.h"

#define RECONCILE_REPORT_MAX ((size_t) 256 * 1024)

/* New; NULL when there is none, or none that can be read. */
json_t *reconcile_report_load(struct metaverse *mv);
/* Was one begun that did not come to its end? */
TS_MUSTUSE enum ts_code
reconcile_report_open(struct metaverse *mv, bool *ret_open, struct ts_err *err);
/* In a transaction of its own. Errors: TS_E_LIMIT, of the store. */
TS_MUSTUSE enum ts_code reconcile_report_store(struct engine_context *engine,
                                               json_t *report,
                                               struct ts_err *err);
/* The same without names: "passes" is their number, "found" a list of how much
 * each found, "left" how much is left. NULL for NULL; new. */
json_t *reconcile_report_summary(const json_t *report);

#endif
