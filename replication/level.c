#include "replication/level.h"

#include <assert.h>
#include <stdio.h>

#include "node/base/time.h"
#include "replication/journal_write.h"

static const uint8_t magic[4] = { 0, 'T', 'S', 'B' };

bool level_is_barrier(struct ts_slice changeset)
{
    return changeset.size == LEVEL_BARRIER_SIZE &&
           memcmp(changeset.data, magic, sizeof magic) == 0;
}

static int64_t level_known(const struct journal *journal)
{
    const struct db_schema *schema = journal->options.schema;
    return schema == NULL ? 0 : schema->migration_count;
}

static void make_barrier(const struct journal *journal, int64_t level,
                         uint8_t bytes[static LEVEL_BARRIER_SIZE])
{
    struct ts_hash hash = ts_hash_of(
        ts_slice_str(journal->options.schema->migrations[level - 1]));
    memcpy(bytes, magic, sizeof magic);
    for (size_t i = 0; i < 4; i++) {
        bytes[sizeof magic + i] = (uint8_t) (level >> (24 - 8 * i));
    }
    memcpy(bytes + 8, hash.bytes, sizeof hash.bytes);
}

static enum ts_code unknown_level(const struct journal *journal, int64_t level,
                                  struct ts_err *err)
{
    return ts_fail(err, TS_E_VERSION, 0,
                   "cannot bring \"%s\" to schema level %lld: this program "
                   "knows %lld; install the newer twinsync",
                   journal->db->path, (long long) level,
                   (long long) level_known(journal));
}

enum ts_code level_check(const struct journal *journal,
                         const struct journal_item *item, int64_t from,
                         struct ts_err *err)
{
    uint8_t own[LEVEL_BARRIER_SIZE];
    if (item->level != from + 1) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot bring \"%s\" from schema level %lld to %lld: "
                       "levels go up one by one",
                       journal->db->path, (long long) from,
                       (long long) item->level);
    }
    if (item->level > level_known(journal)) {
        return unknown_level(journal, item->level, err);
    }
    make_barrier(journal, item->level, own);
    if (!ts_slice_equal(item->changeset, ts_slice(own, sizeof own))) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot bring \"%s\" to schema level %lld: the other "
                       "node does it with other code; install the same "
                       "version of twinsync on both",
                       journal->db->path, (long long) item->level);
    }
    return TS_OK;
}

/* ---- the step ----------------------------------------------------------- */

static enum ts_code count_columns(struct journal *journal,
                                  int64_t counts[static CAPTURE_TABLES_MAX],
                                  struct ts_err *err)
{
    const struct capture_tables *tables = journal->options.tables;
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < tables->count; i++) {
        char sql[160];
        (void) snprintf(sql, sizeof sql,
                        "SELECT count(*) FROM pragma_table_info('%.100s')",
                        tables->names[i]);
        code = db_query_int(journal->db, sql, &counts[i], err);
    }
    return code;
}

/* A column that was added is not in the rows that are there, and the session
 * extension takes it for NULL instead of its default: a later change of such a
 * row would be captured wrong. So the rows are written anew. */
static enum ts_code rewrite_rows(struct journal *journal, const char *table,
                                 struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code = db_prepare(
        journal->db,
        "SELECT format('UPDATE \"%w\" SET \"%w\"=\"%w\"',?1,name,name) FROM "
        "pragma_table_info(?1) ORDER BY cid DESC LIMIT 1",
        &stmt, err);
    if (code == TS_OK) {
        db_bind_text(stmt, 1, ts_slice_str(table));
        code = db_step(journal->db, stmt, &row, err);
    }
    return code == TS_OK && row
               ? db_exec(journal->db,
                         (const char *) sqlite3_column_text(stmt, 0), err)
               : code;
}

static enum ts_code migrate(struct journal *journal, int64_t level,
                            struct ts_err *err)
{
    const struct capture_tables *tables = journal->options.tables;
    int64_t before[CAPTURE_TABLES_MAX];
    int64_t after[CAPTURE_TABLES_MAX];
    char sql[64];
    (void) snprintf(sql, sizeof sql, "PRAGMA user_version=%lld",
                    (long long) level);
    enum ts_code code = count_columns(journal, before, err);
    if (code == TS_OK) {
        code = db_exec(journal->db,
                       journal->options.schema->migrations[level - 1], err);
    }
    if (code == TS_OK) {
        code = count_columns(journal, after, err);
    }
    for (size_t i = 0; code == TS_OK && i < tables->count; i++) {
        if (after[i] > before[i]) {
            code = rewrite_rows(journal, tables->names[i], err);
        }
    }
    return code == TS_OK ? db_exec(journal->db, sql, err) : code;
}

enum ts_code level_step(struct journal *journal, int64_t level,
                        struct sum *ret_sum, struct summer **ret_summer,
                        struct ts_err *err)
{
    struct summer *summer = NULL;
    enum ts_code code = migrate(journal, level, err);
    if (code == TS_OK) {
        code = capture_check(journal->db, journal->options.tables, err);
    }
    if (code == TS_OK) {
        code = summer_new(journal->db, journal->options.tables, &summer, err);
    }
    if (code == TS_OK) {
        code = summer_scan(summer, ret_sum, NULL, err);
    }
    if (code != TS_OK) {
        summer_free(summer);
        return code;
    }
    *ret_summer = summer;
    return TS_OK;
}

static enum ts_code write_barrier(struct journal *journal,
                                  const struct journal_item *row,
                                  struct ts_err *err)
{
    struct journal_position at = journal_item_end(row);
    enum ts_code code = journal_write_row(journal, row, err);
    if (code == TS_OK) {
        code = journal_write_position(journal, &at, err);
    }
    return code == TS_OK ? db_commit(journal->db, err) : code;
}

enum ts_code journal_finalize(struct journal *journal, int64_t level,
                              struct ts_err *err)
{
    assert(!journal->loading && !journal->open);
    uint8_t barrier[LEVEL_BARRIER_SIZE];
    struct summer *summer = NULL;
    struct journal_item row = {
        .kind = JOURNAL_ROW,
        .seq = journal->at.seq + 1,
        .generation = journal->at.generation,
        .epoch = journal->at.epoch,
        .level = level,
        .at = ts_wall_seconds(),
        .pre = journal->at.sum,
        .changeset = ts_slice(barrier, sizeof barrier),
    };
    if (level != journal->at.level + 1) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot bring \"%s\" to schema level %lld: it has level "
                       "%lld, and going back is not possible",
                       journal->db->path, (long long) level,
                       (long long) journal->at.level);
    }
    if (level > level_known(journal)) {
        return unknown_level(journal, level, err);
    }
    make_barrier(journal, level, barrier);
    enum ts_code code = db_begin(journal->db, err);
    if (code != TS_OK) {
        return code;
    }
    code = level_step(journal, level, &row.post, &summer, err);
    if (code == TS_OK) {
        code = write_barrier(journal, &row, err);
    }
    if (code != TS_OK) {
        db_rollback(journal->db);
        summer_free(summer);
        return code;
    }
    summer_free(journal->summer);
    journal->summer = summer;
    journal->at = journal_item_end(&row);
    journal_note_rows(journal, 1, LEVEL_BARRIER_SIZE);
    return TS_OK;
}
