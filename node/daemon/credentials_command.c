#include "node/daemon/credentials_private.h"

#include <stdio.h>
#include <string.h>

#include "node/base/json.h"
#include "node/daemon/credential.h"

static enum ts_code read_secret(const json_t *args,
                                struct credential_task *task,
                                struct ts_err *err)
{
    const char *secret = ts_json_text(args, "secret");
    if (secret == NULL || secret[0] == '\0' ||
        strlen(secret) >= sizeof task->secret) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot set \"%s\": give a secret of 1 to %zu bytes on "
                       "standard input",
                       task->name, sizeof task->secret - 1);
    }
    memcpy(task->secret, secret, strlen(secret) + 1);
    task->expires = ts_json_number(args, "expires", 0);
    if (task->expires < 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot set \"%s\": it cannot expire before 1970",
                       task->name);
    }
    return TS_OK;
}

/* The names there are, for who mistyped one. */
static enum ts_code unknown_name(const struct credentials *self,
                                 const char *name, struct ts_err *err)
{
    char names[512] = "";
    size_t count = 0, at = 0;
    const struct config_secret *all =
        keeper_secrets(self->options.keeper, &count);
    for (size_t i = 0; i < count && at < sizeof names; i++) {
        int size = snprintf(names + at, sizeof names - at, "%s%s",
                            i == 0 ? "" : ", ", all[i].name);
        at += size > 0 ? (size_t) size : 0;
    }
    return ts_fail(err, TS_E_CONFIG, 0,
                   "cannot change \"%.80s\": the configuration has no such "
                   "secret; it has %s",
                   name, count == 0 ? "none" : names);
}

static enum ts_code check_change(const struct credentials *self,
                                 const struct credential_task *task,
                                 struct ts_err *err)
{
    const struct config_secret *secret =
        credential_find(&self->world, task->name);
    if (secret == NULL) {
        return unknown_name(self, task->name, err);
    }
    const char *why = credential_fixed_because(secret);
    return task->kind == TASK_ROTATE && why != NULL
               ? ts_fail(err, TS_E_REFUSED, 0, "cannot rotate \"%s\": %s",
                         task->name, why)
               : TS_OK;
}

static enum ts_code read_args(const json_t *args, struct credential_task *task,
                              struct ts_err *err)
{
    const char *who = ts_json_text(args, "who");
    const char *reason = ts_json_text(args, "reason");
    const char *name = ts_json_text(args, "name");
    (void) snprintf(task->who, sizeof task->who, "%s",
                    who == NULL ? "operator" : who);
    (void) snprintf(task->reason, sizeof task->reason, "%s",
                    reason == NULL ? "" : reason);
    (void) snprintf(task->name, sizeof task->name, "%s",
                    name == NULL ? "" : name);
    if (task->kind == TASK_LIST) {
        return TS_OK;
    }
    enum ts_code code = check_change(task->self, task, err);
    return code == TS_OK && task->kind == TASK_SET
               ? read_secret(args, task, err)
               : code;
}

/* NULL: `err` says why. */
static struct credential_task *new_reset(struct credentials *self,
                                         const struct credentials_reset *asked,
                                         struct ts_err *err)
{
    size_t count = 0;
    const struct config_secret *all =
        keeper_secrets(self->options.keeper, &count);
    struct credential_task *task = credentials_task_wide(self, TASK_RESET);
    if (task == NULL) {
        (void) ts_fail(err, TS_E_NOMEM, 0, "could not change the secrets");
        return NULL;
    }
    struct credential_wide *wide = task->wide;
    bool is_all = asked->count == 0;
    wide->count = is_all ? count : asked->count;
    wide->done = asked->done;
    wide->context = asked->context;
    (void) snprintf(task->who, sizeof task->who, "%s", asked->who);
    (void) snprintf(task->cause, sizeof task->cause, "%s", asked->cause);
    (void) snprintf(task->reason, sizeof task->reason, "%s", asked->reason);
    for (size_t i = 0; i < wide->count; i++) {
        const char *name = is_all ? all[i].name : asked->names[i];
        if (i == CONFIG_SECRETS_MAX ||
            credential_find(&self->world, name) == NULL) {
            (void) unknown_name(self, name, err);
            credentials_task_free(task);
            return NULL;
        }
        (void) snprintf(wide->rows[i].name, sizeof wide->rows[i].name, "%s",
                        name);
    }
    return task;
}

enum ts_code credentials_reset(struct credentials *credentials,
                               const struct credentials_reset *asked,
                               struct ts_err *err)
{
    struct credential_task *task = new_reset(credentials, asked, err);
    if (task == NULL) {
        return err->code;
    }
    if (errands_give(credentials->errands, &task->errand) != TS_OK) {
        credentials_task_free(task);
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not change the secrets: too many requests of "
                       "that kind are under way; try again");
    }
    return TS_OK;
}

/* NULL: `err` says why. */
static struct credential_task *new_asked(struct credentials *self,
                                         enum credential_task_kind kind,
                                         const json_t *args, struct ts_err *err)
{
    if (kind == TASK_ROTATE && json_is_true(json_object_get(args, "all"))) {
        const char *who = ts_json_text(args, "who");
        const char *reason = ts_json_text(args, "reason");
        return new_reset(self,
                         &(struct credentials_reset){
                             .cause = "",
                             .who = who == NULL ? "operator" : who,
                             .reason = reason == NULL ? "" : reason },
                         err);
    }
    struct credential_task *task = credentials_task(self, kind);
    if (task == NULL) {
        (void) ts_fail(err, TS_E_NOMEM, 0, "could not ask for the credentials");
    } else if (read_args(args, task, err) != TS_OK) {
        credentials_task_free(task);
        task = NULL;
    }
    return task;
}

bool credentials_request(struct credentials *credentials, const char *command,
                         const json_t *args, struct control_reply *reply)
{
    static const char *const commands[] = {
        [TASK_LIST] = "credentials-list",
        [TASK_SET] = "credentials-set",
        [TASK_ROTATE] = "credentials-rotate",
    };
    size_t kind = 0;
    while (kind < TASK_COMMANDS && strcmp(commands[kind], command) != 0) {
        kind++;
    }
    if (kind == TASK_COMMANDS) {
        return false;
    }
    struct ts_err err;
    struct credential_task *task =
        new_asked(credentials, (enum credential_task_kind) kind, args, &err);
    if (task == NULL) {
        control_reply_fail(reply, &err);
        return true;
    }
    task->reply = reply;
    struct errands *thread =
        kind == TASK_LIST ? credentials->readers : credentials->errands;
    if (errands_give(thread, &task->errand) != TS_OK) {
        task->reply = NULL;
        credentials_task_free(task);
        (void) ts_fail(&err, TS_E_LIMIT, 0,
                       "could not ask for the credentials: too many requests "
                       "of that kind are under way; try again");
        control_reply_fail(reply, &err);
    }
    return true;
}
