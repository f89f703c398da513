#include "node/engine/altered.h"

#include <stdio.h>
#include <strings.h>

#include "node/metaverse/problem.h"

#define STAGE "anchor"

/* An anchor that people can edit. */
static bool editable(const struct config_source *config)
{
    return config->type == CONFIG_SOURCE_AD
               ? config->consistency_guid == CONFIG_CONSISTENCY_PREFER
               : strcasecmp(config->anchor, "entryUUID") != 0;
}

/* ---- finding --------------------------------------------------------------
 */

struct alteration {
    int64_t successor; /* 0: there is none */
    int kind;          /* of the metaverse object */
    struct ts_slice old_anchor, new_anchor;
};

/* Who was seen at the DN of the joined object `id` and is joined to nothing. */
static enum ts_code successor(const struct absence *absence, int64_t id,
                              struct ts_arena *arena,
                              struct alteration *ret_alteration,
                              struct ts_err *err)
{
    static const char sql[] =
        "SELECT n.id, j.kind, o.anchor, n.anchor FROM source_object o "
        "CROSS JOIN joined j ON j.object_id = o.id "
        "CROSS JOIN source_object n ON n.dn_key = o.dn_key "
        "WHERE o.id = ?1 AND n.id <> ?1 AND +n.source_id = o.source_id AND "
        "n.gone = 0 AND NOT EXISTS (SELECT 1 FROM joined WHERE object_id = "
        "n.id)";
    struct metaverse *mv = absence->writer->mv;
    sqlite3_stmt *stmt = NULL;
    *ret_alteration = (struct alteration){ .successor = 0 };
    enum ts_code code =
        metaverse_query(mv, sql, DB_VALUES(DB_INT(id)), &stmt, err);
    while (ret_alteration->successor == 0 &&
           db_next(&mv->db, stmt, &code, err)) {
        if (seen_has(absence->seen, db_column_int(stmt, 0))) {
            *ret_alteration = (struct alteration){
                .successor = db_column_int(stmt, 0),
                .kind = (int) db_column_int(stmt, 1),
                .old_anchor = ts_arena_copy(arena, db_column(stmt, 2)),
                .new_anchor = ts_arena_copy(arena, db_column(stmt, 3)),
            };
        }
    }
    db_reset(stmt);
    return code;
}

static enum ts_code tell(const struct absence *absence,
                         const struct alteration *alteration,
                         struct ts_err *err)
{
    char text[600];
    struct problem problem = {
        .kind = alteration->kind,
        .anchor = alteration->old_anchor,
        .stage = STAGE,
        .path = ts_slice_str(absence->config->name),
    };
    (void) snprintf(text, sizeof text,
                    "its anchor %s was \"%.*s\" and is \"%.*s\" now: nothing "
                    "is done to it before the old value is back; put it back, "
                    "or enter whoever it is now as an entry of his own",
                    absence->config->anchor,
                    TS_SLICE_ARGS(alteration->old_anchor),
                    TS_SLICE_ARGS(alteration->new_anchor));
    problem.text = ts_slice_str(text);
    return problem_set(absence->writer->mv, &problem, err);
}

static enum ts_code look_at(const struct absence *absence, int64_t id,
                            struct seen *kept, bool telling, struct ts_err *err)
{
    struct ts_arena arena;
    struct alteration alteration;
    ts_arena_init(&arena, (size_t) 1024 * 1024);
    enum ts_code code = successor(absence, id, &arena, &alteration, err);
    if (code == TS_OK && alteration.successor > 0) {
        code = telling ? tell(absence, &alteration, err)
               : seen_add(kept, id)
                   ? TS_OK
                   : ts_fail(err, TS_E_NOMEM, 0,
                             "could not remember who has another anchor");
    }
    ts_arena_done(&arena);
    return code;
}

static enum ts_code look_at_all(const struct absence *absence,
                                struct seen *kept, bool telling,
                                struct ts_err *err)
{
    int64_t ids[ENGINE_CHUNK];
    int64_t after = 0;
    size_t count;
    enum ts_code code;
    do {
        count = ENGINE_CHUNK;
        code = absence_unseen(absence, ids, &count, &after, err);
        for (size_t i = 0; code == TS_OK && i < count; i++) {
            code = look_at(absence, ids[i], kept, telling, err);
        }
    } while (code == TS_OK && count == ENGINE_CHUNK);
    return code;
}

/* Errors of objects that have their anchor again, or are gone. */
static enum ts_code forget(const struct absence *absence,
                           const struct seen *kept, struct ts_err *err)
{
    static const char sql[] =
        "SELECT e.kind, e.anchor, ifnull(s.id, 0) FROM object_error e LEFT "
        "JOIN source_object s ON s.source_id = ?1 AND s.anchor = e.anchor "
        "WHERE e.stage = '" STAGE "' AND e.path = ?2 AND (e.kind, e.anchor) > "
        "(?3, ?4) ORDER BY e.kind, e.anchor LIMIT 1";
    struct metaverse *mv = absence->writer->mv;
    struct ts_arena arena;
    struct problem over = { .kind = -1,
                            .stage = STAGE,
                            .path = ts_slice_str(absence->config->name) };
    enum ts_code code = TS_OK;
    ts_arena_init(&arena, (size_t) 16 * 1024 * 1024);
    for (bool more = true; code == TS_OK && more;) {
        sqlite3_stmt *row = NULL;
        code = metaverse_row(mv, sql,
                             DB_VALUES(DB_INT(absence->writer->source_id),
                                       DB_TEXT(over.path), DB_INT(over.kind),
                                       DB_TEXT(over.anchor)),
                             &row, err);
        more = code == TS_OK && row != NULL;
        if (!more) {
            break;
        }
        over.kind = (int) db_column_int(row, 0);
        over.anchor = ts_arena_copy(&arena, db_column(row, 1));
        bool still = seen_has(kept, db_column_int(row, 2));
        db_reset(row);
        more = over.anchor.data != NULL;
        code = still || !more ? TS_OK : problem_clear_path(mv, &over, err);
    }
    ts_arena_done(&arena);
    return code;
}

enum ts_code altered_find(const struct absence *absence, struct seen *ret_kept,
                          struct ts_err *err)
{
    uint64_t known = absence->seen->count - absence->added + absence->missing;
    uint64_t share = known * ALTERED_PERCENT / 100;
    *ret_kept = (struct seen){ .words = NULL };
    if (!editable(absence->config)) {
        return TS_OK;
    }
    enum ts_code code = look_at_all(absence, ret_kept, false, err);
    if (code == TS_OK &&
        ret_kept->count >= (share > ALTERED_LEAST ? share : ALTERED_LEAST)) {
        seen_done(ret_kept);
    } else if (code == TS_OK && ret_kept->count > 0) {
        code = look_at_all(absence, ret_kept, true, err);
    }
    return code == TS_OK ? forget(absence, ret_kept, err) : code;
}

/* ---- waiting --------------------------------------------------------------
 */

enum ts_code altered_gone(struct connector_writer *writer, int64_t object_id,
                          struct ts_err *err)
{
    static const char sql[] =
        "UPDATE source_object SET changed = ?3 WHERE dn_key = (SELECT dn_key "
        "FROM source_object WHERE id = ?1) AND +source_id = ?2 AND gone = 0 "
        "AND id <> ?1 AND NOT EXISTS (SELECT 1 FROM joined WHERE object_id = "
        "source_object.id)";
    return metaverse_run(writer->mv, sql,
                         DB_VALUES(DB_INT(object_id), DB_INT(writer->source_id),
                                   DB_INT(writer->next_change++)),
                         err);
}

enum ts_code altered_waits(struct engine_context *engine,
                           const struct connector_object *object,
                           bool *ret_waits, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM source_object o CROSS JOIN joined j ON j.object_id = "
        "o.id WHERE o.dn_key = ?1 AND +o.source_id = ?2 AND o.id <> ?3 AND "
        "o.gone = 0 LIMIT 1";
    size_t source = (size_t) object->source_id - 1;
    *ret_waits = false;
    if (source >= engine->config->sources_count ||
        !editable(&engine->config->sources[source])) {
        return TS_OK;
    }
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(engine->state.mv, sql,
                      DB_VALUES(DB_BLOB(object->key), DB_INT(object->source_id),
                                DB_INT(object->id)),
                      &row, err);
    *ret_waits = code == TS_OK && row != NULL;
    if (*ret_waits) {
        db_reset(row);
    }
    return code;
}
