#include "node/register/base64.h"

#include <limits.h>
#include <openssl/evp.h>

const char *register_base64(struct ts_arena *arena, struct ts_slice bytes)
{
    if (bytes.size > INT_MAX / 4) {
        return NULL;
    }
    uint8_t *text = ts_arena_take(arena, (bytes.size + 2) / 3 * 4 + 1);
    if (text != NULL) {
        text[0] = 0;
        (void) EVP_EncodeBlock(text, bytes.data, (int) bytes.size);
    }
    return (const char *) text;
}

bool register_unbase64(struct ts_arena *arena, struct ts_slice text,
                       struct ts_slice *ret_bytes)
{
    if (text.size == 0) {
        *ret_bytes = TS_SLICE_NONE;
        return true;
    }
    if (text.size % 4 != 0 || text.size > INT_MAX / 4) {
        return false;
    }
    uint8_t *bytes = ts_arena_take(arena, text.size / 4 * 3);
    if (bytes == NULL ||
        EVP_DecodeBlock(bytes, text.data, (int) text.size) < 0) {
        return false;
    }
    size_t padding = (size_t) (text.data[text.size - 1] == '=') +
                     (size_t) (text.data[text.size - 2] == '=');
    struct ts_slice decoded = ts_slice(bytes, text.size / 4 * 3 - padding);
    /* OpenSSL passes over spaces, and over bits behind the last byte. */
    const char *again = register_base64(arena, decoded);
    if (again == NULL || !ts_slice_equal(ts_slice_str(again), text)) {
        return false;
    }
    *ret_bytes = decoded;
    return true;
}
