#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_REASON
};

static enum control_exit run(const struct cli_call *call)
{
    if (call->options[OPTION_REASON] == NULL) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot accept a fence without --reason, which is "
                        "kept in the history: see twinsync fence --help");
    }
    json_t *args = json_object();
    struct ts_err err;
    if (operator_sign(args, call->options[OPTION_REASON], &err) != TS_OK) {
        json_decref(args);
        return cli_fail_err(call, &err);
    }
    json_t *result = NULL;
    enum control_exit exit_status =
        daemon_ask_when_idle(call, "fence-accept", args, &result);
    if (result != NULL && exit_status == CONTROL_DONE) {
        struct screen screen = screen_of(stdout);
        put_text(&screen, text_at(result, "text"));
        (void) putchar('\n');
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_fence = {
    .name = "fence",
    .words = "accept",
    .summary = "Go on although nothing proves that the old credential is gone",
    .details =
        "A node that has taken over exports nothing until the target and its\n"
        "authorization server have shown that the credential of the one before "
        "is\n"
        "refused. Where that can never be shown (the server does not say how "
        "long\n"
        "its tokens live, or is gone for good), accept takes your word for "
        "it.\n"
        "\n"
        "Before, make sure yourself that the other computer is off, and that "
        "what\n"
        "twinsync register status lists is deleted or refused: what it still "
        "writes\n"
        "afterwards is not noticed. Each object is read again before it is "
        "written,\n"
        "and the history keeps who accepted it, and why.\n",
    .examples =
        "  twinsync explain          what the fence waits for\n"
        "  twinsync fence accept --reason \"alpha is unplugged; its client is "
        "deleted\"\n",
    .words_min = 1,
    .words_max = 1,
    .words_are_fixed = true,
    .options = { [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run,
};
