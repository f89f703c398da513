#include "tools/twinsync/commands.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_ALL,
    OPTION_DRY_RUN,
    OPTION_REASON
};
#define STRANGERS_SHOWN 20 /* of one group */

static void put_group(const struct screen *screen, const json_t *group)
{
    char text[TEXT_SIZE];
    const json_t *strangers = json_object_get(group, "strangers");
    int64_t count = count_at(group, "count");
    put_toned(screen, TONE_STRONG, 0, text_at(group, "name"));
    (void) putc(' ', screen->out);
    put_toned(screen, TONE_FAINT, 0, text_at(group, "anchor"));
    (void) fprintf(screen->out, ": %s unknown here\n", count_text(text, count));
    size_t index;
    const json_t *stranger;
    json_array_foreach(strangers, index, stranger)
    {
        if (index == STRANGERS_SHOWN) {
            break;
        }
        const char *name = text_at(stranger, "name");
        (void) fputs("  ", screen->out);
        put_text(screen, name[0] != 0 ? name : "(no name)");
        (void) putc(' ', screen->out);
        put_toned(screen, TONE_FAINT, 0, text_at(stranger, "target_id"));
        (void) putc('\n', screen->out);
    }
    if (count > STRANGERS_SHOWN) {
        (void) fprintf(screen->out, "  and %s more\n",
                       count_text(text, count - STRANGERS_SHOWN));
    }
}

static void print_groups(const json_t *result, bool dry_run)
{
    struct screen screen = screen_of(stdout);
    const json_t *groups = json_object_get(result, "groups");
    size_t index;
    const json_t *group;
    json_array_foreach(groups, index, group)
    {
        put_group(&screen, group);
    }
    if (json_array_size(groups) == 0) {
        (void) puts("no adopted group has members that are unknown here");
        return;
    }
    (void) puts(dry_run ? "nothing was changed: without --dry-run they would "
                          "be removed from their groups"
                        : "the next cycle removes them from these groups, "
                          "within the guard's budget");
}

static enum control_exit run(const struct cli_call *call)
{
    bool all = call->options[OPTION_ALL] != NULL;
    bool dry_run = call->options[OPTION_DRY_RUN] != NULL;
    if (all == (call->word_count == 2)) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot adopt members without exactly one of GROUP and "
                        "--all: see twinsync members --help");
    }
    json_t *args = json_pack("{s:s?, s:b}", "group",
                             all ? NULL : call->words[1], "dry_run", dry_run);
    json_t *result = NULL;
    enum control_exit exit_status = operator_ask(
        call, "members-adopt", args, call->options[OPTION_REASON], &result);
    if (result != NULL) {
        print_groups(result, dry_run);
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_members = {
    .name = "members",
    .words = "adopt [GROUP]",
    .summary = "Make the source the only authority for an adopted group",
    .details =
        "A group that was at the target already keeps the members that nobody "
        "here\n"
        "knows, until this says otherwise: then they are removed, and the "
        "group has\n"
        "exactly the members that the source gives it. GROUP is an anchor, a "
        "DN, a\n"
        "target id or a name.\n",
    .examples =
        "  twinsync members adopt engineers --dry-run    who would be removed\n"
        "  twinsync members adopt engineers --reason \"agreed with the "
        "owner\"\n"
        "  twinsync members adopt --all\n",
    .words_min = 1,
    .words_max = 2,
    .words_are_fixed = true,
    .options = { [OPTION_ALL] = { "all", NULL, "every adopted group" },
                 [OPTION_DRY_RUN] = { "dry-run", NULL,
                                      "show whom, change nothing" },
                 [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run,
};
