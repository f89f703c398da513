/*
 * operator -- who decides, and why: what every operator's decision carries.
 *
 * `who` is the login name of the person: of the user who called sudo, else of
 * the user whose process this is. It is for the record; what a caller may do is
 * decided by the daemon from the socket's own knowledge of the process.
 */
#ifndef TOOLS_TWINSYNC_OPERATOR_H
#define TOOLS_TWINSYNC_OPERATOR_H

#include <jansson.h>

#include "tools/twinsync/command.h"

#define OPERATOR_NAME_SIZE   64  /* a longer login name is cut */
#define OPERATOR_REASON_SIZE 500 /* bytes */

/* What --reason is in each command's row. */
#define OPERATOR_REASON_OPTION                  \
    {                                           \
        "reason", "TEXT", "why, for the record" \
    }

/* The login name, or "uid N" where there is none. */
void operator_name(char name[static OPERATOR_NAME_SIZE]);

/* Add "who" and, when it was given, "reason" to `args`.
 * Errors   TS_E_CONFIG: the reason is too long or no UTF-8, or `args` is NULL,
 *          which is what json_pack() makes of a word that is no UTF-8. */
TS_MUSTUSE enum ts_code operator_sign(json_t *args, const char *reason,
                                      struct ts_err *err);

/* Sign `args` (stolen) and ask for it as soon as the daemon is idle.
 * Owns     json_decref(*ret_result): NULL unless it was done, and with --json.
 * Returns  what the command returns; what went wrong has been said. */
enum control_exit operator_ask(const struct cli_call *call, const char *command,
                               json_t *args, const char *reason,
                               json_t **ret_result);

/* A decision that needs a reason, and whose answer is one sentence: refuse it
 * without, ask, and print the sentence. `what` is as after "cannot". */
enum control_exit operator_decide(const struct cli_call *call,
                                  const char *command, json_t *args,
                                  const char *reason, const char *what);

#endif
