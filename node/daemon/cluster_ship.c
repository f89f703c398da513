#include "node/daemon/cluster_ship.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/log.h"
#include "node/daemon/errands.h"
#include "replication/generation.h"

struct cluster_ship {
    struct cluster_ship_options options;
    struct ship *ship;
    struct errands *errands;
};

struct job {
    struct errand errand;
    struct cluster_ship *owner;
    struct ship_job job;
    struct ship_result result;
    bool opens; /* no job: another file, in `path` */
    char path[GENERATION_PATH_SIZE];
    uint8_t bytes[]; /* what `job` borrowed */
};

static void job_free(struct job *job)
{
    ship_result_done(&job->result);
    free(job);
}

static void open_state(const struct job *job)
{
    struct ts_err err;
    const char *path = job->path[0] == 0 ? NULL : job->path;
    if (ship_open(job->owner->ship, path, &err) != TS_OK) {
        // Every job that needs it will say so, and is tried again.
        ts_log(TS_LOG_WARNING, "replication-state-not-opened", "reason=\"%s\"",
               err.text);
    }
}

static void work(struct errand *errand)
{
    struct job *job = (struct job *) errand;
    if (job->opens) {
        open_state(job);
    } else {
        ship_run(job->owner->ship, &job->job, &job->result);
    }
}

static void deliver(struct post_letter *letter)
{
    struct job *job = (struct job *) letter;
    struct cluster_ship *self = job->owner;
    if (!job->opens) {
        if (job->errand.forgone) {
            job->result.type = job->job.type;
            job->result.ticket = job->job.ticket;
            (void) ts_fail(&job->result.err, TS_E_CANCELLED, 0,
                           "could not read the state for the other node "
                           "because the daemon is stopping");
        }
        self->options.done(self->options.context, &job->result);
    }
    job_free(job);
}

static void drop(struct post_letter *letter)
{
    job_free((struct job *) letter);
}

enum ts_code cluster_ship_new(const struct cluster_ship_options *options,
                              struct cluster_ship **ret_ship,
                              struct ts_err *err)
{
    struct cluster_ship *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start replication");
    }
    self->options = *options;
    enum ts_code code = ship_new(options->ship, &self->ship, err);
    if (code == TS_OK) {
        code = errands_new("ship", CLUSTER_SHIP_DEPTH, options->post,
                           &self->errands, err);
    }
    if (code != TS_OK) {
        cluster_ship_free(self);
        return code;
    }
    *ret_ship = self;
    return TS_OK;
}

static enum ts_code give(struct cluster_ship *self, struct job *job)
{
    if (job == NULL) {
        return TS_E_NOMEM;
    }
    job->errand =
        (struct errand){ .letter = { .deliver = deliver, .drop = drop },
                         .work = work };
    job->owner = self;
    enum ts_code code = errands_give(self->errands, &job->errand);
    if (code != TS_OK) {
        job_free(job);
    }
    return code;
}

enum ts_code cluster_ship_open(struct cluster_ship *self, const char *path)
{
    size_t size = strlen(path) + 1;
    if (size > GENERATION_PATH_SIZE) {
        return TS_E_LIMIT;
    }
    struct job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        job->opens = true;
        memcpy(job->path, path, size);
    }
    return give(self, job);
}

/* Move what `*slice` points to behind the job. */
static uint8_t *keep(uint8_t *at, struct ts_slice *slice)
{
    if (slice->size > 0) {
        memcpy(at, slice->data, slice->size);
    }
    slice->data = at;
    return at + slice->size;
}

enum ts_code cluster_ship_give(struct cluster_ship *self,
                               const struct ship_job *asked)
{
    bool offers = asked->type == SHIP_BEGIN || asked->type == SHIP_FINISH;
    bool writes = asked->type == SHIP_WRITE;
    size_t size = (offers ? asked->offer.hashes.size : 0) +
                  (writes ? asked->packed.size : 0);
    struct job *job = calloc(1, sizeof *job + size);
    if (job != NULL) {
        job->job = *asked;
        uint8_t *at = job->bytes;
        if (offers) {
            at = keep(at, &job->job.offer.hashes);
        }
        if (writes) {
            (void) keep(at, &job->job.packed);
        }
    }
    return give(self, job);
}

void cluster_ship_stop(struct cluster_ship *self)
{
    errands_stop(self->errands);
}

void cluster_ship_free(struct cluster_ship *self)
{
    if (self == NULL) {
        return;
    }
    errands_free(self->errands);
    ship_free(self->ship);
    free(self);
}
