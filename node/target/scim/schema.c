#include "node/target/scim/schema.h"

#include <stdlib.h>
#include <strings.h>

#include "node/base/json.h"

/* Until the service says more: RFC 7644 obliges nobody to a page size. */
#define PAGE_DEFAULT  100
#define NAME_MAX_SIZE 256

bool scim_schema_init(struct scim_schema *schema)
{
    *schema = (struct scim_schema){
        .endpoint = { "/Users", "/Groups" },
        .patch = true,
        .filter = true,
        .page_size = PAGE_DEFAULT,
    };
    ts_arena_init(&schema->arena, SCIM_SCHEMA_MEMORY_MAX);
    schema->attributes = ts_arena_array(
        &schema->arena, SCIM_SCHEMA_ATTRIBUTES_MAX, sizeof *schema->attributes);
    if (schema->attributes == NULL) {
        return false;
    }
    memcpy(schema->attributes, scim_builtin,
           scim_builtin_count * sizeof *schema->attributes);
    schema->attribute_count = scim_builtin_count;
    return true;
}

void scim_schema_done(struct scim_schema *schema)
{
    ts_arena_done(&schema->arena);
}

static bool supported(json_t *json, const char *name, bool fallback)
{
    json_t *feature = scim_member(json, ts_slice_str(name));
    return ts_json_flag(feature, "supported", fallback);
}

static size_t bounded(json_t *json, const char *name, size_t most)
{
    int64_t number = ts_json_number(json, name, 0);
    return number <= 0 ? 0 : (uint64_t) number > most ? most : (size_t) number;
}

void scim_schema_take_config(struct scim_schema *schema, json_t *json)
{
    json_t *bulk = scim_member(json, ts_slice_str("bulk"));
    json_t *filter = scim_member(json, ts_slice_str("filter"));

    schema->patch = supported(json, "patch", schema->patch);
    schema->etag = supported(json, "etag", schema->etag);
    schema->filter = supported(json, "filter", schema->filter);
    schema->bulk_operations_max =
        bounded(bulk, "maxOperations", SCIM_BULK_OPERATIONS_MAX);
    schema->bulk_payload_max =
        bounded(bulk, "maxPayloadSize", SCIM_BULK_PAYLOAD_MAX);
    schema->bulk = supported(json, "bulk", false) &&
                   schema->bulk_operations_max > 1 &&
                   schema->bulk_payload_max > 0;
    size_t page = bounded(filter, "maxResults", SCIM_PAGE_MAX);
    schema->page_size = page == 0 ? PAGE_DEFAULT : page;
}

/* A list as SCIM wraps it, or bare. */
static json_t *resources_of(json_t *json)
{
    return json_is_array(json) ? json
                               : scim_member(json, ts_slice_str("Resources"));
}

static const char *keep_text(struct scim_schema *schema, const char *text)
{
    size_t size = text == NULL ? 0 : strlen(text);
    if (size == 0 || size > NAME_MAX_SIZE) {
        return NULL;
    }
    return (const char *) ts_arena_copy(&schema->arena, ts_slice(text, size))
        .data;
}

/* "/Users", "/v2-users"; never a way out of the base URL. */
static bool is_endpoint(const char *text)
{
    return text != NULL && text[0] == '/' && text[1] != '\0' &&
           text[1] != '/' && strlen(text) <= NAME_MAX_SIZE &&
           strspn(text + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "abcdefghijklmnopqrstuvwxyz0123456789-_/") ==
               strlen(text + 1);
}

void scim_schema_take_types(struct scim_schema *schema, json_t *json)
{
    size_t index;
    json_t *type;
    json_array_foreach(resources_of(json), index, type)
    {
        const char *urn = ts_json_text(type, "schema");
        const char *endpoint = ts_json_text(type, "endpoint");
        if (urn == NULL || !is_endpoint(endpoint)) {
            continue;
        }
        enum config_kind kind =
            strcasecmp(urn, SCIM_URN_USER) == 0    ? CONFIG_KIND_USER
            : strcasecmp(urn, SCIM_URN_GROUP) == 0 ? CONFIG_KIND_GROUP
                                                   : CONFIG_KINDS;
        const char *kept =
            kind == CONFIG_KINDS ? NULL : keep_text(schema, endpoint);
        if (kept != NULL) {
            schema->endpoint[kind] = kept;
        }
    }
}

/* -- /Schemas -------------------------------------------------------------- */

static bool kind_of_type(const char *type, enum ts_kind *ret)
{
    static const struct {
        const char *type;
        enum ts_kind kind;
    } kinds[] = {
        { "string", TS_KIND_TEXT },     { "boolean", TS_KIND_BOOLEAN },
        { "integer", TS_KIND_INTEGER }, { "decimal", TS_KIND_JSON },
        { "dateTime", TS_KIND_TEXT },   { "reference", TS_KIND_TEXT },
        { "binary", TS_KIND_TEXT },     { "complex", TS_KIND_JSON },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (type != NULL && strcasecmp(type, kinds[i].type) == 0) {
            *ret = kinds[i].kind;
            return true;
        }
    }
    return false;
}

/* One attribute or sub-attribute; `outer` is NULL for the former. The new row,
 * or NULL when it cannot be used. */
static struct scim_attribute *add_attribute(struct scim_schema *schema,
                                            const char *urn,
                                            const struct scim_attribute *outer,
                                            json_t *json)
{
    struct scim_attribute row = { .urn = urn, .sub = "" };
    const char *name = keep_text(schema, ts_json_text(json, "name"));
    const char *unique = ts_json_text(json, "uniqueness");
    const char *returned = ts_json_text(json, "returned");

    if (name == NULL || schema->attribute_count >= SCIM_SCHEMA_ATTRIBUTES_MAX ||
        !kind_of_type(ts_json_text(json, "type"), &row.value)) {
        return NULL;
    }
    row.name = outer == NULL ? name : outer->name;
    row.sub = outer == NULL ? "" : name;
    row.kind = strcasecmp(urn, SCIM_URN_GROUP) == 0 ? CONFIG_KIND_GROUP
                                                    : CONFIG_KIND_USER;
    row.multi_valued = outer == NULL ? ts_json_flag(json, "multiValued", false)
                                     : outer->multi_valued;
    row.unique = unique != NULL && (strcasecmp(unique, "server") == 0 ||
                                    strcasecmp(unique, "global") == 0);
    row.case_exact = ts_json_flag(json, "caseExact", false);
    row.required = outer == NULL && ts_json_flag(json, "required", false);
    row.returned = returned == NULL || strcasecmp(returned, "default") == 0 ||
                   strcasecmp(returned, "always") == 0;
    if (strcasecmp(urn, SCIM_URN_USER) == 0 ||
        strcasecmp(urn, SCIM_URN_GROUP) == 0) {
        row.urn = "";
    }
    schema->attributes[schema->attribute_count] = row;
    return &schema->attributes[schema->attribute_count++];
}

static void add_schema(struct scim_schema *schema, const char *urn,
                       json_t *attributes)
{
    size_t i, j;
    json_t *attribute, *sub;
    json_array_foreach(attributes, i, attribute)
    {
        const struct scim_attribute *outer =
            add_attribute(schema, urn, NULL, attribute);
        if (outer == NULL) {
            continue;
        }
        json_array_foreach(json_object_get(attribute, "subAttributes"), j, sub)
        {
            (void) add_attribute(schema, urn, outer, sub);
        }
    }
}

static bool describes(json_t *list, const char *urn)
{
    size_t index;
    json_t *one;
    json_array_foreach(list, index, one)
    {
        const char *id = ts_json_text(one, "id");
        if (id != NULL && strcasecmp(id, urn) == 0 &&
            json_array_size(json_object_get(one, "attributes")) > 0) {
            return true;
        }
    }
    return false;
}

void scim_schema_take_schemas(struct scim_schema *schema, json_t *json)
{
    json_t *list = resources_of(json);
    if (!describes(list, SCIM_URN_USER)) {
        return; /* not a schema list that could be relied on */
    }
    /* What the service describes replaces RFC 7643, but for the common
     * attributes (section 3.1), which services leave out, and for groups when
     * it has none. */
    bool groups = describes(list, SCIM_URN_GROUP);
    size_t kept = 0;
    for (size_t i = 0; i < schema->attribute_count; i++) {
        const struct scim_attribute *row = &schema->attributes[i];
        if (strcmp(row->name, "externalId") == 0 ||
            (!groups && row->kind == CONFIG_KIND_GROUP)) {
            schema->attributes[kept++] = *row;
        }
    }
    schema->attribute_count = kept;
    schema->read = true;

    size_t index;
    json_t *one;
    json_array_foreach(list, index, one)
    {
        const char *urn = keep_text(schema, ts_json_text(one, "id"));
        if (urn != NULL) {
            add_schema(schema, urn, json_object_get(one, "attributes"));
        }
    }
}

/* -- finding --------------------------------------------------------------- */

const struct scim_attribute *scim_schema_find(const struct scim_schema *schema,
                                              enum config_kind kind,
                                              const struct scim_path *path)
{
    for (size_t i = 0; i < schema->attribute_count; i++) {
        const struct scim_attribute *row = &schema->attributes[i];
        if (scim_name_equal(path->attribute, row->name) &&
            scim_name_equal(path->sub, row->sub) &&
            scim_name_equal(path->urn, row->urn) &&
            (row->kind == kind || row->urn[0] != '\0')) {
            return row;
        }
    }
    return NULL;
}

/* Edits (insert, delete, change) between two names, case aside. */
static size_t distance(struct ts_slice a, const char *b)
{
    size_t row[NAME_MAX_SIZE + 1], width = strlen(b);
    if (width > NAME_MAX_SIZE) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= width; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < a.size; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            size_t change =
                diagonal + ((a.data[i] | 0x20) == (b[j] | 0x20) ? 0 : 1);
            diagonal = row[j + 1];
            size_t edit = 1 + (row[j] < diagonal ? row[j] : diagonal);
            row[j + 1] = change < edit ? change : edit;
        }
    }
    return row[width];
}

enum ts_code scim_schema_lookup(const struct scim_schema *schema,
                                enum config_kind kind,
                                const struct scim_path *path,
                                const struct scim_attribute **ret,
                                struct ts_err *err)
{
    const struct scim_attribute *row = scim_schema_find(schema, kind, path);
    if (row != NULL && (path->filter_name.size > 0) ==
                           (row->multi_valued && row->sub[0] != '\0')) {
        *ret = row;
        return TS_OK;
    }
    if (row != NULL) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "cannot use the path \"%.*s\": %s is %s, so it is "
                       "written %s%s%s",
                       TS_SLICE_ARGS(path->text), row->name,
                       row->multi_valued ? "multi-valued" : "single-valued",
                       row->name,
                       row->multi_valued ? "[type eq \"work\"]." : "",
                       row->multi_valued ? row->sub : " without a filter");
    }
    const struct scim_attribute *nearest = &schema->attributes[0];
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < schema->attribute_count; i++) {
        const struct scim_attribute *other = &schema->attributes[i];
        size_t away = distance(path->attribute, other->name) +
                      distance(path->sub, other->sub);
        if (other->kind == kind && away < best) {
            best = away;
            nearest = other;
        }
    }
    return ts_fail(err, TS_E_NOT_FOUND, 0,
                   "cannot use the path \"%.*s\": the service has no such "
                   "attribute; the nearest one is \"%s%s%s%s%s\"",
                   TS_SLICE_ARGS(path->text), nearest->urn,
                   nearest->urn[0] == '\0' ? "" : ":", nearest->name,
                   nearest->sub[0] == '\0' ? "" : ".", nearest->sub);
}
