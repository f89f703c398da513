#include <string.h>

#include "tools/twinsync/commands.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"
#include "tools/twinsync/session.h"

enum {
    OPTION_NOW,
    OPTION_REASON
};

/* ---- what came of it ----------------------------------------------------- */

static enum tone tone_of_state(const char *state)
{
    return strcmp(state, "done") == 0 || strcmp(state, "proved") == 0
               ? TONE_GOOD
           : strcmp(state, "failed") == 0 ? TONE_BAD
                                          : TONE_WARN;
}

static void show(const struct cli_call *call, const json_t *result)
{
    struct screen screen = screen_of(stdout);
    size_t index;
    const json_t *row;
    (void) printf("%s is retired\n", call->words[0]);
    json_array_foreach(json_object_get(result, "steps"), index, row)
    {
        const char *state = text_at(row, "state");
        (void) fputs("  ", stdout);
        put_text(&screen, text_at(row, "step"));
        (void) fputs(": ", stdout);
        put_toned(&screen, tone_of_state(state), 0, state);
        (void) fputs("; ", stdout);
        put_text(&screen, text_at(row, "text"));
        (void) putchar('\n');
    }
}

static enum control_exit run(const struct cli_call *call)
{
    const char *reason = call->options[OPTION_REASON];
    if (call->options[OPTION_NOW] != NULL && reason == NULL) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot retire \"%s\" --now without --reason, which is "
                        "kept in the history: see twinsync retire --help",
                        call->words[0]);
    }
    if (call->options[OPTION_NOW] == NULL) {
        char what[96];
        (void) snprintf(what, sizeof what, "%.64s is retired", call->words[0]);
        (void) session_wait(call, what, 0);
    }
    json_t *result = NULL;
    json_t *args = json_pack("{s:s}", "node", call->words[0]);
    enum control_exit exit_status =
        operator_ask(call, "retire", args, reason, &result);
    if (result != NULL) {
        show(call, result);
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_retire = {
    .name = "retire",
    .words = "NODE",
    .summary = "Take a computer out of the pair for good",
    .details =
        "Asked at the active node, never for it: let the other one take over "
        "first.\n"
        "The register lists the node no more, so that it can neither take over "
        "nor\n"
        "promise; its key opens no link; nothing of its is accepted by the "
        "target.\n"
        "If it runs, it destroys its state, secrets and keys, says so and ends "
        "with\n"
        "exit 3. If nobody reaches it, it is out all the same, and finds that "
        "out\n"
        "whenever it starts again, also from an old image of its disk.\n"
        "\n"
        "A cycle that runs is waited for; --now does not wait and wants a "
        "reason.\n"
        "What was cut off is ended by the same command again.\n",
    .examples = "  twinsync retire beta --reason \"moved to gamma\"\n"
                "  twinsync retire beta --now --reason \"stolen\"\n",
    .words_min = 1,
    .words_max = 1,
    .options = { [OPTION_NOW] = { "now", NULL,
                                  "do not wait for a cycle that runs" },
                 [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run,
};
