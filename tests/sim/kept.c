#include "tests/sim/kept.h"

#include <assert.h>
#include <dlfcn.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/agenda.h"
#include "tests/sim/disk.h"

#define CONNECTIONS_MAX 32
/* Histories are short: else none would ever write a log back. */
#define CHECKPOINT_FRAMES 100
#define SCHEMA_UNKNOWN    (-1)
#define BUCKETS           512  /* of a connection's statements, by text */
#define HANDLES           4096 /* of all statements, by their address */

/* What was set once on a connection stays set: again, it would only make
 * SQLite compile all statements of the connection anew, so nothing is done.
 * Foreign keys are deferred by the session extension, and there are none. */
static const char *const settling[] = { "PRAGMA query_only=1",
                                        "PRAGMA defer_foreign_keys = " };
#define SETTLING (sizeof settling / sizeof settling[0])

struct statement {
    struct connection *of;
    struct statement *next_text, *next_handle;
    uint64_t hash;
    const char *sql; /* owned */
    size_t size, tail;
    sqlite3_stmt *handle;
    bool busy;
};

struct connection {
    sqlite3 *handle; /* NULL: free */
    char path[DISK_NAME_SIZE];
    int flags;
    bool idle, settled[SETTLING];
    bool altered; /* its tables, by this process */
    int64_t schema_version;
    int busy; /* statements handed out */
    void (*function)(sqlite3_context *, int, sqlite3_value **);
    void *function_data;
    struct statement *texts[BUCKETS];
};

static struct connection connections[CONNECTIONS_MAX];
static struct statement *handles[HANDLES];
static struct kept_figures figures;
static int bypassed; /* SQLite's own sqlite3_exec() finalizes by itself */

/* Ours, whose parameters are SQLite's to choose, and its own behind it. */
#define CALL(type, name, parameters) type name parameters
#define REAL(name)                   real_##name
#define FIND(name)                                                  \
    do {                                                            \
        *(void **) (void *) &real_##name = dlsym(RTLD_NEXT, #name); \
        assert(real_##name != NULL);                                \
    } while (0)

static __typeof__(sqlite3_open_v2) *REAL(sqlite3_open_v2);
static __typeof__(sqlite3_close) *REAL(sqlite3_close);
static __typeof__(sqlite3_close_v2) *REAL(sqlite3_close_v2);
static __typeof__(sqlite3_prepare_v2) *REAL(sqlite3_prepare_v2);
static __typeof__(sqlite3_prepare_v3) *REAL(sqlite3_prepare_v3);
static __typeof__(sqlite3_finalize) *REAL(sqlite3_finalize);
static __typeof__(sqlite3_exec) *REAL(sqlite3_exec);
static __typeof__(sqlite3_create_function) *REAL(sqlite3_create_function);
static __typeof__(sqlite3_user_data) *REAL(sqlite3_user_data);

__attribute__((constructor)) static void find_all(void)
{
    FIND(sqlite3_open_v2);
    FIND(sqlite3_close);
    FIND(sqlite3_close_v2);
    FIND(sqlite3_prepare_v2);
    FIND(sqlite3_prepare_v3);
    FIND(sqlite3_finalize);
    FIND(sqlite3_exec);
    FIND(sqlite3_create_function);
    FIND(sqlite3_user_data);
}

static struct connection *connection_of(const sqlite3 *handle)
{
    static struct connection *last;
    if (last != NULL && last->handle == handle) {
        return last;
    }
    for (size_t i = 0; handle != NULL && i < CONNECTIONS_MAX; i++) {
        if (connections[i].handle == handle) {
            return last = &connections[i];
        }
    }
    return NULL;
}

/* ---- statements --------------------------------------------------------- */

static uint64_t hash_of(const char *text, size_t size)
{
    uint64_t hash = size;
    while (size >= 8) {
        uint64_t word;
        memcpy(&word, text, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
        text += 8;
        size -= 8;
    }
    while (size > 0) {
        hash = (hash ^ (uint8_t) *text++) * 0x100000001b3u;
        size--;
    }
    return hash ^ hash >> 32;
}

static struct statement **handle_slot(const sqlite3_stmt *handle)
{
    return &handles[((uintptr_t) handle >> 4) * 0x9e3779b97f4a7c15u >> 52];
}

static struct statement *statement_of(const sqlite3_stmt *handle)
{
    struct statement *statement = *handle_slot(handle);
    while (statement != NULL && statement->handle != handle) {
        statement = statement->next_handle;
    }
    return statement;
}

static bool begins(const char *sql, const char *with)
{
    return sqlite3_strnicmp(sql, with, (int) strlen(with)) == 0;
}

/* Those that set something do it while they are compiled. */
static bool is_kept(const char *sql, size_t size)
{
    return begins(sql, "SELECT") || begins(sql, "INSERT") ||
           begins(sql, "UPDATE") || begins(sql, "DELETE") ||
           begins(sql, "WITH") || begins(sql, "BEGIN") ||
           begins(sql, "COMMIT") || begins(sql, "ROLLBACK") ||
           begins(sql, "SAVEPOINT") || begins(sql, "RELEASE") ||
           begins(sql, "REPLACE") ||
           (begins(sql, "PRAGMA") && memchr(sql, '=', size) == NULL);
}

static size_t which_settled(const char *sql)
{
    size_t i = 0;
    while (i < SETTLING && !begins(sql, settling[i])) {
        i++;
    }
    return i;
}

static int64_t schema_version(sqlite3 *handle)
{
    sqlite3_stmt *row = NULL;
    int64_t version = -1;
    if (REAL(sqlite3_prepare_v2)(handle, "PRAGMA schema_version", -1, &row,
                                 NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW) {
        version = sqlite3_column_int64(row, 0);
    }
    (void) REAL(sqlite3_finalize)(row);
    return version;
}

/* What SQLite tells of its tables it compiles anew each time it is asked. */
static bool tells_of_tables(const struct connection *connection,
                            const char *sql)
{
    static const char *const names[] = { "table_info", "table_xinfo",
                                         "foreign_key_list" };
    const char *name = sql + strlen("PRAGMA ");
    if (connection->altered || !begins(sql, "PRAGMA ")) {
        return false;
    }
    name += begins(name, "'main'.") || begins(name, "\"main\".") ? 7 : 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size = strlen(names[i]);
        if (begins(name, names[i]) &&
            (name[size] == '(' || name[size] == '=')) {
            return true;
        }
    }
    return begins(name, "table_list");
}

static void say_row(sqlite3_str *text, sqlite3_stmt *row)
{
    sqlite3_str_appendall(text,
                          sqlite3_str_length(text) == 0 ? "VALUES(" : ",(");
    for (int i = 0; i < sqlite3_column_count(row); i++) {
        const char *comma = i == 0 ? "" : ",";
        if (sqlite3_column_type(row, i) == SQLITE_INTEGER) {
            sqlite3_str_appendf(text, "%s%lld", comma,
                                sqlite3_column_int64(row, i));
        } else {
            sqlite3_str_appendf(text, "%s%Q", comma,
                                sqlite3_column_text(row, i));
        }
    }
    sqlite3_str_appendall(text, ")");
}

/* The same rows as a statement that can be run again. Owns: sqlite3_free. */
static char *as_values(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *row = NULL;
    sqlite3_str *text = sqlite3_str_new(NULL);
    int code = REAL(sqlite3_prepare_v2)(db, sql, -1, &row, NULL);
    while (code == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW) {
        say_row(text, row);
    }
    if (REAL(sqlite3_finalize)(row) == SQLITE_OK &&
        sqlite3_str_length(text) == 0) {
        sqlite3_str_appendall(text, "SELECT 1 WHERE 0");
    }
    return sqlite3_str_finish(text);
}

static struct statement *find_idle(const struct connection *connection,
                                   uint64_t hash, const char *sql, size_t size)
{
    struct statement *at = connection->texts[hash % BUCKETS];
    while (at != NULL && (at->busy || at->hash != hash || at->size != size ||
                          memcmp(at->sql, sql, size) != 0)) {
        at = at->next_text;
    }
    return at;
}

static struct statement *keep(struct connection *connection,
                              const struct statement *like)
{
    struct statement *added = sim_alloc(sizeof *added);
    struct statement **by_text = &connection->texts[like->hash % BUCKETS];
    struct statement **by_handle = handle_slot(like->handle);
    *added = *like;
    added->of = connection;
    added->sql = sim_copy(like->sql, like->size);
    added->next_text = *by_text;
    added->next_handle = *by_handle;
    *by_text = *by_handle = added;
    return added;
}

static void forget_tables(void);

static int compile(struct connection *connection, const char *sql, int bytes,
                   sqlite3_stmt **ret_handle, size_t *ret_tail)
{
    sqlite3 *db = connection->handle;
    const char *meant =
        which_settled(sql) < SETTLING ? "SELECT 1 WHERE 0" : sql;
    const char *tail = NULL;
    char *values = NULL;
    if (tells_of_tables(connection, sql)) {
        connection->schema_version = schema_version(db);
        values = as_values(db, sql);
        meant = values == NULL ? sql : values;
    }
    int code =
        REAL(sqlite3_prepare_v3)(db, meant, meant == sql ? bytes : -1,
                                 SQLITE_PREPARE_PERSISTENT, ret_handle, &tail);
    *ret_tail = meant == sql ? (size_t) (tail - sql) : strlen(sql);
    sqlite3_free(values);
    figures.prepared++;
    return code;
}

CALL(int, sqlite3_prepare_v3,
     (sqlite3 * db, const char *sql, int bytes, unsigned int flags,
      sqlite3_stmt **ret_handle, const char **ret_tail))
{
    struct connection *connection = bypassed > 0 ? NULL : connection_of(db);
    if (connection == NULL) {
        return REAL(sqlite3_prepare_v3)(db, sql, bytes, flags, ret_handle,
                                        ret_tail);
    }
    size_t size = bytes < 0 ? strlen(sql) : strnlen(sql, (size_t) bytes);
    size_t settles = which_settled(sql);
    bool first = settles < SETTLING && !connection->settled[settles];
    if (first || (settles == SETTLING && !is_kept(sql, size) &&
                  !tells_of_tables(connection, sql))) {
        if (first) {
            connection->settled[settles] = true;
        }
        if (begins(sql, "CREATE") || begins(sql, "ALTER") ||
            begins(sql, "DROP")) {
            connection->altered = true;
            forget_tables();
        }
        return REAL(sqlite3_prepare_v3)(db, sql, bytes, flags, ret_handle,
                                        ret_tail);
    }
    uint64_t hash = hash_of(sql, size);
    struct statement *statement = find_idle(connection, hash, sql, size);
    if (statement == NULL) {
        sqlite3_stmt *handle = NULL;
        size_t tail = 0;
        int code = compile(connection, sql, bytes, &handle, &tail);
        if (code != SQLITE_OK || handle == NULL) {
            *ret_handle = NULL;
            return code;
        }
        statement = keep(connection, &(struct statement){ .hash = hash,
                                                          .sql = sql,
                                                          .size = size,
                                                          .handle = handle,
                                                          .tail = tail });
    } else {
        figures.repeated++;
    }
    statement->busy = true;
    connection->busy++;
    *ret_handle = statement->handle;
    if (ret_tail != NULL) {
        *ret_tail = sql + statement->tail;
    }
    return SQLITE_OK;
}

int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int bytes,
                       sqlite3_stmt **ret_handle, const char **ret_tail)
{
    return bypassed > 0
               ? REAL(sqlite3_prepare_v2)(db, sql, bytes, ret_handle, ret_tail)
               : sqlite3_prepare_v3(db, sql, bytes, 0, ret_handle, ret_tail);
}

int sqlite3_finalize(sqlite3_stmt *handle)
{
    struct statement *statement = handle == NULL ? NULL : statement_of(handle);
    if (statement == NULL) {
        return REAL(sqlite3_finalize)(handle);
    }
    assert(statement->busy);
    int code = sqlite3_reset(handle);
    (void) sqlite3_clear_bindings(handle);
    statement->busy = false;
    statement->of->busy--;
    return code;
}

static void *lent(const char *text)
{
    union {
        const char *constant;
        void *plain;
    } pointer = { .constant = text };
    return pointer.plain;
}

static void forget(struct statement *statement)
{
    struct statement **at = handle_slot(statement->handle);
    while (*at != statement) {
        at = &(*at)->next_handle;
    }
    *at = statement->next_handle;
    (void) REAL(sqlite3_finalize)(statement->handle);
    free(lent(statement->sql));
    free(statement);
}

static void forget_all(struct connection *connection)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (connection->texts[i] != NULL) {
            struct statement *statement = connection->texts[i];
            connection->texts[i] = statement->next_text;
            forget(statement);
        }
    }
}

/* Some table was altered: what was told of tables may not be so any more. */
static void forget_tables(void)
{
    for (size_t i = 0; i < CONNECTIONS_MAX * BUCKETS; i++) {
        struct statement **at = &connections[i / BUCKETS].texts[i % BUCKETS];
        while (*at != NULL) {
            struct statement *statement = *at;
            if (statement->busy || !begins(statement->sql, "PRAGMA ")) {
                at = &statement->next_text;
                continue;
            }
            *at = statement->next_text;
            forget(statement);
        }
    }
}

/* One statement after the other, like SQLite's own. */
int sqlite3_exec(sqlite3 *db, const char *sql,
                 int (*each)(void *, int, char **, char **), void *context,
                 char **ret_text)
{
    if (connection_of(db) == NULL || each != NULL || ret_text != NULL) {
        bypassed++;
        int code = REAL(sqlite3_exec)(db, sql, each, context, ret_text);
        bypassed--;
        return code;
    }
    int code = SQLITE_OK;
    while (code == SQLITE_OK && *sql != 0) {
        sqlite3_stmt *handle = NULL;
        code = sqlite3_prepare_v3(db, sql, -1, 0, &handle, &sql);
        if (handle != NULL) {
            while (sqlite3_step(handle) == SQLITE_ROW) {
            }
            code = sqlite3_finalize(handle);
        }
    }
    return code;
}

/* ---- connections -------------------------------------------------------- */

static bool files_of(const struct connection *connection,
                     sqlite3_file **ret_main, sqlite3_file **ret_log)
{
    return sqlite3_file_control(connection->handle, "main",
                                SQLITE_FCNTL_FILE_POINTER,
                                ret_main) == SQLITE_OK &&
           sqlite3_file_control(connection->handle, "main",
                                SQLITE_FCNTL_JOURNAL_POINTER,
                                ret_log) == SQLITE_OK;
}

static int really_close(struct connection *connection)
{
    sqlite3 *handle = connection->handle;
    forget_all(connection);
    *connection = (struct connection){ .handle = NULL };
    return REAL(sqlite3_close_v2)(handle);
}

/* P1, P2. */
static bool leave(struct connection *connection)
{
    sqlite3_file *main = NULL;
    sqlite3_file *log = NULL;
    connection->idle = connection->busy == 0 && !connection->altered &&
                       sqlite3_get_autocommit(connection->handle) != 0 &&
                       files_of(connection, &main, &log) &&
                       disk_handles_leave(main, log);
    return connection->idle;
}

static bool revive(struct connection *connection)
{
    sqlite3_file *main = NULL;
    sqlite3_file *log = NULL;
    connection->idle = false;
    if (files_of(connection, &main, &log) &&
        disk_handles_return(connection->path, main, log)) {
        if (connection->schema_version != SCHEMA_UNKNOWN &&
            connection->schema_version != schema_version(connection->handle)) {
            forget_tables();
        }
        figures.revived++;
        return true;
    }
    (void) really_close(connection);
    return false;
}

int sqlite3_open_v2(const char *path, sqlite3 **ret_handle, int flags,
                    const char *vfs)
{
    struct connection *vacant = NULL;
    for (size_t i = 0; disk_of(path) != NULL && i < CONNECTIONS_MAX; i++) {
        struct connection *at = &connections[i];
        if (at->handle == NULL) {
            vacant = at;
        } else if (at->idle && at->flags == flags &&
                   strcmp(at->path, path) == 0) {
            if (revive(at)) {
                *ret_handle = at->handle;
                return SQLITE_OK;
            }
            vacant = at;
        }
    }
    int code = REAL(sqlite3_open_v2)(path, ret_handle, flags, vfs);
    figures.opened++;
    if (code == SQLITE_OK) {
        (void) sqlite3_wal_autocheckpoint(*ret_handle, CHECKPOINT_FRAMES);
    }
    if (code == SQLITE_OK && vacant != NULL) {
        vacant->handle = *ret_handle;
        vacant->flags = flags;
        vacant->schema_version = SCHEMA_UNKNOWN;
        memcpy(vacant->path, path, strlen(path) + 1);
    }
    return code;
}

int sqlite3_close_v2(sqlite3 *handle)
{
    struct connection *connection = connection_of(handle);
    if (connection == NULL) {
        return REAL(sqlite3_close_v2)(handle);
    }
    return leave(connection) ? SQLITE_OK : really_close(connection);
}

int sqlite3_close(sqlite3 *handle)
{
    struct connection *connection = connection_of(handle);
    return connection == NULL ? REAL(sqlite3_close)(handle)
                              : sqlite3_close_v2(handle);
}

void kept_drop(void)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (connections[i].handle != NULL && connections[i].idle) {
            (void) really_close(&connections[i]);
        }
    }
}

struct kept_figures kept_figures(void)
{
    return figures;
}

/* ---- functions ---------------------------------------------------------- */

/* A function that is defined again makes SQLite compile all statements anew:
 * what is new is only whose it is. One a connection. */
CALL(int, sqlite3_create_function,
     (sqlite3 * db, const char *name, int arguments, int flags, void *data,
      void (*call)(sqlite3_context *, int, sqlite3_value **),
      void (*step)(sqlite3_context *, int, sqlite3_value **),
      void (*final)(sqlite3_context *)))
{
    struct connection *connection = connection_of(db);
    if (connection == NULL || step != NULL || final != NULL) {
        return REAL(sqlite3_create_function)(db, name, arguments, flags, data,
                                             call, step, final);
    }
    connection->function_data = data;
    if (connection->function == call) {
        return SQLITE_OK;
    }
    assert(connection->function == NULL);
    connection->function = call;
    return REAL(sqlite3_create_function)(db, name, arguments, flags, connection,
                                         call, NULL, NULL);
}

void *sqlite3_user_data(sqlite3_context *context)
{
    char *data = REAL(sqlite3_user_data)(context);
    const char *first = (const char *) &connections[0];
    if (data >= first && data < first + sizeof connections) {
        return ((struct connection *) (void *) data)->function_data;
    }
    return data;
}
