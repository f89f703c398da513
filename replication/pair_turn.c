#include "replication/pair_turn.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "node/base/failpoint.h"
#include "replication/pair_folder.h"

#define NEXT "pair.key.next"
#define LAST "pair.key.last"

static enum ts_code load(const char *state_directory, const char *name,
                         uint8_t key[static PAIR_KEY_SIZE], struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    uint8_t bytes[PAIR_KEY_SIZE + 1];
    size_t size = 0;
    enum ts_code code = pair_path(state_directory, name, path, err);
    if (code == TS_OK) {
        code = pair_get(path, PAIR_SECRET, bytes, sizeof bytes, &size, err);
    }
    if (code == TS_OK && size != PAIR_KEY_SIZE) {
        code = ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use \"%s\": it is not of %d bytes; remove it",
                       path, PAIR_KEY_SIZE);
    }
    if (code == TS_OK) {
        memcpy(key, bytes, PAIR_KEY_SIZE);
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return code;
}

static enum ts_code store(const char *state_directory, const char *name,
                          const uint8_t key[static PAIR_KEY_SIZE],
                          struct ts_err *err)
{
    return pair_put(state_directory, name, ts_slice(key, PAIR_KEY_SIZE),
                    PAIR_SECRET, err);
}

enum ts_code pair_key_draft(const char *state_directory,
                            uint8_t key[static PAIR_KEY_SIZE],
                            struct ts_err *err)
{
    enum ts_code code = load(state_directory, NEXT, key, err);
    if (code != TS_E_NOT_FOUND) {
        return code;
    }
    if (RAND_priv_bytes(key, PAIR_KEY_SIZE) != 1) {
        return ts_fail(err, TS_E_IO, 0,
                       "could not make the pair's next key: no random bytes");
    }
    return store(state_directory, NEXT, key, err);
}

/* PT1: the one before is kept before it is followed. */
enum ts_code pair_key_turn(const char *state_directory, struct ts_err *err)
{
    uint8_t key[PAIR_KEY_SIZE], next[PAIR_KEY_SIZE];
    enum ts_code code = load(state_directory, NEXT, next, err);
    if (code == TS_E_NOT_FOUND) {
        return TS_OK;
    }
    if (code == TS_OK) {
        code = pair_key_load(state_directory, key, err);
    }
    /* They are the same where a crash has cut off all but the last step. */
    if (code == TS_OK && CRYPTO_memcmp(key, next, sizeof key) != 0) {
        code = store(state_directory, LAST, key, err);
        TS_FAILPOINT(RETIRE_KEY_TURNING);
        if (code == TS_OK) {
            code = pair_key_store(state_directory, next, err);
        }
    }
    TS_FAILPOINT(RETIRE_KEY_TURNING);
    if (code == TS_OK) {
        code = pair_remove(state_directory, NEXT, err);
    }
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(next, sizeof next);
    return code;
}

enum ts_code
pair_key_others(const char *state_directory,
                uint8_t keys[static PAIR_KEYS_OTHER][PAIR_KEY_SIZE],
                size_t *ret_count, struct ts_err *err)
{
    static const char *const names[PAIR_KEYS_OTHER] = { NEXT, LAST };
    *ret_count = 0;
    for (size_t i = 0; i < PAIR_KEYS_OTHER; i++) {
        enum ts_code code =
            load(state_directory, names[i], keys[*ret_count], err);
        if (code == TS_OK) {
            (*ret_count)++;
        } else if (code != TS_E_NOT_FOUND) {
            return code;
        }
    }
    return TS_OK;
}
