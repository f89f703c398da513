#include "node/engine/reanchor.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/failpoint.h"
#include "node/engine/release.h"
#include "node/engine/touch.h"
#include "node/engine/twins.h"
#include "node/metaverse/hold.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"

/* While an approval is carried out: "HOLD SEQ". */
#define SETTING "reanchor"

/* ---- proposing ------------------------------------------------------------
 */

/* Older proposals: what they were made of may have changed. */
static enum ts_code forget_older(struct metaverse *mv, struct ts_err *err)
{
    static const char sql[] = "SELECT id FROM hold WHERE class = ?1 LIMIT 1";
    enum ts_code code = TS_OK;
    for (bool more = true; code == TS_OK && more;) {
        sqlite3_stmt *row = NULL;
        code =
            metaverse_row(mv, sql, DB_VALUES(DB_INT(HOLD_REANCHOR)), &row, err);
        more = code == TS_OK && row != NULL;
        if (more) {
            int64_t id = db_column_int(row, 0);
            db_reset(row);
            code = hold_remove(mv, id, err);
        }
    }
    return code;
}

static enum ts_code begin_hold(struct engine_context *engine,
                               const struct hold_reason *reason,
                               int64_t *ret_id, struct ts_err *err)
{
    struct state *state = &engine->state;
    char text[HOLD_TEXT_MAX];
    (void) snprintf(text, sizeof text,
                    "objects that are gone and objects that came have the same "
                    "\"%.*s\": approved, each that came takes over its "
                    "predecessor's object at the target, whose externalId "
                    "changes in place",
                    TS_SLICE_ARGS(reason->detail));
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = forget_older(state->mv, err);
    if (code == TS_OK) {
        code = hold_open(state->mv, reason, text, ret_id, err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

static enum ts_code add_pair(struct metaverse *mv, int64_t hold,
                             const struct twins_pair *pair, struct ts_err *err)
{
    struct hold_item item = { .kind = pair->kind,
                              .anchor = pair->old_anchor,
                              .verb = INTENT_UPDATE,
                              .amount = 1 };
    enum ts_code code = hold_add(mv, hold, &item, err);
    if (code == TS_OK) {
        item.anchor = pair->new_anchor;
        code = hold_add(mv, hold, &item, err);
    }
    return code;
}

static enum ts_code add_pairs(struct engine_context *engine, int64_t hold,
                              const struct twins_pair *pairs, size_t count,
                              struct ts_err *err)
{
    struct state *state = &engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = add_pair(state->mv, hold, &pairs[i], err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

static enum ts_code note_list(struct engine_context *engine,
                              const struct hold *hold,
                              struct reanchor_hold *ret_hold,
                              struct ts_err *err)
{
    struct state *state = &engine->state;
    struct hold_list list = { .hash = "" };
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = release_lists_of_now(engine, err);
    if (code == TS_OK) {
        code = hold_note(state->mv, hold, &engine->effect, err);
    }
    if (code == TS_OK) {
        code = hold_last_list(state->mv, hold->id, &list, err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    (void) snprintf(ret_hold->hash, sizeof ret_hold->hash, "%s", list.hash);
    return state_commit(state, err);
}

enum ts_code reanchor_propose(struct engine_context *engine, const char *path,
                              struct reanchor_hold *ret_hold,
                              struct ts_err *err)
{
    struct twins_pair pairs[REANCHOR_CHUNK];
    struct ts_arena arena;
    struct hold hold = { .reason = { .class = HOLD_REANCHOR,
                                     .detail = ts_slice_str(path) } };
    int64_t after = 0;
    enum ts_code code = TS_OK;
    *ret_hold = (struct reanchor_hold){ .pairs = 0 };
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    for (size_t count = 1; code == TS_OK && count > 0;) {
        ts_arena_reset(&arena);
        count = REANCHOR_CHUNK;
        code = twins_pairs(engine->state.mv, after, &arena, pairs, &count, err);
        if (code == TS_OK && count > 0 && hold.id == 0) {
            hold.reason.kind = pairs[0].kind;
            code = begin_hold(engine, &hold.reason, &hold.id, err);
        }
        if (code == TS_OK && count > 0) {
            after = pairs[count - 1].number;
            ret_hold->pairs += (int64_t) count;
            code = add_pairs(engine, hold.id, pairs, count, err);
        }
    }
    ts_arena_done(&arena);
    ret_hold->id = hold.id;
    return code == TS_OK && hold.id > 0
               ? note_list(engine, &hold, ret_hold, err)
               : code;
}

/* ---- performing -----------------------------------------------------------
 */

/* One pair of an approved list. */
struct succession {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena *arena;
    struct metaverse_object old, new;
    struct target_row row; /* of the old one */
};

static enum ts_code object_of(struct succession *s,
                              const struct hold_item *item,
                              struct metaverse_object *ret_object,
                              bool *ret_settled, struct ts_err *err)
{
    int64_t id = 0;
    bool exists = false;
    bool doubt = false;
    enum ts_code code =
        object_by_anchor(s->mv, item->kind, item->anchor, &id, err);
    *ret_settled = code == TS_OK && id > 0;
    if (!*ret_settled) {
        return code;
    }
    code = object_get(s->mv, id, s->arena, ret_object, err);
    if (code == TS_OK) {
        code = intent_of(s->mv, id, &exists, &doubt, err);
    }
    *ret_settled = !doubt;
    return code;
}

/* A1. *ret_valid: they are a pair still. */
static enum ts_code check_pair(struct succession *s,
                               const struct hold_item pair[2], bool *ret_valid,
                               struct ts_err *err)
{
    struct target_row none;
    bool settled[2] = { false, false };
    bool there = false;
    bool taken = true;
    bool ours = false;
    *ret_valid = false;
    enum ts_code code = object_of(s, &pair[0], &s->old, &settled[0], err);
    if (code == TS_OK) {
        code = object_of(s, &pair[1], &s->new, &settled[1], err);
    }
    if (code != TS_OK || !settled[0] || !settled[1]) {
        return code;
    }
    code = target_row_by_metaverse(s->mv, s->old.id, s->arena, &s->row, &there,
                                   err);
    if (code == TS_OK) {
        code = target_row_by_metaverse(s->mv, s->new.id, s->arena, &none,
                                       &taken, err);
    }
    if (code == TS_OK) {
        code = ledger_has(s->mv, s->old.kind, s->old.anchor, &ours, err);
    }
    *ret_valid = there && !taken && ours && s->old.kind == s->new.kind &&
                 s->old.presence == OBJECT_GONE && s->new.presence == OBJECT_IN;
    return code;
}

/* What the target holds of the old one, it holds of the new one. */
static enum ts_code move_references(struct succession *s, struct ts_err *err)
{
    static const char owned_sql[] =
        "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
        "SELECT ?2, path, member_id, 0, 1 FROM reference WHERE owner_id = ?1 "
        "AND held = 1 ON CONFLICT DO UPDATE SET held = 1 WHERE held = 0";
    static const char member_sql[] =
        "INSERT INTO reference(owner_id, path, member_id, wanted, held) "
        "SELECT owner_id, path, ?2, 0, 1 FROM reference WHERE member_id = ?1 "
        "AND held = 1 ON CONFLICT DO UPDATE SET held = 1 WHERE held = 0";
    static const char stranger_sql[] =
        "INSERT OR IGNORE INTO stranger(owner_id, path, target_id) SELECT ?2, "
        "path, target_id FROM stranger WHERE owner_id = ?1";
    struct db_values ids = DB_VALUES(DB_INT(s->old.id), DB_INT(s->new.id));
    enum ts_code code = metaverse_run(s->mv, owned_sql, ids, err);
    if (code == TS_OK) {
        code = metaverse_run(s->mv, member_sql, ids, err);
    }
    return code == TS_OK ? metaverse_run(s->mv, stranger_sql, ids, err) : code;
}

static enum ts_code forget_decisions(struct succession *s, struct ts_err *err)
{
    static const char errors_sql[] =
        "DELETE FROM object_error WHERE kind = ?1 AND anchor = ?2";
    const struct metaverse_object *const both[] = { &s->old, &s->new };
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < 2; i++) {
        code = intent_revoke(s->mv, both[i]->id, err);
        if (code == TS_OK) {
            code = metaverse_run(
                s->mv, errors_sql,
                DB_VALUES(DB_INT(both[i]->kind), DB_TEXT(both[i]->anchor)),
                err);
        }
    }
    return code;
}

static enum ts_code succeed(struct succession *s, struct ts_err *err)
{
    enum ts_code code = forget_decisions(s, err);
    if (code == TS_OK) {
        s->row.metaverse_id = s->new.id;
        code = target_row_put(s->mv, &s->row, err);
    }
    if (code == TS_OK) {
        code = ledger_rename(s->mv, s->old.kind, s->old.anchor, s->new.anchor,
                             err);
    }
    if (code == TS_OK) {
        code = move_references(s, err);
    }
    if (code == TS_OK) {
        code = object_remove(s->mv, s->old.id, err);
    }
    return code == TS_OK ? touch_one(s->engine, s->new.id, err) : code;
}

static enum ts_code perform(struct succession *s, int64_t hold,
                            const struct hold_item pair[2],
                            struct reanchor_outcome *outcome,
                            struct ts_err *err)
{
    bool valid = false;
    enum ts_code code = check_pair(s, pair, &valid, err);
    if (code == TS_OK && valid) {
        code = succeed(s, err);
    }
    outcome->performed += valid;
    outcome->dropped += !valid;
    for (size_t i = 0; code == TS_OK && i < 2; i++) {
        code = hold_drop(s->mv, hold, pair[i].kind, pair[i].anchor, err);
    }
    return code;
}

/* The next pairs. An item whose other half is no longer there (it was taken
 * off the list) makes none. */
static enum ts_code next_chunk(struct succession *s, int64_t hold,
                               int64_t last_seq, bool *ret_more,
                               struct reanchor_outcome *outcome,
                               struct ts_err *err)
{
    struct hold_item items[2 * REANCHOR_CHUNK];
    const int64_t bounds[2] = { 0, last_seq };
    size_t count = 2 * REANCHOR_CHUNK;
    enum ts_code code =
        hold_items(s->mv, hold, bounds, s->arena, items, &count, err);
    *ret_more = code == TS_OK && count > 0;
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        bool last = i + 1 == count;
        if (!last && items[i + 1].seq == items[i].seq + 1 &&
            items[i + 1].kind == items[i].kind) {
            code = perform(s, hold, &items[i], outcome, err);
            i++;
        } else if (!last || count < 2 * REANCHOR_CHUNK) {
            outcome->dropped++; /* its other half is not the next one */
            code = hold_drop(s->mv, hold, items[i].kind, items[i].anchor, err);
        }
    }
    return code;
}

static enum ts_code finish(struct metaverse *mv, int64_t hold,
                           struct ts_err *err)
{
    int64_t left = 0;
    enum ts_code code = metaverse_set_setting(mv, SETTING, TS_SLICE_NONE, err);
    if (code == TS_OK) {
        code = hold_forget_lists(mv, hold, err);
    }
    if (code == TS_OK) {
        code = hold_count(mv, hold, &left, err);
    }
    return code == TS_OK && left == 0 ? hold_remove(mv, hold, err) : code;
}

static enum ts_code carry_out(struct engine_context *engine, int64_t hold,
                              int64_t last_seq,
                              struct reanchor_outcome *outcome,
                              struct ts_err *err)
{
    struct state *state = &engine->state;
    struct ts_arena arena;
    struct succession s = { .engine = engine,
                            .mv = state->mv,
                            .arena = &arena };
    enum ts_code code = TS_OK;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    for (bool more = true; code == TS_OK && more;) {
        ts_arena_reset(&arena);
        code = state_begin(state, err);
        if (code != TS_OK) {
            break;
        }
        code = next_chunk(&s, hold, last_seq, &more, outcome, err);
        if (code == TS_OK && !more) {
            code = finish(state->mv, hold, err);
        }
        if (code != TS_OK) {
            state_rollback(state);
            break;
        }
        code = state_commit(state, err);
        TS_FAILPOINT(REANCHOR_CHUNK);
    }
    ts_arena_done(&arena);
    return code;
}

enum ts_code reanchor_approve(struct engine_context *engine, int64_t hold_id,
                              int64_t last_seq,
                              struct reanchor_outcome *ret_outcome,
                              struct ts_err *err)
{
    struct state *state = &engine->state;
    char text[64];
    *ret_outcome = (struct reanchor_outcome){ .performed = 0 };
    (void) snprintf(text, sizeof text, "%lld %lld", (long long) hold_id,
                    (long long) last_seq);
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = metaverse_set_setting(state->mv, SETTING, ts_slice_str(text), err);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    code = state_commit(state, err); /* A2: from here on it is carried out */
    return code == TS_OK
               ? carry_out(engine, hold_id, last_seq, ret_outcome, err)
               : code;
}

enum ts_code reanchor_resume(struct engine_context *engine, struct ts_err *err)
{
    struct reanchor_outcome outcome = { .performed = 0 };
    char text[64] = "";
    size_t size = 0;
    char *next = NULL;
    enum ts_code code = metaverse_setting(engine->state.mv, SETTING, text,
                                          sizeof text - 1, &size, err);
    if (code == TS_E_NOT_FOUND || (code == TS_OK && size == 0)) {
        return TS_OK;
    }
    if (code != TS_OK) {
        return code;
    }
    text[size] = 0;
    int64_t hold = strtoll(text, &next, 10);
    return carry_out(engine, hold, strtoll(next, NULL, 10), &outcome, err);
}
