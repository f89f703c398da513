/*
 * wire_codec -- what nodes say to each other, as structs and as bytes.
 *
 * One message is one Envelope (proto/wire.proto): a header and one body. Every
 * size and range is checked in both directions, so that whoever gets a struct
 * wire_message need not look again: names are short text, ids have their
 * length, numbers are not negative, enough of everything is there.
 *
 *   bytes --(size, protobuf, versions, ranges)--> wire_message --> a machine
 *
 * Invariants:
 *   W1  nothing is unpacked that is larger than WIRE_FRAME_MAX.
 *   W2  what packs also unpacks, to an equal message.
 *   W3  a field or body that this version does not know is passed over and
 *       counted; it is never a reason to refuse a message. A message that says
 *       that we are too old for it (version_min) is refused with TS_E_VERSION.
 *
 * Who sent the bytes is not known here: replication/link has checked that
 * before. Whether header.cluster, epoch and boot are those of the cluster is
 * the receiving machine's question: they change while messages are on the way.
 */
#ifndef PROTO_WIRE_CODEC_H
#define PROTO_WIRE_CODEC_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/hash.h"

#define WIRE_VERSION     1 /* what this build speaks */
#define WIRE_VERSION_MIN 1 /* the oldest that it still understands */
/* WIRE_VERSION; in a build with fail-points TWINSYNC_TEST_WIRE plays another
 * one, so that a test has two versions that talk. */
uint32_t wire_version(void);

#define WIRE_FRAME_MAX     ((size_t) 4 * 1024 * 1024)
#define WIRE_ID_SIZE       16
#define WIRE_SUM_SIZE      32
#define WIRE_NAME_MAX      63  /* bytes of a node's or source's name */
#define WIRE_TEXT_MAX      511 /* bytes of a sentence */
#define WIRE_SECRET_MAX    ((size_t) 24 * 1024) /* a record, sealed */
#define WIRE_SECRET_NAME   127  /* bytes of a credential's name */
#define WIRE_KEY_MAX       1024 /* bytes of an anchor, a target's id, an op */
#define WIRE_ROWS_MAX      4096 /* in one message */
#define WIRE_HINTS_MAX     4096
#define WIRE_TAILS_MAX     4096 /* messages of one tail */
#define WIRE_CHANGESET_MAX ((uint64_t) 256 * 1024 * 1024)
#define WIRE_CHUNK_SIZE    ((size_t) 1024 * 1024) /* but for the last */
#define WIRE_CHUNK_MAX     ((size_t) 1088 * 1024) /* 1 MiB that does not pack */
#define WIRE_CHUNKS_MAX    65536                  /* of a snapshot */
#define WIRE_LEVEL_MAX     1000000
#define WIRE_GATES_MAX     24 /* of a preflight */

/* A random name of 16 bytes: of a cluster, a start, a snapshot, a nonce. */
struct wire_id {
    uint8_t bytes[WIRE_ID_SIZE];
};

bool wire_id_equal(struct wire_id a, struct wire_id b);
bool wire_id_is_zero(struct wire_id id);

struct wire_position {
    int64_t generation, epoch, seq;
    uint32_t level;
    uint8_t sum[WIRE_SUM_SIZE]; /* of no rows: all zero */
};

/* In the order of their numbers in Envelope. */
#define WIRE_KINDS(X)                   \
    X(HELLO, hello)                     \
    X(HEARTBEAT, heartbeat)             \
    X(HEARTBEAT_REPLY, heartbeat_reply) \
    X(PROMISE_REQUEST, promise_request) \
    X(PROMISE_GRANT, promise_grant)     \
    X(PROMISE_REFUSAL, promise_refusal) \
    X(FOLLOW_FROM, follow_from)         \
    X(ROWS, rows)                       \
    X(APPLIED, applied)                 \
    X(SNAPSHOT_OFFER, snapshot_offer)   \
    X(SNAPSHOT_WANT, snapshot_want)     \
    X(SNAPSHOT_CHUNK, snapshot_chunk)   \
    X(DIVERGED, diverged)               \
    X(TAIL, tail)                       \
    X(TAIL_TAKEN, tail_taken)           \
    X(REFUSED, refused)                 \
    X(SECRET, secret)                   \
    X(SECRET_KEPT, secret_kept)         \
    X(PREFLIGHT_ASK, preflight_ask)     \
    X(PREFLIGHT, preflight)

enum wire_kind {
    WIRE_UNKNOWN, /* a body that this version does not know: pass it over */
#define WIRE_KIND_ENUM(NAME, member) WIRE_##NAME,
    WIRE_KINDS(WIRE_KIND_ENUM)
#undef WIRE_KIND_ENUM
    WIRE_KINDS_COUNT
};

/* "heartbeat", for logs. */
const char *wire_kind_text(enum wire_kind kind);
/* The number of its field in Envelope; 0 for WIRE_UNKNOWN. */
uint32_t wire_kind_field(enum wire_kind kind);

/* The link fills version, version_min, session and number. */
struct wire_header {
    uint32_t version, version_min;
    struct wire_id cluster; /* all zero: not known yet */
    const char *sender;
    struct wire_id boot;
    int64_t epoch;
    uint64_t session, number;
    uint64_t stream;    /* a follower's question; 0: of none */
    int64_t membership; /* generation of the member list */
};

struct wire_hello {
    const char *release;
    uint32_t level_max;
    struct ts_hash config_hash, machine_hash;
};

struct wire_heartbeat {
    uint64_t number;
    uint32_t role; /* below 256; a role that is not known is none */
    struct wire_position position;
    uint32_t level, level_max;
    struct ts_hash config_hash;
    bool fit, equal, paused, maintenance, wants_lease, wiped;
    uint64_t gates; /* a bit for each gate that is closed */
    uint64_t register_serial;
    int64_t register_age_ms; /* since the sender saw the value change */
    int64_t heard_ms; /* since the sender heard the receiver; -1: never */
};

struct wire_heartbeat_reply {
    uint64_t number;
};

/* The grant repeats the request, each field. */
struct wire_promise {
    uint64_t number;
    int64_t epoch;
    struct wire_id boot;
    int64_t membership;
    struct wire_id nonce;
};

struct wire_promise_refusal {
    struct wire_promise request;
    const char *text;
};

struct wire_follow_from {
    struct wire_position position;
    uint64_t credit; /* bytes of changesets that may be on their way */
    uint32_t level_max;
};

/* A whole row: offset 0 and changeset.size == size. A mark has no bytes. */
struct wire_row {
    bool is_mark;
    int64_t generation, epoch, seq, at;
    uint32_t level;
    uint8_t pre_sum[WIRE_SUM_SIZE], post_sum[WIRE_SUM_SIZE];
    struct ts_slice changeset;
    uint64_t offset, size;
};

struct wire_rows {
    size_t count; /* 0: only the leader's position */
    struct wire_row *rows;
    struct wire_position leader;
};

struct wire_applied {
    struct wire_position position;
    uint64_t received, consumed;
};

/* Why a leader cannot go on from a position. Numbers never change; an unknown
 * one is UNKNOWN. */
enum wire_divergence {
    WIRE_DIVERGED_UNKNOWN, /* not a row of its history */
    WIRE_DIVERGED_TOO_OLD, /* the rows behind it are gone */
    WIRE_DIVERGED_NO_STATE,
    WIRE_DIVERGENCES
};

struct wire_diverged {
    enum wire_divergence why;
    bool fork_known;
    struct wire_position fork;
};

struct wire_snapshot_offer {
    struct wire_id id;
    struct wire_position position;
    uint64_t file_size;
    size_t chunk_count; /* each of 1 MiB, but for the last */
    const struct ts_hash *chunk_hashes;
};

struct wire_snapshot_want {
    struct wire_id id; /* all zero: build one */
    uint32_t index, credit;
};

struct wire_snapshot_chunk {
    struct wire_id id;
    uint32_t index, raw_size;
    struct ts_slice data;
};

struct wire_hint {
    uint32_t kind;
    struct ts_slice anchor;
};

struct wire_tail {
    int64_t epoch;
    struct wire_id boot;
    uint32_t index;
    bool last, cut;
    size_t count;
    struct wire_hint *hints;
};

struct wire_tail_taken {
    uint32_t index;
    bool accepted;
};

/* Why something was refused. Numbers never change; an unknown one is OTHER. */
enum wire_refusal {
    WIRE_REFUSED_OTHER,
    WIRE_REFUSED_DIVERGED,   /* the position is not in our lineage */
    WIRE_REFUSED_TRIMMED,    /* the rows after it are gone: take a snapshot */
    WIRE_REFUSED_EPOCH,      /* below the highest that we know */
    WIRE_REFUSED_NOT_LEADER, /* ask the other one */
    WIRE_REFUSED_SNAPSHOT,   /* no such snapshot (any more) */
    WIRE_REFUSED_LEVEL,      /* our levels do not fit */
    WIRE_REFUSED_MEMBER,     /* you are no member (any more) */
    WIRE_REFUSED_BUSY,       /* not now: ask again */
    WIRE_REFUSALS
};

struct wire_refused {
    enum wire_refusal refusal;
    enum wire_kind about; /* WIRE_UNKNOWN: nothing particular */
    const char *text;
};

struct wire_secret {
    uint64_t number;
    const char *name;
    struct ts_hash account; /* all zero: of none */
    struct ts_slice sealed;
};

/* What became of a secret there. Numbers never change; an unknown one is
 * REFUSED. */
enum wire_secret_outcome {
    WIRE_SECRET_REFUSED, /* `text` says why; nothing has changed there */
    WIRE_SECRET_IS_KEPT, /* durable */
    WIRE_SECRET_OTHER,   /* that node uses another account: not its affair */
    WIRE_SECRET_STALE,   /* what it keeps is later; it gives that */
    WIRE_SECRET_OUTCOMES
};

struct wire_secret_kept {
    uint64_t number;
    const char *name;
    enum wire_secret_outcome outcome;
    const char *text;
};

struct wire_preflight_ask {
    uint64_t number;
};

struct wire_gate {
    const char *name;
    bool ok;
    const char *text;
};

struct wire_preflight {
    uint64_t number;
    int64_t clock_ms;
    const char *release;
    size_t count; /* 0: the gates are still being tried */
    struct wire_gate *gates;
};

/* The union's members are named as in WIRE_KINDS. Both promises that repeat
 * one another are struct wire_promise. */
struct wire_message {
    struct wire_header header;
    enum wire_kind kind;
    union {
        struct wire_hello hello;
        struct wire_heartbeat heartbeat;
        struct wire_heartbeat_reply heartbeat_reply;
        struct wire_promise promise_request, promise_grant;
        struct wire_promise_refusal promise_refusal;
        struct wire_follow_from follow_from;
        struct wire_rows rows;
        struct wire_applied applied;
        struct wire_snapshot_offer snapshot_offer;
        struct wire_snapshot_want snapshot_want;
        struct wire_snapshot_chunk snapshot_chunk;
        struct wire_diverged diverged;
        struct wire_tail tail;
        struct wire_tail_taken tail_taken;
        struct wire_refused refused;
        struct wire_secret secret;
        struct wire_secret_kept secret_kept;
        struct wire_preflight_ask preflight_ask;
        struct wire_preflight preflight;
    };
    uint32_t unknown_fields; /* passed over in unpacking, header and body */
};

/* May a node that speaks `ours` (and understands what is not older than
 * `ours_min`) read this message?
 * Errors   TS_E_VERSION: the sentence says which node is to be upgraded. */
TS_MUSTUSE enum ts_code wire_versions_fit(const struct wire_header *header,
                                          uint32_t ours, uint32_t ours_min,
                                          struct ts_err *err);

/* Pack into `arena`, which gets the bytes and nothing else. version and
 * version_min of 0 stand for this build's.
 * Errors   TS_E_PROTOCOL (a field breaks its range: the sentence names it),
 *          TS_E_LIMIT (WIRE_FRAME_MAX or the arena's maximum), TS_E_NOMEM. */
TS_MUSTUSE enum ts_code wire_pack(const struct wire_message *message,
                                  struct ts_arena *arena,
                                  struct ts_slice *ret_bytes,
                                  struct ts_err *err);

/* Unpack into `arena`: the message borrows nothing from `bytes`. Takes the
 * bytes' size and a few hundred bytes a row or hint.
 * Errors   TS_E_LIMIT, TS_E_CORRUPT (not this message, or a field breaks its
 *          range), TS_E_VERSION (W3, or older than WIRE_VERSION_MIN). On error
 *          *ret_message is untouched. */
TS_MUSTUSE enum ts_code wire_unpack(struct ts_slice bytes,
                                    struct ts_arena *arena,
                                    struct wire_message *ret_message,
                                    struct ts_err *err);

#endif
