/* members-adopt: an operator says that a group has the members that the source
 * gives it, and nobody else. */
#include "node/engine/private.h"

#include <stdio.h>

#include "node/engine/query/common.h"
#include "node/engine/query/find.h"
#include "node/engine/touch.h"
#include "node/metaverse/decision.h"
#include "node/metaverse/object.h"
#include "node/metaverse/stranger.h"
#include "node/metaverse/target_space.h"

#define GROUPS_MAX    1000 /* at once, and in one answer */
#define STRANGERS_MAX 200  /* listed of one group */

struct dismissal {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena arena;
    int64_t owners[GROUPS_MAX];
    size_t count;
    int64_t strangers; /* of all of them */
    json_t *groups;
};

/* ---- which groups
 * ----------------------------------------------------------- */

/* Groups whose strangers stay: one (?1), or all after ?2. ?3: what others add
 * is only reported. */
static enum ts_code find_groups(struct dismissal *d, int64_t group,
                                struct ts_err *err)
{
    d->count = 0;
    static const char sql[] =
        "SELECT DISTINCT s.owner_id FROM stranger s JOIN target_object t ON "
        "t.metaverse_id = s.owner_id WHERE (?1 = 0 OR s.owner_id = ?1) AND "
        "(t.keeps_strangers = 1 OR (?2 AND t.keeps_strangers = 0)) "
        "ORDER BY s.owner_id LIMIT ?3";
    const struct config_target *target = &d->engine->config->target;
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        d->mv, sql,
        DB_VALUES(DB_INT(group),
                  DB_INT(target->foreign_edits == CONFIG_FOREIGN_REPORT),
                  DB_INT(GROUPS_MAX)),
        &stmt, err);
    while (db_next(&d->mv->db, stmt, &code, err)) {
        d->owners[d->count++] = db_column_int(stmt, 0);
    }
    return code;
}

/* The one group that `text` means; answers why there is none. */
static bool find_group(struct engine *engine, struct ts_slice text,
                       int64_t *ret_group, struct request *request)
{
    struct query_found found;
    struct metaverse_object object;
    struct ts_arena arena;
    struct ts_err err;
    size_t count = 0;
    enum ts_code code = query_find(&engine->context, text, &found, &err);
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    for (size_t i = 0; code == TS_OK && i < found.count; i++) {
        if (found.objects[i].metaverse == 0) {
            continue;
        }
        code = object_get(engine->context.state.mv, found.objects[i].metaverse,
                          &arena, &object, &err);
        if (code == TS_OK && object.kind == CONFIG_KIND_GROUP) {
            *ret_group = object.id;
            count++;
        }
    }
    ts_arena_done(&arena);
    if (code != TS_OK) {
        request_fail(request, &err);
        return false;
    }
    if (count != 1) {
        char why[240];
        (void) snprintf(why, sizeof why,
                        "cannot adopt the members of \"%.*s\": %s; give the "
                        "anchor or the DN of one",
                        (int) (text.size < 80 ? text.size : 80), text.data,
                        count == 0 ? "no group has that name"
                                   : "several groups have that name");
        request_finish(request, 1, NULL, why);
    }
    return count == 1;
}

/* ---- what is told
 * ----------------------------------------------------------- */

static enum ts_code add_stranger(struct dismissal *d, struct ts_slice id,
                                 json_t *list, struct ts_err *err)
{
    struct target_row row;
    bool known = false;
    struct ts_slice name = TS_SLICE_NONE;
    enum ts_code code =
        target_row_by_id(d->mv, id, &d->arena, &row, &known, err);
    if (code == TS_OK && known) {
        struct ts_slice shown = row.seen.data != NULL ? row.seen : row.sent;
        name = query_packed_name(row.kind, shown, TS_SLICE_NONE, &d->arena);
    }
    (void) json_array_append_new(
        list, json_pack("{s:o, s:o}", "target_id", query_text(id), "name",
                        name.size > 0 ? query_text(name) : json_null()));
    return code;
}

static enum ts_code list_strangers(struct dismissal *d, int64_t owner,
                                   json_t *list, int64_t *ret_count,
                                   struct ts_err *err)
{
    static const char count_sql[] =
        "SELECT count(*) FROM stranger WHERE owner_id = ?1";
    static const char sql[] = "SELECT target_id FROM stranger WHERE owner_id = "
                              "?1 ORDER BY path, target_id LIMIT ?2";
    struct ts_slice ids[STRANGERS_MAX];
    size_t count = 0;
    sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        metaverse_row(d->mv, count_sql, DB_VALUES(DB_INT(owner)), &stmt, err);
    if (code != TS_OK || stmt == NULL) {
        return code;
    }
    *ret_count = db_column_int(stmt, 0);
    db_reset(stmt);
    code = metaverse_query(d->mv, sql,
                           DB_VALUES(DB_INT(owner), DB_INT(STRANGERS_MAX)),
                           &stmt, err);
    while (db_next(&d->mv->db, stmt, &code, err)) {
        ids[count++] = ts_arena_copy(&d->arena, db_column(stmt, 0));
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = add_stranger(d, ids[i], list, err);
    }
    return code;
}

static enum ts_code add_group(struct dismissal *d, int64_t owner,
                              struct ts_err *err)
{
    struct metaverse_object object;
    int64_t count = 0;
    json_t *list = json_array();
    ts_arena_reset(&d->arena);
    enum ts_code code = object_get(d->mv, owner, &d->arena, &object, err);
    if (code == TS_OK) {
        code = list_strangers(d, owner, list, &count, err);
    }
    if (code != TS_OK) {
        json_decref(list);
        return code;
    }
    struct ts_slice name =
        query_packed_name(object.kind, object.packed, object.anchor, &d->arena);
    d->strangers += count;
    if (json_array_size(d->groups) == GROUPS_MAX) {
        json_decref(list);
        return TS_OK;
    }
    (void) json_array_append_new(
        d->groups,
        json_pack("{s:o, s:o, s:I, s:o}", "anchor", query_text(object.anchor),
                  "name", query_text(name), "count", (json_int_t) count,
                  "strangers", list));
    return TS_OK;
}

/* ---- what is done
 * ----------------------------------------------------------- */

static enum ts_code dismiss_one(struct dismissal *d, int64_t owner,
                                struct ts_err *err)
{
    enum ts_code code =
        stranger_set_policy(d->mv, owner, STRANGERS_DISMISSED, err);
    return code == TS_OK ? touch_one(d->engine, owner, err) : code;
}

static struct ts_slice text_at(const json_t *args, const char *name)
{
    const char *text = json_string_value(json_object_get(args, name));
    return ts_slice_str(text != NULL ? text : "");
}

static enum ts_code dismiss(struct dismissal *d, const json_t *args,
                            struct ts_err *err)
{
    struct state *state = &d->engine->state;
    const struct decision decision = {
        .what = "adopt-members",
        .subject = text_at(args, "group"),
        .items = d->strangers,
        .actor = text_at(args, "who"),
        .reason = text_at(args, "reason"),
    };
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < d->count; i++) {
        code = dismiss_one(d, d->owners[i], err);
    }
    if (code == TS_OK) {
        code = decision_put(d->mv, &decision, err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

static enum ts_code note_event(struct engine *engine, const struct dismissal *d,
                               const json_t *args, struct ts_err *err)
{
    const char *who = json_string_value(json_object_get(args, "who"));
    json_t *fields = json_pack(
        "{s:O?, s:I, s:O?}", "group", json_object_get(args, "group"), "members",
        (json_int_t) d->strangers, "reason", json_object_get(args, "reason"));
    enum ts_code code =
        events_append(local_events(engine->local), "members-adopted",
                      who != NULL ? who : "operator", fields, err);
    json_decref(fields);
    return code;
}

/* What was dismissed is not found again: so until there is no more. */
static enum ts_code work_through(struct dismissal *d, int64_t group,
                                 const json_t *args, struct ts_err *err)
{
    bool dry_run = json_is_true(json_object_get(args, "dry_run"));
    enum ts_code code = TS_OK;
    do {
        code = find_groups(d, group, err);
        for (size_t i = 0; code == TS_OK && i < d->count; i++) {
            code = add_group(d, d->owners[i], err);
        }
        if (code == TS_OK && !dry_run && d->count > 0) {
            code = dismiss(d, args, err);
        }
    } while (code == TS_OK && !dry_run && d->count == GROUPS_MAX);
    return code;
}

static void answer(struct engine *engine, int64_t group,
                   struct request *request)
{
    bool dry_run = json_is_true(json_object_get(request->args, "dry_run"));
    struct dismissal d = { .engine = &engine->context,
                           .mv = engine->context.state.mv,
                           .groups = json_array() };
    struct ts_err err;
    ts_arena_init(&d.arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = work_through(&d, group, request->args, &err);
    if (code == TS_OK && !dry_run && d.strangers > 0) {
        code = note_event(engine, &d, request->args, &err);
    }
    ts_arena_done(&d.arena);
    if (code != TS_OK) {
        json_decref(d.groups);
        request_fail(request, &err);
        return;
    }
    request_finish(request, 0, json_pack("{s:o}", "groups", d.groups), NULL);
}

void commands_members_adopt(struct engine *engine, struct request *request)
{
    const json_t *group = json_object_get(request->args, "group");
    const struct state *state = &engine->context.state;
    int64_t id = 0;
    if (state->mv == NULL || state->building) {
        request_finish(request, 1, NULL,
                       "could not adopt members: the sources were not read to "
                       "their end yet; try again after the first cycle");
        return;
    }
    if (json_is_string(group)) {
        struct ts_slice text =
            ts_slice(json_string_value(group), json_string_length(group));
        if (!find_group(engine, text, &id, request)) {
            return;
        }
    }
    answer(engine, id, request);
}
