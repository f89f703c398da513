#include "node/daemon/cluster_pairing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "node/base/json.h"
#include "node/base/log.h"
#include "node/daemon/errands.h"
#include "replication/pairing.h"

#define ERRANDS_MAX 8
#define WHO_SIZE    128
#define REASON_SIZE 512

struct cluster_pairing {
    struct cluster_pairing_options options;
    struct pairing pairing; /* its peer: who is invited, or was last */
    struct errands *errands;
    char guest_key[CERTIFICATE_TEXT_SIZE]; /* "": no invitation is open */
    bool is_taken;                         /* CP2 */
};

enum task_kind {
    TASK_OPEN,
    TASK_INVITE,
    TASK_SERVE,
    TASK_CLOSE
};

struct task {
    struct errand errand; /* must be first */
    struct cluster_pairing *self;
    enum task_kind kind;
    struct pairing pairing; /* as it was when the task was given */
    enum ts_code code;
    struct ts_err err;
    struct pairing_invitation invitation; /* OPEN, INVITE */
    struct control_reply *reply;          /* INVITE; NULL: answered */
    int64_t lifetime_s;
    char who[WHO_SIZE], reason[REASON_SIZE];
    uint8_t request[LINK_GUEST_MAX]; /* SERVE */
    size_t request_size;
    uint32_t guest; /* whom to answer */
    char address[ZAP_ADDRESS_SIZE];
    struct pairing_served served;
};

static void task_free(struct task *task)
{
    if (task->reply != NULL) {
        control_reply_finish(task->reply, CONTROL_FAILED, NULL,
                             "could not create a token because the daemon is "
                             "stopping; start it and try again");
    }
    OPENSSL_cleanse(task, sizeof *task);
    free(task);
}

static void work(struct errand *errand)
{
    struct task *task = (struct task *) errand;
    const struct pairing *pairing = &task->pairing;
    switch (task->kind) {
    case TASK_OPEN:
        task->code = pairing_open(pairing, &task->invitation, &task->err);
        break;
    case TASK_INVITE:
        task->code = pairing_invite(pairing, task->lifetime_s,
                                    &task->invitation, &task->err);
        break;
    case TASK_SERVE:
        task->code =
            pairing_serve(pairing, ts_slice(task->request, task->request_size),
                          &task->served, &task->err);
        break;
    case TASK_CLOSE:
        task->code = pairing_close(pairing, &task->err);
        break;
    }
}

/* ---- outcomes, on the reactor's thread ------------------------------------
 */

static void record(struct cluster_pairing *self, const char *event,
                   const char *actor, json_t *fields)
{
    self->options.record(self->options.context, event, actor, fields);
}

static enum ts_code admit_guest(struct cluster_pairing *self,
                                const struct pairing_invitation *invitation,
                                struct ts_err *err)
{
    link_dismiss(self->options.link, "");
    self->guest_key[0] = '\0';
    enum ts_code code =
        link_invite(self->options.link, invitation->guest_key,
                    ts_time_after(ts_time_now(), invitation->left_ms), err);
    if (code == TS_OK) {
        self->is_taken = invitation->is_taken;
        memcpy(self->guest_key, invitation->guest_key, sizeof self->guest_key);
    }
    return code;
}

static void opened(struct cluster_pairing *self, struct task *task)
{
    if (task->code == TS_OK) {
        task->code =
            self->options.choose(self->options.context, task->invitation.node,
                                 &self->pairing.peer, &task->err);
    }
    if (task->code == TS_OK) {
        task->code = admit_guest(self, &task->invitation, &task->err);
    }
    if (task->code != TS_OK && task->code != TS_E_NOT_FOUND) {
        ts_log(TS_LOG_WARNING, "token-lost", "reason=\"%s\"", task->err.text);
    }
}

static void invited(struct cluster_pairing *self, struct task *task)
{
    char expires[TS_WALL_TEXT_SIZE];
    struct control_reply *reply = task->reply;
    task->reply = NULL;
    if (task->code == TS_OK) {
        self->options.prepared(self->options.context);
        self->pairing.peer = task->pairing.peer;
        task->code = admit_guest(self, &task->invitation, &task->err);
    }
    if (task->code != TS_OK) {
        control_reply_fail(reply, &task->err);
        return;
    }
    ts_wall_text_of(task->invitation.expires, expires);
    record(self, "token-created", task->who,
           json_pack("{s:s, s:s, s:s}", "node", self->pairing.peer, "expires",
                     expires, "reason", task->reason));
    control_reply_finish(
        reply, CONTROL_DONE,
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "token", task->invitation.token,
                  "node", self->pairing.peer, "issuer", self->pairing.node,
                  "endpoint", self->pairing.endpoint, "expires", expires),
        NULL);
}

/* CP1 */
static void served(struct cluster_pairing *self, struct task *task)
{
    struct pairing_served *result = &task->served;
    if (task->code == TS_OK && result->is_met) {
        task->code =
            self->options.met(self->options.context, &result->peer, &task->err);
    }
    if (task->code != TS_OK) {
        ts_log(TS_LOG_WARNING, "join-failed", "address=%s reason=\"%s\"",
               task->address, task->err.text);
        return;
    }
    self->is_taken |= result->is_met;
    link_reply(self->options.link, task->guest,
               ts_slice(result->reply.data, result->reply.size));
    if (result->is_met) {
        record(self, "node-joined", "daemon",
               json_pack("{s:s, s:s, s:s}", "node", result->peer.name, "key",
                         result->peer.public_key, "address", task->address));
    } else {
        record(self, "join-refused", "daemon",
               json_pack("{s:s, s:s}", "address", task->address, "why",
                         result->refusal));
    }
}

static void closed(struct cluster_pairing *self, struct task *task)
{
    if (task->code != TS_OK) { /* it ends by its time, then */
        ts_log(TS_LOG_WARNING, "token-not-removed", "reason=\"%s\"",
               task->err.text);
    }
    (void) self;
}

static void deliver(struct post_letter *letter)
{
    struct task *task = (struct task *) letter;
    struct cluster_pairing *self = task->self;
    if (task->errand.forgone) {
        task_free(task);
        return;
    }
    switch (task->kind) {
    case TASK_OPEN:
        opened(self, task);
        break;
    case TASK_INVITE:
        invited(self, task);
        break;
    case TASK_SERVE:
        served(self, task);
        break;
    case TASK_CLOSE:
        closed(self, task);
        break;
    }
    task_free(task);
}

static void drop(struct post_letter *letter)
{
    task_free((struct task *) letter);
}

/* ---- errands ---------------------------------------------------------------
 */

static struct task *task_new(struct cluster_pairing *self, enum task_kind kind)
{
    struct task *task = calloc(1, sizeof *task);
    if (task != NULL) {
        task->errand =
            (struct errand){ .letter = { .deliver = deliver, .drop = drop },
                             .work = work };
        task->self = self;
        task->pairing = self->pairing;
        task->kind = kind;
    }
    return task;
}

/* Frees a task that cannot be given now. */
static enum ts_code give(struct task *task, struct ts_err *err)
{
    enum ts_code code = errands_give(task->self->errands, &task->errand);
    if (code != TS_OK) {
        task_free(task);
        return ts_fail(err, code, 0,
                       "could not take another step of pairing: too many are "
                       "under way");
    }
    return TS_OK;
}

static enum ts_code find_nodes(const struct config *config,
                               struct pairing *pairing, struct ts_err *err)
{
    *pairing = (struct pairing){ .state_directory = config->state_directory,
                                 .cluster = config->cluster,
                                 .node = config->this_node };
    for (uint32_t i = 0; i < config->nodes_count; i++) {
        if (strcmp(config->nodes[i].name, config->this_node) == 0) {
            pairing->endpoint = config->nodes[i].endpoint;
        } else if (pairing->peer == NULL) {
            pairing->peer = config->nodes[i].name;
        }
    }
    if (pairing->endpoint == NULL || pairing->peer == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot pair this node: nodes does not name it and "
                       "another one");
    }
    return TS_OK;
}

enum ts_code cluster_pairing_new(const struct cluster_pairing_options *options,
                                 struct cluster_pairing **ret_pairing,
                                 struct ts_err *err)
{
    struct cluster_pairing *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare pairing");
    }
    self->options = *options;
    enum ts_code code = find_nodes(options->config, &self->pairing, err);
    if (code == TS_OK) {
        code = errands_new("pairing", ERRANDS_MAX, options->post,
                           &self->errands, err);
    }
    struct task *task = code == TS_OK ? task_new(self, TASK_OPEN) : NULL;
    if (code == TS_OK) {
        code = task == NULL
                   ? ts_fail(err, TS_E_NOMEM, 0, "could not prepare pairing")
                   : give(task, err);
    }
    if (code != TS_OK) {
        cluster_pairing_free(self);
        return code;
    }
    *ret_pairing = self;
    return TS_OK;
}

void cluster_pairing_free(struct cluster_pairing *pairing)
{
    if (pairing != NULL) {
        if (pairing->errands != NULL) {
            errands_stop(pairing->errands);
            errands_free(pairing->errands);
        }
        free(pairing);
    }
}

/* ---- asked for -------------------------------------------------------------
 */

/* What cannot be taken is not answered: the guest asks again. */
void cluster_pairing_guest(struct cluster_pairing *pairing,
                           const struct link_guest_message *message)
{
    struct ts_err err;
    struct task *task = task_new(pairing, TASK_SERVE);
    if (task == NULL || message->bytes.size > sizeof task->request) {
        free(task);
        return;
    }
    memcpy(task->request, message->bytes.data, message->bytes.size);
    task->request_size = message->bytes.size;
    task->guest = message->reply;
    (void) snprintf(task->address, sizeof task->address, "%s",
                    message->address);
    if (give(task, &err) != TS_OK) {
        ts_log(TS_LOG_WARNING, "join-failed", "address=%s reason=\"%s\"",
               message->address, err.text);
    }
}

void cluster_pairing_met(struct cluster_pairing *pairing)
{
    struct ts_err err;
    if (pairing->guest_key[0] == '\0' || !pairing->is_taken) {
        return;
    }
    link_dismiss(pairing->options.link, pairing->guest_key);
    pairing->guest_key[0] = '\0';
    struct task *task = task_new(pairing, TASK_CLOSE);
    if (task != NULL && give(task, &err) != TS_OK) {
        ts_log(TS_LOG_WARNING, "token-not-removed", "reason=\"%s\"", err.text);
    }
}

/* Nothing but the members that the command has, each of its type or null. */
static bool has_members(const json_t *args)
{
    size_t known = 0, nulls = 0;
    static const char *const texts[] = { "node", "who", "reason" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const json_t *value = json_object_get(args, texts[i]);
        known += json_is_string(value);
        nulls += json_is_null(value);
    }
    const json_t *lifetime = json_object_get(args, "for_seconds");
    known += json_is_integer(lifetime);
    nulls += json_is_null(lifetime);
    return known + nulls == json_object_size(args);
}

static enum ts_code read_args(const json_t *args, struct task *task,
                              struct ts_err *err)
{
    const struct cluster_pairing_options *options = &task->self->options;
    const char *who = ts_json_text(args, "who");
    const char *reason = ts_json_text(args, "reason");
    task->lifetime_s = ts_json_number(args, "for_seconds", PAIRING_LIFETIME_S);
    if (!has_members(args)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot create a token: it takes node, for_seconds, "
                       "who and reason, and nothing else");
    }
    enum ts_code code = options->choose(
        options->context, ts_json_text(args, "node"), &task->pairing.peer, err);
    if (code != TS_OK) {
        return code;
    }
    if (task->lifetime_s < PAIRING_LIFETIME_MIN_S ||
        task->lifetime_s > PAIRING_LIFETIME_MAX_S) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot create a token: it may be valid for %d s to "
                       "%lld s",
                       PAIRING_LIFETIME_MIN_S,
                       (long long) PAIRING_LIFETIME_MAX_S);
    }
    (void) snprintf(task->who, sizeof task->who, "%s",
                    who == NULL ? "operator" : who);
    (void) snprintf(task->reason, sizeof task->reason, "%s",
                    reason == NULL ? "" : reason);
    return TS_OK;
}

void cluster_pairing_command(struct cluster_pairing *pairing,
                             const json_t *args, struct control_reply *reply)
{
    struct ts_err err;
    struct task *task = task_new(pairing, TASK_INVITE);
    enum ts_code code =
        task == NULL ? ts_fail(&err, TS_E_NOMEM, 0, "could not create a token")
                     : read_args(args, task, &err);
    if (code == TS_OK) {
        task->reply = reply;
        if (errands_give(pairing->errands, &task->errand) == TS_OK) {
            return;
        }
        task->reply = NULL;
        (void) ts_fail(&err, TS_E_LIMIT, 0,
                       "could not create a token: too many steps of pairing "
                       "are under way; try again");
    }
    if (task != NULL) {
        task_free(task);
    }
    control_reply_fail(reply, &err);
}
