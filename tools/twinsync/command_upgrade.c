#include "tools/twinsync/commands.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_REASON
};

static enum control_exit run(const struct cli_call *call)
{
    json_t *result = NULL;
    enum control_exit exit_status =
        operator_ask(call, "upgrade-finalize", json_object(),
                     call->options[OPTION_REASON], &result);
    if (result != NULL) {
        (void) printf("both nodes write schema level %lld: going back to the "
                      "version before is refused from here on\n",
                      (long long) count_at(result, "level"));
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_upgrade = {
    .name = "upgrade",
    .words = "finalize",
    .summary = "End a rolling upgrade: both nodes use the new schema",
    .details =
        "Nodes of two versions write what both understand, so going back is a\n"
        "restart of the older version. Once both run the newer one, finalize\n"
        "takes its schema into use, on both, and there is no way back.\n",
    .examples = "  twinsync upgrade finalize --reason \"both run 0.2\"\n",
    .words_min = 1,
    .words_max = 1,
    .words_are_fixed = true,
    .options = { [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run,
};
