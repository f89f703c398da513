/* link_private -- the link's insides, shared by its files only. */
#ifndef REPLICATION_LINK_PRIVATE_H
#define REPLICATION_LINK_PRIVATE_H

#include <czmq.h>

#include "replication/inbox.h"
#include "replication/link.h"
#include "replication/watch.h"

/* Heartbeats whose answer is still of interest. */
#define LINK_BEATS_MAX 16
/* Guests that may be answered. */
#define LINK_REPLIES_MAX 8
/* After the peer has not let us in, or a connection could not be begun. */
#define LINK_REDIAL_MS 500

struct link_beat {
    uint64_t number; /* 0: none */
    int64_t sent_us;
};

struct link_guest {
    char key[CERTIFICATE_TEXT_SIZE]; /* "": free */
    struct ts_time until;
};

struct link_reply {
    uint32_t number; /* 0: none */
    uint8_t identity[256];
    size_t size;
};

struct link {
    /* As opened. */
    struct certificate own;
    struct zap *zap;
    char name[CERTIFICATE_NAME_SIZE], peer_name[CERTIFICATE_NAME_SIZE];
    char peer_endpoint[LINK_ENDPOINT_SIZE];
    char endpoint[LINK_ENDPOINT_SIZE]; /* where we are bound */
    char domain[32];
    struct wire_id boot;
    int64_t heartbeat_ms;
    struct link_events events;

    /* Sockets, and who watches them. The dealer comes and goes. */
    int epoll_fd;
    zsock_t *router, *dealer;
    struct watch *router_watch, *dealer_watch;
    char peer_key[CERTIFICATE_TEXT_SIZE]; /* "": not paired yet */
    struct ts_time redial;                /* TS_NEVER: no need */
    bool has_more;                        /* a step ended at its limit */

    /* What comes and goes. */
    struct ts_arena taken, given; /* of one message each */
    uint64_t session, number;
    struct inbox inbox;
    uint64_t beat; /* number of the last heartbeat */
    struct link_beat beats[LINK_BEATS_MAX];
    int64_t unanswered_us; /* when the first such beat was sent; 0: none */
    int64_t heard_ms;      /* -1: never */
    struct link_guest guests[LINK_GUESTS_MAX];
    struct link_reply replies[LINK_REPLIES_MAX];
    uint32_t reply;
    struct ts_time told_since; /* K4: this minute's */
    unsigned told;
    struct link_stats stats;
    char complaint[512];
};

/* link_in.c: take what has arrived, at most LINK_STEP_MAX; more there? */
bool link_receive(struct link *link, struct ts_time now);

/* link.c */
int64_t link_now_us(void);
bool link_is_guest(const struct link *link, const char *key,
                   struct ts_time now);

#endif
