#include "node/register/ldap_server.h"

#include <stdio.h>

#include "node/ldap/dn.h"
#include "node/ldap/rdn.h"

/* A controller without the secrets, so without writes: [MS-ADTS] 3.1.1.3.4.3.
 */
#define READ_ONLY_CONTROLLER "1.2.840.113556.1.4.1920"

/* -- names --------------------------------------------------------------------
 */

enum ts_code ldap_server_is_below(const char *dn, const char *base,
                                  bool *ret_below, struct ts_err *err)
{
    struct ldap_dn_keys *keys = ldap_dn_keys_new();
    struct ldap_dn top, here;
    struct ts_slice at = ts_slice_str(dn);
    bool below = false;
    if (keys == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not compare two DNs");
    }
    enum ts_code code = ldap_dn_key(keys, ts_slice_str(base), &top, err);
    while (code == TS_OK && !below) {
        struct ldap_rdn_cut cut;
        code = ldap_dn_key(keys, at, &here, err);
        below = code == TS_OK && ldap_dn_key_equal(here.key, top.key);
        if (code != TS_OK || below || at.size == 0) {
            break;
        }
        code = ldap_rdn_cut_first(at, &cut, err);
        at = cut.parent;
    }
    ldap_dn_keys_free(keys);
    if (code != TS_OK) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use \"%.200s\" or \"%.200s\": it is no "
                       "distinguished name",
                       dn, base);
    }
    *ret_below = below;
    return TS_OK;
}

/* -- attributes
 * ---------------------------------------------------------------- */

/* The first value of `name`, cut to `text` and made printable; "" if none. */
static void first_value(struct ldap_session *session, LDAPMessage *entry,
                        const char *name, char *text, size_t size)
{
    text[0] = 0;
    struct berval **values =
        entry == NULL
            ? NULL
            : ldap_get_values_len(ldap_session_handle(session), entry, name);
    if (values != NULL && values[0] != NULL) {
        (void) snprintf(text, size, "%.*s", (int) values[0]->bv_len,
                        values[0]->bv_val);
        for (char *c = text; *c != 0; c++) {
            *c = *c < 0x20 || *c > 0x7e ? '?' : *c;
        }
    }
    ldap_value_free_len(values);
}

/* The first value of `name` in hex; "" if none or larger. */
static void first_hex(struct ldap_session *session, LDAPMessage *entry,
                      const char *name, char text[static 33])
{
    text[0] = 0;
    struct berval **values =
        entry == NULL
            ? NULL
            : ldap_get_values_len(ldap_session_handle(session), entry, name);
    if (values != NULL && values[0] != NULL && values[0]->bv_len == 16) {
        for (size_t i = 0; i < 16; i++) {
            (void) snprintf(text + 2 * i, 3, "%02x",
                            (unsigned) (uint8_t) values[0]->bv_val[i]);
        }
    }
    ldap_value_free_len(values);
}

static size_t count_values(struct ldap_session *session, LDAPMessage *entry,
                           const char *name)
{
    struct berval **values =
        entry == NULL
            ? NULL
            : ldap_get_values_len(ldap_session_handle(session), entry, name);
    size_t count = (size_t) ldap_count_values_len(values);
    ldap_value_free_len(values);
    return count;
}

static bool has_value(struct ldap_session *session, LDAPMessage *entry,
                      const char *name, const char *wanted)
{
    bool found = false;
    struct berval **values =
        ldap_get_values_len(ldap_session_handle(session), entry, name);
    for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
        found = found ||
                ts_slice_equal(ts_slice_str(wanted),
                               ts_slice(values[i]->bv_val, values[i]->bv_len));
    }
    ldap_value_free_len(values);
    return found;
}

/* -- identity
 * ------------------------------------------------------------------ */

/* The naming context that holds `dn`: the longest one. */
static enum ts_code find_suffix(struct ldap_session *session, LDAPMessage *root,
                                const char *dn, struct ldap_server *server,
                                struct ts_err *err)
{
    struct berval **values = ldap_get_values_len(ldap_session_handle(session),
                                                 root, "namingContexts");
    for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
        char context[sizeof server->suffix];
        bool below = false;
        if (values[i]->bv_len >= sizeof context || values[i]->bv_len == 0) {
            continue;
        }
        memcpy(context, values[i]->bv_val, values[i]->bv_len);
        context[values[i]->bv_len] = 0;
        if (strlen(context) > strlen(server->suffix) &&
            ldap_server_is_below(dn, context, &below, NULL) == TS_OK && below) {
            memcpy(server->suffix, context, sizeof context);
        }
    }
    ldap_value_free_len(values);
    return server->suffix[0] != 0
               ? TS_OK
               : ts_fail(err, TS_E_CONFIG, 0,
                         "cannot keep the register in \"%.150s\": %s has no "
                         "naming context that holds it",
                         dn, ldap_session_uri(session));
}

static enum ts_code read_controller(struct ldap_session *session,
                                    const char *settings,
                                    struct ldap_server *server,
                                    struct ts_err *err)
{
    static const char *const wanted[] = { "invocationId", NULL };
    LDAP_AUTOMSG LDAPMessage *entry = NULL;
    char hex[33];
    enum ts_code code =
        ldap_session_read(session, settings, wanted, &entry, err);
    if (code != TS_OK) {
        return code;
    }
    first_hex(session, entry, "invocationId", hex);
    if (hex[0] != 0) {
        (void) snprintf(server->identity, sizeof server->identity,
                        "active-directory %s", hex);
    }
    return TS_OK;
}

static enum ts_code read_suffix(struct ldap_session *session,
                                const char *configuration,
                                struct ldap_server *server, struct ts_err *err)
{
    static const char *const wanted[] = { "entryUUID", "nsuniqueid",
                                          "contextCSN", NULL };
    LDAP_AUTOMSG LDAPMessage *entry = NULL;
    char unique[64], uuid[64];
    enum ts_code code =
        ldap_session_read(session, server->suffix, wanted, &entry, err);
    if (code != TS_OK) {
        return code;
    }
    first_value(session, entry, "nsuniqueid", unique, sizeof unique);
    first_value(session, entry, "entryUUID", uuid, sizeof uuid);
    if (configuration[0] != 0 && unique[0] != 0) {
        (void) snprintf(server->identity, sizeof server->identity,
                        "389-ds %s %.150s", unique, configuration);
    } else if (uuid[0] != 0) {
        (void) snprintf(server->identity, sizeof server->identity, "slapd %s",
                        uuid);
    }
    server->writers = count_values(session, entry, "contextCSN");
    return TS_OK;
}

enum ts_code ldap_server_read(struct ldap_session *session, const char *dn,
                              struct ldap_server *ret_server,
                              struct ts_err *err)
{
    static const char *const wanted[] = { "namingContexts",
                                          "supportedCapabilities",
                                          "dsServiceName", "netscapemdsuffix",
                                          NULL };
    struct ldap_server server = { .writers = 0 };
    LDAP_AUTOMSG LDAPMessage *root = NULL;
    char settings[1024], configuration[200];
    enum ts_code code = ldap_session_read(session, "", wanted, &root, err);
    if (code != TS_OK) {
        return code;
    }
    if (root == NULL) {
        return ts_fail(err, TS_E_AUTH, 0,
                       "cannot use %s as a register: it does not show what it "
                       "is",
                       ldap_session_uri(session));
    }
    if (has_value(session, root, "supportedCapabilities",
                  READ_ONLY_CONTROLLER)) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot use %s as a register: it is a read-only domain "
                       "controller",
                       ldap_session_uri(session));
    }
    first_value(session, root, "dsServiceName", settings, sizeof settings);
    first_value(session, root, "netscapemdsuffix", configuration,
                sizeof configuration);
    code = find_suffix(session, root, dn, &server, err);
    if (code == TS_OK) {
        code = settings[0] != 0
                   ? read_controller(session, settings, &server, err)
                   : read_suffix(session, configuration, &server, err);
    }
    if (code == TS_OK && server.identity[0] == 0) {
        code = ts_fail(err, TS_E_REFUSED, 0,
                       "cannot use %s as a register: it shows this account "
                       "nothing to know it again by; let it read the entry "
                       "\"%.150s\"",
                       ldap_session_uri(session),
                       settings[0] != 0 ? settings : server.suffix);
    }
    if (code == TS_OK) {
        *ret_server = server;
    }
    return code;
}

/* -- writable?
 * ------------------------------------------------------------------ */

enum ts_code ldap_server_probe(struct ldap_session *session, const char *dn,
                               const char *attribute, struct ts_err *err)
{
    char absent[] = "twinsync-register:probe";
    char *values[] = { absent, NULL };
    union {
        const char *in;
        char *out;
    } type = { .in = attribute }; /* libldap only reads it */
    LDAPMod mod = { .mod_op = LDAP_MOD_DELETE,
                    .mod_type = type.out,
                    .mod_values = values };
    LDAPMod *mods[] = { &mod, NULL };
    struct ldap_session_change change;
    enum ts_code code = ldap_session_modify(session, dn, mods, &change, err);
    switch (change.result) {
    case LDAP_SUCCESS:
    case LDAP_NO_SUCH_ATTRIBUTE:
        return TS_OK;
    case LDAP_REFERRAL:
    case LDAP_UNWILLING_TO_PERFORM:
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot use %s as a register: it is a read-only "
                       "replica; name the server that takes the writes",
                       ldap_session_uri(session));
    case LDAP_UNDEFINED_TYPE:
    case LDAP_OBJECT_CLASS_VIOLATION:
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot keep the register in the attribute %s of "
                       "\"%.150s\" at %s: the entry cannot have one",
                       attribute, dn, ldap_session_uri(session));
    default:
        return code;
    }
}
