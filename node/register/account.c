#include "node/register/account.h"

#include "node/ldap/account.h"
#include "node/register/etcd_account.h"

struct ldap_session_options
register_session_options(const struct register_options *options)
{
    const struct register_ldap_options *ldap = &options->ldap;
    uint32_t seconds = (options->timeout_ms + 999) / 1000;
    return (struct ldap_session_options){
        .name = "register",
        .uris = ldap->uri,
        .start_tls = ldap->start_tls,
        .allow_plaintext_loopback = ldap->allow_plaintext_loopback,
        .ca_file = ldap->ca_file,
        .certificate_file = ldap->certificate_file,
        .key_file = ldap->key_file,
        .method =
            ldap->bind_dn == NULL ? LDAP_SESSION_EXTERNAL : LDAP_SESSION_SIMPLE,
        .bind_dn = ldap->bind_dn,
        .password_file = ldap->password_file,
        .secrets = options->secrets,
        .connect_timeout_seconds = seconds,
        .operation_timeout_seconds = seconds,
    };
}

static bool is_ldap(const struct register_options *options)
{
    return options->kind == REGISTER_LDAP && options->ldap.bind_dn != NULL;
}

/* Any other kind: the register itself says whether it lets us in. */
static enum ts_code try_by_reading(const struct register_options *options,
                                   const char *password, struct ts_err *err)
{
    const struct ts_secret_given given = ts_secret_give(password);
    struct register_options with = *options;
    struct register_client *client = NULL;
    struct ts_arena arena;
    struct ts_slice value = TS_SLICE_NONE;
    with.secrets = &given.port;
    ts_arena_init(&arena, 2 * REGISTER_VALUE_MAX);
    enum ts_code code = register_open(&with, &client, err);
    if (code == TS_OK) {
        code = register_read(client, &arena, &value, err);
    }
    register_close(client);
    ts_arena_done(&arena);
    if (code == TS_E_AUTH) {
        err->code = TS_E_REFUSED;
        code = TS_E_REFUSED;
    }
    return code;
}

enum ts_code register_account_try(const struct register_options *options,
                                  const char *password, struct ts_err *err)
{
    if (!is_ldap(options)) {
        return try_by_reading(options, password, err);
    }
    const struct ldap_session_options session =
        register_session_options(options);
    return ldap_account_try(&session, password, err);
}

enum ts_code register_account_change(const struct register_options *options,
                                     const char *old, const char *fresh,
                                     struct ts_err *err)
{
    if (options->kind == REGISTER_ETCD) {
        return register_etcd_account_change(options, old, fresh, err);
    }
    const struct ldap_session_options session =
        register_session_options(options);
    return ldap_account_change(&session, old, fresh, err);
}
