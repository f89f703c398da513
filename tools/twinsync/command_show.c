#include <string.h>

#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/values.h"

#define NAME_WIDTH 24

static const struct {
    const char *state;
    enum tone tone;
    const char *picture, *plain;
} states[] = {
    { "ok", TONE_GOOD, "✓", "+" },        { "waiting", TONE_BUSY, "…", "~" },
    { "different", TONE_WARN, "≠", "!" }, { "missing", TONE_WARN, "∅", "-" },
    { "out", TONE_FAINT, "○", "o" },      { "problem", TONE_BAD, "✗", "x" },
};

static void put_state(const struct screen *screen, const json_t *stage)
{
    const char *state = text_at(stage, "state");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (strcmp(states[i].state, state) == 0) {
            put_toned(screen, states[i].tone, 0,
                      mark(screen, states[i].picture, states[i].plain));
            (void) putc(' ', screen->out);
            put_toned(screen, TONE_STRONG, NAME_WIDTH + 2,
                      text_at(stage, "stage"));
            put_toned(screen, states[i].tone, 0, state);
            (void) putc('\n', screen->out);
            return;
        }
    }
    put_toned(screen, TONE_STRONG, 0, text_at(stage, "stage"));
    (void) putc('\n', screen->out);
}

static void put_facts(const struct screen *screen, const json_t *stage)
{
    const char *name;
    json_t *value;
    json_t *facts = json_object_get(stage, "facts");
    json_object_foreach(facts, name, value)
    {
        if (json_is_null(value)) {
            continue;
        }
        (void) fputs("    ", screen->out);
        put_toned(screen, TONE_FAINT, NAME_WIDTH, name);
        put_scalar(screen, value);
        (void) putc('\n', screen->out);
    }
}

static void put_lists(const struct screen *screen, const json_t *stage)
{
    size_t index;
    const json_t *item;
    json_array_foreach(json_object_get(stage, "values"), index, item)
    {
        (void) fputs("    ", screen->out);
        put_toned(screen, TONE_PLAIN, NAME_WIDTH - 1, text_at(item, "path"));
        (void) putc(' ', screen->out);
        put_values(screen, TONE_PLAIN, json_object_get(item, "values"));
        if (text_at(item, "from")[0] != 0) {
            put_toned(screen, TONE_FAINT, 0, "  from ");
            put_toned(screen, TONE_FAINT, 0, text_at(item, "from"));
        }
        (void) putc('\n', screen->out);
    }
    json_array_foreach(json_object_get(stage, "differences"), index, item)
    {
        (void) fputs("    ", screen->out);
        put_toned(screen, TONE_WARN, NAME_WIDTH - 1, text_at(item, "path"));
        (void) putc(' ', screen->out);
        put_values(screen, TONE_BAD, json_object_get(item, "theirs"));
        (void) fputs(mark(screen, " → ", " -> "), screen->out);
        put_values(screen, TONE_GOOD, json_object_get(item, "ours"));
        (void) putc('\n', screen->out);
    }
    json_array_foreach(json_object_get(stage, "problems"), index, item)
    {
        (void) fputs("    ", screen->out);
        put_toned(screen, TONE_BAD, NAME_WIDTH - 1, text_at(item, "path"));
        (void) putc(' ', screen->out);
        put_wrapped(screen, 4 + NAME_WIDTH, text_at(item, "text"));
    }
}

static void print_object(const struct screen *screen, const json_t *object)
{
    bool in_step = flag_at(object, "in_step");
    put_toned(screen, in_step ? TONE_GOOD : TONE_WARN, 0,
              mark(screen, "●", "*"));
    (void) putc(' ', screen->out);
    put_text(screen, text_at(object, "kind"));
    (void) putc(' ', screen->out);
    put_toned(screen, TONE_STRONG, 0, text_at(object, "name"));
    (void) fputs(in_step ? " is in step" : " is not in step", screen->out);
    if (text_at(object, "why")[0] != 0) {
        (void) fputs("\n  ", screen->out);
        put_wrapped(screen, 2, text_at(object, "why"));
    } else {
        (void) putc('\n', screen->out);
    }
    put_toned(screen, TONE_FAINT, 0, "  anchor ");
    put_text(screen, text_at(object, "anchor"));
    (void) putc('\n', screen->out);

    size_t index;
    const json_t *stage;
    json_array_foreach(json_object_get(object, "stages"), index, stage)
    {
        (void) putc('\n', screen->out);
        put_state(screen, stage);
        put_facts(screen, stage);
        put_lists(screen, stage);
    }
}

static void print_candidates(const struct screen *screen,
                             const json_t *candidates)
{
    static const struct column columns[] = { { "KIND", false, false },
                                             { "NAME", false, false },
                                             { "ANCHOR", false, false },
                                             { "DN", false, true },
                                             { NULL, false, false } };
    struct libscols_table *table = table_new(screen, columns);
    size_t index;
    const json_t *item;
    json_array_foreach(candidates, index, item)
    {
        const char *const cells[] = { text_at(item, "kind"),
                                      text_at(item, "name"),
                                      text_at(item, "anchor"),
                                      text_at(item, "dn") };
        table_row(screen, table, TONE_PLAIN, cells);
    }
    table_done(table);
}

static enum control_exit run(const struct cli_call *call)
{
    json_t *args = json_pack("{s:s}", "object", call->words[0]);
    if (args == NULL) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot look for an object whose name is not UTF-8");
    }
    const struct daemon_question question = {
        .command = "show", .args = args, .wait_ms = CONTROL_CLIENT_WAIT_MS
    };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    struct screen screen = screen_of(stdout);
    const json_t *candidates = json_object_get(result, "candidates");
    if (candidates != NULL) {
        print_candidates(&screen, candidates);
    } else if (result != NULL) {
        print_object(&screen, result);
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_show = {
    .name = "show",
    .words = "ANCHOR|DN|NAME",
    .summary = "Explain one object, from the source to the target",
    .details =
        "Every stage in order: source values, scope, join, metaverse, the\n"
        "target's values, ledger, intents and holds; and in one sentence why "
        "it\n"
        "is not as it should be, if it is not.\n",
    .examples =
        "  twinsync show ada                               by name\n"
        "  twinsync show uid=ada,ou=people,dc=example,dc=org\n"
        "  twinsync --json show 3f0c… | jq .why            for a script\n",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
