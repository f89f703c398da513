#include "node/engine/settle.h"

#include <stdio.h>

#include "node/base/rule.h"

#include "node/engine/compare.h"
#include "node/engine/foreign.h"
#include "node/engine/guard.h"
#include "node/engine/match.h"
#include "node/engine/observe.h"
#include "node/engine/plan.h"
#include "node/engine/referrers.h"
#include "node/engine/unique.h"
#include "node/metaverse/problem.h"
#include "node/metaverse/stranger.h"
#include "proto/entry_codec.h"

struct settlement {
    struct engine_context *engine;
    struct metaverse *mv;
    const struct export_op *op;
    struct ts_slice sent; /* what the target row will say was sent */
    struct ts_arena arena;
};

static enum ts_code decide_anew(struct settlement *s, struct ts_err *err)
{
    enum ts_code code = intent_drop(s->mv, s->op->intent.id, err);
    return code == TS_OK ? compare_one(s->engine, s->op->intent.metaverse_id,
                                       &s->arena, err)
                         : code;
}

static enum ts_code clear_problems(struct settlement *s, struct ts_err *err)
{
    const struct intent *intent = &s->op->intent;
    enum ts_code told = foreign_written(s->engine, intent->kind, intent->anchor,
                                        &s->op->op.set, err);
    if (told == TS_OK && intent->verb == INTENT_DELETE) {
        told =
            problem_clear(s->mv, intent->kind, intent->anchor, "foreign", err);
    }
    if (told != TS_OK) {
        return told;
    }
    enum ts_code code =
        problem_clear(s->mv, intent->kind, intent->anchor, "export", err);
    return code == TS_OK ? problem_clear(s->mv, intent->kind, intent->anchor,
                                         "match", err)
                         : code;
}

static enum ts_code note(struct settlement *s, int64_t retry_at,
                         struct ts_err *err)
{
    const struct export_op *op = s->op;
    struct problem problem = {
        .kind = op->intent.kind,
        .anchor = op->intent.anchor,
        .stage = "export",
        .path = ts_slice_str(op->reason != NULL ? op->fault : op->attribute),
        .text = ts_slice_str(op->reason != NULL ? op->reason : op->text),
        .after = op->intent.after,
        .retry_at = retry_at,
    };
    s->engine->problems_known = true;
    enum ts_code code = problem_set(s->mv, &problem, err);
    return code == TS_OK ? intent_drop(s->mv, op->intent.id, err) : code;
}

/* Somebody whom we do not know has a value of `values`: the path that it is on
 * stays as it is, all else goes on. */
static enum ts_code taken(struct settlement *s, const struct ts_entry *values,
                          int64_t retry_at, struct ts_err *err)
{
    const struct export_op *op = s->op;
    bool quarantined = false;
    const struct unique_refusal refusal = {
        .kind = op->intent.kind,
        .anchor = op->intent.anchor,
        .values = values,
        .attribute =
            ts_slice_str(op->reason != NULL ? op->fault : op->attribute),
        .text = ts_slice_str(op->reason != NULL ? op->reason : op->text),
    };
    enum ts_code code = unique_refused(s->engine, &refusal, &quarantined, err);
    if (code != TS_OK) {
        return code;
    }
    return quarantined ? decide_anew(s, err) : note(s, retry_at, err);
}

/* The same of a creation, after a look that found nobody who is ours. */
static enum ts_code taken_before(struct settlement *s, struct ts_err *err)
{
    struct metaverse_object object;
    struct ts_entry wanted;
    enum ts_code code =
        object_get(s->mv, s->op->intent.metaverse_id, &s->arena, &object, err);
    if (code == TS_OK) {
        code = entry_unpack(object.packed, &s->arena, &wanted, err);
    }
    return code == TS_OK ? taken(s, &wanted,
                                 ts_wall_seconds() + ENGINE_RETRY_SECONDS, err)
                         : code;
}

/* ---- done ------------------------------------------------------------------
 */

static enum ts_code hold_links(struct settlement *s, struct ts_err *err)
{
    const struct export_op *op = s->op;
    int64_t owner = op->intent.metaverse_id;
    struct ts_slice path = ts_slice_str(op->op.link_path);
    enum ts_code code = op->link_replaces
                            ? reference_path_gone(s->mv, owner, path, err)
                            : TS_OK;
    for (const int64_t *m = op->link_add_members; code == TS_OK && *m != 0;
         m++) {
        code = reference_set_held(s->mv, owner, path, *m, true, err);
    }
    for (const int64_t *m = op->link_remove_members; code == TS_OK && *m != 0;
         m++) {
        code = reference_set_held(s->mv, owner, path, *m, false, err);
    }
    if (code == TS_OK && op->link_replaces) {
        code = stranger_only(s->mv, owner, op->op.link_path, ts_slice_str(""),
                             err);
    }
    for (size_t i = 0; code == TS_OK && i < op->op.link_remove_count; i++) {
        code = stranger_gone(s->mv, owner, op->op.link_path,
                             op->op.link_remove[i], err);
    }
    return code;
}

/* The target row after a confirmed write; `inactive_since` 0: not switched off
 * by us. */
static enum ts_code put_row(struct settlement *s, struct ts_slice target_id,
                            int64_t inactive_since, struct ts_err *err)
{
    const struct export_op *op = s->op;
    const struct target_object *object =
        op->object_count > 0 ? &op->objects[0] : NULL;
    struct target_row row = {
        .target_id = target_id,
        .kind = op->intent.kind,
        .anchor = op->intent.anchor,
        .etag = object == NULL ? TS_SLICE_NONE : object->etag,
        .metaverse_id = op->intent.metaverse_id,
        .active = inactive_since == 0,
        .sent = s->sent,
    };
    if (object != NULL && object->values_known) {
        enum ts_code code =
            entry_pack(&object->values, &s->arena, &row.seen, err);
        if (code != TS_OK) {
            return code;
        }
    }
    enum ts_code code = target_row_put(s->mv, &row, err);
    return code == TS_OK ? target_row_set_inactive(s->mv, row.metaverse_id,
                                                   inactive_since, err)
                         : code;
}

/* In step, unless the object changed meanwhile or more references are due. */
static enum ts_code finish_write(struct settlement *s, struct ts_err *err)
{
    const struct intent *intent = &s->op->intent;
    enum ts_code code = guard_confirmed(s->engine, s->op, err);
    if (code == TS_OK) {
        code = hold_links(s, err);
    }
    if (code == TS_OK) {
        code = plan_performed(s->engine, &s->op->intent, err);
    }
    if (code == TS_OK) {
        code = clear_problems(s, err);
    }
    if (code == TS_OK && intent->verb != INTENT_PARK && !s->op->partly) {
        code = problem_clear_tried(s->mv, intent->kind, intent->anchor,
                                   "unique", err);
    }
    return code == TS_OK ? decide_anew(s, err) : code;
}

static enum ts_code created(struct settlement *s, struct ts_err *err)
{
    const struct export_op *op = s->op;
    struct ts_slice id = op->objects[0].id;
    enum ts_code code = TS_OK;
    if (s->engine->free_objects) {
        /* It may have been about to adopt one that others refer to. */
        code = reference_member_gone(s->mv, op->intent.metaverse_id, err);
    }
    if (code == TS_OK) {
        code = put_row(s, id, 0, err);
    }
    if (code == TS_OK) {
        code = ledger_put(s->mv, op->intent.kind, op->intent.anchor, id,
                          LEDGER_CREATED, err);
    }
    if (code == TS_OK) {
        code = referrers_release(s->engine, op->intent.metaverse_id, err);
    }
    return code == TS_OK ? finish_write(s, err) : code;
}

static enum ts_code updated(struct settlement *s, struct ts_err *err)
{
    /* What says nothing of the switch leaves it as it is. */
    int64_t since = 0;
    enum ts_code code = TS_OK;
    if (ts_entry_find(&s->op->op.set, ts_slice_str(TARGET_ACTIVE_PATH)) ==
        NULL) {
        code = target_row_inactive_since(s->mv, s->op->intent.metaverse_id,
                                         &since, err);
    }
    if (code == TS_OK) {
        code = put_row(s, s->op->op.id, since, err);
    }
    return code == TS_OK ? finish_write(s, err) : code;
}

/* `sent` with the user switched off, so that a return is a difference. */
static enum ts_code sent_inactive(struct settlement *s,
                                  struct ts_slice *ret_sent, struct ts_err *err)
{
    static struct ts_slice no[1];
    struct ts_entry sent;
    no[0] = ts_slice_str("false");
    enum ts_code code = entry_unpack(s->op->sent, &s->arena, &sent, err);
    for (size_t i = 0; code == TS_OK && i < sent.count; i++) {
        struct ts_attribute *attribute = &sent.attributes[i];
        if (ts_slice_equal(attribute->name, ts_slice_str(TARGET_ACTIVE_PATH))) {
            attribute->kind = TS_KIND_BOOLEAN;
            attribute->values = no;
            attribute->value_count = 1;
        }
    }
    return code == TS_OK ? entry_pack(&sent, &s->arena, ret_sent, err) : code;
}

static enum ts_code switched(struct settlement *s, bool active,
                             struct ts_err *err)
{
    enum ts_code code = active ? TS_OK : sent_inactive(s, &s->sent, err);
    if (code == TS_OK) {
        code = put_row(s, s->op->op.id, active ? 0 : ts_wall_seconds(), err);
    }
    if (code == TS_OK) {
        /* One that was only found, and that an operator named, is ours now. */
        code = ledger_put(s->mv, s->op->intent.kind, s->op->intent.anchor,
                          s->op->op.id, LEDGER_ADOPTED, err);
    }
    return code == TS_OK ? finish_write(s, err) : code;
}

static enum ts_code deleted(struct settlement *s, struct ts_err *err)
{
    const struct intent *intent = &s->op->intent;
    enum ts_code code = guard_confirmed(s->engine, s->op, err);
    if (code == TS_OK) {
        code = observe_gone(s->engine, s->op->op.id, intent->metaverse_id, err);
    }
    if (code == TS_OK) {
        code = ledger_remove(s->mv, intent->kind, intent->anchor, err);
    }
    if (code == TS_OK) {
        code = plan_performed(s->engine, intent, err);
    }
    if (code == TS_OK) {
        code = clear_problems(s, err);
    }
    return code == TS_OK ? decide_anew(s, err) : code;
}

static enum ts_code take(struct settlement *s,
                         const struct target_object *object,
                         enum ledger_provenance provenance, struct ts_err *err)
{
    enum ts_code code = observe_ours(s->engine, s->op->intent.metaverse_id,
                                     object, provenance, err);
    if (code == TS_OK) {
        code = plan_performed(s->engine, &s->op->intent, err);
    }
    if (code == TS_OK) {
        code = clear_problems(s, err);
    }
    return code == TS_OK ? decide_anew(s, err) : code;
}

/* Somebody else's, as it is now; of one that is ours nothing is learned. */
static enum ts_code learn(struct settlement *s,
                          const struct target_object *object,
                          struct ts_err *err)
{
    struct target_row row;
    bool known = false;
    enum ts_code code =
        target_row_by_id(s->mv, object->id, &s->arena, &row, &known, err);
    if (code != TS_OK || (known && row.metaverse_id > 0)) {
        return code;
    }
    return observe_foreign(s->engine, object, known ? &row : NULL, &s->arena,
                           err);
}

/* Match again, knowing who is there (match.h). Where that says that it must be
 * created, which was just refused, it is a problem. */
static enum ts_code match_anew(struct settlement *s, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM intent WHERE metaverse_id = ?1 AND verb = ?2";
    sqlite3_stmt *row = NULL;
    int64_t id = s->op->intent.metaverse_id;
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < s->op->object_count; i++) {
        code = learn(s, &s->op->objects[i], err);
    }
    if (code == TS_OK) {
        code = decide_anew(s, err);
    }
    if (code == TS_OK) {
        code = metaverse_row(s->mv, sql,
                             DB_VALUES(DB_INT(id), DB_INT(INTENT_CREATE)), &row,
                             err);
    }
    if (code != TS_OK || row == NULL) {
        return code;
    }
    db_reset(row);
    code = intent_revoke(s->mv, id, err);
    if (code == TS_OK && s->op->reason != NULL) {
        return taken_before(s, err);
    }
    return code == TS_OK
               ? note(s, ts_wall_seconds() + ENGINE_RETRY_SECONDS, err)
               : code;
}

/* It was read once more: is it still what was decided to be adopted? */
static enum ts_code adopted(struct settlement *s, struct ts_err *err)
{
    const struct target_object *object = &s->op->objects[0];
    bool free_one = object->anchor.size == 0 ||
                    ts_slice_equal(object->anchor, s->op->intent.anchor);
    return free_one && !object->shielded ? take(s, object, LEDGER_ADOPTED, err)
                                         : match_anew(s, err);
}

static enum ts_code done(struct settlement *s, struct ts_err *err)
{
    const struct export_op *op = s->op;
    s->engine->counts.exports[op->intent.verb]++;
    switch (op->intent.verb) {
    case INTENT_CREATE:
        return created(s, err);
    case INTENT_UPDATE:
    case INTENT_PARK:
        return updated(s, err);
    case INTENT_DEACTIVATE:
        return switched(s, false, err);
    case INTENT_REACTIVATE:
        return switched(s, true, err);
    case INTENT_DELETE:
        return deleted(s, err);
    case INTENT_ADOPT:
        return adopted(s, err);
    case INTENT_VERBS:
        break;
    }
    return TS_OK;
}

/* ---- looked ----------------------------------------------------------------
 */

static enum ts_code missing(struct settlement *s, struct ts_err *err)
{
    const struct intent *intent = &s->op->intent;
    if (intent->verb == INTENT_DELETE) {
        return deleted(s, err);
    }
    enum ts_code code = TS_OK;
    if (intent->target_id.size > 0) {
        code = observe_gone(s->engine, intent->target_id, intent->metaverse_id,
                            err);
    }
    return code == TS_OK ? decide_anew(s, err) : code;
}

/* The one that carries our anchor, or NULL. */
static const struct target_object *with_our_anchor(const struct export_op *op)
{
    for (size_t i = 0; i < op->object_count; i++) {
        if (ts_slice_equal(op->objects[i].anchor, op->intent.anchor)) {
            return &op->objects[i];
        }
    }
    return NULL;
}

/* After a creation without an answer, or one that met a conflict: `reason`. */
static enum ts_code looked_for_new(struct settlement *s, struct ts_err *err)
{
    const struct export_op *op = s->op;
    const struct target_object *object = with_our_anchor(op);
    bool was_there = op->reason != NULL;
    if (object == NULL ||
        (was_there && (object->shielded ||
                       s->engine->config->target.block_hard_match_takeover))) {
        return match_anew(s, err);
    }
    return take(s, object, was_there ? LEDGER_ADOPTED : LEDGER_CREATED, err);
}

/* A write was refused, because somebody else had changed the object since we
 * last read it: what of it that was, is judged as in a full cycle. */
static enum ts_code stale(struct settlement *s, struct ts_err *err)
{
    const struct intent *intent = &s->op->intent;
    struct target_row row;
    bool known = false;
    struct observed ignored;
    enum ts_code code = target_row_by_metaverse(s->mv, intent->metaverse_id,
                                                &s->arena, &row, &known, err);
    if (code != TS_OK) {
        return code;
    }
    if (!known || row.seen.data == NULL) {
        return take(s, &s->op->objects[0], LEDGER_ADOPTED, err);
    }
    code = observe_again(s->engine, &row, &s->op->objects[0], &s->arena,
                         &ignored, err);
    return code == TS_OK ? decide_anew(s, err) : code;
}

static enum ts_code looked(struct settlement *s, struct ts_err *err)
{
    const struct export_op *op = s->op;
    /* In conflict with somebody who cannot be found: not tried at once. */
    bool refused = op->intent.verb == INTENT_CREATE && op->reason != NULL;
    if (op->object_count == 0) {
        return refused ? taken_before(s, err) : missing(s, err);
    }
    if (op->reason != NULL && op->intent.verb != INTENT_CREATE &&
        op->intent.verb != INTENT_ADOPT) {
        return stale(s, err);
    }
    switch (op->intent.verb) {
    case INTENT_CREATE:
        return looked_for_new(s, err);
    case INTENT_ADOPT:
        return adopted(s, err);
    case INTENT_UPDATE:
    case INTENT_PARK:
    case INTENT_DEACTIVATE:
    case INTENT_REACTIVATE:
    case INTENT_DELETE:
    case INTENT_VERBS:
        break;
    }
    return take(s, &op->objects[0], LEDGER_ADOPTED, err);
}

/* ---- everything else --------------------------------------------------------
 */

static enum ts_code settle_write(struct settlement *s,
                                 enum settle_advice *advice, struct ts_err *err)
{
    const struct export_op *op = s->op;
    struct cycle_counts *counts = &s->engine->counts;
    int64_t retry_at = ts_wall_seconds() + ENGINE_RETRY_SECONDS;
    switch (op->result) {
    case TARGET_DONE:
        return done(s, err);
    case TARGET_GONE:
        return op->intent.verb == INTENT_DELETE ? done(s, err)
                                                : missing(s, err);
    case TARGET_CONFLICT:
        counts->conflicts++;
        if (op->intent.verb == INTENT_CREATE) {
            *advice = SETTLE_LOOK;
            return TS_OK;
        }
        return taken(s, &op->op.set, retry_at, err);
    case TARGET_STALE:
        *advice = SETTLE_LOOK;
        return TS_OK;
    case TARGET_REFUSED:
        counts->refused++;
        return note(s, retry_at, err);
    case TARGET_DENIED:
        counts->refused++;
        *advice = SETTLE_END;
        return intent_unsend(s->mv, op->intent.id, err);
    case TARGET_LATER:
    case TARGET_STOPPED:
        counts->later++;
        *advice = SETTLE_END;
        return intent_unsend(s->mv, op->intent.id, err);
    case TARGET_UNKNOWN:
        counts->unknown++;
        /* From now on, it may be worked on: Q begins. */
        return TS_RULE(LATE_EFFECT)
                   ? intent_doubt_now(s->mv, op->intent.id, err)
                   : TS_OK;
    }
    return TS_OK;
}

static enum ts_code settle_look(struct settlement *s,
                                enum settle_advice *advice, struct ts_err *err)
{
    switch (s->op->result) {
    case TARGET_DONE:
        return looked(s, err);
    case TARGET_GONE:
        return missing(s, err);
    case TARGET_REFUSED:
    case TARGET_CONFLICT:
    case TARGET_STALE:
        return note(s, ts_wall_seconds() + ENGINE_RETRY_SECONDS, err);
    case TARGET_DENIED:
    case TARGET_LATER:
    case TARGET_STOPPED:
    case TARGET_UNKNOWN:
        s->engine->counts.later++;
        *advice = SETTLE_END; /* still in doubt */
        return TS_OK;
    }
    return TS_OK;
}

enum ts_code settle(struct engine_context *engine, const struct export_op *op,
                    enum settle_advice *ret_advice, struct ts_err *err)
{
    struct settlement s = {
        .engine = engine, .mv = engine->state.mv, .op = op, .sent = op->sent
    };
    *ret_advice = SETTLE_GO_ON;
    engine->counts.retries += op->retries;
    engine->counts.throttled_ms += op->throttled_ms;
    ts_arena_init(&s.arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = op->observe_only ? settle_look(&s, ret_advice, err)
                                         : settle_write(&s, ret_advice, err);
    ts_arena_done(&s.arena);
    return code;
}
