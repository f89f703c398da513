/* The table, continued: where people and groups are read from. */
#include "node/config/table_rows.h"

/* ---- tls, shared by sources and target ---------------------------------- */

static const struct config_option tls_options[] = {
    { AT("ca-file", CONFIG_TEXT, config_tls, ca_file), .format = CONFIG_FILE,
      .max = TEXT_MAX, .local = true,
      .help = "PEM file with the certificates of the authorities that the "
              "server's certificate is checked against. Without it, the "
              "system's." },
    { AT("certificate-file", CONFIG_TEXT, config_tls, certificate_file),
      .format = CONFIG_FILE, .max = TEXT_MAX, .local = true,
      .help = "PEM file with our own certificate and its chain, for servers "
              "that ask for one." },
    { AT("key-file", CONFIG_TEXT, config_tls, key_file),
      .format = CONFIG_SECRET, .max = TEXT_MAX, .local = true,
      .help = "PEM file with the private key of that certificate." },
};
const struct config_section config_table_tls = {
    SECTION_OF("TLS", tls_options, config_tls),
    .both = { "certificate-file", "key-file" },
};

/* ---- sources ------------------------------------------------------------ */

static const cyaml_strval_t bind_words[] = {
    { "simple", CONFIG_BIND_SIMPLE },
    { "external", CONFIG_BIND_EXTERNAL },
};
static const struct config_option bind_options[] = {
    { AT("method", CONFIG_WORD, config_bind, method), WORDS(bind_words),
      .fallback = "simple",
      .help = "How we log in: simple with a DN and a password, external by "
              "the TLS client certificate or, over ldapi, by the local user." },
    { AT("dn", CONFIG_TEXT, config_bind, dn), .format = CONFIG_DN,
      .max = TEXT_MAX, .required = true, .only_if = "method",
      .only_is = "simple", .help = "DN of the account that reads." },
    { AT("password-file", CONFIG_TEXT, config_bind, password_file),
      .format = CONFIG_SECRET, .max = TEXT_MAX, .required = true, .local = true,
      .only_if = "method", .only_is = "simple",
      .help = "File with that account's password." },
};
const struct config_section config_table_bind = {
    SECTION_OF("How to log in to a source", bind_options, config_bind),
};

static const cyaml_strval_t source_words[] = {
    { "contentsync", CONFIG_SOURCE_CONTENTSYNC },
    { "ad", CONFIG_SOURCE_AD },
};
static const cyaml_strval_t consistency_words[] = {
    { "prefer", CONFIG_CONSISTENCY_PREFER },
    { "ignore", CONFIG_CONSISTENCY_IGNORE },
};
static const struct config_option source_options[] = {
    { AT("name", CONFIG_TEXT, config_source, name), .effect = true,
      .format = CONFIG_NAME, .max = 32, .required = true,
      .help = "Name of the source, of the same letters as cluster, for rules, "
              "messages and commands. Another "
              "name is another source: everything is read anew." },
    { AT("type", CONFIG_WORD, config_source, type), .effect = true,
      WORDS(source_words), .required = true,
      .help = "Kind of directory: contentsync is LDAP content "
              "synchronization (RFC 4533), as OpenLDAP's syncprov offers it; "
              "ad is a domain of Active Directory or Samba, by DirSync." },
    { AT("uri", CONFIG_TEXT, config_source, uri), .format = CONFIG_LDAP_URIS,
      .max = TEXT_MAX, .required = true,
      .help = "Servers as LDAP URIs, separated by spaces, tried in order." },
    { AT("base", CONFIG_TEXT, config_source, base), .effect = true,
      .format = CONFIG_DN, .max = TEXT_MAX, .required = true,
      .help = "DN below which everything is read; of ad, the domain's." },
    { AT("filter", CONFIG_TEXT, config_source, filter), .effect = true,
      .format = CONFIG_FILTER, .max = 4096, .fallback = "(objectClass=*)",
      .help = "LDAP filter (RFC 4515) of the entries that are read; of ad, of "
              "users, groups and contacts: the units above them always "
              "are." },
    { AT("bind", CONFIG_SECTION, config_source, bind),
      .section = &config_table_bind, .required = true,
      .help = "How to log in." },
    { AT("tls", CONFIG_SECTION, config_source, tls),
      .section = &config_table_tls, .help = "Certificates." },
    { AT("start-tls", CONFIG_SWITCH, config_source, start_tls),
      .fallback = "false",
      .help = "Encrypt ldap:// connections before logging in (RFC 4511, "
              "StartTLS)." },
    { AT("allow-plaintext-loopback", CONFIG_SWITCH, config_source,
         allow_plaintext_loopback),
      .fallback = "false",
      .help = "Permit ldap:// without start-tls to 127.0.0.0/8 and ::1. To "
              "other addresses it is never permitted." },
    { AT("anchor", CONFIG_TEXT, config_source, anchor), .effect = true,
      .format = CONFIG_ATTRIBUTE, .max = 128, .fallback = "entryUUID",
      .only_if = "type", .only_is = "contentsync",
      .help = "Attribute that names an entry for ever, whatever happens to "
              "its DN." },
    { AT("consistency-guid", CONFIG_WORD, config_source, consistency_guid),
      .effect = true, WORDS(consistency_words), .fallback = "prefer",
      .only_if = "type", .only_is = "ad",
      .help = "An object is named for ever by its objectGUID, or by its "
              "mS-DS-ConsistencyGuid where it has one (prefer), as after a "
              "migration from another domain." },
    { LIST_AT("canaries", CONFIG_TEXTS, config_source, canaries),
      .format = CONFIG_DN, .max = ITEMS_MAX,
      .help = "DNs of entries that are always there. A complete reading that "
              "does not show each of them proves no absence: nobody is "
              "deleted by it." },
    { AT("connect-timeout-seconds", CONFIG_NUMBER, config_source,
         connect_timeout_seconds),
      .min = 1, .max = 300, .fallback = "5",
      .help = "Longest wait for a connection to one server, before the next "
              "one is tried." },
    { AT("operation-timeout-seconds", CONFIG_NUMBER, config_source,
         operation_timeout_seconds),
      .min = 1, .max = 3600, .fallback = "30",
      .help = "Longest silence of a server in the middle of an operation." },
};
const struct config_section config_table_source = {
    SECTION_OF("Sources", source_options, config_source),
};
