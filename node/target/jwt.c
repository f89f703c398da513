#include "node/target/jwt.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "node/base/json.h"

#define RSA_BITS_MIN     2048
#define SIGNATURE_MAX    1024
#define P256_NUMBER_SIZE 32
#define P256_GROUP       "prime256v1"

enum algorithm {
    RS256,
    ES256
};

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_context(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

/* RFC 4648 section 5 without padding, as a C string; NULL when out of memory.
 */
static const char *base64url(struct ts_arena *arena, const void *bytes,
                             size_t size)
{
    unsigned char *text = ts_arena_take(arena, 4 * ((size + 2) / 3) + 1);
    if (text == NULL) {
        return NULL;
    }
    int length = EVP_EncodeBlock(text, bytes, (int) size);
    while (length > 0 && text[length - 1] == '=') {
        length--;
    }
    text[length] = '\0';
    for (int i = 0; i < length; i++) {
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    }
    return (const char *) text;
}

static const char *encode_json(struct ts_arena *arena, json_t *json)
{
    struct ts_slice text = ts_json_print(json, arena);
    json_decref(json);
    return text.data == NULL ? NULL : base64url(arena, text.data, text.size);
}

static enum ts_code key_algorithm(const EVP_PKEY *key, enum algorithm *ret,
                                  struct ts_err *err)
{
    char group[64] = "";
    if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN) {
        *ret = RS256;
        return TS_OK;
    }
    if (EVP_PKEY_is_a(key, "EC") &&
        EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
        strcmp(group, P256_GROUP) == 0) {
        *ret = ES256;
        return TS_OK;
    }
    return ts_fail(err, TS_E_CONFIG, 0,
                   "cannot sign with this private key: it must be RSA with at "
                   "least %d bits or on the curve P-256",
                   RSA_BITS_MIN);
}

/* ASN.1 {r, s} to the 64 bytes of RFC 7518 section 3.4. */
static size_t flatten_ecdsa(uint8_t signature[SIGNATURE_MAX], size_t size)
{
    const uint8_t *at = signature;
    ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &at, (long) size);
    int done = parts == NULL ? -1
                             : BN_bn2binpad(ECDSA_SIG_get0_r(parts), signature,
                                            P256_NUMBER_SIZE) +
                                   BN_bn2binpad(ECDSA_SIG_get0_s(parts),
                                                signature + P256_NUMBER_SIZE,
                                                P256_NUMBER_SIZE);
    ECDSA_SIG_free(parts);
    return done == 2 * P256_NUMBER_SIZE ? 2 * P256_NUMBER_SIZE : 0;
}

/* The signature over `text`, 0 bytes when OpenSSL failed. */
static size_t sign(EVP_PKEY *key, enum algorithm algorithm, const char *text,
                   uint8_t signature[SIGNATURE_MAX])
{
    __attribute__((cleanup(free_context))) EVP_MD_CTX *context =
        EVP_MD_CTX_new();
    size_t size = SIGNATURE_MAX;
    if (context == NULL ||
        EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(context, signature, &size, (const uint8_t *) text,
                       strlen(text)) != 1) {
        return 0;
    }
    return algorithm == ES256 ? flatten_ecdsa(signature, size) : size;
}

static const char *signing_input(const struct jwt_claims *claims,
                                 enum algorithm algorithm,
                                 struct ts_arena *arena)
{
    const char *id = base64url(arena, claims->id, sizeof claims->id);
    json_t *header = json_pack("{s:s, s:s, s:s*}", "alg",
                               algorithm == RS256 ? "RS256" : "ES256", "typ",
                               "JWT", "kid", claims->key_id);
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", claims->client_id,
                  "sub", claims->client_id, "aud", claims->audience, "jti", id,
                  "iat", (json_int_t) claims->now, "exp",
                  (json_int_t) claims->now + JWT_LIFETIME_SECONDS);
    const char *a = encode_json(arena, header);
    const char *b = encode_json(arena, body);
    if (a == NULL || b == NULL) {
        return NULL;
    }
    size_t a_size = strlen(a), b_size = strlen(b);
    char *text = ts_arena_take(arena, a_size + b_size + 2);
    if (text != NULL) {
        memcpy(text, a, a_size);
        text[a_size] = '.';
        memcpy(text + a_size + 1, b, b_size + 1);
    }
    return text;
}

enum ts_code jwt_sign(const char *pem, const struct jwt_claims *claims,
                      struct ts_arena *arena, const char **ret_jwt,
                      struct ts_err *err)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    char no_password[] = "";
    __attribute__((cleanup(free_key))) EVP_PKEY *key =
        bio == NULL ? NULL
                    : PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password);
    BIO_free(bio);
    if (key == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot sign with this private key: it is not an "
                       "unencrypted private key in PEM form");
    }
    enum algorithm algorithm = RS256;
    enum ts_code rc = key_algorithm(key, &algorithm, err);
    if (rc != TS_OK) {
        return rc;
    }
    uint8_t signature[SIGNATURE_MAX];
    const char *input = signing_input(claims, algorithm, arena);
    size_t size = input == NULL ? 0 : sign(key, algorithm, input, signature);
    const char *tail = size == 0 ? NULL : base64url(arena, signature, size);
    size_t input_size = tail == NULL ? 0 : strlen(input);
    char *jwt = tail == NULL
                    ? NULL
                    : ts_arena_take(arena, input_size + strlen(tail) + 2);
    if (jwt == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not sign a client assertion: out of memory");
    }
    memcpy(jwt, input, input_size);
    jwt[input_size] = '.';
    memcpy(jwt + input_size + 1, tail, strlen(tail) + 1);
    *ret_jwt = jwt;
    return TS_OK;
}
