#include "node/daemon/cluster_fence.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/failpoint.h"
#include "node/daemon/errands.h"

struct cluster_fence {
    struct cluster_fence_options options;
    struct seal_key key;
    char memory_file[PATH_MAX], notes_file[PATH_MAX];
    struct principal_keeper *keeper;
    struct errands *errands;
    bool busy;
    bool has_own;
    struct principal own; /* written by deliver() only */
};

struct call {
    struct errand errand;
    struct cluster_fence *owner;
    struct cluster_fence_answer answer;
    struct ts_err err;
    struct principal own; /* in: ours; out: the one that was made */
    struct register_principal row;
    struct register_principal rows[REGISTER_PRINCIPALS_MAX];
    struct principal_fencing fencings[REGISTER_PRINCIPALS_MAX];
    struct principal_sweep sweep;
    struct seal_key key; /* REKEY */
};

static void call_free(struct call *call)
{
    principal_done(&call->own);
    seal_key_done(&call->key);
    free(call);
}

static enum ts_code mint(struct call *call)
{
    struct cluster_fence *self = call->owner;
    enum ts_code code = principal_mint(self->keeper, call->answer.epoch,
                                       &call->own, &call->err);
    if (code != TS_OK) {
        return code;
    }
    TS_FAILPOINT(PRINCIPAL_MINTED);
    code = principal_seal(&self->key, &call->own, &call->row, &call->err);
    if (code != TS_OK) { // what cannot be published must not exist
        struct ts_err ignored;
        (void) !principal_unmint(self->keeper, &call->own, &ignored);
    }
    return code;
}

static enum ts_code sweep(struct call *call)
{
    const struct principal_listing listing = {
        .rows = call->rows,
        .count = call->answer.count,
        .spared = call->answer.epoch,
    };
    return principal_sweep(call->owner->keeper, &listing, &call->sweep,
                           &call->err);
}

/* What the register shows is still sealed by the one before: both open. */
static enum ts_code rekey(struct call *call)
{
    struct cluster_fence *self = call->owner;
    enum ts_code code =
        principal_seal(&call->key, &call->own, &call->row, &call->err);
    if (code == TS_OK) {
        principal_rekey(self->keeper, &call->key);
        self->key = call->key;
    }
    return code;
}

static void work(struct errand *errand)
{
    struct call *call = (struct call *) errand;
    struct principal_keeper *keeper = call->owner->keeper;
    struct cluster_fence_answer *answer = &call->answer;
    switch (answer->call) {
    case CLUSTER_FENCE_MINT:
        answer->code = mint(call);
        break;
    case CLUSTER_FENCE_UNMINT:
        answer->code = principal_unmint(keeper, &call->own, &call->err);
        break;
    case CLUSTER_FENCE_DESTROY:
        answer->code = principal_fence(keeper, &call->own, call->fencings,
                                       answer->count, &call->err);
        TS_FAILPOINT(FENCE_ROUND);
        break;
    case CLUSTER_FENCE_PROBE:
        answer->code = principal_probe(keeper, &call->err);
        break;
    case CLUSTER_FENCE_SWEEP:
        answer->code = sweep(call);
        break;
    case CLUSTER_FENCE_REKEY:
        answer->code = rekey(call);
        break;
    }
}

static void take_own(struct cluster_fence *self, const struct call *call)
{
    if (call->answer.call == CLUSTER_FENCE_MINT && call->answer.code == TS_OK) {
        principal_done(&self->own);
        self->own = call->own;
        self->has_own = true;
    } else if (call->answer.call == CLUSTER_FENCE_UNMINT) {
        principal_done(&self->own);
        self->has_own = false;
    }
}

static void deliver(struct post_letter *letter)
{
    struct call *call = (struct call *) letter;
    struct cluster_fence *self = call->owner;
    struct cluster_fence_answer *answer = &call->answer;
    if (call->errand.forgone) {
        answer->code = ts_fail(&call->err, TS_E_CANCELLED, 0,
                               "could not ask the target's authorization "
                               "server because the daemon is stopping");
    }
    answer->err = &call->err;
    answer->row = &call->row;
    answer->fencings = call->fencings;
    answer->sweep = &call->sweep;
    self->busy = false;
    take_own(self, call);
    self->options.answered(self->options.context, answer);
    call_free(call);
}

static void drop(struct post_letter *letter)
{
    call_free((struct call *) letter);
}

enum ts_code cluster_fence_new(const struct cluster_fence_options *options,
                               struct cluster_fence **ret_fence,
                               struct ts_err *err)
{
    struct cluster_fence *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the fence");
    }
    self->options = *options;
    self->key = *options->principal.key;
    self->options.principal.key = &self->key;
    (void) snprintf(self->memory_file, sizeof self->memory_file,
                    "%s/pair/fence", options->state_directory);
    self->options.principal.memory_file = self->memory_file;
    (void) snprintf(self->notes_file, sizeof self->notes_file, "%s/pair/minted",
                    options->state_directory);
    self->options.principal.notes_file = self->notes_file;
    enum ts_code code =
        principal_open(&self->options.principal, &self->keeper, err);
    if (code == TS_OK) {
        code = errands_new("fence", 1, options->post, &self->errands, err);
    }
    if (code != TS_OK) {
        cluster_fence_free(self);
        return code;
    }
    *ret_fence = self;
    return TS_OK;
}

/* A call with what all have in common; NULL when it cannot be had now. */
static struct call *begin(struct cluster_fence *self,
                          enum cluster_fence_call what, enum ts_code *ret_code)
{
    struct call *call = self->busy ? NULL : calloc(1, sizeof *call);
    if (call == NULL) {
        *ret_code = self->busy ? TS_E_LIMIT : TS_E_NOMEM;
        return NULL;
    }
    call->errand =
        (struct errand){ .letter = { .deliver = deliver, .drop = drop },
                         .work = work };
    call->owner = self;
    call->answer.call = what;
    return call;
}

static enum ts_code give(struct cluster_fence *self, struct call *call)
{
    enum ts_code code = errands_give(self->errands, &call->errand);
    if (code != TS_OK) {
        call_free(call);
        return code;
    }
    self->busy = true;
    return TS_OK;
}

enum ts_code cluster_fence_mint(struct cluster_fence *self, uint64_t epoch)
{
    enum ts_code code = TS_OK;
    struct call *call = begin(self, CLUSTER_FENCE_MINT, &code);
    if (call == NULL) {
        return code;
    }
    call->answer.epoch = epoch;
    return give(self, call);
}

enum ts_code cluster_fence_unmint(struct cluster_fence *self)
{
    enum ts_code code = TS_OK;
    struct call *call = begin(self, CLUSTER_FENCE_UNMINT, &code);
    if (call == NULL) {
        return code;
    }
    call->answer.epoch = self->own.epoch;
    call->own = self->own;
    return give(self, call);
}

enum ts_code cluster_fence_destroy(struct cluster_fence *self,
                                   const struct register_principal *rows,
                                   size_t count)
{
    assert(count <= REGISTER_PRINCIPALS_MAX);
    enum ts_code code = TS_OK;
    struct call *call = begin(self, CLUSTER_FENCE_DESTROY, &code);
    if (call == NULL) {
        return code;
    }
    call->answer.epoch = self->own.epoch;
    call->answer.count = count;
    call->own = self->own;
    for (size_t i = 0; i < count; i++) {
        call->rows[i] = rows[i];
        call->fencings[i].row = &call->rows[i];
    }
    return give(self, call);
}

enum ts_code cluster_fence_probe(struct cluster_fence *self)
{
    enum ts_code code = TS_OK;
    struct call *call = begin(self, CLUSTER_FENCE_PROBE, &code);
    return call == NULL ? code : give(self, call);
}

enum ts_code cluster_fence_sweep(struct cluster_fence *self,
                                 const struct register_principal *rows,
                                 size_t count)
{
    assert(count <= REGISTER_PRINCIPALS_MAX);
    enum ts_code code = TS_OK;
    struct call *call = begin(self, CLUSTER_FENCE_SWEEP, &code);
    if (call == NULL) {
        return code;
    }
    call->answer.epoch = self->has_own ? self->own.epoch : 0;
    call->answer.count = count;
    memcpy(call->rows, rows, count * sizeof *rows);
    return give(self, call);
}

enum ts_code cluster_fence_rekey(struct cluster_fence *self,
                                 const struct seal_key *key)
{
    enum ts_code code = TS_OK;
    struct call *call = begin(self, CLUSTER_FENCE_REKEY, &code);
    if (call == NULL) {
        return code;
    }
    call->answer.epoch = self->own.epoch;
    call->own = self->own;
    call->key = *key;
    return give(self, call);
}

bool cluster_fence_busy(const struct cluster_fence *self)
{
    return self->busy;
}

const struct principal *cluster_fence_own(const struct cluster_fence *self,
                                          uint64_t epoch)
{
    return self->has_own && self->own.epoch == epoch ? &self->own : NULL;
}

void cluster_fence_stop(struct cluster_fence *self)
{
    principal_cancel(self->keeper);
    errands_stop(self->errands);
}

void cluster_fence_free(struct cluster_fence *self)
{
    if (self == NULL) {
        return;
    }
    if (self->errands != NULL) {
        cluster_fence_stop(self);
        errands_free(self->errands);
    }
    principal_close(self->keeper);
    principal_done(&self->own);
    seal_key_done(&self->key);
    free(self);
}
