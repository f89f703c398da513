#include "node/target/scim/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "node/base/json.h"

static enum ts_code no_memory(struct ts_err *err)
{
    return ts_fail(err, TS_E_LIMIT, 0,
                   "could not take over an object: it is larger than allowed");
}

static struct ts_slice copy_text(struct ts_arena *arena, const json_t *value)
{
    return ts_arena_copy(
        arena, ts_slice(json_string_value(value), json_string_length(value)));
}

static bool is_empty(const json_t *value)
{
    return value == NULL || json_is_null(value) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_string(value) && json_string_length(value) == 0);
}

/* One JSON value in its canonical text; a NULL slice: of another type, or no
 * memory. */
static struct ts_slice scalar(struct ts_arena *arena, enum ts_kind kind,
                              const json_t *value)
{
    if (kind == TS_KIND_TEXT && json_is_string(value)) {
        return copy_text(arena, value);
    }
    if (kind == TS_KIND_BOOLEAN && json_is_boolean(value)) {
        return ts_slice_str(json_is_true(value) ? "true" : "false");
    }
    if (kind == TS_KIND_INTEGER && json_is_integer(value)) {
        char text[32];
        int size = snprintf(text, sizeof text, "%lld",
                            (long long) json_integer_value(value));
        return ts_arena_copy(arena, ts_slice(text, (size_t) size));
    }
    return kind == TS_KIND_JSON ? ts_json_print(value, arena) : TS_SLICE_NONE;
}

/* The JSON values at the path, in `found` of `room`. SIZE_MAX: something of
 * another shape is there. */
static size_t values_at(const struct scim_path *path,
                        const struct scim_attribute *attribute,
                        json_t *resource, json_t ***ret_found,
                        struct ts_arena *arena)
{
    json_t *top = scim_path_attribute(path, resource);
    if (is_empty(top)) {
        return 0;
    }
    bool whole = attribute->value == TS_KIND_JSON && path->sub.size == 0;
    size_t room = json_is_array(top) ? json_array_size(top) : 1, count = 0;
    json_t **found = ts_arena_array(arena, room, sizeof(json_t *));
    if (found == NULL) {
        return SIZE_MAX;
    }
    *ret_found = found;
    bool elements = whole && attribute->multi_valued && json_is_array(top);
    if (!elements &&
        (whole || (!attribute->multi_valued && path->sub.size == 0))) {
        found[count++] = top;
    } else if (path->filter_name.size > 0 || attribute->multi_valued) {
        if (!json_is_array(top)) {
            return SIZE_MAX;
        }
        for (size_t i = 0; i < room; i++) {
            json_t *element = json_array_get(top, i);
            if (path->filter_name.size > 0) {
                element = scim_path_matches(path, element)
                              ? scim_member(element, path->sub)
                              : NULL;
            }
            if (!is_empty(element)) {
                found[count++] = element;
            }
        }
    } else if (json_is_object(top)) {
        json_t *sub = scim_member(top, path->sub);
        if (!is_empty(sub)) {
            found[count++] = sub;
        }
    } else {
        return SIZE_MAX;
    }
    return count;
}

static enum ts_code wrong_type(const char *path, struct ts_err *err)
{
    return ts_fail(err, TS_E_PROTOCOL, 0,
                   "cannot use the service's answer: the value of \"%s\" is of "
                   "another type than its schema says",
                   path);
}

/* The values of one flowed path; value_count 0 when there are none, as is so of
 * a path that the service does not have: to write it is what is refused. */
static enum ts_code decode_path(const struct scim_reader *reader, json_t *json,
                                const char *text, struct ts_attribute *ret,
                                struct ts_err *err)
{
    struct scim_path path;
    enum ts_code rc = scim_path_parse(ts_slice_str(text), &path, err);
    if (rc != TS_OK) {
        return rc;
    }
    *ret = (struct ts_attribute){ .name = ts_slice_str(text) };
    const struct scim_attribute *attribute =
        scim_schema_find(reader->schema, reader->kind, &path);
    if (attribute == NULL) {
        return TS_OK;
    }
    ret->kind = attribute->value;
    json_t **found = NULL;
    size_t count = values_at(&path, attribute, json, &found, reader->arena);
    if (count == SIZE_MAX) {
        return wrong_type(text, err);
    }
    if (count == 0) {
        return TS_OK;
    }
    ret->values = ts_arena_array(reader->arena, count, sizeof *ret->values);
    if (ret->values == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        ret->values[i] = scalar(reader->arena, attribute->value, found[i]);
        if (ret->values[i].data == NULL) {
            return wrong_type(text, err);
        }
    }
    ret->value_count = count;
    return TS_OK;
}

static enum ts_code decode_values(const struct scim_reader *reader,
                                  json_t *json, struct ts_entry *ret,
                                  struct ts_err *err)
{
    const struct target_paths *paths = reader->paths;
    struct ts_attribute *rows =
        ts_arena_array(reader->arena, paths->path_count, sizeof *rows);
    if (rows == NULL) {
        return no_memory(err);
    }
    size_t count = 0;
    for (size_t i = 0; i < paths->path_count; i++) {
        enum ts_code rc =
            decode_path(reader, json, paths->paths[i], &rows[count], err);
        if (rc != TS_OK) {
            return rc;
        }
        count += rows[count].value_count > 0 ? 1 : 0;
    }
    *ret = (struct ts_entry){ .count = count, .attributes = rows };
    ts_entry_normalise(ret);
    return TS_OK;
}

/* -- links ----------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    const struct ts_slice *x = a;
    const struct ts_slice *y = b;
    return ts_slice_compare(*x, *y);
}

static bool is_id(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) > 0 &&
           json_string_length(value) <= SCIM_ID_SIZE_MAX;
}

/* Sorted, none twice: some services keep a member that was added twice. */
static size_t sort_links(struct ts_slice *links, size_t count)
{
    qsort(links, count, sizeof *links, by_bytes);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !ts_slice_equal(links[i], links[kept - 1])) {
            links[kept++] = links[i];
        }
    }
    return kept;
}

static enum ts_code decode_members(const struct scim_reader *reader,
                                   json_t *list, struct target_object *object,
                                   struct ts_err *err)
{
    if (!json_is_array(list)) {
        return wrong_type("members", err);
    }
    size_t count = json_array_size(list);
    if (count > SCIM_LINKS_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read a group with more than %d members",
                       SCIM_LINKS_MAX);
    }
    struct ts_slice *links =
        ts_arena_array(reader->arena, count, sizeof *links);
    if (links == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        json_t *id =
            scim_member(json_array_get(list, i), ts_slice_str("value"));
        if (!is_id(id)) {
            return wrong_type("members", err);
        }
        links[i] = copy_text(reader->arena, id);
        if (links[i].data == NULL) {
            return no_memory(err);
        }
    }
    object->links = links;
    object->link_count = sort_links(links, count);
    return TS_OK;
}

/* {"value": id} as RFC 7643 has it, or the bare id of some services. */
static enum ts_code decode_manager(const struct scim_reader *reader,
                                   json_t *manager,
                                   struct target_object *object,
                                   struct ts_err *err)
{
    json_t *id = json_is_object(manager)
                     ? scim_member(manager, ts_slice_str("value"))
                     : manager;
    if (is_empty(id)) {
        return TS_OK;
    }
    struct ts_slice *link = ts_arena_array(reader->arena, 1, sizeof *link);
    if (!is_id(id)) {
        return wrong_type("manager", err);
    }
    if (link == NULL) {
        return no_memory(err);
    }
    *link = copy_text(reader->arena, id);
    if (link->data == NULL) {
        return no_memory(err);
    }
    object->links = link;
    object->link_count = 1;
    return TS_OK;
}

static enum ts_code decode_links(const struct scim_reader *reader, json_t *json,
                                 struct target_object *object,
                                 struct ts_err *err)
{
    if (reader->paths->link_path_count == 0) {
        return TS_OK;
    }
    const char *name = reader->paths->link_paths[0];
    const char *text =
        strcmp(name, "manager") == 0 ? SCIM_URN_ENTERPRISE ":manager" : name;
    struct scim_path path;
    enum ts_code rc = scim_path_parse(ts_slice_str(text), &path, err);
    if (rc != TS_OK) {
        return rc;
    }
    json_t *value = scim_path_attribute(&path, json);
    const struct scim_attribute *attribute =
        scim_schema_find(reader->schema, reader->kind, &path);
    if (value == NULL || json_is_null(value)) {
        object->links_known = reader->origin == SCIM_FROM_READ &&
                              (attribute == NULL || attribute->returned);
        return TS_OK;
    }
    object->links_known = true;
    return reader->kind == CONFIG_KIND_GROUP
               ? decode_members(reader, value, object, err)
               : decode_manager(reader, value, object, err);
}

/* -- who is never taken over ----------------------------------------------- */

static bool is_word(const json_t *value, const char *word)
{
    return word != NULL && json_is_string(value) &&
           strcasecmp(json_string_value(value), word) == 0;
}

/* {"value": "..."} as RFC 7643 has it, or the bare text of some services. */
static bool is_administrative(json_t *role)
{
    const json_t *value =
        json_is_object(role) ? scim_member(role, ts_slice_str("value")) : role;
    return json_is_string(value) &&
           strcasestr(json_string_value(value), "admin") != NULL;
}

static bool is_shielded(const struct scim_reader *reader, json_t *json)
{
    json_t *roles = scim_member(json, ts_slice_str("roles"));
    json_t *type = scim_member(json, ts_slice_str("userType"));
    const json_t *name = scim_member(json, ts_slice_str("userName"));
    if (reader->kind != CONFIG_KIND_USER) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(roles); i++) {
        if (is_administrative(json_array_get(roles, i))) {
            return true;
        }
    }
    return is_administrative(roles) || is_word(type, "service") ||
           is_administrative(type) || is_word(name, reader->self);
}

/* -- objects, pages, complaints ------------------------------------------- */

static enum ts_code decode_head(const struct scim_reader *reader, json_t *json,
                                struct target_object *object,
                                struct ts_err *err)
{
    json_t *id = scim_member(json, ts_slice_str("id"));
    json_t *anchor = scim_member(json, ts_slice_str("externalId"));
    json_t *meta = scim_member(json, ts_slice_str("meta"));
    json_t *version = scim_member(meta, ts_slice_str("version"));
    json_t *created = scim_member(meta, ts_slice_str("created"));

    if (!json_is_object(json) || !is_id(id)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot use the service's answer: it holds an object "
                       "without an \"id\"");
    }
    if (!is_empty(anchor) && !is_id(anchor)) {
        return wrong_type("externalId", err);
    }
    object->id = copy_text(reader->arena, id);
    if (!is_empty(anchor)) {
        object->anchor = copy_text(reader->arena, anchor);
    }
    if (is_id(version)) {
        object->etag = copy_text(reader->arena, version);
    }
    if (is_id(created)) {
        object->created = copy_text(reader->arena, created);
    }
    object->shielded = is_shielded(reader, json);
    return object->id.data == NULL ? no_memory(err) : TS_OK;
}

enum ts_code scim_decode_object(const struct scim_reader *reader, json_t *json,
                                struct target_object *ret_object,
                                struct ts_err *err)
{
    struct target_object object = { .kind = reader->kind,
                                    .values_known = true };
    enum ts_code rc = decode_head(reader, json, &object, err);
    if (rc == TS_OK) {
        rc = decode_values(reader, json, &object.values, err);
    }
    if (rc == TS_OK) {
        rc = decode_links(reader, json, &object, err);
    }
    if (rc == TS_OK) {
        *ret_object = object;
    }
    return rc;
}

enum ts_code scim_decode_page(json_t *json, struct scim_page *ret_page,
                              struct ts_err *err)
{
    json_t *resources = scim_member(json, ts_slice_str("Resources"));
    json_t *total = scim_member(json, ts_slice_str("totalResults"));
    if (!json_is_integer(total) || json_integer_value(total) < 0 ||
        (resources != NULL && !json_is_null(resources) &&
         !json_is_array(resources))) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot use the service's answer: it is not a list "
                       "with totalResults and Resources");
    }
    *ret_page = (struct scim_page){
        .total = (size_t) json_integer_value(total),
        .resources = json_is_array(resources) ? resources : NULL,
        .count = json_array_size(resources),
    };
    if (ret_page->count > ret_page->total) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot use the service's answer: it lists %zu objects "
                       "and says there are %zu",
                       ret_page->count, ret_page->total);
    }
    return TS_OK;
}

static void copy_plain(char *to, size_t room, const char *from)
{
    size_t used = 0;
    for (; from != NULL && *from != '\0' && used + 1 < room; from++) {
        unsigned char c = (unsigned char) *from;
        to[used++] = c < 0x20 || c == 0x7f ? '?' : (char) c;
    }
    while (used > 0 && used + 1 == room &&
           ((unsigned char) to[used - 1] & 0x80)) {
        used--; /* do not leave half a character at the cut */
    }
    to[used] = '\0';
}

void scim_decode_complaint(struct ts_slice body, struct scim_complaint *ret)
{
    TS_AUTOJSON json_t *json = NULL;
    *ret = (struct scim_complaint){ .type = "" };
    if (body.size > 0 && ts_json_parse(body, &json, NULL) == TS_OK) {
        copy_plain(ret->type, sizeof ret->type, ts_json_text(json, "scimType"));
        copy_plain(ret->detail, sizeof ret->detail,
                   ts_json_text(json, "detail"));
    }
}

bool scim_is_json(const char *content_type)
{
    static const char *const types[] = { "application/scim+json",
                                         "application/json" };
    for (size_t i = 0; content_type != NULL && i < 2; i++) {
        size_t size = strlen(types[i]);
        if (strncasecmp(content_type, types[i], size) == 0 &&
            strchr("; \t", content_type[size]) != NULL) {
            return true;
        }
    }
    return false;
}
