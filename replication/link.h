/*
 * link -- the two nodes of a pair, connected.
 *
 * One ROUTER socket bound at our endpoint takes what the peer sends; one DEALER
 * connected to the peer's takes what we send. Both speak CURVE: we prove our
 * key, the peer proves its, and no other key gets further than the handshake.
 * What comes in is unpacked and checked (proto/wire_codec.h) and handed to the
 * owner as structs; what is damaged, replayed or not the peer's is dropped and
 * counted here.
 *
 *            ours                                 the peer's
 *   link_send --> DEALER ==== CURVE ====> ROUTER --> heard()
 *      heard() <-- ROUTER <=== CURVE ==== DEALER <-- link_send
 *
 * Heartbeats are the owner's to send and to read; the link answers each, which
 * gives the round trip, and adds how long it has heard nothing, so that both
 * nodes see a silence in one direction.
 *
 * A guest is a key that may say one thing: a node that joins (pairing.h). What
 * it says is given to the owner as bytes, and is never taken for a message.
 *
 * Invariants:
 *   K1  a message reaches heard() only if its connection proved the peer's key
 *       (User-Id of that message), it says the peer's name, and its number is
 *       higher than any before it in its session. A session that another one
 *       has followed does not come back.
 *   K2  nothing waits without bound: LINK_QUEUE_MAX messages each way, then
 *       link_send() says so; what could not be sent before a connection was
 *       lost is forgotten, never delivered later.
 *   K3  nothing blocks, and a step ends after LINK_STEP_MAX messages.
 *   K4  whoever is refused is counted, and told to the owner with address and
 *       reason, at most LINK_STRANGERS_TOLD a minute.
 *
 * One thread. Clocks are read here, for figures only: no rule rests on them.
 */
#ifndef REPLICATION_LINK_H
#define REPLICATION_LINK_H

#include "node/base/time.h"
#include "proto/wire_codec.h"
#include "replication/certificate.h"
#include "replication/zap.h"

#define LINK_QUEUE_MAX      32 /* messages of at most WIRE_FRAME_MAX, each way */
#define LINK_STEP_MAX       16
#define LINK_STRANGERS_TOLD 10 /* a minute */
#define LINK_GUESTS_MAX     4
#define LINK_ENDPOINT_SIZE  128
#define LINK_GUEST_MAX      ((size_t) 4096) /* bytes that a guest may say */

struct link;

struct link_guest_message {
    struct ts_slice bytes;
    const char *address; /* where the guest is */
    const char *key;     /* its public key */
    uint32_t reply;      /* for link_reply() */
};

/* None of them may close the link; `met` may not call it at all. Those that
 * may be NULL say so. */
struct link_events {
    /* From the peer (K1). Everything in it is gone when this returns. */
    void (*heard)(void *context, const struct wire_message *message);
    /* Our connection to the peer came up or went down. */
    void (*changed)(void *context, bool is_up);
    /* The peer has proved its key to us, in a connection of its own; NULL: of
     * no interest. */
    void (*met)(void *context);
    /* Somebody was refused (K4); `key` is "" if none was shown, and then the
     * address may be "unknown". */
    void (*refused)(void *context, const char *address, const char *key,
                    const char *why);
    /* A guest said something; NULL: guests are not answered. */
    void (*guest)(void *context, const struct link_guest_message *message);
    void *context;
};

struct link_options {
    const struct certificate *own; /* borrowed until _open returns */
    struct zap *zap;               /* borrowed until _close */
    const char *endpoint;          /* tcp://ADDRESS:PORT, where we are bound */
    const char *peer_name, *peer_endpoint; /* copied */
    const char *peer_key; /* public; NULL: not paired yet, link_meet() later */
    struct wire_id boot;  /* of this process */
    int64_t heartbeat_ms; /* a dead connection is given up after three */
    struct link_events events;
};

/* Bind, and start to connect.
 * Owns     close with link_close().
 * Errors   TS_E_CONFIG (an endpoint that is none, or not of this host),
 *          TS_E_CONFLICT (the endpoint is in use), TS_E_NOMEM, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code link_open(const struct link_options *options,
                                  struct link **ret_link, struct ts_err *err);
void link_close(struct link *link); /* NULL is fine; forgets what is queued */

/* The peer has (another) key from now on: connections that proved the one
 * before are no longer believed.
 * Errors   TS_E_CONFIG, TS_E_NOMEM; then there is no peer. */
TS_MUSTUSE enum ts_code link_meet(struct link *link, const char *peer_key,
                                  struct ts_err *err);

/* There is no peer any more, until link_meet(). */
void link_forget(struct link *link);

/* Another node is the peer from now on; it takes the place of the one before,
 * which is a stranger then. `name` is one of a node.
 * Errors   as link_meet(). */
TS_MUSTUSE enum ts_code link_turn(struct link *link, const char *name,
                                  const char *endpoint, const char *key,
                                  struct ts_err *err);

/* Of the reactor: readable when there is something to do. */
int link_fd(const struct link *link);
void link_step(struct link *link, struct ts_time now);
/* When _step wants to be called even though nothing is readable. */
struct ts_time link_deadline(const struct link *link);

/* Send to the peer. The link fills in version, sender, boot, session and
 * number of the header, and number and heard_ms of a heartbeat.
 * Errors   TS_E_UNREACHABLE (no connection), TS_E_TIMEOUT (K2: the peer does
 *          not read), and those of wire_pack(). Not sent is not sent later. */
TS_MUSTUSE enum ts_code link_send(struct link *link,
                                  const struct wire_message *message,
                                  struct ts_err *err);

/* A key that may knock as a guest until `until`.
 * Errors   TS_E_LIMIT (LINK_GUESTS_MAX), TS_E_CONFIG (no key). */
TS_MUSTUSE enum ts_code link_invite(struct link *link, const char *key,
                                    struct ts_time until, struct ts_err *err);
/* At once, for connections that are there as well. "" for every guest. */
void link_dismiss(struct link *link, const char *key);
/* Answer what a guest said; lost if the guest has gone. */
void link_reply(struct link *link, uint32_t reply, struct ts_slice bytes);

struct link_stats {
    bool is_up;             /* our connection to the peer */
    bool is_met;            /* the peer's to us, with its own key, ever */
    int64_t silent_ms;      /* since the peer was heard; -1: never */
    int64_t unanswered_ms;  /* age of the oldest unanswered heartbeat; 0 none */
    int64_t round_trip_us;  /* of the last heartbeat answered; -1: none */
    int64_t peer_silent_ms; /* what the peer says of us; -1: never heard us */
    uint64_t sent, received; /* messages */
    uint64_t sent_bytes, received_bytes;
    uint64_t connects;   /* how often our connection came up */
    uint64_t full;       /* not sent: K2 */
    uint64_t knocks;     /* connections to our endpoint, */
    uint64_t handshakes; /* those that got through the handshake, */
    uint64_t strangers;  /* and those that were refused */
    uint64_t replayed, corrupt, foreign; /* messages dropped: an old number or
                                            session, damaged, not the peer's */
    uint64_t versions; /* messages dropped: of another version */
    uint64_t unknown_bodies, unknown_fields; /* passed over */
};

struct link_stats link_stats(const struct link *link);
/* Where we are bound: with the port, if that was left to the system. */
const char *link_endpoint(const struct link *link);
/* The sentence of the last message that was dropped as corrupt or of another
 * version; "" if none was. */
const char *link_complaint(const struct link *link);

#endif
