/*
 * peer -- the witness's client: one DEALER socket, one request at a time.
 *
 * CURVE proves the witness to us (its public certificate is configured) and us
 * to it (it admits certificates, not addresses). The socket hands a message
 * over only when the handshake is done, so what could not be sent was certainly
 * not sent; and it is thrown away after every call that did not end in a reply,
 * so that nothing that was given up on is sent later by a queue.
 */
#include <czmq.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <systemd/sd-id128.h>

#include "node/base/cleanup.h"
#include "node/base/zeromq.h"
#include "node/register/driver.h"
#include "node/register/machine.h"
#include "proto/witness_codec.h"

#define RECONNECT_MS     50
#define RECONNECT_MAX_MS 400
/* Of this node's secret certificate. */
#define REGISTER_PEER_PATH 4104

/* How far the last request came. */
enum how {
    UNSENT, /* an error, and certain */
    SENT,   /* an error, and who knows */
    REPLIED
};

struct peer {
    struct register_options options;
    struct ts_slice cluster;
    zcert_t *own, *witness;
    zsock_t *socket; /* NULL: none yet, or thrown away */
    void *monitor;   /* events of `socket`, raw */
    int cancel_fd;
    uint64_t number; /* of the last request */
    enum how how;
    uint8_t machine[WITNESS_IDENTITY_SIZE]; /* the witness's */
    bool machine_known;
    struct ts_arena arena; /* of one request and its reply */
};

/* -- the socket -------------------------------------------------------------
 */

/* The monitor is stopped before its reader goes: libzmq's one I/O thread would
 * wait for ever for somebody to take an event that nobody can. */
static void hang_up(struct peer *peer)
{
    if (peer->monitor != NULL) {
        (void) zmq_socket_monitor(zsock_resolve(peer->socket), NULL, 0);
        (void) zmq_close(peer->monitor);
        peer->monitor = NULL;
    }
    zsock_destroy(&peer->socket);
}

/* Events of the connection, to say why it does not come about. */
static void *watch(zsock_t *socket)
{
    static atomic_uint count;
    char name[64];
    (void) snprintf(name, sizeof name, "inproc://register-watch-%u",
                    atomic_fetch_add(&count, 1));
    int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_DISCONNECTED;
    if (zmq_socket_monitor(zsock_resolve(socket), name, events) != 0) {
        return NULL;
    }
    void *monitor = zmq_socket(zsys_init(), ZMQ_PAIR);
    if (monitor != NULL && zmq_connect(monitor, name) != 0) {
        (void) zmq_close(monitor);
        monitor = NULL;
    }
    return monitor;
}

static enum ts_code dial(struct peer *peer, struct ts_err *err)
{
    if (peer->socket != NULL) {
        return TS_OK;
    }
    const char *endpoint = peer->options.peer.endpoint;
    zsock_t *socket = zsock_new(ZMQ_DEALER);
    if (socket == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not open a socket for the witness at %s",
                       endpoint);
    }
    zcert_apply(peer->own, socket);
    zsock_set_curve_serverkey(socket, zcert_public_txt(peer->witness));
    zsock_set_linger(socket, 0);
    zsock_set_immediate(socket, 1);
    zsock_set_sndhwm(socket, 1);
    zsock_set_rcvhwm(socket, 4);
    zsock_set_maxmsgsize(socket, WITNESS_MESSAGE_MAX);
    zsock_set_reconnect_ivl(socket, RECONNECT_MS);
    zsock_set_reconnect_ivl_max(socket, RECONNECT_MAX_MS);
    peer->monitor = watch(socket);
    peer->socket = socket;
    if (zmq_connect(zsock_resolve(socket), endpoint) != 0) {
        int why = zmq_errno();
        hang_up(peer);
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot connect to the witness at %s: %s", endpoint,
                       zmq_strerror(why));
    }
    return TS_OK;
}

/* Wait until the socket is ready for `events`.
 * Errors   TS_E_TIMEOUT, TS_E_CANCELLED (without a sentence), TS_E_IO. */
static enum ts_code wait_for(struct peer *peer, short events,
                             struct ts_time deadline)
{
    zmq_pollitem_t items[] = {
        { .socket = zsock_resolve(peer->socket), .events = events },
        { .fd = peer->cancel_fd, .events = ZMQ_POLLIN },
    };
    for (;;) {
        int64_t left = ts_time_left(deadline);
        int n = zmq_poll(items, 2, (long) left);
        if (n < 0 && zmq_errno() != EINTR) {
            return TS_E_IO;
        }
        if (n > 0 && items[1].revents != 0) {
            return TS_E_CANCELLED;
        }
        if (n > 0 && items[0].revents != 0) {
            return TS_OK;
        }
        if (left == 0) {
            return TS_E_TIMEOUT;
        }
    }
}

/* How much an event of the connection tells, as it goes on and on. */
enum news {
    NEWS_NONE,
    NEWS_CONNECTED,
    NEWS_BROKEN, /* the handshake did not come about */
    NEWS_REFUSED /* our certificate is not admitted */
};

static enum news news_of(uint16_t event)
{
    switch (event) {
    case 0:
        return NEWS_NONE;
    case ZMQ_EVENT_CONNECTED:
        return NEWS_CONNECTED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return NEWS_REFUSED;
    default:
        return NEWS_BROKEN;
    }
}

/* The most telling thing that the monitor saw. */
static enum news collect_news(struct peer *peer)
{
    enum news best = NEWS_NONE;
    for (;;) {
        zmq_msg_t frame;
        (void) zmq_msg_init(&frame);
        bool got = peer->monitor != NULL &&
                   zmq_msg_recv(&frame, peer->monitor, ZMQ_DONTWAIT) >= 0;
        uint16_t event = 0;
        if (got && zmq_msg_more(&frame) != 0 &&
            zmq_msg_size(&frame) >= sizeof event) {
            memcpy(&event, zmq_msg_data(&frame), sizeof event);
        }
        (void) zmq_msg_close(&frame);
        if (!got) {
            return best;
        }
        best = news_of(event) > best ? news_of(event) : best;
    }
}

/* Nothing was sent: why? */
static enum ts_code not_connected(struct peer *peer, enum ts_code code,
                                  struct ts_err *err)
{
    const char *endpoint = peer->options.peer.endpoint;
    if (code == TS_E_CANCELLED) {
        return ts_fail(err, code, 0, "asking the witness at %s was cancelled",
                       endpoint);
    }
    switch (collect_news(peer)) {
    case NEWS_REFUSED:
        return ts_fail(err, TS_E_AUTH, 0,
                       "could not sign in at the witness at %s: it does not "
                       "know this node's certificate; admit it there with "
                       "twinsync-witness --admit",
                       endpoint);
    case NEWS_BROKEN:
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "could not speak with the witness at %s: no handshake "
                       "came about; is \"%s\" its public certificate?",
                       endpoint, peer->options.peer.certificate_file);
    case NEWS_CONNECTED:
        return ts_fail(err, TS_E_TIMEOUT, 0,
                       "could not speak with the witness at %s: something "
                       "took the connection and said nothing for %u ms",
                       endpoint, peer->options.timeout_ms);
    case NEWS_NONE:
        break;
    }
    return ts_fail(err, TS_E_UNREACHABLE, 0,
                   "could not reach the witness at %s: nobody answered within "
                   "%u ms",
                   endpoint, peer->options.timeout_ms);
}

/* -- a request and its reply ------------------------------------------------
 */

/* The reply to `peer->number`; older ones are passed over. */
static enum ts_code receive(struct peer *peer, struct ts_time deadline,
                            struct witness_reply *ret_reply, struct ts_err *err)
{
    const char *endpoint = peer->options.peer.endpoint;
    for (;;) {
        enum ts_code code = wait_for(peer, ZMQ_POLLIN, deadline);
        if (code == TS_E_CANCELLED) {
            return not_connected(peer, code, err);
        }
        if (code != TS_OK) {
            return ts_fail(err, code, 0,
                           "could not read the answer of the witness at %s: "
                           "none came within %u ms",
                           endpoint, peer->options.timeout_ms);
        }
        zframe_t *frame = zframe_recv(peer->socket);
        if (frame == NULL) {
            continue;
        }
        struct ts_slice bytes = ts_arena_copy(
            &peer->arena, ts_slice(zframe_data(frame), zframe_size(frame)));
        zframe_destroy(&frame);
        if (bytes.data == NULL) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "could not read the answer of the witness at %s: "
                           "it is too large",
                           endpoint);
        }
        code = witness_reply_unpack(bytes, &peer->arena, ret_reply, err);
        if (code != TS_OK || ret_reply->number == peer->number) {
            return code;
        }
    }
}

static enum ts_code send_bytes(struct peer *peer, struct ts_slice bytes,
                               struct ts_time deadline, struct ts_err *err)
{
    enum ts_code code = dial(peer, err);
    if (code != TS_OK) {
        return code;
    }
    for (;;) {
        code = wait_for(peer, ZMQ_POLLOUT, deadline);
        if (code != TS_OK) {
            return not_connected(peer, code, err);
        }
        if (zmq_send(zsock_resolve(peer->socket), bytes.data, bytes.size,
                     ZMQ_DONTWAIT) >= 0) {
            return TS_OK;
        }
        if (zmq_errno() != EAGAIN && zmq_errno() != EINTR) {
            return ts_fail(
                err, TS_E_IO, 0, "could not send to the witness at %s: %s",
                peer->options.peer.endpoint, zmq_strerror(zmq_errno()));
        }
    }
}

static void identity_text(const uint8_t identity[WITNESS_IDENTITY_SIZE],
                          char text[static REGISTER_IDENTITY_SIZE])
{
    size_t at = (size_t) snprintf(text, REGISTER_IDENTITY_SIZE, "witness ");
    for (size_t i = 0; i < WITNESS_IDENTITY_SIZE; i++) {
        at += (size_t) snprintf(text + at, REGISTER_IDENTITY_SIZE - at, "%02x",
                                identity[i]);
    }
}

/* The pinned identity as bytes, into the request. */
static void name_server(const struct register_call *call,
                        uint8_t server[WITNESS_IDENTITY_SIZE],
                        struct witness_request *request)
{
    sd_id128_t id;
    if (strncmp(call->pinned, "witness ", 8) == 0 &&
        sd_id128_from_string(call->pinned + 8, &id) == 0) {
        memcpy(server, id.bytes, WITNESS_IDENTITY_SIZE);
        request->server = ts_slice(server, WITNESS_IDENTITY_SIZE);
    }
}

static enum ts_code ask(struct peer *peer, const struct register_call *call,
                        struct witness_request *request,
                        struct witness_reply *ret_reply, struct ts_err *err)
{
    uint8_t server[WITNESS_IDENTITY_SIZE];
    struct ts_slice bytes;
    peer->how = UNSENT;
    (void) collect_news(peer); /* old news would fill the monitor */
    ts_arena_reset(&peer->arena);
    request->number = ++peer->number;
    request->cluster = peer->cluster;
    name_server(call, server, request);
    enum ts_code code =
        witness_request_pack(request, &peer->arena, &bytes, err);
    if (code == TS_OK) {
        code = send_bytes(peer, bytes, call->deadline, err);
    }
    if (code == TS_OK) {
        peer->how = SENT;
        code = receive(peer, call->deadline, ret_reply, err);
    }
    if (code != TS_OK) {
        hang_up(peer);
        return code;
    }
    peer->how = REPLIED;
    peer->machine_known = ret_reply->machine.size != 0;
    if (peer->machine_known) {
        memcpy(peer->machine, ret_reply->machine.data, sizeof peer->machine);
    }
    char identity[REGISTER_IDENTITY_SIZE];
    identity_text(ret_reply->identity.data, identity);
    return register_call_server(call, identity, err);
}

static enum ts_code refused(const struct peer *peer,
                            const struct witness_reply *reply,
                            struct ts_err *err)
{
    return ts_fail(err, TS_E_REFUSED, 0,
                   "could not use the witness at %s: %.*s",
                   peer->options.peer.endpoint, TS_SLICE_ARGS(reply->text));
}

static enum ts_code not_an_answer(const struct peer *peer, struct ts_err *err)
{
    return ts_fail(err, TS_E_PROTOCOL, 0,
                   "cannot use the witness at %s: its reply does not belong "
                   "to the request",
                   peer->options.peer.endpoint);
}

/* -- the driver -------------------------------------------------------------
 */

static enum ts_code peer_read(void *state, const struct register_call *call,
                              struct ts_arena *arena,
                              struct ts_slice *ret_value, struct ts_err *err)
{
    struct peer *peer = state;
    struct witness_request request = { .verb = WITNESS_READ };
    struct witness_reply reply;
    enum ts_code code = ask(peer, call, &request, &reply, err);
    if (code != TS_OK) {
        return code;
    }
    if (reply.status == WITNESS_REFUSED) {
        return refused(peer, &reply, err);
    }
    if (reply.status != WITNESS_VALUE) {
        return not_an_answer(peer, err);
    }
    struct ts_slice copy = TS_SLICE_NONE;
    if (reply.value.size > 0) {
        copy = ts_arena_copy(arena, reply.value);
        if (copy.data == NULL) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "could not read the register: no room for %zu "
                           "bytes",
                           reply.value.size);
        }
    }
    *ret_value = copy;
    return TS_OK;
}

static enum ts_code peer_swap(void *state, const struct register_call *call,
                              const struct ts_slice values[2],
                              enum register_outcome *ret_outcome,
                              struct ts_err *err)
{
    struct peer *peer = state;
    struct witness_request request = { .verb = WITNESS_SWAP,
                                       .expected = values[0],
                                       .value = values[1] };
    struct witness_reply reply;
    enum ts_code code = ask(peer, call, &request, &reply, err);
    if (peer->how == SENT) {
        *ret_outcome = REGISTER_SWAP_UNKNOWN;
        return TS_OK;
    }
    if (code != TS_OK) {
        return code;
    }
    switch (reply.status) {
    case WITNESS_DONE:
        *ret_outcome = REGISTER_SWAP_DONE;
        return TS_OK;
    case WITNESS_LOST:
        *ret_outcome = REGISTER_SWAP_LOST;
        return TS_OK;
    case WITNESS_REFUSED:
        return refused(peer, &reply, err);
    case WITNESS_UNKNOWN:
        (void) refused(peer, &reply, err);
        break;
    case WITNESS_VALUE:
    case WITNESS_OTHER:
        (void) not_an_answer(peer, err);
        break;
    }
    *ret_outcome = REGISTER_SWAP_UNKNOWN;
    return TS_OK;
}

static void peer_check(void *state, const struct register_call *call,
                       struct register_findings *findings)
{
    const struct peer *peer = state;
    uint8_t own[WITNESS_IDENTITY_SIZE];
    (void) call;
    if (!peer->machine_known || !register_machine_id(own)) {
        register_add_finding(findings, "machine", NULL,
                             "not known: without /etc/machine-id on both, "
                             "nobody can tell whether the witness runs here");
    } else if (memcmp(own, peer->machine, sizeof own) == 0) {
        register_add_finding(findings, "machine",
                             "run the witness on a third host, which does not "
                             "fail together with one of the nodes",
                             "the witness runs on this node's own machine");
    } else {
        register_add_finding(findings, "machine", NULL,
                             "the witness runs on another machine");
    }
}

static void peer_cancel(void *state)
{
    const struct peer *peer = state;
    (void) eventfd_write(peer->cancel_fd, 1);
}

static void peer_resume(void *state)
{
    const struct peer *peer = state;
    eventfd_t count;
    (void) eventfd_read(peer->cancel_fd, &count);
}

static void peer_close(void *state)
{
    struct peer *peer = state;
    hang_up(peer);
    zcert_destroy(&peer->own);
    zcert_destroy(&peer->witness);
    ts_arena_done(&peer->arena);
    if (peer->cancel_fd >= 0) {
        (void) close(peer->cancel_fd);
    }
    free(peer);
}

/* A file that is missing was never put there; one that is there was damaged, or
 * is something else: what to do differs. */
static enum ts_code not_loaded(const char *what, const char *path,
                               const char *take, struct ts_err *err)
{
    if (access(path, R_OK) == 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot %s: \"%s\" is damaged, or is no certificate; "
                       "%s in its place",
                       what, path, take);
    }
    int why = errno;
    return why == ENOENT
               ? ts_fail(err, TS_E_CONFIG, 0,
                         "cannot %s: \"%s\" does not exist; %s", what, path,
                         take)
               : ts_fail(err, TS_E_CONFIG, why,
                         "cannot %s: \"%s\" cannot be read; give it to the "
                         "user of twinsyncd",
                         what, path);
}

static enum ts_code load_certificates(struct peer *peer, struct ts_err *err)
{
    const struct register_peer_options *options = &peer->options.peer;
    char what[160], secret[REGISTER_PEER_PATH];
    peer->witness = zcert_load(options->certificate_file);
    if (peer->witness == NULL) {
        (void) snprintf(what, sizeof what, "use the witness at %.120s",
                        options->endpoint);
        return not_loaded(what, options->certificate_file,
                          "take what twinsync-witness --certificate prints",
                          err);
    }
    peer->own = zcert_load(options->own_file);
    static const uint8_t none[32];
    if (peer->own == NULL ||
        memcmp(zcert_secret_key(peer->own), none, sizeof none) == 0) {
        (void) snprintf(what, sizeof what, "sign in at the witness at %.120s",
                        options->endpoint);
        (void) snprintf(secret, sizeof secret, "%.*s_secret",
                        REGISTER_PEER_PATH - 8, options->own_file);
        return not_loaded(what, secret,
                          "start twinsyncd, which makes this node's key once, "
                          "or join anew",
                          err);
    }
    return TS_OK;
}

static enum ts_code peer_open(const struct register_options *options,
                              void **ret_state, struct ts_err *err)
{
    const struct register_peer_options *own = &options->peer;
    if (own->endpoint == NULL || own->certificate_file == NULL ||
        own->own_file == NULL ||
        !witness_is_cluster(ts_slice_str(options->cluster))) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use the witness: it needs an endpoint, its "
                       "certificate, this node's, and a cluster of 1 to 63 "
                       "letters, digits, dots, underscores and dashes");
    }
    ts_zeromq_start();
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the register");
    }
    peer->options = *options;
    peer->cluster = ts_slice_str(options->cluster);
    ts_arena_init(&peer->arena, WITNESS_ARENA_MAX + 4 * WITNESS_MESSAGE_MAX);
    peer->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Not from 0: a reply to a request of an earlier life is no answer. */
    bool random = getrandom(&peer->number, sizeof peer->number, 0) ==
                  (ssize_t) sizeof peer->number;
    enum ts_code code =
        peer->cancel_fd < 0 || !random
            ? ts_fail(err, TS_E_IO, errno, "could not prepare the register")
            : load_certificates(peer, err);
    if (code != TS_OK) {
        peer_close(peer);
        return code;
    }
    *ret_state = peer;
    return TS_OK;
}

const struct register_driver register_driver_peer = {
    .name = "peer",
    .automatic = true,
    .open = peer_open,
    .close = peer_close,
    .read = peer_read,
    .swap = peer_swap,
    .check = peer_check,
    .cancel = peer_cancel,
    .resume = peer_resume,
};
