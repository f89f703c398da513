/* What is particular about sources whose keys are identities; see connector.h.
 */
#include "node/metaverse/identity.h"

struct owner {
    int64_t id;
    struct ts_slice attribute;
};

struct owners {
    struct ts_arena arena;
    struct owner *items;
    size_t count, room;
};

static enum ts_code find_key(struct connector_writer *w, struct ts_slice key,
                             int64_t *ret_id, struct ts_err *err)
{
    static const char sql[] = "SELECT id FROM source_object WHERE dn_key = ?1 "
                              "AND +source_id = ?2 AND gone = 0";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        w->mv, sql, DB_VALUES(DB_BLOB(key), DB_INT(w->source_id)), &row, err);
    if (code != TS_OK) {
        return code;
    }
    *ret_id = row == NULL ? 0 : db_column_int(row, 0);
    if (row != NULL) {
        db_reset(row);
    }
    return TS_OK;
}

enum ts_code connector_link_patch(struct metaverse *mv, int64_t id,
                                  const struct connector_link *link,
                                  struct ts_err *err)
{
    static const char sql[] = "SELECT 1 FROM source_link WHERE object_id = ?1 "
                              "AND attribute = ?2 AND dn_key = ?3";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql,
        DB_VALUES(DB_INT(id), DB_TEXT(link->attribute), DB_BLOB(link->key)),
        &row, err);
    bool there = code == TS_OK && row != NULL;
    if (there) {
        db_reset(row);
    }
    if (code != TS_OK || there != link->gone) {
        return code;
    }
    return link->gone
               ? connector_link_drop(mv, id, link->attribute, link->key, err)
               : connector_link_add(mv, id, link, err);
}

static bool owners_add(struct owners *owners, sqlite3_stmt *row)
{
    if (owners->count == owners->room) {
        size_t room = 2 * owners->room + 64;
        struct owner *items =
            ts_arena_array(&owners->arena, room, sizeof *items);
        if (items == NULL) {
            return false;
        }
        if (owners->count > 0) {
            memcpy(items, owners->items, owners->count * sizeof *items);
        }
        owners->items = items;
        owners->room = room;
    }
    struct owner *owner = &owners->items[owners->count++];
    owner->id = db_column_int(row, 0);
    owner->attribute = ts_arena_copy(&owners->arena, db_column(row, 1));
    return owner->attribute.data != NULL;
}

/* Copied, before they are acted on. */
static enum ts_code owners_load(struct connector_writer *w, struct ts_slice key,
                                struct owners *owners, struct ts_err *err)
{
    static const char sql[] =
        "SELECT l.object_id, l.attribute FROM source_link l JOIN source_object "
        "o ON o.id = l.object_id WHERE l.dn_key = ?1 AND +o.source_id = ?2";
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    enum ts_code code = metaverse_query(
        w->mv, sql, DB_VALUES(DB_BLOB(key), DB_INT(w->source_id)), &stmt, err);
    while (code == TS_OK && row) {
        code = db_step(&w->mv->db, stmt, &row, err);
        if (code == TS_OK && row && !owners_add(owners, stmt)) {
            code = ts_fail(err, TS_E_LIMIT, 0,
                           "could not take a deleted object out of %zu others: "
                           "out of memory",
                           owners->count);
        }
    }
    if (stmt != NULL) {
        db_reset(stmt);
    }
    return code;
}

enum ts_code connector_unlink(struct connector_writer *w, struct ts_slice key,
                              struct ts_err *err)
{
    static const char sql[] =
        "UPDATE source_object SET hash = x'' WHERE id = ?1"; /* C6 */
    struct owners owners = { .count = 0 };
    ts_arena_init(&owners.arena, (size_t) 256 * 1024 * 1024);
    enum ts_code code = owners_load(w, key, &owners, err);
    for (size_t i = 0; code == TS_OK && i < owners.count; i++) {
        const struct owner *owner = &owners.items[i];
        code =
            connector_link_drop(w->mv, owner->id, owner->attribute, key, err);
        if (code == TS_OK) {
            code = metaverse_run(w->mv, sql, DB_VALUES(DB_INT(owner->id)), err);
        }
    }
    ts_arena_done(&owners.arena);
    return code;
}

enum ts_code connector_lose(struct connector_writer *w, struct ts_slice key,
                            bool *ret_known, struct ts_err *err)
{
    int64_t id = 0;
    enum ts_code code = connector_unlink(w, key, err);
    if (code == TS_OK) {
        code = find_key(w, key, &id, err);
    }
    *ret_known = code == TS_OK && id > 0;
    return *ret_known ? connector_mark_gone(w, id, err) : code;
}
