#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/ldap/dn.h"
#include "node/source/ad.h"

#define FINGERPRINT_VERSION "ad 1"
#define AD_OID              "1.2.840.113556.1.4.800" /* a directory of that family */
#define GLOBAL_CATALOG_FIX                                               \
    "name a domain controller's LDAP port (389 or 636), not the global " \
    "catalog's"
/* What a forest has that nobody ever set it for, [MS-ADTS] 6.1.1.2.4.1.1. */
#define TOMBSTONE_DAYS_UNSET 60

/* --- values ----------------------------------------------------------------
 */

/* The first value, as text; false (and "") when there is none that fits. */
static bool take_text(LDAP *ld, LDAPMessage *entry, const char *attribute,
                      char *text, size_t size)
{
    struct berval **values = ldap_get_values_len(ld, entry, attribute);
    bool fits = values != NULL && values[0] != NULL &&
                values[0]->bv_len < size &&
                memchr(values[0]->bv_val, 0, values[0]->bv_len) == NULL;
    text[0] = 0;
    if (fits) {
        memcpy(text, values[0]->bv_val, values[0]->bv_len);
        text[values[0]->bv_len] = 0;
    }
    ldap_value_free_len(values);
    return fits;
}

static bool take_guid(LDAP *ld, LDAPMessage *entry, const char *attribute,
                      uint8_t guid[static DIRSYNC_GUID_SIZE])
{
    struct berval **values = ldap_get_values_len(ld, entry, attribute);
    bool fits = values != NULL && values[0] != NULL &&
                values[0]->bv_len == DIRSYNC_GUID_SIZE;
    if (fits) {
        memcpy(guid, values[0]->bv_val, DIRSYNC_GUID_SIZE);
    }
    ldap_value_free_len(values);
    return fits;
}

static bool holds(LDAP *ld, LDAPMessage *entry, const char *attribute,
                  const char *wanted)
{
    struct berval **values = ldap_get_values_len(ld, entry, attribute);
    bool found = false;
    for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
        found |= values[i]->bv_len == strlen(wanted) &&
                 strncasecmp(values[i]->bv_val, wanted, values[i]->bv_len) == 0;
    }
    ldap_value_free_len(values);
    return found;
}

/* --- the root DSE ------------------------------------------------------------
 */

/* The root of the domain that was meant, for a base that is none. */
static enum ts_code no_domain(const struct ad *ad, const char *domain,
                              struct ts_err *err)
{
    return ts_fail(
        err, TS_E_CONFIG, 0,
        "cannot read \"%.200s\" of source \"%s\" by DirSync: it is "
        "not the root of a domain that %s has; set base to "
        "\"%.200s\", and let a rule's when ask ou_under() for a unit",
        ad->config->base, ad->config->name, ldap_session_uri(ad->session),
        domain);
}

/* Is the base one of the naming contexts, whatever its spelling? */
static enum ts_code check_base(const struct ad *ad, LDAP *ld, LDAPMessage *root,
                               struct ts_err *err)
{
    char domain[512];
    struct ldap_dn_keys *keys = ldap_dn_keys_new();
    struct ldap_dn dn;
    struct berval **values = ldap_get_values_len(ld, root, "namingContexts");
    bool found = false;
    for (size_t i = 0; keys != NULL && values != NULL && values[i] != NULL;
         i++) {
        found |=
            ldap_dn_key(keys, ts_slice(values[i]->bv_val, values[i]->bv_len),
                        &dn, NULL) == TS_OK &&
            memcmp(dn.key.bytes, ad->base_key.bytes, sizeof dn.key.bytes) == 0;
    }
    ldap_value_free_len(values);
    ldap_dn_keys_free(keys);
    (void) take_text(ld, root, "defaultNamingContext", domain, sizeof domain);
    return found ? TS_OK : no_domain(ad, domain, err);
}

static enum ts_code read_root(struct ad *ad, struct ts_err *err)
{
    static const char *const attributes[] = {
        "namingContexts",        "defaultNamingContext",
        "subschemaSubentry",     "configurationNamingContext",
        "supportedCapabilities", "supportedControl",
        "dsServiceName",         "dnsHostName",
        "highestCommittedUSN",   NULL
    };
    struct ad_server *server = &ad->server;
    LDAP_AUTOMSG LDAPMessage *root = NULL;
    char usn[32];
    enum ts_code rc =
        ldap_session_read(ad->session, "", attributes, &root, err);
    if (rc != TS_OK) {
        return rc;
    }
    LDAP *ld = ldap_session_handle(ad->session);
    if (root == NULL || !holds(ld, root, "supportedCapabilities", AD_OID) ||
        !holds(ld, root, "supportedControl", DIRSYNC_OID)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot read source \"%s\" by DirSync: %s does not say "
                       "that it is a domain controller that offers it; choose "
                       "another type, or " GLOBAL_CATALOG_FIX,
                       ad->config->name, ldap_session_uri(ad->session));
    }
    (void) take_text(ld, root, "subschemaSubentry", server->subschema,
                     sizeof server->subschema);
    (void) take_text(ld, root, "configurationNamingContext",
                     server->configuration, sizeof server->configuration);
    (void) take_text(ld, root, "dsServiceName", server->service,
                     sizeof server->service);
    (void) take_text(ld, root, "dnsHostName", server->dc, sizeof server->dc);
    if (take_text(ld, root, "highestCommittedUSN", usn, sizeof usn)) {
        server->usn = strtoull(usn, NULL, 10);
    }
    return check_base(ad, ld, root, err);
}

/* --- what is behind it -------------------------------------------------------
 */

static enum ts_code read_guid(struct ad *ad, const char *dn,
                              const char *attribute,
                              uint8_t guid[static DIRSYNC_GUID_SIZE],
                              bool *ret_known, struct ts_err *err)
{
    const char *const attributes[] = { attribute, NULL };
    LDAP_AUTOMSG LDAPMessage *entry = NULL;
    enum ts_code rc =
        ldap_session_read(ad->session, dn, attributes, &entry, err);
    *ret_known =
        rc == TS_OK && entry != NULL &&
        take_guid(ldap_session_handle(ad->session), entry, attribute, guid);
    return rc == TS_E_NOT_FOUND ? TS_OK : rc;
}

static enum ts_code read_tombstone_days(struct ad *ad, struct ts_err *err)
{
    static const char *const attributes[] = { "tombstoneLifetime", NULL };
    char dn[700];
    char days[16];
    LDAP_AUTOMSG LDAPMessage *entry = NULL;
    (void) snprintf(dn, sizeof dn,
                    "CN=Directory Service,CN=Windows NT,CN=Services,%s",
                    ad->server.configuration);
    enum ts_code rc =
        ldap_session_read(ad->session, dn, attributes, &entry, err);
    ad->server.tombstone_days = TOMBSTONE_DAYS_UNSET;
    if (rc == TS_OK && entry != NULL &&
        take_text(ldap_session_handle(ad->session), entry, attributes[0], days,
                  sizeof days)) {
        ad->server.tombstone_days = (uint32_t) strtoul(days, NULL, 10);
    }
    return rc == TS_E_NOT_FOUND || rc == TS_E_AUTH ? TS_OK : rc;
}

/* Samba has no "Who am I?": then the account is whom we named. */
static enum ts_code read_identity(struct ad *ad, struct ts_err *err)
{
    const char *dn = ad->config->bind.dn;
    enum ts_code rc = TS_OK;
    if (dn == NULL) {
        return ldap_session_identity(ad->session, ad->server.identity, err);
    }
    (void) snprintf(ad->server.identity, sizeof ad->server.identity, "dn:%s",
                    dn);
    rc = read_guid(ad, dn, "objectGUID", ad->server.account.bytes,
                   &ad->server.account_known, err);
    return rc;
}

enum ts_code ad_meet(struct ad *ad, struct ts_err *err)
{
    bool known = false;
    ad->server = (struct ad_server){ .usn = 0 };
    enum ts_code rc = read_root(ad, err);
    if (rc == TS_OK) {
        rc = read_identity(ad, err);
    }
    if (rc == TS_OK) {
        rc = read_guid(ad, ad->config->base, "objectGUID",
                       ad->server.base.bytes, &known, err);
    }
    if (rc == TS_OK && !known) {
        rc = ts_fail(err, TS_E_AUTH, 0,
                     "could not read \"%.200s\" at %s: let the account \"%s\" "
                     "read its objectGUID",
                     ad->config->base, ldap_session_uri(ad->session),
                     ad->server.identity);
    }
    if (rc == TS_OK) {
        rc = read_guid(ad, ad->server.service, "invocationId",
                       ad->server.invocation, &known, err);
    }
    if (rc == TS_OK && !known) {
        rc = ts_fail(err, TS_E_AUTH, 0,
                     "could not learn which database %s has: let the account "
                     "\"%s\" read invocationId of \"%.300s\"",
                     ldap_session_uri(ad->session), ad->server.identity,
                     ad->server.service);
    }
    return rc == TS_OK ? read_tombstone_days(ad, err) : rc;
}

/* --- fingerprint
 * -------------------------------------------------------------- */

static void add_text(struct ts_hasher *hasher, const char *text)
{
    ts_hasher_add_field(hasher, ts_slice_str(text));
}

struct ts_hash ad_fingerprint(const struct ad *ad)
{
    const struct source_options *options = &ad->options;
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    add_text(hasher, FINGERPRINT_VERSION);
    add_text(hasher, ad->config->base);
    add_text(hasher, ad->config->filter);
    add_text(hasher, ad->config->consistency_guid == CONFIG_CONSISTENCY_PREFER
                         ? "consistency"
                         : "");
    add_text(hasher, ad->server.identity);
    add_text(hasher, "attributes:");
    for (size_t i = 0; i < options->attribute_count; i++) {
        add_text(hasher, options->attributes[i]);
    }
    add_text(hasher, "references:"); /* not a name that an attribute can have */
    for (size_t i = 0; i < options->reference_count; i++) {
        add_text(hasher, options->references[i]);
    }
    struct ts_hash hash = ts_hasher_end(hasher);
    ts_hasher_free(hasher);
    return hash;
}
