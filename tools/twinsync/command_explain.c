#include <stdio.h>
#include <string.h>

#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/output.h"

#define NAME_WIDTH 16 /* of the longest gate, and room */
#define LINE_SIZE  1024

static void put_gate(const struct screen *screen, const json_t *gate)
{
    bool ok = flag_at(gate, "ok");
    enum tone tone = ok ? TONE_GOOD : TONE_BAD;
    (void) fputs("  ", screen->out);
    put_toned(screen, tone, 0,
              ok ? mark(screen, "✓", "+") : mark(screen, "✗", "x"));
    (void) putc(' ', screen->out);
    put_toned(screen, ok ? TONE_PLAIN : tone, NAME_WIDTH,
              text_at(gate, "name"));
    char text[LINE_SIZE];
    const char *threshold = text_at(gate, "threshold");
    (void) snprintf(text, sizeof text, "%s%s%s", text_at(gate, "value"),
                    threshold[0] != 0 ? "  wanted: " : "", threshold);
    put_wrapped(screen, 4 + NAME_WIDTH, text);
    const char *fix = text_at(gate, "fix");
    if (!ok && fix[0] != 0) {
        (void) fputs("      ", screen->out);
        put_toned(screen, TONE_STRONG, 0, mark(screen, "→ ", "> "));
        put_wrapped(screen, 8, fix);
    }
}

static void show(const struct screen *screen, const json_t *result)
{
    (void) fputs("  ", screen->out);
    put_toned(screen, TONE_STRONG, 0, text_at(result, "node"));
    (void) fputs(" is ", screen->out);
    put_toned(screen, flag_at(result, "exports") ? TONE_GOOD : TONE_BUSY, 0,
              text_at(result, "role"));
    (void) fputs(": ", screen->out);
    put_wrapped(screen, 4, text_at(result, "text"));
    put_heading(screen, flag_at(result, "exports")
                            ? "What keeps it exporting"
                            : "What lies between here and exporting");
    size_t index;
    const json_t *gate;
    json_array_foreach(json_object_get(result, "gates"), index, gate)
    {
        put_gate(screen, gate);
    }
}

static enum control_exit run(const struct cli_call *call)
{
    const struct daemon_question question = { .command = "explain",
                                              .wait_ms =
                                                  CONTROL_CLIENT_WAIT_MS };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        struct screen screen = screen_of(stdout);
        show(&screen, result);
        json_decref(result);
    }
    return exit_status;
}

const struct cli_command command_explain = {
    .name = "explain",
    .words = "",
    .summary = "Show every gate between this node and exporting",
    .details =
        "Of a pair, one node exports. Each gate is shown with what it found,\n"
        "what it wants, and, when it is closed, what opens it. A standby "
        "shows\n"
        "the gates that it would have to pass to take over.\n",
    .examples = "  twinsync explain          why does this node not export?\n"
                "  twinsync --json explain   the same for a script\n",
    .run = run,
};
