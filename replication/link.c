#include "replication/link.h"

#include <openssl/rand.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <time.h>

#include "node/base/cleanup.h"
#include "node/base/zeromq.h"
#include "replication/link_private.h"

#define HANDSHAKE_MS     5000
#define RECONNECT_MS     100
#define RECONNECT_MAX_MS 1000
/* What a message takes once it is unpacked: its bytes and its structs. */
#define TAKEN_MAX (4 * WIRE_FRAME_MAX)
/* A dead connection is given up after this many heartbeats. */
#define HEARTBEATS_LOST 3
#define MINUTE_MS       60000

int64_t link_now_us(void)
{
    struct timespec now = { 0 };
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- who is let in ------------------------------------------------------- */

bool link_is_guest(const struct link *link, const char *key, struct ts_time now)
{
    for (size_t i = 0; key[0] != '\0' && i < LINK_GUESTS_MAX; i++) {
        if (strcmp(link->guests[i].key, key) == 0) {
            return !ts_time_reached(now, link->guests[i].until);
        }
    }
    return false;
}

static void refuse(struct link *link, const char *address, const char *key,
                   const char *why)
{
    struct ts_time now = ts_time_now();
    link->stats.strangers++;
    if (ts_time_reached(now, ts_time_after(link->told_since, MINUTE_MS))) {
        link->told_since = now;
        link->told = 0;
    }
    if (link->told < LINK_STRANGERS_TOLD) {
        link->told++;
        link->events.refused(link->events.context, address, key, why);
    }
}

static bool admits(void *context, const struct zap_question *question,
                   char user[static ZAP_USER_SIZE])
{
    struct link *link = context;
    bool is_peer = strcmp(question->key, link->peer_key) == 0;
    if (!is_peer && !link_is_guest(link, question->key, ts_time_now())) {
        refuse(link, question->address, question->key,
               "its key is not the peer's");
        return false;
    }
    link->stats.is_met |= is_peer;
    if (is_peer && link->events.met != NULL) {
        link->events.met(link->events.context);
    }
    (void) snprintf(user, ZAP_USER_SIZE, "%s", question->key);
    return true;
}

enum ts_code link_invite(struct link *link, const char *key,
                         struct ts_time until, struct ts_err *err)
{
    if (!certificate_is_key(key)) {
        return ts_fail(err, TS_E_CONFIG, 0, "cannot invite a guest: no key");
    }
    link_dismiss(link, key);
    for (size_t i = 0; i < LINK_GUESTS_MAX; i++) {
        struct link_guest *guest = &link->guests[i];
        if (guest->key[0] == '\0' ||
            ts_time_reached(ts_time_now(), guest->until)) {
            guest->until = until;
            (void) snprintf(guest->key, sizeof guest->key, "%s", key);
            return TS_OK;
        }
    }
    return ts_fail(err, TS_E_LIMIT, 0,
                   "cannot invite another guest: there are %d",
                   LINK_GUESTS_MAX);
}

void link_dismiss(struct link *link, const char *key)
{
    for (size_t i = 0; i < LINK_GUESTS_MAX; i++) {
        if (key[0] == '\0' || strcmp(link->guests[i].key, key) == 0) {
            link->guests[i].key[0] = '\0';
        }
    }
}

/* ---- sockets ------------------------------------------------------------- */

/* What both have in common. */
static zsock_t *make_socket(struct link *link, int type)
{
    zsock_t *socket = zsock_new(type);
    if (socket == NULL) {
        return NULL;
    }
    zsock_set_linger(socket, 0);
    zsock_set_ipv6(socket, strchr(link->endpoint, '[') != NULL ||
                               strchr(link->peer_endpoint, '[') != NULL);
    zsock_set_sndhwm(socket, LINK_QUEUE_MAX);
    zsock_set_rcvhwm(socket, LINK_QUEUE_MAX);
    zsock_set_maxmsgsize(socket, (int) WIRE_FRAME_MAX);
    zsock_set_handshake_ivl(socket, HANDSHAKE_MS);
    zsock_set_heartbeat_ivl(socket, (int) link->heartbeat_ms);
    zsock_set_heartbeat_timeout(socket,
                                (int) (HEARTBEATS_LOST * link->heartbeat_ms));
    zsock_set_curve_publickey(socket, link->own.public_key);
    zsock_set_curve_secretkey(socket, link->own.secret_key);
    return socket;
}

static bool observe(struct link *link, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };
    return fd >= 0 && epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void unobserve(struct link *link, int fd)
{
    struct epoll_event event = { .events = 0 };
    (void) epoll_ctl(link->epoll_fd, EPOLL_CTL_DEL, fd, &event);
}

static enum ts_code not_bound(const char *endpoint, int why, struct ts_err *err)
{
    if (why == EADDRINUSE) {
        return ts_fail(err, TS_E_CONFLICT, 0,
                       "could not listen for the other node on %s: another "
                       "program does; stop it or choose another port in nodes",
                       endpoint);
    }
    return ts_fail(err, TS_E_CONFIG, 0,
                   "cannot listen for the other node on %s: %s; the endpoint "
                   "of this node in nodes must be an address of this computer",
                   endpoint, zmq_strerror(why));
}

static enum ts_code open_router(struct link *link, struct ts_err *err)
{
    zsock_t *socket = link->router = make_socket(link, ZMQ_ROUTER);
    if (socket == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open a socket");
    }
    zsock_set_curve_server(socket, 1);
    zsock_set_zap_domain(socket, link->domain);
    zsock_set_zap_enforce_domain(socket, 1);
    enum ts_code code = watch_open(socket, &link->router_watch, err);
    if (code != TS_OK) {
        return code;
    }
    if (zmq_bind(zsock_resolve(socket), link->endpoint) != 0) {
        return not_bound(link->endpoint, zmq_errno(), err);
    }
    char *bound = zsock_last_endpoint(socket);
    (void) snprintf(link->endpoint, sizeof link->endpoint, "%s", bound);
    zstr_free(&bound);
    if (!observe(link, zsock_fd(socket)) ||
        !observe(link, watch_fd(link->router_watch)) ||
        !observe(link, zap_fd(link->zap))) {
        return ts_fail(err, TS_E_NOMEM, errno, "could not watch a socket");
    }
    return TS_OK;
}

static void set_up(struct link *link, bool is_up)
{
    bool is_change = link->stats.is_up != is_up;
    link->stats.is_up = is_up;
    if (!is_up) {
        memset(link->beats, 0, sizeof link->beats);
        link->unanswered_us = 0;
    }
    if (is_change) {
        link->stats.connects += is_up;
        link->events.changed(link->events.context, is_up);
    }
}

static void hang_up(struct link *link)
{
    if (link->dealer_watch != NULL) {
        unobserve(link, watch_fd(link->dealer_watch));
        watch_close(link->dealer_watch);
        link->dealer_watch = NULL;
    }
    if (link->dealer != NULL) {
        unobserve(link, zsock_fd(link->dealer));
        zsock_destroy(&link->dealer);
    }
}

/* K2: IMMEDIATE queues for a finished connection only, and forgets with it. */
static enum ts_code dial(struct link *link, struct ts_err *err)
{
    hang_up(link);
    link->redial = TS_NEVER;
    zsock_t *socket = link->dealer = make_socket(link, ZMQ_DEALER);
    if (socket == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open a socket");
    }
    zsock_set_immediate(socket, 1);
    zsock_set_reconnect_ivl(socket, RECONNECT_MS);
    zsock_set_reconnect_ivl_max(socket, RECONNECT_MAX_MS);
    zsock_set_curve_serverkey(socket, link->peer_key);
    enum ts_code code = watch_open(socket, &link->dealer_watch, err);
    if (code != TS_OK) {
        return code;
    }
    if (!observe(link, zsock_fd(socket)) ||
        !observe(link, watch_fd(link->dealer_watch))) {
        return ts_fail(err, TS_E_NOMEM, errno, "could not watch a socket");
    }
    if (zmq_connect(zsock_resolve(socket), link->peer_endpoint) != 0) {
        return ts_fail(
            err, TS_E_CONFIG, 0, "cannot connect to node \"%s\" at %s: %s",
            link->peer_name, link->peer_endpoint, zmq_strerror(zmq_errno()));
    }
    return TS_OK;
}

/* ---- open and close ------------------------------------------------------ */

static struct link *make_link(const struct link_options *options)
{
    static atomic_uint count;
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        return NULL;
    }
    link->own = *options->own;
    link->zap = options->zap;
    link->boot = options->boot;
    link->heartbeat_ms = options->heartbeat_ms;
    link->events = options->events;
    link->redial = TS_NEVER;
    link->told_since = ts_time_now();
    link->heard_ms = -1;
    link->stats.round_trip_us = link->stats.peer_silent_ms = -1;
    (void) snprintf(link->domain, sizeof link->domain, "link-%u",
                    atomic_fetch_add(&count, 1));
    (void) snprintf(link->endpoint, sizeof link->endpoint, "%s",
                    options->endpoint);
    (void) snprintf(link->peer_name, sizeof link->peer_name, "%s",
                    options->peer_name);
    (void) snprintf(link->peer_endpoint, sizeof link->peer_endpoint, "%s",
                    options->peer_endpoint);
    ts_arena_init(&link->taken, TAKEN_MAX);
    ts_arena_init(&link->given, WIRE_FRAME_MAX + 64);
    link->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return link;
}

enum ts_code link_open(const struct link_options *options,
                       struct link **ret_link, struct ts_err *err)
{
    ts_zeromq_start();
    if (strlen(options->endpoint) >= LINK_ENDPOINT_SIZE ||
        strlen(options->peer_endpoint) >= LINK_ENDPOINT_SIZE ||
        !certificate_is_name(options->peer_name)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot connect the nodes: an endpoint is longer than "
                       "%d bytes, or the peer has no name",
                       LINK_ENDPOINT_SIZE - 1);
    }
    struct link *link = make_link(options);
    if (link == NULL || link->epoll_fd < 0 ||
        RAND_bytes((unsigned char *) &link->session, sizeof link->session) !=
            1) {
        link_close(link);
        return ts_fail(err, TS_E_NOMEM, errno, "could not connect the nodes");
    }
    struct zap_judge judge = { admits, link };
    enum ts_code code = zap_join(link->zap, link->domain, &judge, err);
    if (code == TS_OK) {
        code = open_router(link, err);
    }
    if (code == TS_OK && options->peer_key != NULL) {
        code = link_meet(link, options->peer_key, err);
    }
    if (code != TS_OK) {
        link_close(link);
        return code;
    }
    *ret_link = link;
    return TS_OK;
}

void link_close(struct link *link)
{
    if (link == NULL) {
        return;
    }
    zap_leave(link->zap, link->domain);
    hang_up(link);
    watch_close(link->router_watch);
    zsock_destroy(&link->router);
    if (link->epoll_fd >= 0) {
        (void) close(link->epoll_fd);
    }
    ts_arena_done(&link->taken);
    ts_arena_done(&link->given);
    certificate_done(&link->own);
    free(link);
}

enum ts_code link_meet(struct link *link, const char *peer_key,
                       struct ts_err *err)
{
    hang_up(link);
    set_up(link, false);
    link->peer_key[0] = '\0';
    link->stats.is_met = false;
    link->inbox = (struct inbox){ .is_begun = false };
    if (!certificate_is_key(peer_key)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot connect to node \"%s\": its key is none",
                       link->peer_name);
    }
    (void) snprintf(link->peer_key, sizeof link->peer_key, "%s", peer_key);
    enum ts_code code = dial(link, err);
    if (code != TS_OK) {
        hang_up(link);
        link->peer_key[0] = '\0';
    }
    return code;
}

void link_forget(struct link *link)
{
    hang_up(link);
    link->redial = TS_NEVER;
    link->peer_key[0] = '\0';
    link->stats.is_met = false;
    link->inbox = (struct inbox){ .is_begun = false };
    set_up(link, false);
}

enum ts_code link_turn(struct link *link, const char *name,
                       const char *endpoint, const char *key,
                       struct ts_err *err)
{
    if (strlen(endpoint) >= LINK_ENDPOINT_SIZE || !certificate_is_name(name)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot connect to node \"%.80s\": its endpoint is "
                       "longer than %d bytes, or that is no name",
                       name, LINK_ENDPOINT_SIZE - 1);
    }
    hang_up(link);
    set_up(link, false); /* told of the one before */
    (void) snprintf(link->peer_name, sizeof link->peer_name, "%s", name);
    (void) snprintf(link->peer_endpoint, sizeof link->peer_endpoint, "%s",
                    endpoint);
    link->heard_ms = -1;
    link->stats.round_trip_us = link->stats.peer_silent_ms = -1;
    return link_meet(link, key, err);
}

/* ---- steps --------------------------------------------------------------- */

static void watch_dealer(struct link *link, struct ts_time now)
{
    struct watch_event event;
    while (link->dealer_watch != NULL &&
           watch_next(link->dealer_watch, &event)) {
        if (event.kind == WATCH_REFUSED) {
            /* libzmq gives up for good; the peer may yet learn our key. */
            link->redial = ts_time_after(now, LINK_REDIAL_MS);
            (void) snprintf(link->complaint, sizeof link->complaint,
                            "could not connect to node \"%s\" at %s: it does "
                            "not know this node's key; pair the nodes again",
                            link->peer_name, link->peer_endpoint);
        }
        set_up(link, event.kind == WATCH_UP);
    }
}

static void watch_router(struct link *link)
{
    struct watch_event event;
    while (watch_next(link->router_watch, &event)) {
        link->stats.knocks += event.kind == WATCH_KNOCKED;
        link->stats.handshakes += event.kind == WATCH_UP;
        if (event.kind == WATCH_BROKEN) {
            refuse(link, event.address[0] == '\0' ? "unknown" : event.address,
                   "", "it did not speak CURVE to our key");
        }
    }
}

/* Nobody has anything to say on this one; what comes is not kept. */
static void drain_dealer(struct link *link)
{
    for (int i = 0; i < LINK_STEP_MAX && link->dealer != NULL &&
                    (zsock_events(link->dealer) & ZMQ_POLLIN) != 0;
         i++) {
        zmq_msg_t frame;
        (void) zmq_msg_init(&frame);
        (void) zmq_msg_recv(&frame, zsock_resolve(link->dealer), ZMQ_DONTWAIT);
        (void) zmq_msg_close(&frame);
        link->stats.foreign++;
    }
}

void link_step(struct link *link, struct ts_time now)
{
    link->has_more = zap_step(link->zap);
    if (ts_time_reached(now, link->redial)) {
        struct ts_err err;
        if (dial(link, &err) != TS_OK) {
            link->redial = ts_time_after(now, LINK_REDIAL_MS);
            memcpy(link->complaint, err.text, sizeof link->complaint);
        }
    }
    watch_dealer(link, now);
    watch_router(link);
    link->has_more |= link_receive(link, now);
    drain_dealer(link);
}

int link_fd(const struct link *link)
{
    return link->epoll_fd;
}

struct ts_time link_deadline(const struct link *link)
{
    return link->has_more ? (struct ts_time){ 0 } : link->redial;
}

/* ---- sending ------------------------------------------------------------- */

static void stamp(struct link *link, struct wire_message *message)
{
    message->header.version = wire_version();
    message->header.version_min = WIRE_VERSION_MIN;
    message->header.sender = link->own.name;
    message->header.boot = link->boot;
    message->header.session = link->session;
    message->header.number = link->number + 1;
    if (message->kind == WIRE_HEARTBEAT) {
        message->heartbeat.number = link->beat + 1;
        message->heartbeat.heard_ms =
            link->heard_ms < 0 ? -1 : ts_time_now().ms - link->heard_ms;
    }
}

static void note_sent(struct link *link, const struct wire_message *message,
                      size_t size)
{
    link->number++;
    link->stats.sent++;
    link->stats.sent_bytes += size;
    if (message->kind == WIRE_HEARTBEAT) {
        int64_t now_us = link_now_us();
        link->beat++;
        link->beats[link->beat % LINK_BEATS_MAX] =
            (struct link_beat){ link->beat, now_us };
        link->unanswered_us =
            link->unanswered_us == 0 ? now_us : link->unanswered_us;
    }
}

enum ts_code link_send(struct link *link, const struct wire_message *message,
                       struct ts_err *err)
{
    if (link->dealer == NULL || !link->stats.is_up) {
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "could not reach node \"%s\" at %s: no connection",
                       link->peer_name, link->peer_endpoint);
    }
    struct wire_message stamped = *message;
    struct ts_slice bytes = TS_SLICE_NONE;
    stamp(link, &stamped);
    ts_arena_reset(&link->given);
    enum ts_code code = wire_pack(&stamped, &link->given, &bytes, err);
    if (code != TS_OK) {
        return code;
    }
    if (zmq_send(zsock_resolve(link->dealer), bytes.data, bytes.size,
                 ZMQ_DONTWAIT) < 0) {
        link->stats.full++;
        return ts_fail(err, TS_E_TIMEOUT, 0,
                       "could not send to node \"%s\" at %s: it does not read "
                       "the %d messages that wait for it",
                       link->peer_name, link->peer_endpoint, LINK_QUEUE_MAX);
    }
    note_sent(link, &stamped, bytes.size);
    return TS_OK;
}

void link_reply(struct link *link, uint32_t reply, struct ts_slice bytes)
{
    void *router = zsock_resolve(link->router);
    for (size_t i = 0; reply != 0 && i < LINK_REPLIES_MAX; i++) {
        struct link_reply *to = &link->replies[i];
        if (to->number != reply) {
            continue;
        }
        if (zmq_send(router, to->identity, to->size,
                     ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0) {
            (void) zmq_send(router, bytes.data, bytes.size, ZMQ_DONTWAIT);
        }
        to->number = 0;
    }
    link->has_more = true; /* sending may have used up the wake-up to receive */
}

/* ---- figures ------------------------------------------------------------- */

struct link_stats link_stats(const struct link *link)
{
    struct link_stats stats = link->stats;
    stats.silent_ms =
        link->heard_ms < 0 ? -1 : ts_time_now().ms - link->heard_ms;
    stats.unanswered_ms = link->unanswered_us == 0
                              ? 0
                              : (link_now_us() - link->unanswered_us) / 1000;
    return stats;
}

const char *link_endpoint(const struct link *link)
{
    return link->endpoint;
}

const char *link_complaint(const struct link *link)
{
    return link->complaint;
}
