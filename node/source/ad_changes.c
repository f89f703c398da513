#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/source/ad.h"

#define GUID_ATTRIBUTE    "objectGUID"
#define DELETED_ATTRIBUTE "isDeleted"
#define CLASS_ATTRIBUTE   "objectClass"

/* The names of changed objects matter, and what changed of references; of all
 * else that rows are made of only that it is there. */

#define ADDED       ";range=1-1"
#define REMOVED     ";range=0-0"
#define LINKS_TEXTS ((size_t) 256 * 1024 * 1024)

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

static void links_done(struct ad_changes *changes)
{
    free(changes->links);
    ts_arena_done(&changes->arena);
    changes->links = NULL;
    changes->link_count = changes->link_room = 0;
}

void ad_changes_init(struct ad_changes *changes)
{
    *changes = (struct ad_changes){ .refused = false };
    ts_arena_init(&changes->arena, LINKS_TEXTS);
}

void ad_changes_done(struct ad_changes *changes)
{
    list_done(&changes->changed);
    list_done(&changes->gone);
    list_done(&changes->restored);
    list_done(&changes->created);
    links_done(changes);
    ts_arena_init(&changes->arena, LINKS_TEXTS);
    changes->links_forgotten = false;
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

bool ad_list_has(const struct ad_list *list, struct dirsync_guid guid)
{
    return list->count > 0 && bsearch(&guid, list->items, list->count,
                                      sizeof guid, by_bytes) != NULL;
}

/* --- links -----------------------------------------------------------------
 */

static int by_owner(const struct ad_link *x, const struct ad_link *y)
{
    int order = memcmp(x->owner.bytes, y->owner.bytes, sizeof x->owner.bytes);
    return order != 0 ? order : strcasecmp(x->attribute, y->attribute);
}

static int by_link(const void *a, const void *b)
{
    const struct ad_link *x = a;
    const struct ad_link *y = b;
    int order = by_owner(x, y);
    if (order == 0) {
        order = memcmp(x->link.key.bytes, y->link.key.bytes,
                       sizeof x->link.key.bytes);
    }
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

/* Of several changes of one link the last counts. */
static void settle_links(struct ad_changes *changes)
{
    struct ad_link *links = changes->links;
    size_t kept = 0;
    if (changes->link_count > 1) {
        qsort(links, changes->link_count, sizeof *links, by_link);
    }
    for (size_t i = 0; i < changes->link_count; i++) {
        bool last = i + 1 == changes->link_count ||
                    by_owner(&links[i], &links[i + 1]) != 0 ||
                    memcmp(links[i].link.key.bytes, links[i + 1].link.key.bytes,
                           sizeof links[i].link.key.bytes) != 0;
        if (last) {
            links[kept++] = links[i];
        }
    }
    changes->link_count = kept;
}

const struct ad_link *ad_changes_links(const struct ad_changes *changes,
                                       struct dirsync_guid owner,
                                       const char *attribute, size_t *ret_count)
{
    const struct ad_link wanted = { .owner = owner, .attribute = attribute };
    size_t low = 0;
    size_t high = changes->link_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_owner(&changes->links[middle], &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    size_t count = 0;
    while (low + count < changes->link_count &&
           by_owner(&changes->links[low + count], &wanted) == 0) {
        count++;
    }
    *ret_count = count;
    return &changes->links[low];
}

static bool grow_links(struct ad_changes *changes)
{
    size_t room = changes->link_room == 0 ? 64 : 2 * changes->link_room;
    struct ad_link *links =
        changes->link_count >= AD_LINKS_MAX
            ? NULL
            : reallocarray(changes->links, room, sizeof *links);
    if (links == NULL) {
        return false;
    }
    changes->links = links;
    changes->link_room = room;
    return true;
}

/* False: no room, or no name. */
static bool add_link(struct pass *pass, struct ad_link link,
                     struct berval value)
{
    struct ad_changes *changes = pass->changes;
    struct ts_err ignored;
    if (changes->link_count == changes->link_room && !grow_links(changes)) {
        return false;
    }
    link.order = changes->link_count;
    if (ad_link(pass->ad, ts_slice(value.bv_val, value.bv_len), &changes->arena,
                &link.link, &ignored) != TS_OK) {
        return false;
    }
    changes->links[changes->link_count++] = link;
    return true;
}

/* --- entries ---------------------------------------------------------------
 */

/* What matters of one entry of an answer. */
struct told {
    struct dirsync_guid guid;
    bool known, deleted, restored, created, unnamed;
};

static bool is_called(struct berval type, const char *name)
{
    return type.bv_len == strlen(name) &&
           strncasecmp(type.bv_val, name, type.bv_len) == 0;
}

/* A reference's name before one of the two options, or NULL. */
static const char *reference_of(const struct ad *ad, struct berval type,
                                const char *option)
{
    size_t size = strlen(option);
    const struct source_options *options = &ad->options;
    if (type.bv_len <= size ||
        strncasecmp(type.bv_val + type.bv_len - size, option, size) != 0) {
        return NULL;
    }
    type.bv_len -= size;
    for (size_t i = 0; i < options->reference_count; i++) {
        if (is_called(type, options->references[i])) {
            return options->references[i];
        }
    }
    return NULL;
}

static void take_links(struct pass *pass, struct berval type,
                       const struct berval *values)
{
    struct ad_changes *changes = pass->changes;
    const char *removed = reference_of(pass->ad, type, REMOVED);
    const char *name =
        removed != NULL ? removed : reference_of(pass->ad, type, ADDED);
    const struct ad_link link = { .attribute = name,
                                  .link = { .gone = removed != NULL } };
    for (size_t i = 0; name != NULL && values != NULL &&
                       values[i].bv_val != NULL && !changes->links_forgotten;
         i++) {
        changes->links_forgotten = !add_link(pass, link, values[i]);
    }
}

static void take_values(struct berval type, const struct berval *values,
                        struct told *told)
{
    bool any = values != NULL && values[0].bv_val != NULL;
    if (any && is_called(type, GUID_ATTRIBUTE) &&
        values[0].bv_len == DIRSYNC_GUID_SIZE && values[1].bv_val == NULL) {
        memcpy(told->guid.bytes, values[0].bv_val, DIRSYNC_GUID_SIZE);
        told->known = true;
    } else if (is_called(type, CLASS_ATTRIBUTE)) {
        told->created = any; /* else it never changes */
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

static int walk(struct pass *pass, LDAPMessage *entry, struct told *told)
{
    LDAP *ld = ldap_session_handle(pass->ad->session);
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
            take_links(pass, type, values);
        }
        ber_memfree(values);
    }
    ber_free(ber, 0);
    return result;
}

static enum ts_code read_told(struct pass *pass, LDAPMessage *entry,
                              struct told *told, struct ts_err *err)
{
    struct ad_changes *changes = pass->changes;
    size_t first = changes->link_count;
    int result = walk(pass, entry, told);
    /* Whose they are may come after them; and the dead have none. */
    for (size_t i = first; i < changes->link_count; i++) {
        changes->links[i].owner = told->guid;
    }
    if (told->deleted) {
        changes->link_count = first;
    }
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
    enum ts_code rc = read_told(pass, message, &told, err);
    if (rc == TS_OK && told.restored) {
        rc = add(&changes->restored, told.guid, err);
    }
    if (rc == TS_OK && told.created) {
        rc = add(&changes->created, told.guid, err);
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
    drop_twins(&changes->created);
    settle_links(changes);
    return rc;
}
