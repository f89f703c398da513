#include "node/engine/configure.h"

#include <stdlib.h>
#include <strings.h>

#include "node/ldap/dn.h"
#include "node/source/source.h"

#define SCHEMA_MEMORY ((size_t) 32 * 1024 * 1024)

/* ---- the target's paths
 * ------------------------------------------------------ */

static int by_text(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

static size_t sort_unique(const char **names, size_t count)
{
    size_t kept = 0;
    qsort(names, count, sizeof *names, by_text);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0) {
            names[kept++] = names[i];
        }
    }
    return kept;
}

static size_t paths_of_rule(const struct config_rule *rule, const char **names)
{
    size_t count = 0;
    for (uint32_t i = 0; i < rule->flow_count; i++) {
        names[count++] = rule->flow[i].path;
    }
    for (uint32_t i = 0; i < rule->match_count; i++) {
        names[count++] = rule->match[i];
    }
    return count;
}

enum ts_code configure_paths(const struct config *config, enum config_kind kind,
                             struct ts_arena *arena,
                             struct target_paths *ret_paths, struct ts_err *err)
{
    size_t room = 0;
    size_t links = 0;
    for (uint32_t i = 0; i < config->rules_count; i++) {
        room += config->rules[i].flow_count + config->rules[i].match_count;
        links += config->rules[i].references_count;
    }
    const char **paths = ts_arena_array(arena, room, sizeof *paths);
    const char **link_paths = ts_arena_array(arena, links, sizeof *link_paths);
    if (paths == NULL || link_paths == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the target");
    }
    size_t count = 0;
    size_t link_count = 0;
    for (uint32_t i = 0; i < config->rules_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        if (rule->kind != kind) {
            continue;
        }
        count += paths_of_rule(rule, paths + count);
        for (uint32_t r = 0; r < rule->references_count; r++) {
            link_paths[link_count++] = rule->references[r].path;
        }
    }
    *ret_paths = (struct target_paths){
        .paths = paths,
        .path_count = sort_unique(paths, count),
        .link_paths = link_paths,
        .link_path_count = sort_unique(link_paths, link_count),
    };
    return TS_OK;
}

/* ---- the sources' schemas
 * ----------------------------------------------------- */

static enum rules_syntax syntax_of(const struct source_attribute *attribute)
{
    switch (attribute->syntax) {
    case SOURCE_SYNTAX_INTEGER:
        return RULES_SYNTAX_INTEGER;
    case SOURCE_SYNTAX_BOOLEAN:
        return RULES_SYNTAX_BOOLEAN;
    case SOURCE_SYNTAX_BINARY:
        return RULES_SYNTAX_BINARY;
    case SOURCE_SYNTAX_TEXT:
    case SOURCE_SYNTAX_DN:
        break;
    }
    return RULES_SYNTAX_TEXT;
}

static enum ts_code read_schema(struct engine_context *engine,
                                const struct config_source *config,
                                struct source_attribute **ret_attributes,
                                size_t *ret_count, struct ts_err *err)
{
    struct source_options options = { .config = config,
                                      .secrets = engine->secrets };
    struct source *source = NULL;
    enum ts_code code = source_open(&options, &source, err);
    if (code == TS_OK) {
        code = source_schema(source, &engine->configuration, ret_attributes,
                             ret_count, err);
    }
    source_close(source);
    return code;
}

static int by_name(const void *a, const void *b)
{
    const struct rules_source_attribute *x = a;
    const struct rules_source_attribute *y = b;
    return strcasecmp(x->name, y->name);
}

/* Add one source's attributes to those known already. */
static enum ts_code merge_schema(struct rules_world *world,
                                 const struct source_attribute *attributes,
                                 size_t count, struct ts_arena *arena,
                                 struct ts_err *err)
{
    struct rules_source_attribute *all =
        ts_arena_array(arena, world->source_count + count, sizeof *all);
    if (all == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not hold the sources' schemas: they are too "
                       "large");
    }
    if (world->source_count > 0) {
        memcpy(all, world->source, world->source_count * sizeof *all);
    }
    size_t n = world->source_count;
    for (size_t i = 0; i < count; i++) {
        struct rules_source_attribute one = {
            .name = attributes[i].name,
            .syntax = syntax_of(&attributes[i]),
            .case_ignore = attributes[i].case_ignore,
        };
        if (world->source_count == 0 ||
            bsearch(&one, world->source, world->source_count, sizeof one,
                    by_name) == NULL) {
            all[n++] = one;
        }
    }
    qsort(all, n, sizeof *all, by_name);
    world->source = all;
    world->source_count = n;
    return TS_OK;
}

/* Against the sources' schemas, and the target as `world` tells it. */
static enum ts_code compile(struct engine_context *engine,
                            struct rules_world *world, struct ts_err *err)
{
    const struct config *config = engine->config;
    struct ts_arena *arena = &engine->configuration;
    enum ts_code code = TS_OK;
    for (uint32_t i = 0; code == TS_OK && i < config->sources_count; i++) {
        struct source_attribute *attributes = NULL;
        size_t count = 0;
        code =
            read_schema(engine, &config->sources[i], &attributes, &count, err);
        if (code == TS_OK) {
            code = merge_schema(world, attributes, count, arena, err);
        }
    }
    return code == TS_OK ? rules_compile(config->rules, config->rules_count,
                                         world, &engine->rules, err)
                         : code;
}

/* ---- the engine's rules
 * -------------------------------------------------------- */

static enum ts_code describe(void *context, enum config_kind kind,
                             const char *path,
                             struct rules_target_attribute *ret,
                             struct ts_err *err)
{
    struct engine_context *engine = context;
    struct target_attribute attribute;
    enum ts_code code =
        exporter_describe(engine->exporter, kind, path, &attribute, err);
    if (code == TS_OK) {
        *ret = (struct rules_target_attribute){
            .kind = attribute.kind,
            .multi_valued = attribute.multi_valued,
        };
    }
    return code;
}

static size_t reference_rows(const struct config *config)
{
    size_t rows = 0;
    for (uint32_t i = 0; i < config->rules_count; i++) {
        for (uint32_t r = 0; r < config->rules[i].references_count; r++) {
            rows += config->rules[i].references[r].attributes_count;
        }
    }
    return rows;
}

static void reference_row(struct engine_context *engine,
                          const struct config_rule *rule,
                          const struct config_reference *reference,
                          const char *attribute,
                          struct metaverse_reference_path *ret)
{
    struct target_attribute described = { .multi_valued = true };
    struct ts_err ignored;
    *ret = (struct metaverse_reference_path){
        .kind = (int) rule->kind,
        .attribute = attribute,
        .path = reference->path,
        .flatten = rule->kind == CONFIG_KIND_GROUP &&
                   rule->nested == CONFIG_NESTED_FLATTEN &&
                   strcmp(reference->path, TARGET_MEMBERS_PATH) == 0,
        .omit_groups = rule->nested == CONFIG_NESTED_OMIT,
        .additive = rule->members == CONFIG_MEMBERS_ADDITIVE,
        .reported =
            engine->config->target.foreign_edits == CONFIG_FOREIGN_REPORT,
    };
    if (exporter_describe(engine->exporter, rule->kind, reference->path,
                          &described, &ignored) == TS_OK) {
        ret->single_valued = !described.multi_valued;
    }
}

static enum ts_code add_dummy(struct engine_context *engine,
                              struct ldap_dn_keys *known, const char *text,
                              uint8_t *keys, struct ts_err *err)
{
    struct ldap_dn dn;
    if (ldap_dn_key(known, ts_slice_str(text), &dn, err) != TS_OK) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot leave out \"%.200s\" of dummy-members: it is "
                       "not a DN; write it as the directory does",
                       text);
    }
    memcpy(keys + engine->dummies.size, dn.key.bytes, LDAP_DN_KEY_SIZE);
    engine->dummies = ts_slice(keys, engine->dummies.size + LDAP_DN_KEY_SIZE);
    return TS_OK;
}

/* The keys of the DNs that are nobody's, of all rules. */
static enum ts_code configure_dummies(struct engine_context *engine,
                                      struct ts_err *err)
{
    const struct config *config = engine->config;
    size_t count = 0;
    for (uint32_t i = 0; i < config->rules_count; i++) {
        count += config->rules[i].dummy_members_count;
    }
    uint8_t *keys =
        ts_arena_take(&engine->configuration, count * LDAP_DN_KEY_SIZE + 1);
    struct ldap_dn_keys *known = ldap_dn_keys_new();
    enum ts_code code =
        keys == NULL || known == NULL
            ? ts_fail(err, TS_E_NOMEM, 0, "could not prepare references")
            : TS_OK;
    engine->dummies = ts_slice(keys, 0);
    for (uint32_t i = 0; code == TS_OK && i < config->rules_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        for (uint32_t d = 0; code == TS_OK && d < rule->dummy_members_count;
             d++) {
            code = add_dummy(engine, known, rule->dummy_members[d], keys, err);
        }
    }
    ldap_dn_keys_free(known);
    return code;
}

static enum ts_code configure_references(struct engine_context *engine,
                                         struct ts_err *err)
{
    const struct config *config = engine->config;
    size_t n = 0;
    struct metaverse_reference_path *rows = ts_arena_array(
        &engine->configuration, reference_rows(config), sizeof *rows);
    if (rows == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare references");
    }
    for (uint32_t i = 0; i < config->rules_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        for (uint32_t r = 0; r < rule->references_count; r++) {
            const struct config_reference *reference = &rule->references[r];
            for (uint32_t a = 0; a < reference->attributes_count; a++) {
                reference_row(engine, rule, reference, reference->attributes[a],
                              &rows[n++]);
            }
        }
    }
    engine->reference_paths = rows;
    engine->reference_path_count = n;
    return TS_OK;
}

/* Which flowed paths the target allows every value once on. */
static enum ts_code configure_unique(struct engine_context *engine,
                                     struct ts_err *err)
{
    struct target_paths paths[CONFIG_KINDS];
    size_t room = 0;
    enum ts_code code = TS_OK;
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        code = configure_paths(engine->config, (enum config_kind) kind,
                               &engine->configuration, &paths[kind], err);
        room += code == TS_OK ? paths[kind].path_count : 0;
    }
    if (code != TS_OK) {
        return code;
    }
    struct metaverse_unique_path *rows =
        ts_arena_array(&engine->configuration, room, sizeof *rows);
    if (rows == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare unique paths");
    }
    engine->unique_paths = rows;
    engine->unique_path_count = 0;
    for (int kind = 0; kind < CONFIG_KINDS; kind++) {
        for (size_t i = 0; i < paths[kind].path_count; i++) {
            struct target_attribute described;
            const char *path = paths[kind].paths[i];
            struct ts_err ignored;
            if (exporter_describe(engine->exporter, (enum config_kind) kind,
                                  path, &described, &ignored) == TS_OK &&
                described.unique) {
                rows[engine->unique_path_count++] =
                    (struct metaverse_unique_path){
                        .kind = kind,
                        .path = path,
                        .case_exact = described.case_exact,
                        .required = described.required,
                    };
            }
        }
    }
    return TS_OK;
}

void configure_store(struct engine_context *engine)
{
    struct metaverse *mv = engine->state.mv;
    mv->reference_paths = engine->reference_paths;
    mv->reference_path_count = engine->reference_path_count;
    mv->unique_paths = engine->unique_paths;
    mv->unique_path_count = engine->unique_path_count;
    mv->claims_later = engine->state.building;
    mv->change = &engine->state.numbers.change;
    mv->group_kind = CONFIG_KIND_GROUP;
    mv->dummies = engine->dummies;
}

enum ts_code configure_rules(struct engine_context *engine, struct ts_err *err)
{
    struct target_limits limits = { .links_max = 100 };
    struct rules_world world = { .describe_target = describe,
                                 .context = engine };
    struct ts_err unreachable;
    if (engine->rules != NULL) {
        return TS_OK;
    }
    ts_arena_done(&engine->configuration);
    ts_arena_init(&engine->configuration, SCHEMA_MEMORY);
    /* Without an answer: what RFC 7643 says, and asked again at the export. */
    if (exporter_discover(engine->exporter, &limits, &unreachable) != TS_OK) {
        limits.links_max = 100;
    }
    engine->links_max = limits.links_max;
    enum ts_code code = compile(engine, &world, err);
    if (code == TS_OK) {
        code = configure_references(engine, err);
    }
    if (code == TS_OK) {
        code = configure_dummies(engine, err);
    }
    if (code == TS_OK) {
        code = configure_unique(engine, err);
    }
    if (code != TS_OK) {
        configure_done(engine);
    }
    return code;
}

void configure_done(struct engine_context *engine)
{
    rules_free(engine->rules);
    engine->rules = NULL;
    ts_arena_done(&engine->configuration);
}
