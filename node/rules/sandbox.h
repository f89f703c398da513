/*
 * sandbox -- the SQLite connection in which expressions run.
 *
 * Private, in memory, without a table of its own. It knows one virtual row,
 * `entry` (input.h), and json_each and json_tree. An expression may SELECT,
 * read these three and call the functions of one list; the authorizer denies
 * everything else, by default. Nothing here opens a file, reads a clock for a
 * value or draws a random number.
 *
 * Invariants:
 *   X1  the authorizer is in force from rules_sandbox_lock() on and every
 *       statement that runs an expression is prepared after it.
 *   X2  a statement ends: SQLite's steps, bytes read and the work of long
 *       functions are drawn from one budget; a deadline and a bound on memory
 *       stand behind it.
 *   X3  functions that can take long charge the budget before or while they
 *       work, because SQLite's progress handler is not called inside them.
 */
#ifndef NODE_RULES_SANDBOX_H
#define NODE_RULES_SANDBOX_H

#include <sqlite3.h>

#include "node/base/time.h"
#include "node/rules/input.h"

#define RULES_VALUE_SIZE_MAX   ((size_t) 2 * 1024 * 1024)
#define RULES_STEPS_MAX        1000000
#define RULES_STATEMENT_MS_MAX 5000
#define RULES_MEMORY_MAX       ((int64_t) 256 * 1024 * 1024)
#define RULES_MARKER_SIZE      24
/* The subtype that SQLite's JSON functions give to their results. */
#define RULES_SUBTYPE_JSON 'J'

/* Newer SQLite wants functions to say that they give or look at subtypes. */
#ifndef SQLITE_RESULT_SUBTYPE
#define SQLITE_RESULT_SUBTYPE 0
#endif

struct rules_budget {
    int64_t steps_left;
    bool watched; /* the deadline is set: only then is a clock read */
    struct ts_time deadline;
    int64_t memory_at_start;
    const char *spent; /* NULL, or what ran out */
};

/* What the authorizer saw while a statement was prepared. */
struct rules_reads {
    bool *columns; /* by column index */
    bool run_date;
    bool ancestors;
};

struct rules_patterns;

struct rules_sandbox {
    sqlite3 *db;
    struct rules_view view;
    struct rules_budget budget;
    struct rules_reads reads; /* of everything prepared since last cleared */
    struct rules_patterns *patterns;
    /* What clear() and keep() return: a BLOB, because a BLOB is never a value
     * of a flow; with a random part, so that no directory can hold it. */
    uint8_t clear_marker[RULES_MARKER_SIZE];
    uint8_t keep_marker[RULES_MARKER_SIZE];
};

/* Open the connection for the given columns (borrowed), register functions and
 * lock it down.
 * Errors   TS_E_NOMEM, TS_E_LIMIT; on error the sandbox is done. */
TS_MUSTUSE enum ts_code rules_sandbox_init(struct rules_sandbox *sandbox,
                                           struct rules_column *const *columns,
                                           size_t column_count,
                                           struct ts_arena *arena,
                                           struct ts_err *err);
/* Statements must have been finalized. A zeroed sandbox is fine. */
void rules_sandbox_done(struct rules_sandbox *sandbox);

/* Compile; names read are added to sandbox->reads.
 * Errors   TS_E_CONFIG with SQLite's sentence, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code rules_sandbox_prepare(struct rules_sandbox *sandbox,
                                              const char *sql,
                                              sqlite3_stmt **ret_statement,
                                              struct ts_err *err);

/* Give a new statement its budget, and draw from it: false when it is spent.
 */
void rules_budget_begin(struct rules_budget *budget);
bool rules_budget_draw(struct rules_budget *budget, int64_t steps);

/* Raise "NAME() <text>" as a function's error. */
void rules_function_fail(sqlite3_context *context, const char *name,
                         const char *text);

#endif
