/* links.h -- two links in one process, over TCP on the loopback, and strangers
 * who knock at them. */
#ifndef TESTS_LIB_LINKS_H
#define TESTS_LIB_LINKS_H

#include <czmq.h>

#include "replication/link.h"

#define LINKS_HEARD_MAX 64

/* One end, and what happened to it. */
struct end {
    const char *name;
    struct certificate own;
    struct link *link; /* NULL: its process is dead */
    char endpoint[64];
    int64_t heartbeat_ms;
    unsigned heard, kinds[WIRE_KINDS_COUNT];
    uint64_t numbers[LINKS_HEARD_MAX]; /* of Applied: what was heard */
    unsigned ups, downs;
    unsigned refused;
    char address[ZAP_ADDRESS_SIZE], key[CERTIFICATE_TEXT_SIZE], why[128];
    unsigned guests;
    struct link_guest_message guest;
    char guest_bytes[64];
};

struct links {
    struct zap *zap;
    struct end alpha, beta;
    struct proxy *proxy; /* of alpha's connection to beta; NULL: none */
};

/* Names, keys and free ports; nothing is open yet. */
void links_make(struct links *links);
void links_done(struct links *links);

/* Open `end` to `peer`; is_paired: it knows the peer's key. Alpha goes through
 * the proxy, if there is one. */
void links_start(struct links *links, struct end *end, const struct end *peer,
                 bool is_paired);
void links_stop(struct end *end);
/* Both, and wait until both connections are up. */
void links_connect(struct links *links);

/* Step everything until `is_true` or 10 seconds have passed: then fail. */
void links_until(struct links *links, bool (*is_true)(struct links *));
/* Step everything for so long: for what must not happen. */
void links_for(struct links *links, int64_t ms);

/* An Applied whose seq is `number`. */
enum ts_code links_say(struct end *end, int64_t number, struct ts_err *err);

/* A DEALER at `to` with these keys; NULL: no CURVE at all. */
zsock_t *links_knock(const struct end *to, const struct certificate *with);
/* A TCP connection to `to`. */
int links_dial(const struct end *to);

/* Put a proxy between alpha and beta's endpoint, before links_start(). */
void links_proxy(struct links *links);
/* Nothing that alpha says gets through any more. */
void links_mute(struct links *links);

#endif
