#include "node/base/time.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/csv.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_CSV
};

static const char *const csv_keys[] = {
    "kind", "name",       "anchor",     "code",     "path",  "text",
    "fix",  "first_seen", "next_retry", "attempts", "stage", NULL,
};

static void print_table(const json_t *errors)
{
    static const struct column columns[] = {
        { "KIND", false, false },  { "NAME", false, false },
        { "ERROR", false, false }, { "ATTRIBUTE", false, false },
        { "SINCE", false, false }, { "TRIED", true, false },
        { "RETRY", false, false }, { "WHY", false, true },
        { NULL, false, false },
    };
    struct screen screen = screen_of(stdout);
    if (json_array_size(errors) == 0) {
        (void) puts("no object has an error");
        return;
    }
    struct libscols_table *table = table_new(&screen, columns);
    int64_t now = ts_wall_seconds();
    size_t index;
    const json_t *error;
    json_array_foreach(errors, index, error)
    {
        char since[TEXT_SIZE], retry[TEXT_SIZE], tried[TEXT_SIZE];
        int64_t attempts = count_at(error, "attempts");
        const char *next = text_at(error, "next_retry");
        const char *const cells[] = {
            text_at(error, "kind"),
            text_at(error, "name"),
            text_at(error, "code"),
            text_at(error, "path"),
            ago_text(since, text_at(error, "first_seen"), now),
            attempts > 0 ? count_text(tried, attempts) : "",
            next[0] == 0 ? "" : ago_text(retry, next, now),
            text_at(error, "text"),
        };
        table_row(&screen, table, TONE_PLAIN, cells);
    }
    table_done(table);
}

static enum control_exit run(const struct cli_call *call)
{
    bool csv = call->options[OPTION_CSV] != NULL;
    if (csv && call->json) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot print CSV and JSON at once: leave out one");
    }
    const struct daemon_question question = { .command = "errors",
                                              .wait_ms =
                                                  CONTROL_CLIENT_WAIT_MS };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    const json_t *errors = json_object_get(result, "errors");
    if (result != NULL && csv) {
        csv_head(stdout, csv_keys);
        csv_rows(stdout, csv_keys, errors);
    } else if (result != NULL) {
        print_table(errors);
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_errors = {
    .name = "errors",
    .words = "",
    .summary = "List the objects that could not be brought into step, and why",
    .details = "Everything else goes on. What was refused is tried again each "
               "hour, when the\nobject changes, and by twinsync retry.\n",
    .examples = "  twinsync errors                   what is wrong with whom\n"
                "  twinsync errors --csv >todo.csv   for those who correct it\n"
                "  twinsync show NAME                all about one of them\n"
                "  twinsync retry NAME               try it again now\n",
    .options = { [OPTION_CSV] = { "csv", NULL,
                                  "comma-separated, for a spreadsheet" } },
    .run = run,
};
