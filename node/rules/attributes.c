#include <stdlib.h>
#include <strings.h>

#include "node/rules/compiled.h"

static bool rule_has_source(const struct config_rule *rule, const char *name)
{
    for (uint32_t i = 0; i < rule->sources_count; i++) {
        if (strcmp(rule->sources[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static struct rules_source *source_add(struct rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->source_count; i++) {
        if (strcmp(rules->sources[i].name, name) == 0) {
            return &rules->sources[i];
        }
    }
    struct rules_source *source = &rules->sources[rules->source_count];
    source->attributes = ts_arena_array(
        &rules->arena, rules->names.column_count, sizeof(void *));
    if (source->attributes == NULL) {
        return NULL;
    }
    source->name = name;
    rules->source_count++;
    return source;
}

/* Is `column` a reference attribute in any rule of this source? Links never
 * pass through expressions: the entry comes without them. */
static bool is_reference(const struct rules *rules, const char *source,
                         const struct rules_column *column)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct config_rule *rule = rules->items[i].rule;
        if (!rule_has_source(rule, source)) {
            continue;
        }
        for (uint32_t j = 0; j < rule->references_count; j++) {
            const struct config_reference *reference = &rule->references[j];
            for (uint32_t k = 0; k < reference->attributes_count; k++) {
                if (strcasecmp(reference->attributes[k], column->name) == 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

static bool is_read(const struct rules *rules, const char *source,
                    size_t column)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (rules->items[i].reads[column] &&
            rule_has_source(rules->items[i].rule, source)) {
            return true;
        }
    }
    return false;
}

/* Columns are in byte order, so the list is too. */
static enum ts_code list_source(const struct rules *rules,
                                struct rules_source *source, struct ts_err *err)
{
    for (size_t i = 0; i < rules->names.column_count; i++) {
        const struct rules_column *column = rules->names.columns[i];
        if (column->kind != RULES_COLUMN_ATTRIBUTE) {
            continue;
        }
        bool read = is_read(rules, source->name, i);
        bool reference = is_reference(rules, source->name, column);
        if (read && reference) {
            return ts_fail(err, TS_E_CONFIG, 0,
                           "cannot read \"%.100s\" in an expression for source "
                           "\"%.100s\", because it is listed under references "
                           "and links never pass through expressions: remove "
                           "it from one of them",
                           column->name, source->name);
        }
        if (read || reference) {
            source->attributes[source->attribute_count++] = column->name;
        }
    }
    return TS_OK;
}

enum ts_code rules_list_attributes(struct rules *rules, struct ts_err *err)
{
    size_t most = 0;
    for (size_t i = 0; i < rules->count; i++) {
        most += rules->items[i].rule->sources_count;
    }
    rules->sources =
        ts_arena_array(&rules->arena, most, sizeof *rules->sources);
    if (rules->sources == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0, "no room for the sources");
    }
    for (size_t i = 0; i < rules->count; i++) {
        const struct config_rule *rule = rules->items[i].rule;
        for (uint32_t j = 0; j < rule->sources_count; j++) {
            if (source_add(rules, rule->sources[j]) == NULL) {
                return ts_fail(err, TS_E_LIMIT, 0, "no room for the sources");
            }
        }
    }
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < rules->source_count; i++) {
        code = list_source(rules, &rules->sources[i], err);
    }
    return code;
}

size_t rules_attributes_read(const struct rules *rules, const char *source_name,
                             const char *const **ret_names)
{
    for (size_t i = 0; i < rules->source_count; i++) {
        if (strcmp(rules->sources[i].name, source_name) == 0) {
            *ret_names = rules->sources[i].attributes;
            return rules->sources[i].attribute_count;
        }
    }
    *ret_names = NULL;
    return 0;
}

/* ---- fingerprint ------------------------------------------------------- */

static void add_text(struct ts_hasher *hasher, const char *text)
{
    /* NULL and "" are different things. */
    ts_hasher_add_field(hasher, ts_slice_str(text == NULL ? "0" : "1"));
    ts_hasher_add_field(hasher, ts_slice_str(text));
}

static void add_number(struct ts_hasher *hasher, uint64_t number)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t) (number >> (8 * i));
    }
    ts_hasher_add(hasher, ts_slice(bytes, sizeof bytes));
}

static void add_flows(struct ts_hasher *hasher, const struct rules_flow *flows,
                      size_t count)
{
    add_number(hasher, count);
    for (size_t i = 0; i < count; i++) {
        add_text(hasher, flows[i].path);
        add_text(hasher, flows[i].from->expression);
        add_number(hasher, flows[i].target.kind);
        add_number(hasher, flows[i].target.multi_valued);
    }
}

static void add_rule(struct ts_hasher *hasher,
                     const struct rules_compiled *item)
{
    const struct config_rule *rule = item->rule;
    add_number(hasher, rule->kind);
    add_number(hasher, rule->sources_count);
    for (uint32_t i = 0; i < rule->sources_count; i++) {
        add_text(hasher, rule->sources[i]);
    }
    add_text(hasher, rule->when);
    add_number(hasher, rule->nested);
    add_number(hasher, rule->dummy_members_count);
    for (uint32_t i = 0; i < rule->dummy_members_count; i++) {
        add_text(hasher, rule->dummy_members[i]);
    }
    add_flows(hasher, item->flows, item->flow_count);
    add_flows(hasher, item->flows + item->flow_count, item->once_count);
    add_number(hasher, rule->references_count);
    for (uint32_t i = 0; i < rule->references_count; i++) {
        const struct config_reference *reference = &rule->references[i];
        add_text(hasher, reference->path);
        add_number(hasher, reference->attributes_count);
        for (uint32_t j = 0; j < reference->attributes_count; j++) {
            add_text(hasher, reference->attributes[j]);
        }
    }
}

/* To be raised when the same expressions begin to mean something else. */
#define RULES_SEMANTICS_VERSION 1

struct ts_hash rules_compute_fingerprint(const struct rules *rules)
{
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    add_number(hasher, RULES_SEMANTICS_VERSION);
    add_number(hasher, rules->count);
    for (size_t i = 0; i < rules->count; i++) {
        add_rule(hasher, &rules->items[i]);
    }
    for (size_t i = 0; i < rules->names.column_count; i++) {
        const struct rules_column *column = rules->names.columns[i];
        add_text(hasher, column->name);
        add_number(hasher, column->syntax);
        add_number(hasher, column->case_ignore);
    }
    struct ts_hash hash = ts_hasher_end(hasher);
    ts_hasher_free(hasher);
    return hash;
}
