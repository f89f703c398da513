#include "node/engine/flow.h"

#include <stdlib.h>

#include "node/engine/place.h"
#include "proto/entry_codec.h"

static size_t precedence_of(const struct config_rule *rule, const char *source)
{
    for (uint32_t i = 0; i < rule->sources_count; i++) {
        if (strcmp(rule->sources[i], source) == 0) {
            return i;
        }
    }
    return rule->sources_count;
}

enum ts_code flow_evaluate(struct engine_context *engine,
                           const struct connector_object *object,
                           struct ts_arena *arena, struct flow_part *ret_part,
                           struct ts_err *err)
{
    struct flow_part part = { .object = *object,
                              .result = { .scope = RULES_OUT } };
    size_t source = (size_t) object->source_id - 1;
    if (source >= engine->config->sources_count) {
        *ret_part = part;
        return TS_OK;
    }

    struct ts_entry entry;
    enum ts_code code = entry_unpack(object->packed, arena, &entry, err);
    if (code != TS_OK) {
        return code;
    }
    struct rules_input input = {
        .source_name = engine->config->sources[source].name,
        .anchor = object->anchor,
        .entry = &entry,
        .run_date = engine->run_date,
    };
    code = place_find(engine, object, arena, &input, err);
    if (code == TS_OK) {
        code = rules_evaluate(engine->rules, &input, arena, &part.result, err);
    }
    if (code == TS_OK && part.result.scope == RULES_IN) {
        part.precedence =
            precedence_of(&engine->config->rules[part.result.rule],
                          engine->config->sources[source].name);
    }
    *ret_part = part;
    return code;
}

static int by_precedence(const void *a, const void *b)
{
    const struct flow_part *x = a;
    const struct flow_part *y = b;
    if (x->precedence != y->precedence) {
        return x->precedence < y->precedence ? -1 : 1;
    }
    return (x->object.id > y->object.id) - (x->object.id < y->object.id);
}

static bool has_name(const struct ts_entry *entry, struct ts_slice name)
{
    for (size_t i = 0; i < entry->count; i++) {
        if (ts_slice_equal(entry->attributes[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Append what `from` has and `to` has not. `to` has room for all of it. */
static void append_missing(struct ts_entry *to, const struct ts_entry *from)
{
    for (size_t i = 0; i < from->count; i++) {
        if (!has_name(to, from->attributes[i].name)) {
            to->attributes[to->count++] = from->attributes[i];
        }
    }
}

/* The last good values of the paths that failed in `part`. */
static void append_last_good(struct ts_entry *to, const struct flow_part *part,
                             const struct ts_entry *last)
{
    for (size_t i = 0; i < part->result.problem_count; i++) {
        struct ts_slice path = ts_slice_str(part->result.problems[i].path);
        const struct ts_attribute *old = ts_entry_find(last, path);
        if (old != NULL && !has_name(to, path)) {
            to->attributes[to->count++] = *old;
        }
    }
}

static enum ts_code merge_values(struct flow_part *parts, size_t count,
                                 const struct ts_entry *last,
                                 struct ts_arena *arena,
                                 struct flow_merged *merged)
{
    struct ts_entry once = { .count = 0 };
    size_t room = last->count;
    size_t once_room = 0;
    for (size_t i = 0; i < count; i++) {
        room += parts[i].result.values.count;
        once_room += parts[i].result.once.count;
    }
    merged->values = (struct ts_entry){
        .attributes =
            ts_arena_array(arena, room, sizeof *merged->values.attributes),
    };
    once.attributes = ts_arena_array(arena, once_room, sizeof *once.attributes);
    if (merged->values.attributes == NULL || once.attributes == NULL) {
        return TS_E_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        append_missing(&merged->values, &parts[i].result.values);
        append_last_good(&merged->values, &parts[i], last);
        append_missing(&once, &parts[i].result.once);
    }
    ts_entry_normalise(&merged->values);
    ts_entry_normalise(&once);
    enum ts_code code =
        entry_pack(&merged->values, arena, &merged->packed, NULL);
    return code == TS_OK ? entry_pack(&once, arena, &merged->once, NULL) : code;
}

enum ts_code flow_merge(struct flow_part *parts, size_t count,
                        struct ts_slice last, struct ts_arena *arena,
                        struct flow_merged *ret_merged, struct ts_err *err)
{
    struct ts_entry old = { .count = 0 };
    bool failed = false;
    for (size_t i = 0; i < count; i++) {
        failed = failed || parts[i].result.problem_count > 0;
    }
    if (failed && last.size > 0) {
        enum ts_code code = entry_unpack(last, arena, &old, err);
        if (code != TS_OK) {
            return code;
        }
    }
    if (count > 1) {
        qsort(parts, count, sizeof *parts, by_precedence);
    }
    if (merge_values(parts, count, &old, arena, ret_merged) != TS_OK) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not flow object \"%.*s\": its values are too "
                       "large",
                       TS_SLICE_ARGS(parts[0].object.anchor));
    }
    return TS_OK;
}
