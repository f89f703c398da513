/* sync, preview, maintenance: the commands that run cycles or keep them from
 * writing. */
#include "node/engine/commands.h"

#include "node/engine/plan.h"
#include "node/engine/query/queries.h"
#include "node/engine/staging.h"
#include "node/engine/staging_events.h"

#define WHO_SIZE_MAX    200
#define REASON_SIZE_MAX 2000

static const char *text_arg(const struct request *request, const char *name)
{
    const char *text = json_string_value(json_object_get(request->args, name));
    return text == NULL ? "" : text;
}

static bool flag_arg(const struct request *request, const char *name)
{
    return json_is_true(json_object_get(request->args, name));
}

/* ---- sync --------------------------------------------------------------- */

/* Who and why are recorded for good; false when refused and answered. */
static bool said_shortly(struct request *request)
{
    if (strlen(text_arg(request, "who")) <= WHO_SIZE_MAX &&
        strlen(text_arg(request, "reason")) <= REASON_SIZE_MAX) {
        return true;
    }
    request_finish(
        request, 2, NULL,
        "cannot record the decision: a name of more than 200 bytes "
        "or a reason of more than 2,000 is not kept; say it shorter");
    return false;
}

/* Of a pair only: what one cycle would write is not let through. */
static bool refuse_as_paused(struct engine *engine, struct request *request)
{
    const struct engine_pair *pair = engine->context.pair;
    if (pair == NULL || !pair->paused(pair->context)) {
        return false;
    }
    request_finish(request, 3, NULL,
                   "cannot run a cycle: the pair is paused; end that with "
                   "twinsync resume");
    return true;
}

/* False when the request was refused and answered. */
static bool enforce_plan(struct engine *engine, struct request *request)
{
    struct ts_err err;
    const struct plan_approval approval = {
        .hash = text_arg(request, "plan"),
        .actor = text_arg(request, "who"),
        .reason = text_arg(request, "reason"),
    };
    if (approval.hash[0] == 0) {
        return true;
    }
    if (!said_shortly(request)) {
        return false;
    }
    enum ts_code code = plan_enforce(&engine->context, &approval, &err);
    if (code == TS_OK) {
        code = staging_note_approval(engine, &approval, &err);
    }
    if (code != TS_OK) {
        request_fail(request, &err);
    }
    return code == TS_OK;
}

void commands_sync(struct engine *engine, struct request *request)
{
    struct cycle_outcome outcome;
    bool full = flag_arg(request, "full");
    if (refuse_as_paused(engine, request) || !enforce_plan(engine, request)) {
        return;
    }
    engine->context.accept_missing = flag_arg(request, "accept_missing");
    engine->context.approve_first =
        engine->approve_first || flag_arg(request, "approve_first");
    if (flag_arg(request, "wait")) {
        (void) commands_keep(engine->in_cycle, &engine->in_cycle_count,
                             request);
    } else {
        engine->to_begin = request;
    }
    engine->context.reconcile_reason = "operator";
    engine_cycle(engine, full ? CYCLE_RECONCILE : CYCLE_DELTA, &outcome);
    engine->context.approve_first = engine->approve_first;
    engine->due = ts_time_after(
        ts_time_now(), (int64_t) engine->config->schedule.every_seconds * 1000);
}

/* ---- preview ------------------------------------------------------------ */

void commands_preview(struct engine *engine, struct request *request)
{
    struct cycle_outcome outcome;
    engine_cycle(engine, CYCLE_PREVIEW, &outcome);
    if (outcome.result == CYCLE_FAILED) {
        request_fail(request, &outcome.err);
        return;
    }
    query_preview(engine, &outcome, request);
}

/* ---- maintenance -------------------------------------------------------- */

void commands_maintenance(struct engine *engine, struct request *request)
{
    struct ts_err err;
    struct staging_view view;
    bool on = flag_arg(request, "on");
    if (on && !flag_arg(request, "staging")) {
        request_finish(request, 2, NULL,
                       "cannot begin maintenance without --staging: one node "
                       "alone has nothing else to switch; use maintenance on "
                       "--staging, or pause");
        return;
    }
    if (!said_shortly(request)) {
        return;
    }
    struct staging_moment before = staging_moment(&engine->context);
    enum ts_code code = staging_maintenance(&engine->context, on, &err);
    if (code == TS_OK) {
        const char *who = text_arg(request, "who");
        code =
            staging_note_change(engine, &before, who[0] == 0 ? "operator" : who,
                                text_arg(request, "reason"), &err);
    }
    if (code == TS_OK) {
        code = staging_view(&engine->context, &view, &err);
    }
    if (code != TS_OK) {
        request_fail(request, &err);
        return;
    }
    engine_recount(engine);
    request_finish(request, 0,
                   json_pack("{s:b, s:o}", "maintenance",
                             view.why == STAGING_MAINTENANCE, "staging",
                             staging_document(&view)),
                   NULL);
}
