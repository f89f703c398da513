#include "node/engine/staging_events.h"

#include <stdio.h>

struct staging_moment staging_moment(const struct engine_context *engine)
{
    struct staging_moment moment = { .why = engine->staging };
    (void) snprintf(moment.plan, sizeof moment.plan, "%s",
                    plan_hash(engine->plan));
    return moment;
}

/* `fields` is stolen. */
static enum ts_code note(struct engine *engine, const char *name,
                         const char *actor, json_t *fields, struct ts_err *err)
{
    enum ts_code code =
        events_append(local_events(engine->local), name, actor, fields, err);
    json_decref(fields);
    return code;
}

/* A plan that is over: done, with what became of it, or given up. */
static enum ts_code note_plan(struct engine *engine,
                              const struct staging_moment *before,
                              struct ts_err *err)
{
    json_t *report = engine->context.plan_report;
    if (before->plan[0] == 0 ||
        strcmp(before->plan, plan_hash(engine->context.plan)) == 0) {
        return TS_OK;
    }
    if (report == NULL) {
        return note(engine, "plan-given-up", "daemon",
                    json_pack("{s:s}", "hash", before->plan), err);
    }
    json_t *fields = json_object();
    static const char *const kept[] = { "hash", "performed", "dropped",
                                        "left" };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        (void) json_object_set(fields, kept[i],
                               json_object_get(report, kept[i]));
    }
    return note(engine, "plan-done", "daemon", fields, err);
}

enum ts_code staging_note_change(struct engine *engine,
                                 const struct staging_moment *before,
                                 const char *actor, const char *reason,
                                 struct ts_err *err)
{
    enum staging now = engine->context.staging;
    enum ts_code code = note_plan(engine, before, err);
    if (code != TS_OK || now == before->why) {
        return code;
    }
    const char *why = reason[0] == 0 ? NULL : reason;
    return now != STAGING_NONE
               ? note(engine, "staging-began", actor,
                      json_pack("{s:s, s:s?}", "why", staging_name(now),
                                "reason", why),
                      err)
               : note(engine, "staging-ended", actor,
                      json_pack("{s:s, s:s?}", "why", staging_name(before->why),
                                "reason", why),
                      err);
}

enum ts_code staging_note_approval(struct engine *engine,
                                   const struct plan_approval *approval,
                                   struct ts_err *err)
{
    return note(engine, "plan-approved",
                approval->actor[0] == 0 ? "operator" : approval->actor,
                json_pack("{s:s, s:s}", "hash", approval->hash, "reason",
                          approval->reason),
                err);
}
