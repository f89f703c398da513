#include "node/engine/match.h"

#include <stdlib.h>
#include <unicase.h>

#include "node/metaverse/problem.h"

static const struct config_rule *match_rule(const struct engine_context *engine,
                                            enum config_kind kind)
{
    for (uint32_t i = 0; i < engine->config->rules_count; i++) {
        const struct config_rule *rule = &engine->config->rules[i];
        if (rule->kind == kind && rule->match_count > 0) {
            return rule;
        }
    }
    return NULL;
}

/* Append `value` without regard to case, and a separator that no UTF-8 has. */
static bool append_folded(struct ts_arena *arena, struct ts_slice *joined,
                          struct ts_slice value)
{
    size_t size = 0;
    uint8_t *folded =
        u8_casefold(value.data, value.size, NULL, NULL, NULL, &size);
    uint8_t *text =
        folded == NULL ? NULL : ts_arena_take(arena, joined->size + size + 1);
    if (text != NULL) {
        if (joined->size > 0) {
            memcpy(text, joined->data, joined->size);
        }
        memcpy(text + joined->size, folded, size);
        text[joined->size + size] = 0x01;
        *joined = ts_slice(text, joined->size + size + 1);
    }
    free(folded);
    return text != NULL;
}

enum ts_code match_value_of(const struct engine_context *engine,
                            enum config_kind kind,
                            const struct ts_entry *values,
                            struct ts_arena *arena, struct ts_slice *ret_value,
                            struct ts_err *err)
{
    const struct config_rule *rule = match_rule(engine, kind);
    struct ts_slice joined = TS_SLICE_NONE;
    for (uint32_t i = 0; rule != NULL && i < rule->match_count; i++) {
        const struct ts_attribute *attribute =
            ts_entry_find(values, ts_slice_str(rule->match[i]));
        if (attribute == NULL || attribute->value_count != 1 ||
            attribute->kind == TS_KIND_BLOB || attribute->values[0].size == 0) {
            joined = TS_SLICE_NONE;
            break;
        }
        if (!append_folded(arena, &joined, attribute->values[0])) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "could not compare \"%s\" of an object: it is too "
                           "large",
                           rule->match[i]);
        }
    }
    *ret_value = joined;
    return TS_OK;
}

static enum ts_code refuse_several(struct engine_context *engine,
                                   const struct metaverse_object *object,
                                   struct ts_err *err)
{
    struct problem problem = {
        .kind = object->kind,
        .anchor = object->anchor,
        .stage = "match",
        .path = ts_slice_str("match"),
        .text = ts_slice_str("several objects of the target match this one: it "
                             "takes none of them; remove or rename the others"),
    };
    return problem_set(engine->state.mv, &problem, err);
}

enum ts_code match_free(struct engine_context *engine,
                        const struct metaverse_object *object,
                        const struct ts_entry *wanted, struct ts_arena *arena,
                        struct target_row *ret_row, bool *ret_found,
                        struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    struct ts_slice value = TS_SLICE_NONE;
    int64_t count = 0;
    enum ts_code code = target_row_free_by_anchor(
        mv, object->kind, object->anchor, arena, ret_row, ret_found, err);
    if (code != TS_OK || *ret_found) {
        return code;
    }
    code = match_value_of(engine, (enum config_kind) object->kind, wanted,
                          arena, &value, err);
    if (code == TS_OK && value.size > 0) {
        code = target_row_free_by_match(mv, object->kind, value, arena, ret_row,
                                        &count, err);
    }
    if (code == TS_OK && count > 1) {
        code = refuse_several(engine, object, err);
    }
    *ret_found = count == 1;
    return code;
}
