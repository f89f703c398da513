#include <stdlib.h>
#include <string.h>

#include "node/config/describe.h"
#include "node/config/format.h"
#include "node/config/table.h"

static json_t *section_schema(const struct config_section *section);

/* Add to `object` and remember a failure there: jansson's packs and sets answer
 * NULL or -1 when memory has run out, and half a schema is none. */
struct schema {
    json_t *object;
    bool failed;
};

static void set(struct schema *schema, const char *key, json_t *value)
{
    schema->failed |= json_object_set_new(schema->object, key, value) != 0;
}

static json_t *finished(struct schema *schema)
{
    if (!schema->failed) {
        return schema->object;
    }
    json_decref(schema->object);
    return NULL;
}

static json_t *text_schema(const struct config_option *option, uint32_t max)
{
    struct schema s = { json_pack("{s:s, s:i, s:I}", "type", "string",
                                  "minLength", 1, "maxLength",
                                  (json_int_t) max),
                        false };
    const char *pattern = config_format_pattern(option->format);
    if (pattern != NULL) {
        set(&s, "pattern", json_string(pattern));
    }
    return finished(&s);
}

static json_t *word_schema(const struct config_option *option)
{
    struct schema s = { json_object(), false };
    json_t *words = json_array();
    for (uint32_t i = 0; i < option->word_count; i++) {
        s.failed |= json_array_append_new(
                        words, json_string(option->words[i].str)) != 0;
    }
    set(&s, "enum", words);
    return finished(&s);
}

static json_t *texts_schema(const struct config_option *option)
{
    return json_pack("{s:s, s:o, s:I, s:I, s:b}", "type", "array", "items",
                     text_schema(option, CONFIG_ITEM_MAX), "minItems",
                     (json_int_t) option->min, "maxItems",
                     (json_int_t) option->max, "uniqueItems", 1);
}

static json_t *map_schema(const struct config_option *option)
{
    const struct config_option *key = &option->section->options[0];
    const struct config_option *value = &option->section->options[1];
    json_t *values = value->type == CONFIG_TEXTS
                         ? json_pack("{s:[o, o]}", "oneOf",
                                     text_schema(value, CONFIG_ITEM_MAX),
                                     texts_schema(value))
                         : text_schema(value, value->max);
    return json_pack("{s:s, s:o, s:o, s:I, s:I}", "type", "object",
                     "propertyNames", text_schema(key, key->max),
                     "additionalProperties", values, "minProperties",
                     (json_int_t) option->min, "maxProperties",
                     (json_int_t) option->max);
}

static json_t *default_of(const struct config_option *option)
{
    if (option->type == CONFIG_NUMBER) {
        return json_integer(strtoll(option->fallback, NULL, 10));
    }
    if (option->type == CONFIG_SECONDS) {
        return json_real(strtod(option->fallback, NULL));
    }
    if (option->type == CONFIG_SWITCH) {
        return json_boolean(strcmp(option->fallback, "true") == 0);
    }
    return json_string(option->fallback);
}

static json_t *type_schema(const struct config_option *option)
{
    switch (option->type) {
    case CONFIG_TEXT:
        return text_schema(option, option->max);
    case CONFIG_SWITCH:
        return json_pack("{s:s}", "type", "boolean");
    case CONFIG_WORD:
        return word_schema(option);
    case CONFIG_SECTION:
    case CONFIG_SECTION_OPTIONAL:
        return section_schema(option->section);
    case CONFIG_TEXTS:
        return texts_schema(option);
    case CONFIG_SECTIONS:
        return json_pack("{s:s, s:o, s:I, s:I}", "type", "array", "items",
                         section_schema(option->section), "minItems",
                         (json_int_t) option->min, "maxItems",
                         (json_int_t) option->max);
    case CONFIG_MAP:
        return map_schema(option);
    case CONFIG_SECONDS:
        return json_pack("{s:s, s:f, s:f}", "type", "number", "minimum",
                         option->min / 1000.0, "maximum", option->max / 1000.0);
    case CONFIG_NUMBER:
    case CONFIG_LINE:
        break;
    }
    return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                     (json_int_t) option->min, "maximum",
                     (json_int_t) option->max);
}

static json_t *option_schema(const struct config_option *option)
{
    struct schema s = { type_schema(option), false };
    set(&s, "description", json_string(option->help));
    if (option->fallback != NULL) {
        set(&s, "default", default_of(option));
    }
    return finished(&s);
}

/* `if` also holds where the sibling is left out: then its default rules, which
 * is the word in question wherever there is a default. */
static json_t *condition(const struct config_option *option)
{
    json_t *when = json_pack("{s:{s:{s:s}}}", "properties", option->only_if,
                             "const", option->only_is);
    json_t *without = json_pack("{s:{s:b}}", "properties", option->name, 0);
    return option->required
               ? json_pack("{s:o, s:{s:[s]}, s:o}", "if", when, "then",
                           "required", option->name, "else", without)
               : json_pack("{s:o, s:o}", "if", when, "else", without);
}

static void add_pairs(struct schema *s, const struct config_section *section)
{
    const char *const *one = section->exactly_one;
    const char *const *two = section->both;
    if (one[0] != NULL) {
        set(s, "oneOf",
            json_pack("[{s:[s]}, {s:[s]}]", "required", one[0], "required",
                      one[1]));
    }
    if (two[0] != NULL) {
        set(s, "dependentRequired",
            json_pack("{s:[s], s:[s]}", two[0], two[1], two[1], two[0]));
    }
}

static json_t *section_schema(const struct config_section *section)
{
    struct schema s = { json_pack("{s:s, s:b}", "type", "object",
                                  "additionalProperties", 0),
                        false };
    json_t *properties = json_object();
    json_t *required = json_array();
    json_t *conditions = json_array();
    for (uint32_t i = 0; i < section->option_count; i++) {
        const struct config_option *option = &section->options[i];
        if (option->type == CONFIG_LINE) {
            continue;
        }
        s.failed |= json_object_set_new(properties, option->name,
                                        option_schema(option)) != 0;
        if (option->only_if != NULL) {
            s.failed |=
                json_array_append_new(conditions, condition(option)) != 0;
        } else if (option->required) {
            s.failed |=
                json_array_append_new(required, json_string(option->name)) != 0;
        }
    }
    set(&s, "properties", properties);
    set(&s, "required", required);
    if (json_array_size(conditions) > 0) {
        set(&s, "allOf", conditions);
    } else {
        json_decref(conditions);
    }
    add_pairs(&s, section);
    return finished(&s);
}

json_t *config_schema(void)
{
    struct schema s = { json_pack("{s:s, s:s}", "$schema", CONFIG_SCHEMA_URI,
                                  "title", "twinsync.yaml"),
                        false };
    json_t *options = section_schema(&config_table);
    s.failed |= json_object_update(s.object, options) != 0;
    json_decref(options);
    return finished(&s);
}
