#include "node/rules/input.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "node/rules/sandbox.h"

struct table {
    sqlite3_vtab base;
    struct rules_sandbox *sandbox;
};

struct cursor {
    sqlite3_vtab_cursor base;
    bool past; /* the one row was read */
};

/* ---- the current entry ------------------------------------------------- */

/* Both lists are in byte order: one walk finds every column's attribute. */
void rules_view_set(struct rules_view *view, const struct rules_input *input)
{
    view->input = input;
    if (input == NULL) {
        return;
    }
    const struct ts_entry *entry = input->entry;
    size_t at = 0;
    for (size_t i = 0; i < view->column_count; i++) {
        int order = 1;
        while (at < entry->count &&
               (order = ts_slice_compare(entry->attributes[at].name,
                                         view->columns[i]->bytes)) < 0) {
            at++;
        }
        bool found = at < entry->count && order == 0 &&
                     view->columns[i]->kind == RULES_COLUMN_ATTRIBUTE;
        view->attributes[i] = found ? &entry->attributes[at] : NULL;
    }
}

size_t rules_view_count(const struct rules_view *view, size_t column)
{
    if (view->columns[column]->kind != RULES_COLUMN_ATTRIBUTE) {
        return 1;
    }
    const struct ts_attribute *attribute = view->attributes[column];
    return attribute == NULL ? 0 : attribute->value_count;
}

struct ts_slice rules_view_value(const struct rules_view *view, size_t column,
                                 size_t i)
{
    switch (view->columns[column]->kind) {
    case RULES_COLUMN_ANCHOR:
        return view->input->anchor;
    case RULES_COLUMN_DN:
        return view->input->dn;
    case RULES_COLUMN_ATTRIBUTE:
        break;
    }
    return view->attributes[column]->values[i];
}

bool rules_view_is_unknown(const struct rules_view *view, size_t column)
{
    return view->columns[column]->kind == RULES_COLUMN_DN &&
           view->input->dn.data == NULL;
}

bool rules_parse_boolean(struct ts_slice text, bool *ret_value)
{
    const char *data = (const char *) text.data;
    if (text.size == 4 && strncasecmp(data, "true", 4) == 0) {
        *ret_value = true;
        return true;
    }
    if (text.size == 5 && strncasecmp(data, "false", 5) == 0) {
        *ret_value = false;
        return true;
    }
    return false;
}

bool rules_parse_integer(struct ts_slice text, int64_t *ret_value)
{
    char copy[24]; /* int64 has 20 characters at most */
    if (text.size == 0 || text.size >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    size_t sign = copy[0] == '-' ? 1 : 0;
    if (strspn(copy + sign, "0123456789") != text.size - sign ||
        text.size == sign) {
        return false;
    }
    errno = 0;
    *ret_value = strtoll(copy, NULL, 10);
    return errno == 0;
}

/* ---- one value as an SQL value ----------------------------------------- */

static void fail_value(sqlite3_context *context,
                       const struct rules_column *column, const char *why)
{
    char *text = sqlite3_mprintf("%.100s %s", column->name, why);
    if (text == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_error(context, text, -1);
    sqlite3_free(text);
}

static void fail_several(sqlite3_context *context, const char *name)
{
    bool plain = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789_") == strlen(name);
    char *text = sqlite3_mprintf(
        plain ? "%.100s has several values: use first(%.100s) for the least "
                "or vals('%.100s') for all"
              : "%.100s has several values: use first(\"%.100s\") for the "
                "least or vals('%.100s') for all",
        name, name, name);
    if (text == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_error(context, text, -1);
    sqlite3_free(text);
}

static void result_integer(sqlite3_context *context,
                           const struct rules_column *column,
                           struct ts_slice value)
{
    int64_t number;
    if (rules_parse_integer(value, &number)) {
        sqlite3_result_int64(context, number);
    } else {
        fail_value(context, column,
                   "is an integer by schema and its value is none of 64 bits");
    }
}

static void result_boolean(sqlite3_context *context,
                           const struct rules_column *column,
                           struct ts_slice value)
{
    bool truth;
    if (rules_parse_boolean(value, &truth)) {
        sqlite3_result_int(context, truth);
    } else {
        fail_value(context, column,
                   "is a boolean by schema and its value is none");
    }
}

static bool is_text(const struct rules_view *view, size_t column,
                    struct ts_slice value)
{
    const struct ts_attribute *attribute = view->attributes[column];
    /* The decoder has looked at TEXT already. */
    return (attribute != NULL && attribute->kind == TS_KIND_TEXT) ||
           ts_kind_of_bytes(value) == TS_KIND_TEXT;
}

void rules_view_result(const struct rules_view *view, sqlite3_context *context,
                       size_t column, struct ts_slice value)
{
    const struct rules_column *described = view->columns[column];
    if (rules_view_is_unknown(view, column)) {
        /* A DN cut short would look like a move to somewhere else. */
        sqlite3_result_error(context, RULES_DN_UNKNOWN, -1);
        return;
    }
    if (described->syntax == RULES_SYNTAX_INTEGER) {
        result_integer(context, described, value);
        return;
    }
    if (described->syntax == RULES_SYNTAX_BOOLEAN) {
        result_boolean(context, described, value);
        return;
    }
    /* STATIC: the entry outlives the statement's run. An empty value may come
     * without a pointer, which would read as NULL. */
    const char *data = value.size == 0 ? "" : (const char *) value.data;
    if (described->syntax == RULES_SYNTAX_TEXT &&
        is_text(view, column, value)) {
        sqlite3_result_text64(context, data, value.size, SQLITE_STATIC,
                              SQLITE_UTF8);
    } else {
        sqlite3_result_blob64(context, data, value.size, SQLITE_STATIC);
    }
}

/* ---- the virtual table ------------------------------------------------- */

static const char *declared_type(enum rules_syntax syntax)
{
    switch (syntax) {
    case RULES_SYNTAX_INTEGER:
    case RULES_SYNTAX_BOOLEAN:
        return "INTEGER";
    case RULES_SYNTAX_BINARY:
        return "BLOB";
    case RULES_SYNTAX_TEXT:
        break;
    }
    return "TEXT";
}

/* The declared types only steer comparisons: 5 = '5' is true as people expect.
 */
static int declare(sqlite3 *db, const struct rules_view *view)
{
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendall(sql, "CREATE TABLE x(\"" RULES_INPUT_NOTHING "\"");
    for (size_t i = 0; i < view->column_count; i++) {
        sqlite3_str_appendf(sql, ",\"%w\" %s", view->columns[i]->name,
                            declared_type(view->columns[i]->syntax));
    }
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    int rc = text == NULL ? SQLITE_NOMEM : sqlite3_declare_vtab(db, text);
    sqlite3_free(text);
    return rc;
}

static int on_connect(sqlite3 *db, void *context, int argc,
                      const char *const *argv, sqlite3_vtab **ret_table,
                      char **ret_error)
{
    (void) argc;
    (void) argv;
    (void) ret_error;
    struct rules_sandbox *sandbox = context;
    int rc = declare(db, &sandbox->view);
    if (rc != SQLITE_OK) {
        return rc;
    }
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return SQLITE_NOMEM;
    }
    table->sandbox = sandbox;
    *ret_table = &table->base;
    return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void) table;
    info->estimatedCost = 1;
    info->estimatedRows = 1;
    info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **ret_cursor)
{
    (void) table;
    struct cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL) {
        return SQLITE_NOMEM;
    }
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *cursor)
{
    free(cursor);
    return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *cursor, int number, const char *text,
                     int argc, sqlite3_value **argv)
{
    (void) number;
    (void) text;
    (void) argc;
    (void) argv;
    ((struct cursor *) cursor)->past = false;
    return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *cursor)
{
    ((struct cursor *) cursor)->past = true;
    return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *cursor)
{
    return ((struct cursor *) cursor)->past;
}

static int on_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context,
                     int declared)
{
    struct rules_sandbox *sandbox = ((struct table *) cursor->pVtab)->sandbox;
    const struct rules_view *view = &sandbox->view;
    if (declared < 1) {
        return SQLITE_OK; /* the nameless placeholder: NULL */
    }
    size_t column = (size_t) declared - 1;
    size_t count = rules_view_count(view, column);
    if (count == 0) {
        return SQLITE_OK; /* absent: NULL */
    }
    if (count > 1) {
        fail_several(context, view->columns[column]->name);
        return SQLITE_OK;
    }
    struct ts_slice value = rules_view_value(view, column, 0);
    if (!rules_budget_draw(&sandbox->budget, (int64_t) (value.size / 64))) {
        return SQLITE_INTERRUPT;
    }
    rules_view_result(view, context, column, value);
    return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *ret_rowid)
{
    (void) cursor;
    *ret_rowid = 1;
    return SQLITE_OK;
}

static const sqlite3_module MODULE = {
    .xConnect = on_connect, /* no xCreate: eponymous only */
    .xBestIndex = on_best_index,
    .xDisconnect = on_disconnect,
    .xOpen = on_open,
    .xClose = on_close,
    .xFilter = on_filter,
    .xNext = on_next,
    .xEof = on_eof,
    .xColumn = on_column,
    .xRowid = on_rowid,
};

int rules_input_register(struct rules_sandbox *sandbox)
{
    return sqlite3_create_module_v2(sandbox->db, RULES_INPUT_TABLE, &MODULE,
                                    sandbox, NULL);
}
