#include "node/engine/reconcile_run.h"

#include <stdio.h>
#include <string.h>

#include "node/engine/reconcile_left.h"
#include "node/engine/reconcile_report.h"

#define WHY_SIZE 400

void reconcile_run_init(struct reconcile_run *run,
                        struct engine_context *engine, bool reporting)
{
    *run = (struct reconcile_run){ .engine = engine,
                                   .reporting = reporting,
                                   .begun = ts_time_now() };
    json_decref(engine->reconcile_report);
    engine->reconcile_report = NULL;
}

/* ---- the report -------------------------------------------------------------
 */

static const char *reason_of(const struct reconcile_run *run,
                             const json_t *before)
{
    const char *reason = run->engine->reconcile_reason;
    if (reason == NULL) {
        reason = json_string_value(json_object_get(before, "reason"));
    }
    return reason == NULL ? "operator" : reason;
}

static enum ts_code open_report(struct reconcile_run *run, struct ts_err *err)
{
    struct engine_context *engine = run->engine;
    char now[TS_WALL_TEXT_SIZE];
    bool open = false;
    enum ts_code code = reconcile_report_open(engine->state.mv, &open, err);
    if (code != TS_OK) {
        return code;
    }
    json_t *before = open ? reconcile_report_load(engine->state.mv) : NULL;
    json_int_t anew = json_integer_value(json_object_get(before, "anew"));
    ts_wall_text(now);
    run->report = json_pack(
        "{s:s, s:s, s:s, s:I, s:s, s:n, s:I, s:n, s:I, s:[], s:[]}", "state",
        "running", "reason", reason_of(run, before), "node",
        engine->config->this_node, "epoch", (json_int_t) engine->state.epoch,
        "started", now, "finished", "duration_ms", (json_int_t) 0, "why",
        "anew", open ? anew + 1 : 0, "passes", "left");
    json_decref(before);
    return reconcile_report_store(engine, run->report, err);
}

/* It is over; `why`: not clean. */
static enum ts_code close_report(struct reconcile_run *run, const char *state,
                                 const char *why, struct ts_err *err)
{
    char now[TS_WALL_TEXT_SIZE];
    ts_wall_text(now);
    (void) json_object_set_new(run->report, "state", json_string(state));
    (void) json_object_set_new(run->report, "finished", json_string(now));
    (void) json_object_set_new(run->report, "duration_ms",
                               json_integer(ts_time_now().ms - run->begun.ms));
    if (why != NULL) {
        (void) json_object_set_new(run->report, "why", json_string(why));
    }
    return reconcile_report_store(run->engine, run->report, err);
}

/* ---- a pass -----------------------------------------------------------------
 */

enum ts_code reconcile_run_pass(struct reconcile_run *run, struct ts_err *err)
{
    struct engine_context *engine = run->engine;
    run->pass++;
    run->pass_begun = ts_time_now();
    reconcile_found_done(&run->found);
    engine->found = &run->found;
    return run->reporting && run->report == NULL && engine->state.mv != NULL
               ? open_report(run, err)
               : TS_OK;
}

enum ts_code reconcile_run_rebuilt(struct reconcile_run *run,
                                   struct ts_err *err)
{
    static const char sql[] =
        "SELECT EXISTS(SELECT 1 FROM target_object WHERE anchor <> '' AND "
        "metaverse_id IS NULL)";
    struct engine_context *engine = run->engine;
    int64_t some = 0;
    enum ts_code code = db_query_int(&engine->state.mv->db, sql, &some, err);
    if (code != TS_OK || some == 0) {
        return code;
    }
    run->reporting = true;
    engine->reconcile_reason = "rebuild";
    return open_report(run, err);
}

enum ts_code reconcile_run_decided(struct reconcile_run *run,
                                   struct ts_err *err)
{
    return run->reporting
               ? reconcile_found_decided(run->engine, &run->found, err)
               : TS_OK;
}

enum ts_code reconcile_run_sent(struct reconcile_run *run, struct ts_err *err)
{
    return run->reporting ? reconcile_found_sent(run->engine, &run->found, err)
                          : TS_OK;
}

/* ---- the verdict ------------------------------------------------------------
 */

/* "3 objects still differ at the target after 5 passes: 2 edited, 1 members;
 * the first is "ada"" */
static void why_incomplete(const struct reconcile_run *run,
                           const struct cycle_outcome *outcome,
                           char why[static WHY_SIZE])
{
    const struct pass_found *counts = &run->found.counts;
    if (!counts->carried_out) {
        (void) snprintf(why, WHY_SIZE, "nothing could be put right: %.300s",
                        outcome->err.text);
        return;
    }
    uint64_t open = passes_open(run->pass, counts);
    const char *first = NULL;
    int used = snprintf(why, WHY_SIZE,
                        "%llu object%s still differ%s at the target after %u "
                        "passes:",
                        (unsigned long long) open, open == 1 ? "" : "s",
                        open == 1 ? "s" : "", run->pass);
    const char *comma = " ";
    for (int i = 0; i < PASS_CLASSES && used < WHY_SIZE; i++) {
        enum pass_class class = (enum pass_class) i;
        if (counts->count[i] == 0 || !passes_counts(run->pass, class)) {
            continue;
        }
        used += snprintf(why + used, (size_t) (WHY_SIZE - used), "%s%llu %s",
                         comma, (unsigned long long) counts->count[i],
                         pass_class_name(class));
        comma = ", ";
        if (first == NULL) {
            first = json_string_value(json_object_get(
                json_array_get(run->found.names[i], 0), "name"));
        }
    }
    if (first != NULL && used < WHY_SIZE) {
        (void) snprintf(why + used, (size_t) (WHY_SIZE - used),
                        ", the first is \"%.120s\"", first);
    }
}

static enum ts_code give_up(struct reconcile_run *run,
                            struct cycle_outcome *outcome, struct ts_err *err)
{
    char why[WHY_SIZE];
    why_incomplete(run, outcome, why);
    if (outcome->result == CYCLE_SUCCESS || outcome->result == CYCLE_PARTIAL) {
        outcome->result = CYCLE_PARTIAL;
        (void) ts_fail(&outcome->err, TS_E_CONFLICT, 0, "%s", why);
    }
    outcome->incomplete = true;
    return close_report(run, "incomplete", why, err);
}

enum ts_code reconcile_run_conclude(struct reconcile_run *run,
                                    struct cycle_outcome *outcome,
                                    bool *ret_again, struct ts_err *err)
{
    struct engine_context *engine = run->engine;
    json_t *left = NULL;
    engine->found = NULL;
    *ret_again = false;
    if (!run->reporting || run->report == NULL) {
        return TS_OK;
    }
    outcome->reconciled = true;
    json_t *pass = reconcile_found_document(run->pass, &run->found);
    (void) json_object_set_new(
        pass, "ms", json_integer(ts_time_now().ms - run->pass_begun.ms));
    (void) json_array_append_new(json_object_get(run->report, "passes"), pass);
    enum ts_code code = reconcile_left(engine, &left, err);
    if (code != TS_OK) {
        return code;
    }
    if (run->found.not_shown > 0) {
        (void) json_array_append_new(
            left, json_pack("{s:s, s:I, s:n}", "class", "not-shown", "count",
                            (json_int_t) run->found.not_shown, "objects"));
    }
    (void) json_object_set_new(run->report, "left", left);
    switch (passes_verdict(run->pass, &run->found.counts)) {
    case PASSES_CLEAN:
        return close_report(run, "clean", NULL, err);
    case PASSES_INCOMPLETE:
        return give_up(run, outcome, err);
    case PASSES_AGAIN:
        break;
    }
    *ret_again = true;
    return reconcile_report_store(engine, run->report, err);
}

/* ---- the end ----------------------------------------------------------------
 */

void reconcile_run_failed(struct reconcile_run *run, const struct ts_err *why)
{
    struct ts_err ignored;
    run->engine->found = NULL;
    if (run->report == NULL || why->code == TS_E_CANCELLED ||
        run->engine->state.mv == NULL || run->engine->state.building) {
        return;
    }
    /* What cannot be kept leaves the report open: it is begun anew. */
    if (close_report(run, "failed", why->text, &ignored) != TS_OK) {
        return;
    }
}

void reconcile_run_done(struct reconcile_run *run)
{
    run->engine->found = NULL;
    run->engine->reconcile_report = run->report;
    run->report = NULL;
    reconcile_found_done(&run->found);
}
