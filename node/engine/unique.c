#include "node/engine/unique.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "node/metaverse/claim.h"
#include "node/metaverse/problem.h"
#include "proto/entry_codec.h"

#define WITHHELD_MAX 64
/* From so many writes on, all claims are looked at once instead. */
#define MANY 5000

/* ---- quarantined paths
 * ----------------------------------------------------------------- */

enum ts_code unique_withhold(struct engine_context *engine,
                             const struct metaverse_object *object,
                             struct ts_entry *wanted, bool *ret_required,
                             struct ts_err *err)
{
    const struct problem_key of = { object->kind, object->anchor, "unique" };
    struct ts_slice paths[WITHHELD_MAX];
    struct ts_arena arena;
    size_t count = WITHHELD_MAX;
    *ret_required = false;
    if (!engine->problems_known || engine->unique_path_count == 0) {
        return TS_OK;
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code =
        problem_paths(engine->state.mv, &of, &arena, paths, &count, err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        const struct metaverse_unique_path *path =
            claim_path(engine->state.mv, object->kind, paths[i]);
        for (size_t a = 0; path != NULL && a < wanted->count; a++) {
            struct ts_attribute *attribute = &wanted->attributes[a];
            if (ts_slice_equal(attribute->name, paths[i]) &&
                claim_applies(attribute->kind)) {
                attribute->kind = TS_KIND_KEEP;
                attribute->value_count = 0;
                *ret_required = *ret_required || path->required;
            }
        }
    }
    ts_arena_done(&arena);
    return code;
}

/* ---- contested values
 * ------------------------------------------------------------------ */

enum ts_code unique_note(struct engine_context *engine, int64_t metaverse_id,
                         struct ts_err *err)
{
    struct engine_contested *list = &engine->contested;
    if (list->count > 0 && list->ids[list->count - 1] == metaverse_id) {
        return TS_OK;
    }
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : list->room * 2;
        int64_t *ids = realloc(list->ids, room * sizeof *ids);
        if (ids == NULL) {
            return ts_fail(err, TS_E_NOMEM, 0,
                           "could not note who wants a unique value");
        }
        list->ids = ids;
        list->room = room;
    }
    list->ids[list->count++] = metaverse_id;
    return TS_OK;
}

void unique_done(struct engine_context *engine)
{
    free(engine->contested.ids);
    engine->contested = (struct engine_contested){ .ids = NULL };
}

/* Walks the values of `set` that can be contested, in order. */
struct walk {
    const struct metaverse *mv;
    int kind;
    const struct ts_entry *set;
    size_t attribute, value; /* the next to look at */
    const struct metaverse_unique_path *path;
};

static bool walk_next(struct walk *walk, struct ts_slice *ret_value)
{
    for (; walk->attribute < walk->set->count; walk->attribute++) {
        const struct ts_attribute *a = &walk->set->attributes[walk->attribute];
        if (walk->value == 0) {
            walk->path = claim_applies(a->kind)
                             ? claim_path(walk->mv, walk->kind, a->name)
                             : NULL;
        }
        if (walk->path != NULL && walk->value < a->value_count) {
            *ret_value = a->values[walk->value++];
            return true;
        }
        walk->value = 0;
    }
    return false;
}

enum ts_code unique_decided(struct engine_context *engine,
                            const struct metaverse_object *object,
                            const struct ts_entry *set, struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    struct walk walk = { .mv = mv, .kind = object->kind, .set = set };
    struct ts_slice text;
    bool contested = false;
    enum ts_code code = TS_OK;
    if (engine->contested.none || engine->unique_path_count == 0) {
        return TS_OK;
    }
    while (code == TS_OK && !contested && walk_next(&walk, &text)) {
        struct claim_value value;
        code = claim_value_of(walk.path, text, &value, err);
        if (code == TS_OK) {
            code = claim_contested(mv, &value, object->id, &contested, err);
        }
    }
    return code == TS_OK && contested ? unique_note(engine, object->id, err)
                                      : code;
}

enum ts_code unique_waits(struct engine_context *engine, int64_t metaverse_id,
                          int kind, const struct ts_entry *set, bool *ret_waits,
                          struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    struct walk walk = { .mv = mv, .kind = kind, .set = set };
    struct ts_arena arena;
    struct ts_slice text;
    enum ts_code code = TS_OK;
    *ret_waits = false;
    if (engine->contested.none || engine->unique_path_count == 0) {
        return TS_OK;
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    while (code == TS_OK && !*ret_waits && walk_next(&walk, &text)) {
        struct claim_value value;
        struct claimant holder;
        struct claimant first;
        code = claim_value_of(walk.path, text, &value, err);
        if (code == TS_OK) {
            code = claim_contested(mv, &value, metaverse_id, ret_waits, err);
        }
        if (code != TS_OK || !*ret_waits) {
            continue;
        }
        code = claim_rivals(mv, &value, metaverse_id, &arena, &holder, &first,
                            err);
        *ret_waits =
            code == TS_OK && holder.metaverse_id != metaverse_id &&
            (holder.metaverse_id != 0 ||
             (first.metaverse_id != 0 && first.metaverse_id != metaverse_id));
    }
    ts_arena_done(&arena);
    return code == TS_OK && *ret_waits ? unique_note(engine, metaverse_id, err)
                                       : code;
}

enum ts_code unique_expect(struct engine_context *engine, int64_t count,
                           struct ts_err *err)
{
    bool any = true;
    enum ts_code code = TS_OK;
    if (count >= MANY && engine->unique_path_count > 0) {
        code = claim_any_contested(engine->state.mv, &any, err);
    }
    engine->contested.none = code == TS_OK && !any;
    return code;
}

/* ---- temporary values
 * ------------------------------------------------------------------ */

/* "parked-1f2e3d4c5b6a", with the domain of an address. */
static struct ts_slice temporary(const struct metaverse_object *object,
                                 const struct metaverse_unique_path *path,
                                 struct ts_slice old, struct ts_arena *arena)
{
    char hash[TS_HASH_TEXT_SIZE];
    const uint8_t *at = memchr(old.data, '@', old.size);
    struct ts_slice domain =
        at == NULL ? TS_SLICE_NONE
                   : ts_slice(at, old.size - (size_t) (at - old.data));
    size_t room = domain.size + 24;
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    ts_hasher_add_field(hasher, object->anchor);
    ts_hasher_add_field(hasher, ts_slice_str(path->path));
    ts_hash_text(ts_hasher_end(hasher), hash);
    ts_hasher_free(hasher);
    char *text = ts_arena_take(arena, room);
    if (text == NULL) {
        return TS_SLICE_NONE;
    }
    int size =
        snprintf(text, room, "parked-%.12s%.*s", hash, TS_SLICE_ARGS(domain));
    return ts_slice(text, (size_t) size);
}

struct parking {
    struct engine_context *engine;
    const struct metaverse_object *object;
    struct ts_entry wanted;
    struct ts_arena *arena;
};

/* Does another wait for `value` of ours, which we do not want ourselves? */
static enum ts_code is_wanted(struct parking *p,
                              const struct metaverse_unique_path *path,
                              struct ts_slice value, bool *ret_wanted,
                              struct ts_err *err)
{
    const struct ts_attribute *ours =
        ts_entry_find(&p->wanted, ts_slice_str(path->path));
    struct claim_value claim;
    struct claimant holder;
    struct claimant first;
    *ret_wanted = false;
    for (size_t i = 0; ours != NULL && i < ours->value_count; i++) {
        if (ts_slice_equal(ours->values[i], value)) {
            return TS_OK;
        }
    }
    enum ts_code code = claim_value_of(path, value, &claim, err);
    if (code == TS_OK) {
        code = claim_rivals(p->engine->state.mv, &claim, p->object->id,
                            p->arena, &holder, &first, err);
    }
    *ret_wanted = code == TS_OK && first.metaverse_id != 0 &&
                  first.metaverse_id != p->object->id;
    return code;
}

/* `attribute` without what others wait for; *ret_changed: there was some. */
static enum ts_code park_attribute(struct parking *p,
                                   const struct metaverse_unique_path *path,
                                   struct ts_attribute *attribute,
                                   bool *ret_changed, struct ts_err *err)
{
    struct ts_slice *kept =
        ts_arena_array(p->arena, attribute->value_count + 1, sizeof *kept);
    size_t count = 0;
    enum ts_code code =
        kept != NULL ? TS_OK
                     : ts_fail(err, TS_E_LIMIT, 0,
                               "could not compose a temporary value: out of "
                               "memory");
    *ret_changed = false;
    for (size_t i = 0; code == TS_OK && i < attribute->value_count; i++) {
        bool wanted = false;
        code = is_wanted(p, path, attribute->values[i], &wanted, err);
        if (code == TS_OK && !wanted) {
            kept[count++] = attribute->values[i];
        }
    }
    if (code != TS_OK || count == attribute->value_count) {
        return code;
    }
    *ret_changed = true;
    if (count == 0 && attribute->kind == TS_KIND_TEXT &&
        attribute->value_count == 1) {
        kept[count++] =
            temporary(p->object, path, attribute->values[0], p->arena);
    }
    attribute->kind = count == 0 ? TS_KIND_CLEAR : attribute->kind;
    attribute->values = kept;
    attribute->value_count = count;
    return TS_OK;
}

enum ts_code unique_park(struct engine_context *engine,
                         const struct metaverse_object *object,
                         const struct ts_entry *sent, struct ts_arena *arena,
                         struct difference *ret_difference, struct ts_err *err)
{
    struct parking p = { .engine = engine, .object = object, .arena = arena };
    struct difference out = { .set = { 0 }, .sent = *sent };
    out.set.attributes =
        ts_arena_array(arena, sent->count, sizeof *out.set.attributes);
    out.sent.attributes =
        ts_arena_array(arena, sent->count, sizeof *out.sent.attributes);
    if (out.set.attributes == NULL || out.sent.attributes == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not compose a temporary value: out of memory");
    }
    enum ts_code code = entry_unpack(object->packed, arena, &p.wanted, err);
    for (size_t i = 0; code == TS_OK && i < sent->count; i++) {
        struct ts_attribute *attribute = &out.sent.attributes[i];
        *attribute = sent->attributes[i];
        const struct metaverse_unique_path *path =
            claim_applies(attribute->kind)
                ? claim_path(engine->state.mv, object->kind, attribute->name)
                : NULL;
        bool changed = false;
        if (path != NULL) {
            code = park_attribute(&p, path, attribute, &changed, err);
        }
        if (changed) {
            out.set.attributes[out.set.count++] = *attribute;
        }
    }
    *ret_difference = out;
    return code;
}

/* ---- what foreign objects have
 * ------------------------------------------------------------ */

/* Can the target have meant `path` by `attribute`: the same name, or what it is
 * a part of? Names of SCIM have no case. */
static bool is_meant(const struct metaverse_unique_path *path,
                     struct ts_slice attribute)
{
    return attribute.size <= strlen(path->path) &&
           strncasecmp(path->path, (const char *) attribute.data,
                       attribute.size) == 0;
}

static enum ts_code quarantine_taken(struct engine_context *engine,
                                     const struct unique_refusal *refusal,
                                     const char *path, struct ts_err *err)
{
    char text[640];
    (void) snprintf(text, sizeof text,
                    "cannot give it this %s: the target says that another "
                    "object has the value (%.*s); change it here or there",
                    path,
                    (int) (refusal->text.size < 400 ? refusal->text.size : 400),
                    (const char *) refusal->text.data);
    struct problem problem = {
        .kind = refusal->kind,
        .anchor = refusal->anchor,
        .stage = "unique",
        .path = ts_slice_str(path),
        .text = ts_slice_str(text),
        .retry_at = ts_wall_seconds() + ENGINE_RETRY_SECONDS,
    };
    engine->problems_known = true;
    return problem_set(engine->state.mv, &problem, err);
}

enum ts_code unique_refused(struct engine_context *engine,
                            const struct unique_refusal *refusal,
                            bool *ret_taken, struct ts_err *err)
{
    struct walk walk = { .mv = engine->state.mv,
                         .kind = refusal->kind,
                         .set = refusal->values };
    const struct metaverse_unique_path *meant[WITHHELD_MAX];
    size_t count = 0;
    bool named = false;
    struct ts_slice ignored;
    enum ts_code code = TS_OK;
    while (count < WITHHELD_MAX && walk_next(&walk, &ignored)) {
        if (count == 0 || meant[count - 1] != walk.path) {
            meant[count++] = walk.path;
        }
    }
    for (size_t i = 0; refusal->attribute.size > 0 && i < count; i++) {
        named = named || is_meant(meant[i], refusal->attribute);
    }
    *ret_taken = false;
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        if (!named || is_meant(meant[i], refusal->attribute)) {
            code = quarantine_taken(engine, refusal, meant[i]->path, err);
            *ret_taken = code == TS_OK;
        }
    }
    return code;
}
