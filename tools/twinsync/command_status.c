#include "node/base/time.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/status_view.h"

static enum control_exit run(const struct cli_call *call)
{
    json_t *status = NULL;
    const struct daemon_question question = { .command = "status",
                                              .wait_ms =
                                                  CONTROL_CLIENT_WAIT_MS };
    enum control_exit exit_status = daemon_ask(call, &question, &status);
    if (status != NULL) {
        struct screen screen = screen_of(stdout);
        status_view(&screen, status, exit_status == CONTROL_DONE,
                    ts_wall_seconds());
        json_decref(status);
    }
    return exit_status;
}

const struct cli_command command_status = {
    .name = "status",
    .words = "",
    .summary = "Show how it is: health, cycle, counts, problems and fixes",
    .details =
        "The health line comes first. Exit status 0 means healthy, 1 that at\n"
        "least one problem is an error, 4 that no daemon is running.\n",
    .examples =
        "  twinsync status           how is it?\n"
        "  twinsync --json status    the same for a script\n"
        "  twinsync status || twinsync errors    what is wrong, in detail\n",
    .run = run,
};
