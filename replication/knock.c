#include "replication/knock.h"

#include <czmq.h>

#include "node/base/time.h"
#include "node/base/zeromq.h"
#include "replication/watch.h"

/* Between two looks at everything: libzmq's descriptors tell changes only. */
#define LOOK_MS      50
#define RECONNECT_MS 200

struct talk {
    const struct knock *knock;
    zsock_t *socket;
    struct watch *watch;
    bool was_up, was_refused, was_said;
};

static void talk_done(struct talk *talk)
{
    watch_close(talk->watch);
    zsock_destroy(&talk->socket);
}

static enum ts_code talk_begin(struct talk *talk, struct ts_err *err)
{
    const struct knock *knock = talk->knock;
    ts_zeromq_start();
    zsock_t *socket = talk->socket = zsock_new(ZMQ_DEALER);
    if (socket == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open a socket");
    }
    zsock_set_linger(socket, 0);
    zsock_set_immediate(socket, 1);
    zsock_set_ipv6(socket, strchr(knock->endpoint, '[') != NULL);
    zsock_set_reconnect_ivl(socket, RECONNECT_MS);
    zsock_set_curve_publickey(socket, knock->own->public_key);
    zsock_set_curve_secretkey(socket, knock->own->secret_key);
    zsock_set_curve_serverkey(socket, knock->server_key);
    enum ts_code code = watch_open(socket, &talk->watch, err);
    if (code != TS_OK) {
        return code;
    }
    if (zmq_connect(zsock_resolve(socket), knock->endpoint) != 0) {
        return ts_fail(err, TS_E_CONFIG, 0, "cannot connect to %s: %s",
                       knock->endpoint, zmq_strerror(zmq_errno()));
    }
    return TS_OK;
}

/* What has happened so far; the request is said once, to whoever let us in. */
static void look(struct talk *talk)
{
    struct watch_event event;
    while (watch_next(talk->watch, &event)) {
        talk->was_up |= event.kind == WATCH_UP;
        talk->was_refused |= event.kind == WATCH_REFUSED;
    }
    if (talk->was_up && !talk->was_said && talk->knock->request.size > 0) {
        talk->was_said =
            zmq_send(zsock_resolve(talk->socket), talk->knock->request.data,
                     talk->knock->request.size, ZMQ_DONTWAIT) >= 0;
    }
}

static enum ts_code take(struct talk *talk, uint8_t *answer, size_t size_max,
                         size_t *ret_size, struct ts_err *err)
{
    int size =
        zmq_recv(zsock_resolve(talk->socket), answer, size_max, ZMQ_DONTWAIT);
    if (size < 0 || (size_t) size > size_max) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot take the answer: it is longer than %zu bytes",
                       size_max);
    }
    *ret_size = (size_t) size;
    return TS_OK;
}

static enum ts_code no_answer(const struct talk *talk, struct ts_err *err)
{
    return talk->was_up
               ? ts_fail(err, TS_E_TIMEOUT, 0, "no answer came within %lld ms",
                         (long long) talk->knock->timeout_ms)
               : ts_fail(err, TS_E_UNREACHABLE, 0,
                         "nobody with its key answered within %lld ms",
                         (long long) talk->knock->timeout_ms);
}

static enum ts_code converse(struct talk *talk, uint8_t *answer,
                             size_t size_max, size_t *ret_size,
                             struct ts_err *err)
{
    struct ts_time deadline =
        ts_time_after(ts_time_now(), talk->knock->timeout_ms);
    while (!ts_time_reached(ts_time_now(), deadline)) {
        zmq_pollitem_t items[] = {
            { .socket = zsock_resolve(talk->socket), .events = ZMQ_POLLIN },
            { .fd = watch_fd(talk->watch), .events = ZMQ_POLLIN },
        };
        (void) zmq_poll(items, 2, LOOK_MS);
        look(talk);
        if ((items[0].revents & ZMQ_POLLIN) != 0) {
            return take(talk, answer, size_max, ret_size, err);
        }
        if (talk->was_up && talk->knock->request.size == 0) {
            *ret_size = 0;
            return TS_OK;
        }
        if (talk->was_refused) {
            return ts_fail(err, TS_E_AUTH, 0, "it did not let us in");
        }
    }
    return no_answer(talk, err);
}

enum ts_code knock(const struct knock *knock, uint8_t *answer, size_t size_max,
                   size_t *ret_size, struct ts_err *err)
{
    struct talk talk = { .knock = knock };
    enum ts_code code = talk_begin(&talk, err);
    if (code == TS_OK) {
        code = converse(&talk, answer, size_max, ret_size, err);
    }
    talk_done(&talk);
    return code;
}
