#include "node/target/scim/compose.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/json.h"

#define MANAGER_PATH SCIM_URN_ENTERPRISE ":manager"

static enum ts_code no_memory(struct ts_err *err)
{
    return ts_fail(err, TS_E_NOMEM, 0,
                   "could not compose a request: out of memory");
}

/* Remember the path at fault in the writer's arena. */
static enum ts_code refuse(const struct scim_writer *writer,
                           struct ts_slice path, struct ts_err *err,
                           const char *why)
{
    if (writer->attribute != NULL) {
        *writer->attribute =
            (const char *) ts_arena_copy(writer->arena, path).data;
    }
    return ts_fail(err, TS_E_REFUSED, 0, "cannot send \"%.*s\": %s",
                   TS_SLICE_ARGS(path), why);
}

/* One flowed attribute, resolved. */
struct flow {
    const struct ts_attribute *from;
    struct scim_path path;
    const struct scim_attribute *schema;
};

static enum ts_code resolve(const struct scim_writer *writer,
                            enum config_kind kind,
                            const struct ts_attribute *from, struct flow *ret,
                            struct ts_err *err)
{
    ret->from = from;
    enum ts_code rc = scim_path_parse(from->name, &ret->path, err);
    if (rc == TS_OK) {
        rc = scim_schema_lookup(writer->schema, kind, &ret->path, &ret->schema,
                                err);
    }
    if (rc != TS_OK && writer->attribute != NULL) {
        *writer->attribute =
            (const char *) ts_arena_copy(writer->arena, from->name).data;
    }
    return rc == TS_OK ? TS_OK : TS_E_REFUSED;
}

/* -- values ---------------------------------------------------------------- */

static json_t *text_value(struct ts_slice value)
{
    return json_stringn(value.size == 0 ? "" : (const char *) value.data,
                        value.size);
}

static json_t *integer_value(struct ts_slice value)
{
    char text[24], *end;
    if (value.size == 0 || value.size >= sizeof text) {
        return NULL;
    }
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    long long number = strtoll(text, &end, 10);
    return *end == '\0' ? json_integer(number) : NULL;
}

/* SQL has no booleans: an expression's 1 and 0 are true and false here. */
static json_t *boolean_value(struct ts_slice value)
{
    if (ts_slice_equal(value, ts_slice_str("true")) ||
        ts_slice_equal(value, ts_slice_str("1"))) {
        return json_true();
    }
    if (ts_slice_equal(value, ts_slice_str("false")) ||
        ts_slice_equal(value, ts_slice_str("0"))) {
        return json_false();
    }
    return NULL;
}

static json_t *one_value(enum ts_kind want, enum ts_kind have,
                         struct ts_slice value)
{
    json_t *json = NULL;
    if (want == TS_KIND_JSON || have == TS_KIND_JSON) {
        return ts_json_parse(value, &json, NULL) == TS_OK ? json : NULL;
    }
    if (have == TS_KIND_BLOB) {
        return NULL;
    }
    return want == TS_KIND_BOOLEAN   ? boolean_value(value)
           : want == TS_KIND_INTEGER ? integer_value(value)
                                     : text_value(value);
}

/* The JSON for all values of a flow, or NULL when they do not fit. Of a list,
 * JSON values are elements, or one of them is the whole list. A list is always
 * sent whole: one PATCH of one path, however many elements changed. */
static json_t *flow_value(const struct flow *flow)
{
    const struct ts_attribute *from = flow->from;
    bool list = flow->schema->multi_valued && flow->path.sub.size == 0;
    if (!list) {
        return from->value_count == 1
                   ? one_value(flow->schema->value, from->kind, from->values[0])
                   : NULL;
    }
    json_t *array = json_array();
    for (size_t i = 0; i < from->value_count; i++) {
        json_t *item =
            one_value(flow->schema->value, from->kind, from->values[i]);
        if (json_is_array(item) && from->value_count == 1) {
            json_decref(array);
            return item;
        }
        if (item == NULL || json_array_append_new(array, item) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static enum ts_code value_of(const struct scim_writer *writer,
                             const struct flow *flow, json_t **ret,
                             struct ts_err *err)
{
    *ret = flow_value(flow);
    return *ret != NULL
               ? TS_OK
               : refuse(writer, flow->path.text, err,
                        "its value is not of the type that the service wants, "
                        "or there are several for a single-valued attribute");
}

static bool is_clear(const struct ts_attribute *from)
{
    return from->kind == TS_KIND_CLEAR || from->value_count == 0;
}

/* -- links ----------------------------------------------------------------- */

static bool is_manager(const struct target_op *op)
{
    return op->link_path != NULL && strcmp(op->link_path, "manager") == 0;
}

static json_t *link_list(const struct target_op *op)
{
    json_t *list = json_array();
    for (size_t i = 0; i < op->link_add_count; i++) {
        json_t *link = json_pack("{s:o}", "value", text_value(op->link_add[i]));
        if (json_array_append_new(list, link) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Links into a whole resource: POST, or a PUT of what was read. */
static bool put_links(const struct target_op *op, json_t *resource)
{
    struct scim_path path;
    const char *text = is_manager(op) ? MANAGER_PATH : op->link_path;
    if (scim_path_parse(ts_slice_str(text), &path, NULL) != TS_OK) {
        return false;
    }
    if (is_manager(op)) {
        if (op->link_add_count == 0) {
            scim_path_clear(&path, resource);
            return true;
        }
        return scim_path_put(
            &path, resource,
            json_pack("{s:o}", "value", text_value(op->link_add[0])));
    }
    json_t *fresh = link_list(op);
    json_t *there = scim_path_attribute(&path, resource);
    for (size_t i = 0; i < json_array_size(there);) {
        const char *id = ts_json_text(json_array_get(there, i), "value");
        bool gone = false;
        for (size_t j = 0; id != NULL && j < op->link_remove_count; j++) {
            gone = gone || ts_slice_equal(op->link_remove[j], ts_slice_str(id));
        }
        for (size_t j = 0; id != NULL && j < op->link_add_count; j++) {
            gone = gone || ts_slice_equal(op->link_add[j], ts_slice_str(id));
        }
        if (!gone) {
            i++;
        } else if (json_array_remove(there, i) != 0) {
            break;
        }
    }
    if (json_is_array(there)) {
        bool good = json_array_extend(there, fresh) == 0;
        json_decref(fresh);
        return good;
    }
    return scim_path_put(&path, resource, fresh);
}

/* -- POST and PUT ---------------------------------------------------------- */

static bool add_schemas(json_t *resource, const char *core)
{
    json_t *list = json_pack("[s]", core);
    const char *key;
    json_t *value;
    json_object_foreach(resource, key, value)
    {
        if (strncmp(key, "urn:", 4) == 0) {
            (void) json_array_append_new(list, json_string(key));
        }
    }
    return json_object_set_new(resource, "schemas", list) == 0;
}

/* The operation's values into a whole resource. */
static enum ts_code put_values(const struct scim_writer *writer,
                               const struct target_op *op, json_t *resource,
                               struct ts_err *err)
{
    for (size_t i = 0; i < op->set.count; i++) {
        struct flow flow;
        json_t *value;
        enum ts_code rc =
            resolve(writer, op->kind, &op->set.attributes[i], &flow, err);
        if (rc != TS_OK) {
            return rc;
        }
        if (is_clear(flow.from)) {
            scim_path_clear(&flow.path, resource);
            continue;
        }
        rc = value_of(writer, &flow, &value, err);
        if (rc != TS_OK) {
            return rc;
        }
        if (!scim_path_put(&flow.path, resource, value)) {
            return refuse(writer, flow.path.text, err,
                          "something of another type is in its place");
        }
    }
    if (op->link_path != NULL &&
        op->link_add_count + op->link_remove_count > 0 &&
        !put_links(op, resource)) {
        return no_memory(err);
    }
    return TS_OK;
}

enum ts_code scim_compose_create(const struct scim_writer *writer,
                                 const struct target_op *op, json_t **ret_json,
                                 struct ts_err *err)
{
    TS_AUTOJSON json_t *resource = json_object();
    if (op->anchor.size > 0 &&
        json_object_set_new(resource, "externalId", text_value(op->anchor)) !=
            0) {
        return refuse(writer, ts_slice_str("externalId"), err,
                      "the anchor is not UTF-8");
    }
    enum ts_code rc = put_values(writer, op, resource, err);
    if (rc != TS_OK) {
        return rc;
    }
    if (!add_schemas(resource, op->kind == CONFIG_KIND_USER ? SCIM_URN_USER
                                                            : SCIM_URN_GROUP)) {
        return no_memory(err);
    }
    *ret_json = json_incref(resource);
    return TS_OK;
}

/* The anchor as JSON, for a resource or an operation. */
static enum ts_code anchor_value(const struct target_op *op, json_t **ret_value,
                                 struct ts_err *err)
{
    *ret_value = text_value(op->anchor);
    return *ret_value != NULL ? TS_OK
                              : ts_fail(err, TS_E_REFUSED, 0,
                                        "cannot give the object its anchor: it "
                                        "is not UTF-8");
}

enum ts_code scim_compose_put(const struct scim_writer *writer,
                              const struct target_op *op, json_t *current,
                              struct ts_err *err)
{
    /* Read-only (RFC 7643 sections 3.1 and 4.1.2): not ours to send. */
    scim_member_remove(current, ts_slice_str("meta"));
    scim_member_remove(current, ts_slice_str("groups"));
    json_t *anchor = NULL;
    enum ts_code rc = put_values(writer, op, current, err);
    if (rc == TS_OK && op->take_anchor) {
        rc = anchor_value(op, &anchor, err);
    }
    if (rc != TS_OK) {
        return rc;
    }
    if (anchor != NULL &&
        json_object_set_new(current, "externalId", anchor) != 0) {
        return no_memory(err);
    }
    if (!add_schemas(current, op->kind == CONFIG_KIND_USER ? SCIM_URN_USER
                                                           : SCIM_URN_GROUP)) {
        return no_memory(err);
    }
    return TS_OK;
}

/* -- PATCH ----------------------------------------------------------------- */

bool scim_needs_current(const struct scim_schema *schema,
                        const struct target_op *op)
{
    if (!schema->patch) {
        return true;
    }
    for (size_t i = 0; i < op->set.count; i++) {
        struct ts_slice name = op->set.attributes[i].name;
        if (memchr(name.data, '[', name.size) != NULL) {
            return true;
        }
    }
    return false;
}

/* Append one operation; takes `value` over (NULL: none). */
static bool patch(json_t *operations, const char *verb, struct ts_slice path,
                  json_t *value)
{
    json_t *operation = json_pack("{s:s, s:o, s:o*}", "op", verb, "path",
                                  text_value(path), "value", value);
    return json_array_append_new(operations, operation) == 0;
}

/* No element matches: add a whole one, and remember it in `current`. */
static bool patch_new_element(const struct scim_writer *writer,
                              const struct scim_path *path, json_t *current,
                              json_t *operations, json_t *value)
{
    const char *whole = scim_path_whole(path, writer->arena);
    json_t *element = scim_path_new_element(path);
    if (whole == NULL || element == NULL ||
        !scim_member_set(element, path->sub, json_incref(value)) ||
        !scim_path_put(path, current, json_incref(value))) {
        json_decref(element);
        return false;
    }
    return patch(operations, "add", ts_slice_str(whole),
                 json_pack("[o]", element));
}

/* The element that matches; there is one. */
static json_t *matching_element(const struct scim_path *path, json_t *current)
{
    size_t index;
    json_t *element;
    json_array_foreach(scim_path_attribute(path, current), index, element)
    {
        if (scim_path_matches(path, element)) {
            return element;
        }
    }
    return NULL;
}

/* One element matches and its sub-attribute goes. */
static bool patch_clear_element(const struct scim_path *path, json_t *current,
                                json_t *operations)
{
    json_t *element = matching_element(path, current);
    if (scim_member(element, path->sub) == NULL) {
        return true;
    }
    scim_member_remove(element, path->sub);
    struct ts_slice text = path->text;
    if (json_object_size(element) <= 1) {
        text.size -= path->sub.size + 1; /* the element without ".sub" */
    }
    return patch(operations, "remove", text, NULL);
}

/* Several match: the whole attribute, with one of them left. */
static bool patch_whole(const struct scim_writer *writer,
                        const struct scim_path *path, json_t *current,
                        json_t *operations, json_t *value)
{
    const char *whole = scim_path_whole(path, writer->arena);
    if (value == NULL) {
        scim_path_clear(path, current);
    } else if (!scim_path_put(path, current, json_incref(value))) {
        return false;
    }
    return whole != NULL &&
           patch(operations, "replace", ts_slice_str(whole),
                 json_deep_copy(scim_path_attribute(path, current)));
}

/* `value` NULL clears. `current` follows what the operations do, so that two
 * paths into one attribute see each other. */
static bool patch_element(const struct scim_writer *writer,
                          const struct scim_path *path, json_t *current,
                          json_t *operations, json_t *value)
{
    size_t matches = scim_path_match_count(path, current);
    if (matches > 1) {
        return patch_whole(writer, path, current, operations, value);
    }
    if (value == NULL) {
        return matches == 0 || patch_clear_element(path, current, operations);
    }
    if (matches == 0) {
        return patch_new_element(writer, path, current, operations, value);
    }
    return scim_path_put(path, current, json_incref(value)) &&
           patch(operations, "replace", path->text, json_incref(value));
}

static bool patch_links(const struct scim_writer *writer,
                        const struct target_op *op, json_t *operations)
{
    if (is_manager(op)) {
        struct ts_slice path = ts_slice_str(MANAGER_PATH);
        if (op->link_add_count > 0) {
            return patch(
                operations, "replace", path,
                json_pack("{s:o}", "value", text_value(op->link_add[0])));
        }
        return patch(operations, "remove", path, NULL);
    }
    for (size_t i = 0; i < op->link_remove_count; i++) {
        const char *filter =
            scim_compose_filter(writer->arena, "value", op->link_remove[i]);
        size_t room = filter == NULL ? 0
                                     : strlen(op->link_path) + strlen(filter) +
                                           sizeof "[]";
        char *path = room == 0 ? NULL : ts_arena_take(writer->arena, room);
        if (path == NULL) {
            return false;
        }
        (void) snprintf(path, room, "%s[%s]", op->link_path, filter);
        if (!patch(operations, "remove", ts_slice_str(path), NULL)) {
            return false;
        }
    }
    return op->link_add_count == 0 ||
           patch(operations, "add", ts_slice_str(op->link_path), link_list(op));
}

static enum ts_code patch_flow(const struct scim_writer *writer,
                               const struct flow *flow, json_t *current,
                               json_t *operations, struct ts_err *err)
{
    TS_AUTOJSON json_t *value = NULL;
    bool good;
    if (!is_clear(flow->from)) {
        enum ts_code rc = value_of(writer, flow, &value, err);
        if (rc != TS_OK) {
            return rc;
        }
    }
    if (flow->path.filter_name.size > 0) {
        good = patch_element(writer, &flow->path, current, operations, value);
    } else {
        good = patch(operations, value == NULL ? "remove" : "replace",
                     flow->path.text, json_incref(value));
    }
    return good ? TS_OK : no_memory(err);
}

enum ts_code scim_compose_patch(const struct scim_writer *writer,
                                const struct target_op *op, json_t *current,
                                json_t **ret_json, struct ts_err *err)
{
    TS_AUTOJSON json_t *operations = json_array();
    if (op->take_anchor) {
        json_t *anchor = NULL;
        enum ts_code rc = anchor_value(op, &anchor, err);
        if (rc != TS_OK) {
            return rc;
        }
        if (!patch(operations, "add", ts_slice_str("externalId"), anchor)) {
            return no_memory(err);
        }
    }
    for (size_t i = 0; i < op->set.count; i++) {
        struct flow flow;
        enum ts_code rc =
            resolve(writer, op->kind, &op->set.attributes[i], &flow, err);
        if (rc == TS_OK) {
            rc = patch_flow(writer, &flow, current, operations, err);
        }
        if (rc != TS_OK) {
            return rc;
        }
    }
    if (op->link_path != NULL &&
        op->link_add_count + op->link_remove_count > 0 &&
        !patch_links(writer, op, operations)) {
        return no_memory(err);
    }
    json_t *body = json_pack("{s:[s], s:O}", "schemas", SCIM_URN_PATCH,
                             "Operations", operations);
    if (body == NULL) {
        return no_memory(err);
    }
    *ret_json = body;
    return TS_OK;
}

const char *scim_compose_filter(struct ts_arena *arena, const char *attribute,
                                struct ts_slice value)
{
    TS_AUTOJSON json_t *text = text_value(value);
    struct ts_slice quoted =
        text == NULL ? TS_SLICE_NONE : ts_json_print(text, arena);
    size_t room = strlen(attribute) + quoted.size + sizeof " eq ";
    char *filter = quoted.data == NULL ? NULL : ts_arena_take(arena, room);
    if (filter != NULL) {
        (void) snprintf(filter, room, "%s eq %.*s", attribute,
                        TS_SLICE_ARGS(quoted));
    }
    return filter;
}
