#include "node/engine/reconcile_left.h"

#include <stdio.h>
#include <string.h>

#include "node/engine/reconcile_found.h"
#include "node/metaverse/hold.h"

#define CLASS_SIZE 48

/* What people call an object: of the metaverse, else of the target. */
#define PACKED_OF(row)                                                       \
    "ifnull((SELECT m.packed FROM metaverse m WHERE m.anchor = " row         \
    ".anchor AND m.kind = " row ".kind), (SELECT t.seen FROM target_object " \
    "t WHERE t.anchor = " row ".anchor AND t.anchor <> '' AND "              \
    "t.metaverse_id IS NULL LIMIT 1))"

/* One class: how many, and its first objects as rows {kind, anchor, packed}. */
struct class_query {
    const char *count_sql, *objects_sql;
    struct db_values values;
};

static enum ts_code first_objects(struct metaverse *mv,
                                  const struct class_query *query,
                                  json_t **ret_objects, struct ts_err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        metaverse_query(mv, query->objects_sql, query->values, &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        reconcile_name(ret_objects, (int) db_column_int(stmt, 0),
                       db_column(stmt, 1), db_column(stmt, 2));
    }
    db_reset(stmt);
    return code;
}

static enum ts_code add_class(struct metaverse *mv, json_t *list,
                              const char *name, const struct class_query *query,
                              struct ts_err *err)
{
    sqlite3_stmt *row = NULL;
    int64_t count = 0;
    json_t *objects = NULL;
    enum ts_code code =
        metaverse_row(mv, query->count_sql, query->values, &row, err);
    if (code == TS_OK && row != NULL) {
        count = db_column_int(row, 0);
        db_reset(row);
    }
    if (code != TS_OK || count == 0) {
        return code;
    }
    code = first_objects(mv, query, &objects, err);
    (void) json_array_append_new(
        list, json_pack("{s:s, s:I, s:o?}", "class", name, "count",
                        (json_int_t) count, "objects", objects));
    return code;
}

static enum ts_code add_held(struct metaverse *mv, json_t *list,
                             struct ts_err *err)
{
    static const char count_sql[] =
        "SELECT count(*) FROM hold h JOIN hold_item i ON i.hold_id = h.id "
        "WHERE h.class = ?1";
    static const char objects_sql[] = "SELECT i.kind, i.anchor, " PACKED_OF(
        "i") " FROM hold h JOIN "
             "hold_item i ON i.hold_id = h.id WHERE h.class = ?1 ORDER BY "
             "i.seq "
             "LIMIT 5";
    enum ts_code code = TS_OK;
    for (int class = 0; code == TS_OK && class < HOLD_CLASSES; class ++) {
        char name[CLASS_SIZE];
        (void) snprintf(name, sizeof name, "held-%s",
                        hold_class_name((enum hold_class) class));
        const struct class_query query = { count_sql, objects_sql,
                                           DB_VALUES(DB_INT(class)) };
        code = add_class(mv, list, name, &query, err);
    }
    return code;
}

static enum ts_code add_staged(struct metaverse *mv, json_t *list,
                               struct ts_err *err)
{
    static const struct class_query query = {
        "SELECT count(*) FROM intent WHERE batch = 0 AND clearance = 2",
        "SELECT i.kind, i.anchor, " PACKED_OF(
            "i") " FROM intent i WHERE "
                 "i.batch = 0 AND i.clearance = 2 ORDER BY i.id LIMIT 5",
        { 0 },
    };
    return add_class(mv, list, "staged", &query, err);
}

/* The stages of problem.h; each row is one item. */
static enum ts_code add_problems(struct metaverse *mv, json_t *list,
                                 struct ts_err *err)
{
    static const char *const stages[] = { "anchor", "rules",  "join",
                                          "match",  "export", "unique",
                                          "policy", "crash",  "foreign" };
    static const char count_sql[] =
        "SELECT count(*) FROM object_error WHERE stage = ?1";
    static const char objects_sql[] = "SELECT e.kind, e.anchor, " PACKED_OF(
        "e") " FROM object_error e "
             "WHERE e.stage = ?1 ORDER BY e.first_at, e.anchor LIMIT 5";
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < sizeof stages / sizeof *stages;
         i++) {
        char name[CLASS_SIZE];
        bool foreign = strcmp(stages[i], "foreign") == 0;
        (void) snprintf(name, sizeof name, "%s%s",
                        foreign ? "" : "quarantined-", stages[i]);
        const struct class_query query = {
            count_sql, objects_sql, DB_VALUES(DB_TEXT(ts_slice_str(stages[i])))
        };
        code = add_class(mv, list, name, &query, err);
    }
    return code;
}

enum ts_code reconcile_left(struct engine_context *engine, json_t **ret_list,
                            struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    json_t *list = json_array();
    enum ts_code code = add_held(mv, list, err);
    if (code == TS_OK) {
        code = add_staged(mv, list, err);
    }
    if (code == TS_OK) {
        code = add_problems(mv, list, err);
    }
    if (code != TS_OK) {
        json_decref(list);
        return code;
    }
    *ret_list = list;
    return TS_OK;
}
