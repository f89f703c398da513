#include <string.h>
#include <sys/random.h>

#include "node/daemon/cluster_handover.h"
#include "node/daemon/cluster_private.h"

#define REASON_SIZE_MAX   500 /* bytes, as the tool's --reason */
#define PAUSE_SECONDS_MAX 31536000

/* --- replies -------------------------------------------------------------- */

static void finish(struct control_reply *reply, int status, json_t *result,
                   const char *error)
{
    control_reply_finish(reply, (enum control_exit) status, result, error);
}

static void tell_pause(const struct member_view *view, json_t *result)
{
    char until[TS_WALL_TEXT_SIZE] = "";
    int64_t left_ms = 0;
    if (view->paused && view->value->pause_left_ms > 0) {
        left_ms = (int64_t) view->value->pause_left_ms - view->value_age_ms;
        ts_wall_text_of(ts_wall_seconds() + left_ms / 1000, until);
    }
    (void) json_object_set_new(result, "paused", json_boolean(view->paused));
    (void) json_object_set_new(
        result, "until", until[0] == 0 ? json_null() : json_string(until));
}

/* What a command that was done answers with. */
static json_t *done_document(struct cluster *c, enum member_command command,
                             const char *text)
{
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    json_t *result =
        json_pack("{s:s, s:I, s:s}", "role", member_role_name(view.role),
                  "epoch", (json_int_t) view.epoch, "text", text);
    if (command == MEMBER_COMMAND_LEVEL && view.has_value) {
        (void) json_object_set_new(result, "level",
                                   json_integer(view.value->level));
    } else if (command == MEMBER_COMMAND_MAINTENANCE_ON ||
               command == MEMBER_COMMAND_MAINTENANCE_OFF) {
        (void) json_object_set_new(
            result, "maintenance",
            json_boolean(command == MEMBER_COMMAND_MAINTENANCE_ON));
        (void) json_object_set_new(result, "staging", json_null());
    } else if (command == MEMBER_COMMAND_PAUSE ||
               command == MEMBER_COMMAND_RESUME) {
        tell_pause(&view, result);
    }
    return result;
}

/* The register allows the level: the barrier goes into the journal, and each
 * node migrates when it comes to it. */
static void finalized(struct cluster *c,
                      const struct cluster_store_answer *answer, uint64_t slot)
{
    struct cluster_pending *pending = &c->pending[slot];
    struct control_reply *reply = pending->reply;
    pending->id = 0;
    if (answer->code != TS_OK) {
        control_reply_fail(reply, &answer->err);
        return;
    }
    finish(reply, CONTROL_DONE,
           done_document(c, MEMBER_COMMAND_LEVEL, "the new schema is in use"),
           NULL);
}

/* False: it could not be begun. */
static bool finalize(struct cluster *c, size_t slot)
{
    struct engine_done done;
    if (!cluster_store_call(c, finalized, slot, &done)) {
        return false;
    }
    engine_finalize(c->engine, (int64_t) c->schema.migration_count, done);
    return true;
}

void cluster_answer(struct cluster *c, uint64_t id, int status,
                    const char *text)
{
    if (id == c->release_id && id != 0) {
        c->release_by = TS_NEVER;
        if (status == CONTROL_DONE) { // nothing is left to give back
            board_note(c->options.board, c->boot_text, 0);
        }
        c->options.released(c->options.context);
        return;
    }
    if (cluster_retire_answered(c, id, status, text) ||
        cluster_rekey_answered(c, id, status, text) ||
        cluster_handover_answered(c->handover, id, status, text)) {
        return;
    }
    for (size_t i = 0; i < CLUSTER_COMMANDS_MAX; i++) {
        struct cluster_pending *pending = &c->pending[i];
        if (pending->id == id && id != 0) {
            if (status == CONTROL_DONE &&
                pending->command == MEMBER_COMMAND_LEVEL && finalize(c, i)) {
                return; // answered when the engine has done its part
            }
            struct control_reply *reply = pending->reply;
            pending->id = 0;
            finish(reply, status,
                   status == 0 ? done_document(c, pending->command, text)
                               : NULL,
                   status == 0 ? NULL : text);
        }
    }
}

void cluster_forget_commands(struct cluster *c)
{
    for (size_t i = 0; i < CLUSTER_COMMANDS_MAX; i++) {
        if (c->pending[i].id != 0) {
            c->pending[i].id = 0;
            finish(c->pending[i].reply, CONTROL_FAILED, NULL,
                   "could not do that because the daemon is stopping; start "
                   "it and try again");
        }
    }
}

/* --- asking the member ---------------------------------------------------- */

static void ask(struct cluster *c, struct member_request *request,
                struct control_reply *reply)
{
    size_t slot = 0;
    while (slot < CLUSTER_COMMANDS_MAX && c->pending[slot].id != 0) {
        slot++;
    }
    if (slot == CLUSTER_COMMANDS_MAX) {
        finish(reply, CONTROL_FAILED, NULL,
               "could not take the request: too many wait already; try again");
        return;
    }
    request->id = ++c->last_id;
    c->pending[slot] = (struct cluster_pending){ .id = request->id,
                                                 .command = request->command,
                                                 .reply = reply };
    cluster_feed(c, &(struct member_event){ .kind = MEMBER_COMMAND,
                                            .command = *request });
}

void cluster_release(struct cluster *c)
{
    if (c->release_id != 0) {
        return;
    }
    struct member_request request = { .id = ++c->last_id,
                                      .command = MEMBER_COMMAND_RELEASE,
                                      .actor = "daemon",
                                      .reason = "the daemon is stopping" };
    c->release_id = request.id;
    c->release_by = ts_time_after(ts_time_now(), CLUSTER_RELEASE_MS);
    cluster_feed(c, &(struct member_event){ .kind = MEMBER_COMMAND,
                                            .command = request });
}

/* --- what operators may ask ------------------------------------------------
 */

static const char *text_of(const json_t *args, const char *key)
{
    const char *text = json_string_value(json_object_get(args, key));
    return text == NULL ? "" : text;
}

static struct member_request request_of(const struct cluster *c,
                                        enum member_command command,
                                        const json_t *args)
{
    const char *who = text_of(args, "who");
    struct member_request request = {
        .command = command,
        .actor = who[0] == 0 ? "operator" : who,
        .reason = text_of(args, "reason"),
        .accept_data_loss =
            json_is_true(json_object_get(args, "accept_data_loss")),
        .server = ts_slice_str(c->server), // of INIT, REPAIR and REPIN
    };
    // Only what writes a new register needs them; what repeats is refused.
    (void) !getrandom(request.random, sizeof request.random, GRND_NONBLOCK);
    return request;
}

static void run_explain(struct cluster *c, const json_t *args,
                        struct control_reply *reply)
{
    (void) args;
    finish(reply, CONTROL_DONE, cluster_explain(c), NULL);
}

static void run_register_status(struct cluster *c, const json_t *args,
                                struct control_reply *reply)
{
    (void) args;
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    finish(reply, view.register_ok ? CONTROL_DONE : CONTROL_FAILED,
           cluster_register_document(c), NULL);
}

static void ask_plain(struct cluster *c, enum member_command command,
                      const json_t *args, struct control_reply *reply)
{
    struct member_request request = request_of(c, command, args);
    ask(c, &request, reply);
}

static void run_failover(struct cluster *c, const json_t *args,
                         struct control_reply *reply)
{
    ask_plain(c, MEMBER_COMMAND_FAILOVER, args, reply);
}

static void run_fence_accept(struct cluster *c, const json_t *args,
                             struct control_reply *reply)
{
    ask_plain(c, MEMBER_COMMAND_ACCEPT_FENCE, args, reply);
}

/* The first node of a pair: it makes the key that seals what the register
 * holds. */
static void run_init(struct cluster *c, const json_t *args,
                     struct control_reply *reply)
{
    struct ts_err err;
    if (cluster_make_key(c, &err) != TS_OK) {
        control_reply_fail(reply, &err);
        return;
    }
    ask_plain(c, MEMBER_COMMAND_INIT, args, reply);
}

static void run_repair(struct cluster *c, const json_t *args,
                       struct control_reply *reply)
{
    ask_plain(c, MEMBER_COMMAND_REPAIR, args, reply);
}

static void run_repin(struct cluster *c, const json_t *args,
                      struct control_reply *reply)
{
    ask_plain(c, MEMBER_COMMAND_REPIN, args, reply);
}

static void run_finalize(struct cluster *c, const json_t *args,
                         struct control_reply *reply)
{
    struct member_request request = request_of(c, MEMBER_COMMAND_LEVEL, args);
    request.level = (uint32_t) c->schema.migration_count;
    ask(c, &request, reply);
}

static void run_maintenance(struct cluster *c, const json_t *args,
                            struct control_reply *reply)
{
    ask_plain(c,
              json_is_true(json_object_get(args, "on"))
                  ? MEMBER_COMMAND_MAINTENANCE_ON
                  : MEMBER_COMMAND_MAINTENANCE_OFF,
              args, reply);
}

static void run_pause(struct cluster *c, const json_t *args,
                      struct control_reply *reply)
{
    struct ts_err err;
    const json_t *given = json_object_get(args, "for_seconds");
    json_int_t seconds = json_integer_value(given);
    if (json_is_integer(given) &&
        (seconds < 1 || seconds > PAUSE_SECONDS_MAX)) {
        (void) ts_fail(&err, TS_E_CONFIG, 0,
                       "cannot pause for %lld s: a pause is of 1 to %d s, or "
                       "until twinsync resume",
                       (long long) seconds, PAUSE_SECONDS_MAX);
        control_reply_fail(reply, &err);
        return;
    }
    struct member_request request = request_of(c, MEMBER_COMMAND_PAUSE, args);
    request.for_ms = (int64_t) seconds * 1000;
    ask(c, &request, reply);
}

static void run_resume(struct cluster *c, const json_t *args,
                       struct control_reply *reply)
{
    ask_plain(c, MEMBER_COMMAND_RESUME, args, reply);
}

static void run_handover(struct cluster *c, const json_t *args,
                         struct control_reply *reply)
{
    cluster_handover_command(c->handover, args, reply);
}

static void run_handover_status(struct cluster *c, const json_t *args,
                                struct control_reply *reply)
{
    (void) args;
    cluster_handover_status(c->handover, reply);
}

/* --- the table ------------------------------------------------------------ */

#define ARGS_MAX 6

struct command {
    const char *name;
    void (*run)(struct cluster *c, const json_t *args,
                struct control_reply *reply);
    bool needs_reason;
    struct {
        const char *name;
        json_type type;
    } args[ARGS_MAX];
};

#define SIGNED                \
    { "who", JSON_STRING },   \
    {                         \
        "reason", JSON_STRING \
    }

static const struct command commands[] = {
    { "explain", run_explain, false, { { NULL, JSON_NULL } } },
    { "failover",
      run_failover,
      true,
      { SIGNED, { "accept_data_loss", JSON_TRUE } } },
    { "handover",
      run_handover,
      false,
      { SIGNED,
        { "order", JSON_STRING },
        { "to", JSON_STRING },
        { "retire", JSON_TRUE },
        { "from_dead", JSON_TRUE } } },
    { "handover-status", run_handover_status, false, { { NULL, JSON_NULL } } },
    { "fence-accept", run_fence_accept, true, { SIGNED } },
    { "retire",
      cluster_retire_command,
      false,
      { SIGNED, { "node", JSON_STRING } } },
    { "register-status", run_register_status, false, { { NULL, JSON_NULL } } },
    { "register-init", run_init, true, { SIGNED } },
    { "register-repair", run_repair, true, { SIGNED } },
    { "register-repin", run_repin, true, { SIGNED } },
    { "upgrade-finalize", run_finalize, false, { SIGNED } },
    { "maintenance",
      run_maintenance,
      false,
      { SIGNED, { "on", JSON_TRUE }, { "staging", JSON_TRUE } } },
    { "pause", run_pause, false, { { "for_seconds", JSON_INTEGER } } },
    { "resume", run_resume, false, { { NULL, JSON_NULL } } },
};

static bool fits(const json_t *value, json_type type)
{
    return type == JSON_TRUE
               ? json_is_boolean(value)
               : json_typeof(value) == type ||
                     (type == JSON_INTEGER && json_is_null(value));
}

/* The first member that the command does not take, or takes otherwise. */
static const char *misfit(const struct command *command, const json_t *args)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *) (uintptr_t) args, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < ARGS_MAX && command->args[i].name != NULL; i++) {
            known = known || (strcmp(command->args[i].name, key) == 0 &&
                              fits(value, command->args[i].type));
        }
        if (!known) {
            return key;
        }
    }
    return NULL;
}

static void run(struct cluster *c, const struct command *command,
                const json_t *args, struct control_reply *reply)
{
    struct ts_err err;
    const char *wrong = misfit(command, args);
    const char *reason = text_of(args, "reason");
    if (wrong != NULL) {
        (void) ts_fail(&err, TS_E_CONFIG, 0,
                       "cannot do %s because \"%.64s\" is not what it takes: "
                       "use a tool of this version",
                       command->name, wrong);
        control_reply_fail(reply, &err);
    } else if (command->needs_reason &&
               (reason[0] == 0 || strlen(reason) > REASON_SIZE_MAX)) {
        (void) ts_fail(&err, TS_E_CONFIG, 0,
                       "cannot do %s without a reason of 1 to %d bytes: use "
                       "--reason",
                       command->name, REASON_SIZE_MAX);
        control_reply_fail(reply, &err);
    } else {
        command->run(c, args, reply);
    }
}

/* Whose is it? `maintenance on --staging`, and its end, are the engine's. */
static bool is_ours(struct cluster *c, const char *name, const json_t *args)
{
    if (strcmp(name, "maintenance") != 0) {
        return true;
    }
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    return !json_is_true(json_object_get(args, "staging")) &&
           (view.maintenance || json_is_true(json_object_get(args, "on")));
}

bool cluster_request(struct cluster *c, const char *name, const json_t *args,
                     struct control_reply *reply)
{
    if (strcmp(name, "status") == 0) {
        cluster_publish_status(c);
        return false;
    }
    if (strcmp(name, "token-create") == 0) {
        return cluster_peer_token(c, args, reply);
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0 && is_ours(c, name, args)) {
            run(c, &commands[i], args, reply);
            return true;
        }
    }
    return false;
}
