#include "replication/token.h"

#include <ctype.h>
#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "node/base/hash.h"

#define PREFIX     "twinsync1-"
#define CHECK_SIZE 8

/* What is encoded: the message and the beginning of its hash. */
#define SEALED_MAX (JOIN_SIZE_MAX + CHECK_SIZE)

enum ts_code token_format(const struct join_token *token,
                          char text[static TOKEN_TEXT_SIZE], struct ts_err *err)
{
    uint8_t sealed[SEALED_MAX];
    struct join_bytes bytes;
    enum ts_code code = join_pack_token(token, &bytes, err);
    if (code != TS_OK) {
        return code;
    }
    struct ts_hash hash = ts_hash_of(ts_slice(bytes.data, bytes.size));
    memcpy(sealed, bytes.data, bytes.size);
    memcpy(sealed + bytes.size, hash.bytes, CHECK_SIZE);

    char *at = text + strlen(PREFIX);
    memcpy(text, PREFIX, strlen(PREFIX));
    int size = EVP_EncodeBlock((unsigned char *) at, sealed,
                               (int) (bytes.size + CHECK_SIZE));
    for (int i = 0; i < size; i++) {
        at[i] = (char) (at[i] == '+'   ? '-'
                        : at[i] == '/' ? '_'
                        : at[i] == '=' ? '\0'
                                       : at[i]);
    }
    OPENSSL_cleanse(sealed, sizeof sealed);
    OPENSSL_cleanse(&bytes, sizeof bytes);
    return TS_OK;
}

static enum ts_code no_token(struct ts_err *err)
{
    return ts_fail(err, TS_E_CONFIG, 0,
                   "cannot read the token: it does not begin with \"" PREFIX
                   "\"; copy it whole from what `twinsync token create` "
                   "printed on the other computer");
}

static enum ts_code altered(struct ts_err *err)
{
    return ts_fail(err, TS_E_CONFIG, 0,
                   "cannot read the token: it is incomplete or was altered; "
                   "copy it whole from what `twinsync token create` printed "
                   "on the other computer");
}

/* To the alphabet that OpenSSL knows, padded.
 * Answers the size without padding, 0 if that is no such text. */
static size_t normalise(const char *from, size_t size, char *to)
{
    for (size_t i = 0; i < size; i++) {
        bool is_known = isalnum((unsigned char) from[i]) != 0 ||
                        from[i] == '-' || from[i] == '_';
        if (!is_known) {
            return 0;
        }
        to[i] = (char) (from[i] == '-' ? '+' : from[i] == '_' ? '/' : from[i]);
    }
    size_t padded = size;
    while (padded % 4 != 0) {
        to[padded] = '=';
        padded++;
    }
    return padded - size < 3 ? padded : 0;
}

/* The bytes that `text` encodes, which must be all of them. */
static bool decode(const char *text, size_t size, uint8_t *sealed,
                   size_t *ret_size)
{
    char plain[TOKEN_TEXT_SIZE + 4];
    size_t padded =
        size == 0 || size >= TOKEN_TEXT_SIZE ? 0 : normalise(text, size, plain);
    int decoded = padded == 0
                      ? -1
                      : EVP_DecodeBlock(sealed, (const unsigned char *) plain,
                                        (int) padded);
    OPENSSL_cleanse(plain, sizeof plain);
    if (decoded < 0) {
        return false;
    }
    *ret_size = (size_t) decoded - (padded - size);
    return true;
}

enum ts_code token_parse(const char *text, struct join_token *ret_token,
                         struct ts_err *err)
{
    while (isspace((unsigned char) *text) != 0) {
        text++;
    }
    size_t size = strlen(text);
    while (size > 0 && isspace((unsigned char) text[size - 1]) != 0) {
        size--;
    }
    size_t prefix = strlen(PREFIX);
    if (size < prefix || memcmp(text, PREFIX, prefix) != 0) {
        return no_token(err);
    }

    uint8_t sealed[TOKEN_TEXT_SIZE + 4];
    size_t sealed_size = 0;
    enum ts_code code = TS_OK;
    if (!decode(text + prefix, size - prefix, sealed, &sealed_size) ||
        sealed_size <= CHECK_SIZE) {
        return altered(err);
    }
    size_t packed = sealed_size - CHECK_SIZE;
    struct ts_hash hash = ts_hash_of(ts_slice(sealed, packed));
    if (memcmp(hash.bytes, sealed + packed, CHECK_SIZE) != 0) {
        code = altered(err);
    } else {
        code = join_unpack_token(ts_slice(sealed, packed), ret_token, err);
    }
    OPENSSL_cleanse(sealed, sizeof sealed);
    return code == TS_E_CORRUPT || code == TS_E_LIMIT ? altered(err) : code;
}
