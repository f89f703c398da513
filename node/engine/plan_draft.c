#include "node/engine/plan_draft.h"

#include "node/engine/plan.h"

enum ts_code plan_draft_begin(struct engine_context *engine, struct ts_err *err)
{
    return plan_store_draft_reset(engine->state.mv, err);
}

enum ts_code plan_draft_add(struct engine_context *engine,
                            const struct plan_item *item, struct ts_err *err)
{
    return plan_store_draft_add(engine->state.mv, item, err);
}

/* One transaction around one step. */
struct keeping {
    struct engine_context *engine;
    const char *hash;
    int64_t id;       /* of the plan */
    int64_t in_force; /* the plan that must not be forgotten; 0: none */
    int64_t moved;    /* items, so far */
    bool more;
};
typedef enum ts_code step_fn(struct keeping *keeping, struct ts_err *err);

static enum ts_code within(struct keeping *keeping, step_fn *step,
                           struct ts_err *err)
{
    struct state *state = &keeping->engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = step(keeping, err);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

static enum ts_code put(struct keeping *keeping, struct ts_err *err)
{
    struct engine_context *engine = keeping->engine;
    return plan_store_put(engine->state.mv, &engine->effect, &keeping->id, err);
}

static enum ts_code renew(struct keeping *keeping, struct ts_err *err)
{
    struct engine_context *engine = keeping->engine;
    return plan_store_renew(engine->state.mv, keeping->id, &engine->effect,
                            err);
}

static enum ts_code move_some(struct keeping *keeping, struct ts_err *err)
{
    const struct plan_move move = { .id = keeping->id,
                                    .from = keeping->moved,
                                    .limit = ENGINE_CHUNK };
    int64_t moved = 0;
    enum ts_code code =
        plan_store_draft_move(keeping->engine->state.mv, &move, &moved, err);
    keeping->moved += moved;
    keeping->more = moved > 0;
    return code;
}

static enum ts_code finish(struct keeping *keeping, struct ts_err *err)
{
    struct metaverse *mv = keeping->engine->state.mv;
    enum ts_code code = plan_store_name(mv, keeping->id, keeping->hash, err);
    return code == TS_OK ? plan_store_trim(mv, keeping->in_force, err) : code;
}

static enum ts_code sweep(struct keeping *keeping, struct ts_err *err)
{
    return plan_store_sweep(keeping->engine->state.mv, ENGINE_CHUNK,
                            &keeping->more, err);
}

/* Until a step has no more to do; operators are answered in between. */
static enum ts_code repeat(struct keeping *keeping, step_fn *step,
                           struct ts_err *err)
{
    struct engine_context *engine = keeping->engine;
    enum ts_code code = TS_OK;
    keeping->more = true;
    while (code == TS_OK && keeping->more) {
        code = within(keeping, step, err);
        engine->breathe(engine->owner, ENGINE_COMPARE, 0, 0);
    }
    return code;
}

enum ts_code plan_draft_keep(struct engine_context *engine, const char *hash,
                             struct ts_err *err)
{
    struct keeping keeping = { .engine = engine, .hash = hash };
    struct plan_row row;
    struct plan_row in_force;
    enum ts_code code = plan_store_find(engine->state.mv, hash, &row, err);
    if (code == TS_OK) {
        code = plan_store_find(engine->state.mv, plan_hash(engine->plan),
                               &in_force, err);
    }
    if (code != TS_OK) {
        return code;
    }
    keeping.in_force = in_force.id;
    keeping.id = row.id;
    if (row.id != 0) {
        return within(&keeping, renew, err);
    }
    code = within(&keeping, put, err);
    if (code == TS_OK) {
        code = repeat(&keeping, move_some, err);
    }
    if (code == TS_OK) {
        code = within(&keeping, finish, err);
    }
    return code == TS_OK ? repeat(&keeping, sweep, err) : code;
}
