#include "node/base/failpoint.h"
#include "node/base/log.h"
#include "node/daemon/credential.h"
#include "node/daemon/credential_work.h"
#include "node/vault/share.h"
#include "replication/certificate.h"

/* One account of the register on both nodes: its holder's to change. What else
 * comes to a holder is what a dead one had begun. */
static enum ts_code check_given(const struct credential_world *world,
                                const struct config_secret *secret,
                                struct ts_err *err)
{
    if (secret->kind == CONFIG_SECRET_REGISTER && world->peer != NULL &&
        world->peer->holds(world->peer->context)) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "it uses the same account, and holds the lease: change "
                       "\"%s\" there",
                       secret->name);
    }
    return TS_OK;
}

static void give(const struct credential_world *world,
                 const struct config_secret *secret,
                 const struct vault_kept *kept)
{
    const struct credential_peer *peer = world->peer;
    struct ts_hash account = credential_account(world->config, secret);
    struct ts_err err;
    if (peer->give(peer->context, kept, &account, &err) != TS_OK) {
        ts_log(TS_LOG_WARNING, "secret-not-given", "name=%s reason=\"%s\"",
               secret->name, err.text);
    }
}

static enum ts_code keep_given(const struct credential_world *world,
                               const struct config_secret *secret,
                               struct vault_kept *kept, struct ts_err *err)
{
    TS_AUTOKEPT struct vault_kept own = { .name = "" };
    TS_AUTOSECRET struct ts_secret file = { 0 };
    bool has_own = vault_get(keeper_vault(world->keeper), secret->name, &own,
                             NULL) == TS_OK; /* a damaged one is replaced */
    enum share_verdict verdict = share_judge(has_own ? &own : NULL, kept);
    if (verdict == SHARE_STALE) {
        give(world, secret, &own);
        return ts_fail(err, TS_E_CONFLICT, 0,
                       "what it keeps of \"%s\" is later than what came",
                       secret->name);
    }
    if (verdict == SHARE_SAME) {
        return TS_OK;
    }
    if (!has_own && ts_secret_read(secret->file, &file, NULL) == TS_OK) {
        kept->has_file = true;
        keeper_hash(&file, kept->file_hash);
    }
    enum ts_code code = vault_put(keeper_vault(world->keeper), kept, err);
    TS_FAILPOINT(CREDENTIAL_TAKEN);
    return code;
}

enum ts_code credential_take(const struct credential_world *world,
                             const struct credential_given *given,
                             bool *ret_is_ours, struct ts_err *err)
{
    TS_AUTOSEALKEY struct seal_key key = { { 0 } };
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    const struct config_secret *secret = credential_find(world, given->name);
    *ret_is_ours = true;
    if (secret == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "its configuration has no secret called \"%.80s\"",
                       given->name);
    }
    struct ts_hash account = credential_account(world->config, secret);
    if (!ts_hash_equal(account, given->account)) {
        *ret_is_ours = false;
        return TS_OK;
    }
    enum ts_code code = check_given(world, secret, err);
    if (code == TS_OK) {
        code = pair_key_load(world->config->state_directory, key.bytes, err);
    }
    if (code == TS_OK) {
        code = share_open(&key, given->name, given->sealed, &kept, err);
    }
    return code == TS_OK ? keep_given(world, secret, &kept, err) : code;
}

void credential_offer(const struct credential_world *world)
{
    size_t count = 0;
    const struct config_secret *all = keeper_secrets(world->keeper, &count);
    for (size_t i = 0; world->peer != NULL && i < count; i++) {
        TS_AUTOKEPT struct vault_kept kept = { .name = "" };
        if (vault_get(keeper_vault(world->keeper), all[i].name, &kept, NULL) ==
            TS_OK) {
            give(world, &all[i], &kept);
        }
    }
}
