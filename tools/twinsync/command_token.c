#include "node/base/time.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_FOR,
    OPTION_NODE,
    OPTION_REASON
};

/* The token alone on standard output, so that it can be passed on by a pipe;
 * what to do with it beside it. */
static void show(const json_t *result)
{
    char until[TEXT_SIZE];
    (void) puts(text_at(result, "token"));
    (void) fflush(stdout);
    (void) fprintf(
        stderr,
        "On %s, with this configuration but its own this-node:\n"
        "  twinsync join --token TOKEN\n"
        "It works once, and ends %s. Whoever has it until then may join as "
        "%s: keep it secret.\n",
        text_at(result, "node"),
        ago_text(until, text_at(result, "expires"), ts_wall_seconds()),
        text_at(result, "node"));
}

static enum control_exit run(const struct cli_call *call)
{
    struct ts_err err;
    json_t *args = json_pack("{s:s?, s:n}", "node", call->options[OPTION_NODE],
                             "for_seconds");
    const char *span = call->options[OPTION_FOR];
    int64_t seconds = 0;
    if (span != NULL && cli_span(span, "--for", &seconds, &err) != TS_OK) {
        json_decref(args);
        return cli_fail_err(call, &err);
    }
    if (span != NULL) {
        (void) json_object_set_new(args, "for_seconds", json_integer(seconds));
    }
    if (operator_sign(args, call->options[OPTION_REASON], &err) != TS_OK) {
        json_decref(args);
        return cli_fail_err(call, &err);
    }
    const struct daemon_question question = { .command = "token-create",
                                              .args = args,
                                              .wait_ms =
                                                  CONTROL_CLIENT_WAIT_MS };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        show(result);
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_token = {
    .name = "token",
    .words = "create",
    .summary = "Invite the second computer of the pair",
    .details =
        "Prints a token, with which `twinsync join` on the other computer "
        "makes it\n"
        "one of the pair. The token names this node, its key and its address, "
        "works\n"
        "once, and ends after an hour unless --for says otherwise; a later "
        "one\n"
        "replaces it. Only the token goes to standard output.\n"
        "\n"
        "--node invites another computer of nodes than the present partner, "
        "which it\n"
        "then replaces: a copy of all is made there, and when nothing is "
        "missing the\n"
        "register lists it instead. The one that is replaced has to be off, "
        "and finds\n"
        "itself retired if it ever comes back.\n",
    .examples =
        "  twinsync token create             copy what it prints to the other\n"
        "  twinsync token create --for 15m   valid for a short time only\n"
        "  twinsync token create --node gamma   gamma in place of a computer "
        "that is lost\n"
        "  twinsync token create | ssh beta twinsync join --token -\n",
    .words_min = 1,
    .words_max = 1,
    .words_are_fixed = true,
    .options = { [OPTION_FOR] = { "for", "TIME",
                                  "valid for 15m, 8h, ...; 1h by default, 7d "
                                  "at most" },
                 [OPTION_NODE] = { "node", "NAME",
                                   "whom it is for, by its name in nodes" },
                 [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run,
};
