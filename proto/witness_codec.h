/*
 * witness_codec -- what a node and the witness say to each other, checked.
 *
 * One request, one reply. Sizes are checked before anything is unpacked, and
 * every field's range before anything is believed; slices in the results are in
 * the arena. What may change in the messages: proto/README.md.
 */
#ifndef PROTO_WITNESS_CODEC_H
#define PROTO_WITNESS_CODEC_H

#include "node/base/arena.h"
#include "node/base/err.h"

#define WITNESS_VERSION       1U
#define WITNESS_VALUE_MAX     ((size_t) 48 * 1024)
#define WITNESS_CLUSTER_MAX   ((size_t) 63)
#define WITNESS_TEXT_MAX      ((size_t) 511)
#define WITNESS_IDENTITY_SIZE 16
/* Of any message; a larger one is not taken from the network at all. */
#define WITNESS_MESSAGE_MAX (2 * WITNESS_VALUE_MAX + 4096)
/* What unpacking takes from an arena at most. */
#define WITNESS_ARENA_MAX ((size_t) 256 * 1024)

enum witness_verb { /* these numbers never change */
    WITNESS_READ = 1,
    WITNESS_SWAP = 2
};

struct witness_request {
    uint64_t number;
    struct ts_slice cluster; /* see witness_is_cluster(); ends in NUL */
    enum witness_verb verb;
    struct ts_slice expected, value; /* of SWAP; `value` is not empty */
    struct ts_slice server; /* the identity that is meant; empty: any */
};

enum witness_status {    /* these numbers never change */
    WITNESS_VALUE = 1,   /* to READ */
    WITNESS_DONE = 2,    /* to SWAP: durable */
    WITNESS_LOST = 3,    /* to SWAP: another value is there */
    WITNESS_REFUSED = 4, /* certainly nothing was changed */
    WITNESS_UNKNOWN = 5, /* to SWAP: perhaps, and perhaps not durably */
    WITNESS_OTHER = 6    /* another one was meant: nothing was done */
};

struct witness_reply {
    uint64_t number;
    enum witness_status status;
    struct ts_slice value;    /* of VALUE; empty: nothing is there */
    struct ts_slice identity; /* WITNESS_IDENTITY_SIZE bytes */
    struct ts_slice machine;  /* the same, or empty: not known */
    struct ts_slice text;     /* printable; of REFUSED and UNKNOWN not empty */
};

/* A cluster's name: 1 to 63 of a-z A-Z 0-9 . _ -, not beginning with a dot, so
 * that it is also a file's name. */
bool witness_is_cluster(struct ts_slice name);

/* What packs also unpacks.
 * Errors   TS_E_LIMIT, TS_E_CONFIG (a field that could not be unpacked). */
TS_MUSTUSE enum ts_code
witness_request_pack(const struct witness_request *request,
                     struct ts_arena *arena, struct ts_slice *ret_bytes,
                     struct ts_err *err);
TS_MUSTUSE enum ts_code witness_reply_pack(const struct witness_reply *reply,
                                           struct ts_arena *arena,
                                           struct ts_slice *ret_bytes,
                                           struct ts_err *err);

/* Errors   TS_E_PROTOCOL (not this message, a field out of its range),
 *          TS_E_LIMIT, TS_E_VERSION. */
TS_MUSTUSE enum ts_code
witness_request_unpack(struct ts_slice bytes, struct ts_arena *arena,
                       struct witness_request *ret_request, struct ts_err *err);
TS_MUSTUSE enum ts_code witness_reply_unpack(struct ts_slice bytes,
                                             struct ts_arena *arena,
                                             struct witness_reply *ret_reply,
                                             struct ts_err *err);

#endif
