#include "node/base/hash.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

struct ts_hasher {
    EVP_MD
    *sha256; /* fetched once: a fetch per hash costs more than the hash */
    EVP_MD_CTX *context;
};

struct ts_hasher *ts_hasher_new(void)
{
    struct ts_hasher *hasher = calloc(1, sizeof *hasher);
    assert(hasher != NULL);
    hasher->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->context = EVP_MD_CTX_new();
    assert(hasher->sha256 != NULL && hasher->context != NULL);
    return hasher;
}

void ts_hasher_free(struct ts_hasher *hasher)
{
    if (hasher != NULL) {
        EVP_MD_CTX_free(hasher->context);
        EVP_MD_free(hasher->sha256);
        free(hasher);
    }
}

void ts_hasher_begin(struct ts_hasher *hasher)
{
    int ok = EVP_DigestInit_ex2(hasher->context, hasher->sha256, NULL);
    assert(ok == 1);
    (void) ok;
}

void ts_hasher_add(struct ts_hasher *hasher, struct ts_slice bytes)
{
    int ok = EVP_DigestUpdate(hasher->context, bytes.data, bytes.size);
    assert(ok == 1);
    (void) ok;
}

void ts_hasher_add_field(struct ts_hasher *hasher, struct ts_slice bytes)
{
    uint8_t length[8];
    for (size_t i = 0; i < sizeof length; i++) {
        length[i] = (uint8_t) ((uint64_t) bytes.size >> (56 - 8 * i));
    }
    ts_hasher_add(hasher, ts_slice(length, sizeof length));
    ts_hasher_add(hasher, bytes);
}

struct ts_hash ts_hasher_end(struct ts_hasher *hasher)
{
    struct ts_hash hash;
    unsigned int size = 0;
    int ok = EVP_DigestFinal_ex(hasher->context, hash.bytes, &size);
    assert(ok == 1 && size == sizeof hash.bytes);
    (void) ok;
    return hash;
}

/* Of all threads: EVP_sha256() would be looked up at each use. */
static EVP_MD *shared;

static void fetch_shared(void)
{
    shared = EVP_MD_fetch(NULL, "SHA256", NULL);
    assert(shared != NULL);
}

struct ts_hash ts_hash_of(struct ts_slice bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct ts_hash hash;
    unsigned int size = 0;
    (void) pthread_once(&once, fetch_shared);
    int ok =
        EVP_Digest(bytes.data, bytes.size, hash.bytes, &size, shared, NULL);
    assert(ok == 1 && size == sizeof hash.bytes);
    (void) ok;
    return hash;
}

void ts_hash_text(struct ts_hash hash, char text[static TS_HASH_TEXT_SIZE])
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof hash.bytes; i++) {
        text[2 * i] = digit[hash.bytes[i] >> 4];
        text[2 * i + 1] = digit[hash.bytes[i] & 15];
    }
    text[TS_HASH_TEXT_SIZE - 1] = 0;
}
