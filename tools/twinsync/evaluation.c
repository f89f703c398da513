#include "tools/twinsync/evaluation.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "node/base/cleanup.h"
#include "node/rules/rules.h"
#include "node/source/source.h"
#include "node/target/target.h"
#include "node/vault/keeper.h"
#include "proto/entry_codec.h"
#include "tools/twinsync/evaluation_result.h"

#define SCHEMA_SIZE_MAX    ((size_t) 32 * 1024 * 1024)
#define OBJECT_SIZE_MAX    ((size_t) 64 * 1024 * 1024)
#define ATTRIBUTES_MAX     4096
#define OBJECTS_OF_ONE_MAX 20 /* of one name */

struct evaluation {
    const struct evaluation_options *options;
    struct ts_arena arena;   /* schema and names: until the end */
    struct ts_arena scratch; /* one object */
    struct keeper *keeper;
    struct target *target;
    struct rules_world world;
    struct rules *draft, *now;
    json_t *objects;
    json_t *passed_over; /* of a sample: false term, how many */
    json_t *target_schema;
    const struct config_source *source; /* the one that is read */
    size_t object_max;
    char run_date[16];
};

/* --- what the two sides know -------------------------------------------- */

/* Every attribute that any of the sources knows. */
static enum ts_code learn_source(struct evaluation *self,
                                 const struct config_source *config,
                                 struct ts_err *err)
{
    const struct source_options options = { .config = config,
                                            .secrets =
                                                keeper_port(self->keeper) };
    struct source *source = NULL;
    struct source_attribute *known = NULL;
    size_t count = 0;
    enum ts_code code = source_open(&options, &source, err);
    if (code != TS_OK) {
        return code;
    }
    code = source_schema(source, &self->arena, &known, &count, err);
    source_close(source);
    if (code != TS_OK) {
        return code;
    }
    size_t before = self->world.source_count;
    struct rules_source_attribute *all =
        ts_arena_array(&self->arena, before + count, sizeof *all);
    if (all == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0, "cannot hold the schema of %s",
                       config->name);
    }
    if (before > 0) {
        memcpy(all, self->world.source, before * sizeof *all);
    }
    static const enum rules_syntax syntaxes[] = {
        [SOURCE_SYNTAX_TEXT] = RULES_SYNTAX_TEXT,
        [SOURCE_SYNTAX_INTEGER] = RULES_SYNTAX_INTEGER,
        [SOURCE_SYNTAX_BOOLEAN] = RULES_SYNTAX_BOOLEAN,
        [SOURCE_SYNTAX_BINARY] = RULES_SYNTAX_BINARY,
        [SOURCE_SYNTAX_DN] = RULES_SYNTAX_TEXT,
    };
    for (size_t i = 0; i < count; i++) {
        all[before + i] = (struct rules_source_attribute){
            known[i].name, syntaxes[known[i].syntax], known[i].case_ignore
        };
    }
    self->world.source = all;
    self->world.source_count = before + count;
    return TS_OK;
}

static enum ts_code describe(void *context, enum config_kind kind,
                             const char *path,
                             struct rules_target_attribute *ret,
                             struct ts_err *err)
{
    struct evaluation *self = context;
    struct target_attribute attribute;
    enum ts_code code =
        target_describe(self->target, kind, path, &attribute, err);
    if (code == TS_OK) {
        *ret = (struct rules_target_attribute){ attribute.kind,
                                                attribute.multi_valued };
    }
    return code;
}

static bool never(void *context, struct ts_time deadline)
{
    (void) context;
    (void) deadline;
    return false;
}

static enum ts_code learn_target(struct evaluation *self, struct ts_err *err)
{
    const struct config *config = self->options->draft;
    const struct target_options options = {
        .config = &config->target,
        .gate = { .may_export = never },
        .cluster = config->cluster,
        .node = config->this_node,
        .boot_id = "rules-test",
        .secrets = keeper_port(self->keeper),
    };
    enum ts_code code = target_open(&options, &self->target, err);
    if (code != TS_OK) {
        return code;
    }
    struct target_limits limits;
    struct ts_err why;
    self->target_schema = target_discover(self->target, &limits, &why) == TS_OK
                              ? json_null()
                              : json_string(why.text);
    self->world.describe_target = describe;
    self->world.context = self;
    return TS_OK;
}

/* --- what is read ------------------------------------------------------- */

struct names {
    const char *all[ATTRIBUTES_MAX];
    size_t count;
};

/* No name twice; what does not fit would be an absurd configuration, and is
 * then missed by an expression, which says so. */
static void add_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcasecmp(names->all[i], name) == 0) {
            return;
        }
    }
    if (names->count < ATTRIBUTES_MAX) {
        names->all[names->count++] = name;
    }
}

static void add_attributes(struct names *names, const struct rules *rules,
                           const char *source_name)
{
    const char *const *read = NULL;
    size_t count =
        rules == NULL ? 0 : rules_attributes_read(rules, source_name, &read);
    for (size_t i = 0; i < count; i++) {
        add_name(names, read[i]);
    }
}

static void add_references(struct names *names, const struct config *config,
                           const char *source_name)
{
    for (uint32_t r = 0; config != NULL && r < config->rules_count; r++) {
        const struct config_rule *rule = &config->rules[r];
        for (uint32_t s = 0; s < rule->sources_count; s++) {
            if (strcmp(rule->sources[s], source_name) != 0) {
                continue;
            }
            for (uint32_t i = 0; i < rule->references_count; i++) {
                for (uint32_t a = 0; a < rule->references[i].attributes_count;
                     a++) {
                    add_name(names, rule->references[i].attributes[a]);
                }
            }
        }
    }
}

/* The configured filter, and that it is this object; `object` is escaped
 * (RFC 4515). A DN is compared by the server, which knows how, with entryDN
 * (RFC 5020); distinguishedName would also find every entry that refers to it,
 * being the supertype of member and the like.
 * Owns     free() it. Errors: NULL, out of memory. */
static char *filter_for(const struct config_source *source, const char *object,
                        bool is_dn)
{
    struct berval plain = { strlen(object), (char *) (uintptr_t) object };
    struct berval safe = { 0, NULL };
    if (ldap_bv2escaped_filter_value(&plain, &safe) != 0) {
        return NULL;
    }
    const char *x = safe.bv_val != NULL ? safe.bv_val : object;
    char *filter = NULL;
    int printed =
        is_dn ? asprintf(&filter, "(&%s(entryDN=%s))", source->filter, x)
              : asprintf(&filter,
                         "(&%s(|(%s=%s)(uid=%s)(cn=%s)(mail=%s)"
                         "(displayName=%s)(sAMAccountName=%s)))",
                         source->filter, source->anchor, x, x, x, x, x, x);
    if (safe.bv_val != object) {
        ber_memfree(safe.bv_val);
    }
    return printed < 0 ? NULL : filter;
}

/* --- one object --------------------------------------------------------- */

/* NULL when it failed. */
static json_t *evaluate_with(struct evaluation *self, bool draft,
                             const struct rules_input *input,
                             struct ts_err *err)
{
    struct rules_result result;
    const struct config *config =
        draft ? self->options->draft : self->options->now;
    if (rules_evaluate(draft ? self->draft : self->now, input, &self->scratch,
                       &result, err) != TS_OK) {
        return NULL;
    }
    return evaluation_describe(&result, config->rules);
}

/* A sample is of what the rules are for: what is out of scope, and stays so, is
 * counted by the term that kept it out. */
static void keep(struct evaluation *self, json_t *object)
{
    const char *scope = json_string_value(json_object_get(object, "scope"));
    const json_t *differences = json_object_get(object, "differences");
    if (self->options->object != NULL || strcmp(scope, "out") != 0 ||
        json_array_size(differences) > 0) {
        (void) json_array_append(self->objects, object);
        return;
    }
    const char *term = json_string_value(json_object_get(object, "false_term"));
    term = term == NULL ? "" : term;
    json_int_t count =
        json_integer_value(json_object_get(self->passed_over, term));
    (void) json_object_set_new(self->passed_over, term,
                               json_integer(count + 1));
}

static enum ts_code evaluate_row(struct evaluation *self,
                                 const struct source_row *row,
                                 struct ts_err *err)
{
    struct ts_entry entry;
    enum ts_code code = entry_unpack(row->packed, &self->scratch, &entry, err);
    if (code != TS_OK) {
        return code;
    }
    const struct rules_input input = { .source_name = self->source->name,
                                       .anchor = row->anchor,
                                       .dn = row->dn,
                                       .entry = &entry,
                                       .run_date = self->run_date };
    json_t *object = evaluate_with(self, true, &input, err);
    json_t *now =
        self->now == NULL ? NULL : evaluate_with(self, false, &input, err);
    if (object == NULL || (self->now != NULL && now == NULL)) {
        json_decref(object);
        json_decref(now);
        return err->code;
    }
    (void) json_object_set_new(object, "source",
                               json_string(self->source->name));
    (void) json_object_set_new(
        object, "anchor",
        json_stringn((const char *) row->anchor.data, row->anchor.size));
    (void) json_object_set_new(
        object, "dn", json_stringn((const char *) row->dn.data, row->dn.size));
    (void) json_object_set_new(
        object, "differences",
        now == NULL ? json_null() : evaluation_differences(now, object));
    json_decref(now);
    keep(self, object);
    json_decref(object);
    return TS_OK;
}

/* Takes rows until there are enough, then ends the import by an error that is
 * none. */
static enum ts_code take_batch(void *context, struct source_batch *batch,
                               struct ts_err *err)
{
    struct evaluation *self = context;
    enum ts_code code = TS_OK;
    for (size_t i = 0; i < batch->row_count && code == TS_OK; i++) {
        if (json_array_size(self->objects) == self->object_max) {
            code = ts_fail(err, TS_E_CANCELLED, 0, "enough was read");
        } else if (batch->rows[i].verb == SOURCE_PUT) {
            ts_arena_reset(&self->scratch);
            code = evaluate_row(self, &batch->rows[i], err);
        }
    }
    source_batch_free(batch);
    return code;
}

static enum ts_code read_source(struct evaluation *self,
                                const struct config_source *config,
                                struct ts_err *err)
{
    const char *object = self->options->object;
    bool is_dn = object != NULL && strchr(object, '=') != NULL;
    TS_AUTOFREE char *filter =
        object == NULL ? NULL : filter_for(config, object, is_dn);
    if (object != NULL && filter == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not look for %.100s", object);
    }
    struct config_source narrowed = *config;
    narrowed.filter = filter != NULL ? filter : config->filter;

    struct names *attributes =
        ts_arena_array(&self->arena, 2, sizeof *attributes);
    if (attributes == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0, "cannot hold the attributes' names");
    }
    struct names *references = attributes + 1;
    add_attributes(attributes, self->draft, config->name);
    add_attributes(attributes, self->now, config->name);
    add_references(references, self->options->draft, config->name);
    add_references(references, self->options->now, config->name);

    const struct source_options options = {
        .config = &narrowed,
        .attributes = attributes->all,
        .attribute_count = attributes->count,
        .references = references->all,
        .reference_count = references->count,
        .secrets = keeper_port(self->keeper),
    };
    struct source *source = NULL;
    enum ts_code code = source_open(&options, &source, err);
    if (code != TS_OK) {
        return code;
    }
    self->source = config;
    self->object_max =
        object == NULL ? self->options->sample : OBJECTS_OF_ONE_MAX;
    const struct source_watermark everything = { .cookie = TS_SLICE_NONE };
    struct source_result result;
    code = source_import(source, &everything, take_batch, self, &self->arena,
                         &result, err);
    source_close(source);
    bool enough = code == TS_E_CANCELLED &&
                  json_array_size(self->objects) == self->object_max;
    return enough ? TS_OK : code;
}

/* --- all of it ---------------------------------------------------------- */

static enum ts_code prepare(struct evaluation *self, struct ts_err *err)
{
    const struct config *draft = self->options->draft;
    const struct config *now = self->options->now;
    enum ts_code code = keeper_new(draft, &self->keeper, err);
    for (uint32_t i = 0; i < draft->sources_count && code == TS_OK; i++) {
        code = learn_source(self, &draft->sources[i], err);
    }
    if (code == TS_OK) {
        code = learn_target(self, err);
    }
    if (code == TS_OK) {
        code = rules_compile(draft->rules, draft->rules_count, &self->world,
                             &self->draft, err);
    }
    if (code == TS_OK && now != NULL) {
        code = rules_compile(now->rules, now->rules_count, &self->world,
                             &self->now, err);
        if (code != TS_OK) {
            ts_err_wrap(err, "the present configuration");
        }
    }
    return code;
}

static void today(char date[static 16])
{
    time_t now = time(NULL);
    struct tm parts;
    (void) gmtime_r(&now, &parts);
    (void) strftime(date, 16, "%Y-%m-%d", &parts);
}

enum ts_code evaluation_run(const struct evaluation_options *options,
                            json_t **ret_document, struct ts_err *err)
{
    struct evaluation self = { .options = options,
                               .objects = json_array(),
                               .passed_over = json_object() };
    ts_arena_init(&self.arena, SCHEMA_SIZE_MAX);
    ts_arena_init(&self.scratch, OBJECT_SIZE_MAX);
    today(self.run_date);
    enum ts_code code = prepare(&self, err);
    const struct config *draft = options->draft;
    for (uint32_t i = 0; i < draft->sources_count && code == TS_OK; i++) {
        code = read_source(&self, &draft->sources[i], err);
        if (options->object != NULL && json_array_size(self.objects) > 0) {
            break;
        }
    }
    if (code == TS_OK) {
        *ret_document =
            json_pack("{s:O, s:O, s:O}", "objects", self.objects, "passed_over",
                      self.passed_over, "target_schema", self.target_schema);
    }
    json_decref(self.objects);
    json_decref(self.passed_over);
    json_decref(self.target_schema);
    rules_free(self.draft);
    rules_free(self.now);
    target_close(self.target);
    keeper_free(self.keeper);
    ts_arena_done(&self.scratch);
    ts_arena_done(&self.arena);
    return code;
}
