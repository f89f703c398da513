#include "node/daemon/post.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct post {
    pthread_mutex_t lock;
    struct post_letter *first, **end;
    bool closed;
    int event_fd;
};

enum ts_code post_new(struct post **ret_post, struct ts_err *err)
{
    struct post *post = calloc(1, sizeof *post);
    if (post == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open the reactor's post");
    }
    post->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (post->event_fd < 0) {
        int why = errno;
        free(post);
        return ts_fail(err, TS_E_IO, why, "could not open the reactor's post");
    }
    post->end = &post->first;
    (void) pthread_mutex_init(&post->lock, NULL);
    *ret_post = post;
    return TS_OK;
}

void post_send(struct post *post, struct post_letter *letter)
{
    letter->next = NULL;
    (void) pthread_mutex_lock(&post->lock);
    bool closed = post->closed;
    if (!closed) {
        *post->end = letter;
        post->end = &letter->next;
        // Within the lock: whoever frees the post has closed it before.
        (void) eventfd_write(post->event_fd, 1);
    }
    (void) pthread_mutex_unlock(&post->lock);
    if (closed) {
        letter->drop(letter);
    }
}

int post_fd(const struct post *post)
{
    return post->event_fd;
}

static struct post_letter *take_all(struct post *post)
{
    eventfd_t ignored;
    (void) eventfd_read(post->event_fd, &ignored);
    (void) pthread_mutex_lock(&post->lock);
    struct post_letter *letters = post->first;
    post->first = NULL;
    post->end = &post->first;
    (void) pthread_mutex_unlock(&post->lock);
    return letters;
}

static bool is_closed(struct post *post)
{
    (void) pthread_mutex_lock(&post->lock);
    bool closed = post->closed;
    (void) pthread_mutex_unlock(&post->lock);
    return closed;
}

void post_step(struct post *post)
{
    struct post_letter *letter = take_all(post);
    while (letter != NULL) {
        struct post_letter *next = letter->next; // it may be freed
        if (is_closed(post)) {
            letter->drop(letter);
        } else {
            letter->deliver(letter);
        }
        letter = next;
    }
}

void post_close(struct post *post)
{
    (void) pthread_mutex_lock(&post->lock);
    post->closed = true;
    (void) pthread_mutex_unlock(&post->lock);
    struct post_letter *letter = take_all(post);
    while (letter != NULL) {
        struct post_letter *next = letter->next;
        letter->drop(letter);
        letter = next;
    }
}

void post_free(struct post *post)
{
    if (post == NULL) {
        return;
    }
    post_close(post);
    (void) close(post->event_fd);
    (void) pthread_mutex_destroy(&post->lock);
    free(post);
}
