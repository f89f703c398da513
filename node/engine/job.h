/*
 * job -- what the reactor wants done on the store's thread.
 *
 * Beside the operators' requests, which may fill their queue: a list of its own
 * that is bounded by its one producer, which waits for the answers.
 *
 *   reactor --post--> [jobs] --nudge--> store's thread: run, answer, free
 *
 * Invariants:
 *   J1  every job is answered once, also at stop (TS_E_CANCELLED).
 *   J2  those that need an idle engine run in the order in which they came; the
 *       others may overtake them, between transactions.
 */
#ifndef NODE_ENGINE_JOB_H
#define NODE_ENGINE_JOB_H

#include <pthread.h>

#include "node/engine/pair.h"

struct job {
    /* Does it, and answers unless it fails: then the error is the answer. */
    enum ts_code (*run)(struct engine *engine, struct job *job,
                        struct ts_err *err);
    /* Frees what hangs on it, not the job itself. */
    void (*release)(struct job *job);
    bool needs_idle; /* waits for the cycle at hand to end */
    bool answers;    /* _run has taken care of `done`: it comes later */
    struct engine_done done;
    struct job *next;
};

struct jobs {
    struct job *first, **end;
    bool closed;
};

void jobs_init(struct jobs *jobs);

/* Takes `job` over: heap memory, or NULL (answered with TS_E_NOMEM). From any
 * thread. */
void job_post(struct engine *engine, struct job *job, struct engine_done done);
/* Run those that may run now, on the store's thread. */
void job_run_due(struct engine *engine);
/* Answer what is left with TS_E_CANCELLED, and whatever comes later. */
void job_close_all(struct engine *engine);

/* One answer; on any thread. */
void job_answer(struct engine *engine, struct engine_done done,
                enum ts_code code, const struct ts_err *err);

#endif
