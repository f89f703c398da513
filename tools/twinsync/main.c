/* twinsync: the command line tool of the administrator. */
#include <langinfo.h>
#include <locale.h>
#include <string.h>

#include "tools/twinsync/arguments.h"
#include "tools/twinsync/commands.h"

/* Directories speak UTF-8; a login without a locale must not garble them. */
static void choose_locale(void)
{
    if (setlocale(LC_CTYPE, "") == NULL ||
        strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
        (void) setlocale(LC_CTYPE, "C.UTF-8");
    }
}

int main(int argc, char **argv)
{
    choose_locale();
    struct arguments arguments;
    struct ts_err err;
    if (arguments_parse(argc, argv, &arguments, &err) != TS_OK) {
        return (int) cli_fail(&arguments.call, CONTROL_USAGE, "%s", err.text);
    }
    if (arguments.help) {
        arguments_help(stdout, arguments.command);
        return (int) CONTROL_DONE;
    }
    if (arguments.version) {
        return (int) command_version.run(&arguments.call);
    }
    enum control_exit exit_status = arguments.command->run(&arguments.call);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return (int) cli_fail(&(struct cli_call){ .json = false },
                              CONTROL_FAILED,
                              "could not write to standard output");
    }
    return (int) exit_status;
}
