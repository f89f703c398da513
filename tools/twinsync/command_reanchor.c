#include "tools/twinsync/commands.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/values.h"

enum {
    OPTION_MATCH,
    OPTION_DRY_RUN,
    OPTION_REASON
};
#define PAIRS_SHOWN 100

static void put_pairs(const struct screen *screen, const json_t *pairs)
{
    static const struct column columns[] = {
        { "KIND", false, false },       { "NAME", false, false },
        { "VALUE", false, true },       { "OLD ANCHOR", false, false },
        { "NEW ANCHOR", false, false }, { NULL, false, false },
    };
    struct libscols_table *table = table_new(screen, columns);
    size_t index;
    const json_t *pair;
    json_array_foreach(pairs, index, pair)
    {
        if (index == PAIRS_SHOWN) {
            break;
        }
        const char *const cells[] = {
            text_at(pair, "kind"), text_at(pair, "name"),
            text_at(pair, "value"), text_at(pair, "old"), text_at(pair, "new")
        };
        table_row(screen, table, TONE_PLAIN, cells);
    }
    table_done(table);
}

static void put_ambiguous(const struct screen *screen, const json_t *list)
{
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        put_toned(screen, TONE_WARN, 0, "not clear: ");
        put_text(screen, text_at(item, "value"));
        (void) fputs(" is of ", screen->out);
        put_values(screen, TONE_PLAIN, json_object_get(item, "old"));
        (void) fputs(" and of ", screen->out);
        put_values(screen, TONE_PLAIN, json_object_get(item, "new"));
        (void) putc('\n', screen->out);
    }
}

static void print_proposal(const json_t *result, bool dry_run)
{
    struct screen screen = screen_of(stdout);
    char text[TEXT_SIZE];
    const json_t *pairs = json_object_get(result, "pairs");
    int64_t count = count_at(result, "count");
    if (count == 0) {
        (void) puts("no object has lost its anchor to another one");
    } else {
        put_pairs(&screen, pairs);
    }
    if (count > PAIRS_SHOWN) {
        (void) printf("and %s more: --json has them\n",
                      count_text(text, count - PAIRS_SHOWN));
    }
    put_ambiguous(&screen, json_object_get(result, "ambiguous"));
    if (count > 0 && dry_run) {
        (void) printf("%s %s; nothing was changed\n", count_text(text, count),
                      count == 1 ? "pair" : "pairs");
    } else if (count > 0) {
        (void) printf("%s %s held until you say: twinsync approve ",
                      count_text(text, count),
                      count == 1 ? "pair is" : "pairs are");
        put_text(&screen, text_at(result, "hash"));
        (void) putchar('\n');
    }
}

static enum control_exit run(const struct cli_call *call)
{
    bool dry_run = call->options[OPTION_DRY_RUN] != NULL;
    if (call->options[OPTION_MATCH] == NULL) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot pair old and new anchors without --match PATH: "
                        "see twinsync reanchor --help");
    }
    json_t *args = json_pack("{s:s, s:b}", "match", call->options[OPTION_MATCH],
                             "dry_run", dry_run);
    json_t *result = NULL;
    enum control_exit exit_status = operator_ask(
        call, "reanchor", args, call->options[OPTION_REASON], &result);
    if (result != NULL) {
        print_proposal(result, dry_run);
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_reanchor = {
    .name = "reanchor",
    .words = "",
    .summary = "Give objects the anchors of a reloaded or migrated source",
    .details =
        "After a reload without operational attributes, or a migration, the "
        "same\n"
        "people come back with other anchors. This pairs those who vanished "
        "with\n"
        "those who appeared by the value of one target attribute, shows the "
        "pairs,\n"
        "and holds them: approve changes their externalId in place, and "
        "nobody is\n"
        "deleted or created. A value that several have is not paired.\n",
    .examples =
        "  twinsync reanchor --match userName --dry-run    only show\n"
        "  twinsync reanchor --match userName --reason \"LDIF restored\"\n",
    .options = { [OPTION_MATCH] = { "match", "PATH",
                                    "the target attribute that both have" },
                 [OPTION_DRY_RUN] = { "dry-run", NULL,
                                      "show the pairs, hold nothing" },
                 [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run,
};
