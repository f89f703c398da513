/*
 * Functions that look at the object itself: its values, where it is, the day,
 * and the two answers clear() and keep() that no value can express.
 *
 * vals(), has(), n() and first() arrive here with the index of a column:
 * names.c has resolved the name, compile.c has put the index in its place.
 */
#include <jansson.h>
#include <stdlib.h>

#include "node/rules/functions.h"

static struct rules_sandbox *sandbox_of(sqlite3_context *context)
{
    return sqlite3_user_data(context);
}

/* The column that an index means; SIZE_MAX (after an error) for anything that
 * was not put there by the compiler, and for a DN that is not known. */
static size_t column_of(sqlite3_context *context, sqlite3_value *value)
{
    const struct rules_view *view = &sandbox_of(context)->view;
    sqlite3_int64 index = sqlite3_value_int64(value);
    if (sqlite3_value_type(value) != SQLITE_INTEGER || index < 0 ||
        (size_t) index >= view->column_count || view->input == NULL) {
        sqlite3_result_error(context, "it takes the name of an attribute", -1);
        return SIZE_MAX;
    }
    if (rules_view_is_unknown(view, (size_t) index)) {
        sqlite3_result_error(context, RULES_DN_UNKNOWN, -1);
        return SIZE_MAX;
    }
    return (size_t) index;
}

/* ---- n, first, vals ---------------------------------------------------- */

static void call_n(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void) count;
    size_t column = column_of(context, values[0]);
    if (column != SIZE_MAX) {
        size_t n = rules_view_count(&sandbox_of(context)->view, column);
        sqlite3_result_int64(context, (sqlite3_int64) n);
    }
}

static void call_first(sqlite3_context *context, int count,
                       sqlite3_value **values)
{
    (void) count;
    const struct rules_view *view = &sandbox_of(context)->view;
    size_t column = column_of(context, values[0]);
    if (column == SIZE_MAX || rules_view_count(view, column) == 0) {
        return; /* an error, or absent: NULL */
    }
    /* A normalised entry has its values in byte order. */
    rules_view_result(view, context, column, rules_view_value(view, column, 0));
}

static json_t *json_of_bytes(struct ts_slice value)
{
    size_t size;
    char *text = rules_base64(value, &size);
    json_t *json = text == NULL ? NULL : json_stringn(text, size);
    sqlite3_free(text);
    return json;
}

/* NULL when the value is not what the schema says, or memory ran out. */
static json_t *json_of_value(enum rules_syntax syntax, struct ts_slice value)
{
    int64_t number;
    bool truth;
    switch (syntax) {
    case RULES_SYNTAX_INTEGER:
        return rules_parse_integer(value, &number) ? json_integer(number)
                                                   : NULL;
    case RULES_SYNTAX_BOOLEAN:
        return rules_parse_boolean(value, &truth) ? json_boolean(truth) : NULL;
    case RULES_SYNTAX_BINARY:
        return json_of_bytes(value);
    case RULES_SYNTAX_TEXT:
        break;
    }
    return ts_kind_of_bytes(value) == TS_KIND_TEXT
               ? json_stringn(value.size == 0 ? "" : (const char *) value.data,
                              value.size)
               : json_of_bytes(value);
}

static void result_json(sqlite3_context *context, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    if (text == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_text64(context, text, strlen(text), free, SQLITE_UTF8);
    sqlite3_result_subtype(context, RULES_SUBTYPE_JSON);
}

static void call_vals(sqlite3_context *context, int count,
                      sqlite3_value **values)
{
    (void) count;
    struct rules_sandbox *sandbox = sandbox_of(context);
    const struct rules_view *view = &sandbox->view;
    size_t column = column_of(context, values[0]);
    if (column == SIZE_MAX) {
        return;
    }
    json_t *array = json_array();
    size_t n = rules_view_count(view, column);
    for (size_t i = 0; i < n; i++) {
        struct ts_slice value = rules_view_value(view, column, i);
        json_t *item = NULL;
        if (value.size <= RULES_VALUE_SIZE_MAX &&
            rules_budget_draw(&sandbox->budget,
                              1 + (int64_t) (value.size / 64))) {
            item = json_of_value(view->columns[column]->syntax, value);
        }
        if (item == NULL || json_array_append_new(array, item) != 0) {
            json_decref(array);
            rules_function_fail(context, "vals",
                                "met a value that its schema does not allow "
                                "or that is too large");
            return;
        }
    }
    result_json(context, array);
    json_decref(array);
}

/* ---- has --------------------------------------------------------------- */

static bool has_integer(struct ts_slice value, sqlite3_value *wanted)
{
    int64_t a;
    int64_t b = sqlite3_value_int64(wanted);
    if (sqlite3_value_type(wanted) == SQLITE_TEXT &&
        !rules_parse_integer(rules_value_text(wanted), &b)) {
        return false;
    }
    return sqlite3_value_type(wanted) != SQLITE_FLOAT &&
           rules_parse_integer(value, &a) && a == b;
}

static bool has_boolean(struct ts_slice value, sqlite3_value *wanted)
{
    bool a;
    bool b;
    if (!rules_parse_boolean(value, &a)) {
        return false;
    }
    if (sqlite3_value_type(wanted) == SQLITE_INTEGER) {
        return sqlite3_value_int64(wanted) == (a ? 1 : 0);
    }
    return rules_parse_boolean(rules_value_text(wanted), &b) && a == b;
}

static enum rules_match match_value(const struct rules_column *column,
                                    struct ts_slice value,
                                    sqlite3_value *wanted)
{
    bool equal = false;
    switch (column->syntax) {
    case RULES_SYNTAX_INTEGER:
        equal = has_integer(value, wanted);
        break;
    case RULES_SYNTAX_BOOLEAN:
        equal = has_boolean(value, wanted);
        break;
    case RULES_SYNTAX_TEXT:
        if (column->case_ignore && sqlite3_value_type(wanted) != SQLITE_BLOB) {
            return rules_match_ignoring_case(value, rules_value_text(wanted));
        }
        equal = ts_slice_equal(value, rules_value_bytes(wanted));
        break;
    case RULES_SYNTAX_BINARY:
        equal = ts_slice_equal(value, rules_value_bytes(wanted));
        break;
    }
    return equal ? RULES_MATCH_YES : RULES_MATCH_NO;
}

static void call_has(sqlite3_context *context, int count,
                     sqlite3_value **values)
{
    (void) count;
    struct rules_sandbox *sandbox = sandbox_of(context);
    const struct rules_view *view = &sandbox->view;
    size_t column = column_of(context, values[0]);
    if (column == SIZE_MAX) {
        return;
    }
    enum rules_match match = RULES_MATCH_NO;
    size_t n = sqlite3_value_type(values[1]) == SQLITE_NULL
                   ? 0
                   : rules_view_count(view, column);
    int64_t wanted_size = sqlite3_value_bytes(values[1]);
    for (size_t i = 0; i < n && match == RULES_MATCH_NO; i++) {
        struct ts_slice value = rules_view_value(view, column, i);
        if (!rules_budget_draw(&sandbox->budget,
                               ((int64_t) value.size + wanted_size) / 64)) {
            sqlite3_result_error_code(context, SQLITE_INTERRUPT);
            return;
        }
        match = match_value(view->columns[column], value, values[1]);
    }
    if (match == RULES_MATCH_NO_MEMORY) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_int(context, match == RULES_MATCH_YES);
}

/* ---- place, day, verdicts ---------------------------------------------- */

static void call_ou_under(sqlite3_context *context, int count,
                          sqlite3_value **values)
{
    (void) count;
    const struct rules_input *input = sandbox_of(context)->view.input;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL) {
        return;
    }
    if (!rules_value_is_text(context, "ou_under", values[0])) {
        return;
    }
    struct ts_slice anchor = rules_value_text(values[0]);
    for (size_t i = 0; i < input->ancestor_count; i++) {
        if (ts_slice_equal(input->ancestors[i], anchor)) {
            sqlite3_result_int(context, 1);
            return;
        }
    }
    /* "No" needs the whole chain: a gap must not look like a move away. */
    if (!input->ancestors_complete) {
        rules_function_fail(context, "ou_under",
                            "could not tell: not every ancestor of this "
                            "object is known yet");
        return;
    }
    sqlite3_result_int(context, 0);
}

static void call_run_date(sqlite3_context *context, int count,
                          sqlite3_value **values)
{
    (void) count;
    (void) values;
    const struct rules_input *input = sandbox_of(context)->view.input;
    sqlite3_result_text(context, input->run_date, -1, SQLITE_STATIC);
}

static void call_clear(sqlite3_context *context, int count,
                       sqlite3_value **values)
{
    (void) count;
    (void) values;
    sqlite3_result_blob(context, sandbox_of(context)->clear_marker,
                        RULES_MARKER_SIZE, SQLITE_STATIC);
}

static void call_keep(sqlite3_context *context, int count,
                      sqlite3_value **values)
{
    (void) count;
    (void) values;
    sqlite3_result_blob(context, sandbox_of(context)->keep_marker,
                        RULES_MARKER_SIZE, SQLITE_STATIC);
}

int rules_functions_entry_register(struct rules_sandbox *sandbox)
{
    static const struct rules_function FUNCTIONS[] = {
        { "vals", 1, call_vals },
        { "has", 2, call_has },
        { "n", 1, call_n },
        { "first", 1, call_first },
        { "ou_under", 1, call_ou_under },
        { "run_date", 0, call_run_date },
        { "clear", 0, call_clear },
        { "keep", 0, call_keep },
    };
    return rules_functions_add(sandbox, FUNCTIONS,
                               sizeof FUNCTIONS / sizeof FUNCTIONS[0]);
}
