#include "node/source/account.h"

#include "node/ldap/account.h"

struct ldap_session_options
source_session_options(const struct config_source *config,
                       const struct ts_secret_keeper *secrets)
{
    return (struct ldap_session_options){
        .name = config->name,
        .uris = config->uri,
        .start_tls = config->start_tls,
        .allow_plaintext_loopback = config->allow_plaintext_loopback,
        .ca_file = config->tls.ca_file,
        .certificate_file = config->tls.certificate_file,
        .key_file = config->tls.key_file,
        .method = config->bind.method == CONFIG_BIND_EXTERNAL
                      ? LDAP_SESSION_EXTERNAL
                      : LDAP_SESSION_SIMPLE,
        .bind_dn = config->bind.dn,
        .password_file = config->bind.password_file,
        .secrets = secrets,
        .connect_timeout_seconds = config->connect_timeout_seconds,
        .operation_timeout_seconds = config->operation_timeout_seconds,
    };
}

enum ts_code source_account_try(const struct config_source *config,
                                const char *password, struct ts_err *err)
{
    const struct ldap_session_options options =
        source_session_options(config, NULL);
    return ldap_account_try(&options, password, err);
}

enum ts_code source_account_change(const struct config_source *config,
                                   const char *old, const char *fresh,
                                   struct ts_err *err)
{
    const struct ldap_session_options options =
        source_session_options(config, NULL);
    return ldap_account_change(&options, old, fresh, err);
}
