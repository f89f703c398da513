#include "tools/twinsync/commands.h"
#include "tools/twinsync/session.h"

enum {
    OPTION_FOR
};

static enum control_exit run(const struct cli_call *call)
{
    int64_t seconds = 0;
    struct ts_err err;
    if (call->options[OPTION_FOR] != NULL &&
        cli_span(call->options[OPTION_FOR], "--for", &seconds, &err) != TS_OK) {
        return cli_fail_err(call, &err);
    }
    if (!session_wait(call, "what waits for it goes on", seconds * 1000)) {
        return cli_fail(call, CONTROL_FAILED,
                        "could not wait for the cycle that runs any longer: it "
                        "goes on where it is stopped");
    }
    return CONTROL_DONE;
}

const struct cli_command command_wait = {
    .name = "wait",
    .words = "",
    .summary = "Wait until the cycle that runs has ended",
    .details =
        "Before the daemon is stopped or removed: it says which cycle runs and "
        "since\n"
        "when, and ends with it; at once when none runs, or no daemon. "
        "systemctl "
        "stop\n"
        "and the removal of the package do the same, for a minute. A cycle "
        "that "
        "is\n"
        "stopped in the middle loses nothing: the next one goes on there.\n",
    .examples = "  twinsync wait --for 10m && systemctl stop twinsyncd\n"
                "  systemctl kill twinsyncd   stop it without waiting\n",
    .options = { [OPTION_FOR] = { "for", "TIME", "at the most; exit 1 then" } },
    .run = run,
};
