#include "node/engine/guard.h"

#include "node/engine/replaced.h"
#include "node/engine/staging.h"
#include "node/engine/vanished.h"

enum ts_code guard_clearance(struct engine_context *engine,
                             const struct metaverse_object *object,
                             struct intent *intent, struct ts_err *err)
{
    enum ts_code code = vanished_clearance(engine, object->id, intent, err);
    if (code != TS_OK) {
        return code;
    }
    if (staging_governs(engine)) {
        return staging_clearance(engine, object, intent, err);
    }
    intent->clearance =
        intent->classes == 0 ? INTENT_CLEARED : INTENT_UNCHECKED;
    return TS_OK;
}

static enum ts_code clear_list(struct engine_context *engine,
                               const struct intent *intents, size_t count,
                               struct ts_err *err)
{
    struct state *state = &engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = intent_clear(state->mv, intents[i].id, INTENT_CLEARED, err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

enum ts_code guard_pass(struct engine_context *engine, struct ts_err *err)
{
    struct intent intents[ENGINE_LIST_MAX];
    struct ts_arena arena;
    int64_t after = 0;
    size_t count = 0;
    enum ts_code code = vanished_pass(engine, err);
    if (code == TS_OK) {
        code = replaced_pass(engine, err);
    }
    if (code != TS_OK) {
        return code;
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    do {
        ts_arena_reset(&arena);
        count = ENGINE_LIST_MAX;
        code = intent_unchecked(engine->state.mv, after, &arena, intents,
                                &count, err);
        if (code == TS_OK && count > 0) {
            after = intents[count - 1].id;
            code = clear_list(engine, intents, count, err);
        }
    } while (code == TS_OK && count > 0);
    ts_arena_done(&arena);
    return code;
}
