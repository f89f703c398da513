/* hash.h -- SHA-256 over slices (OpenSSL EVP), for row hashes, DN keys, chains
 * and plan names. One context per user: not thread-safe, cheap to keep. */
#ifndef NODE_BASE_HASH_H
#define NODE_BASE_HASH_H

#include "node/base/slice.h"

#define TS_HASH_SIZE 32
/* Hex form with its NUL. */
#define TS_HASH_TEXT_SIZE (2 * TS_HASH_SIZE + 1)

struct ts_hash {
    uint8_t bytes[TS_HASH_SIZE];
};

struct ts_hasher; /* wraps an EVP_MD_CTX */

/* Aborts when memory or the SHA-256 provider is missing at start: nothing that
 * this product does is safe without it. Owns: free with _free (NULL is fine).
 */
struct ts_hasher *ts_hasher_new(void);
void ts_hasher_free(struct ts_hasher *hasher);

void ts_hasher_begin(struct ts_hasher *hasher);
/* The bytes as they are: the caller makes fields unambiguous. */
void ts_hasher_add(struct ts_hasher *hasher, struct ts_slice bytes);
/* The length (8 bytes, big-endian), then the bytes: unambiguous by itself. */
void ts_hasher_add_field(struct ts_hasher *hasher, struct ts_slice bytes);
struct ts_hash ts_hasher_end(struct ts_hasher *hasher);

/* One-shot. */
struct ts_hash ts_hash_of(struct ts_slice bytes);
void ts_hash_text(struct ts_hash hash, char text[static TS_HASH_TEXT_SIZE]);
static inline bool ts_hash_equal(struct ts_hash a, struct ts_hash b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

#endif
