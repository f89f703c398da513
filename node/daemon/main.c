/* twinsyncd: the daemon. The parent supervises, the child works. */
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/descriptors.h"
#include "node/base/log.h"
#include "node/daemon/board.h"
#include "node/daemon/options.h"
#include "node/daemon/release.h"
#include "node/daemon/supervisor.h"
#include "node/daemon/worker.h"

enum {
    FIRST_DELAY_MS = 100,
    DESCRIPTORS_MAX = 16384,
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

struct life {
    struct daemon_options options;
    struct board *board;
};

static int work(void *context, int lifeline_fd)
{
    const struct life *life = context;
    const struct worker_options worker = {
        .config_path = life->options.config_path,
        .approve_first = life->options.approve_first,
        .board = life->board,
    };
    return worker_run(&worker, lifeline_fd);
}

/* Through exec, so that no memory of this process takes part. */
static int release(void *context, const char *lease)
{
    const struct life *life = context;
    (void) execl("/proc/self/exe", "twinsyncd", "-c", life->options.config_path,
                 "--release", lease, (char *) NULL);
    return release_run(life->options.config_path, lease);
}

int main(int argc, char **argv)
{
    struct life life = { .board = NULL };
    int exit_status = daemon_options_parse(argc, argv, &life.options);
    if (exit_status >= 0) {
        return exit_status;
    }
    keep_to_itself();
    ts_descriptors_raise(DESCRIPTORS_MAX);
    if (life.options.release != NULL) {
        return release_run(life.options.config_path, life.options.release);
    }
    struct ts_err err;
    if (board_new(&life.board, &err) != TS_OK) {
        ts_log(TS_LOG_ERROR, "supervisor-failed", "reason=\"%s\"", err.text);
        return EXIT_FAILURE;
    }
    const struct supervisor_options supervisor = { .work = work,
                                                   .context = &life,
                                                   .first_delay_ms =
                                                       FIRST_DELAY_MS,
                                                   .hang_ms = HANG_MS,
                                                   .stop_ms = STOP_MS,
                                                   .board = life.board,
                                                   .release = release };
    return supervisor_run(&supervisor);
}
