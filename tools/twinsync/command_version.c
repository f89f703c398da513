#include "node/config/loader.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"

/* The running daemon's version, or NULL: not being reachable is no error here.
 */
static json_t *daemon_version(const struct cli_call *call)
{
    struct config *config = NULL;
    if (config_load(call->config_path, &config, NULL, NULL) != TS_OK) {
        return NULL;
    }
    struct control_client *client = NULL;
    enum ts_code code =
        control_client_open(config->state_directory, &client, NULL);
    config_free(config);
    if (code != TS_OK) {
        return NULL;
    }
    const struct control_call question = { .command = "status",
                                           .wait_ms = CONTROL_CLIENT_WAIT_MS };
    struct control_answer answer;
    json_t *version = NULL;
    if (control_client_call(client, &question, &answer, NULL) == TS_OK) {
        version = json_incref(json_object_get(answer.result, "version"));
        control_answer_done(&answer);
    }
    control_client_close(client);
    return version;
}

static enum control_exit run(const struct cli_call *call)
{
    json_t *daemon = daemon_version(call);
    json_t *document =
        json_pack("{s:s, s:O?}", "version", TS_VERSION, "daemon", daemon);
    if (call->json) {
        cli_print_json(document);
    } else {
        (void) printf("twinsync %s\n", TS_VERSION);
        if (daemon != NULL) {
            (void) printf("twinsyncd %s (running)\n",
                          json_string_value(daemon));
        }
    }
    json_decref(document);
    json_decref(daemon);
    return CONTROL_DONE;
}

const struct cli_command command_version = {
    .name = "version",
    .words = "",
    .summary = "Print the version, and that of the running daemon",
    .examples =
        "  twinsync version           both versions, when one runs\n"
        "  twinsync --json version    {\"version\": …, \"daemon\": …}\n",
    .run = run,
};
