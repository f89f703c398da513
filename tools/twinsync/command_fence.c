#include "tools/twinsync/commands.h"
#include "tools/twinsync/operator.h"

enum {
    OPTION_REASON
};

static enum control_exit run(const struct cli_call *call)
{
    return operator_decide(call, "fence-accept", json_object(),
                           call->options[OPTION_REASON], "accept a fence");
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
