#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/ldap/rdn.h"
#include "node/source/ad.h"

/* Everything above an object, so that its place is known: always read. */
#define UNITS                                                 \
    "(objectClass=organizationalUnit)(objectClass=container)" \
    "(objectClass=builtinDomain)(objectClass=lostAndFound)"   \
    "(objectClass=organization)(objectClass=country)"         \
    "(objectClass=locality)(objectClass=domainDNS)"
#define PEOPLE_AND_GROUPS \
    "(|(objectClass=user)(objectClass=group)(objectClass=contact))"

#define PAGE_SIZE 1000
/* Of one search for objects by their GUIDs. */
#define GUIDS_MAX 64
/* Parts of one entry with a long attribute; a controller gives 1,500 values in
 * each. */
#define PARTS_MAX 4096

struct reading {
    struct ad *ad;
    struct source_builder *builder;
    const struct ad_changes *changes; /* NULL when all are read */
    bool *found;                      /* for each of `guids`: it came */
    const struct dirsync_guid *guids;
    size_t count;
    struct source_link *links; /* of the entry at hand: what changed */
    struct berval page;        /* the cookie of the next page */
    bool done;
};

/* --- places (A1) -----------------------------------------------------------
 */

static bool is_base(const struct ad *ad, struct dirsync_guid guid)
{
    return memcmp(guid.bytes, ad->server.base.bytes, sizeof guid.bytes) == 0;
}

static struct source_dn_key key_of(const struct ad *ad,
                                   struct dirsync_guid guid)
{
    struct source_dn_key key;
    _Static_assert(sizeof key.bytes == sizeof guid.bytes, "a GUID is a key");
    if (is_base(ad, guid)) {
        return ad->base_key;
    }
    memcpy(key.bytes, guid.bytes, sizeof key.bytes);
    return key;
}

/* The one value of an extra that is a GUID. */
static bool guid_of(const struct ad *ad, enum ad_extra extra,
                    struct dirsync_guid *ret_guid)
{
    struct source_values values = source_rows_extra(ad->rows, extra);
    if (values.count != 1 || values.items[0].size != DIRSYNC_GUID_SIZE) {
        return false;
    }
    memcpy(ret_guid->bytes, values.items[0].data, DIRSYNC_GUID_SIZE);
    return true;
}

enum ts_code ad_place(void *context, const struct source_seen *seen,
                      struct ts_arena *arena, struct source_row *row,
                      struct ts_err *err)
{
    const struct ad *ad = context;
    struct dirsync_guid guid;
    struct dirsync_guid parent;
    struct dirsync_name name;
    struct ldap_rdn_cut cut;
    (void) seen;
    (void) arena;
    enum ts_code rc = dirsync_name_parse(row->dn, &name, err);
    if (rc == TS_OK) {
        row->dn = name.dn;
        rc = ldap_rdn_cut_first(name.dn, &cut, err);
    }
    if (rc != TS_OK) {
        return rc;
    }
    if (!guid_of(ad, AD_GUID, &guid)) {
        return ts_fail(err, TS_E_PROTOCOL, 0, "it has no objectGUID");
    }
    row->rdn = cut.rdn;
    row->key = key_of(ad, guid);
    if (guid_of(ad, AD_PARENT, &parent)) {
        row->parent = key_of(ad, parent);
    } else if (!is_base(ad, guid)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "it has no parentGUID; let the account read it");
    }
    return TS_OK;
}

enum ts_code ad_link(void *context, struct ts_slice value,
                     struct ts_arena *arena, struct source_link *link,
                     struct ts_err *err)
{
    struct dirsync_name name;
    enum ts_code rc = dirsync_name_parse(value, &name, err);
    if (rc != TS_OK) {
        return rc;
    }
    link->key = key_of(context, name.guid);
    link->dn = ts_arena_copy(arena, name.dn);
    return link->dn.data != NULL || name.dn.size == 0
               ? TS_OK
               : ts_fail(err, TS_E_LIMIT, 0,
                         "could not take in the references of one entry");
}

/* --- rows ------------------------------------------------------------------
 */

/* mS-DS-ConsistencyGuid wins where it is set, and is to be preferred. */
static struct dirsync_guid anchor_of(const struct ad *ad,
                                     struct dirsync_guid guid)
{
    struct dirsync_guid other;
    return ad->config->consistency_guid == CONFIG_CONSISTENCY_PREFER &&
                   guid_of(ad, AD_CONSISTENCY, &other)
               ? other
               : guid;
}

static enum ts_code add_row(struct reading *reading, struct source_seen *seen,
                            struct ts_err *err)
{
    struct ad *ad = reading->ad;
    struct dirsync_guid guid;
    struct source_row *row = NULL;
    char anchor[DIRSYNC_GUID_ANCHOR_SIZE];
    if (!guid_of(ad, AD_GUID, &guid)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read \"%.*s\": it has no objectGUID",
                       (int) (seen->dn.size < 200 ? seen->dn.size : 200),
                       (const char *) seen->dn.data);
    }
    for (size_t i = 0; i < reading->count; i++) {
        if (memcmp(reading->guids[i].bytes, guid.bytes, sizeof guid.bytes) ==
            0) {
            reading->found[i] = true;
        }
    }
    dirsync_guid_anchor(anchor_of(ad, guid), anchor);
    seen->never = ad_never(ad, seen->dn);
    enum ts_code rc =
        source_builder_begin(reading->builder, seen->size, &row, err);
    if (rc != TS_OK) {
        return rc;
    }
    row->returned = reading->changes != NULL &&
                    ad_list_has(&reading->changes->restored, guid);
    struct ts_arena *arena = &reading->builder->batch->arena;
    row->anchor = ts_arena_copy(arena, ts_slice_str(anchor));
    rc = row->anchor.data == NULL
             ? ts_fail(err, TS_E_LIMIT, 0, "could not take in an anchor")
             : source_rows_fill(ad->rows, seen, arena, row, err);
    return rc == TS_OK ? source_builder_keep(reading->builder, err) : rc;
}

enum ts_code ad_objects_delete(struct ad *ad, struct dirsync_guid guid,
                               struct source_builder *builder,
                               struct ts_err *err)
{
    struct source_row *row = NULL;
    enum ts_code rc = source_builder_begin(builder, sizeof *row, &row, err);
    if (rc == TS_OK) {
        row->verb = SOURCE_DELETE;
        row->key = key_of(ad, guid);
        rc = source_builder_keep(builder, err);
    }
    return rc;
}

/* --- long attributes --------------------------------------------------------
 */

/* The messages that one entry came in. */
struct parts {
    LDAPMessage **items;
    size_t count;
};

static void parts_done(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        (void) ldap_msgfree(parts->items[i]);
    }
    free(parts->items);
}

static enum ts_code read_part(struct reading *reading, const char *name,
                              uint32_t next, struct parts *parts,
                              struct ts_err *err)
{
    struct dirsync_guid guid;
    char text[DIRSYNC_GUID_TEXT_SIZE];
    char base[DIRSYNC_GUID_TEXT_SIZE + 8];
    char attribute[256];
    static char name_oid[] = DIRSYNC_EXTENDED_DN_OID;
    static char name_value[] = "\x30\x03\x02\x01\x01";
    LDAPControl control = { name_oid,
                            { sizeof name_value - 1, name_value },
                            1 };
    LDAPControl *controls[] = { &control, NULL };
    const char *const attributes[] = { attribute, NULL };
    struct ldap_session_search search = { .base = base,
                                          .scope = LDAP_SCOPE_BASE,
                                          .filter = "(objectClass=*)",
                                          .attributes = attributes,
                                          .controls = controls };
    if (!guid_of(reading->ad, AD_GUID, &guid)) {
        return ts_fail(err, TS_E_PROTOCOL, 0, "an entry has no objectGUID");
    }
    dirsync_guid_text(guid, text);
    (void) snprintf(base, sizeof base, "<GUID=%s>", text);
    (void) snprintf(attribute, sizeof attribute, "%.200s;range=%" PRIu32 "-*",
                    name, next);
    LDAPMessage *entry = NULL;
    enum ts_code rc =
        ldap_session_read_by(reading->ad->session, &search, &entry, err);
    if (rc == TS_OK && entry == NULL) {
        rc = ts_fail(err, TS_E_UNREACHABLE, 0,
                     "could not read all of \"%s\" of %s: it went away "
                     "meanwhile",
                     name, base);
    }
    if (rc == TS_OK) {
        parts->items[parts->count++] = entry;
    }
    return rc;
}

/* Of a group that was there before, and is not told of in one piece: only what
 * has changed of its members. False: it has to be read to its end. */
static bool patch(struct reading *reading, const char *name,
                  struct dirsync_guid guid)
{
    const struct ad_changes *changes = reading->changes;
    size_t count = 0;
    if (changes == NULL || changes->links_forgotten ||
        ad_list_has(&changes->created, guid) ||
        ad_list_has(&changes->restored, guid)) {
        return false;
    }
    const struct ad_link *links = ad_changes_links(changes, guid, name, &count);
    reading->links = calloc(count + 1, sizeof *reading->links);
    for (size_t i = 0; reading->links != NULL && i < count; i++) {
        reading->links[i] = links[i].link;
    }
    if (reading->links != NULL) {
        source_rows_patch(reading->ad->rows, name, reading->links, count);
    }
    return reading->links != NULL;
}

/* The rest of the entry that was read last. */
static enum ts_code read_rest(struct reading *reading, struct parts *parts,
                              struct source_seen *seen, struct ts_err *err)
{
    struct ad *ad = reading->ad;
    LDAP *ld = ldap_session_handle(ad->session);
    uint32_t next = 0;
    uint32_t before = 0;
    const char *name = source_rows_next_range(ad->rows, &next);
    enum ts_code rc = TS_OK;
    struct dirsync_guid guid;
    if (name == NULL ||
        (strcasecmp(name, AD_RANGED) == 0 && guid_of(ad, AD_GUID, &guid) &&
         patch(reading, name, guid))) {
        return TS_OK;
    }
    parts->items = calloc(PARTS_MAX, sizeof(LDAPMessage *));
    while (rc == TS_OK && parts->items != NULL && name != NULL) {
        before = next;
        rc = parts->count == PARTS_MAX
                 ? ts_fail(
                       err, TS_E_LIMIT, 0,
                       "cannot read an attribute \"%s\" of more than %" PRIu32
                       " values",
                       name, next)
                 : read_part(reading, name, next, parts, err);
        if (rc == TS_OK) {
            rc = source_rows_read_more(
                ad->rows, ld, parts->items[parts->count - 1], seen, err);
        }
        const char *last = name;
        name = source_rows_next_range(ad->rows, &next);
        if (rc == TS_OK && name == last && next <= before) {
            rc = ts_fail(err, TS_E_PROTOCOL, 0,
                         "cannot read all of \"%s\": the directory does not go "
                         "on after value %" PRIu32,
                         name, before);
        }
    }
    return parts->items == NULL
               ? ts_fail(err, TS_E_NOMEM, 0, "could not take in an entry")
               : rc;
}

static enum ts_code take_entry(struct reading *reading, LDAPMessage *message,
                               struct ts_err *err)
{
    struct ad *ad = reading->ad;
    struct parts parts = { NULL, 0 };
    struct source_seen seen;
    enum ts_code rc = source_rows_read(
        ad->rows, ldap_session_handle(ad->session), message, &seen, err);
    if (rc == TS_OK) {
        rc = read_rest(reading, &parts, &seen, err);
    }
    if (rc == TS_OK) {
        rc = add_row(reading, &seen, err);
    }
    parts_done(&parts);
    free(reading->links);
    reading->links = NULL;
    return rc;
}

/* --- searching -------------------------------------------------------------
 */

static enum ts_code take_result(struct reading *reading, LDAPMessage *message,
                                struct ts_err *err)
{
    struct ad *ad = reading->ad;
    LDAP *ld = ldap_session_handle(ad->session);
    int result = LDAP_OTHER;
    char *diagnostic = NULL;
    LDAPControl **controls = NULL;
    int parsed = ldap_parse_result(ld, message, &result, NULL, &diagnostic,
                                   NULL, &controls, 0);
    result = parsed != LDAP_SUCCESS ? parsed : result;
    reading->done = true;
    ber_memfree(reading->page.bv_val);
    reading->page = (struct berval){ 0, NULL };
    LDAPControl *control =
        ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
    if (result == LDAP_SUCCESS && control != NULL) {
        ber_int_t estimate = 0;
        result = ldap_parse_pageresponse_control(ld, control, &estimate,
                                                 &reading->page);
    }
    char what[300];
    (void) snprintf(what, sizeof what, "read \"%.150s\" completely",
                    ad->config->base);
    enum ts_code rc =
        result == LDAP_SUCCESS
            ? TS_OK
            : ldap_session_fail(ad->session, result, diagnostic, what, err);
    ldap_memfree(diagnostic);
    ldap_controls_free(controls);
    return rc;
}

static enum ts_code send_search(struct reading *reading, const char *filter,
                                int *ret_id, struct ts_err *err)
{
    static char name_oid[] = DIRSYNC_EXTENDED_DN_OID;
    static char name_value[] = "\x30\x03\x02\x01\x01";
    static char scope_oid[] = DIRSYNC_DOMAIN_SCOPE_OID;
    struct ad *ad = reading->ad;
    LDAPControl name = { name_oid, { sizeof name_value - 1, name_value }, 1 };
    LDAPControl scope = { .ldctl_oid = scope_oid };
    LDAPControl *page = NULL;
    int result = ldap_create_page_control(ldap_session_handle(ad->session),
                                          PAGE_SIZE, &reading->page, 1, &page);
    if (result != LDAP_SUCCESS) {
        return ldap_session_fail(ad->session, result, NULL, "ask for a page",
                                 err);
    }
    LDAPControl *controls[] = { page, &name, &scope, NULL };
    struct ldap_session_search search = {
        .base = ad->config->base,
        .scope = LDAP_SCOPE_SUBTREE,
        .filter = filter,
        .attributes = ad->attributes,
        .controls = controls,
    };
    enum ts_code rc = ldap_session_search(ad->session, &search, ret_id, err);
    ldap_control_free(page);
    return rc;
}

/* All pages. */
static enum ts_code read_pages(struct reading *reading, const char *filter,
                               struct ts_err *err)
{
    struct ldap_session *session = reading->ad->session;
    enum ts_code rc = TS_OK;
    do {
        int id = 0;
        rc = send_search(reading, filter, &id, err);
        reading->done = false;
        while (rc == TS_OK && !reading->done) {
            LDAP_AUTOMSG LDAPMessage *message = NULL;
            rc = ldap_session_next(session, id, &message, err);
            int type = rc == TS_OK ? ldap_msgtype(message) : 0;
            if (type == LDAP_RES_SEARCH_ENTRY) {
                rc = take_entry(reading, message, err);
            } else if (type == LDAP_RES_SEARCH_RESULT) {
                rc = take_result(reading, message, err);
            } /* a reference leads to another domain or partition */
        }
    } while (rc == TS_OK && reading->page.bv_len > 0);
    ber_memfree(reading->page.bv_val);
    reading->page = (struct berval){ 0, NULL };
    return rc;
}

/* "(|UNITS(&PEOPLE_AND_GROUPS<configured>))", with `more` before it. */
static char *filter_of(const struct ad *ad, const char *more)
{
    char *text = NULL;
    if (asprintf(&text, "(&%s(|" UNITS "(&" PEOPLE_AND_GROUPS "%s)))", more,
                 ad->config->filter) < 0) {
        return NULL;
    }
    return text;
}

static enum ts_code no_memory(struct ts_err *err)
{
    return ts_fail(err, TS_E_NOMEM, 0, "could not search the directory");
}

enum ts_code ad_objects_read_all(struct ad *ad, struct source_builder *builder,
                                 struct ts_err *err)
{
    struct reading reading = { .ad = ad, .builder = builder };
    char *filter = filter_of(ad, "");
    enum ts_code rc =
        filter == NULL ? no_memory(err) : read_pages(&reading, filter, err);
    free(filter);
    return rc;
}

/* --- single objects ----------------------------------------------------------
 */

/* "(|(objectGUID=\\..)...)" of those that are wanted. */
static char *guids_filter(const struct dirsync_guid *guids, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    (void) fputs("(|", out);
    for (size_t i = 0; i < count; i++) {
        char escaped[DIRSYNC_GUID_FILTER_SIZE];
        dirsync_guid_filter(guids[i], escaped);
        (void) fprintf(out, "(objectGUID=%s)", escaped);
    }
    (void) fputs(")", out);
    bool failed = ferror(out) != 0;
    failed = fclose(out) != 0 || failed;
    if (failed) {
        free(text);
        text = NULL;
    }
    return text;
}

/* Of those that were not found by the filter: is it there without it (A2)? */
static enum ts_code look_outside(struct reading *reading, const char *guids,
                                 struct ts_err *err)
{
    struct ad *ad = reading->ad;
    static const char *const attributes[] = { "objectGUID", NULL };
    struct ldap_session_search search = { .base = ad->config->base,
                                          .scope = LDAP_SCOPE_SUBTREE,
                                          .filter = guids,
                                          .attributes = attributes };
    LDAP *ld = ldap_session_handle(ad->session);
    int id = 0;
    enum ts_code rc = ldap_session_search(ad->session, &search, &id, err);
    for (bool done = false; rc == TS_OK && !done;) {
        LDAP_AUTOMSG LDAPMessage *message = NULL;
        rc = ldap_session_next(ad->session, id, &message, err);
        int type = rc == TS_OK ? ldap_msgtype(message) : 0;
        done = type == LDAP_RES_SEARCH_RESULT;
        if (type != LDAP_RES_SEARCH_ENTRY) {
            continue;
        }
        struct berval **values =
            ldap_get_values_len(ld, message, attributes[0]);
        for (size_t i = 0; values != NULL && values[0] != NULL &&
                           values[0]->bv_len == DIRSYNC_GUID_SIZE &&
                           rc == TS_OK && i < reading->count;
             i++) {
            if (!reading->found[i] &&
                memcmp(reading->guids[i].bytes, values[0]->bv_val,
                       DIRSYNC_GUID_SIZE) == 0) {
                rc = ad_objects_delete(ad, reading->guids[i], reading->builder,
                                       err);
            }
        }
        ldap_value_free_len(values);
    }
    return rc;
}

static enum ts_code read_some(struct reading *reading, struct ts_err *err)
{
    char *guids = guids_filter(reading->guids, reading->count);
    char *filter = guids == NULL ? NULL : filter_of(reading->ad, guids);
    enum ts_code rc =
        filter == NULL ? no_memory(err) : read_pages(reading, filter, err);
    bool all = true;
    for (size_t i = 0; i < reading->count; i++) {
        all = all && reading->found[i];
    }
    if (rc == TS_OK && !all) {
        rc = look_outside(reading, guids, err);
    }
    free(filter);
    free(guids);
    return rc;
}

enum ts_code ad_objects_read(struct ad *ad, const struct ad_changes *changes,
                             struct source_builder *builder, struct ts_err *err)
{
    size_t count = changes->changed.count;
    enum ts_code rc = TS_OK;
    for (size_t at = 0; rc == TS_OK && at < count; at += GUIDS_MAX) {
        bool found[GUIDS_MAX] = { false };
        struct reading reading = {
            .ad = ad,
            .builder = builder,
            .changes = changes,
            .found = found,
            .guids = changes->changed.items + at,
            .count = count - at < GUIDS_MAX ? count - at : GUIDS_MAX,
        };
        rc = read_some(&reading, err);
    }
    return rc;
}

enum ts_code ad_objects_read_owners(struct ad *ad, struct dirsync_guid guid,
                                    struct source_builder *builder,
                                    struct ts_err *err)
{
    struct reading reading = { .ad = ad, .builder = builder };
    char name[DIRSYNC_GUID_TEXT_SIZE];
    char *owners = NULL;
    size_t size = 0;
    FILE *out = ad->options.reference_count == 0
                    ? NULL
                    : open_memstream(&owners, &size);
    if (out == NULL) {
        return ad->options.reference_count == 0 ? TS_OK : no_memory(err);
    }
    dirsync_guid_text(guid, name);
    (void) fputs("(|", out);
    for (size_t i = 0; i < ad->options.reference_count; i++) {
        (void) fprintf(out, "(%s=<GUID=%s>)", ad->options.references[i], name);
    }
    (void) fputs(")", out);
    bool failed = ferror(out) != 0;
    failed = fclose(out) != 0 || failed;
    char *filter = failed ? NULL : filter_of(ad, owners);
    enum ts_code rc =
        filter == NULL ? no_memory(err) : read_pages(&reading, filter, err);
    free(filter);
    free(owners);
    return rc;
}
