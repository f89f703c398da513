/* What a preview tells besides its plan: conflicts, what is left alone, and
 * what is held. */
#include "node/engine/query/preview.h"

#include "node/engine/query/common.h"
#include "node/metaverse/hold.h"

#define HOLDS_MEMORY ((size_t) 16 * 1024 * 1024)

/* One row of a statement as a document. */
typedef json_t *row_fn(sqlite3_stmt *stmt, struct ts_arena *arena);

static enum ts_code list_rows(struct metaverse *mv, const char *sql,
                              row_fn *row_document, json_t *list,
                              struct ts_err *err)
{
    struct ts_arena arena;
    sqlite3_stmt *stmt = NULL;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(PREVIEW_REST_MAX)), &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        ts_arena_reset(&arena);
        (void) json_array_append_new(list, row_document(stmt, &arena));
    }
    ts_arena_done(&arena);
    return code;
}

/* ---- conflicts ---------------------------------------------------------- */

static const struct {
    const char *path, *code, *fix;
} conflicts[] = {
    { "match", "several-matches", "remove or rename the others at the target" },
    { "invalid-soft-match", "invalid-soft-match",
      "remove the anchor of the other system at the target, or rename one of "
      "the two" },
    { "object-type-mismatch", "object-type-mismatch",
      "rename or remove the object of the other kind at the target" },
};

static json_t *conflict_document(sqlite3_stmt *stmt, struct ts_arena *arena)
{
    int kind = (int) db_column_int(stmt, 0);
    struct ts_slice anchor = db_column(stmt, 1);
    struct ts_slice path = db_column(stmt, 3);
    struct ts_slice name =
        query_packed_name(kind, db_column(stmt, 5), anchor, arena);
    struct ts_slice code = db_column(stmt, 2);
    const char *fix = "make the value unique at the source";
    if (ts_slice_equal(code, ts_slice_str("match"))) {
        code = path;
    }
    for (size_t i = 0; i < sizeof conflicts / sizeof *conflicts; i++) {
        if (ts_slice_equal(path, ts_slice_str(conflicts[i].path))) {
            code = ts_slice_str(conflicts[i].code);
            fix = conflicts[i].fix;
        }
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:s}", "kind",
                     query_kind(kind), "anchor", query_text(anchor), "name",
                     query_text(name), "code", query_text(code), "path",
                     query_text(path), "text", query_text(db_column(stmt, 4)),
                     "fix", fix);
}

static enum ts_code add_conflicts(struct metaverse *mv, json_t *document,
                                  struct ts_err *err)
{
    static const char list_sql[] =
        "SELECT e.kind, e.anchor, e.stage, e.path, e.text, m.packed "
        "FROM object_error e LEFT JOIN metaverse m ON m.anchor = e.anchor AND "
        "m.kind = e.kind WHERE e.stage IN ('match', 'unique') "
        "ORDER BY e.kind, e.anchor, e.path LIMIT ?1";
    json_t *list = json_array();
    int64_t count = 0;
    (void) json_object_set_new(document, "conflicts", list);
    enum ts_code code =
        db_query_int(&mv->db,
                     "SELECT count(*) FROM object_error WHERE stage IN "
                     "('match', 'unique')",
                     &count, err);
    (void) json_object_set_new(document, "conflict_count",
                               json_integer((json_int_t) count));
    return code == TS_OK && count > 0
               ? list_rows(mv, list_sql, conflict_document, list, err)
               : code;
}

/* ---- untouched ---------------------------------------------------------- */

static const char *why_untouched(sqlite3_stmt *stmt)
{
    if (db_column_int(stmt, 4) != 0) {
        return "an administrator or a service identity: never matched";
    }
    if (db_column_int(stmt, 5) != 0) {
        return "an operator said that it is not ours";
    }
    return db_column(stmt, 2).size > 0 ? "carries an anchor that no source has"
                                       : "matches nobody at the source";
}

static json_t *untouched_document(sqlite3_stmt *stmt, struct ts_arena *arena)
{
    int kind = (int) db_column_int(stmt, 0);
    struct ts_slice id = db_column(stmt, 1);
    struct ts_slice anchor = db_column(stmt, 2);
    struct ts_slice name =
        query_packed_name(kind, db_column(stmt, 3), id, arena);
    return json_pack("{s:s, s:o, s:o, s:o, s:s}", "kind", query_kind(kind),
                     "target_id", query_text(id), "anchor",
                     anchor.size == 0 ? json_null() : query_text(anchor),
                     "name", query_text(name), "why", why_untouched(stmt));
}

#define UNTOUCHED                                                              \
    "FROM target_object t WHERE t.metaverse_id IS NULL AND NOT EXISTS(SELECT " \
    "1 FROM intent i WHERE i.target_id = t.target_id AND i.verb = 5) "

static enum ts_code add_untouched(struct metaverse *mv, json_t *document,
                                  struct ts_err *err)
{
    static const char list_sql[] =
        "SELECT t.kind, t.target_id, t.anchor, t.seen, t.shielded, "
        "t.disowned " UNTOUCHED "ORDER BY t.kind, t.target_id LIMIT ?1";
    json_t *list = json_array();
    int64_t count = 0;
    enum ts_code code =
        db_query_int(&mv->db, "SELECT count(*) " UNTOUCHED, &count, err);
    (void) json_object_set_new(
        document, "untouched",
        json_pack("{s:I, s:o}", "count", (json_int_t) count, "objects", list));
    return code == TS_OK && count > 0
               ? list_rows(mv, list_sql, untouched_document, list, err)
               : code;
}

/* ---- holds -------------------------------------------------------------- */

static enum ts_code add_hold(struct metaverse *mv, const struct hold *hold,
                             json_t *list, struct ts_err *err)
{
    struct hold_list last;
    int64_t items = 0;
    enum ts_code code = hold_count(mv, hold->id, &items, err);
    if (code != TS_OK) {
        return code;
    }
    code = hold_last_list(mv, hold->id, &last, err);
    if (code != TS_OK && code != TS_E_NOT_FOUND) {
        return code;
    }
    (void) json_array_append_new(
        list, json_pack("{s:s?, s:s, s:s, s:I, s:o}", "hash",
                        code == TS_OK ? last.hash : NULL, "class",
                        hold_class_name(hold->reason.class), "kind",
                        query_kind(hold->reason.kind), "items",
                        (json_int_t) items, "text", query_text(hold->text)));
    return TS_OK;
}

static enum ts_code add_holds(struct metaverse *mv, json_t *document,
                              struct ts_err *err)
{
    struct ts_arena arena;
    struct hold *holds = NULL;
    size_t count = 0;
    json_t *list = json_array();
    (void) json_object_set_new(document, "holds", list);
    ts_arena_init(&arena, HOLDS_MEMORY);
    enum ts_code code = hold_all(mv, 0, &arena, &holds, &count, err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = add_hold(mv, &holds[i], list, err);
    }
    ts_arena_done(&arena);
    return code;
}

enum ts_code preview_add_rest(struct metaverse *mv, json_t *document,
                              struct ts_err *err)
{
    enum ts_code code = add_conflicts(mv, document, err);
    if (code == TS_OK) {
        code = add_untouched(mv, document, err);
    }
    return code == TS_OK ? add_holds(mv, document, err) : code;
}
