#include "tools/twinsync/daemon.h"

#include "node/base/time.h"
#include "node/config/loader.h"
#include "tools/twinsync/bar.h"

struct control_client *daemon_connect(const struct cli_call *call,
                                      enum control_exit *ret_exit)
{
    struct config *config = cli_config(call, ret_exit);
    if (config == NULL) {
        return NULL;
    }
    struct control_client *client = NULL;
    struct ts_err err;
    enum ts_code code =
        control_client_open(config->state_directory, &client, &err);
    config_free(config);
    if (code != TS_OK) {
        *ret_exit = cli_fail_err(call, &err);
        return NULL;
    }
    return client;
}

enum control_exit daemon_ask(const struct cli_call *call,
                             const struct daemon_question *question,
                             json_t **ret_result)
{
    *ret_result = NULL;
    enum control_exit exit_status = CONTROL_DONE;
    struct control_client *client = daemon_connect(call, &exit_status);
    if (client == NULL) {
        json_decref(question->args);
        return exit_status;
    }
    const struct control_call request = {
        .command = question->command,
        .args = question->args,
        .wait_ms = question->wait_ms,
        .progress = question->progress,
        .context = question->context,
    };
    struct control_answer answer;
    struct ts_err err;
    enum ts_code code = control_client_call(client, &request, &answer, &err);
    control_client_close(client);
    json_decref(question->args);
    if (question->answered != NULL) {
        question->answered(question->context);
    }
    if (code != TS_OK) {
        return cli_fail_err(call, &err);
    }
    exit_status = answer.exit_status;
    if (answer.result != NULL && call->json && !question->silent) {
        cli_print_json(answer.result);
    } else if (answer.result != NULL) {
        *ret_result = json_incref(answer.result);
    }
    if (answer.error != NULL) {
        // The document was printed already: only the sentence is missing.
        struct cli_call said = *call;
        said.json = call->json && (answer.result == NULL || question->silent);
        (void) cli_fail(&said, exit_status, "%s", answer.error);
    }
    control_answer_done(&answer);
    return exit_status;
}

static void on_progress(void *context, const struct control_progress *progress)
{
    bar_update(context, progress->phase, (int64_t) progress->done,
               (int64_t) progress->total, ts_time_now());
}

static void on_answer(void *context)
{
    bar_done(context);
}

enum control_exit daemon_ask_when_idle(const struct cli_call *call,
                                       const char *command, json_t *args,
                                       json_t **ret_result)
{
    struct bar bar;
    bar_init(&bar);
    const struct daemon_question question = {
        .command = command,
        .args = args,
        .progress = call->json ? NULL : on_progress,
        .context = &bar,
        .answered = on_answer,
    };
    return daemon_ask(call, &question, ret_result);
}
