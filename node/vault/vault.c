#include "node/vault/vault.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/file.h"
#include "node/base/secret.h"
#include "node/vault/seal_file.h"

#define FOLDER     "vault"
#define KEY_FILE   "key"
#define CREDENTIAL "twinsync.vault"
#define HEX_SIZE   (2 * (size_t) SEAL_KEY_SIZE)

struct vault {
    char folder[PATH_MAX - VAULT_NAME_SIZE - 16];
};

enum ts_code vault_new(const char *state_directory, struct vault **ret_vault,
                       struct ts_err *err)
{
    struct vault *vault = calloc(1, sizeof *vault);
    if (vault == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open the vault");
    }
    int size = snprintf(vault->folder, sizeof vault->folder, "%s/%s",
                        state_directory, FOLDER);
    if (size < 0 || (size_t) size >= sizeof vault->folder) {
        free(vault);
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot open the vault in \"%.60s...\": the path is too "
                       "long",
                       state_directory);
    }
    *ret_vault = vault;
    return TS_OK;
}

void vault_free(struct vault *vault)
{
    free(vault);
}

/* A credential's name as a file's: "source/corp" is source.corp. */
static void path_of(const struct vault *vault, const char *name,
                    char path[static PATH_MAX])
{
    (void) snprintf(path, PATH_MAX, "%s/%s", vault->folder, name);
    for (char *at = path + strlen(vault->folder) + 1; *at != '\0'; at++) {
        *at = *at == '/' ? '.' : *at;
    }
}

static enum ts_code check_name(const char *name, struct ts_err *err)
{
    size_t size = strlen(name);
    bool fits = size > 0 && size < VAULT_NAME_SIZE && name[0] != '.' &&
                name[0] != '/' && strcmp(name, KEY_FILE) != 0;
    for (const char *at = name; fits && *at != '\0'; at++) {
        fits = (unsigned char) *at > ' ' && *at != 0x7f;
    }
    return fits ? TS_OK
                : ts_fail(err, TS_E_CONFIG, 0,
                          "cannot keep a secret called \"%.80s\": that is no "
                          "name of a credential",
                          name);
}

/* --- the key -------------------------------------------------------------- */

static bool from_hex(const struct ts_secret *text, struct seal_key *key)
{
    long size = 0;
    unsigned char *bytes =
        text->size == HEX_SIZE ? OPENSSL_hexstr2buf(text->text, &size) : NULL;
    bool is_key = bytes != NULL && size == SEAL_KEY_SIZE;
    if (is_key) {
        memcpy(key->bytes, bytes, SEAL_KEY_SIZE);
    }
    OPENSSL_clear_free(bytes, bytes == NULL ? 0 : (size_t) size);
    return is_key;
}

static enum ts_code read_key(const char *path, struct seal_key *ret_key,
                             struct ts_err *err)
{
    TS_AUTOSECRET struct ts_secret text = { 0 };
    enum ts_code code = ts_secret_read(path, &text, err);
    if (code == TS_OK && !from_hex(&text, ret_key)) {
        code = ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use the vault's key \"%s\": it is not %zu "
                       "hexadecimal digits; restore it, or set the secrets "
                       "anew: twinsync credentials set",
                       path, HEX_SIZE);
    }
    return code;
}

/* The service manager's, or the file's. */
static enum ts_code load_key(const struct vault *vault,
                             struct seal_key *ret_key, struct ts_err *err)
{
    char path[PATH_MAX];
    if (secure_getenv("CREDENTIALS_DIRECTORY") != NULL) {
        enum ts_code code = read_key(CREDENTIAL, ret_key, err);
        if (code != TS_E_NOT_FOUND) {
            return code;
        }
    }
    (void) snprintf(path, sizeof path, "%s/%s", vault->folder, KEY_FILE);
    return read_key(path, ret_key, err);
}

static enum ts_code make_key(const struct vault *vault,
                             struct seal_key *ret_key, struct ts_err *err)
{
    char path[PATH_MAX], text[HEX_SIZE + 2];
    enum ts_code code = ts_file_folder(vault->folder, err);
    if (code != TS_OK) {
        return code;
    }
    if (RAND_priv_bytes(ret_key->bytes, SEAL_KEY_SIZE) != 1) {
        return ts_fail(err, TS_E_IO, 0,
                       "could not make the vault's key: no random bytes");
    }
    for (size_t i = 0; i < SEAL_KEY_SIZE; i++) {
        (void) snprintf(text + 2 * i, 3, "%02x", ret_key->bytes[i]);
    }
    text[HEX_SIZE] = '\n';
    (void) snprintf(path, sizeof path, "%s/%s", vault->folder, KEY_FILE);
    code =
        ts_file_replace(path, ts_slice(text, HEX_SIZE + 1), TS_FILE_OURS, err);
    OPENSSL_cleanse(text, sizeof text);
    return code;
}

/* --- records -------------------------------------------------------------- */

static enum ts_code get(const char *path, const char *name,
                        const struct seal_key *key, struct vault_kept *ret,
                        struct ts_err *err)
{
    TS_AUTOVAULTBYTES struct vault_bytes bytes;
    struct seal_room room = { bytes.data, sizeof bytes.data };
    enum ts_code code =
        seal_file_get(path, key, ts_slice_str(name), &room, err);
    if (code == TS_OK) {
        code = vault_unpack(ts_slice(room.bytes, room.size), ret, err);
    }
    if (code == TS_OK && strcmp(ret->name, name) != 0) {
        code = ts_fail(err, TS_E_CORRUPT, 0, "it is the secret of \"%.80s\"",
                       ret->name);
    }
    return code;
}

enum ts_code vault_get(const struct vault *vault, const char *name,
                       struct vault_kept *ret, struct ts_err *err)
{
    char path[PATH_MAX];
    enum ts_code code = check_name(name, err);
    if (code != TS_OK) {
        return code;
    }
    path_of(vault, name, path);
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "no secret is kept for \"%s\": its file rules", name);
    }
    TS_AUTOSEALKEY struct seal_key key = { { 0 } };
    code = load_key(vault, &key, err);
    if (code == TS_E_NOT_FOUND) {
        code = ts_fail(err, TS_E_CORRUPT, 0,
                       "the vault's key is missing; restore \"%s/%s\", or set "
                       "the secrets anew: twinsync credentials set",
                       vault->folder, KEY_FILE);
    }
    if (code == TS_OK) {
        code = get(path, name, &key, ret, err);
    }
    if (code != TS_OK) {
        ts_err_wrap(err, "reading the kept secret \"%s\"", path);
    }
    return code;
}

enum ts_code vault_put(const struct vault *vault, const struct vault_kept *kept,
                       struct ts_err *err)
{
    char path[PATH_MAX];
    TS_AUTOVAULTBYTES struct vault_bytes bytes;
    TS_AUTOSEALKEY struct seal_key key = { { 0 } };
    enum ts_code code = check_name(kept->name, err);
    if (code == TS_OK) {
        code = vault_pack(kept, &bytes, err);
    }
    if (code == TS_OK) {
        code = load_key(vault, &key, err);
    }
    if (code == TS_E_NOT_FOUND) {
        code = make_key(vault, &key, err);
    }
    if (code == TS_OK) {
        path_of(vault, kept->name, path);
        code = seal_file_put(path, &key, ts_slice_str(kept->name),
                             ts_slice(bytes.data, bytes.size), err);
    }
    return code;
}

enum ts_code vault_drop(const struct vault *vault, const char *name,
                        struct ts_err *err)
{
    char path[PATH_MAX];
    enum ts_code code = check_name(name, err);
    if (code == TS_OK) {
        path_of(vault, name, path);
        code = ts_file_remove(path, err);
    }
    return code;
}
