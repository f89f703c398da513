#include "node/daemon/credentials_private.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/base/time.h"

#define ERRANDS_MAX 32

void credentials_task_free(struct credential_task *task)
{
    if (task->reply != NULL) {
        control_reply_finish(task->reply, CONTROL_FAILED, NULL,
                             "could not finish with the credentials because "
                             "the daemon is stopping; start it and try again");
    }
    json_decref(task->result);
    json_decref(task->adopted);
    json_decref(task->problems);
    free(task->wide);
    OPENSSL_cleanse(task, sizeof *task);
    free(task);
}

static void drop(struct post_letter *letter)
{
    credentials_task_free((struct credential_task *) letter);
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
static void rotate(struct credential_task *task,
                   const struct config_secret *secret)
{
    enum rotation_end end = ROTATION_IN_DOUBT;
    const struct credential_actor actor = { task->who, task->cause };
    task->code =
        credential_rotate(&task->self->world, secret, &actor, &end, &task->err);
    if (task->code != TS_OK) {
        return;
    }
    task->result = json_pack("{s:s, s:s, s:s}", "name", task->name, "outcome",
                             credential_end_text(end), "evidence",
                             end == ROTATION_PROVED ? CREDENTIAL_EVIDENCE
                                                    : task->err.text);
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

static void set(struct credential_task *task,
                const struct config_secret *secret)
{
    const struct credential_actor actor = { task->who, "" };
    struct ts_err why = { .text = "" };
    bool is_shared = false;
    const struct credential_new fresh = { task->secret, task->expires };
    task->code = credential_set(&task->self->world, secret, &fresh, &actor,
                                &is_shared, &why);
    if (task->code != TS_OK) {
        task->err = why;
        return;
    }
    task->event = "credential-set";
    task->result =
        json_pack("{s:s, s:s, s:s?}", "name", task->name, "outcome", "kept",
                  "other_later", is_shared ? NULL : why.text);
}

static void reset(struct credential_task *task)
{
    const struct credential_actor actor = { task->who, task->cause };
    struct credential_wide *wide = task->wide;
    for (size_t i = 0; i < wide->count; i++) {
        const struct config_secret *secret =
            credential_find(&task->self->world, wide->rows[i].name);
        credential_reset_one(&task->self->world, secret, &actor,
                             &wide->rows[i]);
    }
    task->event = "credentials-reset";
}

static void take(struct credential_task *task)
{
    const struct credential_wide *wide = task->wide;
    const struct credential_given given = {
        .name = task->name,
        .account = wide->account,
        .sealed = ts_slice(wide->sealed, wide->sealed_size),
    };
    task->code = credential_take(&task->self->world, &given,
                                 &task->wide->is_ours, &task->err);
}

static void work(struct errand *errand)
{
    struct credential_task *task = (struct credential_task *) errand;
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
    case TASK_RESET:
        reset(task);
        break;
    case TASK_GIVEN:
        take(task);
        break;
    case TASK_WATCH:
        task->adopted = credential_adopt(world, &task->self->watch);
        break;
    case TASK_OFFER:
        credential_offer(world);
        break;
    case TASK_RESUME:
        task->again_ms = credential_resume(world, task->times);
        break;
    }
    if (task->kind != TASK_LIST) {
        task->problems = credential_problems(world, &task->self->watch);
    }
}

/* ---- outcomes, on the reactor's thread ----------------------------------- */

static json_t *rows_document(const struct credential_wide *wide)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < wide->count; i++) {
        char at[TS_WALL_TEXT_SIZE];
        const struct credential_outcome *row = &wide->rows[i];
        ts_wall_text_of(row->at, at);
        (void) json_array_append_new(
            rows, json_pack("{s:s, s:s, s:s, s:s}", "name", row->name, "state",
                            credential_state_text(row->state), "text",
                            row->text, "at", at));
    }
    return json_pack("{s:o}", "credentials", rows);
}

/* A reset is answered with its rows, also when one of them failed. */
static void tell_reset(struct credential_task *task)
{
    const struct credential_wide *wide = task->wide;
    for (size_t i = 0; i < wide->count; i++) {
        if (wide->rows[i].state == CREDENTIAL_FAILED && task->code == TS_OK) {
            task->code =
                ts_fail(&task->err, TS_E_IO, 0,
                        "could not change every secret: %s: %s; run twinsync "
                        "credentials rotate --all again",
                        wide->rows[i].name, wide->rows[i].text);
        }
    }
    task->result = rows_document(wide);
    if (wide->done != NULL) {
        wide->done(wide->context, wide->rows, wide->count);
    }
}

static void tell_given(const struct credential_task *task)
{
    const struct credentials_options *options = &task->self->options;
    const struct wire_secret_kept answer = {
        .number = task->wide->number,
        .name = task->name,
        .outcome = task->code == TS_E_CONFLICT ? WIRE_SECRET_STALE
                   : task->code != TS_OK       ? WIRE_SECRET_REFUSED
                   : task->wide->is_ours       ? WIRE_SECRET_IS_KEPT
                                               : WIRE_SECRET_OTHER,
        .text = task->code == TS_OK ? "" : task->err.text,
    };
    options->kept(options->context, &answer);
    /* It may be a candidate, whose fate does not come any more. */
    task->self->resumed = 0;
    task->self->resume_at = ts_time_after(ts_time_now(), CREDENTIAL_LOOK_MS);
}

static void plan_resume(struct credentials *self, int64_t again_ms)
{
    self->resumed++;
    self->resume_at =
        again_ms == 0 ? TS_NEVER : ts_time_after(ts_time_now(), again_ms);
}

static void tell_adopted(const struct credential_task *task)
{
    struct credentials *self = task->self;
    size_t index;
    const json_t *name;
    self->watch_at = ts_time_after(ts_time_now(), CREDENTIAL_WATCH_MS);
    json_array_foreach(task->adopted, index, name)
    {
        self->options.record(self->options.context, "credential-set",
                             "configuration file",
                             json_pack("{s:O, s:s}", "credential", name,
                                       "reason", "its file was changed"));
    }
}

static void settle(struct credential_task *task)
{
    struct credentials *self = task->self;
    struct control_reply *reply = task->reply;
    if (task->kind == TASK_RESET) {
        tell_reset(task);
    } else if (task->kind == TASK_GIVEN) {
        tell_given(task);
    } else if (task->kind == TASK_RESUME) {
        plan_resume(self, task->again_ms);
    } else if (task->kind == TASK_ROTATE && task->code != TS_OK) {
        plan_resume(self, CREDENTIAL_LOOK_MS);
    }
    if (task->kind == TASK_WATCH) {
        tell_adopted(task);
    }
    if (task->problems != NULL) {
        self->options.problems(self->options.context, task->problems);
        task->problems = NULL;
    }
    if (task->event != NULL) {
        self->options.record(self->options.context, task->event, task->who,
                             json_pack("{s:s, s:s, s:O?}", "credential",
                                       task->name, "reason", task->reason,
                                       "result", task->result));
    }
    if (reply != NULL) {
        json_t *result = task->result;
        task->reply = NULL;
        task->result = NULL;
        control_reply_finish(reply, control_exit_of(task->code), result,
                             task->code == TS_OK ? NULL : task->err.text);
    }
}

static void give_wanted(struct credentials *self);

static void deliver(struct post_letter *letter)
{
    struct credential_task *task = (struct credential_task *) letter;
    struct credentials *self = task->self;
    if (!task->errand.forgone) {
        settle(task);
    }
    credentials_task_free(task);
    give_wanted(self);
}

struct credential_task *credentials_task(struct credentials *self,
                                         enum credential_task_kind kind)
{
    struct credential_task *task = calloc(1, sizeof *task);
    if (task != NULL) {
        task->errand.letter.deliver = deliver;
        task->errand.letter.drop = drop;
        task->errand.work = work;
        task->self = self;
        task->kind = kind;
    }
    return task;
}

struct credential_task *credentials_task_wide(struct credentials *self,
                                              enum credential_task_kind kind)
{
    struct credential_task *task = credentials_task(self, kind);
    if (task != NULL) {
        task->wide = calloc(1, sizeof *task->wide);
    }
    if (task != NULL && task->wide == NULL) {
        free(task);
        task = NULL;
    }
    return task;
}

/* One of those that nobody waits for; false: no room. */
static bool give_plain(struct credentials *self, enum credential_task_kind kind)
{
    struct credential_task *task = credentials_task(self, kind);
    if (task != NULL) {
        task->times = self->resumed;
    }
    bool given =
        task != NULL && errands_give(self->errands, &task->errand) == TS_OK;
    if (!given) {
        free(task);
    }
    return given;
}

static void give_wanted(struct credentials *self)
{
    if (self->wants_resume) {
        self->wants_resume = !give_plain(self, TASK_RESUME);
    }
    if (self->wants_offer) {
        self->wants_offer = !give_plain(self, TASK_OFFER);
    }
}

void credentials_offer(struct credentials *credentials)
{
    credentials->wants_offer = true;
    give_wanted(credentials);
}

void credentials_resume(struct credentials *credentials)
{
    credentials->wants_resume = true;
    give_wanted(credentials);
}

/* What cannot be taken is not answered: it comes again. */
void credentials_given(struct credentials *credentials,
                       const struct wire_secret *secret)
{
    struct credential_task *task =
        credentials_task_wide(credentials, TASK_GIVEN);
    if (task == NULL || secret->sealed.size > sizeof task->wide->sealed ||
        strlen(secret->name) >= sizeof task->name) {
        if (task != NULL) {
            credentials_task_free(task);
        }
        return;
    }
    (void) snprintf(task->name, sizeof task->name, "%s", secret->name);
    task->wide->number = secret->number;
    task->wide->account = secret->account;
    task->wide->sealed_size = secret->sealed.size;
    memcpy(task->wide->sealed, secret->sealed.data, secret->sealed.size);
    if (errands_give(credentials->errands, &task->errand) != TS_OK) {
        credentials_task_free(task);
    }
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
    self->resume_at = TS_NEVER;
    self->watch_at = ts_time_now();
    self->world = (struct credential_world){ .config = options->config,
                                             .keeper = options->keeper,
                                             .peer = options->peer,
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
    if (code == TS_OK) {
        code = errands_new("secrets-list", ERRANDS_MAX, self->post,
                           &self->readers, err);
    }
    if (code != TS_OK) {
        credentials_free(self);
        return code;
    }
    credentials_resume(self);
    *ret_credentials = self;
    return TS_OK;
}

static void step(void *context, struct ts_time at)
{
    struct credentials *self = context;
    post_step(self->post);
    if (ts_time_reached(at, self->resume_at)) {
        self->resume_at = TS_NEVER;
        self->wants_resume = true;
        give_wanted(self);
    }
    if (ts_time_reached(at, self->watch_at)) {
        self->watch_at = ts_time_after(at, CREDENTIAL_WATCH_MS);
        (void) give_plain(self, TASK_WATCH); /* else the next time */
    }
}

static struct ts_time deadline(void *context)
{
    const struct credentials *self = context;
    return self->resume_at.ms < self->watch_at.ms ? self->resume_at
                                                  : self->watch_at;
}

enum ts_code credentials_attach(struct credentials *credentials,
                                struct reactor *reactor, struct ts_err *err)
{
    const struct reactor_part part = { .name = "credentials",
                                       .fd = post_fd(credentials->post),
                                       .step = step,
                                       .deadline = deadline,
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
    struct errands *const threads[] = { credentials->errands,
                                        credentials->readers };
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        if (threads[i] != NULL) {
            errands_stop(threads[i]);
            errands_free(threads[i]);
        }
    }
    if (credentials->post != NULL) {
        post_close(credentials->post);
        post_free(credentials->post);
    }
    (void) pthread_cond_destroy(&credentials->stopped);
    (void) pthread_mutex_destroy(&credentials->mutex);
    free(credentials);
}
