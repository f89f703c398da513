#include "tools/twinsync/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "node/config/loader.h"

enum {
    OPTION_JSON = 256,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_OWN,   /* a command's own: OPTION_OWN + its place in the row */
    IN_ORDER = 1, /* what getopt_long says of a word with "-" */
    GLOBALS = 4,
    HELP_WIDTH = 80
};

/* --- parsing ------------------------------------------------------------ */

static const struct option global_options[GLOBALS] = {
    { "config", required_argument, NULL, 'c' },
    { "json", no_argument, NULL, OPTION_JSON },
    { "help", no_argument, NULL, OPTION_HELP },
    { "version", no_argument, NULL, OPTION_VERSION },
};

struct option_list {
    struct option all[GLOBALS + CLI_OPTIONS_MAX + 1];
};

/* A command's own come first: they may stand for a global of the same name. */
static struct option_list options_of(const struct cli_command *command)
{
    struct option_list list = { 0 };
    int i = 0;
    for (; command != NULL && i < CLI_OPTIONS_MAX &&
           command->options[i].name != NULL;
         i++) {
        list.all[i] = (struct option){
            .name = command->options[i].name,
            .has_arg = command->options[i].argument != NULL ? required_argument
                                                            : no_argument,
            .val = OPTION_OWN + i,
        };
    }
    memcpy(&list.all[i], global_options, sizeof global_options);
    return list;
}

/* Words and options in the order in which they were given. */
struct reading {
    struct arguments *ret;
    struct ts_err *err;
    bool in_list; /* the last option takes the words that follow */
};

static enum ts_code take_listed(struct reading *r, const char *value)
{
    struct cli_call *call = &r->ret->call;
    if (call->list_count == CLI_LIST_MAX) {
        return ts_fail(r->err, TS_E_CONFIG, 0,
                       "cannot take more than %d values at once for twinsync "
                       "%s: name them in several calls",
                       CLI_LIST_MAX, call->command);
    }
    call->list[call->list_count++] = value;
    return TS_OK;
}

static enum ts_code take_word(struct reading *r, const char *word)
{
    const struct cli_command *command = r->ret->command;
    struct cli_call *call = &r->ret->call;
    if (r->in_list) {
        return take_listed(r, word);
    }
    if (call->word_count >= command->words_max) {
        return ts_fail(r->err, TS_E_CONFIG, 0,
                       "cannot understand \"%s\" after twinsync %s: see "
                       "twinsync %s --help",
                       word, command->name, command->name);
    }
    call->words[call->word_count++] = word;
    return TS_OK;
}

static bool takes_many(const struct cli_option *option)
{
    const char *dots =
        option->argument == NULL ? NULL : strstr(option->argument, " ...");
    return dots != NULL && strcmp(dots, " ...") == 0;
}

static enum ts_code take_own(struct reading *r, int place, const char *value)
{
    r->ret->call.options[place] = value == NULL ? "" : value;
    r->in_list = takes_many(&r->ret->command->options[place]);
    return r->in_list ? take_listed(r, value) : TS_OK;
}

static enum ts_code take_option(struct reading *r, int option,
                                const char *value)
{
    struct arguments *ret = r->ret;
    if (option == IN_ORDER) {
        return take_word(r, value);
    }
    r->in_list = false;
    switch (option) {
    case 'c':
        ret->call.config_path = value;
        break;
    case OPTION_JSON:
        ret->call.json = true;
        break;
    case 'h':
    case OPTION_HELP:
        ret->help = true;
        break;
    case OPTION_VERSION:
        ret->version = true;
        break;
    default:
        return take_own(r, option - OPTION_OWN, value);
    }
    return TS_OK;
}

static enum ts_code option_error(int option, char **argv,
                                 const struct arguments *ret,
                                 struct ts_err *err)
{
    const char *name = ret->command != NULL ? ret->command->name : "";
    const char *gap = ret->command != NULL ? " " : "";
    char letter[3] = { '-', (char) optopt, 0 };
    bool is_letter = optopt > 0 && optopt < 256;
    const char *what = is_letter ? letter : argv[optind - 1];
    return ts_fail(err, TS_E_CONFIG, 0,
                   option == ':'
                       ? "cannot understand \"%s\" without its value: "
                         "see twinsync %s%s--help"
                       : "cannot understand the option \"%s\": see "
                         "twinsync %s%s--help",
                   what, name, gap);
}

/* One run of getopt_long over argv[optind...], up to the first word ("+") or
 * over everything, words in their place ("-"). */
static enum ts_code run_getopt(int argc, char **argv, bool to_first_word,
                               struct arguments *ret, struct ts_err *err)
{
    const struct option_list list = options_of(ret->command);
    const char *letters = to_first_word ? "+:c:h" : "-:c:h";
    struct reading reading = { .ret = ret, .err = err };
    enum ts_code code = TS_OK;
    int option = 0;
    while (code == TS_OK &&
           (option = getopt_long(argc, argv, letters, list.all, NULL)) != -1) {
        code = option == '?' || option == ':'
                   ? option_error(option, argv, ret, err)
                   : take_option(&reading, option, optarg);
    }
    for (int i = optind; code == TS_OK && !to_first_word && i < argc; i++) {
        code = take_word(&reading, argv[i]); // what follows "--"
    }
    return code;
}

static bool word_is_fixed(const struct cli_command *command, const char *word)
{
    size_t size = strlen(word);
    const char *at = command->words;
    for (;;) {
        size_t length = strcspn(at, "| ");
        if (length == size && strncmp(at, word, size) == 0) {
            return true;
        }
        if (at[length] != '|') { // what follows a blank is no fixed word
            return false;
        }
        at += length + 1;
    }
}

static enum ts_code check_words(const struct arguments *ret, struct ts_err *err)
{
    const struct cli_command *command = ret->command;
    int count = ret->call.word_count;
    if (ret->help) {
        return TS_OK;
    }
    if (count < command->words_min) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot run twinsync %s without %s: see twinsync %s "
                       "--help",
                       command->name, command->words, command->name);
    }
    if (count > 0 && command->words_are_fixed &&
        !word_is_fixed(command, ret->call.words[0])) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot understand \"%s\": twinsync %s takes %s",
                       ret->call.words[0], command->name, command->words);
    }
    return TS_OK;
}

enum ts_code arguments_parse(int argc, char **argv, struct arguments *ret,
                             struct ts_err *err)
{
    *ret = (struct arguments){ .call.config_path = CONFIG_DEFAULT_PATH };
    opterr = 0;
    optind = 0;
    // A script that asked for JSON gets it also when the words are wrong.
    for (int i = 1; i < argc; i++) {
        ret->call.json = ret->call.json || strcmp(argv[i], "--json") == 0;
    }
    enum ts_code code = run_getopt(argc, argv, true, ret, err);
    if (code != TS_OK) {
        return code;
    }
    if (optind >= argc) {
        return ret->help || ret->version
                   ? TS_OK
                   : ts_fail(err, TS_E_CONFIG, 0,
                             "cannot run without a command: see twinsync "
                             "--help");
    }
    const char *name = argv[optind];
    ret->call.command = name;
    ret->command = cli_command_find(name);
    if (ret->command == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot run \"%s\": there is no such command, see "
                       "twinsync --help",
                       name);
    }
    // From the command on; argv[0] of this run is the command's name.
    int skipped = optind;
    optind = 0;
    code = run_getopt(argc - skipped, argv + skipped, false, ret, err);
    return code == TS_OK ? check_words(ret, err) : code;
}

/* --- numbers ------------------------------------------------------------ */

enum ts_code cli_number(const char *text, const char *option, int64_t min,
                        int64_t max, int64_t *ret, struct ts_err *err)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (text[strspn(text, "0123456789")] != 0 || text[0] == 0 || errno != 0 ||
        value < min || value > max) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot take \"%s\" for %s: a number from %lld to %lld "
                       "is expected",
                       text, option, (long long) min, (long long) max);
    }
    *ret = value;
    return TS_OK;
}

enum ts_code cli_span(const char *text, const char *option,
                      int64_t *ret_seconds, struct ts_err *err)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {
        { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }
    };
    const int64_t max = (int64_t) 365 * 86400;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (digits > 0 && digits < 10 &&
            strcmp(text + digits, units[i].unit) == 0) {
            int64_t span = strtoll(text, NULL, 10) * units[i].seconds;
            if (span >= 1 && span <= max) {
                *ret_seconds = span;
                return TS_OK;
            }
        }
    }
    return ts_fail(err, TS_E_CONFIG, 0,
                   "cannot take \"%s\" for %s: a time such as 90s, 15m, 8h or "
                   "2d is expected, of at most 365d",
                   text, option);
}

/* --- help --------------------------------------------------------------- */

static void print_option(FILE *out, const struct cli_option *option)
{
    char shown[40];
    (void) snprintf(shown, sizeof shown, "--%s%s%s", option->name,
                    option->argument != NULL ? " " : "",
                    option->argument != NULL ? option->argument : "");
    (void) fprintf(out, "  %-18s %s\n", shown, option->text);
}

static bool has_own_config(const struct cli_command *command)
{
    for (int i = 0; command != NULL && i < CLI_OPTIONS_MAX &&
                    command->options[i].name != NULL;
         i++) {
        if (strcmp(command->options[i].name, "config") == 0) {
            return true;
        }
    }
    return false;
}

static void print_globals(FILE *out, const struct cli_command *command)
{
    (void) fprintf(out,
                   "  %-18s configuration (default %s)\n"
                   "  %-18s print one JSON document and nothing else\n"
                   "  %-18s print help\n",
                   has_own_config(command) ? "-c FILE" : "-c, --config FILE",
                   CONFIG_DEFAULT_PATH, "--json", "-h, --help");
}

/* One piece of the usage line, on a new line when it does not fit. */
static void put_usage(FILE *out, size_t *column, const char *piece)
{
    if (*column + 1 + strlen(piece) > HELP_WIDTH) {
        (void) fputs("\n               ", out);
        *column = 15;
    }
    (void) fprintf(out, " %s", piece);
    *column += 1 + strlen(piece);
}

static void print_usage(FILE *out, const struct cli_command *command)
{
    char piece[HELP_WIDTH];
    int head =
        fprintf(out, "Usage: twinsync [-c FILE] [--json] %s", command->name);
    size_t column = head < 0 ? 0 : (size_t) head;
    if (command->words[0] != 0) {
        (void) snprintf(piece, sizeof piece,
                        command->words_min == 0 ? "[%s]" : "%s",
                        command->words);
        put_usage(out, &column, piece);
    }
    for (int i = 0; i < CLI_OPTIONS_MAX && command->options[i].name != NULL;
         i++) {
        const struct cli_option *option = &command->options[i];
        (void) snprintf(piece, sizeof piece, "[--%s%s%s]", option->name,
                        option->argument != NULL ? " " : "",
                        option->argument != NULL ? option->argument : "");
        put_usage(out, &column, piece);
    }
    (void) putc('\n', out);
}

static void help_all(FILE *out)
{
    (void) fputs("twinsync looks after twinsyncd, which keeps a cloud "
                 "directory in step with\nan on-premises one.\n\n"
                 "Usage: twinsync [-c FILE] [--json] COMMAND\n",
                 out);
    for (const struct cli_group *g = cli_groups; g->title != NULL; g++) {
        (void) fprintf(out, "\n%s\n", g->title);
        for (size_t i = 0; g->commands[i] != NULL; i++) {
            (void) fprintf(out, "  %-12s %s\n", g->commands[i]->name,
                           g->commands[i]->summary);
        }
    }
    (void) fputs("\nOptions\n", out);
    print_globals(out, NULL);
    (void) fprintf(out,
                   "  %-18s print the version\n\n"
                   "Exit status: 0 done or healthy, 1 failed or unhealthy, 2 "
                   "usage or configuration\nerror, 3 refused for safety, 4 "
                   "not reachable.\n"
                   "More on one command: twinsync COMMAND --help\n",
                   "--version");
}

void arguments_help(FILE *out, const struct cli_command *command)
{
    if (command == NULL) {
        help_all(out);
        return;
    }
    (void) fprintf(out, "%s\n\n", command->summary);
    print_usage(out, command);
    if (command->details != NULL) {
        (void) fprintf(out, "\n%s", command->details);
    }
    (void) fputs("\nOptions\n", out);
    for (int i = 0; i < CLI_OPTIONS_MAX && command->options[i].name != NULL;
         i++) {
        print_option(out, &command->options[i]);
    }
    print_globals(out, command);
    (void) fprintf(out, "\nExamples\n%s", command->examples);
}
