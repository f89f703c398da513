#include "node/daemon/reactor.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "node/base/log.h"

struct reactor {
    int epoll_fd;
    size_t part_count;
    struct reactor_part parts[REACTOR_PARTS_MAX];
    bool ready[REACTOR_PARTS_MAX];
    bool stopped;
};

enum ts_code reactor_new(struct reactor **ret_reactor, struct ts_err *err)
{
    struct reactor *reactor = calloc(1, sizeof *reactor);
    if (reactor == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start the reactor");
    }
    reactor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (reactor->epoll_fd < 0) {
        int why = errno;
        free(reactor);
        return ts_fail(err, TS_E_IO, why, "could not start the reactor");
    }
    *ret_reactor = reactor;
    return TS_OK;
}

void reactor_free(struct reactor *reactor)
{
    if (reactor == NULL) {
        return;
    }
    (void) close(reactor->epoll_fd);
    free(reactor);
}

enum ts_code reactor_add(struct reactor *reactor,
                         const struct reactor_part *part, struct ts_err *err)
{
    assert(reactor->part_count < REACTOR_PARTS_MAX);
    struct epoll_event event = { .events = EPOLLIN,
                                 .data.u32 = (uint32_t) reactor->part_count };
    if (part->fd >= 0 &&
        epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, part->fd, &event) != 0) {
        return ts_fail(err, TS_E_IO, errno, "could not wait for the part %s",
                       part->name);
    }
    reactor->parts[reactor->part_count++] = *part;
    return TS_OK;
}

void reactor_stop(struct reactor *reactor)
{
    reactor->stopped = true;
}

static struct ts_time part_deadline(const struct reactor_part *part)
{
    return part->deadline == NULL ? TS_NEVER : part->deadline(part->context);
}

/* Milliseconds for epoll_wait: -1 is for ever. */
static int wait_ms(const struct reactor *reactor)
{
    struct ts_time first = TS_NEVER;
    for (size_t i = 0; i < reactor->part_count; i++) {
        struct ts_time deadline = part_deadline(&reactor->parts[i]);
        first = deadline.ms < first.ms ? deadline : first;
    }
    int64_t left = ts_time_left(first);
    if (left == INT64_MAX) {
        return -1;
    }
    return left > INT_MAX ? INT_MAX : (int) left;
}

static void step(const struct reactor_part *part)
{
    struct ts_time before = ts_time_now();
    part->step(part->context, before);
    int64_t took_ms = ts_time_now().ms - before.ms;
    if (took_ms > REACTOR_STALL_MS) {
        ts_log(TS_LOG_WARNING, "reactor-stalled", "part=%s ms=%" PRId64,
               part->name, took_ms);
    }
}

enum ts_code reactor_run(struct reactor *reactor, struct ts_err *err)
{
    while (!reactor->stopped) {
        struct epoll_event events[REACTOR_PARTS_MAX];
        int count = epoll_wait(reactor->epoll_fd, events, REACTOR_PARTS_MAX,
                               wait_ms(reactor));
        if (count < 0 && errno != EINTR) {
            return ts_fail(err, TS_E_IO, errno, "could not wait for events");
        }
        for (int i = 0; i < count; i++) {
            reactor->ready[events[i].data.u32] = true;
        }
        struct ts_time now = ts_time_now();
        for (size_t i = 0; i < reactor->part_count && !reactor->stopped; i++) {
            const struct reactor_part *part = &reactor->parts[i];
            if (reactor->ready[i] ||
                ts_time_reached(now, part_deadline(part))) {
                reactor->ready[i] = false;
                step(part);
            }
        }
    }
    return TS_OK;
}
