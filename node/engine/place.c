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

/* "rdn,rdn,...,base" of the object and the entries between it and the base;
 * data == NULL: out of memory. */
static struct ts_slice join_dn(const struct connector_object *object,
                               const struct connector_ancestor *above,
                               size_t between, struct ts_slice base,
                               struct ts_arena *arena)
{
    size_t size = object->rdn.size + 1 + base.size;
    for (size_t i = 0; i < between; i++) {
        size += above[i].rdn.size + 1;
    }
    uint8_t *text = ts_arena_take(arena, size + 1);
    if (text == NULL) {
        return TS_SLICE_NONE;
    }
    size_t used = 0;
    for (size_t i = 0; i <= between; i++) {
        struct ts_slice rdn = i == 0 ? object->rdn : above[i - 1].rdn;
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
    return ts_slice(text, used);
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

enum ts_code place_find(struct engine_context *engine,
                        const struct connector_object *object,
                        struct ts_arena *arena, struct rules_input *input,
                        struct ts_err *err)
{
    size_t source = (size_t) object->source_id - 1;
    struct connector_ancestor above[CONNECTOR_DEPTH_MAX];
    size_t count = CONNECTOR_DEPTH_MAX;
    size_t between = 0;
    struct ts_slice base;
    if (!rules_depend_on_dn(engine->rules) &&
        !rules_depend_on_ancestors(engine->rules)) {
        return TS_OK;
    }
    enum ts_code code = base_key(engine, source, &base, err);
    if (code == TS_OK) {
        code = connector_above(engine->state.mv, object, arena, above, &count,
                               err);
    }
    struct ts_slice *anchors =
        code == TS_OK ? ts_arena_array(arena, count, sizeof *anchors) : NULL;
    if (anchors == NULL) {
        return code == TS_OK ? full(err) : code;
    }
    for (size_t i = 0; i < count; i++) {
        anchors[i] = above[i].anchor;
    }
    input->ancestors = anchors;
    input->ancestor_count = count;

    struct ts_slice base_dn =
        ts_slice_str(engine->config->sources[source].base);
    if (ts_slice_equal(object->key, base)) {
        input->dn = base_dn;
        input->ancestors_complete = true;
    } else if (reach(object, above, count, base, &between)) {
        /* The base itself may be hidden by a filter: its name is known then,
         * its anchor is not. The root has none. */
        input->ancestors_complete = count > between || base_dn.size == 0;
        input->dn = join_dn(object, above, between, base_dn, arena);
        if (input->dn.data == NULL) {
            return full(err);
        }
    }
    return TS_OK;
}
