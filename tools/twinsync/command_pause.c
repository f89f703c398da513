#include "node/base/time.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_FOR
};

static enum control_exit ask(const struct cli_call *call, const char *command,
                             json_t *args)
{
    const struct daemon_question question = {
        .command = command, .args = args, .wait_ms = CONTROL_CLIENT_WAIT_MS
    };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL && exit_status == CONTROL_DONE) {
        const char *until = text_at(result, "until");
        char text[TEXT_SIZE];
        if (!flag_at(result, "paused")) {
            (void) puts("running: cycles are started again");
        } else if (until[0] == 0) {
            (void) puts("paused: no cycle is started until twinsync resume");
        } else {
            (void) printf("paused: the next cycle may start %s\n",
                          ago_text(text, until, ts_wall_seconds()));
        }
    }
    json_decref(result);
    return exit_status;
}

static enum control_exit run_pause(const struct cli_call *call)
{
    json_t *seconds = json_null();
    if (call->options[OPTION_FOR] != NULL) {
        int64_t span = 0;
        struct ts_err err;
        if (cli_span(call->options[OPTION_FOR], "--for", &span, &err) !=
            TS_OK) {
            return cli_fail_err(call, &err);
        }
        seconds = json_integer(span);
    }
    return ask(call, "pause", json_pack("{s:o}", "for_seconds", seconds));
}

static enum control_exit run_resume(const struct cli_call *call)
{
    return ask(call, "resume", NULL);
}

const struct cli_command command_pause = {
    .name = "pause",
    .words = "",
    .summary = "Start no further cycle, until resume or for a time",
    .details =
        "A cycle that is running goes on to its end. The pause outlives\n"
        "a restart of the daemon.\n"
        "\n"
        "In a pair it is asked at the active node and kept in the register:\n"
        "from then on neither node writes anything, whichever takes over.\n",
    .examples =
        "  twinsync pause             until twinsync resume\n"
        "  twinsync pause --for 2h    during the work on the directory\n",
    .options = { [OPTION_FOR] = { "for", "TIME",
                                  "end by itself after 90s, 15m, 8h, 2d" } },
    .run = run_pause,
};

const struct cli_command command_resume = {
    .name = "resume",
    .words = "",
    .summary = "Start cycles again after a pause",
    .examples = "  twinsync resume && twinsync sync --wait\n",
    .run = run_resume,
};
