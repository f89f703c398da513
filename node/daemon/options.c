#include "node/daemon/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>

#include "node/base/failpoint.h"

enum {
    EXIT_DONE = 0,
    EXIT_USAGE = 2,
    OPTION_APPROVE_FIRST = 256,
    OPTION_FAILPOINTS,
    OPTION_PAIR_FAILPOINTS,
    OPTION_FOREGROUND,
    OPTION_RELEASE,
    OPTION_VERSION,
    OPTION_HELP
};

static const char help[] =
    "twinsyncd keeps a cloud directory in step with an on-premises one.\n"
    "\n"
    "Usage: twinsyncd [-c FILE]\n"
    "\n"
    "  -c, --config FILE  configuration (default " DAEMON_CONFIG_PATH ")\n"
    "      --approve-first\n"
    "                     a store that never exported writes without waiting\n"
    "                     for twinsync sync --plan: for tests and demos\n"
    "      --foreground   stay in the foreground; it always does, a service\n"
    "                     manager decides about the rest\n"
    "      --release EPOCH:BOOT\n"
    "                     give a dead worker's lease back and end: what the "
    "daemon\n"
    "                     itself runs when a worker died\n"
    "      --failpoints, --pair-failpoints\n"
    "                     print the places where a test may kill this build\n"
    "      --version      print the version\n"
    "  -h, --help         print this\n"
    "\n"
    "Examples:\n"
    "  twinsync config check && twinsyncd    check the file, then run\n"
    "  twinsyncd -c ./lab.yaml               run with another configuration\n"
    "  systemctl start twinsyncd             run as a service\n"
    "  twinsync status                       ask a running daemon how it is\n"
    "\n"
    "Exit status: 0 stopped as asked, 1 failed, 2 usage or configuration "
    "error,\n3 refused for safety. It logs one line per event to standard "
    "error.\n";

static int print_failpoints(int (*print)(FILE *out))
{
    if (print(stdout)) {
        return EXIT_DONE;
    }
    (void) fprintf(stderr, "twinsyncd: cannot print fail-points because this "
                           "build has none: use a debug build\n");
    return EXIT_USAGE;
}

int daemon_options_parse(int argc, char **argv, struct daemon_options *ret)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "approve-first", no_argument, NULL, OPTION_APPROVE_FIRST },
        { "foreground", no_argument, NULL, OPTION_FOREGROUND },
        { "release", required_argument, NULL, OPTION_RELEASE },
        { "failpoints", no_argument, NULL, OPTION_FAILPOINTS },
        { "pair-failpoints", no_argument, NULL, OPTION_PAIR_FAILPOINTS },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "help", no_argument, NULL, OPTION_HELP },
        { NULL, 0, NULL, 0 },
    };
    *ret = (struct daemon_options){ .config_path = DAEMON_CONFIG_PATH };
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            ret->config_path = optarg;
            break;
        case OPTION_APPROVE_FIRST:
            ret->approve_first = true;
            break;
        case OPTION_FOREGROUND:
            break;
        case OPTION_RELEASE:
            ret->release = optarg;
            break;
        case OPTION_FAILPOINTS:
            return print_failpoints(ts_failpoint_print);
        case OPTION_PAIR_FAILPOINTS:
            return print_failpoints(ts_failpoint_print_pair);
        case OPTION_VERSION:
            (void) printf("twinsyncd %s\n", TS_VERSION);
            return EXIT_DONE;
        case 'h':
        case OPTION_HELP:
            (void) fputs(help, stdout);
            return EXIT_DONE;
        default: // getopt_long has said what is wrong
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        (void) fprintf(stderr,
                       "twinsyncd: cannot understand \"%s\": only options are "
                       "expected, see twinsyncd --help\n",
                       argv[optind]);
        return EXIT_USAGE;
    }
    return -1;
}
