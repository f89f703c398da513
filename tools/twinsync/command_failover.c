#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_REASON,
    OPTION_ACCEPT_DATA_LOSS
};

static enum control_exit run(const struct cli_call *call)
{
    if (call->options[OPTION_REASON] == NULL) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot fail over without --reason, which is kept "
                        "with the epoch: see twinsync failover --help");
    }
    json_t *args = json_pack("{s:b}", "accept_data_loss",
                             call->options[OPTION_ACCEPT_DATA_LOSS] != NULL);
    struct ts_err err;
    if (operator_sign(args, call->options[OPTION_REASON], &err) != TS_OK) {
        json_decref(args);
        return cli_fail_err(call, &err);
    }
    json_t *result = NULL;
    enum control_exit exit_status =
        daemon_ask_when_idle(call, "failover", args, &result);
    if (result != NULL && exit_status == CONTROL_DONE) {
        struct screen screen = screen_of(stdout);
        put_text(&screen, text_at(result, "text"));
        (void) putchar('\n');
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_failover = {
    .name = "failover",
    .words = "",
    .summary = "Have this node take over from the other, now",
    .details =
        "For when the other node is lost or must not go on and nothing takes "
        "over\n"
        "by itself. Asked at the node that is to export. It waits until the "
        "lease\n"
        "has run out, makes a credential of its own, destroys the old one at "
        "the\n"
        "target and exports only when that is proved. What it cannot know it "
        "reads\n"
        "again first, from both sides.\n"
        "\n"
        "--accept-data-loss does not wait for that reading, and keeps every\n"
        "deletion on hold.\n",
    .examples = "  twinsync failover --reason \"alpha's disk is broken\"\n"
                "  twinsync explain          what it would have to pass\n",
    .options = { [OPTION_REASON] = OPERATOR_REASON_OPTION,
                 [OPTION_ACCEPT_DATA_LOSS] = { "accept-data-loss", NULL,
                                               "export before everything was "
                                               "read again" } },
    .run = run,
};
