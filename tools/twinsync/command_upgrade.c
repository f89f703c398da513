#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_REASON
};

static enum control_exit run(const struct cli_call *call)
{
    json_t *args = json_object();
    struct ts_err err;
    if (operator_sign(args, call->options[OPTION_REASON], &err) != TS_OK) {
        json_decref(args);
        return cli_fail_err(call, &err);
    }
    json_t *result = NULL;
    enum control_exit exit_status =
        daemon_ask_when_idle(call, "upgrade-finalize", args, &result);
    if (result != NULL && exit_status == CONTROL_DONE) {
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
