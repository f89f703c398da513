#include "node/daemon/cluster_retire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/failpoint.h"
#include "node/base/log.h"
#include "node/daemon/cluster_private.h"
#include "node/daemon/errands.h"
#include "node/vault/vault.h"
#include "proto/wire_codec.h"
#include "replication/certificate.h"
#include "replication/pair_folder.h"
#include "replication/retirement.h"

#define ERRANDS_MAX  4
#define PROGRESS_MS  1000
#define FAREWELL_MS  2000 /* for the answer to what it said */
#define EXIT_REFUSED 3
#define EXIT_FAILED  1

enum step {
    STEP_NONE,
    STEP_LOOK,        /* which key it has */
    STEP_MEMBERSHIP,  /* the member has been asked */
    STEP_WIPE,        /* it was asked; its answer is waited for */
    STEP_CERTIFICATE, /* its certificate is being removed */
    STEP_KEY,         /* the pair's key is being changed */
    STEP_SECRETS      /* what it knew is being changed */
};

struct run {
    enum step step;
    char node[REGISTER_NAME_SIZE], who[REGISTER_NAME_SIZE];
    char reason[CLUSTER_RETIRE_REASON];
    bool wipe;
    char key[CERTIFICATE_TEXT_SIZE]; /* "": it has none here */
    uint64_t command;                /* of the member */
    struct ts_time began, wipe_by, progress_at;
    bool wiped; /* it said so */
    struct evidence_row rows[CLUSTER_RETIRE_ROWS];
    size_t count;
    cluster_retire_done *done;
    void *context;
    struct control_reply *reply; /* for progress; NULL: nobody looks */
};

struct cluster_retire {
    struct cluster *cluster;
    struct errands *errands;
    struct run run;
};

/* ---- evidence ------------------------------------------------------------ */

TS_PRINTF(4, 5)
static void tell(struct cluster_retire *self, const char *name,
                 enum evidence_state state, const char *fmt, ...)
{
    struct run *run = &self->run;
    char text[HANDOVER_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (run->count < CLUSTER_RETIRE_ROWS) {
        struct evidence_row *row = &run->rows[run->count++];
        *row = evidence_make(HANDOVER_RETIRE, state, name, text);
        row->at_ms = ts_wall_seconds() * 1000;
        (void) snprintf(row->node, sizeof row->node, "%s",
                        self->cluster->config->this_node);
    }
    ts_log(TS_LOG_INFO, "retire", "node=%s step=%s state=\"%s\" text=\"%s\"",
           run->node, name, evidence_state_name(state), text);
}

static json_t *rows_document(const struct run *run)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < run->count; i++) {
        char at[TS_WALL_TEXT_SIZE];
        ts_wall_text_of(run->rows[i].at_ms / 1000, at);
        (void) json_array_append_new(
            rows, json_pack("{s:s, s:s, s:s, s:s}", "step", run->rows[i].name,
                            "state", evidence_state_name(run->rows[i].state),
                            "text", run->rows[i].text, "at", at));
    }
    return rows;
}

static void progress(struct cluster_retire *self, const char *phase)
{
    struct run *run = &self->run;
    if (run->reply != NULL) {
        int64_t ms = ts_time_now().ms - run->began.ms;
        control_reply_progress(run->reply, phase, (uint64_t) (ms / 1000), 0);
    }
}

static void finish(struct cluster_retire *self, int status, const char *text)
{
    struct run run = self->run;
    self->run = (struct run){ .step = STEP_NONE };
    if (status == 0) {
        engine_record(self->cluster->engine, "node-retired", run.who,
                      json_pack("{s:s, s:s, s:o}", "node", run.node, "reason",
                                run.reason, "steps", rows_document(&run)),
                      cluster_store_forget());
    }
    run.done(run.context, status, text, run.rows, run.count);
}

/* ---- errands: files ------------------------------------------------------ */

enum task_kind {
    TASK_LOOK,   /* which key has it? */
    TASK_REMOVE, /* its certificate */
    TASK_JOINED  /* this node is listed */
};

struct task {
    struct errand errand; /* must be first */
    struct cluster_retire *self;
    enum task_kind kind;
    const char *directory;
    char node[REGISTER_NAME_SIZE];
    struct certificate found; /* LOOK */
    enum ts_code code;
    struct ts_err err;
};

static void look(struct task *task)
{
    char path[PAIR_PATH_SIZE];
    task->code =
        certificate_peer_path(task->directory, task->node, path, &task->err);
    if (task->code == TS_OK) {
        task->code = certificate_load(path, &task->found, &task->err);
    }
}

static void remove_certificate(struct task *task)
{
    char name[REGISTER_NAME_SIZE + 16], partner[CERTIFICATE_NAME_SIZE];
    struct ts_err err;
    (void) snprintf(name, sizeof name, "peers/%s.cert", task->node);
    task->code = pair_remove(task->directory, name, &task->err);
    TS_FAILPOINT(RETIRE_KEY_GONE);
    if (task->code == TS_OK &&
        pair_partner_load(task->directory, partner, &err) == TS_OK &&
        strcmp(partner, task->node) == 0) {
        task->code = pair_remove(task->directory, "partner", &task->err);
    }
}

static void work(struct errand *errand)
{
    struct task *task = (struct task *) errand;
    switch (task->kind) {
    case TASK_LOOK:
        look(task);
        break;
    case TASK_REMOVE:
        remove_certificate(task);
        break;
    case TASK_JOINED:
        task->code = retirement_joined(task->directory, &task->err);
        break;
    }
}

static void looked(struct cluster_retire *self, const struct task *task);
static void removed(struct cluster_retire *self, const struct task *task);

static void deliver(struct post_letter *letter)
{
    struct task *task = (struct task *) letter;
    if (task->errand.forgone) {
        free(task);
        return;
    }
    if (task->kind == TASK_LOOK) {
        looked(task->self, task);
    } else if (task->kind == TASK_REMOVE) {
        removed(task->self, task);
    } else if (task->code != TS_OK) { /* it is removed after the next start */
        ts_log(TS_LOG_WARNING, "joining-not-removed", "reason=\"%s\"",
               task->err.text);
    }
    free(task);
}

static void drop(struct post_letter *letter)
{
    free(letter);
}

static bool give(struct cluster_retire *self, enum task_kind kind)
{
    struct task *task = calloc(1, sizeof *task);
    if (task == NULL) {
        return false;
    }
    task->errand =
        (struct errand){ .letter = { .deliver = deliver, .drop = drop },
                         .work = work };
    task->self = self;
    task->kind = kind;
    task->directory = self->cluster->config->state_directory;
    memcpy(task->node, self->run.node, sizeof task->node);
    if (errands_give(self->errands, &task->errand) != TS_OK) {
        free(task);
        return false;
    }
    return true;
}

/* ---- the member list ----------------------------------------------------- */

static void looked(struct cluster_retire *self, const struct task *task)
{
    struct cluster *c = self->cluster;
    struct run *run = &self->run;
    if (run->step != STEP_LOOK) {
        return;
    }
    if (task->code != TS_OK && task->code != TS_E_NOT_FOUND) {
        finish(self, EXIT_FAILED, task->err.text);
        return;
    }
    struct member_event event = {
        .kind = MEMBER_COMMAND,
        .command = { .id = ++c->last_id,
                     .command = MEMBER_COMMAND_RETIRE,
                     .actor = run->who,
                     .reason = run->reason,
                     .node = run->node,
                     .at_s = (uint64_t) ts_wall_seconds(),
                     .wipe = run->wipe },
    };
    if (task->code == TS_OK) {
        memcpy(run->key, task->found.public_key, sizeof run->key);
        certificate_key_bytes(run->key, event.command.key);
    }
    run->step = STEP_MEMBERSHIP;
    run->command = event.command.id;
    progress(self, "membership");
    cluster_feed(c, &event);
}

static void certify(struct cluster_retire *self)
{
    self->run.step = STEP_CERTIFICATE;
    progress(self, "certificate");
    if (!give(self, TASK_REMOVE)) {
        finish(self, EXIT_FAILED,
               "could not remove its certificate: too much is under way; it "
               "is no member any more, run twinsync retire again");
    }
}

/* Of a takeover every credential below the new epoch was destroyed and seen
 * refused before anything was written; nothing of a standby's is listed. */
static void tell_principals(struct cluster_retire *self)
{
    const struct cluster *c = self->cluster;
    struct member_view view;
    size_t left = 0;
    member_view(c->member, ts_clocks_now(), &view);
    for (size_t i = 0; view.has_value && i < view.value->principal_count; i++) {
        left += strcmp(view.value->principals[i].node, self->run.node) == 0;
    }
    if (c->config->target.fence == CONFIG_FENCE_NONE) {
        tell(self, "principals", EVIDENCE_UNTOUCHED,
             "the target cannot fence: what %s knows of its credential still "
             "works until that is changed there",
             self->run.node);
    } else if (left > 0 || !view.has_value || !view.value->fenced) {
        tell(self, "principals", EVIDENCE_PENDING,
             "the register still lists %zu credentials of %s", left,
             self->run.node);
    } else if (c->fence_accepted) {
        tell(self, "principals", EVIDENCE_PENDING,
             "taken to be gone on an operator's word, not proved: %s",
             c->fence_evidence);
    } else {
        tell(self, "principals", EVIDENCE_PROVED,
             "every credential below epoch %" PRIu64 " is gone%s%s",
             view.value->epoch, c->fence_evidence[0] == 0 ? "" : ": ",
             c->fence_evidence);
    }
}

static bool is_connected(const struct cluster *c, const char *node)
{
    return c->link_up && c->peer != NULL && strcmp(c->peer->name, node) == 0;
}

static void ask_wipe(struct cluster_retire *self)
{
    struct run *run = &self->run;
    if (!run->wipe) {
        tell(self, "wipe", EVIDENCE_UNTOUCHED, "not asked for");
        certify(self);
    } else if (!is_connected(self->cluster, run->node)) {
        tell(self, "wipe", EVIDENCE_PENDING,
             "unconfirmed: %s is not connected; if it ever starts again it "
             "finds itself retired",
             run->node);
        certify(self);
    } else {
        run->step = STEP_WIPE;
        run->wipe_by = ts_time_after(ts_time_now(), CLUSTER_WIPE_MS);
        run->progress_at = ts_time_now();
    }
}

bool cluster_retire_answered(struct cluster *c, uint64_t id, int status,
                             const char *text)
{
    struct cluster_retire *self = c->retire;
    if (self == NULL || self->run.step != STEP_MEMBERSHIP ||
        self->run.command != id) {
        return false;
    }
    if (status != 0) {
        finish(self, status, text);
        return true;
    }
    TS_FAILPOINT(RETIRE_EXCLUDED);
    tell(self, "membership", EVIDENCE_DONE, "%s", text);
    tell_principals(self);
    ask_wipe(self);
    return true;
}

/* ---- the wipe ------------------------------------------------------------ */

void cluster_retire_heard(struct cluster *c, const char *node,
                          const struct wire_heartbeat *beat)
{
    struct cluster_retire *self = c->retire;
    if (self != NULL && self->run.step == STEP_WIPE && beat->wiped &&
        !self->run.wiped && strcmp(self->run.node, node) == 0) {
        tell(self, "wipe", EVIDENCE_PROVED,
             "confirmed: %s has destroyed its state, vault and keys", node);
        self->run.wiped = true; /* and is to hear that it was heard */
        self->run.wipe_by = self->run.progress_at =
            ts_time_after(ts_time_now(), FAREWELL_MS);
    }
}

void cluster_retire_step(struct cluster *c, struct ts_time now)
{
    struct cluster_retire *self = c->retire;
    if (self == NULL || self->run.step != STEP_WIPE) {
        return;
    }
    if (ts_time_reached(now, self->run.wipe_by) && self->run.wiped) {
        certify(self);
    } else if (ts_time_reached(now, self->run.wipe_by)) {
        tell(self, "wipe", EVIDENCE_PENDING,
             "unconfirmed: %s said nothing for %d s", self->run.node,
             CLUSTER_WIPE_MS / 1000);
        certify(self);
    } else if (ts_time_reached(now, self->run.progress_at)) {
        self->run.progress_at = ts_time_after(now, PROGRESS_MS);
        progress(self, "wipe");
    }
}

struct ts_time cluster_retire_deadline(const struct cluster *c)
{
    return c->retire != NULL && c->retire->run.step == STEP_WIPE
               ? c->retire->run.progress_at
               : TS_NEVER;
}

/* ---- what it knew ---------------------------------------------------------
 */

static enum evidence_state state_of(enum credential_state state)
{
    return state == CREDENTIAL_PROVED    ? EVIDENCE_PROVED
           : state == CREDENTIAL_PENDING ? EVIDENCE_PENDING
           : state == CREDENTIAL_FAILED  ? EVIDENCE_FAILED
                                         : EVIDENCE_UNTOUCHED;
}

static void on_reset(void *context, const struct credential_outcome *rows,
                     size_t count)
{
    struct cluster *c = context;
    struct cluster_retire *self = c->retire;
    if (self == NULL || self->run.step != STEP_SECRETS) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        tell(self, rows[i].name, state_of(rows[i].state), "%s", rows[i].text);
    }
    finish(self, 0, "");
}

/* The same cause for as long as it is the same retirement: what was changed for
 * it is not changed again. */
static void reset_secrets(struct cluster_retire *self)
{
    struct cluster *c = self->cluster;
    struct run *run = &self->run;
    struct member_view view;
    struct ts_err err;
    char cause[VAULT_CAUSE_SIZE];
    member_view(c->member, ts_clocks_now(), &view);
    const struct register_retired *record =
        view.has_value ? register_retired_of(view.value, run->node) : NULL;
    (void) snprintf(cause, sizeof cause, "retire %" PRIu64 " %.30s",
                    record == NULL ? 0 : record->membership, run->node);
    const struct credentials_reset asked = { .cause = cause,
                                             .who = run->who,
                                             .reason = run->reason,
                                             .done = on_reset,
                                             .context = c };
    run->step = STEP_SECRETS;
    progress(self, "secrets");
    if (c->options.reset(c->options.context, &asked, &err) != TS_OK) {
        tell(self, "secrets", EVIDENCE_FAILED, "%s", err.text);
        finish(self, 0, "");
    }
}

static void on_rekeyed(void *context, enum evidence_state state,
                       const char *text)
{
    struct cluster *c = context;
    struct cluster_retire *self = c->retire;
    if (self != NULL && self->run.step == STEP_KEY) {
        tell(self, "pair-key", state, "%s", text);
        reset_secrets(self);
    }
}

/* ---- its key ------------------------------------------------------------- */

static void removed(struct cluster_retire *self, const struct task *task)
{
    struct cluster *c = self->cluster;
    struct run *run = &self->run;
    if (run->step != STEP_CERTIFICATE) {
        return;
    }
    if (task->code != TS_OK) {
        finish(self, EXIT_FAILED, task->err.text);
        return;
    }
    if (c->peer != NULL && strcmp(c->peer->name, run->node) == 0) {
        cluster_peer_forget(c);
    }
    tell(self, "certificate", EVIDENCE_DONE,
         run->key[0] == 0 ? "%s has no key here"
                          : "the key of %s opens no "
                            "link any more",
         run->node);
    run->step = STEP_KEY;
    progress(self, "pair-key");
    cluster_rekey_begin(c, on_rekeyed, c);
}

void cluster_retire_joined(struct cluster *c)
{
    if (c->retire != NULL && !give(c->retire, TASK_JOINED)) {
        ts_log(TS_LOG_WARNING, "joining-not-removed",
               "reason=\"too much is under way\"");
    }
}

/* ---- asked --------------------------------------------------------------- */

void cluster_retire(struct cluster *c, const struct cluster_retirement *asked,
                    cluster_retire_done *done, void *context)
{
    struct cluster_retire *self = c->retire;
    struct run *run = &self->run;
    if (run->step != STEP_NONE) {
        done(context, EXIT_FAILED,
             "could not retire a node: another one is being retired; try again "
             "when that has ended",
             NULL, 0);
        return;
    }
    if (!certificate_is_name(asked->node)) {
        done(context, EXIT_REFUSED,
             "cannot retire that: it is not the name of a node", NULL, 0);
        return;
    }
    *run = (struct run){ .step = STEP_LOOK,
                         .wipe = asked->wipe,
                         .began = ts_time_now(),
                         .done = done,
                         .context = context };
    (void) snprintf(run->node, sizeof run->node, "%s", asked->node);
    (void) snprintf(run->who, sizeof run->who, "%.*s",
                    (int) sizeof run->who - 1, asked->who);
    (void) snprintf(run->reason, sizeof run->reason, "%.*s",
                    (int) sizeof run->reason - 1, asked->reason);
    if (!give(self, TASK_LOOK)) {
        finish(self, EXIT_FAILED,
               "could not retire a node: too much is under way; try again");
    }
}

static void answer(void *context, int status, const char *text,
                   const struct evidence_row *rows, size_t count)
{
    struct control_reply *reply = context;
    struct run told = { .count = count };
    if (status != 0) {
        control_reply_finish(reply, (enum control_exit) status, NULL, text);
        return;
    }
    memcpy(told.rows, rows, count * sizeof rows[0]);
    control_reply_finish(reply, CONTROL_DONE,
                         json_pack("{s:o}", "steps", rows_document(&told)),
                         NULL);
}

void cluster_retire_command(struct cluster *c, const json_t *args,
                            struct control_reply *reply)
{
    const char *node = json_string_value(json_object_get(args, "node"));
    const char *who = json_string_value(json_object_get(args, "who"));
    const char *reason = json_string_value(json_object_get(args, "reason"));
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    if (view.has_value && view.value->handover_size > 0) {
        answer(reply, EXIT_REFUSED,
               "cannot retire a node while a handover is open, which does it "
               "by itself: twinsync handover --resume or --abort",
               NULL, 0);
        return;
    }
    const struct cluster_retirement asked = {
        .node = node == NULL ? "" : node,
        .who = who == NULL ? "operator" : who,
        .reason = reason == NULL ? "" : reason,
        .wipe = true,
    };
    bool is_idle = c->retire->run.step == STEP_NONE;
    cluster_retire(c, &asked, answer, reply);
    if (is_idle && c->retire->run.step != STEP_NONE) {
        c->retire->run.reply = reply;
    }
}

/* ---- life ---------------------------------------------------------------- */

enum ts_code cluster_retire_new(struct cluster *c, struct cluster_retire **ret,
                                struct ts_err *err)
{
    struct cluster_retire *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start");
    }
    self->cluster = c;
    enum ts_code code =
        errands_new("retire", ERRANDS_MAX, c->post, &self->errands, err);
    if (code != TS_OK) {
        free(self);
        return code;
    }
    *ret = self;
    return TS_OK;
}

void cluster_retire_free(struct cluster_retire *retire)
{
    if (retire == NULL) {
        return;
    }
    if (retire->run.step != STEP_NONE) {
        struct run *run = &retire->run;
        run->done(run->context, EXIT_FAILED,
                  "could not end the retirement because the daemon is "
                  "stopping; start it and run it again",
                  NULL, 0);
    }
    errands_stop(retire->errands);
    errands_free(retire->errands);
    free(retire);
}
