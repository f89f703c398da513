#include <string.h>

#include "node/config/loader.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/evaluation.h"
#include "tools/twinsync/values.h"

enum {
    OPTION_SAMPLE,
    OPTION_CONFIG
};

/* --- printing ----------------------------------------------------------- */

static void put_list(const struct screen *screen, const json_t *list)
{
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        (void) fputs("    ", screen->out);
        put_toned(screen, TONE_FAINT, 28, text_at(item, "path"));
        (void) putc(' ', screen->out);
        put_values(screen, TONE_PLAIN, json_object_get(item, "values"));
        (void) putc('\n', screen->out);
    }
}

static void put_scope(const struct screen *screen, const json_t *object)
{
    const char *scope = text_at(object, "scope");
    enum tone tone = strcmp(scope, "in") == 0    ? TONE_GOOD
                     : strcmp(scope, "out") == 0 ? TONE_WARN
                                                 : TONE_BAD;
    put_toned(screen, tone, 0, mark(screen, "●", "*"));
    (void) putc(' ', screen->out);
    put_toned(screen, TONE_STRONG, 0, text_at(object, "dn"));
    (void) fputs("\n    ", screen->out);
    put_toned(screen, TONE_FAINT, 28, "(scope)");
    (void) putc(' ', screen->out);
    put_toned(screen, tone, 0, scope);
    if (text_at(object, "rule")[0] != 0) {
        (void) fputs(" by rule ", screen->out);
        put_text(screen, text_at(object, "rule"));
    }
    if (text_at(object, "false_term")[0] != 0) {
        (void) fputs(", because this is not true: ", screen->out);
        put_text(screen, text_at(object, "false_term"));
    }
    (void) putc('\n', screen->out);
}

static void put_problems(const struct screen *screen, const json_t *object)
{
    size_t index;
    const json_t *item;
    json_array_foreach(json_object_get(object, "problems"), index, item)
    {
        (void) fputs("    ", screen->out);
        put_toned(screen, TONE_BAD, 28, text_at(item, "path"));
        (void) putc(' ', screen->out);
        put_wrapped(screen, 33, text_at(item, "text"));
    }
}

static void put_differences(const struct screen *screen, const json_t *object)
{
    const json_t *differences = json_object_get(object, "differences");
    if (!json_is_array(differences)) {
        return;
    }
    (void) fputs("  ", screen->out);
    put_toned(screen,
              json_array_size(differences) == 0 ? TONE_FAINT : TONE_STRONG, 0,
              json_array_size(differences) == 0 ? "no difference to now"
                                                : "difference to now");
    (void) putc('\n', screen->out);
    size_t index;
    const json_t *item;
    json_array_foreach(differences, index, item)
    {
        (void) fputs("    ", screen->out);
        put_toned(screen, TONE_WARN, 28, text_at(item, "path"));
        (void) putc(' ', screen->out);
        put_values(screen, TONE_BAD, json_object_get(item, "now"));
        (void) fputs(mark(screen, " → ", " -> "), screen->out);
        put_values(screen, TONE_GOOD, json_object_get(item, "draft"));
        (void) putc('\n', screen->out);
    }
}

/* What a sample left out, by the term that is not true of it. */
static void put_passed_over(const struct screen *screen, json_t *passed_over)
{
    const char *term;
    json_t *count;
    json_object_foreach(passed_over, term, count)
    {
        (void) fprintf(screen->out, "%lld out of scope: ",
                       (long long) json_integer_value(count));
        put_text(screen, term[0] != 0 ? term : "no rule is for them");
        (void) putc('\n', screen->out);
    }
}

static void put_summary(const struct screen *screen, const json_t *objects)
{
    size_t index, in = 0, problems = 0, different = 0;
    const json_t *object;
    json_array_foreach(objects, index, object)
    {
        in += strcmp(text_at(object, "scope"), "in") == 0;
        problems += json_array_size(json_object_get(object, "problems")) > 0;
        different +=
            json_array_size(json_object_get(object, "differences")) > 0;
    }
    (void) fprintf(screen->out,
                   "%zu shown: %zu in scope, %zu with problems, %zu different "
                   "from now; nothing was stored\n",
                   json_array_size(objects), in, problems, different);
}

static void print_document(const json_t *document)
{
    struct screen screen = screen_of(stdout);
    size_t index;
    const json_t *object;
    json_array_foreach(json_object_get(document, "objects"), index, object)
    {
        put_scope(&screen, object);
        put_list(&screen, json_object_get(object, "values"));
        put_list(&screen, json_object_get(object, "once"));
        put_problems(&screen, object);
        put_differences(&screen, object);
        (void) putchar('\n');
    }
    const char *assumed = text_at(document, "target_schema");
    if (assumed[0] != 0) {
        put_toned(&screen, TONE_WARN, 0, "! ");
        (void) fputs("the target's own schema is not known, that of RFC 7643 "
                     "was taken: ",
                     stdout);
        put_wrapped(&screen, 2, assumed);
    }
    put_passed_over(&screen, json_object_get(document, "passed_over"));
    put_summary(&screen, json_object_get(document, "objects"));
}

/* --- running ------------------------------------------------------------ */

static enum ts_code read_words(const struct cli_call *call, int64_t *ret_sample,
                               struct ts_err *err)
{
    const char *sample = call->options[OPTION_SAMPLE];
    bool named = call->word_count == 2;
    if (named == (sample != NULL)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot test rules without exactly one of OBJECT and "
                       "--sample N: see twinsync rules --help");
    }
    *ret_sample = 0;
    return named ? TS_OK
                 : cli_number(sample, "--sample", 1, EVALUATION_SAMPLE_MAX,
                              ret_sample, err);
}

static enum control_exit evaluate(const struct cli_call *call,
                                  const struct evaluation_options *options)
{
    json_t *document = NULL;
    struct ts_err err;
    if (evaluation_run(options, &document, &err) != TS_OK) {
        return cli_fail_err(call, &err);
    }
    enum control_exit exit_status = CONTROL_DONE;
    if (json_array_size(json_object_get(document, "objects")) == 0 &&
        json_object_size(json_object_get(document, "passed_over")) == 0) {
        exit_status =
            cli_fail(call, CONTROL_FAILED,
                     "could not find %s at the source, within the "
                     "configured base and filter",
                     options->object != NULL ? options->object : "any object");
    } else if (call->json) {
        cli_print_json(document);
    } else {
        print_document(document);
    }
    json_decref(document);
    return exit_status;
}

static enum control_exit run(const struct cli_call *call)
{
    struct ts_err err;
    int64_t sample = 0;
    if (read_words(call, &sample, &err) != TS_OK) {
        return cli_fail_err(call, &err);
    }
    enum control_exit exit_status = CONTROL_DONE;
    struct config *now = cli_config(call, &exit_status);
    if (now == NULL) {
        return exit_status;
    }
    struct config *draft = NULL;
    const char *draft_path = call->options[OPTION_CONFIG];
    if (draft_path != NULL &&
        config_load(draft_path, &draft, NULL, &err) != TS_OK) {
        exit_status = cli_fail(call, CONTROL_USAGE, "%s", err.text);
    } else {
        const struct evaluation_options options = {
            .draft = draft != NULL ? draft : now,
            .now = draft != NULL ? now : NULL,
            .object = call->word_count == 2 ? call->words[1] : NULL,
            .sample = (size_t) sample,
        };
        exit_status = evaluate(call, &options);
    }
    config_free(draft);
    config_free(now);
    return exit_status;
}

const struct cli_command command_rules = {
    .name = "rules",
    .words = "test [OBJECT]",
    .summary = "Try the rules on objects of the source; stores nothing",
    .details =
        "Reads OBJECT (an anchor, a DN, or a name) or, with --sample, the "
        "first N\n"
        "objects from the source, and shows scope, values and problems. With\n"
        "--config, the rules of that draft are tried, and the difference to "
        "what\n"
        "the present configuration (-c) gives is shown. Needs no daemon.\n",
    .examples =
        "  twinsync rules test ada                          what becomes of "
        "her\n"
        "  twinsync rules test --sample 100                 problems at large\n"
        "  twinsync rules test ada --config draft.yaml      and what would "
        "change\n",
    .words_min = 1,
    .words_max = 2,
    .words_are_fixed = true,
    .options = { [OPTION_SAMPLE] = { "sample", "N",
                                     "N objects that a rule takes, up to "
                                     "1000" },
                 [OPTION_CONFIG] = { "config", "FILE",
                                     "a draft, compared with the present "
                                     "file" } },
    .run = run,
};
