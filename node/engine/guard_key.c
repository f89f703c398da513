#include "node/engine/guard_key.h"

#include <unicase.h>

#include "node/metaverse/claim.h"

static bool is_key(const struct engine_context *engine, int kind,
                   struct ts_slice path)
{
    if (claim_path(engine->state.mv, kind, path) != NULL) {
        return true;
    }
    for (uint32_t i = 0; i < engine->config->rules_count; i++) {
        const struct config_rule *rule = &engine->config->rules[i];
        for (uint32_t m = 0; (int) rule->kind == kind && m < rule->match_count;
             m++) {
            if (ts_slice_equal(path, ts_slice_str(rule->match[m]))) {
                return true;
            }
        }
    }
    return false;
}

static bool same_letters(struct ts_slice a, struct ts_slice b)
{
    int order = 1;
    return ts_slice_equal(a, b) || (u8_casecmp(a.data, a.size, b.data, b.size,
                                               NULL, NULL, &order) == 0 &&
                                    order == 0);
}

/* The same values, but for the case of letters. */
static bool same_values(const struct ts_attribute *now,
                        const struct ts_attribute *before)
{
    size_t count = before == NULL ? 0 : before->value_count;
    if (now->kind == TS_KIND_BLOB || now->value_count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!same_letters(now->values[i], before->values[i])) {
            return false;
        }
    }
    return true;
}

bool guard_key_changes(const struct engine_context *engine, int kind,
                       const struct ts_entry *set, const struct ts_entry *sent)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct ts_attribute *now = &set->attributes[i];
        if (is_key(engine, kind, now->name) &&
            !same_values(now, ts_entry_find(sent, now->name))) {
            return true;
        }
    }
    return false;
}
