#include "node/rules/sandbox.h"

#include <strings.h>
#include <sys/random.h>

#include "node/rules/functions.h"

/* SQLite's operations between two looks at the budget. Small, because each
 * may handle a value of RULES_VALUE_SIZE_MAX. */
#define STEPS_PER_CALL 64
/* A clock and the memory counter are looked at only after this many steps:
 * ordinary rules never get there. */
#define STEPS_UNWATCHED 2000

/* ---- what may be called ------------------------------------------------ */

/* In strcasecmp order. Left out on purpose: everything that knows the time,
 * draws at random, formats (printf can make any size), loads, or names a file;
 * zeroblob and randomblob; json_patch (quadratic). */
static const char *const ALLOWED[] = {
    "->",
    "->>",
    "abs",
    "ad_time",
    "avg",
    "base64",
    "char",
    "clear",
    "coalesce",
    "count",
    "first",
    "fold",
    "glob",
    "group_concat",
    "guid",
    "has",
    "hex",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "keep",
    "length",
    "like",
    "lower",
    "ltrim",
    "max",
    "min",
    "n",
    "nullif",
    "ou_under",
    "rdn",
    "regexp_replace",
    "replace",
    "round",
    "rtrim",
    "run_date",
    "sid",
    "sign",
    "substr",
    "substring",
    "sum",
    "total",
    "trim",
    "typeof",
    "unicode",
    "upper",
    "vals",
};

const char *rules_function_name(size_t index)
{
    return index < sizeof ALLOWED / sizeof ALLOWED[0] ? ALLOWED[index] : NULL;
}

bool rules_function_is_allowed(const char *name)
{
    for (size_t i = 0; i < sizeof ALLOWED / sizeof ALLOWED[0]; i++) {
        if (strcasecmp(ALLOWED[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void note_read(struct rules_sandbox *sandbox, const char *name)
{
    const struct rules_view *view = &sandbox->view;
    for (size_t i = 0; i < view->column_count; i++) {
        if (strcasecmp(view->columns[i]->name, name) == 0) {
            sandbox->reads.columns[i] = true;
        }
    }
}

static bool is_column(const struct rules_view *view, const char *name)
{
    for (size_t i = 0; i < view->column_count; i++) {
        if (strcasecmp(view->columns[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int on_read(struct rules_sandbox *sandbox, const char *table,
                   const char *column)
{
    if (strcasecmp(table, "json_each") == 0 ||
        strcasecmp(table, "json_tree") == 0) {
        return SQLITE_OK;
    }
    if (strcasecmp(table, RULES_INPUT_TABLE) != 0) {
        return SQLITE_DENY;
    }
    if (column[0] == 0) {
        return SQLITE_OK; /* the row, none of its columns: count(*) */
    }
    if (!is_column(&sandbox->view, column)) {
        return SQLITE_DENY; /* the row id, the placeholder */
    }
    note_read(sandbox, column);
    return SQLITE_OK;
}

static int on_function(struct rules_sandbox *sandbox, const char *name)
{
    if (!rules_function_is_allowed(name)) {
        return SQLITE_DENY;
    }
    if (strcasecmp(name, "run_date") == 0) {
        sandbox->reads.run_date = true;
    } else if (strcasecmp(name, "ou_under") == 0) {
        sandbox->reads.ancestors = true;
    }
    return SQLITE_OK;
}

static int on_authorize(void *context, int action, const char *a, const char *b,
                        const char *database, const char *trigger)
{
    (void) database;
    (void) trigger;
    switch (action) {
    case SQLITE_SELECT:
        return SQLITE_OK;
    case SQLITE_READ:
        return on_read(context, a == NULL ? "" : a, b == NULL ? "" : b);
    case SQLITE_FUNCTION:
        return on_function(context, b == NULL ? "" : b);
    default:
        return SQLITE_DENY;
    }
}

/* ---- budget ------------------------------------------------------------ */

void rules_budget_begin(struct rules_budget *budget)
{
    *budget = (struct rules_budget){ .steps_left = RULES_STEPS_MAX };
}

static bool watch(struct rules_budget *budget)
{
    if (!budget->watched) {
        budget->watched = true;
        budget->deadline =
            ts_time_after(ts_time_worked(), RULES_STATEMENT_MS_MAX);
        budget->memory_at_start = sqlite3_memory_used();
        return true;
    }
    if (ts_time_reached(ts_time_worked(), budget->deadline)) {
        budget->spent = "it takes more than five seconds of work";
        return false;
    }
    if (sqlite3_memory_used() - budget->memory_at_start > RULES_MEMORY_MAX) {
        budget->spent = "it takes more than 256 MiB of memory";
        return false;
    }
    return true;
}

bool rules_budget_draw(struct rules_budget *budget, int64_t steps)
{
    budget->steps_left -= steps;
    if (budget->spent != NULL) {
        return false;
    }
    if (budget->steps_left < 0) {
        budget->spent = "it takes more than 1,000,000 steps";
        return false;
    }
    return budget->steps_left > RULES_STEPS_MAX - STEPS_UNWATCHED ||
           watch(budget);
}

static int on_progress(void *context)
{
    struct rules_sandbox *sandbox = context;
    return !rules_budget_draw(&sandbox->budget, STEPS_PER_CALL);
}

/* ---- connection -------------------------------------------------------- */

static bool harden(sqlite3 *db)
{
    static const struct {
        int option, value;
    } SWITCHES[] = {
        { SQLITE_DBCONFIG_DQS_DML, 0 },
        { SQLITE_DBCONFIG_DQS_DDL, 0 },
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },
        { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
        { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
        { SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0 },
        { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
        { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
    };
    static const struct {
        int limit, value;
    } LIMITS[] = {
        { SQLITE_LIMIT_LENGTH, (int) RULES_VALUE_SIZE_MAX },
        { SQLITE_LIMIT_SQL_LENGTH, (int) RULES_EXPRESSION_SIZE_MAX },
        { SQLITE_LIMIT_EXPR_DEPTH, 100 },
        { SQLITE_LIMIT_COMPOUND_SELECT, 4 },
        { SQLITE_LIMIT_FUNCTION_ARG, 16 },
        { SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256 },
        { SQLITE_LIMIT_ATTACHED, 0 },
        { SQLITE_LIMIT_VARIABLE_NUMBER, 0 },
        { SQLITE_LIMIT_TRIGGER_DEPTH, 0 },
        { SQLITE_LIMIT_WORKER_THREADS, 0 },
    };
    for (size_t i = 0; i < sizeof SWITCHES / sizeof SWITCHES[0]; i++) {
        int now = -1;
        if (sqlite3_db_config(db, SWITCHES[i].option, SWITCHES[i].value,
                              &now) != SQLITE_OK ||
            now != SWITCHES[i].value) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof LIMITS / sizeof LIMITS[0]; i++) {
        (void) sqlite3_limit(db, LIMITS[i].limit, LIMITS[i].value);
        if (sqlite3_limit(db, LIMITS[i].limit, -1) != LIMITS[i].value) {
            return false;
        }
    }
    return true;
}

int rules_functions_add(struct rules_sandbox *sandbox,
                        const struct rules_function *functions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int rc = sqlite3_create_function_v2(
            sandbox->db, functions[i].name, functions[i].arguments,
            SQLITE_UTF8 | SQLITE_DIRECTONLY | SQLITE_RESULT_SUBTYPE, sandbox,
            functions[i].call, NULL, NULL, NULL);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    return SQLITE_OK;
}

/* Virtual tables declare themselves on first use, which the authorizer would
 * deny; large sorts must not go to a file. Both before the lock. */
static int prime(sqlite3 *db)
{
    return sqlite3_exec(db,
                        "PRAGMA temp_store=MEMORY;"
                        "SELECT 1 FROM " RULES_INPUT_TABLE " WHERE 0;"
                        "SELECT 1 FROM json_each('[]'), json_tree('[]')",
                        NULL, NULL, NULL);
}

static int open_and_lock(struct rules_sandbox *sandbox)
{
    int rc = sqlite3_open_v2(
        ":memory:", &sandbox->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK || (rc = rules_input_register(sandbox)) != SQLITE_OK ||
        (rc = prime(sandbox->db)) != SQLITE_OK ||
        (rc = rules_functions_entry_register(sandbox)) != SQLITE_OK ||
        (rc = rules_functions_text_register(sandbox)) != SQLITE_OK ||
        (rc = rules_functions_directory_register(sandbox)) != SQLITE_OK ||
        (rc = rules_regexp_register(sandbox)) != SQLITE_OK) {
        return rc;
    }
    if (!harden(sandbox->db)) {
        return SQLITE_MISUSE;
    }
    sqlite3_progress_handler(sandbox->db, STEPS_PER_CALL, on_progress, sandbox);
    return sqlite3_set_authorizer(sandbox->db, on_authorize, sandbox);
}

static bool make_marker(uint8_t marker[static RULES_MARKER_SIZE], char kind)
{
    /* The NUL makes any text derived from it invalid. */
    memset(marker, 0, RULES_MARKER_SIZE);
    marker[1] = (uint8_t) kind;
    return getrandom(marker + 2, RULES_MARKER_SIZE - 2, 0) ==
           RULES_MARKER_SIZE - 2;
}

enum ts_code rules_sandbox_init(struct rules_sandbox *sandbox,
                                struct rules_column *const *columns,
                                size_t column_count, struct ts_arena *arena,
                                struct ts_err *err)
{
    *sandbox = (struct rules_sandbox){
        .view = { .columns = columns,
                  .column_count = column_count,
                  .attributes =
                      ts_arena_array(arena, column_count, sizeof(void *)) },
        .reads.columns = ts_arena_array(arena, column_count, sizeof(bool)),
    };
    if (sandbox->view.attributes == NULL || sandbox->reads.columns == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0, "no room for the input's columns");
    }
    rules_budget_begin(&sandbox->budget);
    int rc = open_and_lock(sandbox);
    if (rc != SQLITE_OK || !make_marker(sandbox->clear_marker, 'c') ||
        !make_marker(sandbox->keep_marker, 'k')) {
        (void) ts_fail(err, TS_E_NOMEM, 0,
                       "could not open the connection for expressions: %s",
                       sqlite3_errstr(rc));
        rules_sandbox_done(sandbox);
        return TS_E_NOMEM;
    }
    return TS_OK;
}

void rules_sandbox_done(struct rules_sandbox *sandbox)
{
    rules_regexp_done(sandbox);
    (void) sqlite3_close_v2(sandbox->db);
    sandbox->db = NULL;
}

enum ts_code rules_sandbox_prepare(struct rules_sandbox *sandbox,
                                   const char *sql,
                                   sqlite3_stmt **ret_statement,
                                   struct ts_err *err)
{
    sqlite3_stmt *statement = NULL;
    rules_budget_begin(&sandbox->budget);
    int rc = sqlite3_prepare_v3(sandbox->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                &statement, NULL);
    if (rc == SQLITE_NOMEM) {
        return ts_fail(err, TS_E_NOMEM, 0, "no memory to compile it");
    }
    if (rc != SQLITE_OK) {
        return ts_fail(err, TS_E_CONFIG, 0, "%s", sqlite3_errmsg(sandbox->db));
    }
    *ret_statement = statement;
    return TS_OK;
}

void rules_function_fail(sqlite3_context *context, const char *name,
                         const char *text)
{
    char *sentence = sqlite3_mprintf("%s() %s", name, text);
    if (sentence == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_error(context, sentence, -1);
    sqlite3_free(sentence);
}
