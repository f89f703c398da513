#include <string.h>

#include "node/config/loader.h"
#include "node/register/configured.h"
#include "node/register/document.h"
#include "node/vault/keeper.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_REASON
};

/* --- saying ------------------------------------------------------------- */

static void put_field(const struct screen *screen, const char *name,
                      enum tone tone, const char *text)
{
    (void) fputs("  ", screen->out);
    put_toned(screen, TONE_FAINT, 12, name);
    put_toned(screen, tone, 0, text);
    (void) putc('\n', screen->out);
}

static void put_holder(const struct screen *screen, const json_t *value)
{
    char line[160], epoch[TEXT_SIZE];
    bool released = flag_at(value, "released");
    const char *holder = text_at(value, "holder");
    (void) snprintf(line, sizeof line, "%s, %s%.64s",
                    count_text(epoch, count_at(value, "epoch")),
                    holder[0] == 0 ? "nobody has held it yet"
                    : released     ? "given up by "
                                   : "held by ",
                    holder);
    put_field(screen, "epoch", released ? TONE_BUSY : TONE_GOOD, line);
}

static void put_members(const struct screen *screen, const json_t *value)
{
    char line[300] = "";
    size_t index, used = 0;
    const json_t *name;
    json_array_foreach(json_object_get(value, "voters"), index, name)
    {
        used += (size_t) snprintf(line + used, sizeof line - used, "%s%.64s",
                                  index == 0 ? "" : " and ",
                                  json_string_value(name));
    }
    const char *learner = text_at(value, "learner");
    (void) snprintf(line + used, sizeof line - used, "%s%.64s",
                    learner[0] == 0 ? "" : ", joining: ", learner);
    put_field(screen, "members", TONE_PLAIN, line);
}

static void put_retired(const struct screen *screen, const json_t *value)
{
    size_t index;
    const json_t *row;
    json_array_foreach(json_object_get(value, "retired"), index, row)
    {
        char line[480];
        const char *at = text_at(row, "at"), *by = text_at(row, "by");
        (void) snprintf(line, sizeof line, "%.64s%s%.32s%s%.64s: %.256s",
                        text_at(row, "node"), at[0] == 0 ? "" : ", ", at,
                        by[0] == 0 ? "" : " by ", by, text_at(row, "reason"));
        put_field(screen, "retired", TONE_PLAIN, line);
    }
}

static void put_principals(const struct screen *screen, const json_t *value)
{
    static const struct column columns[] = { { "EPOCH", true, false },
                                             { "NODE", false, false },
                                             { "CREDENTIAL", false, false },
                                             { NULL, false, false } };
    const json_t *list = json_object_get(value, "principals");
    if (json_array_size(list) == 0) {
        return;
    }
    put_heading(screen, "Credentials that the target may still admit");
    struct libscols_table *table = table_new(screen, columns);
    size_t index;
    const json_t *row;
    json_array_foreach(list, index, row)
    {
        char epoch[TEXT_SIZE];
        table_row(screen, table, TONE_PLAIN,
                  (const char *[]){ count_text(epoch, count_at(row, "epoch")),
                                    text_at(row, "node"), text_at(row, "id") });
    }
    table_done(table);
}

static void show(const struct screen *screen, const json_t *result)
{
    const json_t *value = json_object_get(result, "value");
    bool ok = flag_at(result, "ok");
    char age[TEXT_SIZE], line[TEXT_SIZE + 32];
    put_field(screen, "register", TONE_STRONG, text_at(result, "type"));
    put_field(screen, "answers", ok ? TONE_GOOD : TONE_BAD,
              ok ? "yes" : text_at(result, "text"));
    if (!json_is_object(value)) {
        put_field(screen, "value", TONE_WARN,
                  ok ? "none yet: twinsync register init writes the first"
                     : "not known");
        return;
    }
    put_holder(screen, value);
    put_members(screen, value);
    put_field(screen, "fence", flag_at(value, "fenced") ? TONE_GOOD : TONE_BUSY,
              flag_at(value, "fenced")
                  ? "every credential of an earlier epoch is gone"
                  : "pending: an earlier credential may still be admitted");
    put_field(screen, "protected",
              flag_at(value, "protected") ? TONE_GOOD : TONE_WARN,
              flag_at(value, "protected")
                  ? "yes"
                  : "no: exported without the standby's acknowledgement");
    if (json_is_integer(json_object_get(value, "age_ms"))) {
        (void) snprintf(line, sizeof line, "%s ago",
                        span_text(age, count_at(value, "age_ms")));
        put_field(screen, "renewed", TONE_PLAIN, line);
    }
    put_field(screen, "id", TONE_FAINT, text_at(value, "id"));
    put_retired(screen, value);
    put_principals(screen, value);
}

/* --- status, with and without the daemon --------------------------------- */

static enum ts_code decode(struct ts_slice bytes, json_t **ret_value,
                           struct ts_err *err)
{
    struct ts_arena arena;
    struct register_value *value = calloc(1, sizeof *value);
    if (value == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read the register");
    }
    ts_arena_init(&arena, REGISTER_ARENA_SIZE);
    enum ts_code code = register_unpack(bytes, &arena, value, err);
    if (code == TS_OK) {
        *ret_value = register_document(value, -1);
    }
    ts_arena_done(&arena);
    free(value);
    return code;
}

/* The document that the daemon would give, from the register itself. */
static enum ts_code read_directly(const struct config *config,
                                  json_t **ret_result, struct ts_err *err)
{
    struct register_configured configured;
    struct register_client *client = NULL;
    struct ts_arena arena;
    struct ts_slice bytes = TS_SLICE_NONE;
    json_t *value = NULL;
    ts_arena_init(&arena, 2 * REGISTER_VALUE_MAX);
    struct keeper *keeper = NULL;
    enum ts_code code = keeper_new(config, &keeper, err);
    if (code != TS_OK) {
        ts_arena_done(&arena);
        return code;
    }
    code = register_options_of(config, keeper_port(keeper), &configured, err);
    if (code == TS_OK) {
        code = register_open(&configured.options, &client, err);
    }
    if (code == TS_OK) {
        code = register_read(client, &arena, &bytes, err);
    }
    if (code == TS_OK && bytes.size > 0) {
        code = decode(bytes, &value, err);
    }
    if (code == TS_OK) {
        *ret_result =
            json_pack("{s:s, s:b, s:n, s:o}", "type",
                      register_kind_text(configured.options.kind), "ok", 1,
                      "text", "value", value == NULL ? json_null() : value);
    }
    register_close(client);
    register_configured_done(&configured);
    keeper_free(keeper);
    ts_arena_done(&arena);
    return code;
}

static bool daemon_runs(const struct config *config)
{
    struct control_client *client = NULL;
    enum ts_code code =
        control_client_open(config->state_directory, &client, NULL);
    control_client_close(client);
    return code == TS_OK;
}

static enum control_exit run_status(const struct cli_call *call)
{
    enum control_exit exit_status = CONTROL_DONE;
    struct config *config = cli_config(call, &exit_status);
    if (config == NULL) {
        return exit_status;
    }
    json_t *result = NULL;
    if (daemon_runs(config)) {
        const struct daemon_question question = { .command = "register-status",
                                                  .wait_ms =
                                                      CONTROL_CLIENT_WAIT_MS };
        exit_status = daemon_ask(call, &question, &result);
    } else {
        struct ts_err err;
        enum ts_code code = read_directly(config, &result, &err);
        if (code != TS_OK) {
            exit_status = cli_fail_err(call, &err);
        } else if (call->json) {
            cli_print_json(result);
            json_decref(result);
            result = NULL;
        }
    }
    config_free(config);
    if (result != NULL) {
        struct screen screen = screen_of(stdout);
        show(&screen, result);
        json_decref(result);
    }
    return exit_status;
}

/* --- decisions ----------------------------------------------------------- */

static enum control_exit run_decision(const struct cli_call *call)
{
    char command[32], what[32];
    (void) snprintf(command, sizeof command, "register-%s", call->words[0]);
    (void) snprintf(what, sizeof what, "do register %s", call->words[0]);
    return operator_decide(call, command, json_object(),
                           call->options[OPTION_REASON], what);
}

static enum control_exit run(const struct cli_call *call)
{
    if (strcmp(call->words[0], "status") != 0) {
        return run_decision(call);
    }
    if (call->options[OPTION_REASON] != NULL) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot use --reason with register status, which "
                        "changes nothing: leave it out");
    }
    return run_status(call);
}

const struct cli_command command_register = {
    .name = "register",
    .words = "status|init|repair|repin",
    .summary = "Show or mend the value that says who may export",
    .details =
        "status   what the register holds; without the daemon it is asked "
        "directly\n"
        "init     write its first value, once, on the first node of a pair\n"
        "repair   after it was lost, restored or made anew: write it with a "
        "new\n"
        "         identity and an epoch above every one that is known\n"
        "repin    go on with another LDAP server, or with one that was "
        "restored\n"
        "\n"
        "init, repair and repin need the daemon and --reason. Before a repair "
        "make\n"
        "sure that no other node exports: nothing can tell you but that "
        "node.\n",
    .examples =
        "  twinsync register status\n"
        "  twinsync register init --reason \"first node of the pair\"\n"
        "  twinsync register repair --reason \"the witness's disk is gone\"\n",
    .words_min = 1,
    .words_max = 1,
    .words_are_fixed = true,
    .options = { [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run,
};
