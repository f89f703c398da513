/* twinsync-witness: one compare-and-swap cell for each pair. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "node/base/descriptors.h"
#include "node/base/log.h"
#include "node/base/zeromq.h"
#include "tools/witness/options.h"
#include "tools/witness/server.h"

#define DESCRIPTORS_MAX 4096

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3
};

/* Memory holds a secret key, and signals belong to signalfd. Builds for tests
 * keep their core files. */
static void keep_to_itself(void)
{
    (void) umask(S_IRWXG | S_IRWXO);
    sigset_t stop;
    (void) sigemptyset(&stop);
    (void) sigaddset(&stop, SIGTERM);
    (void) sigaddset(&stop, SIGINT);
    (void) sigprocmask(SIG_BLOCK, &stop, NULL);
    (void) signal(SIGPIPE, SIG_IGN);
#ifndef TS_FAILPOINTS
    const struct rlimit none = { 0, 0 };
    (void) setrlimit(RLIMIT_CORE, &none);
    (void) prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* The file as a node's zcert_load() reads it. */
static enum ts_code print_certificate(const struct witness_state *state,
                                      struct ts_err *err)
{
    char path[WITNESS_PATH_MAX + 100], line[512];
    (void) snprintf(path, sizeof path, "%s/witness.cert", state->folder);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return ts_fail(err, TS_E_IO, errno, "could not open \"%s\"", path);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        (void) fputs(line, stdout);
    }
    (void) fclose(file);
    return TS_OK;
}

static enum ts_code run(const struct options *options,
                        struct witness_state *state, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    switch (options->task) {
    case OPTIONS_SERVE:
        code = witness_state_lock(state, err);
        return code == TS_OK ? server_run(state, options->endpoint, err) : code;
    case OPTIONS_CERTIFICATE:
        return print_certificate(state, err);
    case OPTIONS_ADMIT:
        return witness_state_admit(state, options->subject, options->cluster,
                                   err);
    case OPTIONS_EXPEL:
        return witness_state_expel(state, options->subject, err);
    case OPTIONS_REPAIR:
        return witness_state_repair(state, options->subject, options->reason,
                                    err);
    }
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    int exit_status = options_parse(argc, argv, &options);
    if (exit_status >= 0) {
        return exit_status;
    }
    keep_to_itself();
    ts_descriptors_raise(DESCRIPTORS_MAX);
    ts_zeromq_start();
    struct witness_state state;
    struct ts_err err = { .code = TS_OK };
    enum ts_code code = witness_state_open(options.state, &state, &err);
    if (code == TS_OK) {
        code = run(&options, &state, &err);
        witness_state_done(&state);
    }
    zsys_shutdown();
    if (code == TS_OK) {
        return EXIT_DONE;
    }
    (void) fprintf(stderr, "twinsync-witness: %s\n", err.text);
    return code == TS_E_CONFIG                             ? EXIT_USAGE
           : code == TS_E_REFUSED || code == TS_E_CONFLICT ? EXIT_REFUSED
                                                           : EXIT_FAILED;
}
