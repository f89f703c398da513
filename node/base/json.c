#include "node/base/json.h"

/* jansson recurses; its own limit of 2,048 is far beyond any answer's need. */
static bool too_deep(struct ts_slice bytes)
{
    size_t depth = 0;
    bool text = false;
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = bytes.data[i];
        if (text) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                text = false;
            }
        } else if (c == '"') {
            text = true;
        } else if (c == '{' || c == '[') {
            if (++depth > TS_JSON_DEPTH_MAX) {
                return true;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

enum ts_code ts_json_parse(struct ts_slice bytes, json_t **ret_json,
                           struct ts_err *err)
{
    if (too_deep(bytes)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot parse JSON: it is nested deeper than %d levels",
                       TS_JSON_DEPTH_MAX);
    }
    json_error_t why;
    json_t *json = json_loadb(bytes.size == 0 ? "" : (const char *) bytes.data,
                              bytes.size, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot parse JSON: line %d, column %d: %s", why.line,
                       why.column, why.text);
    }
    *ret_json = json;
    return TS_OK;
}

struct ts_slice ts_json_print(const json_t *json, struct ts_arena *arena)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS;
    size_t size = json_dumpb(json, NULL, 0, flags);
    char *text = size == 0 ? NULL : ts_arena_take(arena, size);
    if (text == NULL || json_dumpb(json, text, size, flags) != size) {
        return TS_SLICE_NONE;
    }
    return ts_slice(text, size);
}

const char *ts_json_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

bool ts_json_flag(const json_t *object, const char *name, bool fallback)
{
    const json_t *value = json_object_get(object, name);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

int64_t ts_json_number(const json_t *object, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}
