#include "node/daemon/errands.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "node/base/queue.h"

struct errands {
    struct ts_queue *queue;
    struct post *post;
    pthread_t thread;
    atomic_bool stopping;
};

static void *run(void *context)
{
    struct errands *errands = context;
    struct errand *errand;
    while (!ts_queue_finished(errands->queue)) {
        errand = ts_queue_pop(errands->queue, TS_NEVER);
        if (errand == NULL) {
            continue;
        }
        if (atomic_load(&errands->stopping)) {
            errand->forgone = true;
        } else {
            errand->work(errand);
        }
        post_send(errands->post, &errand->letter);
    }
    return NULL;
}

static void forgo(void *item)
{
    struct errand *errand = item;
    errand->letter.drop(&errand->letter);
}

enum ts_code errands_new(const char *name, size_t depth, struct post *post,
                         struct errands **ret_errands, struct ts_err *err)
{
    struct errands *errands = calloc(1, sizeof *errands);
    struct ts_queue *queue =
        errands == NULL ? NULL : ts_queue_new(depth, forgo);
    if (queue == NULL) {
        free(errands);
        return ts_fail(err, TS_E_NOMEM, 0, "could not start the thread %s",
                       name);
    }
    errands->queue = queue;
    errands->post = post;
    atomic_init(&errands->stopping, false);
    int failed = pthread_create(&errands->thread, NULL, run, errands);
    if (failed != 0) {
        ts_queue_free(queue);
        free(errands);
        return ts_fail(err, TS_E_IO, failed, "could not start the thread %s",
                       name);
    }
    (void) pthread_setname_np(errands->thread, name);
    *ret_errands = errands;
    return TS_OK;
}

enum ts_code errands_give(struct errands *errands, struct errand *errand)
{
    errand->forgone = false;
    enum ts_code code =
        ts_queue_push(errands->queue, errand, (struct ts_time){ .ms = 0 });
    return code == TS_E_TIMEOUT ? TS_E_LIMIT : code;
}

void errands_stop(struct errands *errands)
{
    atomic_store(&errands->stopping, true);
    ts_queue_close(errands->queue);
}

void errands_free(struct errands *errands)
{
    if (errands == NULL) {
        return;
    }
    errands_stop(errands);
    (void) pthread_join(errands->thread, NULL);
    ts_queue_free(errands->queue);
    free(errands);
}
