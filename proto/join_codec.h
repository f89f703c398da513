/*
 * join_codec -- the messages by which a second computer joins, checked.
 *
 * As wire_codec.h, for those who are not members yet: sizes before unpacking,
 * ranges in both directions, unknown fields ignored, versions told.
 */
#ifndef PROTO_JOIN_CODEC_H
#define PROTO_JOIN_CODEC_H

#include "node/base/err.h"
#include "node/base/slice.h"

#define JOIN_VERSION     1
#define JOIN_VERSION_MIN 1

#define JOIN_KEY_SIZE      32
#define JOIN_NAME_SIZE     64 /* with its NUL, as all below */
#define JOIN_ENDPOINT_SIZE 128
#define JOIN_TEXT_SIZE     512
/* No message is longer, packed. */
#define JOIN_SIZE_MAX ((size_t) 1024)

struct join_token {
    char cluster[JOIN_NAME_SIZE];
    char issuer[JOIN_NAME_SIZE];
    char endpoint[JOIN_ENDPOINT_SIZE];
    uint8_t issuer_key[JOIN_KEY_SIZE];
    uint8_t guest_public[JOIN_KEY_SIZE], guest_secret[JOIN_KEY_SIZE];
    int64_t expires; /* seconds since 1970 */
    char node[JOIN_NAME_SIZE];
};

struct join_invitation {
    uint8_t guest_public[JOIN_KEY_SIZE];
    int64_t expires;
    char node[JOIN_NAME_SIZE];
    bool is_taken;
    uint8_t taken_by[JOIN_KEY_SIZE];
};

struct join_request {
    char cluster[JOIN_NAME_SIZE];
    char node[JOIN_NAME_SIZE];
    uint8_t public_key[JOIN_KEY_SIZE];
};

struct join_answer {
    char issuer[JOIN_NAME_SIZE];
    bool is_refused;
    uint8_t pair_key[JOIN_KEY_SIZE];
    char refusal[JOIN_TEXT_SIZE];
};

/* Packed bytes, in caller's memory. Wipe what held a secret. */
struct join_bytes {
    uint8_t data[JOIN_SIZE_MAX];
    size_t size;
};

/* Errors   TS_E_PROTOCOL (a name is empty or not plain text). */
TS_MUSTUSE enum ts_code join_pack_token(const struct join_token *token,
                                        struct join_bytes *ret_bytes,
                                        struct ts_err *err);
TS_MUSTUSE enum ts_code
join_pack_invitation(const struct join_invitation *invitation,
                     struct join_bytes *ret_bytes, struct ts_err *err);
TS_MUSTUSE enum ts_code join_pack_request(const struct join_request *request,
                                          struct join_bytes *ret_bytes,
                                          struct ts_err *err);
TS_MUSTUSE enum ts_code join_pack_answer(const struct join_answer *answer,
                                         struct join_bytes *ret_bytes,
                                         struct ts_err *err);

/* Errors   TS_E_LIMIT, TS_E_CORRUPT, TS_E_VERSION (made by a version that this
 *          one is too old for), TS_E_NOMEM; then *ret is untouched. */
TS_MUSTUSE enum ts_code join_unpack_token(struct ts_slice bytes,
                                          struct join_token *ret,
                                          struct ts_err *err);
TS_MUSTUSE enum ts_code join_unpack_invitation(struct ts_slice bytes,
                                               struct join_invitation *ret,
                                               struct ts_err *err);
TS_MUSTUSE enum ts_code join_unpack_request(struct ts_slice bytes,
                                            struct join_request *ret,
                                            struct ts_err *err);
TS_MUSTUSE enum ts_code join_unpack_answer(struct ts_slice bytes,
                                           struct join_answer *ret,
                                           struct ts_err *err);

#endif
