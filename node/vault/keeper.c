#include "node/vault/keeper.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct keeper {
    struct ts_secret_keeper port; /* must be first */
    struct vault *vault;
    size_t count;
    struct config_secret secrets[CONFIG_SECRETS_MAX];
};

static const struct config_secret *find(const struct keeper *keeper,
                                        const char *file)
{
    for (size_t i = 0; i < keeper->count; i++) {
        if (strcmp(keeper->secrets[i].file, file) == 0) {
            return &keeper->secrets[i];
        }
    }
    return NULL;
}

static enum ts_code read_secret(const struct ts_secret_keeper *port,
                                const char *path, struct ts_secret *ret_secret,
                                struct ts_err *err)
{
    const struct keeper *keeper = (const struct keeper *) port;
    const struct config_secret *secret = find(keeper, path);
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    enum ts_code code =
        secret == NULL ? TS_E_NOT_FOUND
                       : vault_get(keeper->vault, secret->name, &kept, err);
    if (code == TS_E_NOT_FOUND) {
        return ts_secret_read(path, ret_secret, err);
    }
    if (code != TS_OK) {
        return code;
    }
    const char *text =
        kept.phase == VAULT_CHANGED ? kept.candidate : kept.current;
    return ts_secret_copy(text, strlen(text), ret_secret, err);
}

enum ts_code keeper_new(const struct config *config, struct keeper **ret_keeper,
                        struct ts_err *err)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open the vault");
    }
    enum ts_code code = vault_new(config->state_directory, &keeper->vault, err);
    if (code != TS_OK) {
        free(keeper);
        return code;
    }
    keeper->port.read = read_secret;
    keeper->count = config_secrets(config, keeper->secrets, CONFIG_SECRETS_MAX);
    *ret_keeper = keeper;
    return TS_OK;
}

void keeper_free(struct keeper *keeper)
{
    if (keeper != NULL) {
        vault_free(keeper->vault);
        free(keeper);
    }
}

const struct ts_secret_keeper *keeper_port(const struct keeper *keeper)
{
    return &keeper->port;
}

const struct vault *keeper_vault(const struct keeper *keeper)
{
    return keeper->vault;
}

const struct config_secret *keeper_secrets(const struct keeper *keeper,
                                           size_t *ret_count)
{
    *ret_count = keeper->count;
    return keeper->secrets;
}

void keeper_hash(const struct ts_secret *secret,
                 uint8_t hash[static VAULT_HASH_SIZE])
{
    (void) SHA256((const unsigned char *) secret->text, secret->size, hash);
}

bool keeper_file_changed(const struct keeper *keeper,
                         const struct config_secret *secret)
{
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    TS_AUTOSECRET struct ts_secret now = { 0 };
    uint8_t hash[VAULT_HASH_SIZE];
    if (vault_get(keeper->vault, secret->name, &kept, NULL) != TS_OK ||
        ts_secret_read(secret->file, &now, NULL) != TS_OK) {
        return false;
    }
    keeper_hash(&now, hash);
    if (strcmp(now.text, kept.current) == 0) {
        return false; /* it says the same */
    }
    return !kept.has_file || memcmp(hash, kept.file_hash, sizeof hash) != 0;
}
