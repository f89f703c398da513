/*
 * store -- a metaverse in a folder of its own, for tests of what is in it.
 *
 * DNs are paths of RDNs from the root: store_key("a", "b") is the key of b
 * under a. Every helper fails the test when the store does.
 */
#ifndef TESTS_LIB_STORE_H
#define TESTS_LIB_STORE_H

#include "node/metaverse/connector.h"
#include "node/metaverse/object.h"
#include "tests/lib/folder.h"

struct store {
    char folder[FOLDER_SIZE];
    struct metaverse *mv;
    struct connector_writer writer; /* of source 1 */
    struct ts_arena arena;
};

/* cmocka's set-up and tear-down: *state is a struct store. */
int store_make(void **state);
int store_remove(void **state);

/* The key of `rdn` under `parent`; NULL is the root. */
struct store_key {
    uint8_t bytes[CONNECTOR_KEY_SIZE];
};
struct store_key store_key(const struct store_key *parent, const char *rdn);
struct ts_slice store_key_bytes(const struct store_key *key);
connector_child_key_fn store_child_key;

/* Put an object that holds `text`, of source 1, and say what came of it. */
struct store_object {
    const char *anchor, *rdn;
    const struct store_key *parent; /* NULL: the root */
    const char *text;
    const struct connector_link *links;
    size_t link_count;
};
enum connector_change store_put(struct store *store,
                                const struct store_object *object,
                                int64_t *ret_id);
/* A metaverse object of `kind`, joined to `object_id` when that is not 0; its
 * references are counted. */
int64_t store_project(struct store *store, int kind, const char *anchor,
                      int64_t object_id);

void store_exec(struct store *store, const char *sql);
/* The one integer that `sql` answers. */
int64_t store_int(struct store *store, const char *sql);
/* Rows that were written on this connection so far. */
int64_t store_written(const struct store *store);

#endif
