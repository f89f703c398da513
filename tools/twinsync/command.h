/*
 * command -- what one command of the tool is.
 *
 * One file per command, one row each in the table (commands.c). The row alone
 * drives parsing, --help, completion and dispatch; a command's function gets
 * words and options that already fit its row, and returns the exit status.
 *
 * The contract of every command:
 *   - what was asked for goes to standard output; with --json it is exactly
 *     one JSON document, also when the command failed;
 *   - what went wrong is one sentence on standard error (cli_fail);
 *   - the exit status is an enum control_exit.
 */
#ifndef TOOLS_TWINSYNC_COMMAND_H
#define TOOLS_TWINSYNC_COMMAND_H

#include <stdio.h>

#include <jansson.h>

#include "node/base/err.h"
#include "node/config/config.h"
#include "node/control/control.h"

#define CLI_OPTIONS_MAX 8
#define CLI_WORDS_MAX   2
#define CLI_LIST_MAX    1000 /* values of a repeated option */

struct cli_option {
    const char *name;     /* long, without dashes; NULL ends the list */
    const char *argument; /* "FILE", "N", ...; NULL: a switch. With " ..." at
                             its end the option may be repeated, and takes the
                             words that follow it as well: at most one of a
                             command */
    const char *text;     /* for --help */
};

/* What a command was called with. `options` is in the order of the row. */
struct cli_call {
    const char *command;
    const char *config_path;
    bool json;
    int word_count;
    const char *words[CLI_WORDS_MAX];
    const char *options[CLI_OPTIONS_MAX]; /* NULL: not given; "": a switch */
    int list_count; /* values of the option that may have many */
    const char *list[CLI_LIST_MAX];
};

struct cli_command {
    const char *name;
    const char *words;   /* "ANCHOR|DN|NAME", "check|show|schema"; "" if none */
    const char *summary; /* one line, for the list of commands */
    const char *details; /* paragraphs for --help; may be NULL */
    const char *examples; /* lines "command  what it does" for --help */
    int words_min, words_max;
    bool words_are_fixed; /* the first is one of those in `words`, up to a
                             blank: checked, completed */
    struct cli_option options[CLI_OPTIONS_MAX];
    enum control_exit (*run)(const struct cli_call *call);
};

/* A heading of the command list, and its commands. */
struct cli_group {
    const char *title;
    const struct cli_command *const *commands; /* ends with NULL */
};
extern const struct cli_group cli_groups[]; /* ends with a NULL title */

/* NULL when there is none. */
const struct cli_command *cli_command_find(const char *name);

/* --- for the commands ---------------------------------------------------- */

/* The one sentence on standard error; with --json, also the document
 * {"exit":..,"error":".."} on standard output. Returns `exit_status`. */
enum control_exit cli_fail(const struct cli_call *call,
                           enum control_exit exit_status, const char *fmt, ...)
    TS_PRINTF(3, 4);
/* The same from an error. */
enum control_exit cli_fail_err(const struct cli_call *call,
                               const struct ts_err *err);

/* The document of --json. `document` is borrowed. */
void cli_print_json(const json_t *document);

/* Load the call's configuration; on error the sentence has been said and
 * *ret_exit is what to return.
 * Owns     free with config_free(). Errors: NULL. */
struct config *cli_config(const struct cli_call *call,
                          enum control_exit *ret_exit);

/* A number of an option: digits only, within the bounds.
 * Errors   TS_E_CONFIG with a sentence that names the option. */
TS_MUSTUSE enum ts_code cli_number(const char *text, const char *option,
                                   int64_t min, int64_t max, int64_t *ret,
                                   struct ts_err *err);
/* A time span: "90", "90s", "15m", "8h", "2d", in seconds. Bounds: 1 s to
 * 365 d. Errors: as cli_number. */
TS_MUSTUSE enum ts_code cli_span(const char *text, const char *option,
                                 int64_t *ret_seconds, struct ts_err *err);

#endif
