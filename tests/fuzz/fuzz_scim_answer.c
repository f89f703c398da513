/* Whatever a service answers: no crash, bounded memory, and what is believed
 * holds what decode.h promises. The first byte chooses the reader. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/json.h"
#include "node/target/oauth.h"
#include "node/target/pace.h"
#include "node/target/scim/bulk.h"
#include "node/target/scim/compose.h"
#include "node/target/scim/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAIL "emails[type eq \"work\"].value"

static const char *const user_paths[] = { "active", MAIL, "name.givenName",
                                          "userName",
                                          SCIM_URN_ENTERPRISE ":department" };
static const char *const group_paths[] = { "displayName" };
static const char *const manager[] = { "manager" };
static const char *const members[] = { "members" };
static const struct target_paths paths[CONFIG_KINDS] = {
    { user_paths, 5, manager, 1 },
    { group_paths, 1, members, 1 },
};

static void check_object(const struct target_object *object)
{
    assert(object->id.size > 0 && object->id.size <= SCIM_ID_SIZE_MAX);
    for (size_t i = 0; i < object->values.count; i++) {
        const struct ts_attribute *row = &object->values.attributes[i];
        assert(row->value_count > 0);
        assert(i == 0 || ts_slice_compare(row[-1].name, row->name) < 0);
        for (size_t j = 0; j < row->value_count; j++) {
            assert(row->values[j].size > 0);
        }
    }
    for (size_t i = 1; i < object->link_count; i++) {
        assert(ts_slice_compare(object->links[i - 1], object->links[i]) < 0);
    }
}

/* An object as it was read, and our change composed on top of it. */
static void read_object(const struct scim_reader *reader, json_t *json)
{
    struct target_object object;
    struct ts_err err = { .text = "" };
    if (scim_decode_object(reader, json, &object, &err) != TS_OK) {
        assert(strncmp(err.text, "could", 5) == 0 ||
               strncmp(err.text, "cannot", 6) == 0);
        return;
    }
    check_object(&object);

    struct ts_slice value = ts_slice_str("w"), link = object.id;
    struct ts_attribute rows[] = {
        { ts_slice_str(MAIL), TS_KIND_TEXT, 1, &value },
        { ts_slice_str("emails[type eq \"home\"].value"), TS_KIND_CLEAR, 0,
          NULL },
        { ts_slice_str("name.givenName"), TS_KIND_TEXT, 1, &value },
    };
    const struct target_op op = {
        .verb = TARGET_UPDATE,
        .kind = reader->kind,
        .set = { reader->kind == CONFIG_KIND_USER ? 3 : 0, rows },
        .link_path = paths[reader->kind].link_paths[0],
        .link_add = &link,
        .link_add_count = 1
    };
    const struct scim_writer writer = { reader->schema, reader->arena, NULL };
    json_t *copy = json_deep_copy(json), *body = NULL;
    if (scim_compose_patch(&writer, &op, copy, &body, &err) == TS_OK) {
        assert(ts_json_print(body, reader->arena).size > 0);
        json_decref(body);
    }
    json_decref(copy);
    (void) !scim_compose_put(&writer, &op, json, &err);
}

static void read_bulk(json_t *json)
{
    struct scim_bulk_item items[] = {
        { .method = "POST", .bulk_id = 1 },
        { .method = "PATCH", .bulk_id = 2, .id = ts_slice_str("i") },
    };
    if (scim_bulk_match(json, items, 2)) {
        for (size_t i = 0; i < 2; i++) {
            assert(items[i].status == 0 ||
                   (items[i].status >= 100 && items[i].status <= 599));
        }
    }
}

static void read_discovery(struct scim_schema *schema, json_t *json)
{
    scim_schema_take_config(schema, json);
    scim_schema_take_types(schema, json);
    scim_schema_take_schemas(schema, json);
    assert(schema->page_size > 0 && schema->page_size <= SCIM_PAGE_MAX);
    assert(schema->attribute_count <= SCIM_SCHEMA_ATTRIBUTES_MAX);
    assert(!schema->bulk || schema->bulk_operations_max > 1);
    assert(schema->endpoint[CONFIG_KIND_USER][0] == '/');
}

static void read_texts(struct ts_slice body, struct ts_arena *arena)
{
    struct oauth_token token = { 0 };
    struct scim_complaint complaint;
    struct scim_path path;
    scim_decode_complaint(body, &complaint);
    if (oauth_parse(200, body, arena, &token, NULL) == TS_OK) {
        assert(strpbrk(token.text, "\r\n ") == NULL && token.use_s >= 0);
        assert(token.lifetime_s >= 0 &&
               token.lifetime_s <= TARGET_LIFETIME_UNKNOWN);
    }
    (void) oauth_refuses_client(400, body);
    (void) !scim_path_parse(body, &path, NULL);
    struct ts_slice text = ts_arena_copy(arena, body);
    if (text.data != NULL) {
        int64_t ms = pace_retry_after((const char *) text.data, NULL, 0);
        assert(ms >= -1 && ms <= PACE_WAIT_MAX_MS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scim_schema schema;
    struct ts_arena arena;
    json_t *json = NULL;
    uint8_t mode = size == 0 ? 0 : data[0];
    struct ts_slice body =
        size == 0 ? TS_SLICE_NONE : ts_slice(data + 1, size - 1);

    ts_arena_init(&arena, 16 * 1024 * 1024);
    if (!scim_schema_init(&schema)) {
        return 0;
    }
    read_texts(body, &arena);
    if (ts_json_parse(body, &json, NULL) == TS_OK) {
        struct scim_page page;
        const struct scim_reader reader = {
            .schema = &schema,
            .paths = &paths[mode & 1],
            .kind = (enum config_kind)(mode & 1),
            .origin = (mode & 2) != 0 ? SCIM_FROM_WRITE : SCIM_FROM_READ,
            .arena = &arena
        };
        if ((mode & 4) != 0) {
            read_discovery(&schema, json);
        }
        if (scim_decode_page(json, &page, NULL) == TS_OK) {
            assert(page.count <= page.total);
            if (page.count > 0) {
                read_object(&reader, json_array_get(page.resources, 0));
            }
        }
        read_bulk(json);
        read_object(&reader, json);
        json_decref(json);
    }
    scim_schema_done(&schema);
    ts_arena_done(&arena);
    return 0;
}
