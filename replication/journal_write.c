#include "replication/journal_write.h"

static const char *const statements[JOURNAL_STATEMENTS] = {
    [JOURNAL_ADD_ROW] =
        "INSERT INTO journal(seq,generation,epoch,level,at,pre_sum,"
        "post_sum,changeset) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [JOURNAL_SET_POSITION] =
        "INSERT INTO journal_state(one,seq,generation,epoch,level,post_sum) "
        "VALUES(1,?1,?2,?3,?4,?5) ON CONFLICT(one) DO UPDATE SET seq=?1,"
        "generation=?2,epoch=?3,level=?4,post_sum=?5",
    [JOURNAL_ADD_LINEAGE] =
        "INSERT INTO lineage(epoch,first_seq,pre_sum) VALUES(?1,?2,?3)",
    [JOURNAL_OLDEST_ROW] =
        "SELECT seq,length(changeset) FROM journal WHERE seq>?1 ORDER BY seq",
    [JOURNAL_DROP_ROWS] = "DELETE FROM journal WHERE seq<=?1",
};

enum ts_code journal_write_prepare(struct journal *journal, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < JOURNAL_STATEMENTS; i++) {
        code = db_prepare(journal->db, statements[i], &journal->stmt[i], err);
    }
    return code;
}

enum ts_code journal_write_position(struct journal *journal,
                                    const struct journal_position *at,
                                    struct ts_err *err)
{
    sqlite3_stmt *stmt = journal->stmt[JOURNAL_SET_POSITION];
    uint8_t sum[SUM_SIZE];
    sum_store(at->sum, sum);
    db_bind_int(stmt, 1, at->seq);
    db_bind_int(stmt, 2, at->generation);
    db_bind_int(stmt, 3, at->epoch);
    db_bind_int(stmt, 4, at->level);
    db_bind_blob(stmt, 5, ts_slice(sum, sizeof sum));
    return db_run(journal->db, stmt, err);
}

enum ts_code journal_write_lineage(struct journal *journal,
                                   const struct journal_position *at,
                                   struct ts_err *err)
{
    sqlite3_stmt *stmt = journal->stmt[JOURNAL_ADD_LINEAGE];
    uint8_t sum[SUM_SIZE];
    sum_store(at->sum, sum);
    db_bind_int(stmt, 1, at->epoch);
    db_bind_int(stmt, 2, at->seq + 1);
    db_bind_blob(stmt, 3, ts_slice(sum, sizeof sum));
    return db_run(journal->db, stmt, err);
}

enum ts_code journal_write_row(struct journal *journal,
                               const struct journal_item *row,
                               struct ts_err *err)
{
    sqlite3_stmt *stmt = journal->stmt[JOURNAL_ADD_ROW];
    uint8_t pre[SUM_SIZE];
    uint8_t post[SUM_SIZE];
    sum_store(row->pre, pre);
    sum_store(row->post, post);
    db_bind_int(stmt, 1, row->seq);
    db_bind_int(stmt, 2, row->generation);
    db_bind_int(stmt, 3, row->epoch);
    db_bind_int(stmt, 4, row->level);
    db_bind_int(stmt, 5, row->at);
    db_bind_blob(stmt, 6, ts_slice(pre, sizeof pre));
    db_bind_blob(stmt, 7, ts_slice(post, sizeof post));
    db_bind_blob(stmt, 8, row->changeset);
    return db_run(journal->db, stmt, err);
}

void journal_note_rows(struct journal *journal, int64_t rows, int64_t size)
{
    if (journal->extent.rows == 0 && rows > 0) {
        journal->extent.first_seq = journal->at.seq - rows + 1;
    }
    journal->extent.rows += rows;
    journal->extent.size += size + rows * JOURNAL_ROW_OVERHEAD;
}

enum ts_code journal_read_sum(const struct db *db, sqlite3_stmt *stmt,
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

enum ts_code journal_read_position(struct db *db, bool *ret_found,
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
        code = journal_read_sum(db, stmt, 4, &ret_at->sum, err);
    }
    return code;
}
