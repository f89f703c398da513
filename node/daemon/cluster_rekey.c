#include "node/daemon/cluster_rekey.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/failpoint.h"
#include "node/daemon/cluster_private.h"
#include "node/daemon/errands.h"
#include "replication/pair_turn.h"

#define BUSY_MS   200 /* the fence has other work */
#define GIVEUP_MS 30000

enum step {
    STEP_NONE,
    STEP_DRAFT, /* the key is being drawn */
    STEP_SEAL,  /* our own credential is being sealed by it */
    STEP_SHOW,  /* the register is to show that */
    STEP_TURN   /* it is becoming the pair's */
};

struct cluster_rekey {
    struct cluster *cluster;
    struct errands *errands;
    enum step step;
    struct seal_key key;
    uint64_t command; /* of the member */
    bool is_asked;    /* the fence has taken the call */
    struct ts_time again, until;
    cluster_rekey_done *done;
    void *context;
};

struct task {
    struct errand errand; /* must be first */
    struct cluster_rekey *self;
    bool turns;
    const char *directory;
    struct seal_key key; /* of a draft */
    enum ts_code code;
    struct ts_err err;
};

static void finish(struct cluster_rekey *self, enum evidence_state state,
                   const char *text)
{
    self->step = STEP_NONE;
    seal_key_done(&self->key);
    self->done(self->context, state, text);
}

/* ---- errands ------------------------------------------------------------- */

static void work(struct errand *errand)
{
    struct task *task = (struct task *) errand;
    task->code = task->turns ? pair_key_turn(task->directory, &task->err)
                             : pair_key_draft(task->directory, task->key.bytes,
                                              &task->err);
}

static void task_free(struct task *task)
{
    seal_key_done(&task->key);
    free(task);
}

static void deliver(struct post_letter *letter)
{
    struct task *task = (struct task *) letter;
    struct cluster_rekey *self = task->self;
    if (task->errand.forgone) {
        task_free(task);
        return;
    }
    if (task->code != TS_OK) {
        finish(self, EVIDENCE_FAILED, task->err.text);
    } else if (task->turns) {
        finish(self, EVIDENCE_DONE,
               "the pair's key is another one, and seals what the register "
               "holds");
    } else {
        self->key = task->key;
        self->step = STEP_SEAL;
        self->is_asked = false;
        self->again = ts_time_now();
        cluster_rekey_step(self->cluster, ts_time_now());
    }
    task_free(task);
}

static void drop(struct post_letter *letter)
{
    task_free((struct task *) letter);
}

static void give(struct cluster_rekey *self, bool turns)
{
    struct task *task = calloc(1, sizeof *task);
    if (task != NULL) {
        task->errand =
            (struct errand){ .letter = { .deliver = deliver, .drop = drop },
                             .work = work };
        task->self = self;
        task->turns = turns;
        task->directory = self->cluster->config->state_directory;
        self->step = turns ? STEP_TURN : STEP_DRAFT;
        if (errands_give(self->errands, &task->errand) == TS_OK) {
            return;
        }
        task_free(task);
    }
    finish(self, EVIDENCE_FAILED,
           "could not change the pair's key: too much is under way");
}

/* ---- steps --------------------------------------------------------------- */

void cluster_rekey_step(struct cluster *c, struct ts_time now)
{
    struct cluster_rekey *self = c->rekey;
    if (self == NULL || self->step != STEP_SEAL || self->is_asked ||
        !ts_time_reached(now, self->again)) {
        return;
    }
    if (cluster_fence_rekey(c->fence, &self->key) == TS_OK) {
        self->is_asked = true;
    } else if (ts_time_reached(now, self->until)) {
        finish(self, EVIDENCE_PENDING,
               "the pair's key is the old one: the fence is at work");
    } else {
        self->again = ts_time_after(now, BUSY_MS);
    }
}

struct ts_time cluster_rekey_deadline(const struct cluster *c)
{
    const struct cluster_rekey *self = c->rekey;
    return self != NULL && self->step == STEP_SEAL && !self->is_asked
               ? self->again
               : TS_NEVER;
}

void cluster_rekey_fenced(struct cluster *c,
                          const struct cluster_fence_answer *answer)
{
    struct cluster_rekey *self = c->rekey;
    if (self == NULL || self->step != STEP_SEAL) {
        return;
    }
    if (answer->code != TS_OK) {
        finish(self, EVIDENCE_FAILED, answer->err->text);
    } else if (answer->row->sealed_size == 0) {
        give(self, true); /* nothing of ours is sealed there */
    } else {
        const struct register_principal row = *answer->row;
        self->step = STEP_SHOW;
        self->command = ++c->last_id;
        cluster_feed(c, &(struct member_event){
                            .kind = MEMBER_COMMAND,
                            .command = { .id = self->command,
                                         .command = MEMBER_COMMAND_RESEAL,
                                         .actor = "daemon",
                                         .reason = "the pair's key changes",
                                         .sealed = ts_slice(
                                             row.sealed, row.sealed_size) } });
    }
}

bool cluster_rekey_answered(struct cluster *c, uint64_t id, int status,
                            const char *text)
{
    struct cluster_rekey *self = c->rekey;
    if (self == NULL || self->step != STEP_SHOW || self->command != id) {
        return false;
    }
    TS_FAILPOINT(RETIRE_RESEALED);
    if (status == 0) {
        give(self, true);
    } else {
        finish(self, EVIDENCE_FAILED, text);
    }
    return true;
}

void cluster_rekey_begin(struct cluster *c, cluster_rekey_done *done,
                         void *context)
{
    struct cluster_rekey *self = c->rekey;
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    bool has_own =
        c->fence != NULL && cluster_fence_own(c->fence, view.epoch) != NULL;
    self->done = done;
    self->context = context;
    self->until = ts_time_after(ts_time_now(), GIVEUP_MS);
    if (!has_own) {
        finish(self, EVIDENCE_UNTOUCHED, "this node has sealed nothing");
    } else if (view.value->voter_count > 1 || view.value->learner[0] != 0) {
        finish(self, EVIDENCE_UNTOUCHED,
               "the other member has the same key: it is changed when a node "
               "is retired before another one joins");
    } else {
        give(self, false);
    }
}

/* ---- life ---------------------------------------------------------------- */

enum ts_code cluster_rekey_new(struct cluster *c, struct cluster_rekey **ret,
                               struct ts_err *err)
{
    struct cluster_rekey *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start");
    }
    self->cluster = c;
    enum ts_code code = errands_new("rekey", 1, c->post, &self->errands, err);
    if (code != TS_OK) {
        free(self);
        return code;
    }
    *ret = self;
    return TS_OK;
}

void cluster_rekey_free(struct cluster_rekey *rekey)
{
    if (rekey != NULL) {
        errands_stop(rekey->errands);
        errands_free(rekey->errands);
        seal_key_done(&rekey->key);
        free(rekey);
    }
}
