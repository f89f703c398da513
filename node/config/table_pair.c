/* What a pair needs to be told: its nodes, the lease, the register. */
#include "node/config/table_rows.h"

static const struct config_option node_options[] = {
    { AT("name", CONFIG_TEXT, config_member, name), .format = CONFIG_NAME,
      .max = 32, .required = true, .help = "Name of the computer." },
    { AT("endpoint", CONFIG_TEXT, config_member, endpoint),
      .format = CONFIG_ENDPOINT, .max = TEXT_MAX, .required = true,
      .help = "Where it listens for the other one: tcp://ADDRESS:PORT." },
    { AT("certificate", CONFIG_TEXT, config_member, certificate),
      .max = TEXT_MAX, .local = true,
      .help = "File with its public CURVE certificate, absolute or below the "
              "folder pair of the state directory. twinsync join puts it "
              "there. Without it, peers/NAME.cert." },
};
const struct config_section config_table_node = {
    SECTION_OF("Nodes", node_options, config_member),
};

#define SECONDS_OPTION(key, member, low, high, value, text)                  \
    {                                                                        \
        AT(key, CONFIG_SECONDS, config_lease, member),                       \
            .min = (low), .max = (high), .fallback = (value), .help = (text) \
    }
static const struct config_option lease_options[] = {
    SECONDS_OPTION("ttl-seconds", ttl_ms, 1000, 300000, "15",
                   "How long the lease is good for after it was renewed."),
    SECONDS_OPTION("renew-seconds", renew_ms, 50, 100000, "3",
                   "How often it is renewed; at most a third of what is left "
                   "of ttl-seconds when clock error and margin are taken off."),
    { AT("clock-error-percent", CONFIG_NUMBER, config_lease,
         clock_error_percent),
      .min = 1, .max = 30, .fallback = "10",
      .help = "How wrong the rate of a clock may be." },
    SECONDS_OPTION("margin-seconds", margin_ms, 10, 60000, "2",
                   "How long before its end the lease is no longer used."),
};
const struct config_section config_table_lease = {
    SECTION_OF("Lease", lease_options, config_lease),
};

static const cyaml_strval_t register_words[] = {
    { "peer", CONFIG_REGISTER_PEER },
    { "etcd", CONFIG_REGISTER_ETCD },
    { "ldap", CONFIG_REGISTER_LDAP },
    { "manual", CONFIG_REGISTER_MANUAL },
};
static const struct config_option register_options[] = {
    { AT("type", CONFIG_WORD, config_register, type), WORDS(register_words),
      .required = true,
      .help = "Kind of register: peer is twinsync-witness on a third "
              "computer, etcd its JSON gateway, ldap an entry of a directory "
              "server, manual a file: then nothing happens by itself." },
    { AT("endpoint", CONFIG_TEXT, config_register, endpoint),
      .format = CONFIG_ENDPOINT, .max = TEXT_MAX, .required = true,
      .only_if = "type", .only_is = "peer",
      .help = "Where the witness listens: tcp://ADDRESS:PORT." },
    { AT("certificate", CONFIG_TEXT, config_register, certificate),
      .max = TEXT_MAX, .required = true, .local = true, .only_if = "type",
      .only_is = "peer",
      .help = "File with the witness's public CURVE certificate, absolute or "
              "below the folder pair of the state directory." },
    { LIST_AT("endpoints", CONFIG_TEXTS, config_register, endpoints),
      .format = CONFIG_URL, .required = true, .min = 1, .max = 16,
      .only_if = "type", .only_is = "etcd",
      .help = "URLs of the etcd servers, tried in order." },
    { AT("key", CONFIG_TEXT, config_register, key), .max = TEXT_MAX,
      .only_if = "type", .only_is = "etcd",
      .help = "Key of the value; without it, twinsync/CLUSTER." },
    { AT("user", CONFIG_TEXT, config_register, user), .max = TEXT_MAX,
      .local = true, .only_if = "type", .only_is = "etcd",
      .help = "Name of this node's etcd user, with password-file." },
    { AT("password-file", CONFIG_TEXT, config_register, password_file),
      .format = CONFIG_SECRET, .max = TEXT_MAX, .local = true,
      .only_if = "type", .only_is = "etcd",
      .help = "File with that user's password." },
    { AT("uri", CONFIG_TEXT, config_register, uri), .format = CONFIG_LDAP_URIS,
      .max = TEXT_MAX, .required = true, .only_if = "type", .only_is = "ldap",
      .help = "The one server, as an LDAP URI: a replica does not do." },
    { AT("dn", CONFIG_TEXT, config_register, dn), .format = CONFIG_DN,
      .max = TEXT_MAX, .required = true, .only_if = "type", .only_is = "ldap",
      .help = "DN of the entry, outside the base of every source." },
    { AT("attribute", CONFIG_TEXT, config_register, attribute),
      .format = CONFIG_ATTRIBUTE, .max = 128, .fallback = "description",
      .only_if = "type", .only_is = "ldap",
      .help = "Attribute of that entry which holds the value." },
    { AT("bind", CONFIG_SECTION_OPTIONAL, config_register, bind),
      .section = &config_table_bind, .required = true, .only_if = "type",
      .only_is = "ldap", .help = "How this node logs in there." },
    { AT("start-tls", CONFIG_SWITCH, config_register, start_tls),
      .fallback = "false", .only_if = "type", .only_is = "ldap",
      .help = "Encrypt ldap:// before logging in." },
    { AT("tls", CONFIG_SECTION, config_register, tls),
      .section = &config_table_tls,
      .help = "Certificates, for etcd and ldap." },
    { AT("allow-plaintext-loopback", CONFIG_SWITCH, config_register,
         allow_plaintext_loopback),
      .fallback = "false",
      .help = "Permit unencrypted connections to 127.0.0.0/8 and ::1." },
    { AT("timeout-seconds", CONFIG_SECONDS, config_register, timeout_ms),
      .min = 100, .max = 60000, .fallback = "2",
      .help = "Longest wait for an answer." },
};
const struct config_section config_table_register = {
    SECTION_OF("Register", register_options, config_register),
};

static const struct config_option registration_options[] = {
    { AT("url", CONFIG_TEXT, config_registration, url), .format = CONFIG_URL,
      .max = TEXT_MAX, .required = true,
      .help = "Client registration endpoint (RFC 7591, RFC 7592)." },
    { AT("token-file", CONFIG_TEXT, config_registration, token_file),
      .format = CONFIG_SECRET, .max = TEXT_MAX, .required = true, .local = true,
      .help = "File with the initial access token." },
    { AT("revocation-url", CONFIG_TEXT, config_registration, revocation_url),
      .format = CONFIG_URL, .max = TEXT_MAX,
      .help = "Revocation endpoint (RFC 7009)." },
    { AT("introspection-url", CONFIG_TEXT, config_registration,
         introspection_url),
      .format = CONFIG_URL, .max = TEXT_MAX,
      .help = "Introspection endpoint (RFC 7662): tells at once that a token "
              "is no longer good." },
};
const struct config_section config_table_registration = {
    SECTION_OF("Registration of clients", registration_options,
               config_registration),
};
