#define SQLITE_ENABLE_SESSION        1
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#include "replication/tail.h"

#include <stdlib.h>

#include "replication/level.h"

/* Gathered, with repetitions, before they are sorted out. */
#define GATHERED_MAX (4 * TAIL_HINTS_MAX)

/* A reading of the tail under way. */
struct gathering {
    struct db *db;
    const struct tail_options *options;
    struct ts_arena *arena;
    sqlite3_stmt *by_key[CAPTURE_TABLES_MAX]; /* by tail table */
    size_t count;
    struct frame_hint *hints;
    bool cut;
};

static int compare(const void *a, const void *b)
{
    const struct frame_hint *one = a;
    const struct frame_hint *other = b;
    int order = (one->kind > other->kind) - (one->kind < other->kind);
    if (order == 0) {
        order = ts_slice_compare(one->anchor, other->anchor);
    }
    return order;
}

static void sort_out(struct gathering *gathering)
{
    size_t kept = 0;
    if (gathering->count == 0) {
        return;
    }
    qsort(gathering->hints, gathering->count, sizeof gathering->hints[0],
          compare);
    for (size_t i = 1; i < gathering->count; i++) {
        const struct frame_hint *last = &gathering->hints[kept];
        const struct frame_hint *next = &gathering->hints[i];
        if (last->kind != next->kind ||
            !ts_slice_equal(last->anchor, next->anchor)) {
            gathering->hints[++kept] = *next;
        }
    }
    gathering->count = kept + 1;
    if (gathering->count > TAIL_HINTS_MAX) {
        gathering->count = TAIL_HINTS_MAX;
        gathering->cut = true;
    }
}

static enum ts_code keep(struct gathering *gathering, int64_t kind,
                         struct ts_slice anchor, struct ts_err *err)
{
    if (anchor.size == 0 || anchor.size > FRAME_HINT_SIZE_MAX) {
        return TS_OK; /* of no object */
    }
    if (gathering->count == GATHERED_MAX) {
        sort_out(gathering);
    }
    struct ts_slice copy = ts_arena_copy(gathering->arena, anchor);
    if (copy.data == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read the tail of \"%s\"",
                       gathering->db->path);
    }
    gathering->hints[gathering->count++] =
        (struct frame_hint){ .kind = kind, .anchor = copy };
    return TS_OK;
}

/* ---- one change --------------------------------------------------------- */

static size_t find_table(const struct tail_options *options, const char *name)
{
    size_t i = 0;
    while (i < options->tail_table_count &&
           strcmp(options->tail_tables[i].table, name) != 0) {
        i++;
    }
    return i;
}

/* The value of a column as it was, or as it has become; NULL: not told. */
static sqlite3_value *value_of(sqlite3_changeset_iter *at, int verb, int column)
{
    sqlite3_value *value = NULL;
    if (verb == SQLITE_INSERT) {
        (void) sqlite3changeset_new(at, column, &value);
    } else {
        (void) sqlite3changeset_old(at, column, &value);
    }
    return value;
}

static enum ts_code look_up(struct gathering *gathering, size_t table,
                            sqlite3_changeset_iter *at, int verb,
                            bool *ret_found, struct ts_err *err)
{
    sqlite3_stmt *stmt = gathering->by_key[table];
    unsigned char *is_key = NULL;
    int columns = 0;
    int key = 0;
    (void) sqlite3changeset_pk(at, &is_key, &columns);
    for (int c = 0; c < columns; c++) {
        if (is_key[c] != 0 && ++key <= sqlite3_bind_parameter_count(stmt)) {
            (void) sqlite3_bind_value(stmt, key, value_of(at, verb, c));
        }
    }
    enum ts_code code = db_step(gathering->db, stmt, ret_found, err);
    if (code == TS_OK && *ret_found) {
        code = keep(gathering, db_column_int(stmt, 0), db_column(stmt, 1), err);
        db_reset(stmt);
    }
    return code;
}

static enum ts_code gather_change(struct gathering *gathering,
                                  sqlite3_changeset_iter *at,
                                  struct ts_err *err)
{
    const char *name = NULL;
    int columns = 0;
    int verb = 0;
    int indirect = 0;
    bool found = false;
    (void) sqlite3changeset_op(at, &name, &columns, &verb, &indirect);
    size_t table = find_table(gathering->options, name);
    if (table == gathering->options->tail_table_count) {
        return TS_OK;
    }
    enum ts_code code = look_up(gathering, table, at, verb, &found, err);
    const struct tail_table *about = &gathering->options->tail_tables[table];
    if (code != TS_OK || found || verb == SQLITE_UPDATE ||
        about->kind_column < 0) {
        return code;
    }
    sqlite3_value *kind = value_of(at, verb, about->kind_column);
    sqlite3_value *anchor = value_of(at, verb, about->anchor_column);
    if (kind == NULL || anchor == NULL) {
        return TS_OK;
    }
    const void *data = sqlite3_value_blob(anchor);
    return keep(gathering, sqlite3_value_int64(kind),
                ts_slice(data, (size_t) sqlite3_value_bytes(anchor)), err);
}

static enum ts_code gather_row(struct gathering *gathering,
                               struct ts_slice changeset, struct ts_err *err)
{
    sqlite3_changeset_iter *at = NULL;
    enum ts_code code = TS_OK;
    int step = sqlite3changeset_start(&at, (int) changeset.size,
                                      (void *) (uintptr_t) changeset.data);
    while (step == SQLITE_OK && code == TS_OK && !gathering->cut &&
           (step = sqlite3changeset_next(at)) == SQLITE_ROW) {
        code = gather_change(gathering, at, err);
        step = SQLITE_OK;
    }
    (void) sqlite3changeset_finalize(at);
    if (code == TS_OK && step != SQLITE_OK && step != SQLITE_DONE) {
        code = ts_fail(err, step == SQLITE_NOMEM ? TS_E_NOMEM : TS_E_CORRUPT, 0,
                       "could not read the tail of \"%s\": %s",
                       gathering->db->path, sqlite3_errstr(step));
    }
    return code;
}

/* ---- all rows ----------------------------------------------------------- */

/* With after->seq -1: behind where epoch after->epoch began. */
static enum ts_code find_start(struct db *db,
                               const struct journal_position *after,
                               int64_t *ret_seq, bool *ret_cut,
                               struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code =
        db_prepare(db,
                   "SELECT CASE WHEN ?1>=0 THEN ?1 ELSE coalesce((SELECT "
                   "first_seq-1 FROM lineage WHERE epoch>=?2 ORDER BY epoch "
                   "LIMIT 1),0) END, (SELECT min(seq) FROM journal)",
                   &stmt, err);
    if (code == TS_OK) {
        db_bind_int(stmt, 1, after->seq);
        db_bind_int(stmt, 2, after->epoch);
        code = db_step(db, stmt, &row, err);
    }
    if (code == TS_OK && row) {
        *ret_seq = db_column_int(stmt, 0);
        *ret_cut = !db_column_is_null(stmt, 1) &&
                   db_column_int(stmt, 1) > *ret_seq + 1;
    }
    return code;
}

static enum ts_code gather(struct gathering *gathering,
                           const struct journal_position *after,
                           struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    const struct tail_options *options = gathering->options;
    int64_t seq = 0;
    bool row = false;
    enum ts_code code =
        find_start(gathering->db, after, &seq, &gathering->cut, err);
    for (size_t i = 0; code == TS_OK && i < options->tail_table_count; i++) {
        code = db_prepare(gathering->db, options->tail_tables[i].by_key,
                          &gathering->by_key[i], err);
    }
    if (code == TS_OK) {
        code = db_prepare(gathering->db,
                          "SELECT changeset FROM journal WHERE seq>?1 "
                          "ORDER BY seq DESC",
                          &stmt, err);
    }
    if (code == TS_OK) {
        db_bind_int(stmt, 1, seq);
    }
    bool was_cut = gathering->cut;
    gathering->cut = false;
    while (code == TS_OK && !gathering->cut &&
           (code = db_step(gathering->db, stmt, &row, err)) == TS_OK && row) {
        struct ts_slice changeset = db_column(stmt, 0);
        if (!level_is_barrier(changeset)) {
            code = gather_row(gathering, changeset, err);
        }
    }
    if (code == TS_OK) {
        sort_out(gathering);
    }
    gathering->cut = gathering->cut || was_cut;
    return code;
}

enum ts_code tail_read(struct db *db, const struct tail_options *options,
                       const struct journal_position *after,
                       struct ts_arena *arena, struct tail *ret_tail,
                       struct ts_err *err)
{
    struct gathering gathering = { .db = db,
                                   .options = options,
                                   .arena = arena };
    gathering.hints =
        ts_arena_array(arena, GATHERED_MAX + 1, sizeof gathering.hints[0]);
    if (gathering.hints == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read the tail of \"%s\"",
                       db->path);
    }
    enum ts_code code = db_exec(db, "BEGIN", err);
    if (code == TS_OK) {
        code = gather(&gathering, after, err);
    }
    for (size_t i = 0; i < options->tail_table_count; i++) {
        db_finalize(&gathering.by_key[i]);
    }
    db_rollback(db);
    if (code == TS_OK) {
        *ret_tail = (struct tail){ .count = gathering.count,
                                   .hints = gathering.hints,
                                   .cut = gathering.cut };
    }
    return code;
}
