#include "node/engine/plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/engine/query/common.h"
#include "node/metaverse/decision.h"
#include "node/metaverse/plan_store.h"
#include "node/metaverse/target_space.h"

#define ITEM_MEMORY ((size_t) 64 * 1024 * 1024) /* links of one group */
#define DROP_CHUNK  256
#define SWEEP_CHUNK 1000
#define ACTOR_NONE  "operator"
#define HASH_SHOWN  12 /* of a hash in a sentence */

struct plan {
    struct engine_context *engine;
    int64_t id;
    char hash[TS_HASH_TEXT_SIZE];
    struct ts_hasher *hasher;
    struct metaverse_link_filter filter;
    struct ts_arena arena; /* of the links below */
    int64_t owner;         /* whose links they are; 0: nobody's */
    struct ts_slice links;
};

/* ---- links -------------------------------------------------------------- */

static bool has_link(struct ts_slice links, const struct plan_link *link)
{
    size_t low = 0;
    size_t high = links.size / PLAN_LINK_SIZE;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(links.data + middle * PLAN_LINK_SIZE, link->bytes,
                           PLAN_LINK_SIZE);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static enum ts_code anchor_of(struct metaverse *mv, int64_t id,
                              sqlite3_stmt **ret_row, struct ts_err *err)
{
    static const char sql[] =
        "SELECT anchor, kind FROM metaverse WHERE id = ?1";
    return metaverse_row(mv, sql, DB_VALUES(DB_INT(id)), ret_row, err);
}

/* The links of the plan's item for `owner`; none without an item. */
static enum ts_code take_owner(struct plan *plan, int64_t owner,
                               struct ts_err *err)
{
    struct metaverse *mv = plan->engine->state.mv;
    struct plan_item item = { .links = TS_SLICE_NONE };
    sqlite3_stmt *row = NULL;
    bool found = false;
    plan->owner = 0;
    plan->links = TS_SLICE_NONE;
    ts_arena_reset(&plan->arena);
    enum ts_code code = anchor_of(mv, owner, &row, err);
    if (code == TS_OK && row != NULL) {
        struct plan_key key = {
            .id = plan->id,
            .kind = (int) db_column_int(row, 1),
            .anchor = ts_arena_copy(&plan->arena, db_column(row, 0)),
        };
        db_reset(row);
        code = plan_store_item(mv, &key, &plan->arena, &item, &found, err);
    }
    if (code == TS_OK) {
        plan->owner = owner;
        plan->links = found ? item.links : TS_SLICE_NONE;
    }
    return code;
}

/* Within a statement that reads references: what cannot be read is not in the
 * plan. */
static bool link_in_plan(void *context, int64_t owner, struct ts_slice path,
                         int64_t member, bool add)
{
    struct plan *plan = context;
    struct ts_err ignored;
    sqlite3_stmt *row = NULL;
    if (plan->owner != owner && take_owner(plan, owner, &ignored) != TS_OK) {
        return false;
    }
    if (plan->links.size == 0 ||
        anchor_of(plan->engine->state.mv, member, &row, &ignored) != TS_OK ||
        row == NULL) {
        return false;
    }
    struct plan_link link =
        plan_link_of(plan->hasher, path, db_column(row, 0), add);
    db_reset(row);
    return has_link(plan->links, &link);
}

/* A removal of somebody who is nobody's here, by his id at the target. */
static bool stranger_in_plan(void *context, int64_t owner, struct ts_slice path,
                             struct ts_slice target_id)
{
    struct plan *plan = context;
    struct ts_err ignored;
    if (plan->owner != owner && take_owner(plan, owner, &ignored) != TS_OK) {
        return false;
    }
    struct plan_link link = plan_link_of(plan->hasher, path, target_id, false);
    return has_link(plan->links, &link);
}

/* ---- in force, or not --------------------------------------------------- */

static struct plan *plan_new(struct engine_context *engine, int64_t id,
                             const char *hash)
{
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL) {
        return NULL;
    }
    plan->engine = engine;
    plan->id = id;
    (void) snprintf(plan->hash, sizeof plan->hash, "%s", hash);
    plan->hasher = ts_hasher_new();
    plan->filter =
        (struct metaverse_link_filter){ .allows = link_in_plan,
                                        .allows_stranger = stranger_in_plan,
                                        .context = plan };
    ts_arena_init(&plan->arena, ITEM_MEMORY);
    return plan;
}

void plan_free(struct plan *plan)
{
    if (plan != NULL) {
        ts_hasher_free(plan->hasher);
        ts_arena_done(&plan->arena);
        free(plan);
    }
}

const char *plan_hash(const struct plan *plan)
{
    return plan == NULL ? "" : plan->hash;
}

static void let_go(struct engine_context *engine)
{
    if (engine->state.mv != NULL) {
        engine->state.mv->link_filter = NULL;
    }
    plan_free(engine->plan);
    engine->plan = NULL;
}

static enum ts_code set_in_force(struct metaverse *mv, const char *hash,
                                 struct ts_err *err)
{
    return metaverse_set_setting(mv, "plan", ts_slice_str(hash), err);
}

/* Another configuration was taken up since: what was shown is void. */
static enum ts_code give_up(struct engine_context *engine, struct ts_err *err)
{
    let_go(engine);
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    code = set_in_force(engine->state.mv, "", err);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

enum ts_code plan_recall(struct engine_context *engine, struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    char hash[TS_HASH_TEXT_SIZE] = "";
    struct plan_row row = { .id = 0 };
    size_t size = 0;
    enum ts_code code =
        metaverse_setting(mv, "plan", hash, sizeof hash - 1, &size, err);
    if (code == TS_E_NOT_FOUND || (code == TS_OK && size == 0)) {
        let_go(engine);
        return TS_OK;
    }
    if (code == TS_OK) {
        code = plan_store_find(mv, hash, &row, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (row.id == 0 || !ts_hash_equal(row.effect, engine->effect)) {
        return give_up(engine, err);
    }
    if (engine->plan == NULL || engine->plan->id != row.id) {
        let_go(engine);
        engine->plan = plan_new(engine, row.id, hash);
    }
    if (engine->plan == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not go on with plan %s: out of memory", hash);
    }
    mv->link_filter = &engine->plan->filter;
    engine->plan->owner = 0;
    return TS_OK;
}

/* ---- an operator approves ----------------------------------------------- */

static bool is_hash(const char *text)
{
    return strlen(text) == TS_HASH_TEXT_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == TS_HASH_TEXT_SIZE - 1;
}

static enum ts_code refuse(struct ts_err *err, const char *hash,
                           const char *why)
{
    return ts_fail(err, TS_E_REFUSED, 0,
                   "cannot carry out plan \"%.*s\": %s; twinsync preview makes "
                   "a new one",
                   HASH_SHOWN, hash, why);
}

static enum ts_code check(struct engine_context *engine, const char *hash,
                          struct plan_row *ret_row, struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    int64_t approved_at = 0;
    *ret_row = (struct plan_row){ .id = 0 };
    if (mv == NULL || !is_hash(hash)) {
        return refuse(err, hash, "there is none of that name");
    }
    enum ts_code code = plan_store_find(mv, hash, ret_row, err);
    if (code == TS_OK && ret_row->id == 0) {
        code = decision_when(mv, "plan", ts_slice_str(hash), &approved_at, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (ret_row->id == 0) {
        return refuse(err, hash,
                      approved_at > 0 ? "it was approved before and is over"
                                      : "there is none of that name");
    }
    if (ret_row->at + PLAN_STORE_SECONDS <= ts_wall_seconds()) {
        return refuse(err, hash, "it was shown more than 24 hours ago");
    }
    if (!ts_hash_equal(ret_row->effect, engine->effect)) {
        return refuse(err, hash,
                      "rules, scope or target were changed since it was shown");
    }
    return TS_OK;
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text == NULL || text[0] == 0 ? otherwise : text;
}

enum ts_code plan_enforce(struct engine_context *engine,
                          const struct plan_approval *approval,
                          struct ts_err *err)
{
    struct plan_row row;
    int64_t counts[PLAN_ITEM_STATES] = { 0 };
    struct metaverse *mv = engine->state.mv;
    enum ts_code code = check(engine, approval->hash, &row, err);
    if (code == TS_OK) {
        code = plan_store_count(mv, row.id, counts, err);
    }
    if (code == TS_OK) {
        code = state_begin(&engine->state, err);
    }
    if (code != TS_OK) {
        return code;
    }
    const struct decision decision = {
        .what = "plan",
        .subject = ts_slice_str(approval->hash),
        .items = counts[PLAN_ITEM_OPEN],
        .actor = ts_slice_str(or_else(approval->actor, ACTOR_NONE)),
        .reason = ts_slice_str(or_else(approval->reason, "")),
    };
    code = set_in_force(mv, approval->hash, err);
    if (code == TS_OK) {
        code = decision_put(mv, &decision, err);
    }
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    code = state_commit(&engine->state, err);
    return code == TS_OK ? plan_recall(engine, err) : code;
}

/* ---- is it in the plan? ------------------------------------------------- */

/* An update follows from what made or took over the object; but not from a
 * creation that met somebody else's object. */
static enum ts_code follows(struct engine_context *engine,
                            const struct plan_item *item,
                            const struct intent *intent, bool *ret_follows,
                            struct ts_err *err)
{
    static const char sql[] = "SELECT provenance FROM ledger WHERE kind = ?1 "
                              "AND anchor = ?2";
    sqlite3_stmt *row = NULL;
    enum ts_code code = TS_OK;
    *ret_follows = item->verb == intent->verb;
    if (*ret_follows ||
        (intent->verb != INTENT_UPDATE && intent->verb != INTENT_PARK)) {
        return TS_OK;
    }
    *ret_follows = item->verb == INTENT_ADOPT ||
                   item->verb == INTENT_REACTIVATE ||
                   item->verb == INTENT_UPDATE || item->verb == INTENT_PARK;
    if (item->verb == INTENT_CREATE) {
        code = metaverse_row(
            engine->state.mv, sql,
            DB_VALUES(DB_INT(intent->kind), DB_TEXT(intent->anchor)), &row,
            err);
        *ret_follows = code == TS_OK && row != NULL &&
                       db_column_int(row, 0) == LEDGER_CREATED;
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

enum ts_code plan_allows(struct engine_context *engine,
                         const struct metaverse_object *object,
                         const struct intent *intent, bool *ret_allowed,
                         struct ts_err *err)
{
    struct plan *plan = engine->plan;
    struct plan_key key = { .id = plan->id,
                            .kind = intent->kind,
                            .anchor = intent->anchor };
    struct plan_item item;
    struct ts_hash content;
    struct ts_arena arena;
    bool found = false;
    *ret_allowed = false;
    ts_arena_init(&arena, ITEM_MEMORY);
    enum ts_code code =
        plan_store_item(engine->state.mv, &key, &arena, &item, &found, err);
    if (code == TS_OK && found && item.state != PLAN_ITEM_DROPPED) {
        code = follows(engine, &item, intent, ret_allowed, err);
    }
    if (code == TS_OK && *ret_allowed) {
        const struct plan_write write = { .verb = item.verb,
                                          .object = object,
                                          .target_id = intent->target_id };
        code =
            plan_content(engine->state.mv, plan->hasher, &write, &content, err);
        *ret_allowed =
            code == TS_OK &&
            ts_slice_equal(item.content,
                           ts_slice(content.bytes, sizeof content.bytes));
    }
    ts_arena_done(&arena);
    return code;
}

/* ---- what became of it -------------------------------------------------- */

enum ts_code plan_performed(struct engine_context *engine,
                            const struct intent *intent, struct ts_err *err)
{
    if (engine->plan == NULL || intent->verb == INTENT_PARK) {
        return TS_OK; /* parking is a step of the update that follows */
    }
    struct plan_key key = { .id = engine->plan->id,
                            .kind = intent->kind,
                            .anchor = intent->anchor };
    return plan_store_mark(engine->state.mv, &key, PLAN_ITEM_PERFORMED, err);
}

static enum ts_code drop_list(struct engine_context *engine,
                              const struct plan_item *items, size_t count,
                              struct ts_err *err)
{
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        struct plan_key key = { .id = engine->plan->id,
                                .kind = items[i].kind,
                                .anchor = items[i].anchor };
        code = plan_store_mark(engine->state.mv, &key, PLAN_ITEM_DROPPED, err);
    }
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

enum ts_code plan_drop(struct engine_context *engine, struct ts_err *err)
{
    struct plan_item items[DROP_CHUNK];
    struct plan_key after = { .id = engine->plan->id,
                              .kind = -1,
                              .anchor = ts_slice_str("") };
    struct ts_arena arenas[2]; /* of this list, and of the last one's end */
    size_t count = 0;
    enum ts_code code = TS_OK;
    ts_arena_init(&arenas[0], ITEM_MEMORY);
    ts_arena_init(&arenas[1], ITEM_MEMORY);
    for (int turn = 0; code == TS_OK; turn = !turn) {
        count = DROP_CHUNK;
        ts_arena_reset(&arenas[turn]);
        code = plan_store_undemanded(engine->state.mv, &after, &arenas[turn],
                                     items, &count, err);
        if (code != TS_OK || count == 0) {
            break;
        }
        after.kind = items[count - 1].kind;
        after.anchor = items[count - 1].anchor;
        code = drop_list(engine, items, count, err);
    }
    ts_arena_done(&arenas[0]);
    ts_arena_done(&arenas[1]);
    return code;
}

/* What people call it, as far as it is still known. */
static json_t *item_document(struct metaverse *mv, const struct plan_item *item,
                             struct ts_arena *arena)
{
    struct metaverse_object object = { .packed = TS_SLICE_NONE };
    struct ts_err ignored;
    int64_t id = 0;
    if (object_by_anchor(mv, item->kind, item->anchor, &id, &ignored) ==
            TS_OK &&
        id > 0 && object_get(mv, id, arena, &object, &ignored) != TS_OK) {
        object.packed = TS_SLICE_NONE;
    }
    struct ts_slice name =
        object.packed.size == 0
            ? item->anchor
            : query_packed_name(item->kind, object.packed, item->anchor, arena);
    return json_pack("{s:s, s:o, s:o, s:s}", "kind", query_kind(item->kind),
                     "anchor", query_text(item->anchor), "name",
                     query_text(name), "verb", intent_verb_name(item->verb));
}

static json_t *dropped_document(struct metaverse *mv, int64_t id)
{
    struct plan_item items[PLAN_REPORTED_MAX];
    size_t count = PLAN_REPORTED_MAX;
    struct ts_arena arena;
    struct ts_err ignored;
    json_t *list = json_array();
    ts_arena_init(&arena, ITEM_MEMORY);
    if (plan_store_dropped(mv, id, &arena, items, &count, &ignored) != TS_OK) {
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        (void) json_array_append_new(list,
                                     item_document(mv, &items[i], &arena));
    }
    ts_arena_done(&arena);
    return list;
}

static json_t *report_of(const struct plan *plan, bool done)
{
    struct metaverse *mv = plan->engine->state.mv;
    int64_t n[PLAN_ITEM_STATES] = { 0 };
    struct ts_err ignored;
    enum ts_code code = plan_store_count(mv, plan->id, n, &ignored);
    return code != TS_OK
               ? json_null()
               : json_pack("{s:s, s:b, s:I, s:I, s:I, s:o}", "hash", plan->hash,
                           "done", done, "performed",
                           (json_int_t) n[PLAN_ITEM_PERFORMED], "dropped",
                           (json_int_t) n[PLAN_ITEM_DROPPED], "left",
                           (json_int_t) n[PLAN_ITEM_OPEN], "dropped_objects",
                           dropped_document(mv, plan->id));
}

json_t *plan_report(struct engine_context *engine)
{
    if (engine->plan_report != NULL) {
        return json_incref(engine->plan_report);
    }
    return engine->plan == NULL || engine->state.mv == NULL
               ? json_null()
               : report_of(engine->plan, false);
}

static enum ts_code sweep(struct engine_context *engine, bool *ret_more,
                          struct ts_err *err)
{
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    code = plan_store_sweep(engine->state.mv, SWEEP_CHUNK, ret_more, err);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

enum ts_code plan_finish(struct engine_context *engine, struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    int64_t id = engine->plan->id;
    bool more = true;
    /* What was in doubt may have been decided anew since. */
    enum ts_code code = plan_drop(engine, err);
    json_decref(engine->plan_report);
    engine->plan_report = report_of(engine->plan, true);
    if (code == TS_OK) {
        code = state_begin(&engine->state, err);
    }
    if (code != TS_OK) {
        return code;
    }
    code = set_in_force(mv, "", err);
    if (code == TS_OK) {
        code = plan_store_remove(mv, id, err);
    }
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    code = state_commit(&engine->state, err);
    if (code == TS_OK) {
        let_go(engine);
    }
    while (code == TS_OK && more) {
        code = sweep(engine, &more, err);
    }
    return code;
}
