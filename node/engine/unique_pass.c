/* unique_clear: who is quarantined, who waits, who opens a ring. */
#include <stdio.h>
#include <stdlib.h>

#include "node/base/failpoint.h"
#include "node/engine/compare.h"
#include "node/engine/guard.h"
#include "node/engine/query/common.h"
#include "node/engine/unique.h"
#include "node/engine/unique_taker.h"
#include "node/engine/waits.h"
#include "node/metaverse/claim.h"
#include "node/metaverse/problem.h"
#include "proto/entry_codec.h"

enum release {
    RELEASE_NEVER, /* nothing is decided that would */
    RELEASE_HELD,  /* the guard keeps it back */
    RELEASE_WRITE, /* by a write that waits for nobody */
    RELEASE_UPDATE /* by one that may have to wait for others */
};

/* May a path have its value? */
struct verdict {
    const char *path;
    bool blocked;
    bool exchanged;     /* by one who gives its own for it */
    struct claimant by; /* blocked: by whom, or who is to give it up first */
    enum release release;
    enum intent_verb verb; /* of what would release it */
};

/* Will `holder` give `value` up? */
static enum ts_code release_of(const struct unique_taker *t,
                               const struct claimant *holder,
                               const struct claim_value *value,
                               struct verdict *ret, struct ts_err *err)
{
    struct unique_taker h = { .engine = t->engine,
                              .mv = t->mv,
                              .arena = t->arena };
    bool takes = false;
    bool keeps = false;
    enum ts_code code = unique_take(&h, holder->metaverse_id, &takes, err);
    if (code != TS_OK || h.intent.id == 0) {
        return code;
    }
    ret->verb = h.intent.verb;
    bool update =
        h.intent.verb == INTENT_UPDATE || h.intent.verb == INTENT_REACTIVATE;
    if (update && takes) {
        code = unique_still_has(&h, value, &keeps, err);
    }
    bool releases = h.intent.verb == INTENT_DELETE ||
                    h.intent.verb == INTENT_PARK ||
                    (update && !keeps && h.object.presence == OBJECT_IN);
    /* A plan that has the one and not the other does not wait for it. */
    bool left_out = h.intent.clearance == INTENT_STAGED &&
                    t->intent.clearance == INTENT_CLEARED;
    if (code != TS_OK || !releases || left_out) {
        return code;
    }
    ret->release = h.intent.clearance == INTENT_HELD ? RELEASE_HELD
                   : update && h.intent.batch == 0   ? RELEASE_UPDATE
                                                     : RELEASE_WRITE;
    return TS_OK;
}

/* ---- saying why
 * -------------------------------------------------------------------------- */

#define WHY_SIZE  700
#define HASH_SIZE 72

/* "user \"ada\" (anchor …)" */
static enum ts_code name_of(struct unique_taker *t, const struct claimant *who,
                            char text[static 300], struct ts_err *err)
{
    struct metaverse_object object;
    enum ts_code code =
        object_get(t->mv, who->metaverse_id, t->arena, &object, err);
    if (code == TS_OK) {
        struct ts_slice name = query_packed_name(object.kind, object.packed,
                                                 object.anchor, t->arena);
        (void) snprintf(
            text, 300, "%s \"%.*s\" (anchor %.*s)", query_kind(object.kind),
            (int) (name.size < 120 ? name.size : 120), name.data,
            (int) (object.anchor.size < 100 ? object.anchor.size : 100),
            object.anchor.data);
    }
    return code;
}

/* The list on which the operator finds what is kept back; "" when none is
 * noted yet. */
static enum ts_code list_of(struct unique_taker *t, const struct claimant *who,
                            char hash[static HASH_SIZE], struct ts_err *err)
{
    static const char sql[] =
        "SELECT l.hash FROM hold_item i JOIN hold_list l ON l.hold_id = "
        "i.hold_id AND l.last_seq >= i.seq WHERE i.kind = ?1 AND i.anchor = ?2 "
        "ORDER BY l.last_seq DESC LIMIT 1";
    sqlite3_stmt *row = NULL;
    hash[0] = 0;
    enum ts_code code = metaverse_row(
        t->mv, sql, DB_VALUES(DB_INT(who->kind), DB_TEXT(who->anchor)), &row,
        err);
    if (code == TS_OK && row != NULL) {
        struct ts_slice text = db_column(row, 0);
        (void) snprintf(hash, HASH_SIZE, "%.*s", TS_SLICE_ARGS(text));
        db_reset(row);
    }
    return code;
}

static enum ts_code say_why(struct unique_taker *t, const struct verdict *b,
                            char why[static WHY_SIZE], struct ts_err *err)
{
    char who[300];
    char hash[HASH_SIZE] = "";
    enum ts_code code = name_of(t, &b->by, who, err);
    if (code == TS_OK && b->by.has && b->release == RELEASE_HELD) {
        code = list_of(t, &b->by, hash, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (!b->by.has && b->exchanged) {
        (void) snprintf(why, WHY_SIZE,
                        "cannot give it this %s: %s gets the value in exchange "
                        "for its own; give this one another value at the "
                        "source",
                        b->path, who);
    } else if (!b->by.has) {
        (void) snprintf(why, WHY_SIZE,
                        "cannot give it this %s: %s wants the same value and "
                        "comes first; change it for one of the two "
                        "at the source",
                        b->path, who);
    } else if (b->by.wants) {
        (void) snprintf(why, WHY_SIZE,
                        "cannot give it this %s: %s has the value at the "
                        "target and keeps it; change it for one of the two at "
                        "the source",
                        b->path, who);
    } else if (b->release == RELEASE_HELD) {
        (void) snprintf(why, WHY_SIZE,
                        "could not give it this %s yet: the %s of %s, who has "
                        "the value, is held back; look with twinsync hold "
                        "list, then twinsync approve %s",
                        b->path,
                        b->verb == INTENT_DELETE ? "deletion" : "update", who,
                        hash[0] != 0 ? hash : "HASH");
    } else if (b->by.presence != OBJECT_IN) {
        (void) snprintf(why, WHY_SIZE,
                        "could not give it this %s yet: %s left, but stays at "
                        "the target with the value; delete or rename it there, "
                        "or give this one another value",
                        b->path, who);
    } else {
        (void) snprintf(why, WHY_SIZE,
                        "could not give it this %s yet: %s has the value at "
                        "the target and cannot give it up yet; see twinsync "
                        "show %.*s",
                        b->path, who, TS_SLICE_ARGS(b->by.anchor));
    }
    return TS_OK;
}

/* ---- one object
 * -------------------------------------------------------------------------- */

static enum ts_code quarantine(struct unique_taker *t, const struct verdict *b,
                               struct ts_err *err)
{
    char why[WHY_SIZE];
    enum ts_code code = say_why(t, b, why, err);
    if (code != TS_OK) {
        return code;
    }
    struct problem problem = {
        .kind = t->object.kind,
        .anchor = t->object.anchor,
        .stage = "unique",
        .path = ts_slice_str(b->path),
        .text = ts_slice_str(why),
        .retry_at = ts_wall_seconds() + ENGINE_RETRY_SECONDS,
    };
    t->engine->problems_known = true;
    return problem_set(t->mv, &problem, err);
}

static enum ts_code judge_value(struct unique_taker *t,
                                const struct metaverse_unique_path *path,
                                struct ts_slice text, struct verdict *ret,
                                struct ts_err *err)
{
    struct claim_value value;
    struct claimant first;
    *ret = (struct verdict){ .path = path->path,
                             .verb = INTENT_UPDATE,
                             .release = RELEASE_NEVER };
    enum ts_code code = claim_value_of(path, text, &value, err);
    if (code == TS_OK) {
        code = claim_rivals(t->mv, &value, t->object.id, t->arena, &ret->by,
                            &first, err);
    }
    if (code != TS_OK || ret->by.metaverse_id == t->object.id) {
        return code;
    }
    bool held = ret->by.metaverse_id != 0;
    if (held && !ret->by.wants) {
        code = release_of(t, &ret->by, &value, ret, err);
    }
    struct claimant gets = first;
    if (code == TS_OK && ret->release == RELEASE_UPDATE) {
        code = unique_exchange(t, &ret->by, &value, &gets, err);
    }
    if (held && ret->release < RELEASE_WRITE) {
        ret->blocked = true;
    } else if (gets.metaverse_id != 0 && gets.metaverse_id != t->object.id) {
        ret->blocked = true;
        ret->exchanged = gets.metaverse_id != first.metaverse_id;
        ret->by = gets;
    }
    return code;
}

/* Whoever comes first for what the object keeps on `path` now has to look
 * again. */
static enum ts_code disappoint(struct unique_taker *t,
                               const struct metaverse_unique_path *path,
                               struct ts_err *err)
{
    struct ts_entry sent;
    if (!t->at_target) {
        return TS_OK;
    }
    enum ts_code code = entry_unpack(t->row.sent, t->arena, &sent, err);
    const struct ts_attribute *old =
        code == TS_OK ? ts_entry_find(&sent, ts_slice_str(path->path)) : NULL;
    for (size_t i = 0; old != NULL && code == TS_OK && i < old->value_count;
         i++) {
        struct claim_value value;
        struct claimant holder;
        struct claimant first;
        code = claim_value_of(path, old->values[i], &value, err);
        if (code == TS_OK) {
            code = claim_rivals(t->mv, &value, t->object.id, t->arena, &holder,
                                &first, err);
        }
        if (code == TS_OK && first.metaverse_id != 0) {
            code = unique_note(t->engine, first.metaverse_id, err);
        }
    }
    return code;
}

/* Judge one path; *ret_blocked: it was quarantined now. */
static enum ts_code judge_path(struct unique_taker *t,
                               const struct metaverse_unique_path *path,
                               const struct ts_attribute *attribute,
                               struct waits *waits, bool *ret_blocked,
                               struct ts_err *err)
{
    enum ts_code code = TS_OK;
    *ret_blocked = false;
    for (size_t i = 0;
         code == TS_OK && !*ret_blocked && i < attribute->value_count; i++) {
        struct verdict verdict;
        code = judge_value(t, path, attribute->values[i], &verdict, err);
        if (code == TS_OK && verdict.blocked) {
            *ret_blocked = true;
            code = quarantine(t, &verdict, err);
        } else if (code == TS_OK && verdict.release == RELEASE_UPDATE &&
                   waits != NULL) {
            const struct waits_edge edge = {
                .from = { t->object.id, t->object.anchor, t->object.kind },
                .to = verdict.by.metaverse_id,
            };
            code = waits_add(waits, &edge, err);
        }
    }
    return code == TS_OK && *ret_blocked ? disappoint(t, path, err) : code;
}

/* Judge one object; what is decided for it follows. With `waits`, also note
 * for whom it waits. */
static enum ts_code judge(struct engine_context *engine, int64_t id,
                          struct ts_arena *arena, struct waits *waits,
                          struct ts_err *err)
{
    struct unique_taker t = { .engine = engine,
                              .mv = engine->state.mv,
                              .arena = arena };
    bool takes = false;
    bool blocked = false;
    enum ts_code code = unique_take(&t, id, &takes, err);
    if (code != TS_OK || !takes || t.intent.verb == INTENT_ADOPT ||
        t.intent.verb == INTENT_PARK ||
        (waits != NULL && t.intent.clearance != INTENT_CLEARED)) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < t.difference.set.count; i++) {
        const struct ts_attribute *a = &t.difference.set.attributes[i];
        const struct metaverse_unique_path *path =
            claim_applies(a->kind) ? claim_path(t.mv, t.object.kind, a->name)
                                   : NULL;
        bool now = false;
        if (path != NULL) {
            code = judge_path(&t, path, a, waits, &now, err);
            blocked = blocked || now;
        }
    }
    return code == TS_OK && blocked ? compare_one(engine, id, arena, err)
                                    : code;
}

/* ---- all of them
 * ------------------------------------------------------------------------- */

static enum ts_code judge_all(struct engine_context *engine,
                              struct waits *waits, struct ts_err *err)
{
    struct ts_arena arena;
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    /* The list grows under way: by whoever is disappointed. */
    for (size_t i = 0; code == TS_OK && i < engine->contested.count; i++) {
        ts_arena_reset(&arena);
        code = judge(engine, engine->contested.ids[i], &arena, waits, err);
    }
    ts_arena_done(&arena);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

/* Whoever is quarantined for a value that the object is about to give up: try
 * again, so that what it would give up in turn is known. */
static enum ts_code encourage_one(struct engine_context *engine, int64_t id,
                                  struct ts_arena *arena, struct ts_err *err)
{
    struct metaverse_object object;
    struct ts_slice path[1];
    size_t count = 1;
    enum ts_code code = object_get(engine->state.mv, id, arena, &object, err);
    if (code != TS_OK) {
        return code;
    }
    const struct problem_key of = { object.kind, object.anchor, "unique" };
    code = problem_paths(engine->state.mv, &of, arena, path, &count, err);
    if (code != TS_OK || count == 0) {
        return code;
    }
    code = problem_try_again(engine->state.mv, object.kind, object.anchor, err);
    if (code == TS_OK) {
        code = compare_one(engine, id, arena, err);
    }
    return code == TS_OK ? unique_note(engine, id, err) : code;
}

static enum ts_code encourage(struct engine_context *engine, int64_t id,
                              struct ts_arena *arena, struct ts_err *err)
{
    struct unique_taker t = { .engine = engine,
                              .mv = engine->state.mv,
                              .arena = arena };
    struct ts_entry sent = { .count = 0 };
    int64_t ids[CLAIM_STIRRED_MAX];
    bool takes = false;
    enum ts_code code = unique_take(&t, id, &takes, err);
    if (code == TS_OK && takes && t.at_target) {
        code = entry_unpack(t.row.sent, arena, &sent, err);
    }
    for (size_t i = 0; code == TS_OK && i < sent.count; i++) {
        const struct ts_attribute *old = &sent.attributes[i];
        const struct metaverse_unique_path *path =
            claim_applies(old->kind) &&
                    ts_entry_find(&t.difference.set, old->name) != NULL
                ? claim_path(t.mv, t.object.kind, old->name)
                : NULL;
        for (size_t v = 0;
             code == TS_OK && path != NULL && v < old->value_count; v++) {
            struct claim_value value;
            size_t count = CLAIM_STIRRED_MAX;
            code = claim_value_of(path, old->values[v], &value, err);
            if (code == TS_OK) {
                code = claim_waiting(t.mv, &value, ids, &count, err);
            }
            for (size_t n = 0; code == TS_OK && n < count; n++) {
                code = ids[n] == id ? TS_OK
                                    : encourage_one(engine, ids[n], arena, err);
            }
        }
    }
    return code;
}

static enum ts_code encourage_all(struct engine_context *engine,
                                  struct ts_err *err)
{
    struct ts_arena arena;
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    /* The list grows under way: by whoever is encouraged. */
    for (size_t i = 0; code == TS_OK && i < engine->contested.count; i++) {
        ts_arena_reset(&arena);
        code = encourage(engine, engine->contested.ids[i], &arena, err);
    }
    ts_arena_done(&arena);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

enum ts_code unique_clear(struct engine_context *engine, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    if (engine->contested.count > 0) {
        code = encourage_all(engine, err);
    }
    if (code == TS_OK && engine->contested.count > 0) {
        code = judge_all(engine, NULL, err);
    }
    if (code == TS_OK) {
        code = guard_pass(engine, err);
    }
    if (code != TS_OK || engine->contested.count == 0) {
        return code;
    }
    /* What the guard keeps back is not given up; what that changes has not
     * passed it yet. */
    code = judge_all(engine, NULL, err);
    return code == TS_OK ? guard_pass(engine, err) : code;
}

/* ---- rings
 * -------------------------------------------------------------------------------
 */

/* What the object gives up is promised to whom it is moved out of the way for:
 * others may want it, too. */
static enum ts_code promise(struct unique_taker *t,
                            const struct ts_attribute *attribute,
                            struct ts_err *err)
{
    const struct metaverse_unique_path *path =
        claim_applies(attribute->kind)
            ? claim_path(t->mv, t->object.kind, attribute->name)
            : NULL;
    enum ts_code code = TS_OK;
    for (size_t i = 0;
         code == TS_OK && path != NULL && i < attribute->value_count; i++) {
        struct claim_value value;
        struct claimant us;
        struct claimant gets;
        code = claim_value_of(path, attribute->values[i], &value, err);
        if (code == TS_OK) {
            code = claim_rivals(t->mv, &value, t->object.id, t->arena, &us,
                                &gets, err);
        }
        if (code == TS_OK) {
            code = unique_exchange(t, &us, &value, &gets, err);
        }
        if (code == TS_OK && gets.metaverse_id != 0) {
            code = claim_promise(t->mv, &value, gets.metaverse_id, err);
        }
    }
    return code;
}

static enum ts_code park(struct engine_context *engine, int64_t id,
                         struct ts_arena *arena, struct ts_err *err)
{
    struct unique_taker t = { .engine = engine,
                              .mv = engine->state.mv,
                              .arena = arena };
    struct ts_entry sent;
    struct difference parked;
    struct ts_slice after = TS_SLICE_NONE;
    bool takes = false;
    enum ts_code code = unique_take(&t, id, &takes, err);
    if (code != TS_OK || !takes || !t.at_target) {
        return code;
    }
    code = entry_unpack(t.row.sent, arena, &sent, err);
    if (code == TS_OK) {
        code = unique_park(engine, &t.object, &sent, arena, &parked, err);
    }
    if (code == TS_OK) {
        code = entry_pack(&parked.sent, arena, &after, err);
    }
    for (size_t i = 0; code == TS_OK && i < sent.count; i++) {
        code = promise(&t, &sent.attributes[i], err);
    }
    if (code == TS_OK) {
        code = intent_revoke(t.mv, id, err);
    }
    if (code != TS_OK) {
        return code;
    }
    t.intent.id = ++engine->state.numbers.intent;
    t.intent.verb = INTENT_PARK;
    t.intent.classes = 0; /* a step of the update, which was cleared */
    t.intent.after = ts_hash_of(after);
    return intent_put(t.mv, &t.intent, err);
}

static enum ts_code park_all(struct engine_context *engine, const int64_t *ids,
                             size_t count, struct ts_err *err)
{
    struct ts_arena arena;
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        ts_arena_reset(&arena);
        code = park(engine, ids[i], &arena, err);
    }
    ts_arena_done(&arena);
    if (code == TS_OK) {
        code = state_commit(&engine->state, err);
    } else {
        state_rollback(&engine->state);
    }
    TS_FAILPOINT(INTENTS_DURABLE);
    return code;
}

enum ts_code unique_open_rings(struct engine_context *engine,
                               struct ts_err *err)
{
    struct waits waits;
    int64_t *ids = NULL;
    size_t count = 0;
    if (engine->contested.count == 0) {
        return TS_OK;
    }
    waits_init(&waits);
    enum ts_code code = judge_all(engine, &waits, err);
    if (code == TS_OK && waits.count > 0) {
        code = waits_open(&waits, &ids, &count, err);
    }
    if (code == TS_OK && count > 0) {
        code = park_all(engine, ids, count, err);
    }
    if (code == TS_OK) {
        engine->contested.count = 0;
    }
    free(ids);
    waits_done(&waits);
    return code;
}
