/*
 * preview: what the next cycle would write, from the intents that were decided.
 *
 * Works through the objects in order of kind and anchor, not of decisions, so
 * that the same plan has the same hash however it came about. Objects beyond
 * the limits are still counted, hashed and stored, only not listed.
 *
 * An addition of somebody who is yet to be created has no intent: it is decided
 * when the target has given him an id. It is part of the plan all the same.
 * What an open hold keeps back is not: it is released by an approval.
 */
#include "node/engine/query/queries.h"

#include <assert.h>
#include <stdlib.h>

#include "node/engine/plan_draft.h"
#include "node/engine/query/common.h"
#include "node/engine/query/preview.h"

#define LISTED_MAX 10000
#define WEIGHT_MAX ((size_t) 32 * 1024 * 1024) /* of what is listed */
#define BREATHE    512                         /* objects */

enum ts_code preview_too_large(struct ts_err *err)
{
    return ts_fail(err, TS_E_NOMEM, 0,
                   "could not work out the plan: out of memory");
}

/* ---- which objects ------------------------------------------------------ */

static bool add_id(struct preview *preview, int64_t id)
{
    if (preview->count == preview->room) {
        size_t room = preview->room * 2 + 1024;
        int64_t *ids = realloc(preview->ids, room * sizeof *ids);
        if (ids == NULL) {
            return false;
        }
        preview->ids = ids;
        preview->room = room;
    }
    preview->ids[preview->count++] = id;
    return true;
}

static enum ts_code read_ids(struct preview *preview, struct ts_err *err)
{
    static const char sql[] =
        "SELECT metaverse_id, kind, anchor FROM intent WHERE batch = 0 "
        "AND clearance <> 3 "
        "UNION ALL SELECT DISTINCT o.id, o.kind, o.anchor FROM reference r "
        "JOIN metaverse o ON o.id = r.owner_id AND o.presence = 0 "
        "JOIN target_object t ON t.metaverse_id = r.owner_id "
        "JOIN intent n ON n.metaverse_id = r.member_id AND n.verb IN (0, 5) "
        "WHERE (r.wanted > 0) <> r.held AND r.wanted > 0 AND NOT EXISTS "
        "(SELECT 1 FROM intent i WHERE i.metaverse_id = r.owner_id) "
        "ORDER BY 2, 3";
    _Static_assert(INTENT_CREATE == 0 && INTENT_ADOPT == 5 && INTENT_HELD == 3,
                   "the statement has their numbers");
    sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        metaverse_query(preview->mv, sql, DB_NO_VALUES, &stmt, err);
    while (db_next(&preview->mv->db, stmt, &code, err)) {
        if (!add_id(preview, db_column_int(stmt, 0))) {
            db_reset(stmt);
            code = preview_too_large(err);
        }
    }
    return code;
}

static enum ts_code load(struct preview *preview, int64_t id,
                         struct preview_part *part, bool *ret_exists,
                         struct ts_err *err)
{
    static const char sql[] = "SELECT verb, target_id FROM intent "
                              "WHERE metaverse_id = ?1 AND batch = 0";
    sqlite3_stmt *row = NULL;
    *part = (struct preview_part){ .verb = INTENT_UPDATE };
    *ret_exists = true;
    enum ts_code code =
        metaverse_row(preview->mv, sql, DB_VALUES(DB_INT(id)), &row, err);
    if (code == TS_OK && row != NULL) {
        part->verb = (enum intent_verb) db_column_int(row, 0);
        part->target_id = ts_arena_copy(&preview->arena, db_column(row, 1));
        part->decided = true;
        db_reset(row);
        if (part->target_id.data == NULL) {
            return preview_too_large(err);
        }
    }
    if (code == TS_OK) {
        code = object_get(preview->mv, id, &preview->arena, &part->object, err);
    }
    if (code == TS_E_NOT_FOUND) {
        *ret_exists = false; /* gone since the list was read */
        return TS_OK;
    }
    return code;
}

/* ---- one object --------------------------------------------------------- */

static bool leaves(const struct preview_part *part)
{
    return part->verb == INTENT_DELETE || part->verb == INTENT_DEACTIVATE;
}

static void count_part(struct preview *preview, const struct preview_part *part)
{
    static const enum preview_count counted[INTENT_VERBS] = {
        [INTENT_CREATE] = PREVIEW_CREATE,
        [INTENT_UPDATE] = PREVIEW_UPDATE,
        [INTENT_DEACTIVATE] = PREVIEW_DEACTIVATE,
        [INTENT_REACTIVATE] = PREVIEW_UPDATE,
        [INTENT_PARK] = PREVIEW_UPDATE,
        [INTENT_DELETE] = PREVIEW_DELETE,
        [INTENT_ADOPT] = PREVIEW_ADOPT,
    };
    assert(part->verb < INTENT_VERBS);
    preview->counts[counted[part->verb]]++;
    if (part->verb == INTENT_ADOPT) {
        preview->counts[preview_matches_hard(part) ? PREVIEW_HARD
                                                   : PREVIEW_SOFT]++;
    }
}

static enum ts_code hash_part(struct preview *preview,
                              const struct preview_part *part,
                              struct ts_hash *ret_content, struct ts_err *err)
{
    uint8_t head[2] = { (uint8_t) part->object.kind, (uint8_t) part->verb };
    const struct plan_write write = { .verb = part->verb,
                                      .object = &part->object,
                                      .target_id = part->target_id };
    enum ts_code code =
        plan_content(preview->mv, preview->small, &write, ret_content, err);
    ts_hasher_add(preview->hasher, ts_slice(head, sizeof head));
    ts_hasher_add_field(preview->hasher, part->object.anchor);
    ts_hasher_add(preview->hasher, ts_slice(ret_content->bytes, TS_HASH_SIZE));
    return code;
}

static void list_part(struct preview *preview, struct preview_part *part)
{
    if (part->document == NULL) {
        preview->cut = true;
        return;
    }
    preview->weight += query_weight(part->document);
    (void) json_array_append_new(preview->objects, part->document);
    part->document = NULL;
}

static int by_bytes(const void *one, const void *other)
{
    return memcmp(one, other, sizeof(struct plan_link));
}

static enum ts_code draft_part(struct preview *preview,
                               struct preview_part *part,
                               const struct ts_hash *content,
                               struct ts_err *err)
{
    const struct plan_item item = {
        .kind = part->object.kind,
        .anchor = part->object.anchor,
        .verb = part->verb,
        .content = ts_slice(content->bytes, sizeof content->bytes),
        .links = ts_slice(part->link_count == 0 ? "" : (void *) part->links,
                          part->link_count * sizeof part->links[0]),
    };
    if (part->link_count > 1) {
        qsort(part->links, part->link_count, sizeof part->links[0], by_bytes);
    }
    return plan_draft_add(preview->engine, &item, err);
}

static enum ts_code plan_one(struct preview *preview, int64_t id,
                             struct ts_err *err)
{
    struct preview_part part;
    struct ts_hash content;
    bool exists = false;
    enum ts_code code = load(preview, id, &part, &exists, err);
    if (code == TS_OK && exists) {
        code = preview_load_row(preview, &part, err);
    }
    if (code != TS_OK || !exists) {
        return code;
    }
    if (json_array_size(preview->objects) < LISTED_MAX &&
        preview->weight < WEIGHT_MAX) {
        code = preview_describe(preview, &part, err);
    }
    if (code == TS_OK) {
        code = hash_part(preview, &part, &content, err);
    }
    count_part(preview, &part);
    if (code == TS_OK && !leaves(&part)) {
        code = preview_take_links(preview, &part, err);
    }
    if (code == TS_OK) {
        list_part(preview, &part);
        code = draft_part(preview, &part, &content, err);
    }
    json_decref(part.document);
    return code;
}

static enum ts_code plan_all(struct preview *preview, struct ts_err *err)
{
    enum ts_code code = plan_draft_begin(preview->engine, err);
    if (code == TS_OK) {
        code = read_ids(preview, err);
    }
    for (size_t i = 0; code == TS_OK && i < preview->count; i++) {
        ts_arena_reset(&preview->arena);
        code = plan_one(preview, preview->ids[i], err);
        if (i % BREATHE == BREATHE - 1) {
            preview->engine->breathe(preview->engine->owner, ENGINE_COMPARE, i,
                                     preview->count);
        }
        if (code == TS_OK && atomic_load(&preview->engine->stopping)) {
            code = ts_fail(err, TS_E_CANCELLED, 0, "the preview was stopped");
        }
    }
    return code;
}

/* ---- the answer --------------------------------------------------------- */

static json_t *counts_document(const struct preview *preview)
{
    const int64_t *n = preview->counts;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "create",
                     (json_int_t) n[PREVIEW_CREATE], "update",
                     (json_int_t) n[PREVIEW_UPDATE], "deactivate",
                     (json_int_t) n[PREVIEW_DEACTIVATE], "delete",
                     (json_int_t) n[PREVIEW_DELETE], "adopt",
                     (json_int_t) n[PREVIEW_ADOPT], "members",
                     (json_int_t) n[PREVIEW_MEMBERS]);
}

static json_t *preview_document(const struct preview *preview, const char *hash,
                                const struct staging_view *staging)
{
    const int64_t *n = preview->counts;
    return json_pack("{s:s, s:o, s:{s:I, s:I}, s:b, s:O, s:o}", "hash", hash,
                     "counts", counts_document(preview), "matched", "hard",
                     (json_int_t) n[PREVIEW_HARD], "soft",
                     (json_int_t) n[PREVIEW_SOFT], "cut", preview->cut,
                     "objects", preview->objects, "staging",
                     staging_document(staging));
}

static enum ts_code answer(struct engine *engine, struct preview *preview,
                           const char *held, json_t **ret_document,
                           struct ts_err *err)
{
    char hash[TS_HASH_TEXT_SIZE];
    struct staging_view staging;
    struct intent_counts intents = { .due = 0 };
    ts_hash_text(ts_hasher_end(preview->hasher), hash);
    enum ts_code code = plan_draft_keep(preview->engine, hash, err);
    if (code == TS_OK) {
        code = intent_count(preview->mv, &intents, err);
    }
    if (code == TS_OK) {
        code = staging_view(preview->engine, &staging, err);
    }
    if (code != TS_OK) {
        return code;
    }
    json_t *document = preview_document(preview, hash, &staging);
    (void) json_object_set_new(document, "in_doubt",
                               json_integer((json_int_t) intents.doubt));
    (void) json_object_set_new(document, "held",
                               held == NULL ? json_null() : json_string(held));
    engine_lock(engine);
    (void) json_object_set_new(document, "cycle",
                               snapshot_cycle(&engine->snapshot));
    engine_unlock(engine);
    code = preview_add_rest(preview->mv, document, err);
    if (code != TS_OK) {
        json_decref(document);
        return code;
    }
    *ret_document = document;
    return TS_OK;
}

void query_preview(struct engine *engine, const struct cycle_outcome *cycle,
                   struct request *request)
{
    struct preview preview = { .engine = &engine->context,
                               .mv = engine->context.state.mv,
                               .hasher = ts_hasher_new(),
                               .small = ts_hasher_new(),
                               .objects = json_array() };
    const char *held =
        cycle->hold == CYCLE_HOLD_MISSING ? cycle->err.text : NULL;
    json_t *document = NULL;
    struct ts_err err;
    ts_arena_init(&preview.arena, ENGINE_OBJECT_MEMORY);
    ts_hasher_begin(preview.hasher);
    engine->in_a_cycle = true; /* nothing is decided meanwhile */
    enum ts_code code = plan_all(&preview, &err);
    if (code == TS_OK) {
        code = answer(engine, &preview, held, &document, &err);
    }
    engine->in_a_cycle = false;
    engine->context.breathe(engine->context.owner, ENGINE_IDLE, 0, 0);
    if (code == TS_OK) {
        request_finish(request, 0, document, NULL);
    } else {
        request_fail(request, &err);
    }
    json_decref(preview.objects);
    ts_hasher_free(preview.hasher);
    ts_hasher_free(preview.small);
    ts_arena_done(&preview.arena);
    free(preview.ids);
}
