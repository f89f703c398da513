#include "replication/journal.h"

#include <assert.h>
#include <stdlib.h>

#include "node/base/time.h"
#include "replication/summer.h"
#include "replication/wide_scan.h"

/* One small transaction of journal_trim(). */
#define TRIM_ROWS 256
#define TRIM_SIZE ((int64_t) 4 * 1024 * 1024)

/* What a row costs besides its changeset, roughly. */
#define ROW_OVERHEAD 128

enum statement {
    ADD_ROW,
    SET_POSITION,
    ADD_LINEAGE,
    OLDEST_ROW,
    DROP_ROWS,
    STATEMENTS
};

static const char *const statements[STATEMENTS] = {
    [ADD_ROW] = "INSERT INTO journal(seq,generation,epoch,level,at,pre_sum,"
                "post_sum,changeset) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [SET_POSITION] =
        "INSERT INTO journal_state(one,seq,generation,epoch,level,post_sum) "
        "VALUES(1,?1,?2,?3,?4,?5) ON CONFLICT(one) DO UPDATE SET seq=?1,"
        "generation=?2,epoch=?3,level=?4,post_sum=?5",
    [ADD_LINEAGE] =
        "INSERT INTO lineage(epoch,first_seq,pre_sum) VALUES(?1,?2,?3)",
    [OLDEST_ROW] =
        "SELECT seq,length(changeset) FROM journal WHERE seq>?1 ORDER BY seq",
    [DROP_ROWS] = "DELETE FROM journal WHERE seq<=?1",
};

struct journal {
    struct db *db;
    struct journal_options options;
    struct summer *summer;
    sqlite3_stmt *stmt[STATEMENTS];
    bool loading;
    bool open; /* between _begin and its end */
    struct capture capture;
    struct journal_position at; /* what is durable */
    struct journal_extent extent;
};

/* ---- opening ------------------------------------------------------------ */

static enum ts_code read_sum(const struct db *db, sqlite3_stmt *stmt,
                             int column, struct sum *ret_sum,
                             struct ts_err *err)
{
    struct ts_slice bytes = db_column(stmt, column);
    if (bytes.size != SUM_SIZE) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use the journal of \"%s\": a sum has %zu bytes; "
                       "restore the file from a backup",
                       db->path, bytes.size);
    }
    *ret_sum = sum_load(bytes.data);
    return TS_OK;
}

/* *ret_found is false while the first load has not ended. */
static enum ts_code read_position(struct db *db, bool *ret_found,
                                  struct journal_position *ret_at,
                                  struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    enum ts_code code = db_prepare(
        db, "SELECT generation,epoch,level,seq,post_sum FROM journal_state",
        &stmt, err);
    if (code == TS_OK) {
        code = db_step(db, stmt, ret_found, err);
    }
    if (code == TS_OK && *ret_found) {
        *ret_at = (struct journal_position){
            .generation = db_column_int(stmt, 0),
            .epoch = db_column_int(stmt, 1),
            .level = db_column_int(stmt, 2),
            .seq = db_column_int(stmt, 3),
        };
        code = read_sum(db, stmt, 4, &ret_at->sum, err);
    }
    return code;
}

/* J1, J2: the last row is what the position says. A trimmed journal has none.
 */
static enum ts_code check_last_row(const struct journal *journal,
                                   struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code =
        db_prepare(journal->db,
                   "SELECT seq,post_sum FROM journal ORDER BY seq DESC LIMIT 1",
                   &stmt, err);
    if (code == TS_OK) {
        code = db_step(journal->db, stmt, &row, err);
    }
    if (code != TS_OK || !row) {
        return code;
    }
    struct sum sum;
    code = read_sum(journal->db, stmt, 1, &sum, err);
    if (code == TS_OK && (db_column_int(stmt, 0) != journal->at.seq ||
                          !sum_equal(sum, journal->at.sum))) {
        code = ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use the journal of \"%s\": its last row is %lld "
                       "and its position %lld, or their sums differ; restore "
                       "the file from a backup",
                       journal->db->path, (long long) db_column_int(stmt, 0),
                       (long long) journal->at.seq);
    }
    return code;
}

static enum ts_code read_extent(struct journal *journal, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code = db_prepare(
        journal->db,
        "SELECT coalesce(min(seq),0),count(*),coalesce(sum(length(changeset)),"
        "0) FROM journal",
        &stmt, err);
    if (code == TS_OK) {
        code = db_step(journal->db, stmt, &row, err);
    }
    if (code == TS_OK && row) {
        journal->extent = (struct journal_extent){
            .first_seq = db_column_int(stmt, 0),
            .rows = db_column_int(stmt, 1),
            .size =
                db_column_int(stmt, 2) + db_column_int(stmt, 1) * ROW_OVERHEAD,
        };
    }
    return code;
}

static enum ts_code open_checked(struct journal *journal, struct ts_err *err)
{
    bool found = false;
    enum ts_code code =
        capture_check(journal->db, journal->options.tables, err);
    if (code == TS_OK) {
        code = summer_new(journal->db, journal->options.tables,
                          &journal->summer, err);
    }
    for (size_t i = 0; code == TS_OK && i < STATEMENTS; i++) {
        code = db_prepare(journal->db, statements[i], &journal->stmt[i], err);
    }
    if (code == TS_OK) {
        code = read_position(journal->db, &found, &journal->at, err);
    }
    journal->loading = !found;
    if (code == TS_OK) {
        code = check_last_row(journal, err);
    }
    return code == TS_OK ? read_extent(journal, err) : code;
}

enum ts_code journal_open(struct db *db, const struct journal_options *options,
                          struct journal **ret_journal, struct ts_err *err)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not open the journal of \"%s\"", db->path);
    }
    journal->db = db;
    journal->options = *options;
    if (journal->options.rows_max == 0) {
        journal->options.rows_max = JOURNAL_ROWS_MAX;
    }
    if (journal->options.size_max == 0) {
        journal->options.size_max = JOURNAL_SIZE_MAX;
    }
    enum ts_code code = open_checked(journal, err);
    if (code != TS_OK) {
        journal_close(journal);
        return code;
    }
    *ret_journal = journal;
    return TS_OK;
}

void journal_close(struct journal *journal)
{
    if (journal != NULL) {
        journal_rollback(journal);
        for (size_t i = 0; i < STATEMENTS; i++) {
            db_finalize(&journal->stmt[i]);
        }
        summer_free(journal->summer);
        free(journal);
    }
}

bool journal_loading(const struct journal *journal)
{
    return journal->loading;
}

struct journal_position journal_position(const struct journal *journal)
{
    return journal->at;
}

struct journal_extent journal_extent(const struct journal *journal)
{
    return journal->extent;
}

/* ---- writing ------------------------------------------------------------ */

static enum ts_code write_position(struct journal *journal,
                                   const struct journal_position *at,
                                   struct ts_err *err)
{
    sqlite3_stmt *stmt = journal->stmt[SET_POSITION];
    uint8_t sum[SUM_SIZE];
    sum_store(at->sum, sum);
    db_bind_int(stmt, 1, at->seq);
    db_bind_int(stmt, 2, at->generation);
    db_bind_int(stmt, 3, at->epoch);
    db_bind_int(stmt, 4, at->level);
    db_bind_blob(stmt, 5, ts_slice(sum, sizeof sum));
    return db_run(journal->db, stmt, err);
}

static enum ts_code write_lineage(struct journal *journal,
                                  const struct journal_position *at,
                                  struct ts_err *err)
{
    sqlite3_stmt *stmt = journal->stmt[ADD_LINEAGE];
    uint8_t sum[SUM_SIZE];
    sum_store(at->sum, sum);
    db_bind_int(stmt, 1, at->epoch);
    db_bind_int(stmt, 2, at->seq + 1);
    db_bind_blob(stmt, 3, ts_slice(sum, sizeof sum));
    return db_run(journal->db, stmt, err);
}

static enum ts_code write_row(struct journal *journal,
                              const struct journal_position *at,
                              struct ts_slice changeset, struct ts_err *err)
{
    sqlite3_stmt *stmt = journal->stmt[ADD_ROW];
    uint8_t pre[SUM_SIZE];
    uint8_t post[SUM_SIZE];
    sum_store(journal->at.sum, pre);
    sum_store(at->sum, post);
    db_bind_int(stmt, 1, at->seq);
    db_bind_int(stmt, 2, at->generation);
    db_bind_int(stmt, 3, at->epoch);
    db_bind_int(stmt, 4, at->level);
    db_bind_int(stmt, 5, ts_wall_seconds());
    db_bind_blob(stmt, 6, ts_slice(pre, sizeof pre));
    db_bind_blob(stmt, 7, ts_slice(post, sizeof post));
    db_bind_blob(stmt, 8, changeset);
    return db_run(journal->db, stmt, err);
}

/* A position and the start of its epoch, in a transaction of their own. */
static enum ts_code write_epoch(struct journal *journal,
                                const struct journal_position *at,
                                struct ts_err *err)
{
    enum ts_code code = write_position(journal, at, err);
    if (code == TS_OK) {
        code = write_lineage(journal, at, err);
    }
    if (code == TS_OK) {
        code = db_commit(journal->db, err);
    }
    if (code != TS_OK) {
        db_rollback(journal->db);
        return code;
    }
    journal->at = *at;
    return TS_OK;
}

enum ts_code journal_start(struct journal *journal,
                           const struct journal_position *from,
                           struct ts_err *err)
{
    assert(journal->loading && !journal->open);
    assert(from->generation > 0 && from->epoch > 0 && from->level > 0);
    struct journal_position at = *from;
    at.seq = 0;
    /* Nobody else writes to a file that is being loaded, so nothing changes
     * between the reading and the writing. */
    enum ts_code code =
        wide_scan(journal->db, journal->options.tables, &at.sum, err);
    if (code == TS_OK) {
        code = db_begin(journal->db, err);
    }
    if (code != TS_OK) {
        return code;
    }
    code = write_epoch(journal, &at, err);
    if (code == TS_OK) {
        journal->loading = false;
    }
    return code;
}

enum ts_code journal_raise_epoch(struct journal *journal, int64_t epoch,
                                 struct ts_err *err)
{
    assert(!journal->loading && !journal->open);
    if (epoch == journal->at.epoch) {
        return TS_OK;
    }
    if (epoch < journal->at.epoch) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot journal for epoch %lld in \"%s\": it has seen "
                       "epoch %lld; another node is in charge",
                       (long long) epoch, journal->db->path,
                       (long long) journal->at.epoch);
    }
    struct journal_position at = journal->at;
    at.epoch = epoch;
    enum ts_code code = db_begin(journal->db, err);
    return code == TS_OK ? write_epoch(journal, &at, err) : code;
}

enum ts_code journal_begin(struct journal *journal, struct ts_err *err)
{
    assert(!journal->open);
    enum ts_code code = db_begin(journal->db, err);
    if (code == TS_OK && !journal->loading) {
        code = capture_begin(&journal->capture, journal->db,
                             journal->options.tables, err);
        if (code != TS_OK) {
            db_rollback(journal->db);
        }
    }
    journal->open = code == TS_OK;
    return code;
}

/* The captured changes become a row; *ret_next is the position behind it. */
static enum ts_code write_captured(struct journal *journal,
                                   struct ts_slice changeset,
                                   struct journal_position *ret_next,
                                   struct ts_err *err)
{
    struct journal_position next = journal->at;
    struct sum delta;
    enum ts_code code = summer_change(journal->summer, changeset, &delta, err);
    if (code != TS_OK) {
        return code;
    }
    next.seq++;
    sum_add(&next.sum, delta);
    code = write_row(journal, &next, changeset, err);
    if (code == TS_OK) {
        code = write_position(journal, &next, err);
    }
    if (code == TS_OK) {
        *ret_next = next;
    }
    return code;
}

static void note_row(struct journal *journal, int64_t size)
{
    if (journal->extent.rows == 0) {
        journal->extent.first_seq = journal->at.seq;
    }
    journal->extent.rows++;
    journal->extent.size += size + ROW_OVERHEAD;
}

enum ts_code journal_commit(struct journal *journal, int64_t *ret_seq,
                            struct ts_err *err)
{
    assert(journal->open);
    struct journal_position next = journal->at;
    struct ts_slice changeset = TS_SLICE_NONE;
    enum ts_code code = TS_OK;
    if (!journal->loading) {
        code = capture_end(&journal->capture, &changeset, err);
    }
    if (code == TS_OK && changeset.size > 0) {
        code = write_captured(journal, changeset, &next, err);
    }
    if (code == TS_OK) {
        code = db_commit(journal->db, err);
    }
    if (code != TS_OK) {
        capture_free(&changeset);
        journal_rollback(journal);
        return code;
    }
    journal->open = false;
    journal->at = next;
    if (changeset.size > 0) {
        note_row(journal, (int64_t) changeset.size);
    }
    if (ret_seq != NULL) {
        *ret_seq = changeset.size > 0 ? next.seq : 0;
    }
    capture_free(&changeset);
    return TS_OK;
}

void journal_rollback(struct journal *journal)
{
    if (journal->open) {
        capture_abandon(&journal->capture);
        db_rollback(journal->db);
        journal->open = false;
    }
}

/* ---- trimming ----------------------------------------------------------- */

static bool over_limits(const struct journal *journal,
                        const struct journal_extent *extent)
{
    return extent->rows > journal->options.rows_max ||
           extent->size > journal->options.size_max;
}

/* How far to drop in one transaction: *extent becomes what is left then,
 * *ret_last the last seq to go. */
static enum ts_code plan_trim(struct journal *journal,
                              struct journal_extent *extent, int64_t *ret_last,
                              struct ts_err *err)
{
    sqlite3_stmt *stmt = journal->stmt[OLDEST_ROW];
    int64_t dropped_size = 0;
    int64_t dropped_rows = 0;
    bool row = false;
    enum ts_code code = TS_OK;
    db_bind_int(stmt, 1, 0);
    while (over_limits(journal, extent) && dropped_rows < TRIM_ROWS &&
           dropped_size < TRIM_SIZE &&
           (code = db_step(journal->db, stmt, &row, err)) == TS_OK && row) {
        int64_t size = db_column_int(stmt, 1) + ROW_OVERHEAD;
        *ret_last = db_column_int(stmt, 0);
        dropped_rows++;
        dropped_size += size;
        extent->rows--;
        extent->size -= size;
        extent->first_seq = extent->rows > 0 ? *ret_last + 1 : 0;
    }
    db_reset(stmt);
    return code;
}

enum ts_code journal_trim(struct journal *journal, bool *ret_more,
                          struct ts_err *err)
{
    assert(!journal->open);
    *ret_more = false;
    struct journal_extent extent = journal->extent;
    int64_t last = 0;
    if (!over_limits(journal, &extent)) {
        return TS_OK;
    }
    enum ts_code code = db_begin(journal->db, err);
    if (code != TS_OK) {
        return code;
    }
    code = plan_trim(journal, &extent, &last, err);
    if (code == TS_OK) {
        db_bind_int(journal->stmt[DROP_ROWS], 1, last);
        code = db_run(journal->db, journal->stmt[DROP_ROWS], err);
    }
    if (code == TS_OK) {
        code = db_commit(journal->db, err);
    }
    if (code != TS_OK) {
        db_rollback(journal->db);
        return code;
    }
    journal->extent = extent;
    *ret_more = over_limits(journal, &extent);
    return TS_OK;
}

/* ---- verifying ---------------------------------------------------------- */

static enum ts_code verify_inside(struct db *db, struct summer *summer,
                                  struct journal_position *ret_position,
                                  uint64_t *ret_rows, struct ts_err *err)
{
    bool found = false;
    struct journal_position at = { .seq = 0 };
    enum ts_code code = read_position(db, &found, &at, err);
    if (code == TS_OK && !found) {
        code = ts_fail(err, TS_E_NOT_FOUND, 0,
                       "could not verify \"%s\": its first load has not ended; "
                       "try again when it has",
                       db->path);
    }
    struct sum computed;
    if (code == TS_OK) {
        code = summer_scan(summer, &computed, ret_rows, err);
    }
    if (code != TS_OK) {
        return code;
    }
    *ret_position = at;
    if (!sum_equal(computed, at.sum)) {
        char expected[SUM_TEXT_SIZE];
        char text[SUM_TEXT_SIZE];
        sum_text(at.sum, expected);
        sum_text(computed, text);
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot trust \"%s\": at seq %lld its rows add up to "
                       "%.16s and its journal to %.16s; restore it from a "
                       "backup, or synchronize in full",
                       db->path, (long long) at.seq, text, expected);
    }
    return TS_OK;
}

enum ts_code journal_verify(struct db *db, const struct capture_tables *tables,
                            struct journal_position *ret_position,
                            uint64_t *ret_rows, struct ts_err *err)
{
    assert(sqlite3_get_autocommit(db->handle) != 0);
    struct summer *summer = NULL;
    enum ts_code code = db_exec(db, "BEGIN", err);
    if (code != TS_OK) {
        return code;
    }
    code = summer_new(db, tables, &summer, err);
    if (code == TS_OK) {
        code = verify_inside(db, summer, ret_position, ret_rows, err);
    }
    summer_free(summer);
    db_rollback(db);
    return code;
}
