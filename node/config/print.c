#include "node/config/print.h"

#include <stdlib.h>
#include <yaml.h>

#include "node/config/table.h"

/* ---- structs to JSON ---------------------------------------------------- */

enum extent {
    EVERYTHING,
    SHARED, /* without what is local to a node */
    EFFECT  /* only what decides writes */
};

static json_t *section_json(const struct config_section *section,
                            const void *data, enum extent extent);

/* Members are read through the offsets of the table (T1). */
static const void *member(const void *data, uint32_t offset)
{
    return (const char *) data + offset;
}

static const void *pointer_at(const void *data, uint32_t offset)
{
    const void *pointer;
    memcpy(&pointer, member(data, offset), sizeof pointer);
    return pointer;
}

static uint32_t number_at(const void *data, uint32_t offset)
{
    uint32_t number;
    memcpy(&number, member(data, offset), sizeof number);
    return number;
}

static const char *word_at(const struct config_option *option, const void *data)
{
    uint32_t value = number_at(data, option->offset);
    for (uint32_t i = 0; i < option->word_count; i++) {
        if (option->words[i].val == (int64_t) value) {
            return option->words[i].str;
        }
    }
    return "";
}

/* What these build is whole or NULL: a configuration without one of its options
 * would be another one. */
static json_t *whole(json_t *json, bool failed)
{
    if (!failed) {
        return json;
    }
    json_decref(json);
    return NULL;
}

static json_t *texts_json(const struct config_option *option, const void *data)
{
    char *const *texts = pointer_at(data, option->offset);
    uint32_t count = number_at(data, option->count_offset);
    json_t *list = json_array();
    bool failed = list == NULL;
    for (uint32_t i = 0; i < count && !failed; i++) {
        failed = json_array_append_new(list, json_string(texts[i])) != 0;
    }
    return whole(list, failed);
}

static json_t *sections_json(const struct config_option *option,
                             const void *data, enum extent extent)
{
    const char *items = pointer_at(data, option->offset);
    uint32_t count = number_at(data, option->count_offset);
    json_t *list = json_array();
    bool failed = list == NULL;
    for (uint32_t i = 0; i < count && !failed; i++) {
        const void *item = items + (size_t) i * option->section->size;
        failed = json_array_append_new(
                     list, section_json(option->section, item, extent)) != 0;
    }
    return whole(list, failed);
}

static json_t *map_json(const struct config_option *option, const void *data)
{
    const char *items = pointer_at(data, option->offset);
    uint32_t count = number_at(data, option->count_offset);
    const struct config_option *key = &option->section->options[0];
    const struct config_option *value = &option->section->options[1];
    json_t *map = json_object();
    bool failed = map == NULL;
    for (uint32_t i = 0; i < count && !failed; i++) {
        const void *item = items + (size_t) i * option->section->size;
        failed = json_object_set_new(
                     map, pointer_at(item, key->offset),
                     value->type == CONFIG_TEXTS
                         ? texts_json(value, item)
                         : json_string(pointer_at(item, value->offset))) != 0;
    }
    return whole(map, failed);
}

/* Errors   NULL: out of memory. */
static json_t *option_json(const struct config_option *option, const void *data,
                           enum extent extent)
{
    switch (option->type) {
    case CONFIG_TEXT:
        return json_string(pointer_at(data, option->offset));
    case CONFIG_SWITCH:
        return json_boolean(*(const bool *) member(data, option->offset));
    case CONFIG_WORD:
        return json_string(word_at(option, data));
    case CONFIG_SECTION:
        return section_json(option->section, member(data, option->offset),
                            extent);
    case CONFIG_SECTION_OPTIONAL:
        return section_json(option->section, pointer_at(data, option->offset),
                            extent);
    case CONFIG_TEXTS:
        return texts_json(option, data);
    case CONFIG_SECTIONS:
        return sections_json(option, data, extent);
    case CONFIG_MAP:
        return map_json(option, data);
    case CONFIG_SECONDS: {
        uint32_t ms = number_at(data, option->offset);
        return ms % 1000 == 0 ? json_integer(ms / 1000)
                              : json_real(ms / 1000.0);
    }
    case CONFIG_NUMBER:
    case CONFIG_LINE:
        break;
    }
    return json_integer(number_at(data, option->offset));
}

static bool is_shown(const struct config_section *section,
                     const struct config_option *option, const void *data,
                     enum extent extent)
{
    if (option->type == CONFIG_LINE || (option->local && extent == SHARED) ||
        (!option->effect && extent == EFFECT)) {
        return false;
    }
    if ((option->type == CONFIG_TEXT ||
         option->type == CONFIG_SECTION_OPTIONAL) &&
        pointer_at(data, option->offset) == NULL) {
        return false;
    }
    return option->only_if == NULL ||
           strcmp(word_at(config_table_find(section, option->only_if), data),
                  option->only_is) == 0;
}

static json_t *section_json(const struct config_section *section,
                            const void *data, enum extent extent)
{
    json_t *map = json_object();
    bool failed = map == NULL;
    for (uint32_t i = 0; i < section->option_count && !failed; i++) {
        const struct config_option *option = &section->options[i];
        if (is_shown(section, option, data, extent)) {
            failed =
                json_object_set_new(map, option->name,
                                    option_json(option, data, extent)) != 0;
        }
    }
    return whole(map, failed);
}

json_t *config_json(const struct config *config)
{
    return section_json(&config_table, config, EVERYTHING);
}

static int add_to_hash(const char *bytes, size_t size, void *hasher)
{
    ts_hasher_add(hasher, ts_slice(bytes, size));
    return 0;
}

/* Hashed as it is written: json_dumps of jansson 2.14 may return a text with a
 * hole when memory runs out on the way. */
static enum ts_code hash_of(const struct config *config, enum extent extent,
                            struct ts_hash *ret_hash, struct ts_err *err)
{
    json_t *json = section_json(&config_table, config, extent);
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    bool good =
        json != NULL && json_dump_callback(json, add_to_hash, hasher,
                                           JSON_COMPACT | JSON_SORT_KEYS) == 0;
    struct ts_hash hash = ts_hasher_end(hasher);
    ts_hasher_free(hasher);
    json_decref(json);
    if (!good) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not take the configuration's fingerprint");
    }
    *ret_hash = hash;
    return TS_OK;
}

enum ts_code config_fingerprint(const struct config *config,
                                struct ts_hash *ret_hash, struct ts_err *err)
{
    return hash_of(config, SHARED, ret_hash, err);
}

enum ts_code config_effect(const struct config *config,
                           struct ts_hash *ret_hash, struct ts_err *err)
{
    return hash_of(config, EFFECT, ret_hash, err);
}

/* ---- JSON to YAML ------------------------------------------------------- */

static bool emit_value(yaml_emitter_t *emitter, json_t *value);

/* libyaml chooses the quotes; what would be nothing without them, or a number
 * or a switch to other readers of YAML, gets them. */
static yaml_scalar_style_t style_of(const char *text)
{
    static const char *const words[] = { "",    "~",  "null", "true", "false",
                                         "yes", "no", "on",   "off" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return YAML_SINGLE_QUOTED_SCALAR_STYLE;
        }
    }
    bool like_number = strspn(text, "0123456789+-.eExX_:") == strlen(text);
    return like_number ? YAML_SINGLE_QUOTED_SCALAR_STYLE
                       : YAML_ANY_SCALAR_STYLE;
}

static bool emit_scalar(yaml_emitter_t *emitter, const char *text,
                        yaml_scalar_style_t style)
{
    union {
        const char *text;
        yaml_char_t *bytes;
    } value = { .text = text };
    yaml_event_t event;
    return yaml_scalar_event_initialize(&event, NULL, NULL, value.bytes,
                                        (int) strlen(text), 1, 1, style) &&
           yaml_emitter_emit(emitter, &event);
}

static bool emit_object(yaml_emitter_t *emitter, json_t *object)
{
    yaml_event_t event;
    bool good = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
                                                    YAML_BLOCK_MAPPING_STYLE) &&
                yaml_emitter_emit(emitter, &event);
    for (void *at = json_object_iter(object); good && at != NULL;
         at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        good = emit_scalar(emitter, key, style_of(key)) &&
               emit_value(emitter, json_object_iter_value(at));
    }
    return good && yaml_mapping_end_event_initialize(&event) &&
           yaml_emitter_emit(emitter, &event);
}

static bool emit_array(yaml_emitter_t *emitter, const json_t *array)
{
    yaml_event_t event;
    bool flat = !json_is_object(json_array_get(array, 0));
    bool good =
        yaml_sequence_start_event_initialize(
            &event, NULL, NULL, 1,
            flat ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE) &&
        yaml_emitter_emit(emitter, &event);
    for (size_t i = 0; good && i < json_array_size(array); i++) {
        good = emit_value(emitter, json_array_get(array, i));
    }
    return good && yaml_sequence_end_event_initialize(&event) &&
           yaml_emitter_emit(emitter, &event);
}

static bool emit_value(yaml_emitter_t *emitter, json_t *value)
{
    if (json_is_object(value)) {
        return emit_object(emitter, value);
    }
    if (json_is_array(value)) {
        return emit_array(emitter, value);
    }
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        return emit_scalar(emitter, text, style_of(text));
    }
    char number[24];
    if (json_is_real(value)) { /* seconds with a fraction */
        (void) snprintf(number, sizeof number, "%.10g", json_real_value(value));
    } else {
        (void) snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
                        json_integer_value(value));
    }
    return emit_scalar(emitter,
                       json_is_boolean(value)
                           ? (json_is_true(value) ? "true" : "false")
                           : number,
                       YAML_PLAIN_SCALAR_STYLE);
}

static bool emit_document(yaml_emitter_t *emitter, json_t *json)
{
    yaml_event_t event;
    return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
           yaml_emitter_emit(emitter, &event) &&
           yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
           yaml_emitter_emit(emitter, &event) && emit_value(emitter, json) &&
           yaml_document_end_event_initialize(&event, 1) &&
           yaml_emitter_emit(emitter, &event) &&
           yaml_stream_end_event_initialize(&event) &&
           yaml_emitter_emit(emitter, &event);
}

enum ts_code config_print(const struct config *config, FILE *out,
                          struct ts_err *err)
{
    yaml_emitter_t emitter;
    json_t *json = config_json(config);
    bool good = json != NULL && yaml_emitter_initialize(&emitter);
    if (good) {
        yaml_emitter_set_output_file(&emitter, out);
        yaml_emitter_set_unicode(&emitter, 1);
        yaml_emitter_set_width(&emitter, -1);
        good = emit_document(&emitter, json) && fflush(out) == 0;
        yaml_emitter_delete(&emitter);
    }
    json_decref(json);
    return good ? TS_OK
                : ts_fail(err, TS_E_IO, 0, "could not print the configuration");
}
