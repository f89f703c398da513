#include "node/engine/unresolved.h"

#include <stdio.h>

#define NAME_SIZE 32

/* The change number up to which a source was read to its end. */
static void setting_name(int64_t source_id, char name[static NAME_SIZE])
{
    (void) snprintf(name, NAME_SIZE, "complete-%lld", (long long) source_id);
}

static int64_t read_number(struct metaverse *mv, const char *name)
{
    int64_t number = 0;
    size_t size = 0;
    struct ts_err ignored;
    bool known = metaverse_setting(mv, name, &number, sizeof number, &size,
                                   &ignored) == TS_OK;
    return known && size == sizeof number ? number : 0;
}

static enum ts_code write_number(struct metaverse *mv, const char *name,
                                 int64_t number, struct ts_err *err)
{
    return metaverse_set_setting(mv, name, ts_slice(&number, sizeof number),
                                 err);
}

enum ts_code unresolved_complete(struct engine_context *engine,
                                 int64_t source_id, struct ts_err *err)
{
    char name[NAME_SIZE];
    setting_name(source_id, name);
    return write_number(engine->state.mv, name, engine->state.numbers.change,
                        err);
}

enum ts_code unresolved_of(struct engine_context *engine, int64_t source_object,
                           unresolved_fn *each, void *context,
                           struct ts_err *err)
{
    static const char sql[] =
        "SELECT l.dn, s.id IS NOT NULL, o.changed, o.source_id "
        "FROM source_link l JOIN source_object o ON o.id = l.object_id "
        "LEFT JOIN source_object s ON s.dn_key = l.dn_key AND "
        "+s.source_id = o.source_id AND s.gone = 0 "
        "LEFT JOIN joined j ON j.object_id = s.id "
        "WHERE l.object_id = ?1 AND j.object_id IS NULL AND l.dn <> '' AND "
        "l.dn_key <> o.dn_key AND instr(?2, l.dn_key) = 0 "
        "ORDER BY l.attribute, l.dn";
    struct metaverse *mv = engine->state.mv;
    char name[NAME_SIZE];
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(source_object), DB_BLOB(mv->dummies)), &stmt,
        err);
    while (db_next(&mv->db, stmt, &code, err)) {
        setting_name(db_column_int(stmt, 3), name);
        each(context,
             db_column_int(stmt, 1) != 0 ? UNRESOLVED_OUT_OF_SCOPE
             : db_column_int(stmt, 2) <= read_number(mv, name)
                 ? UNRESOLVED_DANGLING
                 : UNRESOLVED_NOT_YET_SEEN,
             db_column(stmt, 0));
    }
    db_reset(stmt);
    return code;
}

enum ts_code unresolved_count(struct engine_context *engine, struct ts_err *err)
{
    static const char sql[] =
        "SELECT count(*) FROM source_link l "
        "JOIN joined j ON j.object_id = l.object_id "
        "JOIN source_object o ON o.id = l.object_id "
        "WHERE l.dn <> '' AND l.dn_key <> o.dn_key AND "
        "instr(?1, l.dn_key) = 0 AND NOT EXISTS (SELECT 1 FROM source_object s "
        "WHERE s.dn_key = l.dn_key AND +s.source_id = o.source_id AND "
        "s.gone = 0)";
    struct metaverse *mv = engine->state.mv;
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_BLOB(mv->dummies)), &row, err);
    if (code != TS_OK || row == NULL) {
        return code;
    }
    int64_t count = db_column_int(row, 0);
    db_reset(row);
    code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    code = write_number(mv, "dangling", count, err);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

int64_t unresolved_dangling(struct engine_context *engine)
{
    return engine->state.mv == NULL ? 0
                                    : read_number(engine->state.mv, "dangling");
}
