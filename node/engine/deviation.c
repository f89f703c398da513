#include "node/engine/deviation.h"

/* No values is no value, however it is said. */
static const struct ts_attribute *valued(const struct ts_entry *entry,
                                         struct ts_slice path)
{
    const struct ts_attribute *attribute = ts_entry_find(entry, path);
    return attribute != NULL && attribute->value_count > 0 ? attribute : NULL;
}

/* Values only: a target may call a number text. */
static bool same(const struct ts_attribute *a, const struct ts_attribute *b)
{
    size_t count = a == NULL ? 0 : a->value_count;
    if (count != (b == NULL ? 0 : b->value_count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!ts_slice_equal(a->values[i], b->values[i])) {
            return false;
        }
    }
    return true;
}

static bool is_normalised(const struct deviation_view *view,
                          const struct ts_attribute *want,
                          const struct ts_attribute *theirs)
{
    const struct ts_attribute *sent = ts_entry_find(view->sent, want->name);
    return view->seen != NULL && sent != NULL &&
           ts_attribute_equal(sent, want) &&
           same(valued(view->seen, want->name), theirs);
}

enum ts_code deviation_of(const struct deviation_view *view,
                          struct ts_arena *arena, struct deviation **ret_list,
                          size_t *ret_count, struct ts_err *err)
{
    size_t n = 0;
    struct deviation *list = ts_arena_array(
        arena, view->wanted->count + view->sent->count, sizeof *list);
    if (list == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not compare an object with the target: it is too "
                       "large");
    }
    for (size_t i = 0; i < view->wanted->count; i++) {
        const struct ts_attribute *want = &view->wanted->attributes[i];
        const struct ts_attribute *theirs = valued(view->shown, want->name);
        if (want->kind == TS_KIND_KEEP || same(want, theirs)) {
            continue;
        }
        list[n++] = (struct deviation){
            .path = want->name,
            .ours = want->value_count > 0 ? want : NULL,
            .theirs = theirs,
            .normalised = is_normalised(view, want, theirs),
        };
    }
    for (size_t i = 0; i < view->sent->count; i++) {
        const struct ts_attribute *sent = &view->sent->attributes[i];
        const struct ts_attribute *theirs = valued(view->shown, sent->name);
        if (sent->value_count > 0 && theirs != NULL &&
            ts_entry_find(view->wanted, sent->name) == NULL) {
            list[n++] =
                (struct deviation){ .path = sent->name, .theirs = theirs };
        }
    }
    *ret_list = list;
    *ret_count = n;
    return TS_OK;
}
