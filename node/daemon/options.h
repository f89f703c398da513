/* options -- the daemon's command line. */
#ifndef NODE_DAEMON_OPTIONS_H
#define NODE_DAEMON_OPTIONS_H

#include <stdbool.h>

#define DAEMON_CONFIG_PATH "/etc/twinsync/twinsync.yaml"

struct daemon_options {
    const char *config_path;
    bool approve_first;
    const char *release; /* "EPOCH:BOOT": only that; NULL: run */
};

/* Returns -1 when the daemon is to run with *ret; else the exit status with
 * which the process is to end, after --help and the like or a usage error. */
int daemon_options_parse(int argc, char **argv, struct daemon_options *ret);

#endif
