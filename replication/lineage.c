#include "replication/lineage.h"

#include <assert.h>

#include "node/base/rule.h"
#include "replication/journal_write.h"

/* A row of the lineage: an epoch, and where it begins. */
struct line {
    bool there;
    int64_t epoch, first_seq;
    struct sum pre;
};

static enum ts_code read_line(struct db *db, const char *sql, int64_t epoch,
                              struct line *ret_line, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    enum ts_code code = db_prepare(db, sql, &stmt, err);
    *ret_line = (struct line){ .there = false };
    if (code == TS_OK) {
        db_bind_int(stmt, 1, epoch);
        code = db_step(db, stmt, &ret_line->there, err);
    }
    if (code == TS_OK && ret_line->there) {
        ret_line->epoch = db_column_int(stmt, 0);
        ret_line->first_seq = db_column_int(stmt, 1);
        code = journal_read_sum(db, stmt, 2, &ret_line->pre, err);
    }
    return code;
}

#define LINE_OF "SELECT epoch,first_seq,pre_sum FROM lineage WHERE epoch=?1"
#define LINE_NEXT                                                          \
    "SELECT epoch,first_seq,pre_sum FROM lineage WHERE epoch>?1 ORDER BY " \
    "epoch LIMIT 1"

/* Where this node is, and what it still has. */
struct own {
    struct journal_position at;
    int64_t first_kept; /* seq of the oldest row; 0: none */
};

static enum ts_code read_own(struct db *db, struct own *ret_own,
                             struct ts_err *err)
{
    bool found = false;
    enum ts_code code = journal_read_position(db, &found, &ret_own->at, err);
    if (code == TS_OK && !found) {
        code = ts_fail(err, TS_E_NOT_FOUND, 0,
                       "could not look into the lineage of \"%s\": its first "
                       "load has not ended; try again when it has",
                       db->path);
    }
    if (code == TS_OK) {
        code = db_query_int(db, "SELECT coalesce(min(seq),0) FROM journal",
                            &ret_own->first_kept, err);
    }
    return code;
}

/* All rows behind `seq` are kept. */
static bool kept_behind(const struct own *own, int64_t seq)
{
    return seq == own->at.seq || (seq < own->at.seq && own->first_kept > 0 &&
                                  own->first_kept <= seq + 1);
}

/* ---- finding ------------------------------------------------------------ */

static enum ts_code read_post(struct db *db, int64_t seq, bool *ret_there,
                              struct sum *ret_sum, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        db_prepare(db, "SELECT post_sum FROM journal WHERE seq=?1", &stmt, err);
    if (code == TS_OK) {
        db_bind_int(stmt, 1, seq);
        code = db_step(db, stmt, ret_there, err);
    }
    return code == TS_OK && *ret_there
               ? journal_read_sum(db, stmt, 0, ret_sum, err)
               : code;
}

/* `at` is in an epoch of ours: is it a place of it? */
static enum ts_code find_in_epoch(struct db *db, const struct own *own,
                                  const struct line *line,
                                  const struct journal_position *at,
                                  struct lineage_answer *answer,
                                  struct ts_err *err)
{
    struct sum sum;
    bool known = false;
    const struct journal_position end =
        answer->fork_known ? answer->fork : own->at;
    answer->found = LINEAGE_NOT_OURS;
    if (at->seq < line->first_seq - 1 || at->seq > end.seq) {
        return TS_OK;
    }
    enum ts_code code = TS_OK;
    if (at->seq == line->first_seq - 1) {
        known = true;
        sum = line->pre;
    } else if (at->seq == end.seq) {
        known = true;
        sum = end.sum;
    } else {
        code = read_post(db, at->seq, &known, &sum, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (!known) {
        answer->found = LINEAGE_TOO_OLD;
    } else if (sum_equal(sum, at->sum)) {
        answer->found =
            kept_behind(own, at->seq) ? LINEAGE_HELD : LINEAGE_TOO_OLD;
    }
    return TS_OK;
}

static enum ts_code find_inside(struct db *db,
                                const struct journal_position *at,
                                struct lineage_answer *answer,
                                struct ts_err *err)
{
    struct own own;
    struct line line = { .there = false };
    struct line next = { .there = false };
    enum ts_code code = read_own(db, &own, err);
    answer->found = LINEAGE_NOT_OURS;
    if (code != TS_OK || at->generation != own.at.generation) {
        return code;
    }
    if (!TS_RULE(LINEAGE)) {
        answer->found =
            kept_behind(&own, at->seq) ? LINEAGE_HELD : LINEAGE_TOO_OLD;
        return TS_OK;
    }
    code = read_line(db, LINE_OF, at->epoch, &line, err);
    if (code == TS_OK) {
        code = read_line(db, LINE_NEXT, at->epoch, &next, err);
    }
    if (code == TS_OK && next.there) {
        /* Where we went on without the node that is in `at`. */
        answer->fork_known = true;
        answer->fork = (struct journal_position){
            .generation = own.at.generation,
            .epoch = at->epoch,
            .level = own.at.level,
            .seq = next.first_seq - 1,
            .sum = next.pre,
        };
    }
    return code == TS_OK && line.there
               ? find_in_epoch(db, &own, &line, at, answer, err)
               : code;
}

enum ts_code lineage_find(struct db *db, const struct journal_position *at,
                          struct lineage_answer *ret_answer, struct ts_err *err)
{
    assert(sqlite3_get_autocommit(db->handle) != 0);
    struct lineage_answer answer = { .found = LINEAGE_NOT_OURS };
    enum ts_code code = db_exec(db, "BEGIN", err);
    if (code != TS_OK) {
        return code;
    }
    code = find_inside(db, at, &answer, err);
    db_rollback(db);
    if (code == TS_OK) {
        *ret_answer = answer;
    }
    return code;
}

/* ---- reading ------------------------------------------------------------ */

/* A reading under way. */
struct reading {
    struct db *db;
    struct ts_arena *arena;
    struct journal_position at; /* behind the last piece */
    size_t offset, left;
    size_t count;
    struct frame_piece *pieces;
};

static bool full(const struct reading *reading)
{
    return reading->count == FRAME_PIECES_MAX || reading->left == 0;
}

/* The marks of the epochs up to `epoch` that we have not told. */
static enum ts_code read_marks(struct reading *reading, int64_t epoch,
                               struct ts_err *err)
{
    enum ts_code code = TS_OK;
    while (reading->at.epoch < epoch && !full(reading)) {
        struct line line;
        code = read_line(reading->db, LINE_NEXT, reading->at.epoch, &line, err);
        if (code != TS_OK || !line.there) {
            return code;
        }
        reading->at.epoch = line.epoch;
        reading->pieces[reading->count++] = (struct frame_piece){
            .item = { .kind = JOURNAL_EPOCH,
                      .seq = line.first_seq - 1,
                      .generation = reading->at.generation,
                      .epoch = line.epoch,
                      .level = reading->at.level,
                      .pre = line.pre,
                      .post = line.pre },
        };
    }
    return code;
}

static enum ts_code read_bytes(struct reading *reading, int64_t seq,
                               size_t offset, size_t size, uint8_t *ret_bytes,
                               struct ts_err *err)
{
    sqlite3_blob *blob = NULL;
    int code = sqlite3_blob_open(reading->db->handle, "main", "journal",
                                 "changeset", seq, 0, &blob);
    if (code == SQLITE_OK) {
        code = sqlite3_blob_read(blob, ret_bytes, (int) size, (int) offset);
    }
    enum ts_code failed =
        code == SQLITE_OK
            ? TS_OK
            : db_fail(reading->db, err, "read a row of the journal");
    (void) sqlite3_blob_close(blob);
    return failed;
}

static enum ts_code header_of(struct db *db, sqlite3_stmt *stmt,
                              struct frame_piece *piece, struct ts_err *err)
{
    *piece = (struct frame_piece){
        .item = { .kind = JOURNAL_ROW,
                  .seq = db_column_int(stmt, 0),
                  .generation = db_column_int(stmt, 1),
                  .epoch = db_column_int(stmt, 2),
                  .level = db_column_int(stmt, 3),
                  .at = db_column_int(stmt, 4) },
        .total = (size_t) db_column_int(stmt, 7),
    };
    enum ts_code code = journal_read_sum(db, stmt, 5, &piece->item.pre, err);
    return code == TS_OK ? journal_read_sum(db, stmt, 6, &piece->item.post, err)
                         : code;
}

/* As much of the row as there is room for. */
static enum ts_code read_piece(struct reading *reading, sqlite3_stmt *stmt,
                               struct ts_err *err)
{
    struct frame_piece piece;
    enum ts_code code = header_of(reading->db, stmt, &piece, err);
    if (code != TS_OK) {
        return code;
    }
    if (piece.item.seq != reading->at.seq + 1 ||
        reading->offset >= piece.total) {
        return ts_fail(err, TS_E_CONFLICT, 0,
                       "could not read row %lld of the journal of \"%s\": it "
                       "is no longer kept",
                       (long long) reading->at.seq + 1, reading->db->path);
    }
    size_t size = piece.total - reading->offset;
    size = size < reading->left ? size : reading->left;
    uint8_t *bytes = ts_arena_take(reading->arena, size);
    if (bytes == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not read the journal of \"%s\"",
                       reading->db->path);
    }
    code =
        read_bytes(reading, piece.item.seq, reading->offset, size, bytes, err);
    if (code != TS_OK) {
        return code;
    }
    piece.offset = reading->offset;
    piece.item.changeset = ts_slice(bytes, size);
    reading->pieces[reading->count++] = piece;
    reading->left -= size;
    reading->offset += size;
    if (reading->offset == piece.total) {
        reading->at = journal_item_end(&piece.item);
        reading->offset = 0;
    }
    return TS_OK;
}

static enum ts_code read_rows(struct reading *reading, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    struct own own;
    bool row = true;
    enum ts_code code = read_own(reading->db, &own, err);
    if (code == TS_OK) {
        code = db_prepare(reading->db,
                          "SELECT seq,generation,epoch,level,at,pre_sum,"
                          "post_sum,length(changeset) FROM journal "
                          "WHERE seq>?1 ORDER BY seq",
                          &stmt, err);
    }
    if (code == TS_OK) {
        db_bind_int(stmt, 1, reading->at.seq);
    }
    while (code == TS_OK && !full(reading) &&
           (code = db_step(reading->db, stmt, &row, err)) == TS_OK && row) {
        code = read_marks(reading, db_column_int(stmt, 2), err);
        if (code == TS_OK && !full(reading)) {
            code = read_piece(reading, stmt, err);
        }
    }
    if (code == TS_OK && !row && reading->at.seq == own.at.seq) {
        code = read_marks(reading, own.at.epoch, err);
    }
    return code;
}

enum ts_code lineage_read(struct db *db, const struct lineage_range *range,
                          struct ts_arena *arena,
                          struct frame_piece **ret_pieces, size_t *ret_count,
                          struct ts_err *err)
{
    assert(sqlite3_get_autocommit(db->handle) != 0);
    struct reading reading = {
        .db = db,
        .arena = arena,
        .at = range->after,
        .offset = range->offset,
        .left = range->size_max,
        .pieces =
            ts_arena_array(arena, FRAME_PIECES_MAX, sizeof *reading.pieces),
    };
    if (reading.pieces == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not read the journal of \"%s\"", db->path);
    }
    enum ts_code code = db_exec(db, "BEGIN", err);
    if (code != TS_OK) {
        return code;
    }
    code = read_rows(&reading, err);
    db_rollback(db);
    if (code == TS_OK) {
        *ret_pieces = reading.pieces;
        *ret_count = reading.count;
    }
    return code;
}
