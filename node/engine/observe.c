#include "node/engine/observe.h"
#include "node/base/time.h"
#include "node/metaverse/object.h"

#include "node/engine/contest.h"
#include "node/engine/foreign.h"
#include "node/engine/match.h"
#include "node/engine/members.h"
#include "node/engine/referrers.h"
#include "node/metaverse/stranger.h"
#include "proto/entry_codec.h"

enum ts_code observe_adopter(struct metaverse *mv, struct ts_slice target_id,
                             int64_t *ret_adopter, struct ts_err *err)
{
    static const char sql[] =
        "SELECT metaverse_id FROM intent WHERE target_id = ?1 AND verb = 5";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_TEXT(target_id)), &row, err);
    if (code == TS_OK) {
        *ret_adopter = row == NULL ? 0 : db_column_int(row, 0);
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

enum ts_code observe_member(struct metaverse *mv, struct ts_slice target_id,
                            int64_t *ret_member, struct ts_err *err)
{
    static const char sql[] =
        "SELECT metaverse_id FROM target_object WHERE target_id = ?1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_TEXT(target_id)), &row, err);
    if (code == TS_OK) {
        *ret_member = row == NULL ? 0 : db_column_int(row, 0);
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

static bool shown_active(const struct target_object *object)
{
    const struct ts_attribute *active =
        ts_entry_find(&object->values, ts_slice_str(TARGET_ACTIVE_PATH));
    return active == NULL || active->value_count != 1 ||
           !ts_slice_equal(active->values[0], ts_slice_str("false"));
}

/* Shown switched off after it left: that was us, although the answer was lost.
 * Shown active: it is not switched off by anybody. */
static enum ts_code note_switch(struct metaverse *mv,
                                const struct target_row *row,
                                const struct metaverse_object *ours,
                                struct ts_err *err)
{
    int64_t since = 0;
    if (row->active) {
        return target_row_set_inactive(mv, ours->id, 0, err);
    }
    enum ts_code code = target_row_inactive_since(mv, ours->id, &since, err);
    return code == TS_OK && since == 0 && ours->presence != OBJECT_IN
               ? target_row_set_inactive(mv, ours->id, ts_wall_seconds(), err)
               : code;
}

enum ts_code observe_ours(struct engine_context *engine, int64_t metaverse_id,
                          const struct target_object *object,
                          enum ledger_provenance provenance, struct ts_err *err)
{
    struct ts_arena arena;
    struct metaverse_object ours;
    struct ts_slice packed = TS_SLICE_NONE;
    ts_arena_init(&arena, EXPORTER_OP_MEMORY);
    int64_t before = 0;
    enum ts_code code =
        object_get(engine->state.mv, metaverse_id, &arena, &ours, err);
    if (code == TS_OK) {
        code = entry_pack(&object->values, &arena, &packed, err);
    }
    if (code == TS_OK) {
        code = observe_member(engine->state.mv, object->id, &before, err);
    }
    if (code == TS_OK) {
        struct target_row row = {
            .target_id = object->id,
            .kind = (int) object->kind,
            .anchor = object->anchor,
            .etag = object->etag,
            .metaverse_id = metaverse_id,
            .active = shown_active(object),
            .sent = packed,
            .seen = packed,
            .created = object->created,
        };
        code = target_row_put(engine->state.mv, &row, err);
        if (code == TS_OK) {
            code = note_switch(engine->state.mv, &row, &ours, err);
        }
    }
    if (code == TS_OK) {
        code = ledger_put(engine->state.mv, ours.kind, ours.anchor, object->id,
                          provenance, err);
    }
    /* Whoever was in it before it became ours stays, until somebody says. */
    if (code == TS_OK && provenance == LEDGER_ADOPTED &&
        before != metaverse_id && ours.kind == CONFIG_KIND_GROUP) {
        code = stranger_set_policy(engine->state.mv, metaverse_id,
                                   STRANGERS_STAY, err);
    }
    if (code == TS_OK && before != metaverse_id) {
        code = referrers_release(engine, metaverse_id, err);
    }
    if (code == TS_OK) {
        code = members_observe(engine, metaverse_id, object, err);
    }
    ts_arena_done(&arena);
    return code;
}

/* Is nothing new of it? Most of what a reading shows is as it was. */
static bool same_row(const struct target_row *a, const struct target_row *b)
{
    return a->active == b->active && ts_slice_equal(a->etag, b->etag) &&
           ts_slice_equal(a->anchor, b->anchor) &&
           ts_slice_equal(a->created, b->created) && a->seen.data != NULL &&
           ts_slice_equal(a->seen, b->seen) && ts_slice_equal(a->sent, b->sent);
}

enum ts_code observe_again(struct engine_context *engine,
                           const struct target_row *row,
                           const struct target_object *object,
                           struct ts_arena *arena,
                           struct observed *ret_observed, struct ts_err *err)
{
    bool *edited = &ret_observed->edited;
    struct target_row now = *row;
    struct ts_slice packed = TS_SLICE_NONE;
    enum ts_code code = entry_pack(&object->values, arena, &packed, err);
    *ret_observed = (struct observed){ .edited = false };
    /* Not known how it looked after our write: this reading tells. */
    bool differs = row->seen.data != NULL && !ts_slice_equal(row->seen, packed);
    bool reported = row->seen.data != NULL && engine->reports_left;
    if (code == TS_OK && (differs || reported)) {
        code = foreign_judge(engine, row, &object->values, arena, &now.sent,
                             edited, err);
    }
    if (code == TS_OK) {
        code = foreign_switched_on(engine, &now, &object->values, edited, err);
    }
    if (code != TS_OK) {
        return code;
    }
    now.seen = packed;
    now.etag = object->etag;
    now.created = object->created;
    if (object->anchor.size > 0) {
        now.anchor = object->anchor; /* else the target does not show it */
    }
    if (!same_row(row, &now)) {
        code = target_row_put(engine->state.mv, &now, err);
    }
    if (code != TS_OK) {
        return code;
    }
    sqlite3 *handle = engine->state.mv->db.handle;
    int64_t before = sqlite3_total_changes64(handle);
    code = members_observe(engine, row->metaverse_id, object, err);
    ret_observed->links = sqlite3_total_changes64(handle) != before;
    return code;
}

/* Would it be matched as before? */
static bool same_candidate(const struct target_row *a,
                           const struct target_row *b)
{
    return a->kind == b->kind && a->shielded == b->shielded &&
           ts_slice_equal(a->anchor, b->anchor) &&
           ts_slice_equal(a->match_value, b->match_value);
}

/* Who contends for it, as it was or as it is, is looked at again. */
static enum ts_code stir(struct engine_context *engine,
                         const struct target_row *before,
                         const struct target_row *now, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    if (before != NULL && same_candidate(before, now)) {
        return TS_OK;
    }
    if (before != NULL) {
        code = contest_stir(engine, before, err);
    }
    return code == TS_OK ? contest_stir(engine, now, err) : code;
}

enum ts_code observe_foreign(struct engine_context *engine,
                             const struct target_object *object,
                             const struct target_row *before,
                             struct ts_arena *arena, struct ts_err *err)
{
    struct ts_slice packed = TS_SLICE_NONE;
    struct ts_slice match_value = TS_SLICE_NONE;
    enum ts_code code = entry_pack(&object->values, arena, &packed, err);
    if (code == TS_OK) {
        code = match_value_of(engine, object->kind, &object->values, arena,
                              &match_value, err);
    }
    if (code != TS_OK) {
        return code;
    }
    struct target_row row = {
        .target_id = object->id,
        .kind = (int) object->kind,
        .anchor = object->anchor,
        .match_value = match_value,
        .etag = object->etag,
        .active = true,
        .seen = packed,
        .created = object->created,
        .shielded = object->shielded || match_is_never(engine, match_value),
    };
    engine->free_objects = true;
    code = target_row_put(engine->state.mv, &row, err);
    return code == TS_OK ? stir(engine, before, &row, err) : code;
}

enum ts_code observe_gone(struct engine_context *engine,
                          struct ts_slice target_id, int64_t metaverse_id,
                          struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    enum ts_code code = target_row_remove(mv, target_id, err);
    if (code == TS_OK && metaverse_id > 0) {
        code = referrers_release(engine, metaverse_id, err);
    }
    if (code == TS_OK && metaverse_id > 0) {
        code = referrers_left_behind(engine, metaverse_id, target_id, err);
    }
    if (code == TS_OK && metaverse_id > 0) {
        code = reference_member_gone(mv, metaverse_id, err);
    }
    if (code == TS_OK && metaverse_id > 0) {
        code = reference_owner_gone(mv, metaverse_id, err);
    }
    return code;
}
