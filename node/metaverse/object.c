#include "node/metaverse/object.h"

#include "node/metaverse/claim.h"

enum ts_code object_get(struct metaverse *mv, int64_t id,
                        struct ts_arena *arena,
                        struct metaverse_object *ret_object, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id, kind, anchor, presence, packed, once, "
        "changed, left_at, left_by FROM metaverse WHERE id = ?1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(id)), &row, err);
    if (code != TS_OK) {
        return code;
    }
    if (row == NULL) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "object %lld is not in the metaverse", (long long) id);
    }
    struct metaverse_object object = {
        .id = id,
        .kind = (int) db_column_int(row, 1),
        .anchor = ts_arena_copy(arena, db_column(row, 2)),
        .presence = (enum object_presence) db_column_int(row, 3),
        .packed = ts_arena_copy(arena, db_column(row, 4)),
        .once = ts_arena_copy(arena, db_column(row, 5)),
        .changed = db_column_int(row, 6),
        .left_at = db_column_int(row, 7),
        .left_by = ts_arena_copy(arena, db_column(row, 8)),
    };
    db_reset(row);
    if (object.anchor.data == NULL || object.packed.data == NULL ||
        object.once.data == NULL || object.left_by.data == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not read object %lld: it is too large",
                       (long long) id);
    }
    *ret_object = object;
    return TS_OK;
}

/* The first column of the first row, or 0. */
static enum ts_code first_id(struct metaverse *mv, const char *sql,
                             struct db_values values, int64_t *ret_id,
                             struct ts_err *err)
{
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(mv, sql, values, &row, err);
    if (code == TS_OK) {
        *ret_id = row == NULL ? 0 : db_column_int(row, 0);
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

enum ts_code object_by_anchor(struct metaverse *mv, int kind,
                              struct ts_slice anchor, int64_t *ret_id,
                              struct ts_err *err)
{
    static const char sql[] =
        "SELECT id FROM metaverse WHERE anchor = ?1 AND kind = ?2";
    return first_id(mv, sql, DB_VALUES(DB_TEXT(anchor), DB_INT(kind)), ret_id,
                    err);
}

enum ts_code object_by_join_value(struct metaverse *mv, int kind,
                                  const char *path, struct ts_slice value,
                                  int64_t *ret_id, struct ts_err *err)
{
    static const char sql[] =
        "SELECT CASE count(*) WHEN 0 THEN 0 WHEN 1 THEN max(m.id) ELSE -1 END "
        "FROM join_value v JOIN metaverse m ON m.id = v.metaverse_id "
        "WHERE v.path = ?1 AND v.value = ?2 AND m.kind = ?3";
    return first_id(
        mv, sql,
        DB_VALUES(DB_TEXT(ts_slice_str(path)), DB_BLOB(value), DB_INT(kind)),
        ret_id, err);
}

enum ts_code object_joined_to(struct metaverse *mv, int64_t source_object_id,
                              int64_t *ret_id, struct ts_err *err)
{
    static const char sql[] =
        "SELECT metaverse_id FROM joined WHERE object_id = ?1";
    return first_id(mv, sql, DB_VALUES(DB_INT(source_object_id)), ret_id, err);
}

/* Only what is in scope is wanted at the target. */
static enum ts_code claim(struct metaverse *mv,
                          const struct metaverse_object *object,
                          struct ts_err *err)
{
    return claim_want(
        mv, object->id, object->kind,
        object->presence == OBJECT_IN ? object->packed : TS_SLICE_NONE, err);
}

enum ts_code object_insert(struct metaverse *mv,
                           const struct metaverse_object *object,
                           struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO metaverse(id, kind, anchor, presence, packed, once, "
        "changed, left_at, left_by) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    enum ts_code code = metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(object->id), DB_INT(object->kind),
                  DB_TEXT(object->anchor), DB_INT(object->presence),
                  DB_BLOB(object->packed), DB_BLOB(object->once),
                  DB_INT(object->changed), DB_INT(object->left_at),
                  DB_TEXT(object->left_by)),
        err);
    return code == TS_OK ? claim(mv, object, err) : code;
}

enum ts_code object_update(struct metaverse *mv,
                           const struct metaverse_object *object,
                           struct ts_err *err)
{
    static const char sql[] =
        "UPDATE metaverse SET presence = ?2, packed = ?3, once = ?4, "
        "changed = ?5, left_at = ?6, left_by = ?7 WHERE id = ?1";
    enum ts_code code = metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(object->id), DB_INT(object->presence),
                  DB_BLOB(object->packed), DB_BLOB(object->once),
                  DB_INT(object->changed), DB_INT(object->left_at),
                  DB_TEXT(object->left_by)),
        err);
    return code == TS_OK ? claim(mv, object, err) : code;
}

enum ts_code object_take_anchor(struct metaverse *mv, int64_t id,
                                struct ts_slice anchor, struct ts_err *err)
{
    static const char sql[] = "UPDATE metaverse SET anchor = ?2 WHERE id = ?1";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(id), DB_TEXT(anchor)), err);
}

enum ts_code object_remove(struct metaverse *mv, int64_t id, struct ts_err *err)
{
    static const char values_sql[] =
        "DELETE FROM join_value WHERE metaverse_id = ?1";
    static const char owner_sql[] = "DELETE FROM reference WHERE owner_id = ?1";
    static const char member_sql[] =
        "DELETE FROM reference WHERE member_id = ?1";
    static const char claim_sql[] = "DELETE FROM claim WHERE metaverse_id = ?1";
    static const char appointment_sql[] =
        "DELETE FROM appointment WHERE metaverse_id = ?1";
    static const char strangers_sql[] =
        "DELETE FROM stranger WHERE owner_id = ?1";
    static const char sql[] = "DELETE FROM metaverse WHERE id = ?1";
    const char *const all[] = { values_sql, owner_sql,       member_sql,
                                claim_sql,  appointment_sql, strangers_sql,
                                sql };
    static const struct claim_shown nothing = { .kind = 0 };
    /* First whoever waits for what it lets go of becomes due. */
    enum ts_code code = claim_want(mv, id, 0, TS_SLICE_NONE, err);
    if (code == TS_OK) {
        code = claim_hold(mv, id, &nothing, err);
    }
    for (size_t i = 0; code == TS_OK && i < sizeof all / sizeof all[0]; i++) {
        code = metaverse_run(mv, all[i], DB_VALUES(DB_INT(id)), err);
    }
    return code;
}

enum ts_code object_join(struct metaverse *mv, int64_t source_object,
                         int64_t id, int kind, struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO joined(object_id, metaverse_id, kind, source_id) "
        "VALUES(?1, ?2, ?3, (SELECT source_id FROM source_object WHERE id = "
        "?1))";
    return metaverse_run(
        mv, sql, DB_VALUES(DB_INT(source_object), DB_INT(id), DB_INT(kind)),
        err);
}

enum ts_code object_unjoin(struct metaverse *mv, int64_t source_object,
                           struct ts_err *err)
{
    static const char sql[] = "DELETE FROM joined WHERE object_id = ?1";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(source_object)), err);
}

enum ts_code object_contributors(struct metaverse *mv, int64_t id, int64_t *ids,
                                 size_t *count, struct ts_err *err)
{
    static const char sql[] = "SELECT object_id FROM joined "
                              "WHERE metaverse_id = ?1 ORDER BY object_id "
                              "LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(id), DB_INT((int64_t) *count)), &stmt, err);
    while (n < *count && db_next(&mv->db, stmt, &code, err)) {
        ids[n++] = db_column_int(stmt, 0);
    }
    db_reset(stmt);
    *count = n;
    return code;
}

enum ts_code object_set_join_values(struct metaverse *mv, int64_t id,
                                    const struct object_join_value *values,
                                    size_t count, struct ts_err *err)
{
    static const char drop_sql[] =
        "DELETE FROM join_value WHERE metaverse_id = ?1";
    static const char sql[] =
        "INSERT OR IGNORE INTO join_value(metaverse_id, path, value) "
        "VALUES(?1, ?2, ?3)";
    enum ts_code code = metaverse_run(mv, drop_sql, DB_VALUES(DB_INT(id)), err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = metaverse_run(mv, sql,
                             DB_VALUES(DB_INT(id),
                                       DB_TEXT(ts_slice_str(values[i].path)),
                                       DB_BLOB(values[i].value)),
                             err);
    }
    return code;
}
