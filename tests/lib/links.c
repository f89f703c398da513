#include "tests/lib/links.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "node/base/zeromq.h"
#include "tests/lib/test.h"

#define WAIT_MS 10000

/* ---- addresses ----------------------------------------------------------- */

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int listen_anywhere(uint16_t *ret_port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
    } at = { .v4 = loopback(0) };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &at.any, sizeof at.v4), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, &at.any, &size), 0);
    *ret_port = ntohs(at.v4.sin_port);
    return fd;
}

static void choose_endpoint(char endpoint[static 64])
{
    uint16_t port = 0;
    (void) close(listen_anywhere(&port));
    (void) snprintf(endpoint, 64, "tcp://127.0.0.1:%u", port);
}

static int dial(const char *endpoint)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
    } at = { .v4 = loopback(
                 (uint16_t) strtoul(strrchr(endpoint, ':') + 1, NULL, 10)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &at.any, sizeof at.v4), 0);
    return fd;
}

int links_dial(const struct end *to)
{
    return dial(to->endpoint);
}

/* ---- the proxy ----------------------------------------------------------- */

struct proxy {
    int listener, client, server; /* -1: none */
    char endpoint[64];
    const struct end *to;
    bool is_mute;
};

void links_proxy(struct links *links)
{
    uint16_t port = 0;
    links->proxy = calloc(1, sizeof *links->proxy);
    assert_non_null(links->proxy);
    links->proxy->listener = listen_anywhere(&port);
    links->proxy->client = links->proxy->server = -1;
    links->proxy->to = &links->beta;
    (void) snprintf(links->proxy->endpoint, sizeof links->proxy->endpoint,
                    "tcp://127.0.0.1:%u", port);
}

void links_mute(struct links *links)
{
    links->proxy->is_mute = true;
}

/* Small pieces, so that a blocking send of them never blocks for long. */
static void pass(int from, int to)
{
    char bytes[4096];
    struct pollfd ready = { .fd = from, .events = POLLIN };
    while (from >= 0 && to >= 0 && poll(&ready, 1, 0) > 0) {
        ssize_t n = recv(from, bytes, sizeof bytes, 0);
        if (n <= 0 || send(to, bytes, (size_t) n, MSG_NOSIGNAL) != n) {
            return;
        }
    }
}

static void step_proxy(struct proxy *proxy)
{
    struct pollfd ready = { .fd = proxy->listener, .events = POLLIN };
    if (proxy->client < 0 && proxy->to->link != NULL &&
        poll(&ready, 1, 0) > 0) {
        proxy->client = accept(proxy->listener, NULL, NULL);
        proxy->server = dial(proxy->to->endpoint);
    }
    if (!proxy->is_mute) {
        pass(proxy->client, proxy->server);
    }
    pass(proxy->server, proxy->client);
}

static void free_proxy(struct proxy *proxy)
{
    if (proxy != NULL) {
        (void) close(proxy->listener);
        (void) (proxy->client < 0 ? 0 : close(proxy->client));
        (void) (proxy->server < 0 ? 0 : close(proxy->server));
        free(proxy);
    }
}

/* ---- what happens -------------------------------------------------------- */

static void heard(void *context, const struct wire_message *message)
{
    struct end *end = context;
    if (message->kind == WIRE_APPLIED && end->heard < LINKS_HEARD_MAX) {
        end->numbers[end->heard] = (uint64_t) message->applied.position.seq;
        end->heard++;
    }
    end->kinds[message->kind]++;
}

static void changed(void *context, bool is_up)
{
    struct end *end = context;
    end->ups += is_up;
    end->downs += !is_up;
}

static void refused(void *context, const char *address, const char *key,
                    const char *why)
{
    struct end *end = context;
    end->refused++;
    (void) snprintf(end->address, sizeof end->address, "%s", address);
    (void) snprintf(end->key, sizeof end->key, "%s", key);
    (void) snprintf(end->why, sizeof end->why, "%s", why);
}

static void guest(void *context, const struct link_guest_message *message)
{
    struct end *end = context;
    end->guests++;
    end->guest = *message;
    (void) snprintf(end->guest_bytes, sizeof end->guest_bytes, "%.*s",
                    TS_SLICE_ARGS(message->bytes));
}

/* ---- ends ---------------------------------------------------------------- */

static void make_end(struct end *end, const char *name)
{
    struct ts_err err;
    end->name = name;
    end->heartbeat_ms = 60000; /* so that nothing but the test ends anything */
    assert_int_equal(certificate_draw(name, &end->own, &err), TS_OK);
    choose_endpoint(end->endpoint);
}

void links_make(struct links *links)
{
    struct ts_err err;
    *links = (struct links){ .zap = NULL };
    assert_int_equal(zap_new(&links->zap, &err), TS_OK);
    make_end(&links->alpha, "alpha");
    make_end(&links->beta, "beta");
}

void links_done(struct links *links)
{
    links_stop(&links->alpha);
    links_stop(&links->beta);
    free_proxy(links->proxy);
    zap_free(links->zap);
}

void links_start(struct links *links, struct end *end, const struct end *peer,
                 bool is_paired)
{
    bool is_proxied = links->proxy != NULL && end == &links->alpha;
    struct link_options options = {
        .own = &end->own,
        .zap = links->zap,
        .endpoint = end->endpoint,
        .peer_name = peer->name,
        .peer_endpoint = is_proxied ? links->proxy->endpoint : peer->endpoint,
        .peer_key = is_paired ? peer->own.public_key : NULL,
        .boot = { { (uint8_t) end->name[0], 1 } },
        .heartbeat_ms = end->heartbeat_ms,
        .events = { .heard = heard,
                    .changed = changed,
                    .refused = refused,
                    .guest = guest,
                    .context = end },
    };
    struct ts_err err = { 0 };
    struct ts_time deadline = ts_time_after(ts_time_now(), WAIT_MS);
    enum ts_code code;
    do { /* libzmq gives a port back some time after the socket's end */
        code = link_open(&options, &end->link, &err);
    } while (code == TS_E_CONFLICT &&
             !ts_time_reached(ts_time_now(), deadline));
    if (code != TS_OK) {
        fail_msg("%s", err.text);
    }
}

void links_stop(struct end *end)
{
    link_close(end->link);
    end->link = NULL;
}

static bool both_up(struct links *links)
{
    struct link_stats alpha = link_stats(links->alpha.link);
    struct link_stats beta = link_stats(links->beta.link);
    return alpha.is_up && beta.is_up && alpha.handshakes > 0 &&
           beta.handshakes > 0;
}

void links_connect(struct links *links)
{
    links_start(links, &links->alpha, &links->beta, true);
    links_start(links, &links->beta, &links->alpha, true);
    links_until(links, both_up);
}

/* ---- turning ------------------------------------------------------------- */

static void turn(struct links *links)
{
    struct pollfd fds[] = {
        { .fd = links->alpha.link == NULL ? -1 : link_fd(links->alpha.link),
          .events = POLLIN },
        { .fd = links->beta.link == NULL ? -1 : link_fd(links->beta.link),
          .events = POLLIN },
    };
    (void) poll(fds, 2, links->proxy == NULL ? 10 : 1);
    if (links->proxy != NULL) {
        step_proxy(links->proxy);
    }
    struct end *ends[] = { &links->alpha, &links->beta };
    struct ts_time now = ts_time_now();
    for (int i = 0; i < 2; i++) {
        if (ends[i]->link != NULL &&
            (fds[i].revents != 0 ||
             ts_time_reached(now, link_deadline(ends[i]->link)))) {
            link_step(ends[i]->link, now);
        }
    }
}

void links_until(struct links *links, bool (*is_true)(struct links *))
{
    struct ts_time deadline = ts_time_after(ts_time_now(), WAIT_MS);
    while (!is_true(links)) {
        assert_false(ts_time_reached(ts_time_now(), deadline));
        turn(links);
    }
}

void links_for(struct links *links, int64_t ms)
{
    struct ts_time deadline = ts_time_after(ts_time_now(), ms);
    while (!ts_time_reached(ts_time_now(), deadline)) {
        turn(links);
    }
}

enum ts_code links_say(struct end *end, int64_t number, struct ts_err *err)
{
    struct wire_message message = { .kind = WIRE_APPLIED };
    message.applied.position.seq = number;
    return link_send(end->link, &message, err);
}

zsock_t *links_knock(const struct end *to, const struct certificate *with)
{
    zsock_t *socket = zsock_new(ZMQ_DEALER);
    assert_non_null(socket);
    zsock_set_linger(socket, 0);
    if (with != NULL) {
        zsock_set_curve_publickey(socket, with->public_key);
        zsock_set_curve_secretkey(socket, with->secret_key);
        zsock_set_curve_serverkey(socket, to->own.public_key);
    }
    assert_int_equal(zmq_connect(zsock_resolve(socket), to->endpoint), 0);
    return socket;
}
