#include "node/metaverse/loss.h"

#include <strings.h>

#include "node/metaverse/connector.h"
#include "proto/entry_codec.h"

/* Two readings of one object, unpacked: a few times the largest entry. */
#define WATCH_MEMORY ((size_t) 1024 * 1024 * 1024)

/* ---- rows ---------------------------------------------------------------- */

static enum ts_code exists(struct metaverse *mv, const char *sql,
                           struct db_values values, bool *ret_exists,
                           struct ts_err *err)
{
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(mv, sql, values, &row, err);
    if (code == TS_OK) {
        *ret_exists = row != NULL;
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

static enum ts_code note(struct loss_watch *watch, int64_t object_id,
                         struct ts_slice attribute, struct ts_err *err)
{
    static const char sql[] =
        "INSERT OR IGNORE INTO lost_attribute(object_id, attribute, "
        "metaverse_id, confirmed) SELECT object_id, ?2, metaverse_id, 0 FROM "
        "joined WHERE object_id = ?1";
    watch->known = true;
    return metaverse_run(watch->mv, sql,
                         DB_VALUES(DB_INT(object_id), DB_TEXT(attribute)), err);
}

static enum ts_code strike(struct loss_watch *watch, int64_t object_id,
                           struct ts_slice attribute, struct ts_err *err)
{
    static const char sql[] = "DELETE FROM lost_attribute WHERE object_id = ?1 "
                              "AND attribute = ?2 COLLATE NOCASE";
    return metaverse_run(watch->mv, sql,
                         DB_VALUES(DB_INT(object_id), DB_TEXT(attribute)), err);
}

/* ---- what a run loses ---------------------------------------------------- */

enum ts_code loss_watch(struct loss_watch *watch, struct metaverse *mv,
                        struct ts_err *err)
{
    static const char sql[] = "SELECT 1 FROM lost_attribute LIMIT 1";
    watch->mv = mv;
    ts_arena_init(&watch->arena, WATCH_MEMORY);
    return exists(mv, sql, DB_NO_VALUES, &watch->known, err);
}

void loss_watch_done(struct loss_watch *watch)
{
    ts_arena_done(&watch->arena);
}

static bool same_name(struct ts_slice name, struct ts_slice other)
{
    return name.size == other.size &&
           strncasecmp((const char *) name.data, (const char *) other.data,
                       name.size) == 0;
}

static bool among(const char *const *names, size_t count, struct ts_slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (same_name(ts_slice_str(names[i]), name)) {
            return true;
        }
    }
    return false;
}

/* L2 */
static bool asked_for(const struct loss_watch *watch, struct ts_slice name)
{
    return among(watch->attributes, watch->attribute_count, name) ||
           among(watch->references, watch->reference_count, name);
}

static bool has_value(const struct ts_entry *entry, struct ts_slice name)
{
    if (ts_entry_find(entry, name) != NULL) {
        return true;
    }
    for (size_t i = 0; i < entry->count; i++) {
        if (same_name(entry->attributes[i].name, name)) {
            return true;
        }
    }
    return false;
}

static bool has_link(const struct connector_row *row, struct ts_slice name)
{
    for (size_t i = 0; i < row->link_count; i++) {
        if (same_name(row->links[i].attribute, name)) {
            return true;
        }
    }
    return false;
}

/* The stored values of `id`, in the watch's arena. */
static enum ts_code stored_values(struct loss_watch *watch, int64_t id,
                                  struct ts_entry *ret_entry,
                                  struct ts_err *err)
{
    static const char sql[] = "SELECT packed FROM source_object WHERE id = ?1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(watch->mv, sql, DB_VALUES(DB_INT(id)), &row, err);
    if (code == TS_OK && row != NULL) {
        code = entry_unpack(db_column(row, 0), &watch->arena, ret_entry, err);
        db_reset(row);
    }
    return code;
}

static enum ts_code take_values(struct loss_watch *watch, int64_t id,
                                const struct connector_row *row,
                                struct ts_err *err)
{
    struct ts_entry before = { .count = 0 };
    struct ts_entry after = { .count = 0 };
    enum ts_code code = stored_values(watch, id, &before, err);
    if (code == TS_OK) {
        code = entry_unpack(row->packed, &watch->arena, &after, err);
    }
    for (size_t i = 0; code == TS_OK && i < before.count; i++) {
        struct ts_slice name = before.attributes[i].name;
        if (!has_value(&after, name) && asked_for(watch, name)) {
            code = note(watch, id, name, err);
        }
    }
    for (size_t i = 0; code == TS_OK && watch->known && i < after.count; i++) {
        if (ts_entry_find(&before, after.attributes[i].name) == NULL) {
            code = strike(watch, id, after.attributes[i].name, err);
        }
    }
    return code;
}

/* By attribute: how many links it has does not matter. */
static enum ts_code take_links(struct loss_watch *watch, int64_t id,
                               const struct connector_row *row,
                               struct ts_err *err)
{
    static const char sql[] = "SELECT 1 FROM source_link WHERE object_id = ?1 "
                              "AND attribute = ?2 LIMIT 1";
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < watch->reference_count; i++) {
        struct ts_slice name = ts_slice_str(watch->references[i]);
        bool before = false;
        bool after = has_link(row, name) || same_name(row->partial, name);
        code = exists(watch->mv, sql, DB_VALUES(DB_INT(id), DB_TEXT(name)),
                      &before, err);
        if (code == TS_OK && before && !after) {
            code = note(watch, id, name, err);
        } else if (code == TS_OK && !before && after && watch->known) {
            code = strike(watch, id, name, err);
        }
    }
    return code;
}

enum ts_code loss_take(struct loss_watch *watch, int64_t id,
                       const struct connector_row *row, struct ts_err *err)
{
    ts_arena_reset(&watch->arena);
    enum ts_code code = take_values(watch, id, row, err);
    return code == TS_OK ? take_links(watch, id, row, err) : code;
}

enum ts_code loss_object_gone(struct metaverse *mv, int64_t object_id,
                              struct ts_err *err)
{
    static const char sql[] = "DELETE FROM lost_attribute WHERE object_id = ?1";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(object_id)), err);
}

/* ---- the end of a run ---------------------------------------------------- */

/* As of the last complete reading; only before the first one they are counted.
 */
static enum ts_code source_objects(struct metaverse *mv, int64_t source_id,
                                   int64_t *ret_count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT coalesce((SELECT nullif(object_count, 0) FROM source WHERE id "
        "= ?1), (SELECT count(*) FROM source_object WHERE source_id = ?1))";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(source_id)), &row, err);
    if (code == TS_OK) {
        *ret_count = db_column_int(row, 0);
        db_reset(row);
    }
    return code;
}

/* Statements here begin at lost_attribute, which is nearly always empty: hence
 * CROSS JOIN. */

/* The next attribute after `*last` of which losses are noted: how many, and is
 * there a confirmed one? data == NULL: there is none. */
struct noted {
    struct ts_slice attribute;
    int64_t count;
    bool confirmed;
};

static enum ts_code next_noted(struct metaverse *mv, int64_t source_id,
                               struct ts_arena *arena, struct noted *noted,
                               struct ts_err *err)
{
    static const char sql[] =
        "SELECT l.attribute, sum(l.confirmed = 0), max(l.confirmed) "
        "FROM lost_attribute l CROSS JOIN source_object s ON s.id = "
        "l.object_id WHERE s.source_id = ?1 AND s.gone = 0 AND l.attribute > "
        "?2 "
        "GROUP BY l.attribute HAVING sum(l.confirmed = 0) > 0 "
        "ORDER BY l.attribute LIMIT 1";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql, DB_VALUES(DB_INT(source_id), DB_TEXT(noted->attribute)), &row,
        err);
    *noted = (struct noted){ .attribute = TS_SLICE_NONE };
    if (code != TS_OK || row == NULL) {
        return code;
    }
    noted->attribute = ts_arena_copy(arena, db_column(row, 0));
    noted->count = db_column_int(row, 1);
    noted->confirmed = db_column_int(row, 2) != 0;
    db_reset(row);
    return noted->attribute.data != NULL
               ? TS_OK
               : ts_fail(err, TS_E_NOMEM, 0, "could not judge what was lost");
}

static enum ts_code confirm(struct metaverse *mv, int64_t source_id,
                            struct ts_slice attribute, struct ts_err *err)
{
    static const char sql[] =
        "UPDATE lost_attribute SET confirmed = 1 WHERE attribute = ?2 AND "
        "confirmed = 0 AND (SELECT source_id FROM source_object WHERE id = "
        "object_id) = ?1";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(source_id), DB_TEXT(attribute)), err);
}

static enum ts_code too_many(struct metaverse *mv,
                             const struct loss_limit *limit, int64_t count,
                             bool *ret_too_many, struct ts_err *err)
{
    int64_t objects = 0;
    *ret_too_many = false;
    if (count <= (int64_t) limit->always_allowed) {
        return TS_OK; /* an ordinary day: nothing is counted */
    }
    enum ts_code code = source_objects(mv, limit->source_id, &objects, err);
    *ret_too_many =
        code == TS_OK && count > objects * (int64_t) limit->percent / 100;
    return code;
}

enum ts_code loss_conclude(struct metaverse *mv, const struct loss_limit *limit,
                           struct ts_err *err)
{
    static const char any_sql[] =
        "SELECT 1 FROM lost_attribute WHERE confirmed = 0 LIMIT 1";
    static const char forget_sql[] =
        "DELETE FROM lost_attribute WHERE confirmed = 0 AND (SELECT source_id "
        "FROM source_object WHERE id = object_id) = ?1";
    struct noted noted = { .attribute = TS_SLICE_NONE };
    struct ts_arena arena;
    bool any = false;
    enum ts_code code = exists(mv, any_sql, DB_NO_VALUES, &any, err);
    if (code != TS_OK || !any) {
        return code;
    }
    ts_arena_init(&arena, (size_t) 1024 * 1024);
    while (code == TS_OK) {
        bool much = false;
        code = next_noted(mv, limit->source_id, &arena, &noted, err);
        if (code != TS_OK || noted.attribute.data == NULL) {
            break;
        }
        code = too_many(mv, limit, noted.count, &much, err);
        if (code == TS_OK && (noted.confirmed || much)) {
            code = confirm(mv, limit->source_id, noted.attribute, err);
        }
    }
    ts_arena_done(&arena);
    return code == TS_OK
               ? metaverse_run(mv, forget_sql,
                               DB_VALUES(DB_INT(limit->source_id)), err)
               : code;
}

/* ---- what is confirmed ----------------------------------------------------
 */

enum ts_code loss_any(struct metaverse *mv, bool *ret_any, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM lost_attribute WHERE confirmed = 1 LIMIT 1";
    return exists(mv, sql, DB_NO_VALUES, ret_any, err);
}

enum ts_code loss_of_source(struct metaverse *mv, int64_t source_id,
                            bool *ret_any, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM lost_attribute l CROSS JOIN source_object s ON s.id = "
        "l.object_id WHERE l.confirmed = 1 AND s.source_id = ?1 LIMIT 1";
    return exists(mv, sql, DB_VALUES(DB_INT(source_id)), ret_any, err);
}

enum ts_code loss_of_object(struct metaverse *mv, int64_t metaverse_id,
                            bool *ret_any, struct ts_err *err)
{
    static const char sql[] = "SELECT 1 FROM lost_attribute WHERE "
                              "metaverse_id = ?1 AND confirmed = 1 LIMIT 1";
    return exists(mv, sql, DB_VALUES(DB_INT(metaverse_id)), ret_any, err);
}

enum ts_code loss_list(struct metaverse *mv, int64_t metaverse_id,
                       struct ts_arena *arena, struct loss *losses,
                       size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT DISTINCT o.name, l.attribute, o.name || '/' || l.attribute "
        "FROM lost_attribute l CROSS JOIN source_object s ON s.id = "
        "l.object_id CROSS JOIN source o ON o.id = s.source_id "
        "WHERE l.metaverse_id = ?1 AND l.confirmed = 1 ORDER BY 3 LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(metaverse_id), DB_INT((int64_t) *count)),
        &stmt, err);
    while (code == TS_OK && n < *count) {
        code = db_step(&mv->db, stmt, &row, err);
        if (code != TS_OK || !row) {
            break;
        }
        losses[n] = (struct loss){
            .source = ts_arena_copy(arena, db_column(stmt, 0)),
            .attribute = ts_arena_copy(arena, db_column(stmt, 1)),
            .detail = ts_arena_copy(arena, db_column(stmt, 2)),
        };
        if (losses[n].source.data == NULL || losses[n].attribute.data == NULL ||
            losses[n].detail.data == NULL) {
            code = ts_fail(err, TS_E_NOMEM, 0, "could not list what was lost");
            break;
        }
        n++;
    }
    if (stmt != NULL) {
        db_reset(stmt);
    }
    *count = n;
    return code;
}

enum ts_code loss_extent(struct metaverse *mv, const struct loss *loss,
                         int64_t *ret_lost, int64_t *ret_objects,
                         struct ts_err *err)
{
    static const char id_sql[] = "SELECT id FROM source WHERE name = ?1";
    static const char sql[] =
        "SELECT count(*) FROM lost_attribute l CROSS JOIN source_object s ON "
        "s.id = l.object_id WHERE l.attribute = ?2 AND l.confirmed = 1 AND "
        "s.source_id = ?1";
    sqlite3_stmt *row = NULL;
    int64_t source = 0;
    enum ts_code code =
        metaverse_row(mv, id_sql, DB_VALUES(DB_TEXT(loss->source)), &row, err);
    if (code == TS_OK && row != NULL) {
        source = db_column_int(row, 0);
        db_reset(row);
    }
    if (code == TS_OK) {
        code = metaverse_row(
            mv, sql, DB_VALUES(DB_INT(source), DB_TEXT(loss->attribute)), &row,
            err);
    }
    if (code != TS_OK) {
        return code;
    }
    *ret_lost = db_column_int(row, 0);
    db_reset(row);
    return source_objects(mv, source, ret_objects, err);
}

enum ts_code loss_release(struct metaverse *mv, int64_t metaverse_id,
                          struct ts_slice detail, struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM lost_attribute WHERE metaverse_id = ?1 AND confirmed = 1 "
        "AND (SELECT o.name || '/' || lost_attribute.attribute FROM "
        "source_object s JOIN source o ON o.id = s.source_id WHERE s.id = "
        "lost_attribute.object_id) = ?2";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(metaverse_id), DB_TEXT(detail)), err);
}

enum ts_code loss_forget_idle(struct metaverse *mv, int64_t compared,
                              struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM lost_attribute WHERE confirmed = 1 AND NOT EXISTS "
        "(SELECT 1 FROM metaverse m WHERE m.id = lost_attribute.metaverse_id "
        "AND (m.changed > ?1 "
        "OR EXISTS (SELECT 1 FROM intent i WHERE i.metaverse_id = m.id) "
        "OR EXISTS (SELECT 1 FROM reference r WHERE r.member_id = m.id AND "
        "r.wanted = 0) "
        "OR EXISTS (SELECT 1 FROM reference r INDEXED BY reference_lost WHERE "
        "r.owner_id = m.id AND r.wanted = 0 AND r.held = 1) "
        "OR EXISTS (SELECT 1 FROM appointment a WHERE a.metaverse_id = m.id) "
        "OR EXISTS (SELECT 1 FROM object_error e WHERE e.kind = m.kind AND "
        "e.anchor = m.anchor AND e.stage = 'export')))";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(compared)), err);
}
