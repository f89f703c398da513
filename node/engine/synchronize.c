#include "node/engine/synchronize.h"

#include <stdlib.h>

#include "node/base/failpoint.h"
#include "node/base/time.h"
#include "node/engine/altered.h"
#include "node/engine/flow.h"
#include "node/metaverse/claim.h"
#include "node/metaverse/indexes.h"
#include "node/metaverse/object.h"
#include "node/metaverse/problem.h"
#include "node/metaverse/reference.h"

/* One chunk's working memory. */
struct chunk {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena arena;
    bool first_load; /* from one source: nobody can be there before */
    bool recount;    /* references are counted anew at the end instead */
};

static int64_t draw_change(struct chunk *c)
{
    return ++c->engine->state.numbers.change;
}

/* ---- problems ------------------------------------------------------------ */

static enum ts_code note_problems(struct chunk *c, int kind,
                                  const struct flow_part *part,
                                  struct ts_err *err)
{
    enum ts_code code =
        problem_clear(c->mv, kind, part->object.anchor, "rules", err);
    for (size_t i = 0; code == TS_OK && i < part->result.problem_count; i++) {
        struct problem problem = {
            .kind = kind,
            .anchor = part->object.anchor,
            .stage = "rules",
            .path = ts_slice_str(part->result.problems[i].path),
            .text = ts_slice_str(part->result.problems[i].text),
        };
        code = problem_set(c->mv, &problem, err);
    }
    return code;
}

static enum ts_code note_join_problem(struct chunk *c,
                                      const struct flow_part *part,
                                      const char *path, struct ts_err *err)
{
    struct problem problem = {
        .kind = (int) c->engine->config->rules[part->result.rule].kind,
        .anchor = part->object.anchor,
        .stage = "join",
        .path = ts_slice_str(path),
        .text = ts_slice_str("several objects have this value: it joins none "
                             "of them; make it unique at the source"),
    };
    return problem_set(c->mv, &problem, err);
}

/* ---- leaving --------------------------------------------------------------
 */

/* Why an object leaves: OUT, by a term of `when` that became false (or NULL),
 * or GONE. */
struct leaving {
    enum object_presence presence;
    const char *term;
};
static const struct leaving gone = { .presence = OBJECT_GONE };

static enum ts_code set_presence(struct chunk *c, int64_t id,
                                 const struct leaving *leaving,
                                 struct ts_err *err)
{
    struct metaverse_object object;
    enum ts_code code = object_get(c->mv, id, &c->arena, &object, err);
    if (code != TS_OK || object.presence == leaving->presence) {
        return code;
    }
    object.presence = leaving->presence;
    object.left_at = ts_wall_seconds();
    object.left_by = ts_slice_str(leaving->term);
    object.changed = draw_change(c);
    return object_update(c->mv, &object, err);
}

static enum ts_code flow_joined(struct chunk *c, int64_t id,
                                struct ts_err *err);

/* The object no longer contributes: undo its join; what is left of the
 * metaverse object flows anew, or leaves. */
static enum ts_code leave(struct chunk *c,
                          const struct connector_object *source_object,
                          const struct leaving *leaving, struct ts_err *err)
{
    int64_t ids[1];
    int64_t id = 0;
    size_t others = 1;
    enum ts_code code = object_joined_to(c->mv, source_object->id, &id, err);
    if (code != TS_OK) {
        return code;
    }
    if (id == 0) {
        /* Out of scope before; gone now. */
        code = object_by_anchor(c->mv, CONFIG_KIND_USER, source_object->anchor,
                                &id, err);
        if (code == TS_OK && id == 0) {
            code = object_by_anchor(c->mv, CONFIG_KIND_GROUP,
                                    source_object->anchor, &id, err);
        }
        if (code == TS_OK && id > 0) {
            code = object_contributors(c->mv, id, ids, &others, err);
            if (code == TS_OK && others == 0) {
                code = set_presence(c, id, leaving, err);
            }
        }
        return code;
    }
    if (!c->recount) {
        code = reference_left(c->mv, source_object->id, err);
    }
    if (code == TS_OK) {
        code = object_unjoin(c->mv, source_object->id, err);
    }
    if (code == TS_OK) {
        code = object_contributors(c->mv, id, ids, &others, err);
    }
    if (code != TS_OK) {
        return code;
    }
    return others > 0 ? flow_joined(c, id, err)
                      : set_presence(c, id, leaving, err);
}

/* ---- flowing --------------------------------------------------------------
 */

static const struct config_rule *rule_of(const struct chunk *c,
                                         const struct flow_part *part)
{
    return &c->engine->config->rules[part->result.rule];
}

/* Values by which other sources find this object. */
static enum ts_code store_join_values(struct chunk *c, int64_t id,
                                      const struct config_rule *rule,
                                      const struct ts_entry *values,
                                      struct ts_err *err)
{
    struct object_join_value found[16];
    size_t count = 0;
    if (rule->join_count == 0 || c->engine->config->sources_count < 2) {
        return TS_OK;
    }
    for (uint32_t i = 0; i < rule->join_count && count < 16; i++) {
        const struct ts_attribute *attribute =
            ts_entry_find(values, ts_slice_str(rule->join[i]));
        if (attribute != NULL && attribute->value_count == 1) {
            found[count++] = (struct object_join_value){
                .path = rule->join[i],
                .value = attribute->values[0],
            };
        }
    }
    return object_set_join_values(c->mv, id, found, count, err);
}

static enum ts_code store_flow(struct chunk *c, int64_t id,
                               struct flow_part *parts, size_t count,
                               struct ts_err *err)
{
    struct metaverse_object object;
    struct flow_merged merged;
    enum ts_code code = object_get(c->mv, id, &c->arena, &object, err);
    if (code == TS_OK) {
        code = flow_merge(parts, count, object.packed, &c->arena, &merged, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (object.presence == OBJECT_IN &&
        ts_slice_equal(object.packed, merged.packed) &&
        ts_slice_equal(object.once, merged.once)) {
        return TS_OK;
    }
    object.presence = OBJECT_IN;
    object.left_at = 0;
    object.left_by = TS_SLICE_NONE;
    object.packed = merged.packed;
    object.once = merged.once;
    object.changed = draw_change(c);
    code = object_update(c->mv, &object, err);
    if (code == TS_OK && c->engine->problems_known) {
        code = problem_try_again(c->mv, object.kind, object.anchor, err);
    }
    return code == TS_OK ? store_join_values(c, id, rule_of(c, &parts[0]),
                                             &merged.values, err)
                         : code;
}

/* Flow from all that are joined to `id`. */
static enum ts_code flow_joined(struct chunk *c, int64_t id, struct ts_err *err)
{
    int64_t ids[FLOW_CONTRIBUTORS_MAX];
    struct flow_part parts[FLOW_CONTRIBUTORS_MAX];
    size_t count = FLOW_CONTRIBUTORS_MAX;
    size_t in = 0;
    enum ts_code code = object_contributors(c->mv, id, ids, &count, err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        struct connector_object object;
        code = connector_get(c->mv, ids[i], &c->arena, &object, err);
        if (code == TS_OK) {
            code =
                flow_evaluate(c->engine, &object, &c->arena, &parts[in], err);
        }
        if (code == TS_OK && parts[in].result.scope == RULES_IN) {
            in++;
        }
    }
    return code == TS_OK && in > 0 ? store_flow(c, id, parts, in, err) : code;
}

/* ---- joining --------------------------------------------------------------
 */

/* By the values of the rule's `join` paths; 0 when nothing matches. */
static enum ts_code find_by_value(struct chunk *c, const struct flow_part *part,
                                  int64_t *ret_id, struct ts_err *err)
{
    const struct config_rule *rule = rule_of(c, part);
    *ret_id = 0;
    if (c->engine->config->sources_count < 2) {
        return TS_OK;
    }
    for (uint32_t i = 0; i < rule->join_count; i++) {
        const struct ts_attribute *attribute =
            ts_entry_find(&part->result.values, ts_slice_str(rule->join[i]));
        if (attribute == NULL || attribute->value_count != 1) {
            continue;
        }
        int64_t id = 0;
        enum ts_code code =
            object_by_join_value(c->mv, (int) rule->kind, rule->join[i],
                                 attribute->values[0], &id, err);
        if (code != TS_OK) {
            return code;
        }
        if (id < 0) {
            return note_join_problem(c, part, rule->join[i], err);
        }
        if (id > 0) {
            *ret_id = id;
            return TS_OK;
        }
    }
    return TS_OK;
}

static enum ts_code join(struct chunk *c, const struct flow_part *part,
                         int64_t id, struct ts_err *err)
{
    enum ts_code code = object_join(c->mv, part->object.id, id,
                                    (int) rule_of(c, part)->kind, err);
    if (code == TS_OK && !c->recount) {
        code = reference_joined(c->mv, part->object.id, err);
    }
    return code;
}

/* A new metaverse object, with this object's anchor for ever. */
static enum ts_code project(struct chunk *c, struct flow_part *part,
                            struct ts_err *err)
{
    struct flow_merged merged;
    enum ts_code code =
        flow_merge(part, 1, TS_SLICE_NONE, &c->arena, &merged, err);
    if (code != TS_OK) {
        return code;
    }
    struct metaverse_object object = {
        .id = ++c->engine->state.numbers.object,
        .kind = (int) rule_of(c, part)->kind,
        .anchor = part->object.anchor,
        .presence = OBJECT_IN,
        .packed = merged.packed,
        .once = merged.once,
        .changed = draw_change(c),
    };
    code = object_insert(c->mv, &object, err);
    if (code == TS_OK) {
        code = store_join_values(c, object.id, rule_of(c, part), &merged.values,
                                 err);
    }
    return code == TS_OK ? join(c, part, object.id, err) : code;
}

/* In scope and joined to nothing yet. */
static enum ts_code enter(struct chunk *c, struct flow_part *part,
                          struct ts_err *err)
{
    int64_t id = 0;
    int kind = (int) rule_of(c, part)->kind;
    if (c->first_load) {
        return project(c, part, err);
    }
    enum ts_code code =
        object_by_anchor(c->mv, kind, part->object.anchor, &id, err);
    if (code == TS_OK && id == 0) {
        code = find_by_value(c, part, &id, err);
    }
    if (code == TS_OK && id == 0) {
        bool waits = false;
        code = altered_waits(c->engine, &part->object, &waits, err);
        return code != TS_OK || waits ? code : project(c, part, err);
    }
    if (code == TS_OK) {
        code = join(c, part, id, err);
    }
    return code == TS_OK ? flow_joined(c, id, err) : code;
}

static enum ts_code stay(struct chunk *c, struct flow_part *part, int64_t id,
                         struct ts_err *err)
{
    struct metaverse_object object;
    enum ts_code code = object_get(c->mv, id, &c->arena, &object, err);
    if (code != TS_OK) {
        return code;
    }
    if (object.kind != (int) rule_of(c, part)->kind) {
        /* Another kind is another object: the old one leaves. */
        static const struct leaving changed = { .presence = OBJECT_OUT };
        code = leave(c, &part->object, &changed, err);
        return code == TS_OK ? enter(c, part, err) : code;
    }
    return c->engine->config->sources_count == 1
               ? store_flow(c, id, part, 1, err)
               : flow_joined(c, id, err);
}

/* ---- one object -----------------------------------------------------------
 */

static enum ts_code synchronize_live(struct chunk *c,
                                     const struct connector_object *object,
                                     struct ts_err *err)
{
    struct flow_part part;
    int64_t id = 0;
    enum ts_code code = flow_evaluate(c->engine, object, &c->arena, &part, err);
    if (code != TS_OK) {
        return code;
    }
    if (part.result.scope == RULES_OUT) {
        const struct leaving out = { .presence = OBJECT_OUT,
                                     .term = part.result.false_term };
        return c->first_load ? TS_OK : leave(c, object, &out, err);
    }
    int kind = part.result.scope == RULES_IN ? (int) rule_of(c, &part)->kind
                                             : (int) CONFIG_KIND_USER;
    if (part.result.problem_count > 0 || c->engine->problems_known) {
        code = note_problems(c, kind, &part, err);
        c->engine->problems_known = true;
    }
    if (code != TS_OK || part.result.scope == RULES_UNDECIDED) {
        return code; /* an error is never a scope exit */
    }
    if (!c->first_load) {
        code = object_joined_to(c->mv, object->id, &id, err);
    }
    if (code != TS_OK) {
        return code;
    }
    return id > 0 ? stay(c, &part, id, err) : enter(c, &part, err);
}

static enum ts_code synchronize_one(struct chunk *c,
                                    const struct connector_object *object,
                                    struct ts_err *err)
{
    if (!object->gone) {
        return synchronize_live(c, object, err);
    }
    enum ts_code code = leave(c, object, &gone, err);
    return code == TS_OK ? connector_remove(c->mv, object->id, err) : code;
}

/* ---- chunks ---------------------------------------------------------------
 */

static enum ts_code synchronize_chunk(struct chunk *c, size_t *ret_count,
                                      struct ts_err *err)
{
    struct state *state = &c->engine->state;
    struct connector_object *objects =
        ts_arena_array(&c->arena, ENGINE_CHUNK, sizeof *objects);
    size_t count = ENGINE_CHUNK;
    if (objects == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not synchronize");
    }
    enum ts_code code = connector_due(c->mv, state->numbers.synchronized,
                                      &c->arena, objects, &count, err);
    *ret_count = count;
    if (code != TS_OK || count == 0) {
        return code;
    }
    code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = synchronize_one(c, &objects[i], err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    state->numbers.synchronized = objects[count - 1].changed;
    code = state_commit(state, err);
    TS_FAILPOINT(SYNC_CHUNK);
    return code;
}

static enum ts_code recount(struct engine_context *engine, struct ts_err *err)
{
    static const uint8_t no[1] = { 0 };
    enum ts_code code = indexes_make(engine->state.mv, "nesting", err);
    if (code == TS_OK) {
        code = state_begin(&engine->state, err);
    }
    if (code != TS_OK) {
        return code;
    }
    code = reference_recount(engine->state.mv, err);
    if (code == TS_OK) {
        code = metaverse_set_setting(engine->state.mv, "recount",
                                     ts_slice(no, sizeof no), err);
    }
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

static bool recount_due(struct engine_context *engine)
{
    uint8_t flag[1] = { 0 };
    size_t size = 0;
    return engine->state.building ||
           (metaverse_setting(engine->state.mv, "recount", flag, sizeof flag,
                              &size, NULL) == TS_OK &&
            size == 1 && flag[0] == 1);
}

/* Which paths are unique, and how their values are compared. */
static struct ts_hash unique_stamp(const struct engine_context *engine)
{
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    for (size_t i = 0; i < engine->unique_path_count; i++) {
        const struct metaverse_unique_path *path = &engine->unique_paths[i];
        const uint8_t how[2] = { (uint8_t) path->kind, path->case_exact };
        ts_hasher_add(hasher, ts_slice(how, sizeof how));
        ts_hasher_add_field(hasher, ts_slice_str(path->path));
    }
    struct ts_hash stamp = ts_hasher_end(hasher);
    ts_hasher_free(hasher);
    return stamp;
}

/* After a first load, and when the target began to see uniqueness otherwise. */
static enum ts_code recount_claims(struct engine_context *engine,
                                   struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    struct ts_hash now = unique_stamp(engine);
    struct ts_hash then;
    size_t size = 0;
    enum ts_code code = metaverse_setting(mv, "unique", then.bytes,
                                          sizeof then.bytes, &size, err);
    bool same =
        code == TS_OK && size == sizeof then.bytes && ts_hash_equal(now, then);
    if (same || (code != TS_OK && code != TS_E_NOT_FOUND)) {
        return code;
    }
    code = state_begin(&engine->state, err);
    if (code == TS_OK) {
        code = claim_recount(mv, err);
    }
    if (code == TS_OK) {
        code = metaverse_set_setting(
            mv, "unique", ts_slice(now.bytes, sizeof now.bytes), err);
    }
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

enum ts_code synchronize_due(struct engine_context *engine, struct ts_err *err)
{
    struct chunk c = { .engine = engine, .mv = engine->state.mv };
    size_t count = 0;
    uint64_t done = 0;
    enum ts_code code = TS_OK;
    c.recount = recount_due(engine);
    c.first_load = engine->state.building && engine->config->sources_count == 1;
    ts_arena_init(&c.arena, ENGINE_OBJECT_MEMORY);
    do {
        ts_arena_reset(&c.arena);
        code = synchronize_chunk(&c, &count, err);
        done += count;
        engine->counts.synchronized += count;
        engine->breathe(engine->owner, ENGINE_SYNCHRONIZE, done, 0);
        if (code == TS_OK && atomic_load(&engine->stopping)) {
            code = ts_fail(err, TS_E_CANCELLED, 0, "the cycle was stopped");
        }
    } while (code == TS_OK && count > 0);
    ts_arena_done(&c.arena);
    if (code == TS_OK && c.recount) {
        code = recount(engine, err);
    }
    return code == TS_OK ? recount_claims(engine, err) : code;
}

enum ts_code synchronize_restart(struct engine_context *engine,
                                 struct ts_err *err)
{
    static const uint8_t yes[1] = { 1 };
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    engine->state.numbers.synchronized = 0;
    /* Which attribute is which reference may have changed too. */
    code = metaverse_set_setting(engine->state.mv, "recount",
                                 ts_slice(yes, sizeof yes), err);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}
