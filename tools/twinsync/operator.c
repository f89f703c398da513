#include "tools/twinsync/operator.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/twinsync/daemon.h"
#include "tools/twinsync/output.h"

void operator_name(char name[static OPERATOR_NAME_SIZE])
{
    const char *caller = getenv("SUDO_USER");
    // Only sudo's word counts: anyone can set the variable for himself.
    if (geteuid() == 0 && caller != NULL && caller[0] != 0) {
        (void) snprintf(name, OPERATOR_NAME_SIZE, "%s", caller);
        return;
    }
    const struct passwd *user = getpwuid(getuid());
    if (user != NULL) {
        (void) snprintf(name, OPERATOR_NAME_SIZE, "%s", user->pw_name);
    } else {
        (void) snprintf(name, OPERATOR_NAME_SIZE, "uid %u",
                        (unsigned) getuid());
    }
}

enum ts_code operator_sign(json_t *args, const char *reason, struct ts_err *err)
{
    char name[OPERATOR_NAME_SIZE];
    if (args == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot ask the daemon for what is not UTF-8: write the "
                       "names as UTF-8 text");
    }
    operator_name(name);
    if (json_object_set_new(args, "who", json_string(name)) != 0) {
        (void) json_object_set_new(args, "who", json_string("?"));
    }
    if (reason == NULL) {
        return TS_OK;
    }
    if (strlen(reason) > OPERATOR_REASON_SIZE ||
        json_object_set_new(args, "reason", json_string(reason)) != 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot record the --reason: it has to be UTF-8 text of "
                       "at most %d bytes",
                       OPERATOR_REASON_SIZE);
    }
    return TS_OK;
}

enum control_exit operator_ask(const struct cli_call *call, const char *command,
                               json_t *args, const char *reason,
                               json_t **ret_result)
{
    struct ts_err err;
    *ret_result = NULL;
    if (operator_sign(args, reason, &err) != TS_OK) {
        json_decref(args);
        return cli_fail_err(call, &err);
    }
    enum control_exit exit_status =
        daemon_ask_when_idle(call, command, args, ret_result);
    if (exit_status != CONTROL_DONE) {
        json_decref(*ret_result);
        *ret_result = NULL;
    }
    return exit_status;
}

enum control_exit operator_decide(const struct cli_call *call,
                                  const char *command, json_t *args,
                                  const char *reason, const char *what)
{
    if (reason == NULL) {
        json_decref(args);
        return cli_fail(call, CONTROL_USAGE,
                        "cannot %s without --reason, which is kept in the "
                        "history: see twinsync %s --help",
                        what, call->command);
    }
    json_t *result = NULL;
    enum control_exit exit_status =
        operator_ask(call, command, args, reason, &result);
    if (result != NULL) {
        struct screen screen = screen_of(stdout);
        put_text(&screen, text_at(result, "text"));
        (void) putchar('\n');
    }
    json_decref(result);
    return exit_status;
}
