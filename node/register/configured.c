#include "node/register/configured.h"

#include <stdio.h>
#include <stdlib.h>

/* Below the state directory: the keys of the pair, and a manual register. */
#define PAIR_FOLDER "pair"
#define OWN_FILE    "node.cert"
#define MANUAL_FILE "register.manual"

static enum ts_code put_path(const struct config *config, const char *folder,
                             const char *name,
                             char path[static REGISTER_CONFIGURED_PATH],
                             struct ts_err *err)
{
    int size = name[0] == '/'
                   ? snprintf(path, REGISTER_CONFIGURED_PATH, "%s", name)
                   : snprintf(path, REGISTER_CONFIGURED_PATH, "%s/%s%s%s",
                              config->state_directory, folder,
                              folder[0] == 0 ? "" : "/", name);
    return size > 0 && size < REGISTER_CONFIGURED_PATH
               ? TS_OK
               : ts_fail(err, TS_E_CONFIG, 0,
                         "cannot use the register: the path of \"%.100s\" is "
                         "too long",
                         name);
}

static enum ts_code set_peer(const struct config *config,
                             struct register_configured *set,
                             struct ts_err *err)
{
    enum ts_code code = put_path(config, PAIR_FOLDER, config->reg->certificate,
                                 set->certificate_file, err);
    if (code == TS_OK) {
        code = put_path(config, PAIR_FOLDER, OWN_FILE, set->own_file, err);
    }
    set->options.kind = REGISTER_PEER;
    set->options.peer = (struct register_peer_options){
        .endpoint = config->reg->endpoint,
        .certificate_file = set->certificate_file,
        .own_file = set->own_file,
    };
    return code;
}

static enum ts_code set_etcd(const struct config *config,
                             struct register_configured *set,
                             struct ts_err *err)
{
    const struct config_register *reg = config->reg;
    struct register_etcd_options *etcd = &set->options.etcd;
    if (reg->endpoints_count > REGISTER_ENDPOINTS_MAX) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use %u endpoints of etcd: %d are the most",
                       reg->endpoints_count, REGISTER_ENDPOINTS_MAX);
    }
    set->options.kind = REGISTER_ETCD;
    for (uint32_t i = 0; i < reg->endpoints_count; i++) {
        etcd->endpoints[i] = reg->endpoints[i];
    }
    etcd->endpoints_count = reg->endpoints_count;
    (void) snprintf(set->key, sizeof set->key, "twinsync/%.200s",
                    config->cluster);
    etcd->key = reg->key != NULL ? reg->key : set->key;
    etcd->user = reg->user;
    etcd->password_file = reg->password_file;
    etcd->ca_file = reg->tls.ca_file;
    etcd->certificate_file = reg->tls.certificate_file;
    etcd->key_file = reg->tls.key_file;
    etcd->allow_plaintext_loopback = reg->allow_plaintext_loopback;
    return TS_OK;
}

static enum ts_code set_ldap(const struct config *config,
                             struct register_configured *set,
                             struct ts_err *err)
{
    const struct config_register *reg = config->reg;
    struct register_ldap_options *ldap = &set->options.ldap;
    set->source_bases =
        calloc(config->sources_count + 1U, sizeof *set->source_bases);
    if (set->source_bases == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the register");
    }
    for (uint32_t i = 0; i < config->sources_count; i++) {
        set->source_bases[i] = config->sources[i].base;
    }
    bool simple = reg->bind != NULL && reg->bind->method == CONFIG_BIND_SIMPLE;
    set->options.kind = REGISTER_LDAP;
    *ldap = (struct register_ldap_options){
        .uri = reg->uri,
        .dn = reg->dn,
        .attribute = reg->attribute,
        .bind_dn = simple ? reg->bind->dn : NULL,
        .password_file = simple ? reg->bind->password_file : NULL,
        .ca_file = reg->tls.ca_file,
        .certificate_file = reg->tls.certificate_file,
        .key_file = reg->tls.key_file,
        .start_tls = reg->start_tls,
        .allow_plaintext_loopback = reg->allow_plaintext_loopback,
        .source_bases = set->source_bases,
        .source_bases_count = config->sources_count,
    };
    return TS_OK;
}

enum ts_code register_options_of(const struct config *config,
                                 const struct ts_secret_keeper *secrets,
                                 struct register_configured *ret_configured,
                                 struct ts_err *err)
{
    struct register_configured *set = ret_configured;
    memset(set, 0, sizeof *set);
    if (config->reg == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use a register: the configuration names none, "
                       "because this node is alone");
    }
    set->options.secrets = secrets;
    set->options.cluster = config->cluster;
    set->options.node = config->this_node;
    set->options.timeout_ms = config->reg->timeout_ms;
    switch (config->reg->type) {
    case CONFIG_REGISTER_PEER:
        return set_peer(config, set, err);
    case CONFIG_REGISTER_ETCD:
        return set_etcd(config, set, err);
    case CONFIG_REGISTER_LDAP:
        return set_ldap(config, set, err);
    case CONFIG_REGISTER_MANUAL:
        break;
    }
    set->options.kind = REGISTER_MANUAL;
    set->options.manual_file = set->manual_file;
    return put_path(config, "", MANUAL_FILE, set->manual_file, err);
}

void register_configured_done(struct register_configured *configured)
{
    free(configured->source_bases);
    configured->source_bases = NULL;
}
