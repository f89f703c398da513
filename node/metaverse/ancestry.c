#include "node/metaverse/ancestry.h"

struct below {
    struct ts_arena arena;
    int64_t *ids;
    size_t count, room;
};

static bool below_add(struct below *below, int64_t id)
{
    if (below->count == below->room) {
        size_t room = 2 * below->room + 64;
        int64_t *ids = ts_arena_array(&below->arena, room, sizeof *ids);
        if (ids == NULL) {
            return false;
        }
        if (below->count > 0) {
            memcpy(ids, below->ids, below->count * sizeof *ids);
        }
        below->ids = ids;
        below->room = room;
    }
    below->ids[below->count++] = id;
    return true;
}

/* UNION, not UNION ALL: damaged parents may lead in a circle. */
static enum ts_code below_load(struct connector_writer *w, struct ts_slice key,
                               struct below *below, struct ts_err *err)
{
    static const char sql[] =
        "WITH RECURSIVE below(id, dn_key, gone) AS (SELECT id, dn_key, gone "
        "FROM source_object WHERE parent_key = ?1 AND +source_id = ?2 UNION "
        "SELECT s.id, s.dn_key, s.gone FROM below JOIN source_object s ON "
        "s.parent_key = below.dn_key AND +s.source_id = ?2) "
        "SELECT id FROM below WHERE gone = 0";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        w->mv, sql, DB_VALUES(DB_BLOB(key), DB_INT(w->source_id)), &stmt, err);
    while (db_next(&w->mv->db, stmt, &code, err)) {
        if (!below_add(below, db_column_int(stmt, 0))) {
            code = ts_fail(err, TS_E_LIMIT, 0,
                           "could not look at the entries below one that "
                           "changed: out of memory");
        }
    }
    db_reset(stmt);
    return code;
}

enum ts_code ancestry_changed(struct connector_writer *w, struct ts_slice key,
                              struct ts_err *err)
{
    static const char sql[] =
        "UPDATE source_object SET changed = ?2 WHERE id = ?1";
    struct below below = { .count = 0 };
    if (!w->places) {
        return TS_OK;
    }
    ts_arena_init(&below.arena, (size_t) 64 * 1024 * 1024);
    enum ts_code code = below_load(w, key, &below, err);
    for (size_t i = 0; code == TS_OK && i < below.count; i++) {
        code = metaverse_run(
            w->mv, sql,
            DB_VALUES(DB_INT(below.ids[i]), DB_INT(w->next_change++)), err);
    }
    ts_arena_done(&below.arena);
    return code;
}

enum ts_code ancestry_gone(struct connector_writer *w, int64_t id,
                           struct ts_err *err)
{
    static const char sql[] = "SELECT dn_key FROM source_object WHERE id = ?1";
    uint8_t key[CONNECTOR_KEY_SIZE];
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        w->places ? metaverse_row(w->mv, sql, DB_VALUES(DB_INT(id)), &row, err)
                  : TS_OK;
    if (code != TS_OK || row == NULL) {
        return code;
    }
    struct ts_slice stored = db_column(row, 0);
    bool known = stored.size == sizeof key;
    if (known) {
        memcpy(key, stored.data, sizeof key);
    }
    db_reset(row);
    return known ? ancestry_changed(w, ts_slice(key, sizeof key), err) : TS_OK;
}

enum ts_code ancestry_arrived(struct connector_writer *w, int64_t id,
                              const struct connector_row *row,
                              struct ts_err *err)
{
    static const char sql[] =
        "SELECT id, anchor FROM source_object WHERE dn_key = ?1 AND "
        "+source_id = ?2 AND id <> ?3";
    sqlite3_stmt *stmt = NULL;
    bool more = true;
    if (w->on_same_dn == NULL) {
        return TS_OK;
    }
    enum ts_code code = metaverse_query(
        w->mv, sql,
        DB_VALUES(DB_BLOB(row->key), DB_INT(w->source_id), DB_INT(id)), &stmt,
        err);
    while (code == TS_OK && more) {
        code = db_step(&w->mv->db, stmt, &more, err);
        if (code == TS_OK && more) {
            w->on_same_dn(w->same_dn_context, db_column_int(stmt, 0),
                          db_column(stmt, 1), row->anchor);
        }
    }
    if (stmt != NULL) {
        db_reset(stmt);
    }
    return code;
}
