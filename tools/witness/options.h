/* options -- what twinsync-witness was called for. */
#ifndef TOOLS_WITNESS_OPTIONS_H
#define TOOLS_WITNESS_OPTIONS_H

#define WITNESS_ENDPOINT "tcp://*:7410"
#define WITNESS_STATE    "/var/lib/twinsync-witness"

enum options_task {
    OPTIONS_SERVE,
    OPTIONS_CERTIFICATE,
    OPTIONS_ADMIT,
    OPTIONS_EXPEL,
    OPTIONS_REPAIR
};

struct options {
    enum options_task task;
    const char *endpoint, *state;
    const char *subject; /* of --admit and --expel a file, of --repair a
                            cluster */
    const char *cluster, *reason;
};

/* Returns the exit status when there is nothing (more) to do, else -1. */
int options_parse(int argc, char **argv, struct options *ret_options);

#endif
