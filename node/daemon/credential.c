#include "node/daemon/credential.h"

#include "node/register/account.h"
#include "node/register/configured.h"
#include "node/source/account.h"
#include "node/target/principal.h"

/* ---- the target's -------------------------------------------------------- */

/* Trying writes nothing: the gate is shut. */
static bool never(void *context, struct ts_time deadline)
{
    (void) context;
    (void) deadline;
    return false;
}

static enum ts_code try_target(const struct config *config,
                               const struct ts_secret_keeper *given,
                               struct ts_err *err)
{
    const struct target_options options = {
        .config = &config->target,
        .gate = { .may_export = never },
        .cluster = config->cluster,
        .node = config->this_node,
        .boot_id = "credentials",
        .secrets = given,
    };
    struct target *target = NULL;
    struct target_limits limits;
    enum ts_code code = target_open(&options, &target, err);
    if (code == TS_OK) {
        code = target_discover(target, &limits, err);
    }
    target_close(target);
    return code;
}

static enum ts_code try_registration(const struct config *config,
                                     const struct ts_secret_keeper *given,
                                     struct ts_err *err)
{
    const struct seal_key key = { { 0 } }; /* nothing is sealed */
    const struct principal_options options = { .target = &config->target,
                                               .cluster = config->cluster,
                                               .node = config->this_node,
                                               .boot_id = "credentials",
                                               .key = &key,
                                               .secrets = given };
    struct principal_keeper *keeper = NULL;
    enum ts_code code = principal_open(&options, &keeper, err);
    if (code == TS_OK) {
        code = principal_probe(keeper, err);
        principal_close(keeper);
    }
    return code;
}

/* What these two say of a wrong secret. */
static enum ts_code judged(enum ts_code code, struct ts_err *err)
{
    if (code == TS_E_AUTH) {
        err->code = TS_E_REFUSED;
        return TS_E_REFUSED;
    }
    return code;
}

/* ---- the register's ------------------------------------------------------ */

static enum ts_code with_register(const struct config *config, const char *old,
                                  const char *text, struct ts_err *err)
{
    struct register_configured configured;
    enum ts_code code = register_options_of(config, NULL, &configured, err);
    if (code == TS_OK) {
        code =
            old == NULL
                ? register_account_try(&configured.options, text, err)
                : register_account_change(&configured.options, old, text, err);
    }
    register_configured_done(&configured);
    return code;
}

/* ---- any ----------------------------------------------------------------- */

const char *credential_fixed_because(const struct config_secret *secret)
{
    if (secret->kind == CONFIG_SECRET_TARGET) {
        return "the service gives no way to change it: make a new one there, "
               "then twinsync credentials set target";
    }
    if (secret->kind == CONFIG_SECRET_REGISTRATION) {
        return "the authorization server's administrator gives it out: then "
               "twinsync credentials set registration";
    }
    return NULL;
}

struct ts_hash credential_account(const struct config *config,
                                  const struct config_secret *secret)
{
    const struct config_register *reg = config->reg;
    const char *who = NULL;
    if (secret->kind == CONFIG_SECRET_SOURCE) {
        who = config->sources[secret->source].bind.dn;
    } else if (secret->kind == CONFIG_SECRET_REGISTER) {
        who = reg->bind != NULL ? reg->bind->dn : reg->user;
    }
    return who == NULL ? (struct ts_hash){ { 0 } }
                       : ts_hash_of(ts_slice_str(who));
}

enum ts_code credential_try(const struct config *config,
                            const struct config_secret *secret,
                            const char *text, struct ts_err *err)
{
    const struct ts_secret_given given = ts_secret_give(text);
    switch (secret->kind) {
    case CONFIG_SECRET_SOURCE:
        return source_account_try(&config->sources[secret->source], text, err);
    case CONFIG_SECRET_TARGET:
        return judged(try_target(config, &given.port, err), err);
    case CONFIG_SECRET_REGISTRATION:
        return judged(try_registration(config, &given.port, err), err);
    case CONFIG_SECRET_REGISTER:
        break;
    }
    return with_register(config, NULL, text, err);
}

enum ts_code credential_change(const struct config *config,
                               const struct config_secret *secret,
                               const char *old, const char *fresh,
                               struct ts_err *err)
{
    return secret->kind == CONFIG_SECRET_SOURCE
               ? source_account_change(&config->sources[secret->source], old,
                                       fresh, err)
               : with_register(config, old, fresh, err);
}
