#include "node/control/reply.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "node/base/time.h"

struct control_mailbox {
    pthread_mutex_t lock; /* guards everything below, and the replies */
    size_t holders;       /* the server, and every reply */
    int event_fd;
    struct control_reply *first, *last; /* that have something to collect */
};

struct control_reply {
    struct control_mailbox *box;
    void *client;
    struct control_reply *next;
    bool queued;
    bool held_by_backend, held_by_server;
    atomic_bool gone;
    bool progressed;
    struct control_progress progress;
    struct ts_time quiet_until;
    char *answer;
    size_t answer_size;
};

struct control_mailbox *control_mailbox_new(void)
{
    struct control_mailbox *box = calloc(1, sizeof *box);
    if (box == NULL) {
        return NULL;
    }
    box->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->event_fd < 0) {
        free(box);
        return NULL;
    }
    (void) pthread_mutex_init(&box->lock, NULL);
    box->holders = 1;
    return box;
}

void control_mailbox_release(struct control_mailbox *box)
{
    if (box == NULL) {
        return;
    }
    (void) pthread_mutex_lock(&box->lock);
    bool last = --box->holders == 0;
    (void) pthread_mutex_unlock(&box->lock);
    if (last) {
        (void) close(box->event_fd);
        (void) pthread_mutex_destroy(&box->lock);
        free(box);
    }
}

int control_mailbox_fd(const struct control_mailbox *box)
{
    return box->event_fd;
}

void control_mailbox_clear(struct control_mailbox *box)
{
    uint64_t count;
    (void) !read(box->event_fd, &count, sizeof count);
}

struct control_reply *control_reply_new(struct control_mailbox *box,
                                        void *client)
{
    struct control_reply *reply = calloc(1, sizeof *reply);
    if (reply == NULL) {
        return NULL;
    }
    reply->box = box;
    reply->client = client;
    reply->held_by_backend = reply->held_by_server = true;
    (void) pthread_mutex_lock(&box->lock);
    box->holders++;
    (void) pthread_mutex_unlock(&box->lock);
    return reply;
}

static void reply_free(struct control_reply *reply)
{
    free(reply->answer);
    control_mailbox_release(reply->box);
    free(reply);
}

/* Under the lock. */
static void enqueue(struct control_reply *reply)
{
    struct control_mailbox *box = reply->box;
    if (reply->queued) {
        return;
    }
    reply->queued = true;
    reply->next = NULL;
    if (box->last == NULL) {
        box->first = reply;
    } else {
        box->last->next = reply;
    }
    box->last = reply;
    uint64_t one = 1;
    (void) !write(box->event_fd, &one, sizeof one);
}

/* Under the lock. */
static void unqueue(struct control_reply *reply)
{
    struct control_mailbox *box = reply->box;
    struct control_reply *before = NULL;
    for (struct control_reply *r = box->first; r != reply; r = r->next) {
        before = r;
    }
    if (before == NULL) {
        box->first = reply->next;
    } else {
        before->next = reply->next;
    }
    if (box->last == reply) {
        box->last = before;
    }
    reply->queued = false;
}

/* --- the server's side -------------------------------------------------- */

void *control_mailbox_next(struct control_mailbox *box)
{
    (void) pthread_mutex_lock(&box->lock);
    struct control_reply *reply = box->first;
    if (reply != NULL) {
        unqueue(reply);
    }
    (void) pthread_mutex_unlock(&box->lock);
    // The server holds every queued reply, so it is still there.
    return reply == NULL ? NULL : reply->client;
}

void control_reply_collect(struct control_reply *reply,
                           struct control_delivery *ret)
{
    (void) pthread_mutex_lock(&reply->box->lock);
    *ret = (struct control_delivery){
        .progressed = reply->progressed,
        .progress = reply->progress,
        .finished = !reply->held_by_backend,
        .answer = reply->answer,
        .answer_size = reply->answer_size,
    };
    reply->progressed = false;
    reply->answer = NULL;
    (void) pthread_mutex_unlock(&reply->box->lock);
}

void control_reply_release(struct control_reply *reply)
{
    if (reply == NULL) {
        return;
    }
    atomic_store(&reply->gone, true);
    (void) pthread_mutex_lock(&reply->box->lock);
    if (reply->queued) {
        unqueue(reply);
    }
    reply->held_by_server = false;
    bool last = !reply->held_by_backend;
    (void) pthread_mutex_unlock(&reply->box->lock);
    if (last) {
        reply_free(reply);
    }
}

/* --- the backend's side ------------------------------------------------- */

void control_reply_progress(struct control_reply *reply, const char *phase,
                            uint64_t done, uint64_t total)
{
    if (atomic_load(&reply->gone)) {
        return;
    }
    struct ts_time now = ts_time_now();
    (void) pthread_mutex_lock(&reply->box->lock);
    assert(reply->held_by_backend);
    bool same = strncmp(reply->progress.phase, phase,
                        sizeof reply->progress.phase - 1) == 0;
    reply->progress = (struct control_progress){ .done = done, .total = total };
    (void) strncpy(reply->progress.phase, phase,
                   sizeof reply->progress.phase - 1);
    reply->progressed = true;
    if (reply->held_by_server &&
        (!same || ts_time_reached(now, reply->quiet_until))) {
        reply->quiet_until = ts_time_after(now, CONTROL_PROGRESS_MS);
        enqueue(reply);
    }
    (void) pthread_mutex_unlock(&reply->box->lock);
}

void control_reply_finish(struct control_reply *reply,
                          enum control_exit exit_status, json_t *result,
                          const char *error)
{
    size_t size = 0;
    char *answer = NULL;
    if (!atomic_load(&reply->gone)) {
        answer = control_answer_print(exit_status, result, error, &size);
    }
    json_decref(result);

    (void) pthread_mutex_lock(&reply->box->lock);
    assert(reply->held_by_backend);
    reply->answer = answer;
    reply->answer_size = size;
    reply->held_by_backend = false;
    bool last = !reply->held_by_server;
    if (!last) {
        enqueue(reply);
    }
    (void) pthread_mutex_unlock(&reply->box->lock);
    if (last) {
        reply_free(reply);
    }
}

void control_reply_fail(struct control_reply *reply, const struct ts_err *err)
{
    control_reply_finish(reply, control_exit_of(err->code), NULL, err->text);
}

bool control_reply_gone(const struct control_reply *reply)
{
    return atomic_load(&reply->gone);
}

enum control_exit control_exit_of(enum ts_code code)
{
    switch (code) {
    case TS_OK:
        return CONTROL_DONE;
    case TS_E_CONFIG:
        return CONTROL_USAGE;
    case TS_E_REFUSED:
    case TS_E_CORRUPT:
    case TS_E_VERSION:
    case TS_E_CONFLICT:
        return CONTROL_REFUSED;
    case TS_E_UNREACHABLE:
    case TS_E_TIMEOUT:
        return CONTROL_UNREACHABLE;
    case TS_E_NOMEM:
    case TS_E_IO:
    case TS_E_LIMIT:
    case TS_E_PROTOCOL:
    case TS_E_AUTH:
    case TS_E_CANCELLED:
    case TS_E_NOT_FOUND:
    case TS_E_RULE:
        return CONTROL_FAILED;
    }
    return CONTROL_FAILED;
}
