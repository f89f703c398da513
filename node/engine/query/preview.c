/*
 * preview: what the next cycle would write, from the intents that were decided.
 *
 * Works through the objects in order of kind and anchor, not of decisions, so
 * that the same plan has the same hash however it came about. Objects beyond
 * the limits are still counted and hashed, only not listed.
 *
 * An addition of somebody who is yet to be created has no intent: it is decided
 * when the target has given him an id. It is part of the plan all the same.
 */
#include "node/engine/leaver.h"
#include "node/engine/query/queries.h"

#include <assert.h>
#include <stdlib.h>

#include "node/engine/difference.h"
#include "node/engine/query/common.h"
#include "node/engine/unique.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"
#include "proto/entry_codec.h"

#define LISTED_MAX 10000
#define WEIGHT_MAX ((size_t) 32 * 1024 * 1024) /* of what is listed */
#define BREATHE    512                         /* objects */

enum plan_count {
    PLAN_CREATE,
    PLAN_UPDATE,
    PLAN_DEACTIVATE,
    PLAN_DELETE,
    PLAN_ADOPT,
    PLAN_MEMBERS,
    PLAN_COUNTS
};

struct plan {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena arena; /* of the object at hand */
    struct ts_hasher *hasher;
    json_t *objects;
    size_t weight;
    bool cut;
    int64_t counts[PLAN_COUNTS];
    int64_t *ids; /* metaverse objects in order of kind and anchor */
    size_t count, room;
};

/* One object's part of the plan. */
struct part {
    struct metaverse_object object;
    enum intent_verb verb;
    struct ts_slice target_id; /* of the intent */
    struct ts_slice after;     /* hash; empty without an intent */
    struct target_row row;
    bool at_target;
    json_t *document; /* NULL: only counted and hashed */
};

static enum ts_code too_large(struct ts_err *err)
{
    return ts_fail(err, TS_E_NOMEM, 0,
                   "could not work out the plan: out of memory");
}

/* ---- which objects
 * ------------------------------------------------------------------------ */

static bool add_id(struct plan *plan, int64_t id)
{
    if (plan->count == plan->room) {
        size_t room = plan->room * 2 + 1024;
        int64_t *ids = realloc(plan->ids, room * sizeof *ids);
        if (ids == NULL) {
            return false;
        }
        plan->ids = ids;
        plan->room = room;
    }
    plan->ids[plan->count++] = id;
    return true;
}

static enum ts_code read_ids(struct plan *plan, struct ts_err *err)
{
    static const char sql[] =
        "SELECT metaverse_id, kind, anchor FROM intent WHERE batch = 0 "
        "UNION ALL SELECT DISTINCT o.id, o.kind, o.anchor FROM reference r "
        "JOIN metaverse o ON o.id = r.owner_id AND o.presence = 0 "
        "JOIN target_object t ON t.metaverse_id = r.owner_id "
        "JOIN intent n ON n.metaverse_id = r.member_id AND n.verb IN (0, 5) "
        "WHERE (r.wanted > 0) <> r.held AND r.wanted > 0 AND NOT EXISTS "
        "(SELECT 1 FROM intent i WHERE i.metaverse_id = r.owner_id) "
        "ORDER BY 2, 3";
    _Static_assert(INTENT_CREATE == 0 && INTENT_ADOPT == 5,
                   "the statement has their numbers");
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    enum ts_code code =
        metaverse_query(plan->mv, sql, DB_NO_VALUES, &stmt, err);
    while (code == TS_OK && row) {
        code = db_step(&plan->mv->db, stmt, &row, err);
        if (code == TS_OK && row && !add_id(plan, db_column_int(stmt, 0))) {
            db_reset(stmt);
            code = too_large(err);
        }
    }
    return code;
}

static enum ts_code load(struct plan *plan, int64_t id, struct part *part,
                         bool *ret_exists, struct ts_err *err)
{
    static const char sql[] = "SELECT verb, target_id, after FROM intent "
                              "WHERE metaverse_id = ?1 AND batch = 0";
    sqlite3_stmt *row = NULL;
    *part = (struct part){ .verb = INTENT_UPDATE };
    *ret_exists = true;
    enum ts_code code =
        metaverse_row(plan->mv, sql, DB_VALUES(DB_INT(id)), &row, err);
    if (code == TS_OK && row != NULL) {
        part->verb = (enum intent_verb) db_column_int(row, 0);
        part->target_id = ts_arena_copy(&plan->arena, db_column(row, 1));
        part->after = ts_arena_copy(&plan->arena, db_column(row, 2));
        db_reset(row);
        if (part->target_id.data == NULL || part->after.data == NULL) {
            return too_large(err);
        }
    }
    if (code == TS_OK) {
        code = object_get(plan->mv, id, &plan->arena, &part->object, err);
    }
    if (code == TS_E_NOT_FOUND) {
        *ret_exists = false; /* gone since the list was read */
        return TS_OK;
    }
    return code;
}

/* ---- members
 * ------------------------------------------------------------------------------
 */

/* The document's "members", or, for a second path of one object, an attribute
 * whose values are anchors. */
static json_t *links_of(struct part *part, struct ts_slice path, json_t *last)
{
    json_t *links = NULL;
    if (last != NULL && json_is_string(json_object_get(last, "path")) &&
        ts_slice_equal(path, ts_slice_str(json_string_value(
                                 json_object_get(last, "path"))))) {
        return last;
    }
    if (last == NULL) {
        links = json_pack("{s:o, s:[], s:[]}", "path", query_text(path), "add",
                          "remove");
        (void) json_object_set_new(part->document, "members", links);
        return links;
    }
    links =
        json_pack("{s:o, s:[], s:[]}", "path", query_text(path), "new", "old");
    (void) json_array_append_new(json_object_get(part->document, "attributes"),
                                 links);
    return links;
}

static void list_link(struct part *part, json_t **last, struct ts_slice path,
                      struct ts_slice anchor, bool add)
{
    *last = links_of(part, path, *last);
    const char *name = add ? "add" : "remove";
    if (json_object_get(*last, name) == NULL) {
        name = add ? "new" : "old";
    }
    (void) json_array_append_new(json_object_get(*last, name),
                                 query_text(anchor));
}

/* What is due and can be told by the time the plan is carried out. */
static enum ts_code take_links(struct plan *plan, struct part *part,
                               struct ts_err *err)
{
    static const char sql[] =
        "SELECT r.path, m.anchor, r.wanted > 0 FROM reference r "
        "JOIN metaverse m ON m.id = r.member_id "
        "WHERE r.owner_id = ?1 AND (r.wanted > 0) <> r.held AND (EXISTS "
        "(SELECT 1 FROM target_object t WHERE t.metaverse_id = r.member_id) OR "
        "(r.wanted > 0 AND EXISTS (SELECT 1 FROM intent n WHERE "
        "n.metaverse_id = r.member_id AND n.verb IN (0, 5)))) "
        "ORDER BY r.path, m.anchor";
    sqlite3_stmt *stmt = NULL;
    json_t *last = NULL;
    bool row = true;
    enum ts_code code = metaverse_query(
        plan->mv, sql, DB_VALUES(DB_INT(part->object.id)), &stmt, err);
    while (code == TS_OK && row) {
        code = db_step(&plan->mv->db, stmt, &row, err);
        if (code != TS_OK || !row) {
            break;
        }
        struct ts_slice path = db_column(stmt, 0);
        struct ts_slice anchor = db_column(stmt, 1);
        uint8_t add = db_column_int(stmt, 2) != 0;
        ts_hasher_add_field(plan->hasher, path);
        ts_hasher_add_field(plan->hasher, anchor);
        ts_hasher_add(plan->hasher, ts_slice(&add, 1));
        plan->counts[PLAN_MEMBERS]++;
        if (part->document != NULL) {
            list_link(part, &last, path, anchor, add != 0);
        }
    }
    return code;
}

/* ---- values
 * ------------------------------------------------------------------------------
 */

static void list_change(struct part *part, struct ts_slice path, json_t *old,
                        json_t *new)
{
    (void) json_array_append_new(json_object_get(part->document, "attributes"),
                                 json_pack("{s:o, s:o, s:o}", "path",
                                           query_text(path), "old", old, "new",
                                           new));
}

static void list_set(struct part *part, const struct ts_entry *set,
                     const struct ts_entry *now)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct ts_attribute *attribute = &set->attributes[i];
        list_change(part, attribute->name,
                    query_values(ts_entry_find(now, attribute->name)),
                    query_values(attribute));
    }
}

static void list_active(struct part *part, bool active)
{
    const char *old = active ? "false" : "true";
    const char *new = active ? "true" : "false";
    list_change(part, ts_slice_str(TARGET_ACTIVE_PATH), json_pack("[s]", old),
                json_pack("[s]", new));
}

static enum ts_code list_new(struct plan *plan, struct part *part,
                             const struct ts_entry *wanted, struct ts_err *err)
{
    struct ts_entry once;
    struct ts_entry none = { .count = 0 };
    struct difference difference;
    enum ts_code code =
        entry_unpack(part->object.once, &plan->arena, &once, err);
    if (code == TS_OK) {
        code =
            difference_for_new(wanted, &once, &plan->arena, &difference, err);
    }
    if (code == TS_OK) {
        list_set(part, &difference.set, &none);
    }
    return code;
}

/* An object that is there: what is shown there becomes what is wanted. What an
 * adopted one shows counts as sent, from then on. */
static enum ts_code list_there(struct plan *plan, struct part *part,
                               const struct ts_entry *wanted,
                               struct ts_err *err)
{
    const struct target_row *row = &part->row;
    struct ts_slice seen = row->seen.data != NULL ? row->seen : row->sent;
    struct ts_slice base = part->verb == INTENT_ADOPT ? seen : row->sent;
    struct ts_entry sent;
    struct ts_entry now;
    struct difference difference;
    enum ts_code code = entry_unpack(base, &plan->arena, &sent, err);
    if (code == TS_OK) {
        code = entry_unpack(seen, &plan->arena, &now, err);
    }
    if (code == TS_OK) {
        code = difference_of(wanted, &sent, &plan->arena, &difference, err);
    }
    if (code == TS_OK) {
        list_set(part, &difference.set, &now);
    }
    return code;
}

static enum ts_code load_row(struct plan *plan, struct part *part,
                             struct ts_err *err)
{
    return part->verb == INTENT_ADOPT
               ? target_row_by_id(plan->mv, part->target_id, &plan->arena,
                                  &part->row, &part->at_target, err)
               : target_row_by_metaverse(plan->mv, part->object.id,
                                         &plan->arena, &part->row,
                                         &part->at_target, err);
}

static enum ts_code list_values(struct plan *plan, struct part *part,
                                const struct ts_entry *wanted,
                                struct ts_err *err)
{
    enum ts_code code = load_row(plan, part, err);
    if (code != TS_OK) {
        return code;
    }
    switch (part->verb) {
    case INTENT_CREATE:
        return list_new(plan, part, wanted, err);
    case INTENT_REACTIVATE:
        list_active(part, true);
        return part->at_target ? list_there(plan, part, wanted, err) : TS_OK;
    case INTENT_UPDATE:
    case INTENT_PARK:
    case INTENT_ADOPT:
        return part->at_target && part->after.size > 0
                   ? list_there(plan, part, wanted, err)
                   : TS_OK;
    case INTENT_DEACTIVATE:
        list_active(part, false);
        break;
    case INTENT_DELETE:
    case INTENT_VERBS:
        break;
    }
    return TS_OK;
}

/* ---- one object
 * ---------------------------------------------------------------------------
 */

/* How it finds its counterpart: null where it has one already. */
static json_t *match_of(const struct part *part)
{
    if (part->verb == INTENT_CREATE) {
        return json_string("create");
    }
    if (part->verb != INTENT_ADOPT) {
        return json_null();
    }
    return json_string(ts_slice_equal(part->row.anchor, part->object.anchor)
                           ? "hard"
                           : "soft");
}

static enum ts_code begin_document(struct plan *plan, struct part *part,
                                   struct ts_err *err)
{
    struct ts_entry wanted;
    bool kept = false;
    bool required = false;
    const struct metaverse_object *object = &part->object;
    enum ts_code code =
        entry_unpack(object->packed, &plan->arena, &wanted, err);
    if (code == TS_OK) {
        code = leaver_kept(plan->engine, &part->row, &wanted, &kept, err);
    }
    if (code != TS_OK) {
        return code;
    }
    part->document = json_pack(
        "{s:s, s:o, s:o, s:s, s:[], s:n}", "kind", query_kind(object->kind),
        "anchor", query_text(object->anchor), "name",
        query_text(query_name(object->kind, &wanted, object->anchor)), "verb",
        intent_verb_name(part->verb), "attributes", "members");
    code = unique_withhold(plan->engine, object, &wanted, &required, err);
    if (code == TS_OK) {
        code = list_values(plan, part, &wanted, err);
    }
    (void) json_object_set_new(part->document, "match", match_of(part));
    return code;
}

static void hash_part(struct plan *plan, const struct part *part)
{
    uint8_t head[2] = { (uint8_t) part->object.kind, (uint8_t) part->verb };
    bool creates = part->verb == INTENT_CREATE;
    ts_hasher_add(plan->hasher, ts_slice(head, sizeof head));
    ts_hasher_add_field(plan->hasher, part->object.anchor);
    ts_hasher_add_field(plan->hasher, part->after);
    ts_hasher_add_field(plan->hasher,
                        creates ? part->object.once : TS_SLICE_NONE);
}

static void count_part(struct plan *plan, const struct part *part)
{
    static const enum plan_count counted[INTENT_VERBS] = {
        [INTENT_CREATE] = PLAN_CREATE,
        [INTENT_UPDATE] = PLAN_UPDATE,
        [INTENT_DEACTIVATE] = PLAN_DEACTIVATE,
        [INTENT_REACTIVATE] = PLAN_UPDATE,
        [INTENT_PARK] = PLAN_UPDATE,
        [INTENT_DELETE] = PLAN_DELETE,
        [INTENT_ADOPT] = PLAN_ADOPT,
    };
    assert(part->verb < INTENT_VERBS);
    plan->counts[counted[part->verb]]++;
}

static void list_part(struct plan *plan, struct part *part)
{
    if (part->document == NULL) {
        plan->cut = true;
        return;
    }
    plan->weight += query_weight(part->document);
    (void) json_array_append_new(plan->objects, part->document);
    part->document = NULL;
}

static enum ts_code plan_one(struct plan *plan, int64_t id, struct ts_err *err)
{
    struct part part;
    bool exists = false;
    enum ts_code code = load(plan, id, &part, &exists, err);
    if (code != TS_OK || !exists) {
        return code;
    }
    bool leaves = part.verb == INTENT_DELETE || part.verb == INTENT_DEACTIVATE;
    if (json_array_size(plan->objects) < LISTED_MAX &&
        plan->weight < WEIGHT_MAX) {
        code = begin_document(plan, &part, err);
    }
    hash_part(plan, &part);
    count_part(plan, &part);
    if (code == TS_OK && !leaves) {
        code = take_links(plan, &part, err);
    }
    if (code == TS_OK) {
        list_part(plan, &part);
    }
    json_decref(part.document);
    return code;
}

static enum ts_code plan_all(struct plan *plan, struct ts_err *err)
{
    enum ts_code code = read_ids(plan, err);
    for (size_t i = 0; code == TS_OK && i < plan->count; i++) {
        ts_arena_reset(&plan->arena);
        code = plan_one(plan, plan->ids[i], err);
        if (i % BREATHE == BREATHE - 1) {
            plan->engine->breathe(plan->engine->owner, ENGINE_COMPARE, i,
                                  plan->count);
        }
        if (code == TS_OK && atomic_load(&plan->engine->stopping)) {
            code = ts_fail(err, TS_E_CANCELLED, 0, "the preview was stopped");
        }
    }
    return code;
}

/* ---- the answer
 * ---------------------------------------------------------------------------
 */

static json_t *plan_document(struct plan *plan,
                             const struct intent_counts *intents,
                             const char *held)
{
    char hash[TS_HASH_TEXT_SIZE];
    ts_hash_text(ts_hasher_end(plan->hasher), hash);
    const int64_t *n = plan->counts;
    json_t *counts = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I}", "create", (json_int_t) n[PLAN_CREATE],
        "update", (json_int_t) n[PLAN_UPDATE], "deactivate",
        (json_int_t) n[PLAN_DEACTIVATE], "delete", (json_int_t) n[PLAN_DELETE],
        "adopt", (json_int_t) n[PLAN_ADOPT], "members",
        (json_int_t) n[PLAN_MEMBERS]);
    return json_pack("{s:s, s:o, s:I, s:s?, s:b, s:O}", "hash", hash, "counts",
                     counts, "in_doubt", (json_int_t) intents->doubt, "held",
                     held, "cut", plan->cut, "objects", plan->objects);
}

void query_preview(struct engine *engine, const struct cycle_outcome *cycle,
                   struct request *request)
{
    struct plan plan = { .engine = &engine->context,
                         .mv = engine->context.state.mv,
                         .hasher = ts_hasher_new(),
                         .objects = json_array() };
    struct intent_counts intents = { .due = 0 };
    struct ts_err err;
    ts_arena_init(&plan.arena, ENGINE_OBJECT_MEMORY);
    ts_hasher_begin(plan.hasher);
    engine->in_a_cycle = true; /* nothing is decided meanwhile */
    enum ts_code code = plan_all(&plan, &err);
    engine->in_a_cycle = false;
    engine->context.breathe(engine->context.owner, ENGINE_IDLE, 0, 0);
    if (code == TS_OK) {
        code = intent_count(plan.mv, &intents, &err);
    }
    if (code == TS_OK) {
        const char *held = cycle->result == CYCLE_HELD ? cycle->err.text : NULL;
        json_t *document = plan_document(&plan, &intents, held);
        engine_lock(engine);
        (void) json_object_set_new(document, "cycle",
                                   snapshot_cycle(&engine->snapshot));
        engine_unlock(engine);
        request_finish(request, 0, document, NULL);
    } else {
        request_fail(request, &err);
    }
    json_decref(plan.objects);
    ts_hasher_free(plan.hasher);
    ts_arena_done(&plan.arena);
    free(plan.ids);
}
