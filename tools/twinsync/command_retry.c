#include "tools/twinsync/commands.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_ALL
};

static void print_retried(const json_t *result)
{
    char text[TEXT_SIZE];
    int64_t retried = count_at(result, "retried");
    size_t index;
    const json_t *object;
    struct screen screen = screen_of(stdout);
    json_array_foreach(json_object_get(result, "objects"), index, object)
    {
        put_text(&screen, text_at(object, "kind"));
        (void) putchar(' ');
        put_toned(&screen, TONE_STRONG, 0, text_at(object, "name"));
        (void) putchar(' ');
        put_toned(&screen, TONE_FAINT, 0, text_at(object, "anchor"));
        (void) putchar('\n');
    }
    if (retried == 0) {
        (void) puts("no object has an error to try again");
        return;
    }
    (void) printf("%s %s tried again in the next cycle: twinsync sync --wait "
                  "runs it now\n",
                  count_text(text, retried),
                  retried == 1 ? "object is" : "objects are");
}

static enum control_exit run(const struct cli_call *call)
{
    bool all = call->options[OPTION_ALL] != NULL;
    if (all == (call->word_count == 1)) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot retry without exactly one of OBJECT and --all: "
                        "see twinsync retry --help");
    }
    json_t *args = json_pack("{s:s?}", "object", all ? NULL : call->words[0]);
    json_t *result = NULL;
    enum control_exit exit_status =
        operator_ask(call, "retry", args, NULL, &result);
    if (result != NULL) {
        print_retried(result);
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_retry = {
    .name = "retry",
    .words = "OBJECT",
    .summary = "Try again at once what was refused or put off",
    .details =
        "Objects that could not be written are tried again every hour and "
        "whenever\n"
        "they change; this does it in the next cycle. OBJECT is an anchor, a "
        "DN, a\n"
        "target id or a name, as for show. A user that returned and stays\n"
        "deactivated by the policy \"return: keep\" is reactivated.\n",
    .examples =
        "  twinsync retry ada && twinsync sync --wait\n"
        "  twinsync retry --all      everything that twinsync errors lists\n",
    .words_min = 0,
    .words_max = 1,
    .options = { [OPTION_ALL] = { "all", NULL, "every object with an error" } },
    .run = run,
};
