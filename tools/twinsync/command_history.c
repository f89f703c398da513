#include <string.h>

#include "node/base/time.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/output.h"
#include "tools/twinsync/reconcile_view.h"

enum {
    OPTION_LIMIT,
    OPTION_RECONCILE
};

static enum tone tone_of(const char *result)
{
    if (strcmp(result, "failed") == 0) {
        return TONE_BAD;
    }
    return strcmp(result, "success") == 0 ? TONE_PLAIN : TONE_WARN;
}

static void add_row(const struct screen *screen, struct libscols_table *table,
                    const json_t *cycle)
{
    enum {
        CREATE,
        UPDATE,
        DELETE,
        AMOUNTS
    };
    static const char *const keys[AMOUNTS] = { "create", "update", "delete" };
    const json_t *exports = json_object_get(cycle, "exports");
    char amounts[AMOUNTS][TEXT_SIZE], id[TEXT_SIZE], took[TEXT_SIZE],
        ago[TEXT_SIZE];
    for (size_t i = 0; i < AMOUNTS; i++) {
        (void) count_text(amounts[i], count_at(exports, keys[i]));
    }
    (void) snprintf(id, sizeof id, "%lld", (long long) count_at(cycle, "id"));
    bool running = flag_at(cycle, "running");
    const char *result = running ? "running" : text_at(cycle, "result");
    const char *const cells[] = {
        id,
        ago_text(ago, text_at(cycle, "started"), ts_wall_seconds()),
        text_at(cycle, "kind"),
        result,
        span_text(took, count_at(cycle, "duration_ms")),
        amounts[CREATE],
        amounts[UPDATE],
        amounts[DELETE],
    };
    table_row(screen, table, running ? TONE_BUSY : tone_of(result), cells);
}

/* Which node exported, since when, and why. */
static void put_epochs(const struct screen *screen, const json_t *epochs)
{
    static const struct column columns[] = {
        { "EPOCH", true, false },  { "NODE", false, false },
        { "SINCE", false, false }, { "BY", false, false },
        { "REASON", false, true }, { "FENCE", false, true },
        { NULL, false, false },
    };
    if (json_array_size(epochs) == 0) {
        return;
    }
    struct libscols_table *table = table_new(screen, columns);
    size_t index;
    const json_t *epoch;
    json_array_foreach(epochs, index, epoch)
    {
        char number[TEXT_SIZE], ago[TEXT_SIZE];
        (void) snprintf(number, sizeof number, "%lld",
                        (long long) count_at(epoch, "epoch"));
        const char *const cells[] = {
            number,
            text_at(epoch, "node"),
            ago_text(ago, text_at(epoch, "since"), ts_wall_seconds()),
            text_at(epoch, "actor"),
            text_at(epoch, "reason"),
            text_at(epoch, "evidence"),
        };
        table_row(screen, table, index == 0 ? TONE_GOOD : TONE_PLAIN, cells);
    }
    table_done(table);
    (void) putc('\n', screen->out);
}

static void put_cycles(const struct screen *screen, const json_t *cycles)
{
    static const struct column columns[] = {
        { "CYCLE", true, false },   { "BEGAN", false, false },
        { "KIND", false, false },   { "RESULT", false, false },
        { "TOOK", true, false },    { "CREATED", true, false },
        { "UPDATED", true, false }, { "DELETED", true, false },
        { NULL, false, false },
    };
    struct libscols_table *table = table_new(screen, columns);
    size_t index;
    const json_t *cycle;
    json_array_foreach(cycles, index, cycle)
    {
        add_row(screen, table, cycle);
    }
    table_done(table);
}

static enum control_exit show_reconcile(const struct cli_call *call)
{
    const struct daemon_question question = {
        .command = "reconcile-report",
        .args = json_object(),
        .wait_ms = CONTROL_CLIENT_WAIT_MS,
    };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        const json_t *report = json_object_get(result, "reconcile");
        if (json_is_null(report)) {
            (void) puts("no reconcile was run yet");
        }
        reconcile_print(report);
        json_decref(result);
    }
    return exit_status;
}

static enum control_exit run(const struct cli_call *call)
{
    if (call->options[OPTION_RECONCILE] != NULL) {
        return show_reconcile(call);
    }
    int64_t limit = 20;
    struct ts_err err;
    if (call->options[OPTION_LIMIT] != NULL &&
        cli_number(call->options[OPTION_LIMIT], "--limit", 1, 1000, &limit,
                   &err) != TS_OK) {
        return cli_fail_err(call, &err);
    }
    const struct daemon_question question = {
        .command = "history",
        .args = json_pack("{s:I}", "limit", (json_int_t) limit),
        .wait_ms = CONTROL_CLIENT_WAIT_MS,
    };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        struct screen screen = screen_of(stdout);
        put_epochs(&screen, json_object_get(result, "epochs"));
        put_cycles(&screen, json_object_get(result, "cycles"));
        json_decref(result);
    }
    return exit_status;
}

const struct cli_command command_history = {
    .name = "history",
    .words = "",
    .summary = "List the epochs of a pair, the last cycles, what each did",
    .details =
        "An epoch is the time in which one node of a pair exported: since\n"
        "when, by whose decision, why, and how the old credential was proved\n"
        "to be gone. A node alone has none.\n"
        "--reconcile shows what the last one found and left, on both nodes.\n",
    .examples = "  twinsync history              the last 20\n"
                "  twinsync history --limit 500  of the last days\n"
                "  twinsync history --reconcile  what differed, and what is "
                "left\n",
    .options = { [OPTION_LIMIT] = { "limit", "N", "how many (default 20)" },
                 [OPTION_RECONCILE] = { "reconcile", NULL,
                                        "the last reconcile, pass by pass" } },
    .run = run,
};
