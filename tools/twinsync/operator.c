#include "tools/twinsync/operator.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
