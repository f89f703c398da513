/* twinsyncd: the daemon. The parent supervises, the child works. */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "node/daemon/options.h"
#include "node/daemon/supervisor.h"
#include "node/daemon/worker.h"

enum {
    FIRST_DELAY_MS = 100,
    HANG_MS = 60000,
    STOP_MS = 50000
};

/* Memory holds credentials: it must reach no disk and no debugger of the same
 * user. Builds for tests keep their core files. */
static void keep_to_itself(void)
{
    (void) umask(S_IRWXG | S_IRWXO);
#ifndef TS_FAILPOINTS
    const struct rlimit none = { 0, 0 };
    (void) setrlimit(RLIMIT_CORE, &none);
    (void) prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int work(void *context, int lifeline_fd)
{
    const struct daemon_options *options = context;
    const struct worker_options worker = { .config_path = options->config_path,
                                           .approve_first =
                                               options->approve_first };
    return worker_run(&worker, lifeline_fd);
}

int main(int argc, char **argv)
{
    struct daemon_options options;
    int exit_status = daemon_options_parse(argc, argv, &options);
    if (exit_status >= 0) {
        return exit_status;
    }
    keep_to_itself();
    const struct supervisor_options supervisor = { .work = work,
                                                   .context = &options,
                                                   .first_delay_ms =
                                                       FIRST_DELAY_MS,
                                                   .hang_ms = HANG_MS,
                                                   .stop_ms = STOP_MS };
    return supervisor_run(&supervisor);
}
