#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/source/ad.h"

#define GUID_ATTRIBUTE    "objectGUID"
#define DELETED_ATTRIBUTE "isDeleted"

/* The names of changed objects matter, not what changed of them: so all that
 * rows are made of is asked for, and looked at no further. */

struct pass {
    struct ad *ad;
    struct ad_changes *changes;
    bool from_cookie, more, done;
};

static void list_done(struct ad_list *list)
{
    free(list->items);
    *list = (struct ad_list){ .items = NULL };
}

void ad_changes_done(struct ad_changes *changes)
{
    list_done(&changes->changed);
    list_done(&changes->gone);
    list_done(&changes->restored);
}

static enum ts_code add(struct ad_list *list, struct dirsync_guid guid,
                        struct ts_err *err)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 256 : 2 * list->room;
        struct dirsync_guid *items =
            list->count >= AD_CHANGES_MAX
                ? NULL
                : reallocarray(list->items, room, sizeof *items);
        if (items == NULL) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "could not take in %zu changes of the directory",
                           list->count);
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = guid;
    return TS_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, DIRSYNC_GUID_SIZE);
}

/* An object that changed in several ways, or again while it was told of, is
 * named several times. */
static void drop_twins(struct ad_list *list)
{
    size_t kept = list->count > 0;
    if (list->count > 1) {
        qsort(list->items, list->count, sizeof *list->items, by_bytes);
    }
    for (size_t i = 1; i < list->count; i++) {
        if (by_bytes(&list->items[i], &list->items[kept - 1]) != 0) {
            list->items[kept++] = list->items[i];
        }
    }
    list->count = kept;
}

/* --- entries ---------------------------------------------------------------
 */

/* What matters of one entry of an answer. */
struct told {
    struct dirsync_guid guid;
    bool known, deleted, restored, unnamed;
};

static bool is_called(struct berval type, const char *name)
{
    return type.bv_len == strlen(name) &&
           strncasecmp(type.bv_val, name, type.bv_len) == 0;
}

static void take_values(struct berval type, const struct berval *values,
                        struct told *told)
{
    bool any = values != NULL && values[0].bv_val != NULL;
    if (any && is_called(type, GUID_ATTRIBUTE) &&
        values[0].bv_len == DIRSYNC_GUID_SIZE && values[1].bv_val == NULL) {
        memcpy(told->guid.bytes, values[0].bv_val, DIRSYNC_GUID_SIZE);
        told->known = true;
    } else if (is_called(type, DELETED_ATTRIBUTE)) {
        /* No value: it had one, and was brought back. */
        told->restored = !any;
        told->deleted = any && values[0].bv_len == 4 &&
                        strncasecmp(values[0].bv_val, "TRUE", 4) == 0;
    }
}

/* An account with few rights is given no more than the GUID of what was
 * deleted, under no name. */
static bool is_unnamed(struct berval dn)
{
    struct dirsync_name name;
    return dn.bv_len == 0 || (dirsync_name_parse(ts_slice(dn.bv_val, dn.bv_len),
                                                 &name, NULL) == TS_OK &&
                              name.dn.size == 0);
}

static enum ts_code read_told(LDAP *ld, LDAPMessage *entry, struct told *told,
                              struct ts_err *err)
{
    BerElement *ber = NULL;
    struct berval dn = { 0, NULL };
    int result = ldap_get_dn_ber(ld, entry, &ber, &dn);
    told->unnamed = result == LDAP_SUCCESS && is_unnamed(dn);
    while (result == LDAP_SUCCESS) {
        struct berval type = { 0, NULL };
        BerVarray values = NULL;
        result = ldap_get_attribute_ber(ld, entry, ber, &type, &values);
        if (result == LDAP_SUCCESS && type.bv_val == NULL) {
            ber_memfree(values);
            break;
        }
        if (result == LDAP_SUCCESS) {
            take_values(type, values, told);
        }
        ber_memfree(values);
    }
    ber_free(ber, 0);
    return result == LDAP_SUCCESS && told->known
               ? TS_OK
               : ts_fail(err, TS_E_PROTOCOL, 0,
                         "cannot read an entry of the directory's DirSync "
                         "answer: %s",
                         result == LDAP_SUCCESS ? "it has no objectGUID"
                                                : ldap_err2string(result));
}

static enum ts_code take_entry(struct pass *pass, LDAPMessage *message,
                               struct ts_err *err)
{
    struct ad_changes *changes = pass->changes;
    struct told told = { .known = false };
    enum ts_code rc =
        read_told(ldap_session_handle(pass->ad->session), message, &told, err);
    if (rc == TS_OK && told.restored) {
        rc = add(&changes->restored, told.guid, err);
    }
    return rc == TS_OK ? add(told.deleted || told.unnamed ? &changes->gone
                                                          : &changes->changed,
                             told.guid, err)
                       : rc;
}

/* --- the end ---------------------------------------------------------------
 */

static enum ts_code take_control(struct pass *pass, LDAPControl **controls,
                                 struct ts_err *err)
{
    struct ad_changes *changes = pass->changes;
    struct dirsync_response response;
    LDAPControl *control = ldap_control_find(DIRSYNC_OID, controls, NULL);
    if (control == NULL) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot use the answer of %s: it ends without a DirSync "
                       "control",
                       ldap_session_uri(pass->ad->session));
    }
    enum ts_code rc = dirsync_decode_response(
        ts_slice(control->ldctl_value.bv_val, control->ldctl_value.bv_len),
        &response, err);
    if (rc == TS_OK) {
        memcpy(changes->cookie, response.cookie.data, response.cookie.size);
        changes->cookie_size = response.cookie.size;
        pass->more = response.more;
    }
    return rc;
}

static enum ts_code refused(struct pass *pass, int result,
                            const char *diagnostic, struct ts_err *err)
{
    const struct config_source *config = pass->ad->config;
    char what[400];
    if (pass->from_cookie && (result == LDAP_PROTOCOL_ERROR ||
                              result == LDAP_UNAVAILABLE_CRITICAL_EXTENSION)) {
        pass->changes->refused = true;
        return TS_OK;
    }
    const char *fix =
        result == LDAP_INSUFFICIENT_ACCESS ||
                result == LDAP_UNWILLING_TO_PERFORM
            ? "; give the account the right Replicating Directory Changes there"
        : result == LDAP_UNAVAILABLE_CRITICAL_EXTENSION
            ? "; it is no domain controller that offers DirSync"
            : "";
    (void) snprintf(what, sizeof what, "read changes of \"%.150s\"%s",
                    config->base, fix);
    return ldap_session_fail(pass->ad->session, result, diagnostic, what, err);
}

static enum ts_code take_result(struct pass *pass, LDAPMessage *message,
                                struct ts_err *err)
{
    int result = LDAP_OTHER;
    char *diagnostic = NULL;
    LDAPControl **controls = NULL;
    int parsed =
        ldap_parse_result(ldap_session_handle(pass->ad->session), message,
                          &result, NULL, &diagnostic, NULL, &controls, 0);
    result = parsed != LDAP_SUCCESS ? parsed : result;
    pass->done = true;
    pass->more = false;
    enum ts_code rc = result == LDAP_SUCCESS
                          ? take_control(pass, controls, err)
                          : refused(pass, result, diagnostic, err);
    ldap_memfree(diagnostic);
    ldap_controls_free(controls);
    return rc;
}

/* --- searching -------------------------------------------------------------
 */

static enum ts_code send_request(struct pass *pass, struct ts_slice cookie,
                                 const char *filter, int *ret_id,
                                 struct ts_err *err)
{
    static char sync_oid[] = DIRSYNC_OID;
    static char name_oid[] = DIRSYNC_EXTENDED_DN_OID;
    static char name_value[] = "\x30\x03\x02\x01\x01"; /* as text */
    struct dirsync_request *request = malloc(sizeof *request);
    if (request == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not ask for changes");
    }
    enum ts_code rc = dirsync_encode_request(DIRSYNC_OBJECT_SECURITY |
                                                 DIRSYNC_ANCESTORS_FIRST |
                                                 DIRSYNC_INCREMENTAL_VALUES,
                                             cookie, request, err);
    LDAPControl sync = { sync_oid,
                         { request->size, (char *) request->bytes },
                         1 };
    LDAPControl name = { name_oid, { sizeof name_value - 1, name_value }, 1 };
    LDAPControl *controls[] = { &sync, &name, NULL };
    struct ldap_session_search search = {
        .base = pass->ad->config->base,
        .scope = LDAP_SCOPE_SUBTREE,
        .filter = filter,
        .attributes = source_rows_attributes(pass->ad->rows),
        .controls = controls,
    };
    if (rc == TS_OK) {
        rc = ldap_session_search(pass->ad->session, &search, ret_id, err);
    }
    free(request);
    return rc;
}

static enum ts_code read_page(struct pass *pass, struct ts_slice cookie,
                              const char *filter, struct ts_err *err)
{
    int id = 0;
    enum ts_code rc = send_request(pass, cookie, filter, &id, err);
    pass->done = false;
    while (rc == TS_OK && !pass->done) {
        LDAP_AUTOMSG LDAPMessage *message = NULL;
        rc = ldap_session_next(pass->ad->session, id, &message, err);
        if (rc != TS_OK) {
            break;
        }
        int type = ldap_msgtype(message);
        if (type == LDAP_RES_SEARCH_ENTRY) {
            rc = take_entry(pass, message, err);
        } else if (type == LDAP_RES_SEARCH_RESULT) {
            rc = take_result(pass, message, err);
        } /* a reference leads to another domain or partition */
    }
    return rc;
}

enum ts_code ad_changes_read(struct ad *ad, struct ts_slice cookie,
                             const char *filter, struct ad_changes *changes,
                             struct ts_err *err)
{
    struct pass pass = { .ad = ad,
                         .changes = changes,
                         .from_cookie = cookie.size > 0 };
    enum ts_code rc = TS_OK;
    do {
        struct ts_hash before = ts_hash_of(cookie);
        size_t count = changes->changed.count + changes->gone.count;
        rc = read_page(&pass, cookie, filter, err);
        cookie = ts_slice(changes->cookie, changes->cookie_size);
        if (rc == TS_OK && pass.more &&
            count == changes->changed.count + changes->gone.count &&
            ts_hash_equal(before, ts_hash_of(cookie))) {
            rc = ts_fail(err, TS_E_PROTOCOL, 0,
                         "cannot read the changes of \"%.200s\": %s says that "
                         "there is more, and does not go on",
                         ad->config->base, ldap_session_uri(ad->session));
        }
    } while (rc == TS_OK && pass.more);
    drop_twins(&changes->changed);
    drop_twins(&changes->gone);
    drop_twins(&changes->restored);
    return rc;
}
