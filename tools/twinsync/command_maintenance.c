#include <string.h>

#include "tools/twinsync/commands.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_STAGING,
    OPTION_REASON
};

/* Of one node of a pair. */
static void put_node(const json_t *result)
{
    (void) puts(flag_at(result, "maintenance")
                    ? "this node is in maintenance: it takes over from nobody "
                      "until twinsync maintenance off"
                    : "maintenance is over: this node may take over again");
}

static enum control_exit run(const struct cli_call *call)
{
    bool on = strcmp(call->words[0], "on") == 0;
    bool staging = call->options[OPTION_STAGING] != NULL;
    if (!on && staging) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot turn maintenance off with --staging: leave it "
                        "out");
    }
    json_t *args = json_pack("{s:b, s:b}", "on", on, "staging", staging);
    json_t *result = NULL;
    enum control_exit exit_status = operator_ask(
        call, "maintenance", args, call->options[OPTION_REASON], &result);
    if (result != NULL) {
        const json_t *rest = json_object_get(result, "staging");
        if (!staging && json_object_get(result, "role") != NULL) {
            put_node(result);
        } else if (on || !json_is_object(rest)) {
            (void) puts(on ? "staging: everything is read and decided, nothing "
                             "is written but by twinsync sync --plan HASH"
                           : "maintenance is over: the next cycle writes "
                             "again");
        } else {
            (void) printf("maintenance is over, and %s; look with twinsync "
                          "preview, then twinsync sync --plan HASH\n",
                          text_at(rest, "text"));
        }
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_maintenance = {
    .name = "maintenance",
    .words = "on|off",
    .summary = "Take a node out, or write nothing but by a plan",
    .details =
        "With --staging, cycles read and decide as ever, and write nothing:\n"
        "twinsync preview shows what is pending, twinsync sync --plan HASH "
        "carries\n"
        "exactly that out. It outlives a restart, until maintenance off; rules "
        "that\n"
        "changed meanwhile are written by a plan even then.\n"
        "\n"
        "Without --staging, in a pair, this node is taken out: if it exports, "
        "it\n"
        "lets the other one do so first, and takes over from nobody until "
        "off.\n",
    .examples =
        "  twinsync maintenance on --staging --reason \"new naming rules\"\n"
        "  twinsync maintenance on    this computer is going to be repaired\n"
        "  twinsync maintenance off\n",
    .words_min = 1,
    .words_max = 1,
    .words_are_fixed = true,
    .options = { [OPTION_STAGING] = { "staging", NULL,
                                      "read and decide, write nothing" },
                 [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run,
};
