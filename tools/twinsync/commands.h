/* commands -- every command there is; each is defined in its own file. */
#ifndef TOOLS_TWINSYNC_COMMANDS_H
#define TOOLS_TWINSYNC_COMMANDS_H

#include "tools/twinsync/command.h"

extern const struct cli_command command_approve;
extern const struct cli_command command_check;
extern const struct cli_command command_completion;
extern const struct cli_command command_config;
extern const struct cli_command command_errors;
extern const struct cli_command command_events;
extern const struct cli_command command_explain;
extern const struct cli_command command_failover;
extern const struct cli_command command_credentials;
extern const struct cli_command command_fence;
extern const struct cli_command command_handover;
extern const struct cli_command command_history;
extern const struct cli_command command_hold;
extern const struct cli_command command_join;
extern const struct cli_command command_maintenance;
extern const struct cli_command command_members;
extern const struct cli_command command_pause;
extern const struct cli_command command_preview;
extern const struct cli_command command_reanchor;
extern const struct cli_command command_register;
extern const struct cli_command command_reject;
extern const struct cli_command command_resume;
extern const struct cli_command command_retire;
extern const struct cli_command command_retry;
extern const struct cli_command command_rules;
extern const struct cli_command command_show;
extern const struct cli_command command_status;
extern const struct cli_command command_sync;
extern const struct cli_command command_token;
extern const struct cli_command command_upgrade;
extern const struct cli_command command_verify;
extern const struct cli_command command_version;
extern const struct cli_command command_wait;
extern const struct cli_command command_watch;

#endif
