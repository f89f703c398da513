/* What comes in: whose it is, whether it is new and sound, and who gets it. */
#include "replication/link_private.h"

/* Of one message: [identity][bytes], as the ROUTER socket hands it out. */
struct arrival {
    zmq_msg_t identity, body;
    bool is_one; /* exactly these two frames */
};

static void arrival_done(struct arrival *arrival)
{
    (void) zmq_msg_close(&arrival->identity);
    (void) zmq_msg_close(&arrival->body);
}

/* False: nothing there. Call arrival_done() in either case. */
static bool arrival_read(zsock_t *socket, struct arrival *arrival)
{
    void *raw = zsock_resolve(socket);
    (void) zmq_msg_init(&arrival->identity);
    (void) zmq_msg_init(&arrival->body);
    arrival->is_one = false;
    if (zmq_msg_recv(&arrival->identity, raw, ZMQ_DONTWAIT) < 0) {
        return false;
    }
    bool has_body = zmq_msg_more(&arrival->identity) != 0 &&
                    zmq_msg_recv(&arrival->body, raw, ZMQ_DONTWAIT) >= 0;
    arrival->is_one = has_body && zmq_msg_more(&arrival->body) == 0;
    bool is_more = has_body && !arrival->is_one;
    while (is_more) {
        zmq_msg_t rest;
        (void) zmq_msg_init(&rest);
        is_more = zmq_msg_recv(&rest, raw, ZMQ_DONTWAIT) >= 0 &&
                  zmq_msg_more(&rest) != 0;
        (void) zmq_msg_close(&rest);
    }
    return true;
}

static const char *meta(struct arrival *arrival, const char *property)
{
    const char *value = zmq_msg_gets(&arrival->body, property);
    return value == NULL ? "" : value;
}

static struct ts_slice body_of(struct arrival *arrival)
{
    return ts_slice(zmq_msg_data(&arrival->body), zmq_msg_size(&arrival->body));
}

/* ---- of the peer --------------------------------------------------------- */

static void answer_heartbeat(struct link *link,
                             const struct wire_heartbeat *heartbeat)
{
    struct wire_message reply = { .kind = WIRE_HEARTBEAT_REPLY };
    reply.heartbeat_reply.number = heartbeat->number;
    link->stats.peer_silent_ms = heartbeat->heard_ms;
    /* A reply that is lost shows as unanswered there. */
    enum ts_code ignored = link_send(link, &reply, NULL);
    (void) ignored;
}

static void take_reply(struct link *link, uint64_t number)
{
    struct link_beat *beat = &link->beats[number % LINK_BEATS_MAX];
    if (number == 0 || beat->number != number) {
        return; /* long ago, or never asked */
    }
    link->stats.round_trip_us = link_now_us() - beat->sent_us;
    link->unanswered_us = 0;
    for (size_t i = 0; i < LINK_BEATS_MAX; i++) {
        struct link_beat *other = &link->beats[i];
        if (other->number <= number) {
            other->number = 0;
        } else if (link->unanswered_us == 0 ||
                   other->sent_us < link->unanswered_us) {
            link->unanswered_us = other->sent_us;
        }
    }
}

static void complain(struct link *link, uint64_t *counter,
                     const struct ts_err *err)
{
    (*counter)++;
    memcpy(link->complaint, err->text, sizeof link->complaint);
}

static void deliver(struct link *link, const struct wire_message *message,
                    struct ts_time now)
{
    link->heard_ms = now.ms;
    link->stats.unknown_fields += message->unknown_fields;
    if (message->kind == WIRE_UNKNOWN) {
        link->stats.unknown_bodies++;
    } else if (message->kind == WIRE_HEARTBEAT_REPLY) {
        take_reply(link, message->heartbeat_reply.number);
    } else {
        if (message->kind == WIRE_HEARTBEAT) {
            answer_heartbeat(link, &message->heartbeat);
        }
        link->events.heard(link->events.context, message);
    }
}

static void from_peer(struct link *link, struct ts_slice bytes,
                      struct ts_time now)
{
    struct wire_message message;
    struct ts_err err;
    ts_arena_reset(&link->taken);
    enum ts_code code = wire_unpack(bytes, &link->taken, &message, &err);
    if (code != TS_OK) {
        complain(link,
                 code == TS_E_VERSION ? &link->stats.versions
                                      : &link->stats.corrupt,
                 &err);
    } else if (strcmp(message.header.sender, link->peer_name) != 0) {
        link->stats.foreign++;
    } else if (!inbox_take(&link->inbox, message.header.session,
                           message.header.number)) {
        link->stats.replayed++;
    } else {
        link->stats.received++;
        link->stats.received_bytes += bytes.size;
        deliver(link, &message, now);
    }
}

/* ---- of a guest ---------------------------------------------------------- */

static void from_guest(struct link *link, struct arrival *arrival,
                       const char *key)
{
    size_t size = zmq_msg_size(&arrival->identity);
    struct link_reply *reply = &link->replies[link->reply % LINK_REPLIES_MAX];
    if (link->events.guest == NULL || zmq_msg_size(&arrival->body) == 0 ||
        zmq_msg_size(&arrival->body) > LINK_GUEST_MAX ||
        size > sizeof reply->identity) {
        link->stats.corrupt++;
        return;
    }
    link->reply++;
    reply->number = link->reply;
    reply->size = size;
    memcpy(reply->identity, zmq_msg_data(&arrival->identity), size);
    struct link_guest_message message = {
        .bytes = body_of(arrival),
        .address = meta(arrival, "Peer-Address"),
        .key = key,
        .reply = reply->number,
    };
    link->events.guest(link->events.context, &message);
}

/* The key is asked for again here: the peer's may have changed, and a guest may
 * have been dismissed, since the handshake. */
static void take(struct link *link, struct arrival *arrival, struct ts_time now)
{
    const char *key = meta(arrival, "User-Id");
    bool is_peer =
        link->peer_key[0] != '\0' && strcmp(key, link->peer_key) == 0;
    if (!arrival->is_one) {
        link->stats.corrupt++;
    } else if (is_peer) {
        from_peer(link, body_of(arrival), now);
    } else if (link_is_guest(link, key, now)) {
        from_guest(link, arrival, key);
    } else {
        link->stats.foreign++;
    }
}

bool link_receive(struct link *link, struct ts_time now)
{
    for (int i = 0; i < LINK_STEP_MAX; i++) {
        struct arrival arrival;
        if ((zsock_events(link->router) & ZMQ_POLLIN) == 0) {
            return false;
        }
        if (arrival_read(link->router, &arrival)) {
            take(link, &arrival, now);
        }
        arrival_done(&arrival);
    }
    return true;
}
