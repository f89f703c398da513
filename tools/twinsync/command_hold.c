#include "node/base/time.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/csv.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/hold_view.h"

enum {
    OPTION_ALL,
    OPTION_CSV
};

static const char *const csv_keys[] = {
    "hash", "class",     "detail",  "kind",  "anchor", "name",
    "verb", "target_id", "created", "since", "why",    NULL,
};

/* One row an object, each with the hold that it is of. */
static void print_csv(const json_t *holds)
{
    static const char *const of_hold[] = { "hash", "class", "detail" };
    csv_head(stdout, csv_keys);
    size_t index;
    const json_t *hold;
    json_array_foreach(holds, index, hold)
    {
        size_t place;
        json_t *object;
        json_array_foreach(json_object_get(hold, "objects"), place, object)
        {
            for (size_t i = 0; i < sizeof of_hold / sizeof *of_hold; i++) {
                (void) json_object_set(object, of_hold[i],
                                       json_object_get(hold, of_hold[i]));
            }
        }
        csv_rows(stdout, csv_keys, json_object_get(hold, "objects"));
    }
}

static enum control_exit run(const struct cli_call *call)
{
    bool csv = call->options[OPTION_CSV] != NULL;
    if (csv && call->json) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot print CSV and JSON at once: leave out one");
    }
    const struct daemon_question question = { .command = "hold-list",
                                              .wait_ms =
                                                  CONTROL_CLIENT_WAIT_MS };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL && csv) {
        print_csv(json_object_get(result, "holds"));
    } else if (result != NULL) {
        struct screen screen = screen_of(stdout);
        hold_view(&screen, result, call->options[OPTION_ALL] != NULL,
                  ts_wall_seconds());
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_hold = {
    .name = "hold",
    .words = "list",
    .summary = "List what is kept back until somebody decides, and why",
    .details =
        "When more objects would be created, deleted, deactivated or changed\n"
        "than the guard allows, all of them are held before the first is "
        "written;\n"
        "everything else goes on. Each hold says why, lists its objects (the "
        "first\n"
        "20, or with --all all of them), and ends in what to type: approve "
        "lets\n"
        "exactly the listed ones happen, reject never.\n",
    .examples =
        "  twinsync hold list                    what is held, and why\n"
        "  twinsync hold list --all              with every object\n"
        "  twinsync hold list --csv >held.csv    for those who know the "
        "people\n",
    .words_min = 1,
    .words_max = 1,
    .words_are_fixed = true,
    .options = { [OPTION_ALL] = { "all", NULL, "every object of each hold" },
                 [OPTION_CSV] = { "csv", NULL,
                                  "comma-separated, one row an object" } },
    .run = run,
};
