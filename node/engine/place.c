#include "node/engine/place.h"

#include "node/ldap/dn.h"

static enum ts_code full(struct ts_err *err)
{
    return ts_fail(err, TS_E_LIMIT, 0,
                   "could not find the place of an object: out of memory");
}

/* The key of the source's base, computed once. */
static enum ts_code base_key(struct engine_context *engine, size_t source,
                             struct ts_slice *ret_key, struct ts_err *err)
{
    struct engine_base *base = &engine->bases[source];
    if (!base->known) {
        const char *text = engine->config->sources[source].base;
        struct ldap_dn_keys *keys = ldap_dn_keys_new();
        struct ldap_dn dn;
        enum ts_code code =
            keys == NULL ? ts_fail(err, TS_E_NOMEM, 0, "could not read a base")
                         : ldap_dn_key(keys, ts_slice_str(text), &dn, err);
        ldap_dn_keys_free(keys);
        if (code != TS_OK) {
            return code;
        }
        _Static_assert(sizeof base->key == sizeof dn.key.bytes, "one key");
        memcpy(base->key, dn.key.bytes, sizeof base->key);
        base->known = true;
    }
    *ret_key = ts_slice(base->key, sizeof base->key);
    return TS_OK;
}

/* The way from an object to its source's base. */
struct way {
    struct connector_ancestor above[CONNECTOR_DEPTH_MAX];
    size_t count;
    size_t between; /* of `above`, before the base */
    bool is_base, whole;
    struct ts_slice base_dn, dn; /* dn: empty unless whole */
};

/* "rdn,rdn,...,base" of the object and the entries between it and the base. */
static bool join_dn(const struct connector_object *object,
                    const struct way *way, struct ts_arena *arena,
                    struct ts_slice *ret_dn)
{
    struct ts_slice base = way->base_dn;
    size_t size = object->rdn.size + 1 + base.size;
    for (size_t i = 0; i < way->between; i++) {
        size += way->above[i].rdn.size + 1;
    }
    uint8_t *text = ts_arena_take(arena, size + 1);
    if (text == NULL) {
        return false;
    }
    size_t used = 0;
    for (size_t i = 0; i <= way->between; i++) {
        struct ts_slice rdn = i == 0 ? object->rdn : way->above[i - 1].rdn;
        if (rdn.size > 0) {
            memcpy(text + used, rdn.data, rdn.size);
            used += rdn.size;
        }
        text[used++] = ',';
    }
    if (base.size > 0) {
        memcpy(text + used, base.data, base.size);
        used += base.size;
    } else {
        used--; /* the root: nothing follows the last RDN */
    }
    *ret_dn = ts_slice(text, used);
    return true;
}

/* How many entries are between the object and the base; false when there is a
 * gap. */
static bool reach(const struct connector_object *object,
                  const struct connector_ancestor *above, size_t count,
                  struct ts_slice base, size_t *ret_between)
{
    struct ts_slice parent = object->parent;
    size_t n = 0;
    while (!ts_slice_equal(parent, base)) {
        if (n == count) {
            return false;
        }
        parent = above[n++].parent;
    }
    *ret_between = n;
    return true;
}

static enum ts_code find_way(struct engine_context *engine,
                             const struct connector_object *object,
                             struct ts_arena *arena, struct way *way,
                             struct ts_err *err)
{
    size_t source = (size_t) object->source_id - 1;
    struct ts_slice base;
    way->count = CONNECTOR_DEPTH_MAX;
    way->between = 0;
    way->dn = TS_SLICE_NONE;
    way->base_dn = ts_slice_str(engine->config->sources[source].base);
    enum ts_code code = base_key(engine, source, &base, err);
    if (code == TS_OK) {
        code = connector_above(engine->state.mv, object, arena, way->above,
                               &way->count, err);
    }
    if (code != TS_OK) {
        return code;
    }
    way->is_base = ts_slice_equal(object->key, base);
    way->whole = way->is_base ||
                 reach(object, way->above, way->count, base, &way->between);
    if (way->is_base) {
        way->dn = way->base_dn;
    } else if (way->whole && !join_dn(object, way, arena, &way->dn)) {
        return full(err);
    }
    return TS_OK;
}

enum ts_code place_find(struct engine_context *engine,
                        const struct connector_object *object,
                        struct ts_arena *arena, struct rules_input *input,
                        struct ts_err *err)
{
    struct way way;
    if (!rules_depend_on_dn(engine->rules) &&
        !rules_depend_on_ancestors(engine->rules)) {
        return TS_OK;
    }
    enum ts_code code = find_way(engine, object, arena, &way, err);
    if (code != TS_OK) {
        return code;
    }
    struct ts_slice *anchors =
        ts_arena_array(arena, way.count, sizeof *anchors);
    if (anchors == NULL) {
        return full(err);
    }
    for (size_t i = 0; i < way.count; i++) {
        anchors[i] = way.above[i].anchor;
    }
    input->ancestors = anchors;
    input->ancestor_count = way.count;
    if (way.whole) {
        input->dn = way.dn;
        /* The base itself may be hidden by a filter: its name is known then,
         * its anchor is not. The root has none. */
        input->ancestors_complete =
            way.is_base || way.count > way.between || way.base_dn.size == 0;
    }
    return TS_OK;
}

enum ts_code place_dn(struct engine_context *engine,
                      const struct connector_object *object,
                      struct ts_arena *arena, struct ts_slice *ret_dn,
                      struct ts_err *err)
{
    struct way way = { .dn = TS_SLICE_NONE };
    if ((size_t) object->source_id - 1 < engine->config->sources_count) {
        enum ts_code code = find_way(engine, object, arena, &way, err);
        if (code != TS_OK) {
            return code;
        }
    }
    *ret_dn = way.dn;
    return TS_OK;
}
