#include "node/metaverse/nesting.h"

/* A link between groups, as far as a change concerns it. */
struct edge {
    int64_t owner, group, direct;
    bool ignored;
};
struct edges {
    struct ts_arena arena;
    struct edge *list;
    size_t count, room;
};

/* The groups above ?1 and the ways down to it, itself included. */
#define ABOVE                                                        \
    "(SELECT owner_id AS id, ways FROM nesting WHERE group_id = ?1 " \
    "AND ways > 0 UNION ALL SELECT ?1, 1) a"
/* The groups below ?2, likewise. */
#define BELOW                                                        \
    "(SELECT group_id AS id, ways FROM nesting WHERE owner_id = ?2 " \
    "AND ways > 0 UNION ALL SELECT ?2, 1) b"

/* ---- what a link that counts brings or takes
 * -------------------------------- */

static enum ts_code apply_ways(struct metaverse *mv, const struct edge *edge,
                               int64_t by, struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO nesting(owner_id, group_id, direct, ignored, ways) "
        "SELECT a.id, b.id, 0, 0, ?3 * a.ways * b.ways FROM " ABOVE ", " BELOW
        " WHERE true ON CONFLICT DO UPDATE SET ways = ways + excluded.ways";
    static const char sweep_sql[] =
        "DELETE FROM nesting INDEXED BY nesting_void "
        "WHERE direct = 0 AND ways = 0";
    enum ts_code code = metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(edge->owner), DB_INT(edge->group), DB_INT(by)), err);
    return code == TS_OK && by < 0
               ? metaverse_run(mv, sweep_sql, DB_NO_VALUES, err)
               : code;
}

static enum ts_code apply_people(struct metaverse *mv, const char *path,
                                 const struct edge *edge, int64_t by,
                                 struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
        "SELECT a.id, ?4, r.member_id, ?3 * a.ways * r.wanted, 0 FROM " ABOVE
        ", reference r WHERE r.owner_id = ?2 AND r.path = ?4 AND r.wanted > 0 "
        "ON CONFLICT DO UPDATE SET wanted = wanted + excluded.wanted";
    static const char sweep_sql[] =
        "DELETE FROM reference INDEXED BY reference_void "
        "WHERE wanted = 0 AND held = 0";
    enum ts_code code =
        metaverse_run(mv, sql,
                      DB_VALUES(DB_INT(edge->owner), DB_INT(edge->group),
                                DB_INT(by), DB_TEXT(ts_slice_str(path))),
                      err);
    return code == TS_OK && by < 0
               ? metaverse_run(mv, sweep_sql, DB_NO_VALUES, err)
               : code;
}

/* `path` NULL: ways only. */
static enum ts_code apply(struct metaverse *mv, const char *path,
                          const struct edge *edge, int64_t by,
                          struct ts_err *err)
{
    enum ts_code code =
        path == NULL ? TS_OK : apply_people(mv, path, edge, by, err);
    return code == TS_OK ? apply_ways(mv, edge, by, err) : code;
}

/* ---- rows
 * ------------------------------------------------------------------- */

/* What is stored of the link; direct 0: none. */
static enum ts_code stored(struct metaverse *mv, struct edge *edge,
                           struct ts_err *err)
{
    static const char sql[] = "SELECT direct, ignored FROM nesting WHERE "
                              "owner_id = ?1 AND group_id = ?2";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql, DB_VALUES(DB_INT(edge->owner), DB_INT(edge->group)), &row,
        err);
    if (code == TS_OK && row != NULL) {
        edge->direct = db_column_int(row, 0);
        edge->ignored = db_column_int(row, 1) != 0;
        db_reset(row);
    }
    return code;
}

static enum ts_code store(struct metaverse *mv, const struct edge *edge,
                          struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO nesting(owner_id, group_id, direct, ignored, ways) "
        "VALUES(?1, ?2, ?3, ?4, 0) ON CONFLICT DO UPDATE SET "
        "direct = excluded.direct, ignored = excluded.ignored "
        "WHERE (direct, ignored) IS NOT (excluded.direct, excluded.ignored)";
    static const char sweep_sql[] =
        "DELETE FROM nesting WHERE owner_id = ?1 AND group_id = ?2 AND "
        "direct = 0 AND ways = 0";
    enum ts_code code =
        metaverse_run(mv, sql,
                      DB_VALUES(DB_INT(edge->owner), DB_INT(edge->group),
                                DB_INT(edge->direct), DB_INT(edge->ignored)),
                      err);
    return code == TS_OK && edge->direct == 0
               ? metaverse_run(
                     mv, sweep_sql,
                     DB_VALUES(DB_INT(edge->owner), DB_INT(edge->group)), err)
               : code;
}

static enum ts_code has_way(struct metaverse *mv, int64_t from, int64_t to,
                            bool *ret_has, struct ts_err *err)
{
    static const char sql[] = "SELECT 1 FROM nesting WHERE owner_id = ?1 AND "
                              "group_id = ?2 AND ways > 0";
    sqlite3_stmt *row = NULL;
    *ret_has = from == to;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(from), DB_INT(to)), &row, err);
    if (code == TS_OK && row != NULL) {
        *ret_has = true;
        db_reset(row);
    }
    return code;
}

/* ---- loops
 * ------------------------------------------------------------------ */

static bool edges_add(struct edges *edges, struct edge edge)
{
    if (edges->count == edges->room) {
        size_t room = 2 * edges->room + 64;
        struct edge *list = ts_arena_array(&edges->arena, room, sizeof *list);
        if (list == NULL) {
            return false;
        }
        if (edges->count > 0) {
            memcpy(list, edges->list, edges->count * sizeof *list);
        }
        edges->list = list;
        edges->room = room;
    }
    edges->list[edges->count++] = edge;
    return true;
}

static enum ts_code edges_read(struct metaverse *mv, const char *sql,
                               struct db_values values, struct edges *edges,
                               struct ts_err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(mv, sql, values, &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        struct edge edge = { .owner = db_column_int(stmt, 0),
                             .group = db_column_int(stmt, 1),
                             .direct = db_column_int(stmt, 2),
                             .ignored = db_column_int(stmt, 3) != 0 };
        if (!edges_add(edges, edge)) {
            code = ts_fail(err, TS_E_LIMIT, 0,
                           "could not work out which groups are below others: "
                           "out of memory");
        }
    }
    db_reset(stmt);
    return code;
}

/* The links between groups that can be reached from ?1 and lead to ?2, in the
 * order in which they count: with a link from ?2 to ?1 all that are in a loop
 * with it. None when ?2 cannot be reached. */
static enum ts_code edges_between(struct metaverse *mv,
                                  const struct edge *closing,
                                  struct edges *edges, struct ts_err *err)
{
    static const char sql[] =
        "WITH RECURSIVE down(id) AS (SELECT ?1 UNION SELECT n.group_id "
        "FROM down JOIN nesting n ON n.owner_id = down.id AND n.direct > 0), "
        "up(id) AS (SELECT ?2 UNION SELECT n.owner_id "
        "FROM up JOIN nesting n ON n.group_id = up.id AND n.direct > 0), "
        "inside(id) AS (SELECT id FROM down INTERSECT SELECT id FROM up) "
        "SELECT n.owner_id, n.group_id, n.direct, n.ignored FROM inside i "
        "JOIN nesting n ON n.owner_id = i.id AND n.direct > 0 "
        "JOIN inside j ON j.id = n.group_id "
        "JOIN metaverse o ON o.id = n.owner_id "
        "JOIN metaverse g ON g.id = n.group_id ORDER BY o.anchor, g.anchor";
    return edges_read(mv, sql,
                      DB_VALUES(DB_INT(closing->group), DB_INT(closing->owner)),
                      edges, err);
}

/* Take each in turn, unless it closes a loop with those before it. */
static enum ts_code take_in_order(struct metaverse *mv, const char *path,
                                  struct edges *edges, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < edges->count; i++) {
        struct edge *edge = &edges->list[i];
        code = has_way(mv, edge->group, edge->owner, &edge->ignored, err);
        if (code == TS_OK) {
            code = store(mv, edge, err);
        }
        if (code == TS_OK && !edge->ignored) {
            code = apply(mv, path, edge, edge->direct, err);
        }
    }
    return code;
}

/* The link begins or ends: decide anew on all that are in a loop with it. */
static enum ts_code change_loop(struct metaverse *mv, const char *path,
                                const struct edge *changed, struct edges *edges,
                                struct ts_err *err)
{
    size_t kept = 0;
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < edges->count; i++) {
        if (!edges->list[i].ignored) {
            code =
                apply(mv, path, &edges->list[i], -edges->list[i].direct, err);
        }
    }
    if (code == TS_OK && changed->direct == 0) {
        code = store(mv, changed, err);
    }
    for (size_t i = 0; i < edges->count; i++) {
        bool ended = changed->direct == 0 &&
                     edges->list[i].owner == changed->owner &&
                     edges->list[i].group == changed->group;
        if (!ended) {
            edges->list[kept++] = edges->list[i];
        }
    }
    edges->count = kept;
    return code == TS_OK ? take_in_order(mv, path, edges, err) : code;
}

/* ---- links that come and go
 * ------------------------------------------------- */

static enum ts_code begin_link(struct metaverse *mv, const char *path,
                               struct edge *edge, struct ts_err *err)
{
    struct edges edges = { .count = 0 };
    ts_arena_init(&edges.arena, (size_t) 64 * 1024 * 1024);
    enum ts_code code = edges_between(mv, edge, &edges, err);
    if (code == TS_OK && edges.count == 0) {
        code = store(mv, edge, err);
        if (code == TS_OK) {
            code = apply(mv, path, edge, 1, err);
        }
    } else if (code == TS_OK) {
        /* Stored as ignored, so that it is among those read anew. */
        edge->ignored = true;
        code = store(mv, edge, err);
        edges.count = 0;
        if (code == TS_OK) {
            code = edges_between(mv, edge, &edges, err);
        }
        if (code == TS_OK) {
            code = change_loop(mv, path, edge, &edges, err);
        }
    }
    ts_arena_done(&edges.arena);
    return code;
}

static enum ts_code end_link(struct metaverse *mv, const char *path,
                             struct edge *edge, struct ts_err *err)
{
    struct edges edges = { .count = 0 };
    if (edge->ignored) {
        return store(mv, edge, err); /* the others counted without it */
    }
    ts_arena_init(&edges.arena, (size_t) 64 * 1024 * 1024);
    enum ts_code code = edges_between(mv, edge, &edges, err);
    if (code == TS_OK && edges.count == 0) {
        code = apply(mv, path, edge, -1, err);
        if (code == TS_OK) {
            code = store(mv, edge, err);
        }
    } else if (code == TS_OK) {
        code = change_loop(mv, path, edge, &edges, err);
    }
    ts_arena_done(&edges.arena);
    return code;
}

enum ts_code nesting_link(struct metaverse *mv, const char *path, int64_t owner,
                          int64_t group, int delta, struct ts_err *err)
{
    struct edge edge = { .owner = owner, .group = group };
    enum ts_code code = stored(mv, &edge, err);
    if (code != TS_OK || (edge.direct == 0 && delta < 0)) {
        return code;
    }
    edge.direct += delta;
    if (edge.direct == 0) {
        return end_link(mv, path, &edge, err);
    }
    if (edge.direct == 1 && delta > 0) {
        return begin_link(mv, path, &edge, err);
    }
    code = store(mv, &edge, err);
    return code == TS_OK && !edge.ignored ? apply(mv, path, &edge, delta, err)
                                          : code;
}

enum ts_code nesting_person(struct metaverse *mv, const char *path,
                            int64_t owner, int64_t member, int delta,
                            struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
        "SELECT owner_id, ?2, ?3, ?4 * ways, 0 FROM nesting "
        "WHERE group_id = ?1 AND ways > 0 "
        "ON CONFLICT DO UPDATE SET wanted = wanted + excluded.wanted";
    static const char sweep_sql[] =
        "DELETE FROM reference INDEXED BY reference_void "
        "WHERE wanted = 0 AND held = 0";
    enum ts_code code =
        metaverse_run(mv, sql,
                      DB_VALUES(DB_INT(owner), DB_TEXT(ts_slice_str(path)),
                                DB_INT(member), DB_INT(delta)),
                      err);
    return code == TS_OK && delta < 0
               ? metaverse_run(mv, sweep_sql, DB_NO_VALUES, err)
               : code;
}

/* ---- all of it
 * -------------------------------------------------------------- */

enum ts_code nesting_recount(struct metaverse *mv, const char *path,
                             struct ts_err *err)
{
    static const char clear_sql[] = "DELETE FROM nesting";
    static const char link_sql[] =
        "INSERT INTO nesting(owner_id, group_id, direct, ignored, ways) "
        "SELECT oj.metaverse_id, mj.metaverse_id, count(*), 0, 0 "
        "FROM source_link l "
        "JOIN joined oj ON oj.object_id = l.object_id AND oj.kind = ?1 "
        "JOIN source_object s ON s.dn_key = l.dn_key "
        "JOIN joined mj ON mj.object_id = s.id "
        "AND mj.source_id = oj.source_id AND mj.kind = ?1 "
        "AND mj.metaverse_id <> oj.metaverse_id "
        "AND instr(?3, l.dn_key) = 0 "
        "WHERE l.attribute = ?2 COLLATE NOCASE "
        "GROUP BY oj.metaverse_id, mj.metaverse_id "
        "ON CONFLICT DO UPDATE SET direct = direct + excluded.direct";
    static const char order_sql[] =
        "SELECT n.owner_id, n.group_id, n.direct, 0 FROM nesting n "
        "JOIN metaverse o ON o.id = n.owner_id "
        "JOIN metaverse g ON g.id = n.group_id ORDER BY o.anchor, g.anchor";
    static const char people_sql[] =
        "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
        "SELECT n.owner_id, ?1, r.member_id, n.ways * r.wanted, 0 "
        "FROM nesting n JOIN reference r ON r.owner_id = n.group_id AND "
        "r.path = ?1 AND r.wanted > 0 WHERE n.ways > 0 "
        "ON CONFLICT DO UPDATE SET wanted = wanted + excluded.wanted";
    struct edges edges = { .count = 0 };
    enum ts_code code = metaverse_run(mv, clear_sql, DB_NO_VALUES, err);
    ts_arena_init(&edges.arena, (size_t) 256 * 1024 * 1024);
    for (size_t i = 0;
         code == TS_OK && path != NULL && i < mv->reference_path_count; i++) {
        const struct metaverse_reference_path *row = &mv->reference_paths[i];
        if (row->flatten) {
            code =
                metaverse_run(mv, link_sql,
                              DB_VALUES(DB_INT(row->kind),
                                        DB_TEXT(ts_slice_str(row->attribute)),
                                        DB_BLOB(mv->dummies)),
                              err);
        }
    }
    if (code == TS_OK && path != NULL) {
        code = edges_read(mv, order_sql, DB_NO_VALUES, &edges, err);
    }
    if (code == TS_OK) {
        code = take_in_order(mv, NULL, &edges, err);
    }
    if (code == TS_OK && edges.count > 0) {
        code = metaverse_run(mv, people_sql,
                             DB_VALUES(DB_TEXT(ts_slice_str(path))), err);
    }
    ts_arena_done(&edges.arena);
    return code;
}

/* ---- what is told
 * ----------------------------------------------------------- */

enum ts_code nesting_ignored(struct metaverse *mv, struct nesting_loop *loops,
                             size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT owner_id, group_id FROM nesting INDEXED BY nesting_ignored "
        "WHERE ignored = 1 ORDER BY owner_id, group_id LIMIT ?1";
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT((int64_t) *count)), &stmt, err);
    while (n < *count && db_next(&mv->db, stmt, &code, err)) {
        loops[n].owner = db_column_int(stmt, 0);
        loops[n++].group = db_column_int(stmt, 1);
    }
    db_reset(stmt);
    *count = n;
    return code;
}

enum ts_code nesting_way(struct metaverse *mv, int64_t from, int64_t to,
                         int64_t *groups, size_t *count, struct ts_err *err)
{
    /* One step nearer: of the next groups one that still leads there. */
    static const char sql[] =
        "SELECT n.group_id FROM nesting n LEFT JOIN nesting rest ON "
        "rest.owner_id = n.group_id AND rest.group_id = ?2 AND rest.ways > 0 "
        "WHERE n.owner_id = ?1 AND n.direct > 0 AND n.ignored = 0 AND "
        "(n.group_id = ?2 OR rest.ways > 0) "
        "ORDER BY n.group_id <> ?2, n.group_id LIMIT 1";
    size_t n = 0;
    enum ts_code code = TS_OK;
    while (code == TS_OK && n < *count) {
        sqlite3_stmt *row = NULL;
        groups[n++] = from;
        if (from == to) {
            break;
        }
        code = metaverse_row(mv, sql, DB_VALUES(DB_INT(from), DB_INT(to)), &row,
                             err);
        if (code != TS_OK || row == NULL) {
            break;
        }
        from = db_column_int(row, 0);
        db_reset(row);
    }
    *count = n;
    return code;
}
