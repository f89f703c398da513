/*
 * arguments -- the command line, held against the table.
 *
 *   twinsync [-c FILE] [--json] COMMAND [WORD...] [--OPTION...]
 *
 * The global options may stand before or after the command.
 */
#ifndef TOOLS_TWINSYNC_ARGUMENTS_H
#define TOOLS_TWINSYNC_ARGUMENTS_H

#include "tools/twinsync/command.h"

struct arguments {
    struct cli_call call;
    const struct cli_command *command; /* NULL with help: the list of all */
    bool help, version;
};

/* Errors   TS_E_CONFIG: the sentence says which word is wrong, and where help
 *          is. ret->call is usable then, for cli_fail(). */
TS_MUSTUSE enum ts_code arguments_parse(int argc, char **argv,
                                        struct arguments *ret,
                                        struct ts_err *err);

/* The list of commands, or one command. */
void arguments_help(FILE *out, const struct cli_command *command);

#endif
