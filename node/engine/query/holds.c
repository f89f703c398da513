/* hold-list: what the guard keeps back, and by which hash it is decided. */
#include "node/engine/query/queries.h"

#include <stdio.h>

#include "node/engine/guard_budget.h"
#include "node/engine/query/common.h"
#include "node/engine/staging.h"

#define OBJECTS_MAX 10000 /* of one hold */

struct listing {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena arena;  /* of the whole answer */
    struct ts_arena object; /* of one row */
};

/* ---- objects ---------------------------------------------------------------
 */

/* Name, target id and date of creation there, as far as they are known. */
static enum ts_code describe(struct listing *l, const struct hold_item *item,
                             json_t *row, struct ts_err *err)
{
    static const char sql[] =
        "SELECT coalesce(t.target_id, g.target_id, ''), "
        "coalesce(t.created, ''), coalesce(m.packed, nullif(t.sent, x''), "
        "nullif(t.seen, x'00'), x'') "
        "FROM (SELECT ?1 AS kind, ?2 AS anchor) o "
        "LEFT JOIN metaverse m ON m.anchor = o.anchor AND m.kind = o.kind "
        "LEFT JOIN ledger g ON g.kind = o.kind AND g.anchor = o.anchor "
        "LEFT JOIN target_object t ON t.target_id = g.target_id";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_row(
        l->mv, sql, DB_VALUES(DB_INT(item->kind), DB_TEXT(item->anchor)), &stmt,
        err);
    if (code != TS_OK || stmt == NULL) {
        return code;
    }
    struct ts_slice created = db_column(stmt, 1);
    struct ts_slice name = query_packed_name(item->kind, db_column(stmt, 2),
                                             item->anchor, &l->object);
    (void) json_object_set_new(row, "name", query_text(name));
    (void) json_object_set_new(row, "target_id",
                               query_text(db_column(stmt, 0)));
    (void) json_object_set_new(
        row, "created", created.size == 0 ? json_null() : query_text(created));
    db_reset(stmt);
    return TS_OK;
}

static json_t *why(const struct hold_reason *reason,
                   const struct hold_item *item)
{
    if (reason->class == HOLD_MEMBERS) {
        return json_sprintf("loses %lld", (long long) item->amount);
    }
    return json_null();
}

static enum ts_code list_objects(struct listing *l, const struct hold *hold,
                                 const struct hold_list *list, json_t *document,
                                 struct ts_err *err)
{
    const int64_t listed[2] = { 0, list->last_seq };
    size_t count = OBJECTS_MAX;
    json_t *objects = json_array();
    struct hold_item *items =
        ts_arena_array(&l->arena, OBJECTS_MAX, sizeof *items);
    enum ts_code code = items == NULL
                            ? ts_fail(err, TS_E_LIMIT, 0,
                                      "could not list what is held: there "
                                      "are too many holds")
                            : hold_items(l->mv, hold->id, listed, &l->arena,
                                         items, &count, err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        json_t *row = json_object();
        ts_arena_reset(&l->object);
        (void) json_object_set_new(row, "kind",
                                   json_string(query_kind(items[i].kind)));
        (void) json_object_set_new(row, "anchor", query_text(items[i].anchor));
        (void) json_object_set_new(
            row, "verb", json_string(intent_verb_name(items[i].verb)));
        (void) json_object_set_new(row, "since", query_time(items[i].since));
        (void) json_object_set_new(row, "why", why(&hold->reason, &items[i]));
        code = describe(l, &items[i], row, err);
        (void) json_array_append_new(objects, row);
    }
    (void) json_object_set_new(
        document, "cut",
        json_boolean((json_int_t) json_array_size(objects) <
                     json_integer_value(json_object_get(document, "items"))));
    (void) json_object_set_new(document, "objects", objects);
    return code;
}

/* ---- holds -----------------------------------------------------------------
 */

/* What passes without approval, and what did; null where nothing does. */
static enum ts_code set_budget(struct listing *l, const struct hold *hold,
                               json_t *document, struct ts_err *err)
{
    struct guard_budget budget;
    if (hold->reason.class > HOLD_MEMBERS) {
        (void) json_object_set_new(document, "limit", json_null());
        (void) json_object_set_new(document, "spent", json_null());
        return TS_OK;
    }
    enum ts_code code = guard_budget_of_hold(l->engine, hold, &budget, err);
    if (code == TS_OK) {
        (void) json_object_set_new(document, "limit",
                                   json_integer(budget.allowed));
        (void) json_object_set_new(document, "spent",
                                   json_integer(budget.spent));
    }
    return code;
}

/* Of the members of one group: what people call it. */
static enum ts_code set_detail(struct listing *l, const struct hold *hold,
                               json_t *document, struct ts_err *err)
{
    const struct hold_reason *reason = &hold->reason;
    const struct hold_item group = { .kind = reason->kind,
                                     .anchor = reason->detail };
    json_t *row = json_object();
    enum ts_code code = TS_OK;
    (void) json_object_set_new(document, "detail", query_text(reason->detail));
    if (reason->class == HOLD_MEMBERS && reason->detail.size > 0) {
        ts_arena_reset(&l->object);
        code = describe(l, &group, row, err);
        (void) json_object_set(document, "detail",
                               json_object_get(row, "name"));
    }
    json_decref(row);
    return code;
}

static enum ts_code hold_document(struct listing *l, const struct hold *hold,
                                  json_t *document, struct ts_err *err)
{
    struct hold_list list = { .last_seq = 0 };
    int64_t items = 0;
    enum ts_code code = hold_last_list(l->mv, hold->id, &list, err);
    bool listed = code == TS_OK;
    if (code == TS_OK || code == TS_E_NOT_FOUND) {
        code = hold_count(l->mv, hold->id, &items, err);
    }
    const struct hold_reason *reason = &hold->reason;
    (void) json_object_set_new(document, "hash",
                               listed ? json_string(list.hash) : json_null());
    (void) json_object_set_new(document, "class",
                               json_string(hold_class_name(reason->class)));
    (void) json_object_set_new(document, "kind",
                               json_string(query_kind(reason->kind)));
    (void) json_object_set_new(document, "text", query_text(hold->text));
    (void) json_object_set_new(document, "since", query_time(hold->since));
    (void) json_object_set_new(document, "items", json_integer(items));
    (void) json_object_set_new(
        document, "approve",
        listed ? json_sprintf("twinsync approve %s", list.hash) : json_null());
    if (code == TS_OK) {
        code = set_detail(l, hold, document, err);
    }
    if (code == TS_OK) {
        code = set_budget(l, hold, document, err);
    }
    return code == TS_OK ? list_objects(l, hold, &list, document, err) : code;
}

static enum ts_code holds_document(struct listing *l, json_t *holds,
                                   struct ts_err *err)
{
    struct hold *all = NULL;
    size_t count = 0;
    enum ts_code code = l->mv == NULL
                            ? TS_OK
                            : hold_all(l->mv, 0, &l->arena, &all, &count, err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        json_t *document = json_object();
        code = hold_document(l, &all[i], document, err);
        (void) json_array_append_new(holds, document);
    }
    return code;
}

void query_hold_list(struct engine *engine, struct request *request)
{
    struct listing l = { .engine = &engine->context,
                         .mv = engine->context.state.mv };
    struct staging_view staging;
    struct ts_err err;
    json_t *holds = json_array();
    ts_arena_init(&l.arena, ENGINE_OBJECT_MEMORY);
    ts_arena_init(&l.object, ENGINE_OBJECT_MEMORY);
    enum ts_code code = holds_document(&l, holds, &err);
    if (code == TS_OK) {
        code = staging_view(&engine->context, &staging, &err);
    }
    ts_arena_done(&l.object);
    ts_arena_done(&l.arena);
    if (code != TS_OK) {
        json_decref(holds);
        request_fail(request, &err);
        return;
    }
    request_finish(request, 0,
                   json_pack("{s:o, s:o}", "holds", holds, "staging",
                             staging_document(&staging)),
                   NULL);
}
