#include "tools/twinsync/commands.h"

#include <stddef.h>
#include <string.h>

static const struct cli_command *const running[] = {
    &command_status, &command_watch,  &command_sync, &command_preview,
    &command_pause,  &command_resume, &command_wait, NULL,
};
static const struct cli_command *const looking[] = {
    &command_explain,
    &command_show,
    &command_errors,
    &command_verify,
    &command_history,
    &command_events,
    NULL,
};
static const struct cli_command *const deciding[] = {
    &command_hold,    &command_approve,  &command_reject,      &command_retry,
    &command_members, &command_reanchor, &command_maintenance, NULL,
};
static const struct cli_command *const pairing[] = {
    &command_token,    &command_join,     &command_register,
    &command_handover, &command_failover, &command_fence,
    &command_retire,   &command_upgrade,  NULL,
};
static const struct cli_command *const setting_up[] = {
    &command_check,      &command_config,  &command_rules, &command_credentials,
    &command_completion, &command_version, NULL,
};

const struct cli_group cli_groups[] = {
    { "How it is, and what it does", running },
    { "Why it is so", looking },
    { "What waits for your decision", deciding },
    { "Two computers", pairing },
    { "Setting up", setting_up },
    { NULL, NULL },
};

const struct cli_command *cli_command_find(const char *name)
{
    for (const struct cli_group *g = cli_groups; g->title != NULL; g++) {
        for (size_t i = 0; g->commands[i] != NULL; i++) {
            if (strcmp(g->commands[i]->name, name) == 0) {
                return g->commands[i];
            }
        }
    }
    return NULL;
}
