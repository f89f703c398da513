#include "node/base/queue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct ts_queue {
    pthread_mutex_t lock;
    pthread_cond_t not_full, not_empty;
    void (*destroy)(void *item);
    size_t depth, count, first;
    bool closed;
    int event_fd;
    void *items[];
};

struct ts_queue *ts_queue_new(size_t depth, void (*destroy)(void *item))
{
    assert(depth > 0);
    struct ts_queue *queue =
        calloc(1, sizeof *queue + depth * sizeof queue->items[0]);
    if (queue == NULL) {
        return NULL;
    }
    queue->depth = depth;
    queue->destroy = destroy;
    queue->event_fd = -1;

    /* Deadlines are CLOCK_MONOTONIC: a stepped wall clock must not wake or
     * strand a waiter. */
    pthread_condattr_t attributes;
    (void) pthread_condattr_init(&attributes);
    (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void) pthread_mutex_init(&queue->lock, NULL);
    (void) pthread_cond_init(&queue->not_full, &attributes);
    (void) pthread_cond_init(&queue->not_empty, &attributes);
    (void) pthread_condattr_destroy(&attributes);
    return queue;
}

void ts_queue_free(struct ts_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    for (; queue->count > 0; queue->count--) {
        if (queue->destroy != NULL) {
            queue->destroy(queue->items[queue->first]);
        }
        queue->first = (queue->first + 1) % queue->depth;
    }
    (void) pthread_cond_destroy(&queue->not_full);
    (void) pthread_cond_destroy(&queue->not_empty);
    (void) pthread_mutex_destroy(&queue->lock);
    free(queue);
}

/* False when `deadline` has passed. The lock is held on entry and return. */
static bool wait_until(struct ts_queue *queue, pthread_cond_t *condition,
                       struct ts_time deadline)
{
    if (deadline.ms == TS_NEVER.ms) {
        (void) pthread_cond_wait(condition, &queue->lock);
        return true;
    }
    struct timespec at = { .tv_sec = deadline.ms / 1000,
                           .tv_nsec = deadline.ms % 1000 * 1000000 };
    return pthread_cond_timedwait(condition, &queue->lock, &at) != ETIMEDOUT;
}

enum ts_code ts_queue_push(struct ts_queue *queue, void *item,
                           struct ts_time deadline)
{
    enum ts_code code = TS_OK;
    (void) pthread_mutex_lock(&queue->lock);
    while (!queue->closed && queue->count == queue->depth && code == TS_OK) {
        if (!wait_until(queue, &queue->not_full, deadline)) {
            code = TS_E_TIMEOUT;
        }
    }
    if (queue->closed) {
        code = TS_E_CANCELLED;
    } else if (queue->count < queue->depth) {
        queue->items[(queue->first + queue->count) % queue->depth] = item;
        queue->count++;
        code = TS_OK;
        (void) pthread_cond_signal(&queue->not_empty);
        if (queue->event_fd >= 0) {
            (void) eventfd_write(queue->event_fd, 1);
        }
    }
    (void) pthread_mutex_unlock(&queue->lock);
    return code;
}

void *ts_queue_pop(struct ts_queue *queue, struct ts_time deadline)
{
    void *item = NULL;
    (void) pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed &&
           wait_until(queue, &queue->not_empty, deadline)) {
    }
    if (queue->count > 0) {
        item = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->depth;
        queue->count--;
        (void) pthread_cond_signal(&queue->not_full);
    }
    (void) pthread_mutex_unlock(&queue->lock);
    return item;
}

void ts_queue_close(struct ts_queue *queue)
{
    (void) pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    (void) pthread_cond_broadcast(&queue->not_full);
    (void) pthread_cond_broadcast(&queue->not_empty);
    if (queue->event_fd >= 0) {
        (void) eventfd_write(queue->event_fd, 1);
    }
    (void) pthread_mutex_unlock(&queue->lock);
}

size_t ts_queue_count(struct ts_queue *queue)
{
    (void) pthread_mutex_lock(&queue->lock);
    size_t count = queue->count;
    (void) pthread_mutex_unlock(&queue->lock);
    return count;
}

bool ts_queue_finished(struct ts_queue *queue)
{
    (void) pthread_mutex_lock(&queue->lock);
    bool finished = queue->closed && queue->count == 0;
    (void) pthread_mutex_unlock(&queue->lock);
    return finished;
}

void ts_queue_notify(struct ts_queue *queue, int event_fd)
{
    queue->event_fd = event_fd;
}
