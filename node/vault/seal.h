/*
 * seal -- secrets that have to lie where others can read them.
 *
 * What the register holds about a principal (its secret, the token that may
 * delete it) must be readable by both nodes and by nobody who runs the
 * register. It is sealed with AES-256-GCM (OpenSSL's) under the pair's key: 32
 * random bytes that the first node makes and the second receives inside the
 * join dialogue.
 *
 *   sealed = version (1 byte) | nonce (12) | ciphertext | tag (16)
 *
 * Invariants:
 *   S1  a nonce is random and never used for a second sealing: 2^32 sealings
 *       under one key would be too many, a pair makes one an epoch.
 *   S2  what is sealed opens only together with the same context, so that a
 *       sealed text cannot be moved to another place.
 *   S3  keys and opened texts are wiped before their memory is given back.
 *
 * Not a store: where sealed bytes lie is the caller's affair. Not thread-bound.
 */
#ifndef NODE_VAULT_SEAL_H
#define NODE_VAULT_SEAL_H

#include "node/base/err.h"
#include "node/base/slice.h"

#define SEAL_KEY_SIZE  32
#define SEAL_OVERHEAD  29 /* version, nonce, tag */
#define SEAL_PLAIN_MAX ((size_t) 64 * 1024)

struct seal_key {
    uint8_t bytes[SEAL_KEY_SIZE];
};

/* Wipe; NULL is fine. */
void seal_key_done(struct seal_key *key);

#define TS_AUTOSEALKEY __attribute__((cleanup(seal_key_done)))

/* Where a result goes: how much fits, afterwards how much there is. */
struct seal_room {
    uint8_t *bytes;
    size_t size;
};

/* Seal `plain` for `context`: plain.size + SEAL_OVERHEAD bytes.
 * Errors   TS_E_LIMIT (no room, or longer than SEAL_PLAIN_MAX), TS_E_IO (no
 *          random bytes), TS_E_NOMEM. */
TS_MUSTUSE enum ts_code seal_close(const struct seal_key *key,
                                   struct ts_slice context,
                                   struct ts_slice plain,
                                   struct seal_room *room, struct ts_err *err);
/* The reverse; room->size becomes what was written. The room's bytes are
 * unspecified after an error.
 * Errors   TS_E_CORRUPT (not sealed under this key for this context, or
 *          altered), TS_E_VERSION, TS_E_LIMIT (no room), TS_E_NOMEM. */
TS_MUSTUSE enum ts_code seal_open(const struct seal_key *key,
                                  struct ts_slice context,
                                  struct ts_slice sealed,
                                  struct seal_room *room, struct ts_err *err);

#endif
