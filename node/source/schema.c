#include <ldap_schema.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/source/contentsync.h"
#include "node/source/schema.h"

/* A type inherits what it does not say (RFC 4512, 2.5); a loop of SUPs in a
 * broken schema ends here. */
#define SUP_DEPTH_MAX 16
#define TYPES_MAX     65536

/* A schema has hundreds of types; they are looked up by linear search only for
 * SUP and for the few names that were asked for. */
struct types {
    LDAPAttributeType **items;
    size_t count;
};

static void types_done(struct types *types)
{
    for (size_t i = 0; i < types->count; i++) {
        ldap_attributetype_free(types->items[i]);
    }
    free(types->items);
}

static bool is_called(const LDAPAttributeType *type, const char *name,
                      size_t size)
{
    if (type->at_oid != NULL && strlen(type->at_oid) == size &&
        strncmp(type->at_oid, name, size) == 0) {
        return true;
    }
    for (size_t i = 0; type->at_names != NULL && type->at_names[i] != NULL;
         i++) {
        if (strlen(type->at_names[i]) == size &&
            strncasecmp(type->at_names[i], name, size) == 0) {
            return true;
        }
    }
    return false;
}

static const LDAPAttributeType *find_type(const struct types *types,
                                          const char *name, size_t size)
{
    for (size_t i = 0; i < types->count; i++) {
        if (is_called(types->items[i], name, size)) {
            return types->items[i];
        }
    }
    return NULL;
}

/* --- reading
 * ------------------------------------------------------------------ */

static enum ts_code parse_types(struct berval **values, struct types *types,
                                struct ts_err *err)
{
    size_t count = (size_t) ldap_count_values_len(values);
    if (count > TYPES_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read a schema of %zu attribute types, more than "
                       "%d",
                       count, TYPES_MAX);
    }
    types->items = calloc(count + 1, sizeof(LDAPAttributeType *));
    if (types->items == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read the schema");
    }
    for (size_t i = 0; i < count; i++) {
        int code = 0;
        const char *where = NULL;
        LDAPAttributeType *type = ldap_str2attributetype(
            values[i]->bv_val, &code, &where, LDAP_SCHEMA_ALLOW_ALL);
        if (type != NULL) { /* one that libldap cannot read hides no other */
            types->items[types->count++] = type;
        }
    }
    return TS_OK;
}

static enum ts_code read_types(struct ldap_session *session,
                               const char *subschema, struct types *types,
                               struct ts_err *err)
{
    static const char *const attributes[] = { "attributeTypes", NULL };
    if (subschema[0] == 0) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "could not read the schema of %s: its root DSE names no "
                       "subschema entry; let the account read it",
                       ldap_session_uri(session));
    }
    LDAP_AUTOMSG LDAPMessage *entry = NULL;
    enum ts_code rc =
        ldap_session_read(session, subschema, attributes, &entry, err);
    if (rc != TS_OK) {
        return rc;
    }
    struct berval **values =
        entry == NULL ? NULL
                      : ldap_get_values_len(ldap_session_handle(session), entry,
                                            "attributeTypes");
    rc = values == NULL
             ? ts_fail(err, TS_E_NOT_FOUND, 0,
                       "could not read the schema of %s: \"%s\" shows no "
                       "attribute types; let the account read them",
                       ldap_session_uri(session), subschema)
             : parse_types(values, types, err);
    ldap_value_free_len(values);
    return rc;
}

/* --- meaning
 * ------------------------------------------------------------------- */

static int syntax_of(const char *oid)
{
    static const struct {
        const char *oid;
        int syntax;
    } rows[] = {
        { "1.3.6.1.4.1.1466.115.121.1.27", SOURCE_SYNTAX_INTEGER },
        { "1.3.6.1.4.1.1466.115.121.1.7", SOURCE_SYNTAX_BOOLEAN },
        { "1.3.6.1.4.1.1466.115.121.1.12", SOURCE_SYNTAX_DN },
        { "1.3.6.1.4.1.1466.115.121.1.4", SOURCE_SYNTAX_BINARY },  /* audio */
        { "1.3.6.1.4.1.1466.115.121.1.5", SOURCE_SYNTAX_BINARY },  /* binary */
        { "1.3.6.1.4.1.1466.115.121.1.8", SOURCE_SYNTAX_BINARY },  /* cert. */
        { "1.3.6.1.4.1.1466.115.121.1.9", SOURCE_SYNTAX_BINARY },  /* CRL */
        { "1.3.6.1.4.1.1466.115.121.1.10", SOURCE_SYNTAX_BINARY }, /* pair */
        { "1.3.6.1.4.1.1466.115.121.1.23", SOURCE_SYNTAX_BINARY }, /* fax */
        { "1.3.6.1.4.1.1466.115.121.1.28", SOURCE_SYNTAX_BINARY }, /* JPEG */
        { "1.3.6.1.4.1.1466.115.121.1.40", SOURCE_SYNTAX_BINARY }, /* octets */
        { "1.3.6.1.4.1.1466.115.121.1.49", SOURCE_SYNTAX_BINARY },
        /* Active Directory's own, [MS-ADTS] 3.1.1.2.2.2 */
        { "1.2.840.113556.1.4.906", SOURCE_SYNTAX_INTEGER }, /* 64 bits */
        { "1.2.840.113556.1.4.907", SOURCE_SYNTAX_BINARY },  /* security */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(oid, rows[i].oid) == 0) {
            return rows[i].syntax;
        }
    }
    return SOURCE_SYNTAX_TEXT;
}

static bool ignores_case(const char *rule)
{
    static const char *const rules[] = {
        "caseIgnoreMatch",        "2.5.13.2",
        "caseIgnoreListMatch",    "2.5.13.11",
        "caseIgnoreIA5Match",     "1.3.6.1.4.1.1466.109.114.2",
        "telephoneNumberMatch",   "2.5.13.20",
        "objectIdentifierMatch",  "2.5.13.0",
        "distinguishedNameMatch", "2.5.13.1",
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcasecmp(rule, rules[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Active Directory names no equality rules: what is text is compared without
 * regard to case but for this syntax, [MS-ADTS] 3.1.1.2.2.2. */
static bool is_case_exact(const char *syntax)
{
    return strcmp(syntax, "1.2.840.113556.1.4.1362") == 0;
}

static struct source_attribute describe(const struct types *types,
                                        const LDAPAttributeType *type,
                                        enum schema_matching matching)
{
    const char *syntax = NULL;
    const char *equality = NULL;
    for (int depth = 0; type != NULL && depth < SUP_DEPTH_MAX; depth++) {
        syntax = syntax != NULL ? syntax : type->at_syntax_oid;
        equality = equality != NULL ? equality : type->at_equality_oid;
        type = type->at_sup_oid == NULL ? NULL
                                        : find_type(types, type->at_sup_oid,
                                                    strlen(type->at_sup_oid));
    }
    struct source_attribute attribute = {
        .syntax = SOURCE_SYNTAX_TEXT,
        .case_ignore = equality != NULL && ignores_case(equality),
    };
    if (matching == SCHEMA_MATCHES_BY_SYNTAX) {
        attribute.case_ignore = syntax == NULL || !is_case_exact(syntax);
    }
    switch (syntax == NULL ? SOURCE_SYNTAX_TEXT : syntax_of(syntax)) {
    case SOURCE_SYNTAX_INTEGER:
        attribute.syntax = SOURCE_SYNTAX_INTEGER;
        break;
    case SOURCE_SYNTAX_BOOLEAN:
        attribute.syntax = SOURCE_SYNTAX_BOOLEAN;
        break;
    case SOURCE_SYNTAX_BINARY:
        attribute.syntax = SOURCE_SYNTAX_BINARY;
        break;
    case SOURCE_SYNTAX_DN:
        attribute.syntax = SOURCE_SYNTAX_DN;
        break;
    default:
        break;
    }
    return attribute;
}

static int by_name(const void *a, const void *b)
{
    const struct source_attribute *x = a;
    const struct source_attribute *y = b;
    return strcasecmp(x->name, y->name);
}

/* Every name of every type, sorted. */
static enum ts_code list_names(const struct types *types,
                               enum schema_matching matching,
                               struct ts_arena *arena,
                               struct source_attribute **ret_attributes,
                               size_t *ret_count, struct ts_err *err)
{
    size_t names = 0;
    for (size_t i = 0; i < types->count; i++) {
        char **name = types->items[i]->at_names;
        for (; name != NULL && *name != NULL; name++) {
            names++;
        }
    }
    struct source_attribute *list = ts_arena_array(arena, names, sizeof *list);
    size_t count = 0;
    for (size_t i = 0; list != NULL && i < types->count; i++) {
        struct source_attribute attribute =
            describe(types, types->items[i], matching);
        char **name = types->items[i]->at_names;
        for (; list != NULL && name != NULL && *name != NULL; name++) {
            attribute.name =
                (const char *) ts_arena_copy(arena, ts_slice_str(*name)).data;
            list[count++] = attribute;
            list = attribute.name != NULL ? list : NULL;
        }
    }
    if (list == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not keep a schema of %zu attribute names", names);
    }
    if (count > 1) {
        qsort(list, count, sizeof *list, by_name);
    }
    *ret_attributes = list;
    *ret_count = count;
    return TS_OK;
}

enum ts_code
source_schema_read(struct ldap_session *session, const char *subschema,
                   enum schema_matching matching, struct ts_arena *arena,
                   struct source_schema *ret_schema, struct ts_err *err)
{
    struct types types = { NULL, 0 };
    enum ts_code rc = read_types(session, subschema, &types, err);
    if (rc == TS_OK) {
        rc = list_names(&types, matching, arena, &ret_schema->attributes,
                        &ret_schema->count, err);
    }
    types_done(&types);
    return rc;
}

/* slapd answers with a type's first name whatever it was asked by. */
static enum ts_code learn(struct contentsync *sync, const struct types *types,
                          const char *asked, struct ts_err *err)
{
    size_t size = strcspn(asked, ";");
    const LDAPAttributeType *type = find_type(types, asked, size);
    if (type == NULL || type->at_names == NULL || type->at_names[0] == NULL ||
        (strlen(type->at_names[0]) == size &&
         strncasecmp(type->at_names[0], asked, size) == 0)) {
        return TS_OK;
    }
    char answered[512];
    int n = snprintf(answered, sizeof answered, "%s%s", type->at_names[0],
                     asked + size);
    return n > 0 && (size_t) n < sizeof answered
               ? source_rows_alias(sync->rows, asked, answered, err)
               : TS_OK;
}

enum ts_code contentsync_learn_aliases(struct contentsync *sync,
                                       struct ts_err *err)
{
    struct types types = { NULL, 0 };
    enum ts_code rc =
        read_types(sync->session, sync->server.subschema, &types, err);
    const char *const *names = source_rows_attributes(sync->rows);
    for (size_t i = 0; rc == TS_OK && names[i] != NULL; i++) {
        rc = learn(sync, &types, names[i], err);
    }
    types_done(&types);
    /* A hidden schema: names must be given as the server answers them. */
    return rc == TS_E_NOT_FOUND || rc == TS_E_AUTH ? TS_OK : rc;
}
