/*
 * reconcile_run -- a cycle of kind reconcile: pass after pass, with a report.
 *
 *   cycle.h:  _begin --> { _pass --> all steps --> _conclude } --> _end
 *                             |  \        /
 *                             |   _decided, _sent
 *                             +-- again, while passes.h says so
 *
 * The steps are those of every full cycle; this adds what is counted, when it
 * is over, and the report (reconcile_report.h). A first load is a reconcile
 * when the target turns out to have objects with anchors: the ledger was lost,
 * and is rebuilt from them.
 */
#ifndef NODE_ENGINE_RECONCILE_RUN_H
#define NODE_ENGINE_RECONCILE_RUN_H

#include "node/engine/cycle.h"
#include "node/engine/reconcile_found.h"

struct reconcile_run {
    struct engine_context *engine;
    bool reporting; /* else the calls below do nothing */
    unsigned pass;  /* at hand: 1, 2, ... */
    struct ts_time begun, pass_begun;
    struct reconcile_found found; /* by the pass at hand */
    json_t *report;               /* NULL: not begun */
};

/* `reporting`: of kind reconcile. */
void reconcile_run_init(struct reconcile_run *run,
                        struct engine_context *engine, bool reporting);
/* The next pass begins; the first one leaves a durable report behind. */
TS_MUSTUSE enum ts_code reconcile_run_pass(struct reconcile_run *run,
                                           struct ts_err *err);
/* There was no state, and it is selected now: is it a ledger that was lost? */
TS_MUSTUSE enum ts_code reconcile_run_rebuilt(struct reconcile_run *run,
                                              struct ts_err *err);
/* All is decided, and nothing of it was sent; all was sent that could be. */
TS_MUSTUSE enum ts_code reconcile_run_decided(struct reconcile_run *run,
                                              struct ts_err *err);
TS_MUSTUSE enum ts_code reconcile_run_sent(struct reconcile_run *run,
                                           struct ts_err *err);
/* The pass is over. Where it was the last one and something differs still,
 * `outcome` says so. */
TS_MUSTUSE enum ts_code reconcile_run_conclude(struct reconcile_run *run,
                                               struct cycle_outcome *outcome,
                                               bool *ret_again,
                                               struct ts_err *err);
/* The cycle failed, with `why`. A stop, or a lost lease, leaves the report open
 * for whoever goes on. */
void reconcile_run_failed(struct reconcile_run *run, const struct ts_err *why);
/* Leaves the report with the context. */
void reconcile_run_done(struct reconcile_run *run);

#endif
