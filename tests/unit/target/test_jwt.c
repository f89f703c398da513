/* jwt: what is signed here is verified with the public key, by OpenSSL. */
#include "tests/lib/test.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "node/base/json.h"
#include "node/target/jwt.h"

static const struct jwt_claims claims = {
    .client_id = "sync",
    .audience = "https://as.example.org/token",
    .key_id = "k1",
    .now = 1700000000,
    .id = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 }
};

static char *pem_of(EVP_PKEY *key, struct ts_arena *arena)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    char *text;
    long size = BIO_get_mem_data(bio, &text);
    struct ts_slice copy = ts_arena_copy(arena, ts_slice(text, (size_t) size));
    BIO_free(bio);
    char *pem = ts_arena_take(arena, copy.size + 1);
    memcpy(pem, copy.data, copy.size + 1);
    return pem;
}

/* base64url back to bytes; the count. */
static size_t decode(const char *text, size_t size, uint8_t *bytes)
{
    char padded[2048];
    assert_true(size + 4 < sizeof padded);
    memcpy(padded, text, size);
    size_t whole = size;
    while (whole % 4 != 0) {
        padded[whole++] = '=';
    }
    for (size_t i = 0; i < size; i++) {
        padded[i] = (char) (padded[i] == '-'   ? '+'
                            : padded[i] == '_' ? '/'
                                               : padded[i]);
    }
    int count = EVP_DecodeBlock(bytes, (const uint8_t *) padded, (int) whole);
    assert_true(count >= 0);
    return (size_t) count - (whole - size);
}

struct parts {
    uint8_t header[1024], body[1024], signature[1024];
    size_t header_size, body_size, signature_size, input_size;
};

static void split(const char *jwt, struct parts *parts)
{
    const char *first = strchr(jwt, '.');
    const char *second = strchr(first + 1, '.');
    assert_null(strchr(second + 1, '.'));
    assert_null(strpbrk(jwt, "+/="));
    parts->header_size = decode(jwt, (size_t) (first - jwt), parts->header);
    parts->body_size =
        decode(first + 1, (size_t) (second - first - 1), parts->body);
    parts->signature_size =
        decode(second + 1, strlen(second + 1), parts->signature);
    parts->input_size = (size_t) (second - jwt);
}

static bool verify(EVP_PKEY *key, const char *jwt, const struct parts *parts)
{
    uint8_t der[256], *end = der;
    const uint8_t *signature = parts->signature;
    size_t size = parts->signature_size;
    if (EVP_PKEY_is_a(key, "EC")) {
        assert_int_equal(size, 64);
        ECDSA_SIG *pair = ECDSA_SIG_new();
        assert_int_equal(ECDSA_SIG_set0(pair, BN_bin2bn(signature, 32, NULL),
                                        BN_bin2bn(signature + 32, 32, NULL)),
                         1);
        size = (size_t) i2d_ECDSA_SIG(pair, &end);
        ECDSA_SIG_free(pair);
        signature = der;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(
        EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
    bool good = EVP_DigestVerify(context, signature, size,
                                 (const uint8_t *) jwt, parts->input_size) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

static void check(EVP_PKEY *key, const char *algorithm)
{
    struct ts_arena arena;
    struct parts parts;
    struct ts_err err = { .text = "" };
    const char *jwt = NULL;
    json_t *header = NULL, *body = NULL;

    ts_arena_init(&arena, 1 << 20);
    assert_int_equal(jwt_sign(pem_of(key, &arena), &claims, &arena, &jwt, &err),
                     TS_OK);
    split(jwt, &parts);
    assert_true(verify(key, jwt, &parts));
    assert_int_equal(
        ts_json_parse(ts_slice(parts.header, parts.header_size), &header, NULL),
        TS_OK);
    assert_int_equal(
        ts_json_parse(ts_slice(parts.body, parts.body_size), &body, NULL),
        TS_OK);
    assert_string_equal(ts_json_text(header, "alg"), algorithm);
    assert_string_equal(ts_json_text(header, "kid"), "k1");
    assert_string_equal(ts_json_text(body, "iss"), "sync");
    assert_string_equal(ts_json_text(body, "sub"), "sync");
    assert_string_equal(ts_json_text(body, "aud"), claims.audience);
    assert_int_equal(strlen(ts_json_text(body, "jti")), 22);
    assert_int_equal(ts_json_number(body, "iat", 0), claims.now);
    assert_int_equal(ts_json_number(body, "exp", 0),
                     claims.now + JWT_LIFETIME_SECONDS);
    json_decref(header);
    json_decref(body);
    ts_arena_done(&arena);
    EVP_PKEY_free(key);
}

static void rsa_signature_is_verified_by_openssl(void **state)
{
    (void) state;
    check(EVP_RSA_gen(2048), "RS256");
}

/* Many times: r and s are shorter than 32 bytes now and then. */
static void p256_signature_is_verified_by_openssl(void **state)
{
    (void) state;
    for (int i = 0; i < 300; i++) {
        check(EVP_EC_gen("P-256"), "ES256");
    }
}

static void expect_refused(EVP_PKEY *key, const char *text)
{
    struct ts_arena arena;
    struct ts_err err = { .text = "" };
    const char *jwt = NULL;
    ts_arena_init(&arena, 1 << 20);
    assert_int_equal(jwt_sign(key == NULL ? text : pem_of(key, &arena), &claims,
                              &arena, &jwt, &err),
                     TS_E_CONFIG);
    assert_null(jwt);
    assert_non_null(strstr(err.text, "cannot sign"));
    ts_arena_done(&arena);
    EVP_PKEY_free(key);
}

static void refuses_weak_and_foreign_keys(void **state)
{
    (void) state;
    expect_refused(EVP_RSA_gen(1024), NULL);
    expect_refused(EVP_EC_gen("P-384"), NULL);
    expect_refused(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL);
    expect_refused(NULL, "");
    expect_refused(NULL, "-----BEGIN PRIVATE KEY-----\nAAAA\n");
    expect_refused(NULL, "a client secret by mistake");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rsa_signature_is_verified_by_openssl),
        cmocka_unit_test(p256_signature_is_verified_by_openssl),
        cmocka_unit_test(refuses_weak_and_foreign_keys),
    };
    return cmocka_run_group_tests_name("jwt", tests, NULL, NULL);
}
