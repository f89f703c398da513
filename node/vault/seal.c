#include "node/vault/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define VERSION     1
#define NONCE_SIZE  12
#define TAG_SIZE    16
#define HEAD_SIZE   (1 + NONCE_SIZE)
#define CONTEXT_MAX ((size_t) 64 * 1024)

void seal_key_done(struct seal_key *key)
{
    if (key != NULL) {
        OPENSSL_cleanse(key, sizeof *key);
    }
}

/* -- sealing ----------------------------------------------------------------
 */

static void cleanup_cipher(EVP_CIPHER_CTX **slot)
{
    EVP_CIPHER_CTX_free(*slot);
}
#define TS_AUTOCIPHER __attribute__((cleanup(cleanup_cipher)))

static enum ts_code broken(const char *what, struct ts_err *err)
{
    return ts_fail(err, TS_E_NOMEM, 0,
                   "could not %s: OpenSSL gave no AES-256-GCM", what);
}

enum ts_code seal_close(const struct seal_key *key, struct ts_slice context,
                        struct ts_slice plain, struct seal_room *room,
                        struct ts_err *err)
{
    if (plain.size > SEAL_PLAIN_MAX || context.size > CONTEXT_MAX ||
        room->size < plain.size + SEAL_OVERHEAD) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not seal a secret of %zu bytes: there is room "
                       "for %zu",
                       plain.size,
                       room->size < SEAL_OVERHEAD ? 0
                                                  : room->size - SEAL_OVERHEAD);
    }
    uint8_t *nonce = room->bytes + 1, *text = room->bytes + HEAD_SIZE;
    TS_AUTOCIPHER EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int size = 0, last = 0;

    room->bytes[0] = VERSION;
    if (RAND_bytes(nonce, NONCE_SIZE) != 1) {
        return ts_fail(err, TS_E_IO, 0,
                       "could not seal a secret: no random bytes");
    }
    if (cipher == NULL ||
        EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes,
                           nonce) != 1 ||
        EVP_EncryptUpdate(cipher, NULL, &size, room->bytes, 1) != 1 ||
        EVP_EncryptUpdate(cipher, NULL, &size, context.data,
                          (int) context.size) != 1 ||
        EVP_EncryptUpdate(cipher, text, &size, plain.data, (int) plain.size) !=
            1 ||
        EVP_EncryptFinal_ex(cipher, text + size, &last) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_SIZE,
                            text + plain.size) != 1) {
        return broken("seal a secret", err);
    }
    room->size = plain.size + SEAL_OVERHEAD;
    return TS_OK;
}

enum ts_code seal_open(const struct seal_key *key, struct ts_slice context,
                       struct ts_slice sealed, struct seal_room *room,
                       struct ts_err *err)
{
    if (sealed.size < SEAL_OVERHEAD || context.size > CONTEXT_MAX ||
        sealed.size > SEAL_PLAIN_MAX + SEAL_OVERHEAD) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot open a sealed secret: %zu bytes cannot be one",
                       sealed.size);
    }
    if (sealed.data[0] != VERSION) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot open a sealed secret: it is of version %u, this "
                       "build knows %d",
                       sealed.data[0], VERSION);
    }
    size_t plain = sealed.size - SEAL_OVERHEAD;
    if (room->size < plain) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot open a sealed secret: it has %zu bytes, there "
                       "is room for %zu",
                       plain, room->size);
    }
    const uint8_t *text = sealed.data + HEAD_SIZE;
    uint8_t tag[TAG_SIZE];
    memcpy(tag, text + plain, sizeof tag);
    TS_AUTOCIPHER EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int size = 0, last = 0;

    if (cipher == NULL ||
        EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes,
                           sealed.data + 1) != 1 ||
        EVP_DecryptUpdate(cipher, NULL, &size, sealed.data, 1) != 1 ||
        EVP_DecryptUpdate(cipher, NULL, &size, context.data,
                          (int) context.size) != 1 ||
        EVP_DecryptUpdate(cipher, room->bytes, &size, text, (int) plain) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) != 1) {
        return broken("open a sealed secret", err);
    }
    if (EVP_DecryptFinal_ex(cipher, room->bytes + size, &last) != 1) {
        OPENSSL_cleanse(room->bytes, plain);
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot open a sealed secret: it was not sealed under "
                       "this pair's key for this place, or was altered");
    }
    room->size = plain;
    return TS_OK;
}
