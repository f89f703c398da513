/*
 * etcd_codec -- etcd's JSON gateway (v3), to and from bytes. Pure.
 *
 * Keys and values are base64; 64-bit numbers are strings; a member that is zero
 * or false is left out, so that "not succeeded" and "no such key" are members
 * that are missing. What is there must have the right type: a false taken for
 * missing would be harmless, a missing one taken for true would not.
 *
 * Source   api-grpc-gateway of etcd 3.4 and 3.5 (rpc.proto, kv.proto).
 */
#ifndef NODE_REGISTER_ETCD_CODEC_H
#define NODE_REGISTER_ETCD_CODEC_H

#include "node/base/arena.h"
#include "node/base/err.h"

/* 48 KiB in base64 once, and what is around it. */
#define ETCD_ANSWER_MAX ((size_t) 128 * 1024)
/* What building or reading one document takes from an arena. */
#define ETCD_ARENA_MAX    ((size_t) 1024 * 1024)
#define ETCD_TOKEN_MAX    ((size_t) 8192)
#define ETCD_CLUSTER_SIZE 24 /* a 64-bit number in decimal, with NUL */

/* Requests, as C strings. Errors: NULL: out of memory. */
const char *etcd_authenticate(struct ts_arena *arena, const char *user,
                              const char *password);
const char *etcd_range(struct ts_arena *arena, const char *key);
/* `expected` empty: where the key is not. */
const char *etcd_swap(struct ts_arena *arena, const char *key,
                      struct ts_slice expected, struct ts_slice value);
/* A swap that nothing satisfies: is the right to write there? */
const char *etcd_probe(struct ts_arena *arena, const char *key);

struct etcd_value {
    char cluster[ETCD_CLUSTER_SIZE];
    struct ts_slice value; /* in the arena; empty: no such key */
};
struct etcd_outcome {
    char cluster[ETCD_CLUSTER_SIZE];
    bool succeeded;
};

/* Answers with the status 200.
 * Errors   TS_E_PROTOCOL (not such an answer), TS_E_CORRUPT (the key has an
 *          empty value, which is never written), TS_E_LIMIT. */
TS_MUSTUSE enum ts_code etcd_read_token(struct ts_slice body,
                                        char token[static ETCD_TOKEN_MAX],
                                        struct ts_err *err);
TS_MUSTUSE enum ts_code etcd_read_range(struct ts_slice body, const char *key,
                                        struct ts_arena *arena,
                                        struct etcd_value *ret_value,
                                        struct ts_err *err);
TS_MUSTUSE enum ts_code etcd_read_swap(struct ts_slice body,
                                       struct etcd_outcome *ret_outcome,
                                       struct ts_err *err);

/* What an answer with another status says in words, printable, or "". */
#define ETCD_REASON_SIZE 160
void etcd_read_reason(struct ts_slice body,
                      char reason[static ETCD_REASON_SIZE]);

#endif
