#include "node/engine/job.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/engine/private.h"

void jobs_init(struct jobs *jobs)
{
    *jobs = (struct jobs){ .end = &jobs->first };
}

void job_answer(struct engine *engine, struct engine_done done,
                enum ts_code code, const struct ts_err *err)
{
    struct engine_result result = { .code = code,
                                    .err = code == TS_OK ? NULL : err };
    char path[STATE_PATH_SIZE];
    engine_lock(engine);
    result.position = engine->snapshot.position;
    (void) snprintf(path, sizeof path, "%s", engine->state_path);
    engine_unlock(engine);
    result.state_path = path;
    if (done.call != NULL) {
        done.call(done.context, &result);
    }
}

static void job_free(struct job *job)
{
    if (job->release != NULL) {
        job->release(job);
    }
    free(job);
}

static void refuse(struct engine *engine, struct job *job)
{
    struct ts_err err;
    enum ts_code code = ts_fail(&err, TS_E_CANCELLED, 0,
                                "could not do that because the daemon is "
                                "stopping");
    job_answer(engine, job->done, code, &err);
    job_free(job);
}

void job_post(struct engine *engine, struct job *job, struct engine_done done)
{
    struct ts_err err;
    if (job == NULL) {
        job_answer(engine, done,
                   ts_fail(&err, TS_E_NOMEM, 0,
                           "could not ask the store: out of memory"),
                   &err);
        return;
    }
    job->done = done;
    job->next = NULL;
    engine_lock(engine);
    bool closed = engine->jobs.closed;
    if (!closed) {
        *engine->jobs.end = job;
        engine->jobs.end = &job->next;
    }
    engine_unlock(engine);
    if (closed) {
        refuse(engine, job);
    } else {
        engine_nudge(engine);
    }
}

/* The next that may run now, taken off the list; NULL: none. */
static struct job *take(struct engine *engine)
{
    engine_lock(engine);
    struct jobs *jobs = &engine->jobs;
    struct job **link = &jobs->first;
    while (*link != NULL && engine->in_a_cycle && (*link)->needs_idle) {
        link = &(*link)->next;
    }
    struct job *job = *link;
    if (job != NULL) {
        *link = job->next;
        if (jobs->end == &job->next) {
            jobs->end = link;
        }
    }
    engine_unlock(engine);
    return job;
}

void job_run_due(struct engine *engine)
{
    struct job *job;
    while ((job = take(engine)) != NULL) {
        struct ts_err err = { .code = TS_OK };
        enum ts_code code = job->run(engine, job, &err);
        if (code != TS_OK || !job->answers) {
            job_answer(engine, job->done, code, &err);
        }
        job_free(job);
    }
}

void job_close_all(struct engine *engine)
{
    engine_lock(engine);
    struct job *job = engine->jobs.first;
    jobs_init(&engine->jobs);
    engine->jobs.closed = true;
    engine_unlock(engine);
    while (job != NULL) {
        struct job *next = job->next;
        refuse(engine, job);
        job = next;
    }
}
