#include "node/source/contentsync.h"

#include <string.h>
#include <strings.h>

#define FINGERPRINT_VERSION "contentsync 1"

static bool holds(LDAP *ld, LDAPMessage *entry, const char *attribute,
                  const char *wanted)
{
    struct berval **values = ldap_get_values_len(ld, entry, attribute);
    size_t size = strlen(wanted);
    bool found = false;
    for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
        found |= values[i]->bv_len == size &&
                 strncasecmp(values[i]->bv_val, wanted, size) == 0;
    }
    ldap_value_free_len(values);
    return found;
}

static void take_subschema(LDAP *ld, LDAPMessage *entry,
                           struct contentsync_server *server)
{
    struct berval **values =
        ldap_get_values_len(ld, entry, "subschemaSubentry");
    if (values != NULL && values[0] != NULL &&
        values[0]->bv_len < sizeof server->subschema) {
        memcpy(server->subschema, values[0]->bv_val, values[0]->bv_len);
        server->subschema[values[0]->bv_len] = 0;
    }
    ldap_value_free_len(values);
}

enum ts_code contentsync_meet(struct contentsync *sync, struct ts_err *err)
{
    static const char *const attributes[] = { "objectClass", "supportedControl",
                                              "subschemaSubentry", NULL };
    struct contentsync_server *server = &sync->server;
    *server = (struct contentsync_server){ .openldap = false };
    LDAP_AUTOMSG LDAPMessage *entry = NULL;
    enum ts_code rc =
        ldap_session_read(sync->session, "", attributes, &entry, err);
    if (rc != TS_OK) {
        return rc;
    }
    if (entry != NULL) {
        LDAP *ld = ldap_session_handle(sync->session);
        server->openldap = holds(ld, entry, "objectClass", "OpenLDAProotDSE");
        server->offers_sync =
            holds(ld, entry, "supportedControl", LDAP_CONTROL_SYNC);
        take_subschema(ld, entry, server);
    }
    rc = ldap_session_identity(sync->session, server->identity, err);
    if (rc != TS_OK) {
        return rc;
    }
    if (!server->openldap) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot read source \"%s\" by content synchronization: "
                       "%s does not say that it is OpenLDAP's slapd; let the "
                       "account read the root DSE, or choose another type",
                       sync->config->name, ldap_session_uri(sync->session));
    }
    if (!server->offers_sync) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot read source \"%s\" by content synchronization: "
                       "%s does not offer it; load the overlay syncprov on the "
                       "database of \"%s\"",
                       sync->config->name, ldap_session_uri(sync->session),
                       sync->config->base);
    }
    return TS_OK;
}

enum ts_code contentsync_find_base(struct contentsync *sync, struct ts_err *err)
{
    static const char *const none[] = { LDAP_NO_ATTRS, NULL };
    LDAP_AUTOMSG LDAPMessage *entry = NULL;
    return ldap_session_read(sync->session, sync->config->base, none, &entry,
                             err);
}

static void add_text(struct ts_hasher *hasher, const char *text)
{
    ts_hasher_add_field(hasher, ts_slice_str(text));
}

struct ts_hash contentsync_fingerprint(const struct contentsync *sync)
{
    const struct source_options *options = &sync->options;
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    add_text(hasher, FINGERPRINT_VERSION);
    add_text(hasher, sync->server.openldap ? "openldap" : "");
    add_text(hasher, sync->config->base);
    add_text(hasher, sync->config->filter);
    add_text(hasher, sync->config->anchor != NULL ? sync->config->anchor : "");
    add_text(hasher, sync->server.identity);
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
