#include "node/metaverse/reference.h"

#include <strings.h>

#include "node/metaverse/intent.h"
#include "node/metaverse/nesting.h"
#include "node/metaverse/problem.h"

/* As REFERENCE_KEPT_WHILE spells them. */
_Static_assert(INTENT_DEACTIVATE == 2 && INTENT_DELETE == 4 &&
                   INTENT_CLEARED == 1 && INTENT_HELD == 3,
               "stored by number");

static const struct metaverse_reference_path *
path_for(const struct metaverse *mv, int kind, struct ts_slice attribute)
{
    for (size_t i = 0; i < mv->reference_path_count; i++) {
        const struct metaverse_reference_path *path = &mv->reference_paths[i];
        if (path->kind == kind && strlen(path->attribute) == attribute.size &&
            strncasecmp(path->attribute, (const char *) attribute.data,
                        attribute.size) == 0) {
            return path;
        }
    }
    return NULL;
}

static enum ts_code adjust(struct metaverse *mv, int64_t owner,
                           struct ts_slice path, int64_t member, int delta,
                           struct ts_err *err)
{
    static const char add_sql[] =
        "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
        "VALUES(?1, ?2, ?3, 1, 0) ON CONFLICT DO UPDATE SET wanted = wanted + "
        "1";
    static const char drop_sql[] =
        "UPDATE reference SET wanted = wanted - 1 WHERE owner_id = ?1 AND "
        "path = ?2 AND member_id = ?3 AND wanted > 0";
    static const char sweep_sql[] =
        "DELETE FROM reference WHERE owner_id = ?1 AND path = ?2 AND "
        "member_id = ?3 AND wanted = 0 AND held = 0";
    struct db_values values =
        DB_VALUES(DB_INT(owner), DB_TEXT(path), DB_INT(member));
    if (delta > 0) {
        return metaverse_run(mv, add_sql, values, err);
    }
    enum ts_code code = metaverse_run(mv, drop_sql, values, err);
    return code == TS_OK ? metaverse_run(mv, sweep_sql, values, err) : code;
}

/* One resolved link: who refers to whom, by which attribute. */
struct resolved {
    int64_t owner, member;
    int owner_kind, member_kind;
    struct ts_slice attribute, key;
};

/* A key of 16 bytes among others of 16 bytes. */
static bool is_among(struct ts_slice keys, struct ts_slice key)
{
    bool found = false;
    for (size_t at = 0; key.size > 0 && at + key.size <= keys.size && !found;
         at += key.size) {
        found = memcmp(keys.data + at, key.data, key.size) == 0;
    }
    return found;
}

/* A group's obligatory dummy member: itself, or one that is configured;
 * `nested: omit`. */
static bool counts(const struct metaverse *mv,
                   const struct metaverse_reference_path *path,
                   const struct resolved *link)
{
    if (link->owner_kind == mv->group_kind &&
        (link->owner == link->member || is_among(mv->dummies, link->key))) {
        return false;
    }
    return !(path->omit_groups && link->member_kind == mv->group_kind);
}

static enum ts_code adjust_link(struct metaverse *mv,
                                const struct resolved *link, int delta,
                                struct ts_err *err)
{
    const struct metaverse_reference_path *path =
        path_for(mv, link->owner_kind, link->attribute);
    if (path == NULL || !counts(mv, path, link)) {
        return TS_OK;
    }
    enum ts_code code = problem_other_links(mv, link->owner, err);
    if (code == TS_OK && path->flatten) {
        code = problem_other_links_above(mv, link->owner, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (path->flatten && link->member_kind == mv->group_kind) {
        return nesting_link(mv, path->path, link->owner, link->member, delta,
                            err);
    }
    code = adjust(mv, link->owner, ts_slice_str(path->path), link->member,
                  delta, err);
    return code == TS_OK && path->flatten
               ? nesting_person(mv, path->path, link->owner, link->member,
                                delta, err)
               : code;
}

/* Rows of (owner, owner kind, attribute, member, member kind, key), copied
 * before they are acted on: acting changes what the query reads. */
static enum ts_code adjust_all(struct metaverse *mv, const char *sql,
                               struct db_values values, int delta,
                               struct ts_err *err)
{
    struct ts_arena arena;
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    size_t room = 64;
    ts_arena_init(&arena, (size_t) 512 * 1024 * 1024);
    struct resolved *found = ts_arena_array(&arena, room, sizeof *found);
    enum ts_code code = metaverse_query(mv, sql, values, &stmt, err);
    while (found != NULL && db_next(&mv->db, stmt, &code, err)) {
        if (count == room) {
            struct resolved *more =
                ts_arena_array(&arena, 2 * room, sizeof *found);
            if (more == NULL) {
                found = NULL;
                break;
            }
            memcpy(more, found, count * sizeof *found);
            found = more;
            room *= 2;
        }
        found[count++] = (struct resolved){
            .owner = db_column_int(stmt, 0),
            .owner_kind = (int) db_column_int(stmt, 1),
            .attribute = ts_arena_copy(&arena, db_column(stmt, 2)),
            .member = db_column_int(stmt, 3),
            .member_kind = (int) db_column_int(stmt, 4),
            .key = ts_arena_copy(&arena, db_column(stmt, 5)),
        };
    }
    db_reset(stmt);
    if (code == TS_OK && found == NULL) {
        code =
            ts_fail(err, TS_E_LIMIT, 0,
                    "could not resolve %zu references: out of memory", count);
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = adjust_link(mv, &found[i], delta, err);
    }
    ts_arena_done(&arena);
    return code;
}

/* The columns that adjust_all reads, for a link l of joined object oj
 * to an object mj. */
#define RESOLVED                                                               \
    "SELECT oj.metaverse_id, oj.kind, l.attribute, mj.metaverse_id, mj.kind, " \
    "l.dn_key "
/* F2 */
#define SAME_SOURCE "AND mj.source_id = oj.source_id "

enum ts_code reference_link_changed(struct metaverse *mv, int64_t object_id,
                                    struct ts_slice attribute,
                                    struct ts_slice key, int delta,
                                    struct ts_err *err)
{
    static const char sql[] =
        "SELECT oj.metaverse_id, oj.kind, ?2, mj.metaverse_id, mj.kind, ?3 "
        "FROM joined oj "
        "JOIN source_object s ON s.dn_key = ?3 "
        "JOIN joined mj ON mj.object_id = s.id " SAME_SOURCE
        "WHERE oj.object_id = ?1";
    return adjust_all(
        mv, sql, DB_VALUES(DB_INT(object_id), DB_TEXT(attribute), DB_BLOB(key)),
        delta, err);
}

/* Links to `key`, as if object_id lived there. */
static enum ts_code dn_adjust(struct metaverse *mv, int64_t object_id,
                              struct ts_slice key, int delta,
                              struct ts_err *err)
{
    static const char sql[] =
        RESOLVED "FROM joined mj "
                 "JOIN source_link l ON l.dn_key = ?2 "
                 "JOIN joined oj ON oj.object_id = l.object_id " SAME_SOURCE
                 "WHERE mj.object_id = ?1";
    return adjust_all(mv, sql, DB_VALUES(DB_INT(object_id), DB_BLOB(key)),
                      delta, err);
}

enum ts_code reference_dn_left(struct metaverse *mv, int64_t object_id,
                               struct ts_slice key, struct ts_err *err)
{
    return dn_adjust(mv, object_id, key, -1, err);
}

enum ts_code reference_dn_taken(struct metaverse *mv, int64_t object_id,
                                struct ts_slice key, struct ts_err *err)
{
    return dn_adjust(mv, object_id, key, 1, err);
}

static enum ts_code object_adjust(struct metaverse *mv, int64_t object_id,
                                  int delta, struct ts_err *err)
{
    /* The object's own links; a link to itself is counted below instead. */
    static const char out_sql[] =
        RESOLVED "FROM joined oj "
                 "JOIN source_link l ON l.object_id = oj.object_id "
                 "JOIN source_object s ON s.dn_key = l.dn_key "
                 "AND s.id <> oj.object_id "
                 "JOIN joined mj ON mj.object_id = s.id " SAME_SOURCE
                 "WHERE oj.object_id = ?1";
    static const char in_sql[] =
        RESOLVED "FROM source_object s "
                 "JOIN joined mj ON mj.object_id = s.id "
                 "JOIN source_link l ON l.dn_key = s.dn_key "
                 "JOIN joined oj ON oj.object_id = l.object_id " SAME_SOURCE
                 "WHERE s.id = ?1";
    struct db_values values = DB_VALUES(DB_INT(object_id));
    enum ts_code code = adjust_all(mv, out_sql, values, delta, err);
    return code == TS_OK ? adjust_all(mv, in_sql, values, delta, err) : code;
}

enum ts_code reference_joined(struct metaverse *mv, int64_t object_id,
                              struct ts_err *err)
{
    return object_adjust(mv, object_id, 1, err);
}

enum ts_code reference_left(struct metaverse *mv, int64_t object_id,
                            struct ts_err *err)
{
    return object_adjust(mv, object_id, -1, err);
}

enum ts_code reference_recount(struct metaverse *mv, struct ts_err *err)
{
    static const char zero_sql[] =
        "UPDATE reference SET wanted = 0 WHERE wanted <> 0";
    static const char count_sql[] =
        "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
        "SELECT oj.metaverse_id, ?3, mj.metaverse_id, 1, 0 "
        "FROM source_link l "
        "JOIN joined oj ON oj.object_id = l.object_id "
        "AND oj.kind = ?1 "
        "JOIN source_object s ON s.dn_key = l.dn_key "
        "JOIN joined mj ON mj.object_id = s.id " SAME_SOURCE
        "AND NOT (?4 AND mj.kind = ?5) "
        "AND NOT (oj.kind = ?5 AND (mj.metaverse_id = oj.metaverse_id OR "
        "instr(?6, l.dn_key) > 0)) "
        "WHERE l.attribute = ?2 COLLATE NOCASE "
        "ON CONFLICT DO UPDATE SET wanted = wanted + 1";
    static const char sweep_sql[] =
        "DELETE FROM reference WHERE wanted = 0 AND held = 0";
    const char *flat = NULL;
    enum ts_code code = metaverse_run(mv, zero_sql, DB_NO_VALUES, err);
    for (size_t i = 0; code == TS_OK && i < mv->reference_path_count; i++) {
        const struct metaverse_reference_path *path = &mv->reference_paths[i];
        code = metaverse_run(
            mv, count_sql,
            DB_VALUES(DB_INT(path->kind),
                      DB_TEXT(ts_slice_str(path->attribute)),
                      DB_TEXT(ts_slice_str(path->path)),
                      DB_INT(path->omit_groups || path->flatten),
                      DB_INT(mv->group_kind), DB_BLOB(mv->dummies)),
            err);
        flat = path->flatten ? path->path : flat;
    }
    if (code == TS_OK) {
        code = nesting_recount(mv, flat, err);
    }
    return code == TS_OK ? metaverse_run(mv, sweep_sql, DB_NO_VALUES, err)
                         : code;
}

enum ts_code reference_set_held(struct metaverse *mv, int64_t owner,
                                struct ts_slice path, int64_t member, bool held,
                                struct ts_err *err)
{
    static const char held_sql[] =
        "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
        "VALUES(?1, ?2, ?3, 0, 1) ON CONFLICT DO UPDATE SET held = 1 "
        "WHERE held = 0";
    static const char lost_sql[] =
        "UPDATE reference SET held = 0 WHERE owner_id = ?1 AND path = ?2 AND "
        "member_id = ?3 AND held = 1 AND wanted > 0";
    static const char gone_sql[] =
        "DELETE FROM reference WHERE owner_id = ?1 AND path = ?2 AND "
        "member_id = ?3 AND wanted = 0";
    struct db_values values =
        DB_VALUES(DB_INT(owner), DB_TEXT(path), DB_INT(member));
    if (held) {
        return metaverse_run(mv, held_sql, values, err);
    }
    enum ts_code code = metaverse_run(mv, lost_sql, values, err);
    return code == TS_OK ? metaverse_run(mv, gone_sql, values, err) : code;
}

enum ts_code reference_path_gone(struct metaverse *mv, int64_t owner,
                                 struct ts_slice path, struct ts_err *err)
{
    static const char lost_sql[] =
        "UPDATE reference SET held = 0 WHERE owner_id = ?1 AND path = ?2 AND "
        "held = 1 AND wanted > 0";
    static const char gone_sql[] =
        "DELETE FROM reference WHERE owner_id = ?1 AND path = ?2 AND "
        "wanted = 0";
    struct db_values values = DB_VALUES(DB_INT(owner), DB_TEXT(path));
    enum ts_code code = metaverse_run(mv, lost_sql, values, err);
    return code == TS_OK ? metaverse_run(mv, gone_sql, values, err) : code;
}

enum ts_code reference_member_gone(struct metaverse *mv, int64_t member,
                                   struct ts_err *err)
{
    static const char lost_sql[] = "UPDATE reference SET held = 0 WHERE "
                                   "member_id = ?1 AND held = 1 AND wanted > 0";
    static const char gone_sql[] =
        "DELETE FROM reference WHERE member_id = ?1 AND wanted = 0";
    struct db_values values = DB_VALUES(DB_INT(member));
    enum ts_code code = metaverse_run(mv, lost_sql, values, err);
    return code == TS_OK ? metaverse_run(mv, gone_sql, values, err) : code;
}

enum ts_code reference_owner_gone(struct metaverse *mv, int64_t owner,
                                  struct ts_err *err)
{
    static const char lost_sql[] = "UPDATE reference SET held = 0 WHERE "
                                   "owner_id = ?1 AND held = 1 AND wanted > 0";
    static const char gone_sql[] =
        "DELETE FROM reference WHERE owner_id = ?1 AND wanted = 0";
    struct db_values values = DB_VALUES(DB_INT(owner));
    enum ts_code code = metaverse_run(mv, lost_sql, values, err);
    return code == TS_OK ? metaverse_run(mv, gone_sql, values, err) : code;
}

/* Append the statement's rows (path, member, target id) to `due`. */
static enum ts_code read_due(struct metaverse *mv, sqlite3_stmt *stmt,
                             struct ts_arena *arena, struct reference_due *due,
                             size_t *count, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    while (db_next(&mv->db, stmt, &code, err)) {
        due[*count].path = ts_arena_copy(arena, db_column(stmt, 0));
        due[*count].member = db_column_int(stmt, 1);
        due[*count].target_id = ts_arena_copy(arena, db_column(stmt, 2));
        if (due[*count].path.data == NULL ||
            due[*count].target_id.data == NULL) {
            break; /* what did not fit is due the next time */
        }
        ++*count;
    }
    db_reset(stmt);
    return code;
}

enum ts_code reference_due(struct metaverse *mv, int64_t owner,
                           struct ts_arena *arena, struct reference_due *due,
                           size_t *count, struct ts_err *err)
{
    /* By the partial indexes, so that only what is due is read, in order. */
    static const char lost_sql[] =
        "SELECT r.path, r.member_id, t.target_id "
        "FROM reference r INDEXED BY reference_lost "
        "JOIN target_object t ON t.metaverse_id = r.member_id "
        "WHERE r.owner_id = ?1 AND r.wanted = 0 AND r.held = 1 "
        "AND link_allowed(r.owner_id, r.path, r.member_id, 0) "
        "AND NOT " REFERENCE_KEPT_WHILE(
            "<> 1") " ORDER BY r.path, r.member_id LIMIT ?2";
    static const char wanted_sql[] =
        "SELECT r.path, r.member_id, t.target_id "
        "FROM reference r INDEXED BY reference_due "
        "JOIN target_object t ON t.metaverse_id = r.member_id "
        "WHERE r.owner_id = ?1 AND (r.wanted > 0) <> r.held AND r.wanted > 0 "
        "AND link_allowed(r.owner_id, r.path, r.member_id, 1) "
        "ORDER BY r.path, r.member_id LIMIT ?2";
    size_t room = *count;
    size_t n = 0;
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        mv, lost_sql, DB_VALUES(DB_INT(owner), DB_INT((int64_t) room)), &stmt,
        err);
    if (code == TS_OK) {
        code = read_due(mv, stmt, arena, due, &n, err);
    }
    size_t lost = n;
    if (code == TS_OK) {
        code = metaverse_query(
            mv, wanted_sql,
            DB_VALUES(DB_INT(owner), DB_INT((int64_t) (room - lost))), &stmt,
            err);
    }
    if (code == TS_OK) {
        code = read_due(mv, stmt, arena, due, &n, err);
    }
    for (size_t i = 0; i < n; i++) {
        due[i].add = i >= lost;
    }
    *count = n;
    return code;
}

enum ts_code reference_pending(struct metaverse *mv, int64_t owner,
                               bool *ret_adds, bool *ret_removes,
                               struct ts_err *err)
{
    static const char sql[] =
        "SELECT EXISTS(SELECT 1 FROM reference r INDEXED BY reference_due "
        "JOIN target_object t ON t.metaverse_id = r.member_id "
        "WHERE r.owner_id = ?1 AND (r.wanted > 0) <> r.held AND r.wanted > 0 "
        "AND link_allowed(r.owner_id, r.path, r.member_id, 1)), "
        "EXISTS(SELECT 1 FROM reference r INDEXED BY reference_lost "
        "JOIN target_object t ON t.metaverse_id = r.member_id "
        "WHERE r.owner_id = ?1 AND r.wanted = 0 AND r.held = 1 "
        "AND link_allowed(r.owner_id, r.path, r.member_id, 0) "
        "AND NOT " REFERENCE_KEPT ")";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(owner)), &row, err);
    if (code == TS_OK && row != NULL) {
        *ret_adds = db_column_int(row, 0) != 0;
        *ret_removes = db_column_int(row, 1) != 0;
        db_reset(row);
    }
    return code;
}

enum ts_code reference_waits(struct metaverse *mv, int64_t owner,
                             bool *ret_waits, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM reference r INDEXED BY reference_due "
        "JOIN intent i ON i.metaverse_id = r.member_id AND i.target_id = '' "
        "WHERE r.owner_id = ?1 AND (r.wanted > 0) <> r.held AND r.wanted > 0 "
        "AND i.metaverse_id <> r.owner_id "
        "AND link_allowed(r.owner_id, r.path, r.member_id, 1) LIMIT 1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(owner)), &row, err);
    if (code == TS_OK) {
        *ret_waits = row != NULL;
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}
