#include "node/engine/commands.h"

#include <stdio.h>

#include "node/engine/query/queries.h"

enum ts_code commands_decided(struct engine *engine,
                              const struct decision *decision,
                              struct ts_err *err)
{
    struct state *state = &engine->context.state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = decision_put(state->mv, decision, err);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

/* ---- waiting
 * ---------------------------------------------------------------------- */

bool commands_keep(struct request **list, size_t *count,
                   struct request *request)
{
    if (*count == ENGINE_WAITERS_MAX) {
        request_finish(request, 1, NULL,
                       "could not take the request: too many wait already; try "
                       "again");
        return false;
    }
    list[(*count)++] = request;
    return true;
}

static void run_verify(struct engine *engine, struct request *request)
{
    query_verify(engine, request);
}

/* ---- commands that answer at once
 * ------------------------------------------------------ */

static void set_paused(struct engine *engine, bool paused, int64_t until,
                       struct request *request)
{
    char text[32] = "";
    char shown[TS_WALL_TEXT_SIZE] = "";
    struct ts_err err;
    if (paused) {
        (void) snprintf(text, sizeof text, "%lld", (long long) until);
    }
    enum ts_code code =
        local_set_setting(engine->local, "paused-until", text, &err);
    if (code == TS_OK) {
        code = events_append(local_events(engine->local),
                             paused ? "paused" : "resumed", "operator", NULL,
                             &err);
    }
    if (code != TS_OK) {
        request_fail(request, &err);
        return;
    }
    engine_lock(engine);
    engine->snapshot.paused = paused;
    engine->snapshot.paused_until = until;
    engine_unlock(engine);
    if (until > 0) {
        ts_wall_text_of(until, shown);
    }
    request_finish(request, 0,
                   json_pack("{s:b, s:s?}", "paused", paused, "until",
                             until > 0 ? shown : NULL),
                   NULL);
}

static void run_pause(struct engine *engine, struct request *request)
{
    json_int_t seconds =
        json_integer_value(json_object_get(request->args, "for_seconds"));
    set_paused(engine, true, seconds > 0 ? ts_wall_seconds() + seconds : 0,
               request);
}

static void run_resume(struct engine *engine, struct request *request)
{
    set_paused(engine, false, 0, request);
}

/* ---- the table
 * ------------------------------------------------------------------------- */

enum {
    AT_ONCE = 0,
    NEEDS_IDLE = 1, /* waits for the cycle that runs to end */
    WRITES = 2      /* not on a standby */
};

struct command {
    const char *name;
    void (*run)(struct engine *engine, struct request *request);
    int how;
    const char *const *args; /* what it takes, ends in NULL */
};

static const char *const none[] = { NULL };
static const char *const sync_args[] = { "full",           "wait",
                                         "accept_missing", "approve_first",
                                         "plan",           "who",
                                         "reason",         NULL };
static const char *const maintenance_args[] = { "on", "staging", "who",
                                                "reason", NULL };
static const char *const show_args[] = { "object", NULL };
static const char *const limit_args[] = { "limit", NULL };
static const char *const events_args[] = { "after", "limit", NULL };
static const char *const pause_args[] = { "for_seconds", NULL };

static const char *const retry_args[] = { "object", "who", "reason", NULL };
static const char *const members_args[] = { "group", "dry_run", "who", "reason",
                                            NULL };

static const char *const reanchor_args[] = { "match", "dry_run", "who",
                                             "reason", NULL };
static const char *const hold_args[] = { "hash", "only", "who", "reason",
                                         NULL };

static const struct command commands[] = {
    { "sync", commands_sync, NEEDS_IDLE | WRITES, sync_args },
    { "preview", commands_preview, NEEDS_IDLE | WRITES, none },
    { "maintenance", commands_maintenance, NEEDS_IDLE | WRITES,
      maintenance_args },
    { "verify", run_verify, NEEDS_IDLE, none },
    { "show", query_show, AT_ONCE, show_args },
    { "members-adopt", commands_members_adopt, NEEDS_IDLE | WRITES,
      members_args },
    { "reanchor", commands_reanchor, NEEDS_IDLE | WRITES, reanchor_args },
    { "retry", commands_retry, NEEDS_IDLE | WRITES, retry_args },
    { "hold-list", query_hold_list, AT_ONCE, none },
    { "approve", commands_approve, NEEDS_IDLE | WRITES, hold_args },
    { "reject", commands_reject, NEEDS_IDLE | WRITES, hold_args },
    { "errors", query_errors, AT_ONCE, none },
    { "history", query_history, AT_ONCE, limit_args },
    { "reconcile-report", query_reconcile, AT_ONCE, none },
    { "events", query_events, AT_ONCE, events_args },
    { "events-verify", query_events_verify, AT_ONCE, none },
    { "pause", run_pause, AT_ONCE, pause_args },
    { "resume", run_resume, AT_ONCE, none },
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static const char *unknown_arg(const struct command *command,
                               const json_t *args)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *) (uintptr_t) args, key, value)
    {
        bool known = false;
        for (size_t i = 0; command->args[i] != NULL; i++) {
            known = known || strcmp(command->args[i], key) == 0;
        }
        if (!known) {
            return key;
        }
    }
    return NULL;
}

void commands_take(struct engine *engine, struct request *request)
{
    const struct command *command = find(request->command);
    char text[160];
    if (command == NULL) {
        (void) snprintf(text, sizeof text,
                        "cannot run \"%s\": this daemon has no such command; "
                        "install the same version of tool and daemon",
                        request->command);
        request_finish(request, 2, NULL, text);
        return;
    }
    const char *unknown = unknown_arg(command, request->args);
    if (unknown != NULL) {
        (void) snprintf(text, sizeof text,
                        "cannot run \"%s\": it takes no argument \"%.60s\"",
                        request->command, unknown);
        request_finish(request, 2, NULL, text);
        return;
    }
    if ((command->how & WRITES) != 0 &&
        engine_refuse_as_standby(engine, request)) {
        return;
    }
    if ((command->how & NEEDS_IDLE) != 0 && engine->in_a_cycle) {
        (void) commands_keep(engine->waiting, &engine->waiting_count, request);
        return;
    }
    command->run(engine, request);
}
