#define SQLITE_ENABLE_SESSION        1
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#include "replication/summer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/db/changeset.h"

#define SQL_SIZE   8192
#define STAGE_SIZE 4096

/* ---- one row ------------------------------------------------------------ */

enum cell_type {
    CELL_NULL,
    CELL_INTEGER,
    CELL_REAL,
    CELL_TEXT,
    CELL_BLOB
};

struct cell {
    enum cell_type type;
    uint64_t bits;         /* INTEGER, and REAL as IEEE 754 */
    struct ts_slice bytes; /* TEXT, BLOB */
};

/* -0.0 is stored as 0.0 by SQLite, but a changeset may still carry it. */
static struct cell cell_of_real(double real)
{
    struct cell cell = { .type = CELL_REAL };
    double stored = real == 0.0 ? 0.0 : real;
    memcpy(&cell.bits, &stored, sizeof cell.bits);
    return cell;
}

static struct cell cell_of_column(sqlite3_stmt *stmt, int column)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        return (struct cell){ .type = CELL_INTEGER,
                              .bits = (uint64_t) sqlite3_column_int64(stmt,
                                                                      column) };
    case SQLITE_FLOAT:
        return cell_of_real(sqlite3_column_double(stmt, column));
    case SQLITE_TEXT:
        return (struct cell){ .type = CELL_TEXT,
                              .bytes = db_column(stmt, column) };
    case SQLITE_BLOB:
        return (struct cell){ .type = CELL_BLOB,
                              .bytes = db_column(stmt, column) };
    default:
        return (struct cell){ .type = CELL_NULL };
    }
}

static struct cell cell_of_value(sqlite3_value *value)
{
    struct cell cell = { .type = CELL_NULL };
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        cell.type = CELL_INTEGER;
        cell.bits = (uint64_t) sqlite3_value_int64(value);
        break;
    case SQLITE_FLOAT:
        cell = cell_of_real(sqlite3_value_double(value));
        break;
    case SQLITE_TEXT:
    case SQLITE_BLOB:
        cell.type =
            sqlite3_value_type(value) == SQLITE_TEXT ? CELL_TEXT : CELL_BLOB;
        cell.bytes.data = sqlite3_value_blob(value);
        cell.bytes.size = (size_t) sqlite3_value_bytes(value);
        break;
    default:
        break;
    }
    return cell;
}

struct table {
    const char *name;
    int columns;
    sqlite3_stmt *scan;  /* every row */
    sqlite3_stmt *fetch; /* one row; ?1.. are its key columns in column order */
    int key_count;
    bool *is_key; /* by column */
};

struct summer {
    struct db *db;
    const struct capture_tables *list;
    struct ts_hasher *hasher;
    size_t staged; /* bytes of `stage` not yet hashed */
    uint8_t stage[STAGE_SIZE];
    size_t table_count;
    struct table tables[];
};

/* Small pieces are gathered: a call of the digest costs more than its bytes. */
static void flush(struct summer *summer)
{
    ts_hasher_add(summer->hasher, ts_slice(summer->stage, summer->staged));
    summer->staged = 0;
}

static void put(struct summer *summer, const void *data, size_t size)
{
    if (size > sizeof summer->stage - summer->staged) {
        flush(summer);
    }
    if (size > sizeof summer->stage) {
        ts_hasher_add(summer->hasher, ts_slice(data, size));
    } else if (size > 0) {
        memcpy(summer->stage + summer->staged, data, size);
        summer->staged += size;
    }
}

static void put_number(struct summer *summer, uint64_t number)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t) (number >> (56 - 8 * i));
    }
    put(summer, bytes, sizeof bytes);
}

static void put_cell(struct summer *summer, struct cell cell)
{
    uint8_t type = (uint8_t) cell.type;
    put(summer, &type, 1);
    if (cell.type == CELL_INTEGER || cell.type == CELL_REAL) {
        put_number(summer, cell.bits);
    } else if (cell.type != CELL_NULL) {
        put_number(summer, cell.bytes.size);
        put(summer, cell.bytes.data, cell.bytes.size);
    }
}

static void row_begin(struct summer *summer, const struct table *table)
{
    ts_hasher_begin(summer->hasher);
    summer->staged = 0;
    size_t size = strlen(table->name);
    put_number(summer, size);
    put(summer, table->name, size);
    put_number(summer, (uint64_t) table->columns);
}

static struct sum row_end(struct summer *summer)
{
    flush(summer);
    return sum_of_hash(ts_hasher_end(summer->hasher));
}

static struct sum row_of_statement(struct summer *summer,
                                   const struct table *table,
                                   sqlite3_stmt *stmt)
{
    row_begin(summer, table);
    for (int c = 0; c < table->columns; c++) {
        put_cell(summer, cell_of_column(stmt, c));
    }
    return row_end(summer);
}

/* ---- the tables --------------------------------------------------------- */

/* Append to SQL under construction. The tables are compiled in, so that it does
 * not fit is our own mistake. */
TS_PRINTF(2, 3)
static void say(char sql[static SQL_SIZE], const char *fmt, ...)
{
    size_t used = strlen(sql);
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(sql + used, SQL_SIZE - used, fmt, args);
    va_end(args);
    assert(strlen(sql) < SQL_SIZE - 1);
}

static enum ts_code read_columns(struct db *db, struct table *table,
                                 char columns[static SQL_SIZE],
                                 char where[static SQL_SIZE],
                                 struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code = db_prepare(db,
                                   "SELECT format('\"%w\"',name),pk FROM "
                                   "pragma_table_info(?1) ORDER BY cid",
                                   &stmt, err);
    if (code != TS_OK) {
        return code;
    }
    db_bind_text(stmt, 1, ts_slice_str(table->name));
    while ((code = db_step(db, stmt, &row, err)) == TS_OK && row) {
        const char *name = (const char *) sqlite3_column_text(stmt, 0);
        bool *grown =
            realloc(table->is_key, (size_t) table->columns + 1); /* of bool */
        if (grown != NULL) {
            table->is_key = grown;
        }
        if (grown == NULL || name == NULL) {
            return ts_fail(err, TS_E_NOMEM, 0, "could not sum table %s",
                           table->name);
        }
        table->is_key[table->columns] = db_column_int(stmt, 1) > 0;
        say(columns, "%s%s", table->columns == 0 ? "" : ",", name);
        if (table->is_key[table->columns]) {
            table->key_count++;
            say(where, "%s%s=?%d", table->key_count == 1 ? "" : " AND ", name,
                table->key_count);
        }
        table->columns++;
    }
    if (code == TS_OK && table->key_count == 0) {
        code = ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot sum table %s of \"%s\": it is missing or has no "
                       "primary key; restore the file from a backup",
                       table->name, db->path);
    }
    return code;
}

static enum ts_code table_open(struct db *db, struct table *table,
                               struct ts_err *err)
{
    char columns[SQL_SIZE] = "";
    char where[SQL_SIZE] = "";
    char sql[SQL_SIZE] = "";
    enum ts_code code = read_columns(db, table, columns, where, err);
    if (code != TS_OK) {
        return code;
    }
    say(sql, "SELECT %s FROM main.\"%s\"", columns, table->name);
    code = db_prepare(db, sql, &table->scan, err);
    if (code == TS_OK) {
        say(sql, " WHERE %s", where);
        code = db_prepare(db, sql, &table->fetch, err);
    }
    return code;
}

enum ts_code summer_new(struct db *db, const struct capture_tables *tables,
                        struct summer **ret_summer, struct ts_err *err)
{
    struct summer *summer =
        calloc(1, sizeof *summer + tables->count * sizeof summer->tables[0]);
    if (summer == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not sum \"%s\"", db->path);
    }
    summer->db = db;
    summer->list = tables;
    summer->hasher = ts_hasher_new();
    summer->table_count = tables->count;
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < tables->count; i++) {
        summer->tables[i].name = tables->names[i];
        code = table_open(db, &summer->tables[i], err);
    }
    if (code != TS_OK) {
        summer_free(summer);
        return code;
    }
    *ret_summer = summer;
    return TS_OK;
}

void summer_free(struct summer *summer)
{
    if (summer == NULL) {
        return;
    }
    for (size_t i = 0; i < summer->table_count; i++) {
        db_finalize(&summer->tables[i].scan);
        db_finalize(&summer->tables[i].fetch);
        free(summer->tables[i].is_key);
    }
    ts_hasher_free(summer->hasher);
    free(summer);
}

enum ts_code summer_scan_table(struct summer *summer, size_t index,
                               struct sum *ret_sum, uint64_t *ret_rows,
                               struct ts_err *err)
{
    const struct table *table = &summer->tables[index];
    struct sum sum = { { 0 } };
    uint64_t rows = 0;
    bool row = false;
    enum ts_code code;
    while ((code = db_step(summer->db, table->scan, &row, err)) == TS_OK &&
           row) {
        sum_add(&sum, row_of_statement(summer, table, table->scan));
        rows++;
    }
    *ret_sum = sum;
    *ret_rows = rows;
    return code;
}

enum ts_code summer_scan(struct summer *summer, struct sum *ret_sum,
                         uint64_t *ret_rows, struct ts_err *err)
{
    struct sum total = { { 0 } };
    uint64_t total_rows = 0;
    for (size_t i = 0; i < summer->table_count; i++) {
        struct sum sum;
        uint64_t rows = 0;
        enum ts_code code = summer_scan_table(summer, i, &sum, &rows, err);
        if (code != TS_OK) {
            return code;
        }
        sum_add(&total, sum);
        total_rows += rows;
    }
    *ret_sum = total;
    if (ret_rows != NULL) {
        *ret_rows = total_rows;
    }
    return TS_OK;
}

/* ---- changesets --------------------------------------------------------- */

/* One change of a changeset, as far as sums care. */
struct change {
    sqlite3_changeset_iter *at;
    const struct table *table;
    int verb;
};

typedef enum ts_code change_fn(struct summer *summer,
                               const struct change *change, struct sum *total,
                               struct ts_err *err);

static enum ts_code not_a_changeset(const struct summer *summer, int code,
                                    struct ts_err *err)
{
    return ts_fail(err, code == SQLITE_NOMEM ? TS_E_NOMEM : TS_E_CORRUPT, 0,
                   "cannot sum a change to \"%s\": it is damaged or not of "
                   "these tables (%s)",
                   summer->db->path, sqlite3_errstr(code));
}

/* The table must be ours and have this many columns and these key columns:
 * what follows indexes by them. */
static int identify(const struct summer *summer, struct change *change)
{
    const char *name = NULL;
    int columns = 0;
    int indirect = 0;
    int code = sqlite3changeset_op(change->at, &name, &columns, &change->verb,
                                   &indirect);
    if (code != SQLITE_OK) {
        return code;
    }
    if (change->table == NULL || strcmp(change->table->name, name) != 0) {
        size_t i = capture_find(summer->list, name);
        if (i == summer->table_count) {
            return SQLITE_SCHEMA;
        }
        change->table = &summer->tables[i];
    }
    unsigned char *keys = NULL;
    code = sqlite3changeset_pk(change->at, &keys, &columns);
    if (code != SQLITE_OK || columns != change->table->columns) {
        return code != SQLITE_OK ? code : SQLITE_SCHEMA;
    }
    for (int c = 0; c < columns; c++) {
        if ((keys[c] != 0) != change->table->is_key[c]) {
            return SQLITE_SCHEMA;
        }
    }
    return SQLITE_OK;
}

static enum ts_code each_change(struct summer *summer,
                                struct ts_slice changeset, change_fn *visit,
                                struct sum *total, struct ts_err *err)
{
    union {
        const uint8_t *lent;
        void *data;
    } bytes = { .lent = changeset.data };
    assert(changeset.size <= CAPTURE_SIZE_MAX);
    struct change change = { .table = NULL };
    int code =
        sqlite3changeset_start(&change.at, (int) changeset.size, bytes.data);
    enum ts_code failed = TS_OK;
    while (code == SQLITE_OK && failed == TS_OK &&
           (code = sqlite3changeset_next(change.at)) == SQLITE_ROW) {
        code = identify(summer, &change);
        if (code == SQLITE_OK) {
            failed = visit(summer, &change, total, err);
        }
    }
    if (change.at != NULL) {
        (void) sqlite3changeset_finalize(change.at);
    }
    if (failed == TS_OK && code != SQLITE_DONE) {
        failed = not_a_changeset(summer, code, err);
    }
    return failed;
}

/* Position the table's fetch statement on the row that the change names. */
static enum ts_code fetch(struct summer *summer, const struct change *change,
                          bool *ret_row, struct ts_err *err)
{
    const struct table *table = change->table;
    int parameter = 0;
    for (int c = 0; c < table->columns; c++) {
        if (!table->is_key[c]) {
            continue;
        }
        sqlite3_value *value = NULL;
        int code = change->verb == SQLITE_INSERT
                       ? sqlite3changeset_new(change->at, c, &value)
                       : sqlite3changeset_old(change->at, c, &value);
        if (code != SQLITE_OK || value == NULL ||
            sqlite3_bind_value(table->fetch, ++parameter, value) != SQLITE_OK) {
            return not_a_changeset(
                summer, code != SQLITE_OK ? code : SQLITE_CORRUPT, err);
        }
    }
    return db_step(summer->db, table->fetch, ret_row, err);
}

/* The whole row of an insert or a delete, which the changeset carries. */
static enum ts_code carried(struct summer *summer, const struct change *change,
                            struct sum *ret_row, struct ts_err *err)
{
    row_begin(summer, change->table);
    for (int c = 0; c < change->table->columns; c++) {
        sqlite3_value *value = NULL;
        int code = change->verb == SQLITE_INSERT
                       ? sqlite3changeset_new(change->at, c, &value)
                       : sqlite3changeset_old(change->at, c, &value);
        if (code != SQLITE_OK || value == NULL) {
            return not_a_changeset(
                summer, code != SQLITE_OK ? code : SQLITE_CORRUPT, err);
        }
        put_cell(summer, cell_of_value(value));
    }
    *ret_row = row_end(summer);
    return TS_OK;
}

/* An update: the row as it is, minus the row with the old columns put back. */
static enum ts_code updated(struct summer *summer, const struct change *change,
                            struct sum *total, struct ts_err *err)
{
    const struct table *table = change->table;
    bool row = false;
    enum ts_code code = fetch(summer, change, &row, err);
    if (code != TS_OK) {
        return code;
    }
    if (!row) {
        return not_a_changeset(summer, SQLITE_NOTFOUND, err);
    }
    sum_add(total, row_of_statement(summer, table, table->fetch));
    row_begin(summer, table);
    for (int c = 0; c < table->columns; c++) {
        sqlite3_value *old = NULL;
        int failed = sqlite3changeset_old(change->at, c, &old);
        if (failed != SQLITE_OK) {
            db_reset(table->fetch);
            return not_a_changeset(summer, failed, err);
        }
        put_cell(summer, old != NULL ? cell_of_value(old)
                                     : cell_of_column(table->fetch, c));
    }
    sum_subtract(total, row_end(summer));
    db_reset(table->fetch);
    return TS_OK;
}

static enum ts_code visit_made(struct summer *summer,
                               const struct change *change, struct sum *total,
                               struct ts_err *err)
{
    if (change->verb == SQLITE_UPDATE) {
        return updated(summer, change, total, err);
    }
    struct sum row;
    enum ts_code code = carried(summer, change, &row, err);
    if (code == TS_OK && change->verb == SQLITE_INSERT) {
        sum_add(total, row);
    } else if (code == TS_OK) {
        sum_subtract(total, row);
    }
    return code;
}

enum ts_code summer_change(struct summer *summer, struct ts_slice changeset,
                           struct sum *ret_delta, struct ts_err *err)
{
    struct sum delta = { { 0 } };
    enum ts_code code = each_change(summer, changeset, visit_made, &delta, err);
    if (code == TS_OK) {
        *ret_delta = delta;
    }
    return code;
}

static enum ts_code visit_own(struct summer *summer,
                              const struct change *change, struct sum *total,
                              struct ts_err *err)
{
    bool row = false;
    enum ts_code code = fetch(summer, change, &row, err);
    if (code == TS_OK && row) {
        sum_add(total,
                row_of_statement(summer, change->table, change->table->fetch));
        db_reset(change->table->fetch);
    }
    return code;
}

static enum ts_code visit_before(struct summer *summer,
                                 const struct change *change, struct sum *total,
                                 struct ts_err *err)
{
    return change->verb == SQLITE_INSERT
               ? TS_OK
               : visit_own(summer, change, total, err);
}

static enum ts_code visit_after(struct summer *summer,
                                const struct change *change, struct sum *total,
                                struct ts_err *err)
{
    return change->verb == SQLITE_DELETE
               ? TS_OK
               : visit_own(summer, change, total, err);
}

static bool any_table(void *context, const char *table)
{
    (void) context;
    (void) table;
    return true;
}

enum ts_code summer_rows(struct summer *summer, struct ts_slice changeset,
                         enum summer_side side, struct sum *ret_sum,
                         struct ts_err *err)
{
    struct sum sum = { { 0 } };
    int64_t changes = 0;
    /* These bytes come from another node. */
    if (changeset_walk(changeset, any_table, NULL, &changes) !=
        CHANGESET_GOOD) {
        return not_a_changeset(summer, SQLITE_CORRUPT, err);
    }
    enum ts_code code = each_change(
        summer, changeset, side == SUMMER_BEFORE ? visit_before : visit_after,
        &sum, err);
    if (code == TS_OK) {
        *ret_sum = sum;
    }
    return code;
}
