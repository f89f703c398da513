#include "tools/twinsync/commands.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_REASON,
    OPTION_ACCEPT_DATA_LOSS
};

static enum control_exit run(const struct cli_call *call)
{
    bool accept = call->options[OPTION_ACCEPT_DATA_LOSS] != NULL;
    if (call->options[OPTION_REASON] != NULL && !call->json &&
        screen_of(stderr).moves) {
        (void) fputs("this takes until the lease has run out and every gate is "
                     "open, at most 2 minutes;\ntwinsync explain says which "
                     "is not\n",
                     stderr);
    }
    return operator_decide(call, "failover",
                           json_pack("{s:b}", "accept_data_loss", accept),
                           call->options[OPTION_REASON], "fail over");
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
