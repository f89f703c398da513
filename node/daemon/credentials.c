#include "node/daemon/credentials.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/base/json.h"
#include "node/base/time.h"
#include "node/daemon/credential.h"
#include "node/daemon/credential_work.h"
#include "node/daemon/errands.h"

#define ERRANDS_MAX 8
#define REASON_SIZE 512

struct credentials {
    struct credentials_options options;
    struct credential_world world;
    struct post *post;
    struct errands *errands;
    pthread_mutex_t mutex; /* guards `stopping` */
    pthread_cond_t stopped;
    bool stopping;
};

enum task_kind {
    TASK_LIST,
    TASK_SET,
    TASK_ROTATE,
    TASK_RESUME /* what a crash cut off; nobody waits for it */
};

struct task {
    struct errand errand; /* must be first */
    struct credentials *self;
    enum task_kind kind;
    char name[CONFIG_SECRET_NAME_MAX]; /* SET, ROTATE */
    char secret[VAULT_SECRET_SIZE];    /* SET */
    char who[VAULT_BY_SIZE], reason[REASON_SIZE];
    struct control_reply *reply; /* NULL: answered */
    enum ts_code code;
    json_t *result;
    struct ts_err err;
    const char *event; /* NULL: nothing for the history */
};

static void task_free(struct task *task)
{
    if (task->reply != NULL) {
        control_reply_finish(task->reply, CONTROL_FAILED, NULL,
                             "could not finish with the credentials because "
                             "the daemon is stopping; start it and try again");
    }
    json_decref(task->result);
    OPENSSL_cleanse(task, sizeof *task);
    free(task);
}

static void drop(struct post_letter *letter)
{
    task_free((struct task *) letter);
}

/* False: the daemon is stopping. */
static bool wait_for(void *context, int64_t ms)
{
    struct credentials *self = context;
    struct timespec until;
    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t) (ms / 1000);
    until.tv_nsec += (long) (ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void) pthread_mutex_lock(&self->mutex);
    int ended = 0;
    while (!self->stopping && ended == 0) {
        ended = pthread_cond_timedwait(&self->stopped, &self->mutex, &until);
    }
    bool goes_on = !self->stopping;
    (void) pthread_mutex_unlock(&self->mutex);
    return goes_on;
}

/* ---- errands ------------------------------------------------------------- */

/* TS_OK or not: what is answered. */
static void rotate(struct task *task, const struct config_secret *secret)
{
    enum rotation_end end = ROTATION_IN_DOUBT;
    task->code = credential_rotate(&task->self->world, secret, task->who, &end,
                                   &task->err);
    if (task->code != TS_OK) {
        return;
    }
    task->result = json_pack("{s:s, s:s}", "name", task->name, "outcome",
                             credential_end_text(end));
    if (end == ROTATION_GIVEN_UP) {
        task->code = TS_E_IO;
        ts_err_wrap(&task->err, "the old secret of \"%s\" stays", task->name);
    } else if (end == ROTATION_IN_DOUBT) {
        task->code = TS_E_IO;
        ts_err_wrap(&task->err,
                    "whether \"%s\" was changed is not known yet; both "
                    "secrets are kept, run twinsync credentials rotate again",
                    task->name);
    } else {
        task->event = "credential-rotated";
    }
}

static void set(struct task *task, const struct config_secret *secret)
{
    task->code = credential_set(&task->self->world, secret, task->secret,
                                task->who, &task->err);
    if (task->code == TS_OK) {
        task->event = "credential-set";
        task->result =
            json_pack("{s:s, s:s}", "name", task->name, "outcome", "kept");
    }
}

static void work(struct errand *errand)
{
    struct task *task = (struct task *) errand;
    const struct credential_world *world = &task->self->world;
    switch (task->kind) {
    case TASK_LIST:
        task->result = credential_list(world);
        break;
    case TASK_SET:
        set(task, credential_find(world, task->name));
        break;
    case TASK_ROTATE:
        rotate(task, credential_find(world, task->name));
        break;
    case TASK_RESUME:
        credential_resume(world);
        break;
    }
}

static void deliver(struct post_letter *letter)
{
    struct task *task = (struct task *) letter;
    struct credentials *self = task->self;
    struct control_reply *reply = task->reply;
    if (!task->errand.forgone && task->event != NULL) {
        self->options.record(self->options.context, task->event, task->who,
                             json_pack("{s:s, s:s}", "credential", task->name,
                                       "reason", task->reason));
    }
    if (!task->errand.forgone && reply != NULL) {
        json_t *result = task->result;
        task->reply = NULL;
        task->result = NULL;
        control_reply_finish(reply, control_exit_of(task->code), result,
                             task->code == TS_OK ? NULL : task->err.text);
    }
    task_free(task);
}

static struct task *task_new(struct credentials *self, enum task_kind kind)
{
    struct task *task = calloc(1, sizeof *task);
    if (task != NULL) {
        task->errand.letter.deliver = deliver;
        task->errand.letter.drop = drop;
        task->errand.work = work;
        task->self = self;
        task->kind = kind;
    }
    return task;
}

/* ---- asked for ----------------------------------------------------------- */

static enum ts_code read_secret(const json_t *args, struct task *task,
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
                                 const struct task *task, struct ts_err *err)
{
    const struct config_secret *secret =
        credential_find(&self->world, task->name);
    if (secret == NULL) {
        return unknown_name(self, task->name, err);
    }
    if (self->options.config->nodes_count > 1) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot change \"%s\" of a pair: the other computer "
                       "would keep the old one; change it at the server and "
                       "in the file on both",
                       task->name);
    }
    const char *why = credential_fixed_because(self->options.config, secret);
    return task->kind == TASK_ROTATE && why != NULL
               ? ts_fail(err, TS_E_REFUSED, 0, "cannot rotate \"%s\": %s",
                         task->name, why)
               : TS_OK;
}

static enum ts_code read_args(const json_t *args, struct task *task,
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

bool credentials_request(struct credentials *credentials, const char *command,
                         const json_t *args, struct control_reply *reply)
{
    static const char *const commands[] = {
        [TASK_LIST] = "credentials-list",
        [TASK_SET] = "credentials-set",
        [TASK_ROTATE] = "credentials-rotate",
    };
    size_t kind = 0;
    while (kind < TASK_RESUME && strcmp(commands[kind], command) != 0) {
        kind++;
    }
    if (kind == TASK_RESUME) {
        return false;
    }
    struct ts_err err;
    struct task *task = task_new(credentials, (enum task_kind) kind);
    enum ts_code code =
        task == NULL
            ? ts_fail(&err, TS_E_NOMEM, 0, "could not ask for the credentials")
            : read_args(args, task, &err);
    if (code == TS_OK) {
        task->reply = reply;
        if (errands_give(credentials->errands, &task->errand) == TS_OK) {
            return true;
        }
        task->reply = NULL;
        (void) ts_fail(&err, TS_E_LIMIT, 0,
                       "could not ask for the credentials: too many requests "
                       "of that kind are under way; try again");
    }
    if (task != NULL) {
        task_free(task);
    }
    control_reply_fail(reply, &err);
    return true;
}

/* ---- life ---------------------------------------------------------------- */

enum ts_code credentials_new(const struct credentials_options *options,
                             struct credentials **ret_credentials,
                             struct ts_err *err)
{
    struct credentials *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the credentials");
    }
    pthread_condattr_t clock;
    self->options = *options;
    self->world = (struct credential_world){ .config = options->config,
                                             .keeper = options->keeper,
                                             .wait = wait_for,
                                             .context = self };
    (void) pthread_mutex_init(&self->mutex, NULL);
    (void) pthread_condattr_init(&clock);
    (void) pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&self->stopped, &clock);
    (void) pthread_condattr_destroy(&clock);
    enum ts_code code = post_new(&self->post, err);
    if (code == TS_OK) {
        code = errands_new("credentials", ERRANDS_MAX, self->post,
                           &self->errands, err);
    }
    struct task *task = code == TS_OK ? task_new(self, TASK_RESUME) : NULL;
    if (code == TS_OK &&
        (task == NULL || errands_give(self->errands, &task->errand) != TS_OK)) {
        free(task);
        code = ts_fail(err, TS_E_NOMEM, 0, "could not prepare the credentials");
    }
    if (code != TS_OK) {
        credentials_free(self);
        return code;
    }
    *ret_credentials = self;
    return TS_OK;
}

static void step(void *context, struct ts_time at)
{
    struct credentials *self = context;
    (void) at;
    post_step(self->post);
}

enum ts_code credentials_attach(struct credentials *credentials,
                                struct reactor *reactor, struct ts_err *err)
{
    const struct reactor_part part = { .name = "credentials",
                                       .fd = post_fd(credentials->post),
                                       .step = step,
                                       .context = credentials };
    return reactor_add(reactor, &part, err);
}

void credentials_free(struct credentials *credentials)
{
    if (credentials == NULL) {
        return;
    }
    (void) pthread_mutex_lock(&credentials->mutex);
    credentials->stopping = true;
    (void) pthread_cond_broadcast(&credentials->stopped);
    (void) pthread_mutex_unlock(&credentials->mutex);
    if (credentials->errands != NULL) {
        errands_stop(credentials->errands);
        errands_free(credentials->errands);
    }
    if (credentials->post != NULL) {
        post_close(credentials->post);
        post_free(credentials->post);
    }
    (void) pthread_cond_destroy(&credentials->stopped);
    (void) pthread_mutex_destroy(&credentials->mutex);
    free(credentials);
}
