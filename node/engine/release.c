#include "node/engine/release.h"

#include "node/base/time.h"
#include "node/engine/guard.h"
#include "node/engine/orphan.h"
#include "node/engine/reanchor.h"
#include "node/engine/vanished.h"
#include "node/metaverse/approval.h"
#include "node/metaverse/decision.h"
#include "node/metaverse/object.h"
#include "node/metaverse/reference.h"
#include "node/metaverse/target_space.h"

/* Under which configuration the present lists were shown. */
#define LISTS_OF "lists-of"

struct release {
    struct engine_context *engine;
    struct metaverse *mv;
    const struct release_order *order;
    struct hold_list list;
    struct hold *hold;
    struct hold_item *items; /* that are on the list and still there */
    size_t count;
    bool pairs; /* REANCHOR: performed apart */
    struct ts_arena arena;
    struct release_outcome outcome;
};

/* ---- lists and configurations ----------------------------------------------
 */

static enum ts_code of_now(struct engine_context *engine, bool *ret_same,
                           struct ts_err *err)
{
    struct ts_hash then = { .bytes = { 0 } };
    size_t size = 0;
    enum ts_code code = metaverse_setting(
        engine->state.mv, LISTS_OF, then.bytes, sizeof then.bytes, &size, err);
    *ret_same = code == TS_OK && size == sizeof then.bytes &&
                ts_hash_equal(then, engine->effect);
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}

enum ts_code release_lists_of_now(struct engine_context *engine,
                                  struct ts_err *err)
{
    static const char sql[] = "DELETE FROM hold_list";
    bool same = false;
    enum ts_code code = of_now(engine, &same, err);
    if (code != TS_OK || same) {
        return code;
    }
    code = metaverse_run(engine->state.mv, sql, DB_NO_VALUES, err);
    return code == TS_OK
               ? metaverse_set_setting(engine->state.mv, LISTS_OF,
                                       ts_slice(engine->effect.bytes,
                                                sizeof engine->effect.bytes),
                                       err)
               : code;
}

/* ---- finding ---------------------------------------------------------------
 */

static const char *doing(const struct release *r)
{
    return r->order->reject ? "reject" : "approve";
}

static enum ts_code find_list(struct release *r, struct ts_err *err)
{
    bool same = false;
    size_t holds = 0;
    enum ts_code code = hold_list_of(r->mv, r->order->hash, &r->list, err);
    if (code == TS_E_NOT_FOUND) {
        ts_err_wrap(err, "could not %s \"%.*s\"", doing(r),
                    r->order->hash.size > 12 ? 12 : (int) r->order->hash.size,
                    (const char *) r->order->hash.data);
        return code;
    }
    if (code == TS_OK) {
        code = of_now(r->engine, &same, err);
    }
    if (code == TS_OK && !same) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot %s \"%.12s\": the configuration has changed "
                       "since that list was shown; run twinsync sync, then "
                       "look at twinsync hold list",
                       doing(r), r->list.hash);
    }
    if (code == TS_OK) {
        code =
            hold_all(r->mv, r->list.hold_id, &r->arena, &r->hold, &holds, err);
    }
    if (code == TS_OK && holds != 1) {
        code =
            ts_fail(err, TS_E_CORRUPT, 0,
                    "cannot %s \"%.12s\": its hold is missing; restore \"%s\" "
                    "from a backup",
                    doing(r), r->list.hash, r->mv->db.path);
    }
    return code;
}

static enum ts_code find_items(struct release *r, struct ts_err *err)
{
    const int64_t listed[2] = { 0, r->list.last_seq };
    int64_t items = 0;
    enum ts_code code = hold_count(r->mv, r->hold->id, &items, err);
    if (code != TS_OK) {
        return code;
    }
    r->count = (size_t) items;
    r->items = ts_arena_array(&r->arena, r->count, sizeof *r->items);
    if (r->items == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not %s \"%.12s\": it names too many objects",
                       doing(r), r->list.hash);
    }
    return hold_items(r->mv, r->hold->id, listed, &r->arena, r->items,
                      &r->count, err);
}

/* The id that the object has at the target, or "". */
static enum ts_code target_id_of(struct release *r,
                                 const struct hold_item *item,
                                 struct ts_slice *ret_id, struct ts_err *err)
{
    static const char sql[] =
        "SELECT target_id FROM ledger WHERE kind = ?1 AND anchor = ?2";
    sqlite3_stmt *row = NULL;
    *ret_id = ts_slice_str("");
    enum ts_code code = metaverse_row(
        r->mv, sql, DB_VALUES(DB_INT(item->kind), DB_TEXT(item->anchor)), &row,
        err);
    if (code == TS_OK && row != NULL) {
        *ret_id = ts_arena_copy(&r->arena, db_column(row, 0));
        db_reset(row);
    }
    return code;
}

static bool named(const struct release_order *order, struct ts_slice text,
                  bool *seen)
{
    bool found = false;
    for (size_t i = 0; text.size > 0 && i < order->only_count; i++) {
        if (ts_slice_equal(order->only[i], text)) {
            seen[i] = true;
            found = true;
        }
    }
    return found;
}

/* Leave only what is named; a name that is not on the list is an error. */
static enum ts_code choose(struct release *r, struct ts_err *err)
{
    const struct release_order *order = r->order;
    size_t kept = 0;
    bool *seen = ts_arena_array(&r->arena, order->only_count, sizeof *seen);
    enum ts_code code =
        seen == NULL ? ts_fail(err, TS_E_NOMEM, 0, "could not %s", doing(r))
                     : TS_OK;
    for (size_t i = 0; code == TS_OK && i < r->count; i++) {
        struct ts_slice id = TS_SLICE_NONE;
        code = target_id_of(r, &r->items[i], &id, err);
        bool by_anchor = named(order, r->items[i].anchor, seen);
        if (code == TS_OK && (named(order, id, seen) || by_anchor)) {
            r->items[kept++] = r->items[i];
        }
    }
    for (size_t i = 0; code == TS_OK && i < order->only_count; i++) {
        if (!seen[i]) {
            code = ts_fail(
                err, TS_E_NOT_FOUND, 0,
                "could not %s \"%.*s\": neither an anchor nor a "
                "target id on that list is so; nothing was decided",
                doing(r),
                order->only[i].size > 200 ? 200 : (int) order->only[i].size,
                (const char *) order->only[i].data);
        }
    }
    r->count = kept;
    return code;
}

/* ---- refusing --------------------------------------------------------------
 */

static bool leaves(const struct hold_item *item)
{
    return item->verb == INTENT_DELETE || item->verb == INTENT_DEACTIVATE;
}

static enum ts_code refuse(const struct release *r, struct ts_err *err)
{
    enum hold_class class = r->hold->reason.class;
    if (!r->order->reject && class == HOLD_ORPHANS && r->order->only == NULL) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot approve orphans without naming them, because "
                       "other systems may have made them: add --only with "
                       "their anchors or target ids");
    }
    if (!r->order->reject && class == HOLD_REANCHOR && r->order->only != NULL) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot approve some of \"%.12s\": anchors change in "
                       "pairs, all of the list or none",
                       r->list.hash);
    }
    for (size_t i = 0; r->order->reject && i < r->count; i++) {
        if (class != HOLD_ORPHANS && class != HOLD_REANCHOR &&
            !leaves(&r->items[i])) {
            return ts_fail(
                err, TS_E_REFUSED, 0,
                "cannot reject \"%.12s\": its objects stay in the "
                "scope and would be held again; put it right at the "
                "source or in the rules, and the hold goes by itself",
                r->list.hash);
        }
    }
    return TS_OK;
}

/* ---- deciding --------------------------------------------------------------
 */

static enum ts_code approve_one(struct release *r, const struct hold_item *item,
                                struct ts_err *err)
{
    enum hold_class class = r->hold->reason.class;
    const struct approval approval = { .kind = item->kind,
                                       .anchor = item->anchor,
                                       .verb = item->verb,
                                       .class = class,
                                       .amount = item->amount,
                                       .expires_at = ts_wall_seconds() +
                                                     HOLD_APPROVED_S };
    enum ts_code code = approval_put(r->mv, &approval, err);
    if (code == TS_OK && class == HOLD_ORPHANS) {
        code = orphan_release(r->engine, item->kind, item->anchor, err);
    }
    return code;
}

/* Nobody here speaks for it any more; the target keeps it as it is. */
static enum ts_code disown(struct release *r, const struct hold_item *item,
                           struct ts_err *err)
{
    struct metaverse_object object = { .presence = OBJECT_IN };
    struct ts_slice target_id = TS_SLICE_NONE;
    int64_t id = 0;
    enum ts_code code = target_id_of(r, item, &target_id, err);
    if (code == TS_OK) {
        code = object_by_anchor(r->mv, item->kind, item->anchor, &id, err);
    }
    if (code == TS_OK && id > 0) {
        code = object_get(r->mv, id, &r->arena, &object, err);
    }
    if (code == TS_OK) {
        code = ledger_remove(r->mv, item->kind, item->anchor, err);
    }
    if (code == TS_OK) {
        code = target_row_disown(r->mv, target_id, err);
    }
    if (code == TS_OK && id > 0) {
        code = intent_revoke(r->mv, id, err);
    }
    if (code == TS_OK && id > 0) {
        code = reference_owner_gone(r->mv, id, err);
    }
    if (code == TS_OK && object.presence == OBJECT_GONE) {
        code = object_remove(r->mv, id, err);
    }
    return code == TS_OK ? approval_clear(r->mv, item->kind, item->anchor, err)
                         : code;
}

static enum ts_code reject_one(struct release *r, const struct hold_item *item,
                               struct ts_err *err)
{
    if (r->hold->reason.class == HOLD_REANCHOR) {
        return TS_OK; /* nothing is changed */
    }
    return disown(r, item, err);
}

static enum ts_code decide_one(struct release *r, const struct hold_item *item,
                               struct ts_err *err)
{
    const struct hold_reason *reason = &r->hold->reason;
    enum ts_code code = TS_OK;
    if (reason->class == HOLD_ATTRIBUTE_VANISHED) {
        code = vanished_decided(r->engine, item, reason->detail, err);
    }
    if (code == TS_OK) {
        code = r->order->reject ? reject_one(r, item, err)
                                : approve_one(r, item, err);
    }
    if (code != TS_OK) {
        return code;
    }
    /* Rejected is rejected in every hold. */
    return r->order->reject && reason->class != HOLD_REANCHOR
               ? hold_drop_object(r->mv, item->kind, item->anchor, err)
               : hold_drop(r->mv, r->hold->id, item->kind, item->anchor, err);
}

/* What is left is another list: somebody has to look at it anew. */
static enum ts_code leave_rest(struct release *r, struct ts_err *err)
{
    bool open = false;
    enum ts_code code = hold_count(r->mv, r->hold->id, &r->outcome.left, err);
    if (code == TS_OK) {
        code = hold_forget_lists(r->mv, r->hold->id, err);
    }
    if (code == TS_OK && r->outcome.left > 0) {
        code = guard_say(r->engine, r->hold, err);
    }
    if (code == TS_OK && r->outcome.left > 0) {
        code = hold_note(r->mv, r->hold, &r->engine->effect, err);
    }
    return code == TS_OK ? hold_sweep(r->mv, &open, err) : code;
}

static enum ts_code decide_all(struct release *r, struct ts_err *err)
{
    const struct release_order *order = r->order;
    int64_t there = 0;
    enum ts_code code = find_list(r, err);
    if (code == TS_OK) {
        code = find_items(r, err);
        there = (int64_t) r->count;
    }
    if (code == TS_OK && order->only != NULL) {
        code = choose(r, err);
    }
    if (code == TS_OK) {
        code = refuse(r, err);
    }
    r->pairs = code == TS_OK && !order->reject &&
               r->hold->reason.class == HOLD_REANCHOR;
    for (size_t i = 0; code == TS_OK && !r->pairs && i < r->count; i++) {
        code = decide_one(r, &r->items[i], err);
    }
    if (code != TS_OK) {
        return code;
    }
    r->outcome.class = r->hold->reason.class;
    r->outcome.decided = (int64_t) r->count;
    r->outcome.dropped = r->list.items - there;
    const struct decision decision = { .what = doing(r),
                                       .subject = order->hash,
                                       .items = r->outcome.decided,
                                       .actor = order->who,
                                       .reason = order->reason };
    code = decision_put(r->mv, &decision, err);
    return code == TS_OK && !r->pairs ? leave_rest(r, err) : code;
}

/* Pairs are performed at once, each in a transaction of its own. */
static enum ts_code perform_pairs(struct release *r, struct ts_err *err)
{
    struct state *state = &r->engine->state;
    struct reanchor_outcome done = { .performed = 0 };
    enum ts_code code = reanchor_approve(r->engine, r->list.hold_id,
                                         r->list.last_seq, &done, err);
    r->outcome.decided = done.performed;
    r->outcome.dropped = done.dropped;
    if (code == TS_OK) {
        code = state_begin(state, err);
    }
    if (code != TS_OK) {
        return code;
    }
    code = leave_rest(r, err);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

enum ts_code release_decide(struct engine_context *engine,
                            const struct release_order *order,
                            struct release_outcome *ret_outcome,
                            struct ts_err *err)
{
    struct release r = { .engine = engine,
                         .mv = engine->state.mv,
                         .order = order };
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    ts_arena_init(&r.arena, ENGINE_OBJECT_MEMORY);
    code = decide_all(&r, err);
    if (code == TS_OK) {
        code = state_commit(&engine->state, err);
    } else {
        state_rollback(&engine->state);
    }
    if (code == TS_OK && r.pairs) {
        code = perform_pairs(&r, err);
    }
    ts_arena_done(&r.arena);
    *ret_outcome = r.outcome;
    return code;
}
