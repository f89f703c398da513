#include "tests/lib/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/metaverse/reference.h"
#include "tests/lib/test.h"

#define ARENA_MAX ((size_t) 64 * 1024 * 1024)

int store_make(void **state)
{
    struct store *store = calloc(1, sizeof *store);
    assert_non_null(store);
    folder_make(store->folder);
    ts_arena_init(&store->arena, ARENA_MAX);
    const char *const *steps = metaverse_sql;
    const struct db_schema schema = { 0x7473, steps, METAVERSE_LEVELS };
    char path[FOLDER_SIZE + 16];
    struct ts_err err;
    (void) snprintf(path, sizeof path, "%s/state.db", store->folder);
    assert_int_equal(
        metaverse_open(path, DB_BUILDING, &schema, &store->mv, &err), TS_OK);
    store->writer = (struct connector_writer){ .mv = store->mv,
                                               .source_id = 1,
                                               .next_id = 1,
                                               .next_change = 1,
                                               .child_key = store_child_key };
    *state = store;
    return 0;
}

int store_remove(void **state)
{
    struct store *store = *state;
    metaverse_close(store->mv);
    ts_arena_done(&store->arena);
    folder_remove(store->folder);
    free(store);
    return 0;
}

struct store_key store_key(const struct store_key *parent, const char *rdn)
{
    static const uint8_t root[CONNECTOR_KEY_SIZE] = { 0 };
    struct store_key key;
    struct ts_err err;
    assert_int_equal(store_child_key(NULL, ts_slice_str(rdn),
                                     parent == NULL ? root : parent->bytes,
                                     key.bytes, &err),
                     TS_OK);
    return key;
}

struct ts_slice store_key_bytes(const struct store_key *key)
{
    return ts_slice(key->bytes, sizeof key->bytes);
}

enum ts_code store_child_key(void *context, struct ts_slice rdn,
                             const uint8_t parent[CONNECTOR_KEY_SIZE],
                             uint8_t ret_key[CONNECTOR_KEY_SIZE],
                             struct ts_err *err)
{
    uint8_t bytes[CONNECTOR_KEY_SIZE + 100];
    (void) context;
    (void) err;
    assert_true(rdn.size <= 100);
    memcpy(bytes, parent, CONNECTOR_KEY_SIZE);
    memcpy(bytes + CONNECTOR_KEY_SIZE, rdn.data, rdn.size);
    struct ts_hash hash =
        ts_hash_of(ts_slice(bytes, CONNECTOR_KEY_SIZE + rdn.size));
    memcpy(ret_key, hash.bytes, CONNECTOR_KEY_SIZE);
    return TS_OK;
}

/* Over what a source's hash is over: DN, values and links. */
static struct ts_hash hash_of(const struct store_object *object,
                              const struct store_key *key)
{
    struct {
        struct store_key key;
        struct ts_hash text, links;
    } whole = { .key = *key, .text = ts_hash_of(ts_slice_str(object->text)) };
    for (size_t i = 0; i < object->link_count; i++) {
        struct {
            struct ts_hash before, attribute, key;
        } link = { whole.links, ts_hash_of(object->links[i].attribute),
                   ts_hash_of(object->links[i].key) };
        whole.links = ts_hash_of(ts_slice(&link, sizeof link));
    }
    return ts_hash_of(ts_slice(&whole, sizeof whole));
}

enum connector_change store_put(struct store *store,
                                const struct store_object *object,
                                int64_t *ret_id)
{
    static const struct store_key root = { { 0 } };
    const struct store_key *parent =
        object->parent == NULL ? &root : object->parent;
    struct store_key key = store_key(parent, object->rdn);
    struct ts_hash hash = hash_of(object, &key);
    struct connector_row row = {
        .anchor = ts_slice_str(object->anchor),
        .key = store_key_bytes(&key),
        .parent = store_key_bytes(parent),
        .rdn = ts_slice_str(object->rdn),
        .packed = ts_slice_str(object->text),
        .hash = ts_slice(hash.bytes, sizeof hash.bytes),
        .links = object->links,
        .link_count = object->link_count,
    };
    enum connector_change change = CONNECTOR_SAME;
    struct ts_err err;
    assert_int_equal(connector_put(&store->writer, &row, ret_id, &change, &err),
                     TS_OK);
    return change;
}

int64_t store_project(struct store *store, int kind, const char *anchor,
                      int64_t object_id)
{
    struct ts_err err;
    struct metaverse_object object = {
        .id = store->writer.next_id++,
        .kind = kind,
        .anchor = ts_slice_str(anchor),
        .presence = OBJECT_IN,
        .packed = ts_slice_str("packed"),
        .once = ts_slice_str("once"),
        .changed = store->writer.next_change++,
    };
    assert_int_equal(object_insert(store->mv, &object, &err), TS_OK);
    if (object_id != 0) {
        assert_int_equal(
            object_join(store->mv, object_id, object.id, kind, &err), TS_OK);
        assert_int_equal(reference_joined(store->mv, object_id, &err), TS_OK);
    }
    return object.id;
}

void store_exec(struct store *store, const char *sql)
{
    struct ts_err err = { .code = TS_OK };
    if (db_exec(&store->mv->db, sql, &err) != TS_OK) {
        fail_msg("%s: %s", sql, err.text);
    }
}

int64_t store_int(struct store *store, const char *sql)
{
    struct ts_err err = { .code = TS_OK };
    int64_t value = 0;
    if (db_query_int(&store->mv->db, sql, &value, &err) != TS_OK) {
        fail_msg("%s: %s", sql, err.text);
    }
    return value;
}

int64_t store_written(const struct store *store)
{
    return sqlite3_total_changes(store->mv->db.handle);
}
