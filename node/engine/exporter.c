#include "node/engine/exporter.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "node/base/queue.h"
#include "node/engine/object_copy.h"

/* A batch of enumerated objects on its way to the store. */
#define BATCH_OBJECTS 256
#define BATCH_MEMORY  ((size_t) 128 * 1024 * 1024)
/* How long the store's thread waits, at most, before it looks around. */
#define IDLE_MS 50

struct object_batch {
    struct ts_arena arena;
    size_t count;
    struct target_object objects[BATCH_OBJECTS];
};

/* One blocking call that the store's thread waits for. */
struct call {
    enum {
        CALL_NONE,
        CALL_DISCOVER,
        CALL_ENUMERATE
    } what;
    enum config_kind kind;
    struct target_limits limits;
    struct ts_queue *batches;
    enum ts_code code;
    struct ts_err err;
};

struct exporter {
    struct target *target;
    struct target_gate gate;
    struct ts_queue *jobs, *done;
    int wake_fd;
    pthread_t thread;
    atomic_size_t pending;
    atomic_bool stopping;
    void (*idle)(void *owner); /* the store's */
    void *owner;
    pthread_mutex_t lock;
    pthread_cond_t called;
    struct call call; /* under `lock` */
};

struct export_op *export_op_new(void)
{
    struct export_op *op = calloc(1, sizeof *op);
    if (op != NULL) {
        ts_arena_init(&op->arena, EXPORTER_OP_MEMORY);
    }
    return op;
}

void export_op_free(struct export_op *op)
{
    if (op != NULL) {
        ts_arena_done(&op->arena);
        free(op);
    }
}

static void destroy_op(void *item)
{
    export_op_free(item);
}

static void destroy_batch(void *item)
{
    struct object_batch *batch = item;
    if (batch != NULL) {
        ts_arena_done(&batch->arena);
        free(batch);
    }
}

/* ---- the export thread ------------------------------------------------- */

static void copy_outcome(struct export_op *op,
                         const struct target_outcome *outcome)
{
    op->result = outcome->result;
    op->status = outcome->status;
    op->retries = outcome->retries;
    op->throttled_ms = outcome->throttled_ms;
    op->text =
        (const char *) ts_arena_copy(&op->arena, ts_slice_str(outcome->text))
            .data;
    op->attribute = (const char *) ts_arena_copy(
                        &op->arena, ts_slice_str(outcome->attribute))
                        .data;
    op->objects =
        ts_arena_array(&op->arena, outcome->object_count, sizeof *op->objects);
    for (size_t i = 0; op->objects != NULL && i < outcome->object_count; i++) {
        if (!object_copy(&op->arena, &outcome->objects[i], &op->objects[i])) {
            op->objects = NULL;
        }
    }
    op->object_count = outcome->object_count;
    if (op->objects == NULL || op->text == NULL || op->attribute == NULL) {
        /* What cannot be held was not seen: look it up later. */
        op->object_count = 0;
        op->text = "could not keep the target's answer: out of memory";
        op->attribute = "";
        op->result = TARGET_UNKNOWN;
    }
}

static void operation_done(struct target_op *target_op,
                           const struct target_outcome *outcome)
{
    struct export_op *op = target_op->owner;
    struct exporter *exporter = target_op->queued_by;
    copy_outcome(op, outcome);
    /* Never full: at most EXPORTER_WINDOW operations are pending. */
    if (ts_queue_push(exporter->done, op, TS_NEVER) != TS_OK) {
        export_op_free(op);
    }
}

struct enumeration {
    struct ts_queue *batches;
    struct object_batch *batch;
};

static enum ts_code flush(struct enumeration *e, struct ts_err *err)
{
    if (e->batch == NULL) {
        return TS_OK;
    }
    enum ts_code code = ts_queue_push(e->batches, e->batch, TS_NEVER);
    if (code != TS_OK) {
        return ts_fail(err, code, 0,
                       "could not go on reading the target: the "
                       "reader has stopped");
    }
    e->batch = NULL;
    return TS_OK;
}

static enum ts_code enumerate_sink(void *context,
                                   const struct target_object *object,
                                   struct ts_err *err)
{
    struct enumeration *e = context;
    if (e->batch == NULL) {
        e->batch = calloc(1, sizeof *e->batch);
        if (e->batch == NULL) {
            return ts_fail(err, TS_E_NOMEM, 0, "could not read the target");
        }
        ts_arena_init(&e->batch->arena, BATCH_MEMORY);
    }
    if (!object_copy(&e->batch->arena, object,
                     &e->batch->objects[e->batch->count])) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not hold object \"%.*s\" of the target: it is "
                       "larger than %zu bytes",
                       TS_SLICE_ARGS(object->id), BATCH_MEMORY);
    }
    e->batch->count++;
    bool full = e->batch->count == BATCH_OBJECTS ||
                e->batch->arena.used > BATCH_MEMORY / 8;
    return full ? flush(e, err) : TS_OK;
}

static void perform_call(struct exporter *exporter)
{
    struct call *call = &exporter->call;
    if (call->what == CALL_DISCOVER) {
        call->code =
            target_discover(exporter->target, &call->limits, &call->err);
    } else {
        struct enumeration e = { .batches = call->batches };
        call->code = target_enumerate(exporter->target, call->kind,
                                      enumerate_sink, &e, &call->err);
        if (call->code == TS_OK) {
            call->code = flush(&e, &call->err);
        }
        destroy_batch(e.batch);
    }
}

/* Run the call that waits, if one does and nothing else is under way. */
static void serve_call(struct exporter *exporter)
{
    (void) pthread_mutex_lock(&exporter->lock);
    bool waiting = exporter->call.what != CALL_NONE;
    (void) pthread_mutex_unlock(&exporter->lock);
    if (!waiting) {
        return;
    }

    perform_call(exporter);
    /* Before the caller is told: it frees the queue then. */
    if (exporter->call.batches != NULL) {
        ts_queue_close(exporter->call.batches);
    }
    (void) pthread_mutex_lock(&exporter->lock);
    exporter->call.what = CALL_NONE;
    (void) pthread_cond_broadcast(&exporter->called);
    (void) pthread_mutex_unlock(&exporter->lock);
}

static void take_jobs(struct exporter *exporter)
{
    eventfd_t ignored;
    (void) eventfd_read(exporter->wake_fd, &ignored);
    while (target_appetite(exporter->target) > 0) {
        struct export_op *op =
            ts_queue_pop(exporter->jobs, (struct ts_time){ .ms = 0 });
        if (op == NULL) {
            return;
        }
        op->op.owner = op;
        op->op.queued_by = exporter;
        op->op.done = operation_done;
        target_submit(exporter->target, &op->op);
    }
}

static void *export_thread(void *context)
{
    struct exporter *exporter = context;
    int64_t turn_ms = exporter->gate.tick == NULL ? 1000 : TARGET_TICK_MS;
    while (!atomic_load(&exporter->stopping)) {
        take_jobs(exporter);
        if (target_pending(exporter->target) == 0) {
            serve_call(exporter);
        }
        if (exporter->gate.tick != NULL) {
            exporter->gate.tick(exporter->gate.context);
        }
        /* Sleeps until an answer, or wake_fd when a job or a call came. */
        target_run(exporter->target, exporter->wake_fd,
                   ts_time_after(ts_time_now(), turn_ms));
    }
    return NULL;
}

/* ---- the store's side -------------------------------------------------- */

static void free_parts(struct exporter *exporter)
{
    target_close(exporter->target);
    ts_queue_free(exporter->jobs);
    ts_queue_free(exporter->done);
    if (exporter->wake_fd >= 0) {
        (void) close(exporter->wake_fd);
    }
    (void) pthread_mutex_destroy(&exporter->lock);
    (void) pthread_cond_destroy(&exporter->called);
    free(exporter);
}

enum ts_code exporter_new(const struct target_options *options,
                          struct exporter **ret_exporter, struct ts_err *err)
{
    struct exporter *exporter = calloc(1, sizeof *exporter);
    pthread_condattr_t clock;
    if (exporter == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start the exporter");
    }
    (void) pthread_mutex_init(&exporter->lock, NULL);
    (void) pthread_condattr_init(&clock);
    (void) pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&exporter->called, &clock);
    (void) pthread_condattr_destroy(&clock);
    exporter->gate = options->gate;
    exporter->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    exporter->jobs = ts_queue_new(TS_QUEUE_EXPORT_DEPTH, destroy_op);
    exporter->done = ts_queue_new(TS_QUEUE_RESULT_DEPTH, destroy_op);
    enum ts_code code = TS_OK;
    if (exporter->wake_fd < 0 || exporter->jobs == NULL ||
        exporter->done == NULL) {
        code = ts_fail(err, TS_E_NOMEM, errno, "could not start the exporter");
    }
    if (code == TS_OK) {
        code = target_open(options, &exporter->target, err);
    }
    if (code == TS_OK) {
        ts_queue_notify(exporter->jobs, exporter->wake_fd);
        int failed =
            pthread_create(&exporter->thread, NULL, export_thread, exporter);
        if (failed != 0) {
            code = ts_fail(err, TS_E_NOMEM, failed,
                           "could not start the export thread");
        }
    }
    if (code != TS_OK) {
        free_parts(exporter);
        return code;
    }
    *ret_exporter = exporter;
    return TS_OK;
}

void exporter_free(struct exporter *exporter)
{
    if (exporter == NULL) {
        return;
    }
    atomic_store(&exporter->stopping, true);
    target_cancel(exporter->target);
    (void) eventfd_write(exporter->wake_fd, 1);
    (void) pthread_join(exporter->thread, NULL);
    /* What is still under way ends now, into the queue (T1), and is freed. */
    target_close(exporter->target);
    exporter->target = NULL;
    free_parts(exporter);
}

void exporter_submit(struct exporter *exporter, struct export_op *op)
{
    atomic_fetch_add(&exporter->pending, 1);
    if (ts_queue_push(exporter->jobs, op, TS_NEVER) != TS_OK) {
        atomic_fetch_sub(&exporter->pending, 1);
        export_op_free(op);
    }
}

struct export_op *exporter_collect(struct exporter *exporter,
                                   struct ts_time deadline)
{
    struct export_op *op = ts_queue_pop(exporter->done, deadline);
    if (op != NULL) {
        atomic_fetch_sub(&exporter->pending, 1);
    }
    return op;
}

size_t exporter_pending(const struct exporter *exporter)
{
    return atomic_load(&exporter->pending);
}

void exporter_set_idle(struct exporter *exporter, void (*idle)(void *owner),
                       void *owner)
{
    exporter->idle = idle;
    exporter->owner = owner;
}

static void look_around(const struct exporter *exporter)
{
    if (exporter->idle != NULL) {
        exporter->idle(exporter->owner);
    }
}

static void post_call(struct exporter *exporter, struct call call)
{
    (void) pthread_mutex_lock(&exporter->lock);
    exporter->call = call;
    (void) pthread_mutex_unlock(&exporter->lock);
    (void) eventfd_write(exporter->wake_fd, 1);
}

/* Wait until the call has been served; its answer. */
static struct call await_call(struct exporter *exporter)
{
    (void) pthread_mutex_lock(&exporter->lock);
    while (exporter->call.what != CALL_NONE) {
        struct timespec until;
        (void) clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += IDLE_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        (void) pthread_cond_timedwait(&exporter->called, &exporter->lock,
                                      &until);
        (void) pthread_mutex_unlock(&exporter->lock);
        look_around(exporter);
        (void) pthread_mutex_lock(&exporter->lock);
    }
    struct call answer = exporter->call;
    (void) pthread_mutex_unlock(&exporter->lock);
    return answer;
}

enum ts_code exporter_discover(struct exporter *exporter,
                               struct target_limits *ret_limits,
                               struct ts_err *err)
{
    post_call(exporter, (struct call){ .what = CALL_DISCOVER });
    struct call answer = await_call(exporter);
    if (answer.code == TS_OK) {
        *ret_limits = answer.limits;
    } else {
        *err = answer.err;
    }
    return answer.code;
}

enum ts_code exporter_enumerate(struct exporter *exporter,
                                enum config_kind kind, target_sink_fn *sink,
                                void *context, struct ts_err *err)
{
    struct ts_queue *batches =
        ts_queue_new(TS_QUEUE_IMPORT_DEPTH, destroy_batch);
    if (batches == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read the target");
    }
    post_call(exporter, (struct call){ .what = CALL_ENUMERATE,
                                       .kind = kind,
                                       .batches = batches });

    enum ts_code code = TS_OK;
    struct object_batch *batch;
    while (!ts_queue_finished(batches)) {
        batch = ts_queue_pop(batches, ts_time_after(ts_time_now(), IDLE_MS));
        if (batch == NULL) {
            look_around(exporter);
            continue;
        }
        for (size_t i = 0; code == TS_OK && i < batch->count; i++) {
            code = sink(context, &batch->objects[i], err);
        }
        destroy_batch(batch);
        if (code != TS_OK) {
            ts_queue_close(batches); /* ends the enumeration with an error */
        }
    }
    struct call answer = await_call(exporter);
    ts_queue_free(batches);
    if (code == TS_OK && answer.code != TS_OK) {
        *err = answer.err;
        code = answer.code;
    }
    return code;
}

enum ts_code exporter_describe(struct exporter *exporter, enum config_kind kind,
                               const char *path, struct target_attribute *ret,
                               struct ts_err *err)
{
    return target_describe(exporter->target, kind, path, ret, err);
}

void exporter_cancel(struct exporter *exporter)
{
    target_cancel(exporter->target);
}

void exporter_resume(struct exporter *exporter)
{
    target_resume(exporter->target);
}
