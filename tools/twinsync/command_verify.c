#include <string.h>

#include "node/base/time.h"
#include "tools/twinsync/bar.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/values.h"

enum {
    OPTION_ALL
};
#define SHOWN_MAX 100

static void on_progress(void *context, const struct control_progress *progress)
{
    bar_update(context, progress->phase, (int64_t) progress->done,
               (int64_t) progress->total, ts_time_now());
}

static void on_answer(void *context)
{
    bar_done(context);
}

static void put_difference(const struct screen *screen, const json_t *item)
{
    const char *what = text_at(item, "what");
    (void) fputs("  ", screen->out);
    put_toned(screen, TONE_BAD, 11, what);
    put_text(screen, text_at(item, "kind"));
    (void) putc(' ', screen->out);
    put_toned(screen, TONE_STRONG, 0, text_at(item, "name"));
    (void) putc(' ', screen->out);
    put_toned(screen, TONE_FAINT, 0, text_at(item, "anchor"));
    if (text_at(item, "path")[0] != 0) {
        (void) fputs("\n             ", screen->out);
        put_text(screen, text_at(item, "path"));
        (void) fputs(": target has ", screen->out);
        put_values(screen, TONE_BAD, json_object_get(item, "theirs"));
        (void) fputs(", should be ", screen->out);
        put_values(screen, TONE_GOOD, json_object_get(item, "ours"));
    }
    (void) putc('\n', screen->out);
}

static void put_rest(const struct screen *screen, const json_t *result)
{
    char text[TEXT_SIZE];
    const json_t *journal = json_object_get(result, "journal");
    if (count_at(result, "normalized_count") > 0) {
        (void) printf("  %s values are stored as the target writes them: "
                      "twinsync --json verify --all has them\n",
                      count_text(text, count_at(result, "normalized_count")));
    }
    if (count_at(result, "others") > 0) {
        (void) printf("  %s objects belong to others\n",
                      count_text(text, count_at(result, "others")));
    }
    if (json_is_object(journal) && !flag_at(journal, "verified")) {
        put_toned(screen, TONE_BAD, 0, mark(screen, "✗", "x"));
        (void) fputs(" the store: ", screen->out);
        put_wrapped(screen, 2, text_at(journal, "why"));
    }
}

/* The whole number, also of those that are not in the list. */
static int64_t difference_count(const json_t *result)
{
    const json_t *list = json_object_get(result, "differences");
    int64_t listed = (int64_t) json_array_size(list);
    int64_t all = count_at(result, "difference_count");
    return all > listed ? all : listed;
}

/* A standby has no way to the target. */
static void print_rows_only(const struct screen *screen, const json_t *result)
{
    char text[TEXT_SIZE];
    const json_t *journal = json_object_get(result, "journal");
    if (flag_at(journal, "verified")) {
        put_toned(screen, TONE_GOOD, 0, mark(screen, "✓", "+"));
        (void) printf(" the store: %s rows, as its journal says\n",
                      count_text(text, count_at(journal, "rows")));
    }
    put_rest(screen, result);
    (void) puts("  the target was not read: this node is a standby; run it on "
                "the active one");
}

static void print_result(const json_t *result)
{
    struct screen screen = screen_of(stdout);
    char text[TEXT_SIZE];
    if (json_is_null(json_object_get(result, "equal"))) {
        print_rows_only(&screen, result);
        return;
    }
    const json_t *differences = json_object_get(result, "differences");
    bool equal = flag_at(result, "equal");
    put_toned(&screen, equal ? TONE_GOOD : TONE_BAD, 0,
              mark(&screen, equal ? "✓" : "✗", equal ? "+" : "x"));
    (void) printf(" compared %s objects: ",
                  count_text(text, count_at(result, "compared")));
    if (equal) {
        (void) puts("the target is equal");
        put_rest(&screen, result);
        return;
    }
    (void) printf("%s differences\n",
                  count_text(text, difference_count(result)));
    size_t index;
    const json_t *item;
    json_array_foreach(differences, index, item)
    {
        if (index == SHOWN_MAX) {
            (void) printf(
                "  and %s more: twinsync --json verify --all has "
                "them\n",
                count_text(text, difference_count(result) - SHOWN_MAX));
            break;
        }
        put_difference(&screen, item);
    }
    put_rest(&screen, result);
}

static enum control_exit run(const struct cli_call *call)
{
    if (call->options[OPTION_ALL] == NULL) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot verify a sample yet: say --all to compare "
                        "every object");
    }
    struct bar bar;
    bar_init(&bar);
    const struct daemon_question question = {
        .command = "verify",
        .progress = call->json ? NULL : on_progress,
        .context = &bar,
        .answered = on_answer,
    };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        print_result(result);
        json_decref(result);
    }
    return exit_status;
}

const struct cli_command command_verify = {
    .name = "verify",
    .words = "",
    .summary = "Read the whole target and compare it with what should be there",
    .details = "Changes nothing. Exit status 0 when all is equal, 1 when not. "
               "A standby\n"
               "checks its own store only, and says so.\n",
    .examples =
        "  twinsync verify --all           every object, attribute and member\n"
        "  twinsync --json verify --all    with every difference\n",
    .options = { [OPTION_ALL] = { "all", NULL, "every object" } },
    .run = run,
};
