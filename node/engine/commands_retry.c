/* retry: an operator wants tried again now what was refused or put off. */
#include "node/engine/commands.h"

#include <stdio.h>

#include "node/engine/inherit.h"
#include "node/engine/leaver.h"
#include "node/engine/query/common.h"
#include "node/engine/query/find.h"
#include "node/engine/touch.h"
#include "node/metaverse/object.h"
#include "node/metaverse/problem.h"

#define IDS_MAX     256  /* in one transaction */
#define OBJECTS_MAX 1000 /* in one answer */

/* What another try may change; rules and joins follow from the source alone. */
#define TRIED_STAGES "('export', 'match', 'unique', '" INHERIT_STAGE "')"

struct retrying {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena arena;
    bool named; /* one object, which may also be reactivated */
    int64_t count;
    json_t *objects;
};

static void list_object(struct retrying *r,
                        const struct metaverse_object *object)
{
    r->count++;
    if (json_array_size(r->objects) == OBJECTS_MAX) {
        return;
    }
    struct ts_slice name = query_packed_name(object->kind, object->packed,
                                             object->anchor, &r->arena);
    (void) json_array_append_new(
        r->objects,
        json_pack("{s:s, s:o, s:o}", "kind", query_kind(object->kind), "anchor",
                  query_text(object->anchor), "name", query_text(name)));
}

static enum ts_code has_problem(struct retrying *r,
                                const struct metaverse_object *object,
                                bool *ret_has, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM object_error WHERE kind = ?1 AND anchor = ?2 AND stage "
        "IN " TRIED_STAGES;
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        r->mv, sql, DB_VALUES(DB_INT(object->kind), DB_TEXT(object->anchor)),
        &row, err);
    *ret_has = code == TS_OK && row != NULL;
    if (*ret_has) {
        db_reset(row);
    }
    return code;
}

static enum ts_code retry_one(struct retrying *r, int64_t id,
                              struct ts_err *err)
{
    struct metaverse_object object;
    bool problem = false;
    bool released = false;
    ts_arena_reset(&r->arena);
    enum ts_code code = object_get(r->mv, id, &r->arena, &object, err);
    if (code == TS_OK) {
        code = has_problem(r, &object, &problem, err);
    }
    if (code == TS_OK && r->named) {
        code = leaver_release(r->engine, &object, &released, err);
    }
    if (code == TS_OK && problem) {
        code = problem_try_again(r->mv, object.kind, object.anchor, err);
    }
    if (code == TS_OK && problem) {
        code = problem_clear(r->mv, object.kind, object.anchor, INHERIT_STAGE,
                             err);
    }
    if (code == TS_OK && problem) {
        code = touch_one(r->engine, id, err);
    }
    if (code == TS_OK && (problem || released)) {
        list_object(r, &object);
    }
    return code;
}

static enum ts_code retry_list(struct retrying *r, const int64_t *ids,
                               size_t count, struct ts_err *err)
{
    struct state *state = &r->engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = retry_one(r, ids[i], err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

/* All but those that policies keep as they are. */
static enum ts_code retry_all(struct retrying *r, struct ts_err *err)
{
    static const char sql[] =
        "SELECT DISTINCT m.id FROM object_error e JOIN metaverse m ON "
        "m.anchor = e.anchor AND m.kind = e.kind WHERE e.stage IN " TRIED_STAGES
        " AND m.id > ?1 ORDER BY m.id LIMIT 256";
    int64_t ids[IDS_MAX];
    int64_t after = 0;
    size_t count = 0;
    enum ts_code code = TS_OK;
    do {
        sqlite3_stmt *stmt = NULL;
        count = 0;
        code =
            metaverse_query(r->mv, sql, DB_VALUES(DB_INT(after)), &stmt, err);
        while (count < IDS_MAX && db_next(&r->mv->db, stmt, &code, err)) {
            ids[count++] = db_column_int(stmt, 0);
        }
        db_reset(stmt);
        if (code == TS_OK && count > 0) {
            after = ids[count - 1];
            code = retry_list(r, ids, count, err);
        }
    } while (code == TS_OK && count > 0);
    return code;
}

/* The one object that `text` means; answers why there is none. */
static bool find_object(struct engine *engine, struct ts_slice text,
                        int64_t *ret_id, struct request *request)
{
    struct query_found found;
    struct ts_err err;
    char why[240];
    if (query_find(&engine->context, text, &found, &err) != TS_OK) {
        request_fail(request, &err);
        return false;
    }
    if (found.count == 1 && !found.more) {
        *ret_id = found.objects[0].metaverse; /* 0: in no person or group */
        return true;
    }
    (void) snprintf(why, sizeof why,
                    "cannot retry \"%.*s\": %s; give the anchor or the DN of "
                    "one",
                    (int) (text.size < 80 ? text.size : 80), text.data,
                    found.count == 0 ? "no object has that anchor, DN or name"
                                     : "several objects have that name");
    request_finish(request, 1, NULL, why);
    return false;
}

/* Who did it, for the record: replicated, and in this node's events. */
static enum ts_code record(struct engine *engine, const struct retrying *r,
                           const json_t *args, struct ts_err *err)
{
    const char *object = json_string_value(json_object_get(args, "object"));
    const char *who = json_string_value(json_object_get(args, "who"));
    const char *reason = json_string_value(json_object_get(args, "reason"));
    struct decision decision = {
        .what = "retry",
        .subject = ts_slice_str(object == NULL ? "" : object),
        .items = r->count,
        .actor = ts_slice_str(who == NULL ? "operator" : who),
        .reason = ts_slice_str(reason == NULL ? "" : reason),
    };
    enum ts_code code = commands_decided(engine, &decision, err);
    if (code != TS_OK) {
        return code;
    }
    json_t *fields = json_pack("{s:s?, s:I, s:s?}", "object", object, "objects",
                               (json_int_t) r->count, "reason", reason);
    code = events_append(local_events(engine->local), "retried",
                         who == NULL ? "operator" : who, fields, err);
    json_decref(fields);
    return code;
}

static void answer(struct engine *engine, int64_t id, struct request *request)
{
    struct retrying r = { .engine = &engine->context,
                          .mv = engine->context.state.mv,
                          .objects = json_array(),
                          .named = json_is_string(
                              json_object_get(request->args, "object")) };
    struct ts_err err;
    enum ts_code code = TS_OK;
    ts_arena_init(&r.arena, ENGINE_OBJECT_MEMORY);
    if (!r.named) {
        code = retry_all(&r, &err);
    } else if (id > 0) {
        code = retry_list(&r, &id, 1, &err);
    }
    ts_arena_done(&r.arena);
    if (code == TS_OK && r.count > 0) {
        code = record(engine, &r, request->args, &err);
    }
    if (code != TS_OK) {
        json_decref(r.objects);
        request_fail(request, &err);
        return;
    }
    request_finish(request, 0,
                   json_pack("{s:I, s:o}", "retried", (json_int_t) r.count,
                             "objects", r.objects),
                   NULL);
}

void commands_retry(struct engine *engine, struct request *request)
{
    const json_t *object = json_object_get(request->args, "object");
    const struct state *state = &engine->context.state;
    int64_t id = 0;
    if (state->mv == NULL || state->building) {
        request_finish(request, 1, NULL,
                       "could not retry anything: the sources were not read to "
                       "their end yet; try again after the first cycle");
        return;
    }
    if (json_is_string(object)) {
        struct ts_slice text =
            ts_slice(json_string_value(object), json_string_length(object));
        if (!find_object(engine, text, &id, request)) {
            return;
        }
    }
    answer(engine, id, request);
}
