#include "node/engine/compose.h"

#include <assert.h>

#include "node/engine/difference.h"
#include "node/engine/leaver.h"
#include "node/engine/match.h"
#include "node/engine/touch.h"
#include "node/engine/unique.h"
#include "node/metaverse/stranger.h"
#include "proto/entry_codec.h"

struct composition {
    struct engine_context *engine;
    struct export_op *op;
    struct metaverse_object object;
    struct target_row row;
    bool at_target;
    struct ts_entry wanted; /* without what is quarantined */
    bool required;          /* and that is something that it must have */
};

static enum ts_code too_large(const struct intent *intent, struct ts_err *err)
{
    return ts_fail(err, TS_E_LIMIT, 0,
                   "could not compose the export of \"%.*s\": it is larger "
                   "than %zu bytes",
                   TS_SLICE_ARGS(intent->anchor), EXPORTER_OP_MEMORY);
}

static enum ts_code new_op(const struct intent *intent,
                           struct export_op **ret_op, struct ts_err *err)
{
    static const int64_t none[1] = { 0 };
    struct export_op *op = export_op_new();
    if (op == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not compose an export");
    }
    op->link_add_members = none;
    op->link_remove_members = none;
    op->intent = *intent;
    op->intent.anchor = ts_arena_copy(&op->arena, intent->anchor);
    op->intent.target_id = ts_arena_copy(&op->arena, intent->target_id);
    op->op.kind = (enum config_kind) intent->kind;
    op->op.anchor = op->intent.anchor;
    op->op.id = op->intent.target_id;
    op->op.tag.intent = (uint64_t) intent->id;
    if (op->op.anchor.data == NULL || op->op.id.data == NULL) {
        export_op_free(op);
        return too_large(intent, err);
    }
    *ret_op = op;
    return TS_OK;
}

static const struct metaverse_reference_path *
path_named(const struct metaverse *mv, int kind, struct ts_slice name)
{
    for (size_t i = 0; i < mv->reference_path_count; i++) {
        const struct metaverse_reference_path *path = &mv->reference_paths[i];
        if (path->kind == kind &&
            ts_slice_equal(ts_slice_str(path->path), name)) {
            return path;
        }
    }
    return NULL;
}

struct link_lists {
    struct ts_slice *add, *remove;
    int64_t *add_members, *remove_members;
    size_t add_count, remove_count;
};

static bool lists_new(struct ts_arena *arena, size_t count,
                      struct link_lists *lists)
{
    *lists = (struct link_lists){
        .add = ts_arena_array(arena, count, sizeof *lists->add),
        .remove = ts_arena_array(arena, count, sizeof *lists->remove),
        .add_members =
            ts_arena_array(arena, count + 1, sizeof *lists->add_members),
        .remove_members =
            ts_arena_array(arena, count + 1, sizeof *lists->remove_members),
    };
    return lists->add != NULL && lists->remove != NULL &&
           lists->add_members != NULL && lists->remove_members != NULL;
}

/* References of one path; another path's follow in the next operation. The
 * member lists end in 0 and may name more than the operation does: a single
 * value is removed by being replaced. */
static void fill_links(struct composition *c, const struct reference_due *due,
                       size_t count, struct link_lists *lists)
{
    struct target_op *op = &c->op->op;
    const struct metaverse_reference_path *path =
        path_named(c->engine->state.mv, c->object.kind, due[0].path);
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        if (!ts_slice_equal(due[i].path, due[0].path)) {
            continue;
        }
        if (due[i].add) {
            lists->add[lists->add_count] = due[i].target_id;
            lists->add_members[lists->add_count++] = due[i].member;
        } else {
            lists->remove[lists->remove_count++] = due[i].target_id;
            lists->remove_members[known] = due[i].member;
            known += due[i].member > 0; /* the list ends in 0 */
        }
    }
    op->link_path = (const char *) due[0].path.data;
    op->link_add = lists->add;
    op->link_add_count = lists->add_count;
    op->link_remove = lists->remove;
    op->link_remove_count = lists->remove_count;
    if (path != NULL && path->single_valued && lists->add_count > 0) {
        op->link_remove_count = 0;
        c->op->link_replaces = true;
    }
    c->op->link_add_members = lists->add_members;
    c->op->link_remove_members = lists->remove_members;
}

static enum ts_code compose_links(struct composition *c, struct ts_err *err)
{
    struct ts_arena *arena = &c->op->arena;
    size_t count = c->engine->links_max;
    struct link_lists lists;
    struct reference_due *due = ts_arena_array(arena, count, sizeof *due);
    if (due == NULL) {
        return too_large(&c->op->intent, err);
    }
    enum ts_code code = reference_due(c->engine->state.mv, c->object.id, arena,
                                      due, &count, err);
    if (code == TS_OK) {
        size_t strangers = c->engine->links_max - count;
        code = stranger_due(c->engine->state.mv, c->object.id, arena,
                            due + count, &strangers, err);
        count += strangers;
    }
    if (code != TS_OK || count == 0) {
        return code;
    }
    if (!lists_new(arena, count, &lists)) {
        return too_large(&c->op->intent, err);
    }
    fill_links(c, due, count, &lists);
    return TS_OK;
}

static enum ts_code compose_create(struct composition *c, struct ts_err *err)
{
    struct ts_entry once;
    struct difference difference = { .set = { 0 } };
    struct export_op *op = c->op;
    enum ts_code code = entry_unpack(c->object.once, &op->arena, &once, err);
    if (code == TS_OK) {
        code =
            difference_for_new(&c->wanted, &once, &op->arena, &difference, err);
    }
    if (code == TS_OK) {
        code = entry_pack(&difference.sent, &op->arena, &op->sent, err);
    }
    op->op.verb = TARGET_CREATE;
    op->op.set = difference.set;
    return code == TS_OK ? compose_links(c, err) : code;
}

static enum ts_code compose_update(struct composition *c, struct ts_err *err)
{
    struct ts_entry sent;
    struct difference difference = { .set = { 0 } };
    struct export_op *op = c->op;
    bool kept = false;
    enum ts_code code = entry_unpack(c->row.sent, &op->arena, &sent, err);
    if (code == TS_OK) {
        code = leaver_kept(c->engine, &c->row, &c->wanted, &kept, err);
    }
    if (code == TS_OK) {
        code = difference_of(&c->wanted, &sent, &op->arena, &difference, err);
    }
    if (code == TS_OK) {
        code = entry_pack(&difference.sent, &op->arena, &op->sent, err);
    }
    op->op.verb = TARGET_UPDATE;
    op->op.set = difference.set;
    op->op.take_anchor = !ts_slice_equal(c->row.anchor, op->intent.anchor);
    return code == TS_OK ? compose_links(c, err) : code;
}

/* Nobody waits any more for what it has: then it is an update like others. */
static enum ts_code compose_park(struct composition *c, struct ts_err *err)
{
    struct ts_entry sent;
    struct difference parked = { .set = { 0 } };
    struct export_op *op = c->op;
    enum ts_code code = entry_unpack(c->row.sent, &op->arena, &sent, err);
    if (code == TS_OK) {
        code =
            unique_park(c->engine, &c->object, &sent, &op->arena, &parked, err);
    }
    if (code == TS_OK && parked.set.count == 0) {
        return compose_update(c, err);
    }
    if (code == TS_OK) {
        code = entry_pack(&parked.sent, &op->arena, &op->sent, err);
    }
    op->op.verb = TARGET_UPDATE;
    op->op.set = parked.set;
    return code == TS_OK ? compose_links(c, err) : code;
}

static enum ts_code compose_verb(struct composition *c, struct ts_err *err)
{
    switch (c->op->intent.verb) {
    case INTENT_CREATE:
        return compose_create(c, err);
    case INTENT_UPDATE:
        return compose_update(c, err);
    case INTENT_PARK:
        return compose_park(c, err);
    case INTENT_DEACTIVATE:
        c->op->op.verb = TARGET_DEACTIVATE;
        break;
    case INTENT_REACTIVATE:
        c->op->op.verb = TARGET_REACTIVATE;
        break;
    case INTENT_DELETE:
        c->op->op.verb = TARGET_DELETE;
        break;
    case INTENT_ADOPT:
        c->op->op.verb = TARGET_READ;
        break;
    case INTENT_VERBS:
        break;
    }
    c->op->sent = c->row.sent;
    return TS_OK;
}

static enum ts_code load(struct composition *c, struct ts_err *err)
{
    struct metaverse *mv = c->engine->state.mv;
    struct ts_arena *arena = &c->op->arena;
    enum ts_code code =
        object_get(mv, c->op->intent.metaverse_id, arena, &c->object, err);
    if (code == TS_OK) {
        code = target_row_by_metaverse(mv, c->object.id, arena, &c->row,
                                       &c->at_target, err);
    }
    if (code == TS_OK) {
        code = entry_unpack(c->object.packed, arena, &c->wanted, err);
    }
    if (code == TS_OK) {
        code = unique_withhold(c->engine, &c->object, &c->wanted, &c->required,
                               err);
    }
    if (code == TS_OK && c->at_target) {
        c->op->op.id = c->row.target_id;
        c->op->op.etag = c->row.etag;
    }
    c->op->had = c->row.sent;
    c->op->mv_changed = c->object.changed;
    return code;
}

/* Did the world change since the decision, so that it is void? */
static bool void_by_now(const struct composition *c)
{
    enum intent_verb verb = c->op->intent.verb;
    bool needs_row = verb != INTENT_CREATE && verb != INTENT_ADOPT;
    return needs_row != c->at_target || (verb == INTENT_CREATE && c->required);
}

/* Somebody may have turned up at the target since its creation was decided,
 * which may have waited for days: then it is matched again. */
static enum ts_code found_meanwhile(struct composition *c, bool *ret_found,
                                    struct ts_err *err)
{
    struct target_row row;
    enum match_verdict verdict = MATCH_NONE;
    *ret_found = false;
    if (c->op->intent.verb != INTENT_CREATE || !c->engine->free_objects) {
        return TS_OK;
    }
    enum ts_code code = match_free(c->engine, &c->object, &c->wanted,
                                   &c->op->arena, &row, &verdict, err);
    *ret_found = code == TS_OK && verdict != MATCH_NONE;
    return *ret_found ? touch_one(c->engine, c->object.id, err) : code;
}

static bool is_empty_update(const struct target_op *op)
{
    return op->verb == TARGET_UPDATE && op->set.count == 0 &&
           !op->take_anchor && op->link_add_count == 0 &&
           op->link_remove_count == 0;
}

enum ts_code compose(struct engine_context *engine, const struct intent *intent,
                     bool force, enum compose_result *ret_result,
                     struct export_op **ret_op, struct ts_err *err)
{
    struct composition c = { .engine = engine };
    bool waits = false;
    *ret_result = COMPOSE_NOTHING;
    if (!force && intent->verb == INTENT_CREATE) {
        enum ts_code code = reference_waits(engine->state.mv,
                                            intent->metaverse_id, &waits, err);
        if (code != TS_OK || waits) {
            *ret_result = COMPOSE_WAIT;
            return code;
        }
    }
    enum ts_code code = new_op(intent, &c.op, err);
    if (code != TS_OK) {
        return code;
    }
    assert(c.op != NULL);
    code = load(&c, err);
    bool is_void = code != TS_OK || void_by_now(&c);
    if (!is_void) {
        code = found_meanwhile(&c, &is_void, err);
    }
    if (code == TS_OK && !is_void) {
        code = compose_verb(&c, err);
        *ret_result =
            is_empty_update(&c.op->op) ? COMPOSE_NOTHING : COMPOSE_READY;
    }
    if (code != TS_OK || *ret_result != COMPOSE_READY) {
        export_op_free(c.op);
        return code;
    }
    *ret_op = c.op;
    return TS_OK;
}

enum ts_code compose_look(const struct intent *intent,
                          struct export_op **ret_op, struct ts_err *err)
{
    struct export_op *op = NULL;
    enum ts_code code = new_op(intent, &op, err);
    if (code != TS_OK) {
        return code;
    }
    assert(op != NULL);
    op->observe_only = true;
    op->op.verb = intent->target_id.size > 0 ? TARGET_READ : TARGET_FIND;
    *ret_op = op;
    return TS_OK;
}
