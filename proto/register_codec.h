/*
 * register_codec -- the register's value to bytes and back, checked.
 *
 * The value is a plain struct without pointers: copied by assignment, compared
 * through its bytes. Packing is canonical, so that one node's compare-and-swap
 * can expect what the other has written; a swap compares whole values.
 *
 *   V1  serial grows with every write, so every renewal changes the bytes.
 *   V2  epoch, membership and serial never decrease while the id stays.
 *   V3  every principal that may still be admitted is listed. The holder's own
 *       is the one of value.epoch, if that epoch has one.
 *   V4  no time stamp that anything rests on: what a value says about time are
 *       ages at its write. (When a node was retired is told to people.)
 *   V5  who is retired is neither voter nor learner.
 *   V6  what a newer version of the other node wrote in fields that this one
 *       does not know is written back as it was read. (New fields take numbers
 *       above all others, so that the bytes stay canonical.)
 *
 * V1 and V2 are kept by node/cluster; checked here are sizes, counts and texts.
 */
#ifndef PROTO_REGISTER_CODEC_H
#define PROTO_REGISTER_CODEC_H

#include "node/base/arena.h"
#include "node/base/err.h"

#define REGISTER_FORMAT         1
#define REGISTER_VALUE_SIZE_MAX ((size_t) 48 * 1024)
/* What register_pack and register_unpack take from an arena at the most. */
#define REGISTER_ARENA_SIZE ((size_t) 256 * 1024)

#define REGISTER_ID_SIZE        16
#define REGISTER_HASH_SIZE      32
#define REGISTER_NAME_SIZE      64  /* a node's name, with its NUL */
#define REGISTER_CLIENT_SIZE    256 /* a principal's id, with its NUL */
#define REGISTER_SEALED_MAX     2048
#define REGISTER_PRINCIPALS_MAX 8
#define REGISTER_VOTERS_MAX     2
#define REGISTER_TAKEOVERS_MAX  3
#define REGISTER_HANDOVER_MAX   8192
#define REGISTER_SERVER_MAX     512
#define REGISTER_RETIRED_MAX    4   /* the youngest; older ones are forgotten */
#define REGISTER_REASON_SIZE    256 /* with its NUL */
#define REGISTER_KEY_SIZE       32
#define REGISTER_UNKNOWN_MAX    2048
/* Epochs, generations and seqs stay within SQLite's integers. */
#define REGISTER_NUMBER_MAX ((uint64_t) INT64_MAX)

/* What a principal is; the numbers never change. */
enum register_kind {
    REGISTER_KIND_NONE = 0,  /* the target cannot fence: nothing to revoke */
    REGISTER_KIND_OAUTH = 1, /* a client of its own, RFC 7591 */
    REGISTER_KIND_EXEC = 2,  /* made and fenced by the operator's command */
    REGISTER_KINDS
};

/* A place in the history of the replicated tables, journal.h. */
struct register_position {
    uint64_t generation, epoch, seq;
    uint8_t sum[REGISTER_HASH_SIZE];
};

struct register_principal {
    uint64_t epoch;
    enum register_kind kind;
    char node[REGISTER_NAME_SIZE];
    char id[REGISTER_CLIENT_SIZE];
    size_t sealed_size;
    uint8_t sealed[REGISTER_SEALED_MAX];
    /* All zero: it never received a token. */
    uint8_t token_hash[REGISTER_HASH_SIZE];
    uint32_t token_lifetime_s;
};

/* A node that was a member once, and is no more. */
struct register_retired {
    char node[REGISTER_NAME_SIZE];
    uint64_t membership; /* the first member list without it */
    uint64_t at_s;       /* since 1970, for people; 0: not known */
    char actor[REGISTER_NAME_SIZE], reason[REGISTER_REASON_SIZE];
    bool wipe;                      /* it is to destroy what it knows */
    uint8_t key[REGISTER_KEY_SIZE]; /* of its link; zero: not known */
};

struct register_value {
    uint8_t id[REGISTER_ID_SIZE];
    uint64_t serial;

    uint64_t membership; /* generation of the member list */
    size_t voter_count;
    char voters[REGISTER_VOTERS_MAX][REGISTER_NAME_SIZE];
    char learner[REGISTER_NAME_SIZE]; /* "": none */

    uint64_t epoch;
    char holder[REGISTER_NAME_SIZE]; /* "": nobody has held it yet */
    uint8_t boot[REGISTER_ID_SIZE];  /* of the holder's process */
    bool released;                   /* nobody exports in this epoch */
    bool planned;                    /* its holder gave it up on purpose */
    bool fenced;                     /* every principal below it is gone */
    size_t principal_count;
    struct register_principal principals[REGISTER_PRINCIPALS_MAX];

    bool is_unprotected;
    struct register_position unprotected_since;
    struct register_position position; /* the holder's, at this write */
    uint32_t level;                    /* schema level that writers use */
    uint64_t data_generation;

    bool paused;            /* by an operator: nothing is exported */
    uint64_t pause_left_ms; /* at this write; 0: until resumed */

    /* Unplanned takeovers, youngest first: how long ago, at this write. */
    size_t takeover_count;
    uint64_t takeover_ages_ms[REGISTER_TAKEOVERS_MAX];

    size_t retired_count;
    struct register_retired retired[REGISTER_RETIRED_MAX]; /* youngest first */

    size_t handover_size;
    uint8_t handover[REGISTER_HANDOVER_MAX];
    size_t server_size; /* pinned identity of an LDAP server */
    uint8_t server[REGISTER_SERVER_MAX];
    size_t unknown_size; /* fields of a newer version, as on the wire (V6) */
    uint8_t unknown[REGISTER_UNKNOWN_MAX];
};

/* Canonical bytes, in `arena`. What packs also unpacks.
 * Errors   TS_E_LIMIT (REGISTER_VALUE_SIZE_MAX, a count or the arena),
 *          TS_E_PROTOCOL (a text without its NUL or not UTF-8). */
TS_MUSTUSE enum ts_code register_pack(const struct register_value *value,
                                      struct ts_arena *arena,
                                      struct ts_slice *ret_bytes,
                                      struct ts_err *err);

/* Errors   TS_E_CORRUPT (not this message, a size or text that cannot be),
 *          TS_E_LIMIT, TS_E_VERSION (of a newer format, or with more new fields
 *          than it could keep: this node must not write it back). On error
 * *ret_value is untouched. Unused bytes of the result are zero, so equal values
 * are equal in memory. */
TS_MUSTUSE enum ts_code register_unpack(struct ts_slice bytes,
                                        struct ts_arena *arena,
                                        struct register_value *ret_value,
                                        struct ts_err *err);

/* The principal of `epoch`, or NULL. */
const struct register_principal *
register_principal_of(const struct register_value *value, uint64_t epoch);

/* Whether `node` is listed as a voter. */
bool register_has_voter(const struct register_value *value, const char *node);
/* Voter or learner. */
bool register_has_member(const struct register_value *value, const char *node);
/* NULL: it was never retired, joined anew, or that is long ago. */
const struct register_retired *
register_retired_of(const struct register_value *value, const char *node);

#endif
