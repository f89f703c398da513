/* The stage `unique` of show: who else has, or wants, a value that the target
 * allows once, and what that means for this object. Left out where nobody does
 * and nothing was refused. */
#include "node/engine/query/show.h"

#include <stdio.h>

#include "node/engine/query/common.h"

#define NAME_SIZE 300

/* One other: `user "ada" (anchor …)`. */
static void add_other(struct showing *s, sqlite3_stmt *row, json_t *document)
{
    char fact[NAME_SIZE];
    char text[NAME_SIZE];
    int kind = (int) db_column_int(row, 1);
    struct ts_slice path = db_column(row, 0);
    struct ts_slice anchor = db_column(row, 3);
    struct ts_slice name =
        query_packed_name(kind, db_column(row, 2), anchor, &s->arena);
    (void) snprintf(fact, sizeof fact, "%.*s %s", TS_SLICE_ARGS(path),
                    db_column_int(row, 4) != 0 ? "is held by" : "is wanted by");
    (void) snprintf(text, sizeof text, "%s \"%.*s\" (anchor %.*s)",
                    query_kind(kind), (int) (name.size < 100 ? name.size : 100),
                    name.data, (int) (anchor.size < 100 ? anchor.size : 100),
                    anchor.data);
    if (json_object_get(json_object_get(document, "facts"), fact) == NULL) {
        show_fact(document, fact, query_text(ts_slice_str(text)));
    }
}

static enum ts_code add_others(struct showing *s, json_t *document,
                               struct ts_err *err)
{
    /* Of several who want one value the first is told. */
    static const char sql[] =
        "SELECT c.path, m.kind, m.packed, m.anchor, o.held FROM claim c "
        "JOIN claim o ON o.value = c.value AND o.metaverse_id <> "
        "c.metaverse_id JOIN metaverse m ON m.id = o.metaverse_id "
        "WHERE c.metaverse_id = ?1 "
        "ORDER BY c.path, o.held DESC, o.wanted DESC, m.anchor LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        s->mv, sql, DB_VALUES(DB_INT(s->object.id), DB_INT(SHOW_LINKS_MAX)),
        &stmt, err);
    while (db_next(&s->mv->db, stmt, &code, err)) {
        add_other(s, stmt, document);
    }
    return code;
}

static enum ts_code is_concerned(struct showing *s, bool *ret_concerned,
                                 struct ts_err *err)
{
    static const char sql[] =
        "SELECT EXISTS(SELECT 1 FROM object_error WHERE kind = ?1 AND anchor = "
        "?2 AND stage = 'unique') OR EXISTS(SELECT 1 FROM claim c JOIN claim o "
        "ON o.value = c.value AND o.metaverse_id <> c.metaverse_id WHERE "
        "c.metaverse_id = ?3)";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(s->mv, sql,
                                      DB_VALUES(DB_INT(s->object.kind),
                                                DB_TEXT(s->object.anchor),
                                                DB_INT(s->object.id)),
                                      &row, err);
    *ret_concerned = code == TS_OK && row != NULL && db_column_int(row, 0) != 0;
    if (code == TS_OK && row != NULL) {
        db_reset(row);
    }
    return code;
}

enum ts_code show_unique(struct showing *s, struct ts_err *err)
{
    static const char *const stages[] = { "unique", NULL };
    bool concerned = false;
    int64_t retry = 0;
    enum ts_code code = is_concerned(s, &concerned, err);
    if (code != TS_OK || !concerned) {
        return code;
    }
    json_t *document = show_stage(s, "unique", "ok");
    code = show_noted(s, stages, document, &retry, err);
    if (code == TS_OK) {
        code = add_others(s, document, err);
    }
    if (retry > 0) {
        show_fact(document, "next_retry", query_time(retry));
    }
    return code;
}
