#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "node/base/cleanup.h"
#include "node/base/time.h"
#include "tools/twinsync/bar.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/preview_csv.h"
#include "tools/twinsync/values.h"

enum {
    OPTION_OUT,
    OPTION_CSV
};
#define SHOWN_MAX 100

static const struct {
    const char *verb, *sign;
    enum tone tone;
} verbs[] = {
    { "create", "+", TONE_GOOD },     { "update", "~", TONE_BUSY },
    { "adopt", "=", TONE_BUSY },      { "reactivate", "~", TONE_BUSY },
    { "deactivate", "-", TONE_WARN }, { "delete", "-", TONE_BAD },
};

static void on_progress(void *context, const struct control_progress *progress)
{
    bar_update(context, progress->phase, (int64_t) progress->done,
               (int64_t) progress->total, ts_time_now());
}

static void on_answer(void *context)
{
    bar_done(context);
}

static void put_changes(const struct screen *screen, const json_t *object)
{
    bool is_new = strcmp(text_at(object, "verb"), "create") == 0;
    size_t index;
    const json_t *item;
    json_array_foreach(json_object_get(object, "attributes"), index, item)
    {
        (void) fputs("      ", screen->out);
        put_toned(screen, TONE_FAINT, 22, text_at(item, "path"));
        (void) fputs("  ", screen->out);
        if (!is_new) {
            put_values(screen, TONE_BAD, json_object_get(item, "old"));
            (void) fputs(mark(screen, " → ", " -> "), screen->out);
        }
        put_values(screen, TONE_GOOD, json_object_get(item, "new"));
        (void) putc('\n', screen->out);
    }
    const json_t *members = json_object_get(object, "members");
    if (json_is_object(members)) {
        (void) fputs("      ", screen->out);
        put_toned(screen, TONE_FAINT, 24, text_at(members, "path"));
        size_t add = json_array_size(json_object_get(members, "add"));
        size_t gone = json_array_size(json_object_get(members, "remove"));
        /* What an object has is read when it is adopted, not before. */
        (void) fprintf(screen->out,
                       strcmp(text_at(object, "verb"), "adopt") == 0
                           ? "%zu wanted, less those that are there already; "
                             "%zu removed\n"
                           : "%zu added, %zu removed\n",
                       add, gone);
    }
}

static void put_object(const struct screen *screen, const json_t *object)
{
    const char *verb = text_at(object, "verb");
    enum tone tone = TONE_PLAIN;
    const char *sign = " ";
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].verb, verb) == 0) {
            tone = verbs[i].tone;
            sign = verbs[i].sign;
        }
    }
    (void) fputs("  ", screen->out);
    put_toned(screen, tone, 2, sign);
    put_toned(screen, tone, 11, verb);
    put_text(screen, text_at(object, "kind"));
    (void) putc(' ', screen->out);
    put_toned(screen, TONE_STRONG, 0, text_at(object, "name"));
    (void) putc(' ', screen->out);
    put_toned(screen, TONE_FAINT, 0, text_at(object, "anchor"));
    if (strcmp(verb, "adopt") == 0) {
        put_toned(screen, TONE_FAINT, 0, "  by a ");
        put_toned(screen, TONE_FAINT, 0, text_at(object, "match"));
        put_toned(screen, TONE_FAINT, 0, " match");
    }
    (void) putc('\n', screen->out);
    put_changes(screen, object);
}

/* Who finds whom at the target: what a first run has to be judged by. */
static void put_matches(const struct screen *screen, const json_t *result)
{
    static const struct column columns[] = {
        { "HARD MATCH", true, false }, { "SOFT MATCH", true, false },
        { "CREATE", true, false },     { "CONFLICT", true, false },
        { "UNTOUCHED", true, false },  { NULL, false, false }
    };
    const json_t *matched = json_object_get(result, "matched");
    const int64_t counts[] = {
        count_at(matched, "hard"),
        count_at(matched, "soft"),
        count_at(json_object_get(result, "counts"), "create"),
        count_at(result, "conflict_count"),
        count_at(json_object_get(result, "untouched"), "count"),
    };
    char texts[5][TEXT_SIZE];
    const char *cells[5];
    bool any = json_is_object(json_object_get(result, "staging"));
    for (size_t i = 0; i < 5; i++) {
        cells[i] = count_text(texts[i], counts[i]);
        any = any || (i != 2 && i != 4 && counts[i] > 0);
    }
    struct libscols_table *table = any ? table_new(screen, columns) : NULL;
    if (table != NULL) {
        (void) putc('\n', screen->out);
        table_row(screen, table, TONE_PLAIN, cells);
        table_done(table);
        (void) putc('\n', screen->out);
    }
}

static void put_conflicts(const struct screen *screen, const json_t *result)
{
    size_t index;
    const json_t *item;
    json_array_foreach(json_object_get(result, "conflicts"), index, item)
    {
        if (index == SHOWN_MAX) {
            (void) fputs("  and more: preview --csv has them\n", screen->out);
            break;
        }
        (void) fputs("  ", screen->out);
        put_toned(screen, TONE_BAD, 2, "!");
        put_toned(screen, TONE_BAD, 11, "conflict");
        put_text(screen, text_at(item, "kind"));
        (void) putc(' ', screen->out);
        put_toned(screen, TONE_STRONG, 0, text_at(item, "name"));
        (void) fputs("\n      ", screen->out);
        put_wrapped(screen, 6, text_at(item, "text"));
    }
}

static void put_counts(const struct screen *screen, const json_t *result)
{
    static const char *const keys[] = { "create",     "adopt",  "update",
                                        "deactivate", "delete", "members" };
    const json_t *counts = json_object_get(result, "counts");
    char text[TEXT_SIZE];
    bool any = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t count = count_at(counts, keys[i]);
        if (count > 0) {
            (void) fprintf(screen->out, "%s%s %s", any ? ", " : "",
                           count_text(text, count), keys[i]);
            any = true;
        }
    }
    (void) fputs(any ? "\n" : "nothing would be written\n", screen->out);
    if (text_at(result, "held")[0] != 0) {
        put_toned(screen, TONE_WARN, 0, "held back: ");
        put_text(screen, text_at(result, "held"));
        (void) putc('\n', screen->out);
    }
    if (count_at(result, "in_doubt") > 0) {
        (void) fprintf(screen->out,
                       "%s objects wait for an answer that was lost\n",
                       count_text(text, count_at(result, "in_doubt")));
    }
    const json_t *holds = json_object_get(result, "holds");
    if (json_array_size(holds) > 0) {
        (void) fprintf(screen->out, "%s %s no part of it: twinsync hold list\n",
                       count_text(text, (int64_t) json_array_size(holds)),
                       json_array_size(holds) == 1 ? "hold is" : "holds are");
    }
    const json_t *staging = json_object_get(result, "staging");
    if (json_is_object(staging)) {
        put_toned(screen, TONE_WARN, 0, text_at(staging, "text"));
        (void) putc('\n', screen->out);
    }
    put_toned(screen, TONE_FAINT, 0, "plan ");
    put_text(screen, text_at(result, "hash"));
    (void) putc('\n', screen->out);
    if (any && json_is_object(staging)) {
        (void) fprintf(screen->out, "write it: twinsync sync --plan %s\n",
                       text_at(result, "hash"));
    }
}

static void print_plan(const json_t *result, bool counts_only)
{
    struct screen screen = screen_of(stdout);
    const json_t *objects = json_object_get(result, "objects");
    size_t index;
    const json_t *object;
    json_array_foreach(objects, index, object)
    {
        if (counts_only) {
            break;
        }
        if (index == SHOWN_MAX) {
            char text[TEXT_SIZE];
            (void) printf("  and %s more: preview --out FILE has them\n",
                          count_text(text, (int64_t) (json_array_size(objects) -
                                                      SHOWN_MAX)));
            break;
        }
        put_object(&screen, object);
    }
    if (flag_at(result, "cut")) {
        (void) puts("  the list is cut; the counts are whole");
    }
    if (!counts_only) {
        put_conflicts(&screen, result);
    }
    put_matches(&screen, result);
    put_counts(&screen, result);
}

/* False: errno says why. */
static bool write_document(const json_t *result, bool csv, int fd)
{
    if (!csv) {
        return json_dumpfd(result, fd, JSON_INDENT(1)) == 0 && fsync(fd) == 0;
    }
    int copy = dup(fd);
    FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
    if (out == NULL) {
        return false;
    }
    preview_csv(out, result);
    bool good = ferror(out) == 0 && fflush(out) == 0 && fsync(copy) == 0;
    return fclose(out) == 0 && good;
}

/* A new file or none: a plan names people, so nobody else may read it, and no
 * link leads it elsewhere. */
static enum control_exit write_plan(const struct cli_call *call,
                                    const char *path, const json_t *result)
{
    TS_AUTOCLOSE int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return cli_fail(call, CONTROL_FAILED,
                        "could not write the plan to \"%s\": %s", path,
                        errno == EEXIST ? "it is there already, choose another "
                                          "name"
                                        : strerrordesc_np(errno));
    }
    if (!write_document(result, call->options[OPTION_CSV] != NULL, fd)) {
        int why = errno;
        (void) unlink(path);
        return cli_fail(call, CONTROL_FAILED,
                        "could not write the plan to \"%s\": %s", path,
                        strerrordesc_np(why));
    }
    return CONTROL_DONE;
}

static enum control_exit run(const struct cli_call *call)
{
    const char *path = call->options[OPTION_OUT];
    bool csv = call->options[OPTION_CSV] != NULL;
    if (csv && call->json) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot print CSV and JSON at once: leave out one");
    }
    struct bar bar;
    bar_init(&bar);
    const struct daemon_question question = {
        .command = "preview",
        .progress = call->json ? NULL : on_progress,
        .context = &bar,
        .answered = on_answer,
        .silent = path != NULL,
    };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL && path != NULL && exit_status == CONTROL_DONE) {
        exit_status = write_plan(call, path, result);
        if (exit_status == CONTROL_DONE && call->json) {
            (void) json_object_set_new(result, "out", json_string(path));
            (void) json_object_del(result, "objects");
            cli_print_json(result);
        }
    }
    if (result != NULL && csv && path == NULL) {
        preview_csv(stdout, result);
    } else if (result != NULL && !call->json && exit_status == CONTROL_DONE) {
        print_plan(result, path != NULL);
    }
    json_decref(result);
    return exit_status;
}

const struct cli_command command_preview = {
    .name = "preview",
    .words = "",
    .summary = "Show what the next cycle would write; changes nothing",
    .details =
        "Each object with what happens to it, how it finds its counterpart at "
        "the\n"
        "target, and who cannot be matched. The plan is stored for 24 hours "
        "under its\n"
        "hash, which covers everything that would be written: twinsync sync "
        "--plan\n"
        "HASH writes exactly that.\n",
    .examples =
        "  twinsync preview                    the plan, for people\n"
        "  twinsync preview --out plan.json    all of it, in a new file\n"
        "  twinsync preview --csv --out p.csv  the same for a spreadsheet\n",
    .options = { [OPTION_OUT] = { "out", "FILE",
                                  "write the plan to a new file, as JSON" },
                 [OPTION_CSV] = { "csv", NULL,
                                  "one row a value that changes" } },
    .run = run,
};
