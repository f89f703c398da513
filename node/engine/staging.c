#include "node/engine/staging.h"

#include "node/engine/page.h"
#include "node/engine/plan.h"

#include <stdio.h>

/* Why, then since when, big-endian, then the effect that was exported last. */
#define STORED_SIZE (9 + TS_HASH_SIZE)
/* Whatever a plan says: the guard holds these, and only an approval that names
 * them lets them go. */
#define NEVER_BY_PLAN ((unsigned) INTENT_CLASS_ORPHAN | INTENT_CLASS_LOST)

/* ---- what is stored ----------------------------------------------------- */

struct stored {
    bool known, effect_known;
    enum staging why;
    int64_t since;
    struct ts_hash effect;   /* decided under last */
    struct ts_hash exported; /* when it last wrote what it liked (S4) */
};

static enum ts_code read_why(struct metaverse *mv, struct stored *stored,
                             struct ts_err *err)
{
    uint8_t bytes[STORED_SIZE] = { 0 };
    size_t size = 0;
    enum ts_code code =
        metaverse_setting(mv, "staging", bytes, sizeof bytes, &size, err);
    if (code == TS_E_NOT_FOUND) {
        return TS_OK;
    }
    stored->known = true;
    stored->why = (enum staging) bytes[0];
    for (size_t i = 1; i < 9; i++) {
        stored->since = stored->since << 8 | bytes[i];
    }
    if (size == sizeof bytes) {
        memcpy(stored->exported.bytes, bytes + 9, TS_HASH_SIZE);
    }
    return code;
}

static enum ts_code read_effect(struct metaverse *mv, struct stored *stored,
                                struct ts_err *err)
{
    size_t size = 0;
    enum ts_code code =
        metaverse_setting(mv, "effect", stored->effect.bytes,
                          sizeof stored->effect.bytes, &size, err);
    stored->effect_known = code == TS_OK && size == TS_HASH_SIZE;
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}

static enum ts_code write_stored(struct engine_context *engine,
                                 const struct stored *stored,
                                 struct ts_err *err)
{
    uint8_t bytes[STORED_SIZE] = { (uint8_t) stored->why };
    struct metaverse *mv = engine->state.mv;
    for (int i = 1; i < 9; i++) {
        bytes[i] = (uint8_t) ((uint64_t) stored->since >> (8 * (8 - i)));
    }
    memcpy(bytes + 9, stored->exported.bytes, TS_HASH_SIZE);
    enum ts_code code = metaverse_set_setting(
        mv, "staging", ts_slice(bytes, sizeof bytes), err);
    return code == TS_OK
               ? metaverse_set_setting(
                     mv, "effect", ts_slice(stored->effect.bytes, TS_HASH_SIZE),
                     err)
               : code;
}

/* `anew`: nothing that was compared counts any more (S3). */
static enum ts_code store(struct engine_context *engine,
                          const struct stored *stored, bool anew,
                          struct ts_err *err)
{
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    if (anew) {
        engine->state.numbers.compared = 0;
    }
    code = write_stored(engine, stored, err);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    code = state_commit(&engine->state, err);
    if (code == TS_OK) {
        engine->staging = stored->why;
        engine->staging_since = stored->since;
    }
    return code;
}

/* `exported`: everything that the present configuration means was let go, or
 * somebody saw that it is nothing (S4). */
static enum ts_code enter(struct engine_context *engine, enum staging why,
                          bool exported, struct ts_err *err)
{
    struct stored stored = { .why = why };
    enum ts_code code = read_why(engine->state.mv, &stored, err);
    if (code != TS_OK) {
        return code;
    }
    if (why != stored.why) {
        stored.since = ts_wall_seconds();
    }
    stored.why = why;
    stored.effect = engine->effect;
    if (exported) {
        stored.exported = engine->effect;
    }
    return store(engine, &stored, false, err);
}

/* ---- clearances --------------------------------------------------------- */

bool staging_governs(const struct engine_context *engine)
{
    return engine->staging != STAGING_NONE || engine->plan != NULL;
}

static bool approved_first(const struct engine_context *engine)
{
    return engine->staging == STAGING_FIRST && engine->approve_first &&
           engine->plan == NULL;
}

enum ts_code staging_clearance(struct engine_context *engine,
                               const struct metaverse_object *object,
                               struct intent *intent, struct ts_err *err)
{
    bool allowed = approved_first(engine);
    enum ts_code code = TS_OK;
    if ((intent->classes & NEVER_BY_PLAN) != 0) {
        intent->clearance = INTENT_UNCHECKED;
        return TS_OK;
    }
    if (engine->plan != NULL) {
        code = plan_allows(engine, object, intent, &allowed, err);
    }
    intent->clearance = allowed ? INTENT_CLEARED : INTENT_STAGED;
    return code;
}

static enum ts_code clear_ids(struct engine_context *engine, const int64_t *ids,
                              size_t count, enum intent_clearance to,
                              struct ts_err *err)
{
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = intent_clear(engine->state.mv, ids[i], to, err);
    }
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

/* What was decided before, from one clearance to another. The guard sees
 * everything that becomes UNCHECKED; otherwise what is only for it is spared.
 */
static enum ts_code move(struct engine_context *engine,
                         enum intent_clearance from, enum intent_clearance to,
                         struct ts_err *err)
{
    struct intent_range range = { .clearance = from };
    range.spared = to == INTENT_UNCHECKED ? 0 : NEVER_BY_PLAN;
    int64_t ids[ENGINE_CHUNK];
    size_t count = 0;
    enum ts_code code = TS_OK;
    do {
        count = ENGINE_CHUNK;
        code = intent_ids(engine->state.mv, &range, ids, &count, err);
        if (code == TS_OK && count > 0) {
            range.after = ids[count - 1];
            code = clear_ids(engine, ids, count, to, err);
        }
    } while (code == TS_OK && count > 0);
    return code;
}

/* One that was decided before, as it would be decided now. */
static enum ts_code clear_one(struct engine_context *engine,
                              struct intent *intent, struct ts_err *err)
{
    struct ts_arena arena;
    struct metaverse_object object;
    enum intent_clearance before = intent->clearance;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = object_get(engine->state.mv, intent->metaverse_id,
                                   &arena, &object, err);
    if (code == TS_OK) {
        code = staging_clearance(engine, &object, intent, err);
    }
    if (code == TS_OK && intent->clearance != before) {
        code =
            intent_clear(engine->state.mv, intent->id, intent->clearance, err);
    }
    ts_arena_done(&arena);
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}

static enum ts_code clear_list(struct engine_context *engine,
                               struct intent *intents, size_t count,
                               struct ts_err *err)
{
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = clear_one(engine, &intents[i], err);
    }
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

/* All that is not held, as the plan in force says. */
static enum ts_code clear_by_plan(struct engine_context *engine,
                                  struct ts_err *err)
{
    struct page page;
    enum ts_code code = TS_OK;
    page_begin(&page);
    while (page_next(&page, engine->state.mv, intent_unsent, &code, err)) {
        code = clear_list(engine, page.intents, page.count, err);
        engine->breathe(engine->owner, ENGINE_COMPARE, 0, 0);
    }
    page_end(&page);
    return code;
}

static enum ts_code clear_again(struct engine_context *engine,
                                struct ts_err *err)
{
    if (engine->plan != NULL) {
        return clear_by_plan(engine, err);
    }
    if (!staging_governs(engine)) {
        return move(engine, INTENT_STAGED, INTENT_UNCHECKED, err);
    }
    if (approved_first(engine)) {
        return move(engine, INTENT_STAGED, INTENT_CLEARED, err);
    }
    enum ts_code code = move(engine, INTENT_CLEARED, INTENT_STAGED, err);
    return code == TS_OK ? move(engine, INTENT_UNCHECKED, INTENT_STAGED, err)
                         : code;
}

/* ---- the cycle's three moments ------------------------------------------ */

enum ts_code staging_begin(struct engine_context *engine, struct ts_err *err)
{
    struct stored stored = { .why = STAGING_FIRST };
    enum ts_code code = read_why(engine->state.mv, &stored, err);
    if (code == TS_OK) {
        code = read_effect(engine->state.mv, &stored, err);
    }
    if (code != TS_OK) {
        return code;
    }
    bool other =
        stored.effect_known && !ts_hash_equal(stored.effect, engine->effect);
    engine->staging = stored.why;
    engine->staging_since = stored.since;
    if (!stored.known || !stored.effect_known || other) {
        if (!stored.known) {
            stored.since = ts_wall_seconds();
        } else if (other && stored.why == STAGING_NONE) {
            stored.why = STAGING_RULES;
            stored.since = ts_wall_seconds();
        }
        if (stored.known && !stored.effect_known) {
            stored.exported = engine->effect; /* of an older store */
        }
        stored.effect = engine->effect;
        code = store(engine, &stored, other, err);
    }
    if (code == TS_OK) {
        code = plan_recall(engine, err);
    }
    return code == TS_OK ? clear_again(engine, err) : code;
}

static enum ts_code nothing_to_do(struct engine_context *engine, bool *ret_idle,
                                  struct ts_err *err)
{
    struct intent_counts counts;
    int64_t ours = 1;
    enum ts_code code = intent_count(engine->state.mv, &counts, err);
    if (code == TS_OK && engine->staging == STAGING_FIRST) {
        code = db_query_int(&engine->state.mv->db,
                            "SELECT EXISTS(SELECT 1 FROM ledger WHERE "
                            "provenance <> 2)",
                            &ours, err);
    }
    *ret_idle = code == TS_OK && ours != 0 &&
                counts.due + counts.staged + counts.held + counts.doubt == 0;
    return code;
}

enum ts_code staging_decided(struct engine_context *engine, struct ts_err *err)
{
    bool idle = false;
    if (engine->plan != NULL) {
        return plan_drop(engine, err); /* it ends when it was carried out */
    }
    if (engine->staging != STAGING_FIRST && engine->staging != STAGING_RULES) {
        return TS_OK;
    }
    enum ts_code code = nothing_to_do(engine, &idle, err);
    return code == TS_OK && idle ? enter(engine, STAGING_NONE, true, err)
                                 : code;
}

enum ts_code staging_exported(struct engine_context *engine, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    if (engine->plan == NULL && !approved_first(engine)) {
        return TS_OK;
    }
    /* In this order: with a plan in force a crash in between costs nothing. */
    if (engine->staging == STAGING_FIRST || engine->staging == STAGING_RULES) {
        code = enter(engine, STAGING_NONE, true, err);
    } else if (engine->staging == STAGING_MAINTENANCE) {
        code = enter(engine, STAGING_MAINTENANCE, true, err);
    }
    if (code == TS_OK && engine->plan != NULL) {
        code = plan_finish(engine, err);
    }
    return code == TS_OK ? clear_again(engine, err) : code;
}

/* ---- apart from cycles -------------------------------------------------- */

enum ts_code staging_recall(struct engine_context *engine, struct ts_err *err)
{
    struct stored stored = { .why = STAGING_FIRST };
    if (engine->state.mv == NULL) {
        engine->staging = STAGING_FIRST;
        return TS_OK;
    }
    enum ts_code code = read_why(engine->state.mv, &stored, err);
    engine->staging = stored.why;
    engine->staging_since = stored.since;
    return code == TS_OK ? plan_recall(engine, err) : code;
}

/* S4 */
static enum ts_code after_maintenance(struct engine_context *engine,
                                      enum staging *ret_next,
                                      struct ts_err *err)
{
    struct stored stored = { .why = STAGING_FIRST };
    enum ts_code code = read_why(engine->state.mv, &stored, err);
    *ret_next = ts_hash_equal(stored.exported, engine->effect) ? STAGING_NONE
                                                               : STAGING_RULES;
    return code;
}

enum ts_code staging_maintenance(struct engine_context *engine, bool on,
                                 struct ts_err *err)
{
    if (engine->state.mv == NULL) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "could not change staging: nothing was read yet, and "
                       "the first cycle stages by itself; try again after it");
    }
    enum staging now = engine->staging;
    if (!on && (now == STAGING_FIRST || now == STAGING_RULES)) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot end staging: %s; look with twinsync preview, "
                       "then twinsync sync --plan HASH",
                       now == STAGING_FIRST ? "this store never exported"
                                            : "rules or scope changed");
    }
    if (on == (now != STAGING_NONE)) {
        return TS_OK;
    }
    enum staging next = STAGING_MAINTENANCE;
    enum ts_code code = TS_OK;
    if (!on) {
        code = after_maintenance(engine, &next, err);
    }
    if (code == TS_OK) {
        code = enter(engine, next, false, err);
    }
    return code == TS_OK ? clear_again(engine, err) : code;
}
