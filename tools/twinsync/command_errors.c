#include <string.h>

#include "node/base/time.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_CSV
};

static const char *const csv_keys[] = { "kind", "name",       "anchor",
                                        "code", "path",       "text",
                                        "fix",  "first_seen", "next_retry",
                                        NULL };

/* RFC 4180, and no field that a spreadsheet would take for a formula. */
static void put_field(const char *text)
{
    struct screen screen = { .out = stdout };
    (void) putchar('"');
    if (text[0] != 0 && strchr("=+-@\t\r", text[0]) != NULL) {
        (void) putchar('\'');
    }
    while (*text != 0) {
        size_t size = strcspn(text, "\"");
        put_bytes(&screen, text, size);
        text += size;
        if (*text == '"') {
            (void) fputs("\"\"", stdout);
            text++;
        }
    }
    (void) putchar('"');
}

static void print_csv(const json_t *errors)
{
    for (size_t i = 0; csv_keys[i] != NULL; i++) {
        (void) printf("%s%s", i == 0 ? "" : ",", csv_keys[i]);
    }
    (void) fputs("\r\n", stdout);
    size_t index;
    const json_t *error;
    json_array_foreach(errors, index, error)
    {
        for (size_t i = 0; csv_keys[i] != NULL; i++) {
            (void) fputs(i == 0 ? "" : ",", stdout);
            put_field(text_at(error, csv_keys[i]));
        }
        (void) fputs("\r\n", stdout);
    }
}

static void print_table(const json_t *errors)
{
    static const struct column columns[] = {
        { "KIND", false, false },  { "NAME", false, false },
        { "ERROR", false, false }, { "ATTRIBUTE", false, false },
        { "SINCE", false, false }, { "RETRY", false, false },
        { "WHY", false, true },    { NULL, false, false },
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
        char since[TEXT_SIZE], retry[TEXT_SIZE];
        const char *next = text_at(error, "next_retry");
        const char *const cells[] = {
            text_at(error, "kind"),
            text_at(error, "name"),
            text_at(error, "code"),
            text_at(error, "path"),
            ago_text(since, text_at(error, "first_seen"), now),
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
        print_csv(errors);
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
    .examples = "  twinsync errors                   what is wrong with whom\n"
                "  twinsync errors --csv >todo.csv   for those who correct it\n"
                "  twinsync show NAME                all about one of them\n",
    .options = { [OPTION_CSV] = { "csv", NULL,
                                  "comma-separated, for a spreadsheet" } },
    .run = run,
};
