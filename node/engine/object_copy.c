#include "node/engine/object_copy.h"

static bool copy_slice(struct ts_arena *arena, struct ts_slice from,
                       struct ts_slice *ret_to)
{
    *ret_to = ts_arena_copy(arena, from);
    return ret_to->data != NULL;
}

static bool copy_slices(struct ts_arena *arena, const struct ts_slice *from,
                        size_t count, struct ts_slice **ret_to)
{
    struct ts_slice *to = ts_arena_array(arena, count, sizeof *to);
    if (to == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!copy_slice(arena, from[i], &to[i])) {
            return false;
        }
    }
    *ret_to = to;
    return true;
}

static bool copy_entry(struct ts_arena *arena, const struct ts_entry *from,
                       struct ts_entry *ret_to)
{
    struct ts_attribute *to = ts_arena_array(arena, from->count, sizeof *to);
    if (to == NULL) {
        return false;
    }
    for (size_t i = 0; i < from->count; i++) {
        const struct ts_attribute *attribute = &from->attributes[i];
        to[i].kind = attribute->kind;
        to[i].value_count = attribute->value_count;
        if (!copy_slice(arena, attribute->name, &to[i].name) ||
            !copy_slices(arena, attribute->values, attribute->value_count,
                         &to[i].values)) {
            return false;
        }
    }
    *ret_to = (struct ts_entry){ .count = from->count, .attributes = to };
    return true;
}

bool object_copy(struct ts_arena *arena, const struct target_object *object,
                 struct target_object *ret_copy)
{
    struct target_object copy = *object;
    struct ts_slice *links = NULL;
    bool ok = copy_slice(arena, object->id, &copy.id) &&
              copy_slice(arena, object->etag, &copy.etag) &&
              copy_slice(arena, object->anchor, &copy.anchor) &&
              copy_slice(arena, object->created, &copy.created) &&
              copy_entry(arena, &object->values, &copy.values) &&
              copy_slices(arena, object->links, object->link_count, &links);
    copy.links = links;
    *ret_copy = copy;
    return ok;
}
