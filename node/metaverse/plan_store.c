#include "node/metaverse/plan_store.h"

#include "node/base/time.h"

static struct ts_slice hash_slice(const struct ts_hash *hash)
{
    return ts_slice(hash->bytes, sizeof hash->bytes);
}

/* ---- the draft ---------------------------------------------------------- */

enum ts_code plan_store_draft_reset(struct metaverse *mv, struct ts_err *err)
{
    return db_exec(&mv->db,
                   "CREATE TEMP TABLE IF NOT EXISTS plan_draft(id INTEGER "
                   "PRIMARY KEY, kind INTEGER, anchor TEXT, verb INTEGER, "
                   "content BLOB, links BLOB); DELETE FROM temp.plan_draft",
                   err);
}

enum ts_code plan_store_draft_add(struct metaverse *mv,
                                  const struct plan_item *item,
                                  struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO temp.plan_draft(kind, anchor, verb, content, links) "
        "VALUES(?1, ?2, ?3, ?4, ?5)";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(item->kind), DB_TEXT(item->anchor),
                                   DB_INT(item->verb), DB_BLOB(item->content),
                                   DB_BLOB(item->links)),
                         err);
}

enum ts_code plan_store_draft_move(struct metaverse *mv,
                                   const struct plan_move *move,
                                   int64_t *ret_moved, struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO plan_item(plan_id, kind, anchor, verb, content, links, "
        "state) SELECT ?1, kind, anchor, verb, content, links, 0 "
        "FROM temp.plan_draft WHERE id > ?2 AND id <= ?2 + ?3";
    enum ts_code code = metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(move->id), DB_INT(move->from), DB_INT(move->limit)),
        err);
    *ret_moved = code == TS_OK ? sqlite3_changes64(mv->db.handle) : 0;
    return code;
}

/* ---- plans -------------------------------------------------------------- */

enum ts_code plan_store_find(struct metaverse *mv, const char *hash,
                             struct plan_row *ret_row, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id, effect, at FROM plan WHERE hash = ?1 AND "
        "substr(hash, 1, 1) <> '#'";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql, DB_VALUES(DB_TEXT(ts_slice_str(hash))), &row, err);
    *ret_row = (struct plan_row){ .id = 0 };
    if (code == TS_OK && row != NULL) {
        struct ts_slice effect = db_column(row, 1);
        ret_row->id = db_column_int(row, 0);
        ret_row->at = db_column_int(row, 2);
        if (effect.size == TS_HASH_SIZE) {
            memcpy(ret_row->effect.bytes, effect.data, TS_HASH_SIZE);
        }
        db_reset(row);
    }
    return code;
}

enum ts_code plan_store_put(struct metaverse *mv, const struct ts_hash *effect,
                            int64_t *ret_id, struct ts_err *err)
{
    /* Names are unique; until its items are there, its number is its name. */
    static const char sql[] =
        "INSERT INTO plan(id, hash, effect, at) VALUES(?1, '#' || ?1, ?2, ?3)";
    int64_t id = 0;
    enum ts_code code = metaverse_counter(mv, "plan", &id, err);
    if (code == TS_OK) {
        code = metaverse_set_counter(mv, "plan", ++id, err);
    }
    *ret_id = id;
    return code == TS_OK ? metaverse_run(mv, sql,
                                         DB_VALUES(DB_INT(id),
                                                   DB_BLOB(hash_slice(effect)),
                                                   DB_INT(ts_wall_seconds())),
                                         err)
                         : code;
}

enum ts_code plan_store_name(struct metaverse *mv, int64_t id, const char *hash,
                             struct ts_err *err)
{
    static const char sql[] = "UPDATE plan SET hash = ?2 WHERE id = ?1";
    return metaverse_run(
        mv, sql, DB_VALUES(DB_INT(id), DB_TEXT(ts_slice_str(hash))), err);
}

enum ts_code plan_store_renew(struct metaverse *mv, int64_t id,
                              const struct ts_hash *effect, struct ts_err *err)
{
    static const char sql[] =
        "UPDATE plan SET effect = ?2, at = ?3 WHERE id = ?1";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(id), DB_BLOB(hash_slice(effect)),
                                   DB_INT(ts_wall_seconds())),
                         err);
}

enum ts_code plan_store_remove(struct metaverse *mv, int64_t id,
                               struct ts_err *err)
{
    static const char sql[] = "DELETE FROM plan WHERE id = ?1";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(id)), err);
}

enum ts_code plan_store_trim(struct metaverse *mv, int64_t spared,
                             struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM plan WHERE id <> ?1 AND (at <= ?2 OR id NOT IN "
        "(SELECT id FROM plan ORDER BY at DESC, id DESC LIMIT ?3))";
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(spared),
                  DB_INT(ts_wall_seconds() - PLAN_STORE_SECONDS),
                  DB_INT(PLAN_STORE_KEPT)),
        err);
}

enum ts_code plan_store_sweep(struct metaverse *mv, int64_t limit,
                              bool *ret_more, struct ts_err *err)
{
    /* The least plan of which items are left without it. */
    static const char find_sql[] =
        "WITH RECURSIVE ids(id) AS (SELECT min(plan_id) FROM plan_item "
        "UNION ALL SELECT (SELECT min(plan_id) FROM plan_item "
        "WHERE plan_id > ids.id) FROM ids WHERE ids.id IS NOT NULL) "
        "SELECT id FROM ids WHERE id IS NOT NULL AND id NOT IN "
        "(SELECT id FROM plan) LIMIT 1";
    static const char drop_sql[] =
        "DELETE FROM plan_item WHERE plan_id = ?1 AND (kind, anchor) IN "
        "(SELECT kind, anchor FROM plan_item WHERE plan_id = ?1 LIMIT ?2)";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(mv, find_sql, DB_NO_VALUES, &row, err);
    *ret_more = code == TS_OK && row != NULL;
    if (!*ret_more) {
        return code;
    }
    int64_t id = db_column_int(row, 0);
    db_reset(row);
    return metaverse_run(mv, drop_sql, DB_VALUES(DB_INT(id), DB_INT(limit)),
                         err);
}

/* ---- items -------------------------------------------------------------- */

enum ts_code plan_store_item(struct metaverse *mv, const struct plan_key *key,
                             struct ts_arena *arena, struct plan_item *ret_item,
                             bool *ret_found, struct ts_err *err)
{
    static const char sql[] =
        "SELECT verb, content, links, state FROM plan_item "
        "WHERE plan_id = ?1 AND kind = ?2 AND anchor = ?3";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql,
        DB_VALUES(DB_INT(key->id), DB_INT(key->kind), DB_TEXT(key->anchor)),
        &row, err);
    *ret_found = code == TS_OK && row != NULL;
    if (!*ret_found) {
        return code;
    }
    *ret_item = (struct plan_item){
        .kind = key->kind,
        .anchor = key->anchor,
        .verb = (enum intent_verb) db_column_int(row, 0),
        .content = ts_arena_copy(arena, db_column(row, 1)),
        .links = ts_arena_copy(arena, db_column(row, 2)),
        .state = (enum plan_item_state) db_column_int(row, 3),
    };
    db_reset(row);
    return ret_item->content.data == NULL || ret_item->links.data == NULL
               ? ts_fail(err, TS_E_LIMIT, 0,
                         "could not read the plan for \"%.*s\": out of memory",
                         TS_SLICE_ARGS(key->anchor))
               : TS_OK;
}

enum ts_code plan_store_mark(struct metaverse *mv, const struct plan_key *key,
                             enum plan_item_state state, struct ts_err *err)
{
    static const char sql[] =
        "UPDATE plan_item SET state = ?4 WHERE plan_id = ?1 AND kind = ?2 AND "
        "anchor = ?3 AND state = 0";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(key->id), DB_INT(key->kind),
                                   DB_TEXT(key->anchor), DB_INT(state)),
                         err);
}

static enum ts_code list_items(struct metaverse *mv, sqlite3_stmt *stmt,
                               struct ts_arena *arena, struct plan_item *items,
                               size_t *count, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    size_t n = 0;
    while (n < *count && db_next(&mv->db, stmt, &code, err)) {
        items[n] = (struct plan_item){
            .kind = (int) db_column_int(stmt, 0),
            .anchor = ts_arena_copy(arena, db_column(stmt, 1)),
            .verb = (enum intent_verb) db_column_int(stmt, 2),
        };
        if (items[n++].anchor.data == NULL) {
            code = ts_fail(err, TS_E_LIMIT, 0,
                           "could not work through the plan: out of memory");
            break;
        }
    }
    db_reset(stmt);
    *count = n;
    return code;
}

enum ts_code plan_store_undemanded(struct metaverse *mv,
                                   const struct plan_key *key,
                                   struct ts_arena *arena,
                                   struct plan_item *items, size_t *count,
                                   struct ts_err *err)
{
    static const char sql[] =
        "SELECT p.kind, p.anchor, p.verb FROM plan_item p "
        "LEFT JOIN metaverse m ON m.anchor = p.anchor AND m.kind = p.kind "
        "LEFT JOIN intent i ON i.metaverse_id = m.id "
        "WHERE p.plan_id = ?1 AND p.state = 0 "
        "AND (p.kind, p.anchor) > (?3, ?4) AND "
        "((i.batch = 0 AND i.clearance = 2) OR (i.id IS NULL "
        "AND NOT EXISTS(SELECT 1 FROM object_error e WHERE e.kind = p.kind "
        "AND e.anchor = p.anchor AND e.stage = 'export') "
        "AND NOT EXISTS(SELECT 1 FROM reference r INDEXED BY reference_due "
        "WHERE r.owner_id = m.id AND (r.wanted > 0) <> r.held AND "
        "link_allowed(r.owner_id, r.path, r.member_id, r.wanted > 0)))) "
        "ORDER BY p.kind, p.anchor LIMIT ?2";
    _Static_assert(INTENT_STAGED == 2, "the statement has its number");
    sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        metaverse_query(mv, sql,
                        DB_VALUES(DB_INT(key->id), DB_INT((int64_t) *count),
                                  DB_INT(key->kind), DB_TEXT(key->anchor)),
                        &stmt, err);
    return code == TS_OK ? list_items(mv, stmt, arena, items, count, err)
                         : code;
}

enum ts_code plan_store_dropped(struct metaverse *mv, int64_t id,
                                struct ts_arena *arena, struct plan_item *items,
                                size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT kind, anchor, verb FROM plan_item WHERE plan_id = ?1 AND "
        "state = 2 ORDER BY kind, anchor LIMIT ?2";
    _Static_assert(PLAN_ITEM_DROPPED == 2, "the statement has its number");
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(id), DB_INT((int64_t) *count)), &stmt, err);
    return code == TS_OK ? list_items(mv, stmt, arena, items, count, err)
                         : code;
}

enum ts_code plan_store_count(struct metaverse *mv, int64_t id,
                              int64_t ret_counts[static PLAN_ITEM_STATES],
                              struct ts_err *err)
{
    static const char sql[] =
        "SELECT state, count(*) FROM plan_item WHERE plan_id = ?1 GROUP BY 1";
    sqlite3_stmt *stmt = NULL;
    memset(ret_counts, 0, PLAN_ITEM_STATES * sizeof ret_counts[0]);
    enum ts_code code =
        metaverse_query(mv, sql, DB_VALUES(DB_INT(id)), &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        int64_t state = db_column_int(stmt, 0);
        if (state >= 0 && state < PLAN_ITEM_STATES) {
            ret_counts[state] = db_column_int(stmt, 1);
        }
    }
    return code;
}
