#include "node/engine/difference.h"

static bool room(struct ts_arena *arena, size_t count, struct ts_entry *entry)
{
    entry->count = 0;
    entry->attributes = ts_arena_array(arena, count, sizeof *entry->attributes);
    return entry->attributes != NULL;
}

static enum ts_code full(struct ts_err *err)
{
    return ts_fail(err, TS_E_LIMIT, 0,
                   "could not compare an object with the target: it is too "
                   "large");
}

static void append(struct ts_entry *entry, const struct ts_attribute *attribute)
{
    entry->attributes[entry->count++] = *attribute;
}

static void append_clear(struct ts_entry *entry, struct ts_slice name)
{
    entry->attributes[entry->count++] =
        (struct ts_attribute){ .name = name, .kind = TS_KIND_CLEAR };
}

/* One wanted attribute against what was sent for its path, or NULL. */
static void compare(const struct ts_attribute *want,
                    const struct ts_attribute *old, struct difference *out)
{
    if (want->kind == TS_KIND_KEEP) {
        if (old != NULL) {
            append(&out->sent, old);
        }
        return;
    }
    if (old == NULL || !ts_attribute_equal(want, old)) {
        append(&out->set, want);
    }
    append(&out->sent, want);
}

enum ts_code difference_of(const struct ts_entry *wanted,
                           const struct ts_entry *sent, struct ts_arena *arena,
                           struct difference *ret_difference,
                           struct ts_err *err)
{
    struct difference out;
    if (!room(arena, wanted->count + sent->count, &out.set) ||
        !room(arena, wanted->count + sent->count, &out.sent)) {
        return full(err);
    }
    /* Both in order of names: one walk. */
    size_t i = 0;
    size_t j = 0;
    while (i < wanted->count || j < sent->count) {
        int order = i == wanted->count ? 1
                    : j == sent->count
                        ? -1
                        : ts_slice_compare(wanted->attributes[i].name,
                                           sent->attributes[j].name);
        if (order > 0) {
            if (sent->attributes[j].kind != TS_KIND_CLEAR) {
                append_clear(&out.set, sent->attributes[j].name);
            }
            j++;
            continue;
        }
        compare(&wanted->attributes[i],
                order == 0 ? &sent->attributes[j] : NULL, &out);
        i++;
        j += order == 0;
    }
    *ret_difference = out;
    return TS_OK;
}

enum ts_code difference_for_new(const struct ts_entry *wanted,
                                const struct ts_entry *once,
                                struct ts_arena *arena,
                                struct difference *ret_difference,
                                struct ts_err *err)
{
    struct difference out;
    if (!room(arena, wanted->count + once->count, &out.set) ||
        !room(arena, wanted->count, &out.sent)) {
        return full(err);
    }
    for (size_t i = 0; i < wanted->count; i++) {
        const struct ts_attribute *want = &wanted->attributes[i];
        if (want->kind == TS_KIND_KEEP) {
            continue;
        }
        append(&out.sent, want);
        if (want->kind != TS_KIND_CLEAR) {
            append(&out.set, want);
        }
    }
    for (size_t i = 0; i < once->count; i++) {
        const struct ts_attribute *value = &once->attributes[i];
        if (value->kind != TS_KIND_KEEP && value->kind != TS_KIND_CLEAR &&
            ts_entry_find(wanted, value->name) == NULL) {
            append(&out.set, value);
        }
    }
    ts_entry_normalise(&out.set);
    *ret_difference = out;
    return TS_OK;
}
