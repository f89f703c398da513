#include <string.h>

#include "tools/twinsync/commands.h"

/* "ANCHOR|DN" is a hint for people, "check|show" is what can be completed. */
static void print_words(const struct cli_command *command)
{
    if (!command->words_are_fixed) {
        return;
    }
    for (const char *at = command->words; *at != 0 && *at != ' '; at++) {
        (void) putchar(*at == '|' ? ' ' : *at);
    }
    (void) putchar(' ');
}

static void print_command(const struct cli_command *command)
{
    (void) printf("    %s) words=\"", command->name);
    print_words(command);
    for (int i = 0; i < CLI_OPTIONS_MAX && command->options[i].name != NULL;
         i++) {
        (void) printf("--%s ", command->options[i].name);
    }
    (void) puts("--config --json --help\" ;;");
}

static void print_each(void (*print)(const struct cli_command *command))
{
    for (const struct cli_group *g = cli_groups; g->title != NULL; g++) {
        for (size_t i = 0; g->commands[i] != NULL; i++) {
            print(g->commands[i]);
        }
    }
}

static void print_name(const struct cli_command *command)
{
    (void) printf("%s ", command->name);
}

static enum control_exit run(const struct cli_call *call)
{
    if (call->json) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot print a completion script as JSON: leave out "
                        "--json");
    }
    (void) puts("# bash completion for twinsync, made by: twinsync completion "
                "bash\n"
                "_twinsync() {\n"
                "  local cur prev command words i\n"
                "  cur=${COMP_WORDS[COMP_CWORD]}\n"
                "  prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                "  COMPREPLY=()\n"
                "  case $prev in\n"
                "    -c|--config|--out) compopt -o default; return ;;\n"
                "  esac\n"
                "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
                "    case ${COMP_WORDS[i]} in\n"
                "      -c|--config) i=$((i + 1)) ;;\n"
                "      -*) ;;\n"
                "      *) command=${COMP_WORDS[i]}; break ;;\n"
                "    esac\n"
                "  done\n"
                "  case $command in");
    print_each(print_command);
    (void) fputs("    *) words=\"", stdout);
    print_each(print_name);
    (void) puts(
        "--config --json --help --version\" ;;\n"
        "  esac\n"
        "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
        "}\n"
        "complete -F _twinsync twinsync");
    return CONTROL_DONE;
}

const struct cli_command command_completion = {
    .name = "completion",
    .words = "bash",
    .summary = "Print a completion script for the shell",
    .examples = "  source <(twinsync completion bash)    for this shell\n"
                "  twinsync completion bash >/etc/bash_completion.d/twinsync\n",
    .words_min = 1,
    .words_max = 1,
    .words_are_fixed = true,
    .run = run,
};
