#include "replication/journal.h"

#include <assert.h>
#include <stdlib.h>

#include "node/base/time.h"
#include "replication/journal_write.h"
#include "replication/wide_scan.h"

/* One small transaction of journal_trim(). */
#define TRIM_ROWS 256
#define TRIM_SIZE ((int64_t) 4 * 1024 * 1024)

/* ---- opening ------------------------------------------------------------ */

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
    code = journal_read_sum(journal->db, stmt, 1, &sum, err);
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
            .size = db_column_int(stmt, 2) +
                    db_column_int(stmt, 1) * JOURNAL_ROW_OVERHEAD,
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
    if (code == TS_OK) {
        code = journal_write_prepare(journal, err);
    }
    if (code == TS_OK) {
        code = journal_read_position(journal->db, &found, &journal->at, err);
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
        for (size_t i = 0; i < JOURNAL_STATEMENTS; i++) {
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

/* A position and the start of its epoch. */
static enum ts_code put_epoch(struct journal *journal,
                              const struct journal_position *at,
                              struct ts_err *err)
{
    enum ts_code code = journal_write_position(journal, at, err);
    return code == TS_OK ? journal_write_lineage(journal, at, err) : code;
}

/* In a transaction of their own. */
static enum ts_code write_epoch(struct journal *journal,
                                const struct journal_position *at,
                                struct ts_err *err)
{
    enum ts_code code = put_epoch(journal, at, err);
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
    assert(!journal->loading);
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
    if (journal->open) {
        journal->raised_from =
            journal->raised ? journal->raised_from : journal->at;
        journal->raised = true;
        journal->at = at;
        return put_epoch(journal, &at, err);
    }
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
    struct journal_item row = {
        .kind = JOURNAL_ROW,
        .seq = next.seq,
        .generation = next.generation,
        .epoch = next.epoch,
        .level = next.level,
        .at = ts_wall_seconds(),
        .pre = journal->at.sum,
        .post = next.sum,
        .changeset = changeset,
    };
    code = journal_write_row(journal, &row, err);
    if (code == TS_OK) {
        code = journal_write_position(journal, &next, err);
    }
    if (code == TS_OK) {
        *ret_next = next;
    }
    return code;
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
    journal->open = journal->raised = false;
    journal->at = next;
    if (changeset.size > 0) {
        journal_note_rows(journal, 1, (int64_t) changeset.size);
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
        if (journal->raised) {
            journal->at = journal->raised_from;
            journal->raised = false;
        }
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
    sqlite3_stmt *stmt = journal->stmt[JOURNAL_OLDEST_ROW];
    int64_t dropped_size = 0;
    int64_t dropped_rows = 0;
    bool row = false;
    enum ts_code code = TS_OK;
    db_bind_int(stmt, 1, 0);
    while (over_limits(journal, extent) && dropped_rows < TRIM_ROWS &&
           dropped_size < TRIM_SIZE &&
           (code = db_step(journal->db, stmt, &row, err)) == TS_OK && row) {
        int64_t size = db_column_int(stmt, 1) + JOURNAL_ROW_OVERHEAD;
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
        db_bind_int(journal->stmt[JOURNAL_DROP_ROWS], 1, last);
        code = db_run(journal->db, journal->stmt[JOURNAL_DROP_ROWS], err);
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
    enum ts_code code = journal_read_position(db, &found, &at, err);
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
