#include "tools/witness/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/failpoint.h"

enum {
    EXIT_DONE = 0,
    EXIT_USAGE = 2,
    OPTION_CERTIFICATE = 256,
    OPTION_ADMIT,
    OPTION_EXPEL,
    OPTION_CLUSTER,
    OPTION_REPAIR,
    OPTION_REASON,
    OPTION_FAILPOINTS,
    OPTION_VERSION
};

static const char help[] =
    "twinsync-witness keeps the register of pairs of twinsyncd: the value "
    "that\n"
    "says which of two computers may export. Run it on a third host.\n"
    "\n"
    "Usage: twinsync-witness [-e ENDPOINT] [-s FOLDER]    serve\n"
    "       twinsync-witness [-s FOLDER] TASK\n"
    "\n"
    "  -e, --endpoint ENDPOINT  where to listen (default " WITNESS_ENDPOINT
    ")\n"
    "  -s, --state FOLDER       its key, clients and values (default\n"
    "                           " WITNESS_STATE ")\n"
    "      --version            print the version\n"
    "  -h, --help               print this\n"
    "\n"
    "Tasks, all of them also while it serves:\n"
    "      --certificate        print its public certificate; makes the key\n"
    "                           pair at first use\n"
    "      --admit FILE --cluster NAME\n"
    "                           let the node with this public certificate\n"
    "                           speak for the cluster, and for no other\n"
    "      --expel FILE         the reverse, at once\n"
    "      --repair CLUSTER --reason TEXT\n"
    "                           put a damaged value aside; then, on a node,\n"
    "                           twinsync register repair\n"
    "      --failpoints         print the places where a test may kill this\n"
    "                           build\n"
    "\n"
    "Examples:\n"
    "  twinsync-witness --certificate >witness.cert    for both nodes\n"
    "  twinsync-witness --admit alpha.cert --cluster corp\n"
    "  twinsync-witness --admit beta.cert --cluster corp\n"
    "  systemctl start twinsync-witness                serve\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 usage error, 3 refused for safety. It\n"
    "logs one line per event to standard error.\n";

static int print_failpoints(void)
{
    if (ts_failpoint_print_witness(stdout)) {
        return EXIT_DONE;
    }
    (void) fprintf(stderr,
                   "twinsync-witness: cannot print fail-points because this "
                   "build has none: use a debug build\n");
    return EXIT_USAGE;
}

static int wrong(const char *what)
{
    (void) fprintf(stderr,
                   "twinsync-witness: %s, see twinsync-witness "
                   "--help\n",
                   what);
    return EXIT_USAGE;
}

static int check(const struct options *options)
{
    if ((options->task == OPTIONS_ADMIT) != (options->cluster != NULL)) {
        return wrong("cannot use --admit without --cluster, nor the reverse");
    }
    if ((options->task == OPTIONS_REPAIR) != (options->reason != NULL)) {
        return wrong("cannot use --repair without --reason, nor the reverse");
    }
    return -1;
}

/* Returns -1, or the exit status. */
static int take_task(struct options *options, enum options_task task,
                     const char *subject)
{
    if (options->task != OPTIONS_SERVE) {
        return wrong("cannot do two tasks in one call");
    }
    options->task = task;
    options->subject = subject;
    return -1;
}

static int take_option(struct options *options, int option)
{
    switch (option) {
    case 'e':
        options->endpoint = optarg;
        return -1;
    case 's':
        options->state = optarg;
        return -1;
    case OPTION_CERTIFICATE:
        return take_task(options, OPTIONS_CERTIFICATE, NULL);
    case OPTION_ADMIT:
        return take_task(options, OPTIONS_ADMIT, optarg);
    case OPTION_EXPEL:
        return take_task(options, OPTIONS_EXPEL, optarg);
    case OPTION_REPAIR:
        return take_task(options, OPTIONS_REPAIR, optarg);
    case OPTION_CLUSTER:
        options->cluster = optarg;
        return -1;
    case OPTION_REASON:
        options->reason = optarg;
        return -1;
    case OPTION_FAILPOINTS:
        return print_failpoints();
    case OPTION_VERSION:
        (void) printf("twinsync-witness %s\n", TS_VERSION);
        return EXIT_DONE;
    case 'h':
        (void) fputs(help, stdout);
        return EXIT_DONE;
    default: // getopt_long has said what is wrong
        return EXIT_USAGE;
    }
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
    static const struct option known[] = {
        { "endpoint", required_argument, NULL, 'e' },
        { "state", required_argument, NULL, 's' },
        { "certificate", no_argument, NULL, OPTION_CERTIFICATE },
        { "admit", required_argument, NULL, OPTION_ADMIT },
        { "expel", required_argument, NULL, OPTION_EXPEL },
        { "cluster", required_argument, NULL, OPTION_CLUSTER },
        { "repair", required_argument, NULL, OPTION_REPAIR },
        { "reason", required_argument, NULL, OPTION_REASON },
        { "failpoints", no_argument, NULL, OPTION_FAILPOINTS },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    /* systemd's StateDirectory= tells where. */
    const char *state = getenv("STATE_DIRECTORY");
    *ret_options =
        (struct options){ .endpoint = WITNESS_ENDPOINT,
                          .state = state == NULL ? WITNESS_STATE : state };
    int option;
    while ((option = getopt_long(argc, argv, "e:s:h", known, NULL)) != -1) {
        int exit_status = take_option(ret_options, option);
        if (exit_status >= 0) {
            return exit_status;
        }
    }
    return optind < argc ? wrong("cannot understand a word that is no option")
                         : check(ret_options);
}
