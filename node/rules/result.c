#include "node/rules/compiled.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A value on its way from SQL or JSON to the target's kind. */
struct scalar {
    enum {
        SCALAR_TEXT,
        SCALAR_INTEGER,
        SCALAR_REAL,
        SCALAR_BOOLEAN
    } type;
    struct ts_slice text;
    int64_t integer;
    double real;
    bool truth;
};

static enum rules_cell_state problem(struct rules_cell *cell, const char *why)
{
    cell->why = why;
    return RULES_CELL_PROBLEM;
}

static enum rules_cell_state keep_text(struct rules_cell *cell,
                                       struct ts_slice text,
                                       struct ts_slice *ret_value)
{
    *ret_value = ts_arena_copy(cell->arena, text);
    return ret_value->data == NULL ? RULES_CELL_NO_ROOM : RULES_CELL_VALUES;
}

static enum rules_cell_state keep_integer(struct rules_cell *cell,
                                          int64_t number,
                                          struct ts_slice *ret_value)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%" PRId64, number);
    return keep_text(cell, ts_slice(text, (size_t) size), ret_value);
}

static enum rules_cell_state to_text(struct rules_cell *cell,
                                     const struct scalar *from,
                                     struct ts_slice *ret_value)
{
    char text[40];
    switch (from->type) {
    case SCALAR_TEXT:
        break;
    case SCALAR_INTEGER:
        return keep_integer(cell, from->integer, ret_value);
    case SCALAR_REAL:
        /* As SQLite itself prints it. */
        (void) sqlite3_snprintf(sizeof text, text, "%!.15g", from->real);
        return keep_text(cell, ts_slice_str(text), ret_value);
    case SCALAR_BOOLEAN:
        return keep_text(cell, ts_slice_str(from->truth ? "true" : "false"),
                         ret_value);
    }
    if (ts_kind_of_bytes(from->text) != TS_KIND_TEXT) {
        return problem(cell, "gives a text that is not UTF-8 or holds NUL");
    }
    return keep_text(cell, from->text, ret_value);
}

static enum rules_cell_state to_integer(struct rules_cell *cell,
                                        const struct scalar *from,
                                        struct ts_slice *ret_value)
{
    int64_t number = from->integer;
    bool fits = from->type == SCALAR_INTEGER;
    if (from->type == SCALAR_TEXT) {
        fits = rules_parse_integer(from->text, &number);
    } else if (from->type == SCALAR_REAL) {
        /* Beyond 2^53 a real no longer tells integers apart. */
        fits = fabs(from->real) <= 9007199254740992.0 &&
               from->real == trunc(from->real);
        number = fits ? (int64_t) from->real : 0;
    }
    return fits ? keep_integer(cell, number, ret_value)
                : problem(cell, "gives no integer and the target takes one");
}

static enum rules_cell_state to_boolean(struct rules_cell *cell,
                                        const struct scalar *from,
                                        struct ts_slice *ret_value)
{
    bool truth = from->truth;
    bool fits = from->type == SCALAR_BOOLEAN;
    if (from->type == SCALAR_TEXT) {
        fits = rules_parse_boolean(from->text, &truth);
    } else if (from->type == SCALAR_INTEGER) {
        fits = from->integer == 0 || from->integer == 1;
        truth = from->integer == 1;
    }
    return fits ? keep_text(cell, ts_slice_str(truth ? "true" : "false"),
                            ret_value)
                : problem(cell, "gives neither true (1) nor false (0)");
}

/* '' is NULL, for every kind. */
static enum rules_cell_state convert(struct rules_cell *cell,
                                     const struct scalar *from,
                                     struct ts_slice *ret_value)
{
    if (from->type == SCALAR_TEXT && from->text.size == 0) {
        return RULES_CELL_NONE;
    }
    if (cell->flow->target.kind == TS_KIND_INTEGER) {
        return to_integer(cell, from, ret_value);
    }
    if (cell->flow->target.kind == TS_KIND_BOOLEAN) {
        return to_boolean(cell, from, ret_value);
    }
    return to_text(cell, from, ret_value);
}

/* ---- JSON -------------------------------------------------------------- */

static enum rules_cell_state keep_document(struct rules_cell *cell,
                                           const json_t *json,
                                           struct ts_slice *ret_value)
{
    /* Sorted keys: equal objects are equal bytes. */
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL) {
        return RULES_CELL_NO_ROOM;
    }
    enum rules_cell_state state =
        keep_text(cell, ts_slice_str(text), ret_value);
    free(text);
    return state;
}

/* One value: an element of an array, or the whole document. */
static enum rules_cell_state convert_json(struct rules_cell *cell,
                                          const json_t *json,
                                          struct ts_slice *ret_value)
{
    struct scalar from = { .type = SCALAR_TEXT };
    bool complex = cell->flow->target.kind == TS_KIND_JSON;
    switch (json_typeof(json)) {
    case JSON_NULL:
        return RULES_CELL_NONE;
    case JSON_OBJECT:
        return complex ? keep_document(cell, json, ret_value)
                       : problem(cell, "gives a JSON object and the target "
                                       "takes a plain value");
    case JSON_ARRAY:
        return problem(cell, "gives an array inside an array");
    case JSON_STRING:
        from.text = ts_slice(json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        from.type = SCALAR_INTEGER;
        from.integer = json_integer_value(json);
        break;
    case JSON_REAL:
        from.type = SCALAR_REAL;
        from.real = json_real_value(json);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        from.type = SCALAR_BOOLEAN;
        from.truth = json_is_true(json);
        break;
    }
    return complex ? problem(cell, "gives a plain value and the target takes "
                                   "an object: use json_object()")
                   : convert(cell, &from, ret_value);
}

static enum rules_cell_state convert_array(struct rules_cell *cell,
                                           const json_t *array,
                                           struct ts_attribute *attribute)
{
    size_t size = json_array_size(array);
    attribute->values =
        ts_arena_array(cell->arena, size, sizeof *attribute->values);
    if (attribute->values == NULL) {
        return RULES_CELL_NO_ROOM;
    }
    for (size_t i = 0; i < size; i++) {
        enum rules_cell_state state =
            convert_json(cell, json_array_get(array, i),
                         &attribute->values[attribute->value_count]);
        if (state == RULES_CELL_VALUES) {
            attribute->value_count++;
        } else if (state != RULES_CELL_NONE) {
            return state;
        }
    }
    if (attribute->value_count == 0) {
        return RULES_CELL_NONE; /* as '' is NULL, so is [] */
    }
    struct ts_entry alone = { .count = 1, .attributes = attribute };
    ts_entry_normalise(&alone);
    return RULES_CELL_VALUES;
}

static enum rules_cell_state read_json(struct rules_cell *cell,
                                       struct ts_slice text,
                                       struct ts_attribute *attribute)
{
    json_error_t error;
    json_t *json = json_loadb((const char *) text.data, text.size,
                              JSON_DECODE_ANY, &error);
    if (json == NULL) {
        return problem(cell, "gives no JSON and the target takes an object: "
                             "use json_object()");
    }
    enum rules_cell_state state;
    if (!json_is_array(json)) {
        attribute->value_count = 1;
        state = convert_json(cell, json, attribute->values);
    } else if (!cell->flow->target.multi_valued) {
        state = problem(cell, "gives an array and the target takes one value: "
                              "use first(x)");
    } else {
        state = convert_array(cell, json, attribute);
    }
    json_decref(json);
    return state;
}

/* ---- one column -------------------------------------------------------- */

static enum rules_cell_state read_blob(struct rules_cell *cell,
                                       struct ts_slice bytes,
                                       struct ts_attribute *attribute)
{
    const struct rules_sandbox *sandbox = cell->sandbox;
    attribute->values = NULL;
    if (ts_slice_equal(bytes,
                       ts_slice(sandbox->clear_marker, RULES_MARKER_SIZE))) {
        attribute->kind = TS_KIND_CLEAR;
        return RULES_CELL_VALUES;
    }
    if (ts_slice_equal(bytes,
                       ts_slice(sandbox->keep_marker, RULES_MARKER_SIZE))) {
        attribute->kind = TS_KIND_KEEP;
        return RULES_CELL_VALUES;
    }
    return problem(cell, "gives bytes and the target takes none: use "
                         "base64(x), guid(x) or sid(x)");
}

static struct ts_slice column_bytes(const struct rules_cell *cell)
{
    /* _blob, also for text: _text would copy to add a NUL. */
    const void *data = sqlite3_column_blob(cell->row, cell->index);
    int size = sqlite3_column_bytes(cell->row, cell->index);
    return data == NULL ? TS_SLICE_NONE : ts_slice(data, (size_t) size);
}

static bool column_is_json(const struct rules_cell *cell)
{
    if (cell->flow->target.kind == TS_KIND_JSON) {
        return true; /* a complex attribute takes nothing else */
    }
    sqlite3_value *value = sqlite3_column_value(cell->row, cell->index);
    return sqlite3_value_subtype(value) == RULES_SUBTYPE_JSON;
}

enum rules_cell_state rules_read_cell(struct rules_cell *cell,
                                      struct ts_attribute *ret_attribute)
{
    struct scalar from = { .type = SCALAR_TEXT };
    *ret_attribute = (struct ts_attribute){
        .name = cell->flow->path_bytes,
        .kind = cell->flow->target.kind,
        .values = cell->slot,
    };
    switch (sqlite3_column_type(cell->row, cell->index)) {
    case SQLITE_NULL:
        return RULES_CELL_NONE;
    case SQLITE_BLOB:
        return read_blob(cell, column_bytes(cell), ret_attribute);
    case SQLITE_INTEGER:
        from.type = SCALAR_INTEGER;
        from.integer = sqlite3_column_int64(cell->row, cell->index);
        break;
    case SQLITE_FLOAT:
        from.type = SCALAR_REAL;
        from.real = sqlite3_column_double(cell->row, cell->index);
        break;
    default:
        if (column_is_json(cell)) {
            return read_json(cell, column_bytes(cell), ret_attribute);
        }
        from.text = column_bytes(cell);
        break;
    }
    if (cell->flow->target.kind == TS_KIND_JSON) {
        return problem(cell, "gives a plain value and the target takes an "
                             "object: use json_object()");
    }
    ret_attribute->value_count = 1;
    return convert(cell, &from, ret_attribute->values);
}
