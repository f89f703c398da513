#include "node/engine/settle.h"

#include <stdio.h>

#include "node/engine/compare.h"
#include "node/engine/match.h"
#include "node/engine/observe.h"
#include "node/metaverse/problem.h"
#include "node/metaverse/reference.h"
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
    enum ts_code code = problem_set(s->mv, &problem, err);
    return code == TS_OK ? intent_drop(s->mv, op->intent.id, err) : code;
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
    return code;
}

/* The target row after a confirmed write. */
static enum ts_code put_row(struct settlement *s, struct ts_slice target_id,
                            bool active, struct ts_err *err)
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
        .active = active,
        .sent = s->sent,
    };
    if (object != NULL && object->values_known) {
        enum ts_code code =
            entry_pack(&object->values, &s->arena, &row.seen, err);
        if (code != TS_OK) {
            return code;
        }
    }
    return target_row_put(s->mv, &row, err);
}

/* In step, unless the object changed meanwhile or more references are due. */
static enum ts_code finish_write(struct settlement *s, struct ts_err *err)
{
    enum ts_code code = hold_links(s, err);
    if (code == TS_OK) {
        code = clear_problems(s, err);
    }
    return code == TS_OK ? decide_anew(s, err) : code;
}

static enum ts_code created(struct settlement *s, struct ts_err *err)
{
    const struct export_op *op = s->op;
    struct ts_slice id = op->objects[0].id;
    enum ts_code code = put_row(s, id, true, err);
    if (code == TS_OK) {
        code = ledger_put(s->mv, op->intent.kind, op->intent.anchor, id,
                          LEDGER_CREATED, err);
    }
    return code == TS_OK ? finish_write(s, err) : code;
}

static enum ts_code updated(struct settlement *s, struct ts_err *err)
{
    enum ts_code code = put_row(s, s->op->op.id, true, err);
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
        code = put_row(s, s->op->op.id, active, err);
    }
    return code == TS_OK ? finish_write(s, err) : code;
}

static enum ts_code deleted(struct settlement *s, struct ts_err *err)
{
    const struct intent *intent = &s->op->intent;
    enum ts_code code =
        observe_gone(s->engine, s->op->op.id, intent->metaverse_id, err);
    if (code == TS_OK) {
        code = ledger_remove(s->mv, intent->kind, intent->anchor, err);
    }
    if (code == TS_OK) {
        code = clear_problems(s, err);
    }
    return code == TS_OK ? decide_anew(s, err) : code;
}

static enum ts_code adopted(struct settlement *s,
                            enum ledger_provenance provenance,
                            struct ts_err *err)
{
    enum ts_code code = observe_ours(s->engine, s->op->intent.metaverse_id,
                                     &s->op->objects[0], provenance, err);
    if (code == TS_OK) {
        code = clear_problems(s, err);
    }
    return code == TS_OK ? decide_anew(s, err) : code;
}

static enum ts_code done(struct settlement *s, struct ts_err *err)
{
    const struct export_op *op = s->op;
    s->engine->counts.exports[op->intent.verb]++;
    switch (op->intent.verb) {
    case INTENT_CREATE:
        return created(s, err);
    case INTENT_UPDATE:
        return updated(s, err);
    case INTENT_DEACTIVATE:
        return switched(s, false, err);
    case INTENT_REACTIVATE:
        return switched(s, true, err);
    case INTENT_DELETE:
        return deleted(s, err);
    case INTENT_ADOPT:
        return adopted(s, LEDGER_ADOPTED, err);
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

/* Which of at most two found objects is ours: the one with our anchor, else
 * the only one without any (a soft match). NULL: none is. */
static const struct target_object *ours(const struct export_op *op)
{
    const struct target_object *free_one = NULL;
    for (size_t i = 0; i < op->object_count; i++) {
        if (ts_slice_equal(op->objects[i].anchor, op->intent.anchor)) {
            return &op->objects[i];
        }
        if (op->objects[i].anchor.size == 0 && op->object_count == 1) {
            free_one = &op->objects[i];
        }
    }
    return free_one;
}

static enum ts_code looked(struct settlement *s, struct ts_err *err)
{
    const struct export_op *op = s->op;
    const struct intent *intent = &op->intent;
    if (op->object_count == 0) {
        return missing(s, err);
    }
    const struct target_object *object =
        intent->target_id.size > 0 ? &op->objects[0] : ours(op);
    if (object == NULL) {
        /* Somebody else has the value that we want. */
        return note(s, ts_wall_seconds() + ENGINE_RETRY_SECONDS, err);
    }
    bool created_by_us = intent->verb == INTENT_CREATE &&
                         ts_slice_equal(object->anchor, intent->anchor);
    enum ts_code code =
        observe_ours(s->engine, intent->metaverse_id, object,
                     created_by_us ? LEDGER_CREATED : LEDGER_ADOPTED, err);
    if (code == TS_OK) {
        code = clear_problems(s, err);
    }
    return code == TS_OK ? decide_anew(s, err) : code;
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
        return note(s, retry_at, err);
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
        return intent_doubt_now(s->mv, op->intent.id, err);
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
