#include "node/ldap/account.h"

#include <openssl/crypto.h>
#include <string.h>

#include "node/ldap/session_private.h"

#define CAPABILITY_AD "1.2.840.113556.1.4.800"
/* '"', the password and '"' in UTF-16: passwords that we make are ASCII. */
#define UNICODE_MAX 256

static void cleanup_session(struct ldap_session **slot)
{
    ldap_session_free(*slot);
}
#define AUTOSESSION __attribute__((cleanup(cleanup_session)))

/* Owns     *ret_session, also after an error. */
static enum ts_code connect_with(const struct ldap_session_options *options,
                                 const char *password,
                                 struct ldap_session **ret_session,
                                 struct ts_err *err)
{
    const struct ts_secret_given given = ts_secret_give(password);
    struct ldap_session_options with = *options;
    with.method = LDAP_SESSION_SIMPLE;
    with.password_file = "";
    with.secrets = &given.port;
    enum ts_code code = ldap_session_new(&with, ret_session, err);
    if (code == TS_OK) {
        code = ldap_session_connect(*ret_session, err);
        if (code != TS_OK &&
            ldap_session_result(*ret_session) == LDAP_INVALID_CREDENTIALS) {
            err->code = TS_E_REFUSED;
            code = TS_E_REFUSED;
        } else if (code == TS_E_REFUSED) {
            err->code = TS_E_CONFIG; /* plain text: nothing was asked */
            code = TS_E_CONFIG;
        }
        (*ret_session)->options.secrets = NULL; /* ends with this call */
    }
    return code;
}

enum ts_code ldap_account_try(const struct ldap_session_options *options,
                              const char *password, struct ts_err *err)
{
    AUTOSESSION struct ldap_session *session = NULL;
    return connect_with(options, password, &session, err);
}

/* ---- what the server can do ---------------------------------------------- */

static bool offers(LDAP *ld, LDAPMessage *entry, const char *attribute,
                   const char *oid)
{
    struct berval **values = ldap_get_values_len(ld, entry, attribute);
    bool found = false;
    for (int i = 0; values != NULL && values[i] != NULL && !found; i++) {
        found = values[i]->bv_len == strlen(oid) &&
                memcmp(values[i]->bv_val, oid, strlen(oid)) == 0;
    }
    ldap_value_free_len(values);
    return found;
}

enum way {
    WAY_NONE,
    WAY_MODIFY, /* RFC 3062 */
    WAY_UNICODE
};

static enum ts_code find_way(struct ldap_session *session, enum way *ret_way,
                             struct ts_err *err)
{
    static const char *const names[] = { "supportedExtension",
                                         "supportedCapabilities", NULL };
    LDAP_AUTOMSG LDAPMessage *root = NULL;
    enum ts_code code = ldap_session_read(session, "", names, &root, err);
    if (code != TS_OK) {
        return code;
    }
    LDAP *ld = ldap_session_handle(session);
    LDAPMessage *entry = root == NULL ? NULL : ldap_first_entry(ld, root);
    *ret_way = WAY_NONE;
    if (entry != NULL && offers(ld, entry, names[1], CAPABILITY_AD)) {
        *ret_way = WAY_UNICODE;
    } else if (entry != NULL &&
               offers(ld, entry, names[0], LDAP_EXOP_MODIFY_PASSWD)) {
        *ret_way = WAY_MODIFY;
    }
    return TS_OK;
}

/* ---- changing ------------------------------------------------------------ */

/* What the server answered in so many words has not been done, but for what
 * says only that it is busy. */
static enum ts_code judge(int result, enum ts_code code, struct ts_err *err)
{
    bool is_said = result > LDAP_SUCCESS && result != LDAP_BUSY &&
                   result != LDAP_UNAVAILABLE && result != LDAP_OTHER &&
                   result != LDAP_ADMINLIMIT_EXCEEDED &&
                   result != LDAP_TIMELIMIT_EXCEEDED;
    if (is_said) {
        err->code = TS_E_REFUSED;
        return TS_E_REFUSED;
    }
    return code == TS_E_REFUSED ? TS_E_PROTOCOL : code;
}

static enum ts_code change_by_modify(struct ldap_session *session,
                                     const char *old, const char *fresh,
                                     struct ts_err *err)
{
    union {
        const char *given;
        char *text;
    } before = { .given = old }, after = { .given = fresh };
    struct berval from = { strlen(old), before.text };
    struct berval to = { strlen(fresh), after.text };
    int id = 0;
    int sent = ldap_passwd(ldap_session_handle(session), NULL, &from, &to, NULL,
                           NULL, &id);
    if (sent != LDAP_SUCCESS) {
        return judge(-1,
                     ldap_session_fail_locally(session, sent,
                                               "change the password", err),
                     err);
    }
    enum ts_code code =
        ldap_session_finish(session, id, "change the password", NULL, err);
    return code == TS_OK ? TS_OK
                         : judge(ldap_session_result(session), code, err);
}

/* Returns the length, 0: it does not fit or is not ASCII. */
static size_t quote(const char *password, char utf16[static UNICODE_MAX])
{
    size_t length = strlen(password), at = 0;
    if (2 * (length + 2) > UNICODE_MAX) {
        return 0;
    }
    for (size_t i = 0; i < length + 2; i++) {
        char c = i == 0 || i == length + 1 ? '"' : password[i - 1];
        if ((unsigned char) c >= 0x80) {
            return 0;
        }
        utf16[at++] = c;
        utf16[at++] = '\0';
    }
    return at;
}

static enum ts_code change_unicode(struct ldap_session *session,
                                   const char *old, const char *fresh,
                                   struct ts_err *err)
{
    static char name[] = "unicodePwd";
    char before[UNICODE_MAX], after[UNICODE_MAX];
    struct berval from = { quote(old, before), before };
    struct berval to = { quote(fresh, after), after };
    struct berval *from_values[] = { &from, NULL },
                  *to_values[] = { &to, NULL };
    LDAPMod drop = { .mod_op = LDAP_MOD_DELETE | LDAP_MOD_BVALUES,
                     .mod_type = name,
                     .mod_vals.modv_bvals = from_values };
    LDAPMod add = { .mod_op = LDAP_MOD_ADD | LDAP_MOD_BVALUES,
                    .mod_type = name,
                    .mod_vals.modv_bvals = to_values };
    LDAPMod *changes[] = { &drop, &add, NULL };
    struct ldap_session_change change;
    enum ts_code code;
    if (from.bv_len == 0 || to.bv_len == 0) {
        code = ts_fail(err, TS_E_REFUSED, 0,
                       "cannot change the password at %s: one of the two has "
                       "other characters than ASCII, or over 126",
                       ldap_session_uri(session));
    } else if (ldap_session_tls(session)[0] == '\0') {
        code = ts_fail(err, TS_E_REFUSED, 0,
                       "cannot change the password at %s: Active Directory "
                       "takes one over TLS only; use ldaps or start-tls",
                       ldap_session_uri(session));
    } else {
        code = ldap_session_modify(session, session->options.bind_dn, changes,
                                   &change, err);
        if (code != TS_OK && change.sent) {
            code = judge(change.result, code, err);
        }
    }
    OPENSSL_cleanse(before, sizeof before);
    OPENSSL_cleanse(after, sizeof after);
    return code;
}

enum ts_code ldap_account_change(const struct ldap_session_options *options,
                                 const char *old, const char *fresh,
                                 struct ts_err *err)
{
    AUTOSESSION struct ldap_session *session = NULL;
    enum way way = WAY_NONE;
    enum ts_code code = connect_with(options, old, &session, err);
    if (code == TS_OK) {
        code = find_way(session, &way, err);
    }
    if (code == TS_OK && way == WAY_NONE) {
        code = ts_fail(err, TS_E_REFUSED, 0,
                       "cannot change the password at %s: the server offers "
                       "neither Password Modify (RFC 3062) nor unicodePwd",
                       ldap_session_uri(session));
    }
    if (code != TS_OK) {
        return code;
    }
    return way == WAY_UNICODE ? change_unicode(session, old, fresh, err)
                              : change_by_modify(session, old, fresh, err);
}
