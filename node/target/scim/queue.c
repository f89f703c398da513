/* Tasks: made from operations, kept in order, told and freed. */
#include <assert.h>
#include <stdlib.h>

#include "node/target/scim/compose.h"
#include "node/target/scim/scim.h"

static void set_active(struct scim_task *task, const char *value)
{
    task->active_value = ts_slice_str(value);
    task->active = (struct ts_attribute){ .name = ts_slice_str("active"),
                                          .kind = TS_KIND_BOOLEAN,
                                          .value_count = 1,
                                          .values = &task->active_value };
    task->work.set = (struct ts_entry){ 1, &task->active };
    task->work.link_path = NULL;
    task->work.verb = TARGET_UPDATE;
}

struct scim_task *scim_task_new(struct target_op *op)
{
    struct scim_task *task = calloc(1, sizeof *task);
    if (task == NULL) {
        return NULL;
    }
    task->op = op;
    task->work = *op;
    if (op->verb == TARGET_DEACTIVATE || op->verb == TARGET_REACTIVATE) {
        set_active(task, op->verb == TARGET_REACTIVATE ? "true" : "false");
    }
    if (op->verb == TARGET_FIND) {
        task->step =
            op->anchor.size > 0 ? SCIM_STEP_FIND_ANCHOR : SCIM_STEP_FIND_MATCH;
    } else if (op->verb == TARGET_READ) {
        task->step = SCIM_STEP_READ;
    } else {
        task->step = SCIM_STEP_WRITE;
    }
    return task;
}

bool scim_must_read(const struct scim *scim, const struct scim_task *task)
{
    return task->work.verb == TARGET_UPDATE && task->current == NULL &&
           scim_needs_current(&scim->schema, &task->work);
}

void scim_queue_last(struct scim *scim, struct scim_task *task)
{
    task->next = NULL;
    *scim->queue_end = task;
    scim->queue_end = &task->next;
    scim->queue_count++;
}

void scim_queue_first(struct scim *scim, struct scim_task *task)
{
    task->next = scim->queue;
    scim->queue = task;
    if (task->next == NULL) {
        scim->queue_end = &task->next;
    }
    scim->queue_count++;
}

struct scim_task *scim_queue_take(struct scim *scim)
{
    struct scim_task *task = scim->queue;
    assert(task != NULL);
    scim->queue = task->next;
    if (scim->queue == NULL) {
        scim->queue_end = &scim->queue;
    }
    scim->queue_count--;
    return task;
}

void scim_finish(struct scim *scim, struct scim_task *task,
                 struct target_outcome *outcome)
{
    struct target_op *op = task->op;
    outcome->retries = task->retries;
    outcome->throttled_ms = task->throttled_ms;
    json_decref(task->current);
    free(task->etag);
    free(task);
    scim->finished++;
    op->done(op, outcome);
}

void scim_finish_with(struct scim *scim, struct scim_task *task,
                      enum target_result result, const char *text)
{
    struct target_outcome outcome = { .result = result, .text = text };
    scim_finish(scim, task, &outcome);
}

void scim_finish_refused(struct scim *scim, struct scim_task *task,
                         enum ts_code why, const char *attribute,
                         const char *text)
{
    struct target_outcome outcome = { .result = why == TS_E_NOMEM
                                                    ? TARGET_LATER
                                                    : TARGET_REFUSED,
                                      .text = text,
                                      .attribute = attribute };
    scim_finish(scim, task, &outcome);
}

void scim_starve(struct scim *scim, struct target_op *op)
{
    op->queued = scim->starved;
    scim->starved = op;
    scim->starved_count++;
}

void scim_finish_starved(struct scim *scim)
{
    while (scim->starved != NULL) {
        struct target_op *op = scim->starved;
        const struct target_outcome outcome = {
            .result = TARGET_LATER,
            .text = "could not queue the operation: out of memory"
        };
        scim->starved = op->queued;
        scim->starved_count--;
        scim->finished++;
        op->done(op, &outcome);
    }
}

void scim_finish_queue(struct scim *scim, enum target_result result,
                       const char *text)
{
    /* What `done` submits meanwhile is not of this queue. */
    size_t count = scim->queue_count;
    while (count-- > 0) {
        scim_finish_with(scim, scim_queue_take(scim), result, text);
    }
}
