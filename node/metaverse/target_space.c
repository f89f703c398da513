#include "node/metaverse/target_space.h"

#include "node/base/time.h"
#include "node/metaverse/claim.h"
#include "node/metaverse/hold.h"

/* Stands for "as sent" in the column `seen`; no packed entry begins so. */
static const uint8_t as_sent[1] = { 0 };

#define COLUMNS                                                         \
    "target_id, kind, anchor, etag, metaverse_id, active, sent, seen, " \
    "match_value, created, shielded, disowned"

static enum ts_code read_row(sqlite3_stmt *stmt, struct ts_arena *arena,
                             struct target_row *ret_row, bool *ret_found,
                             struct ts_err *err)
{
    *ret_found = stmt != NULL;
    if (stmt == NULL) {
        return TS_OK;
    }
    struct target_row row = {
        .target_id = ts_arena_copy(arena, db_column(stmt, 0)),
        .kind = (int) db_column_int(stmt, 1),
        .anchor = ts_arena_copy(arena, db_column(stmt, 2)),
        .etag = ts_arena_copy(arena, db_column(stmt, 3)),
        .metaverse_id = db_column_int(stmt, 4), /* NULL reads as 0 */
        .active = db_column_int(stmt, 5) != 0,
        .sent = ts_arena_copy(arena, db_column(stmt, 6)),
        .match_value = ts_arena_copy(arena, db_column(stmt, 8)),
        .created = ts_arena_copy(arena, db_column(stmt, 9)),
        .shielded = db_column_int(stmt, 10) != 0,
        .disowned = db_column_int(stmt, 11) != 0,
        .rowid = db_column_int(stmt, 12),
    };
    bool fits = row.target_id.data != NULL && row.anchor.data != NULL &&
                row.etag.data != NULL && row.sent.data != NULL &&
                row.match_value.data != NULL && row.created.data != NULL;
    if (fits && !db_column_is_null(stmt, 7)) {
        struct ts_slice seen = db_column(stmt, 7);
        bool same = ts_slice_equal(seen, ts_slice(as_sent, sizeof as_sent));
        row.seen = same ? row.sent : ts_arena_copy(arena, seen);
        fits = row.seen.data != NULL;
    }
    db_reset(stmt);
    if (!fits) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not read an object of the target's connector "
                       "space: it is too large");
    }
    *ret_row = row;
    return TS_OK;
}

enum ts_code target_row_by_metaverse(struct metaverse *mv, int64_t metaverse_id,
                                     struct ts_arena *arena,
                                     struct target_row *ret_row,
                                     bool *ret_found, struct ts_err *err)
{
    static const char sql[] =
        "SELECT " COLUMNS ", rowid FROM target_object WHERE metaverse_id = ?1";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(metaverse_id)), &stmt, err);
    return code == TS_OK ? read_row(stmt, arena, ret_row, ret_found, err)
                         : code;
}

enum ts_code target_row_by_id(struct metaverse *mv, struct ts_slice target_id,
                              struct ts_arena *arena,
                              struct target_row *ret_row, bool *ret_found,
                              struct ts_err *err)
{
    static const char sql[] =
        "SELECT " COLUMNS ", rowid FROM target_object WHERE target_id = ?1";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_TEXT(target_id)), &stmt, err);
    return code == TS_OK ? read_row(stmt, arena, ret_row, ret_found, err)
                         : code;
}

/* Counts of those that `sql` selects, and the id of the usable one. */
static enum ts_code candidates(struct metaverse *mv, const char *sql,
                               struct db_values values, struct ts_arena *arena,
                               struct target_candidates *ret,
                               struct ts_err *err)
{
    sqlite3_stmt *stmt = NULL;
    *ret = (struct target_candidates){ .usable = 0 };
    enum ts_code code = metaverse_row(mv, sql, values, &stmt, err);
    if (code != TS_OK) {
        return code;
    }
    ret->usable = db_column_int(stmt, 0);
    ret->shielded = db_column_int(stmt, 1);
    ret->anchored = db_column_int(stmt, 2);
    ret->of_other_kind = db_column_int(stmt, 3);
    ret->target_id = ts_arena_copy(arena, db_column(stmt, 4));
    db_reset(stmt);
    if (ret->target_id.data == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not find a match");
    }
    bool found = false;
    return ret->usable == 1 ? target_row_by_id(mv, ret->target_id, arena,
                                               &ret->row, &found, err)
                            : TS_OK;
}

enum ts_code target_candidates_by_anchor(struct metaverse *mv, int kind,
                                         struct ts_slice anchor,
                                         struct ts_arena *arena,
                                         struct target_candidates *ret,
                                         struct ts_err *err)
{
    static const char sql[] =
        "SELECT count(*) FILTER (WHERE kind = ?2 AND NOT shielded), "
        "count(*) FILTER (WHERE kind = ?2 AND shielded), 0, "
        "count(*) FILTER (WHERE kind <> ?2), "
        "coalesce(min(target_id) FILTER (WHERE kind = ?2 AND NOT shielded), "
        "min(target_id) FILTER (WHERE kind = ?2), min(target_id)) "
        "FROM target_object WHERE anchor = ?1 AND anchor <> '' AND "
        "metaverse_id IS NULL";
    return candidates(mv, sql, DB_VALUES(DB_TEXT(anchor), DB_INT(kind)), arena,
                      ret, err);
}

enum ts_code target_candidates_by_match(struct metaverse *mv, int kind,
                                        struct ts_slice match_value,
                                        struct ts_arena *arena,
                                        struct target_candidates *ret,
                                        struct ts_err *err)
{
    static const char sql[] =
        "SELECT count(*) FILTER (WHERE kind = ?2 AND NOT shielded AND "
        "anchor = ''), count(*) FILTER (WHERE kind = ?2 AND shielded), "
        "count(*) FILTER (WHERE kind = ?2 AND NOT shielded AND anchor <> ''), "
        "count(*) FILTER (WHERE kind <> ?2), "
        "coalesce(min(target_id) FILTER (WHERE kind = ?2 AND NOT shielded AND "
        "anchor = ''), min(target_id) FILTER (WHERE kind = ?2 AND shielded), "
        "min(target_id) FILTER (WHERE kind = ?2), min(target_id)) "
        "FROM target_object WHERE match_value = ?1 AND match_value <> '' AND "
        "metaverse_id IS NULL";
    return candidates(mv, sql, DB_VALUES(DB_TEXT(match_value), DB_INT(kind)),
                      arena, ret, err);
}

enum ts_code target_row_put(struct metaverse *mv, const struct target_row *row,
                            struct ts_err *err)
{
    /* Unchanged rows are not written, so that reading a target again and
     * finding what we knew costs nothing. An answer to a write may leave out
     * when the object was created, and only an operator disowns: what becomes
     * ours is not disowned any more. */
    static const char sql[] =
        "INSERT INTO target_object(" COLUMNS ") "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0) "
        "ON CONFLICT(target_id) DO "
        "UPDATE SET kind = excluded.kind, anchor = excluded.anchor, "
        "etag = excluded.etag, metaverse_id = excluded.metaverse_id, "
        "active = excluded.active, sent = excluded.sent, seen = excluded.seen, "
        "match_value = excluded.match_value, "
        "created = iif(excluded.created = '', created, excluded.created), "
        "shielded = excluded.shielded, "
        "disowned = disowned AND excluded.metaverse_id IS NULL "
        "WHERE (kind, anchor, etag, metaverse_id, active, sent, seen, "
        "match_value, shielded) IS NOT (excluded.kind, excluded.anchor, "
        "excluded.etag, excluded.metaverse_id, excluded.active, excluded.sent, "
        "excluded.seen, excluded.match_value, excluded.shielded) "
        "OR excluded.created NOT IN ('', created)";
    struct ts_slice seen = ts_slice_equal(row->seen, row->sent)
                               ? ts_slice(as_sent, sizeof as_sent)
                               : row->seen;
    enum ts_code code = metaverse_run(
        mv, sql,
        DB_VALUES(DB_TEXT(row->target_id), DB_INT(row->kind),
                  DB_TEXT(row->anchor), DB_TEXT(row->etag),
                  row->metaverse_id == 0 ? DB_NULL : DB_INT(row->metaverse_id),
                  DB_INT(row->active), DB_BLOB(row->sent),
                  row->seen.data == NULL ? DB_NULL : DB_BLOB(seen),
                  DB_TEXT(row->match_value), DB_TEXT(row->created),
                  DB_INT(row->shielded)),
        err);
    if (code != TS_OK || row->metaverse_id == 0 ||
        sqlite3_changes(mv->db.handle) == 0) {
        return code;
    }
    const struct claim_shown shown = { row->kind, row->sent, row->seen };
    return claim_hold(mv, row->metaverse_id, &shown, err);
}

/* Whose it is, or 0: what it shows is no claim of theirs any more. */
static const struct claim_shown nothing = { .kind = 0 };

static enum ts_code owner_of(struct metaverse *mv, struct ts_slice target_id,
                             int64_t *ret_owner, struct ts_err *err)
{
    static const char sql[] =
        "SELECT metaverse_id FROM target_object WHERE target_id = ?1 AND "
        "metaverse_id IS NOT NULL";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_TEXT(target_id)), &row, err);
    if (code == TS_OK && row != NULL) {
        *ret_owner = db_column_int(row, 0);
        db_reset(row);
    }
    return code;
}

enum ts_code target_row_disown(struct metaverse *mv, struct ts_slice target_id,
                               struct ts_err *err)
{
    static const char sql[] = "UPDATE target_object SET metaverse_id = NULL, "
                              "disowned = 1 WHERE target_id = ?1";
    int64_t owner = 0;
    enum ts_code code = owner_of(mv, target_id, &owner, err);
    if (code == TS_OK) {
        code = metaverse_run(mv, sql, DB_VALUES(DB_TEXT(target_id)), err);
    }
    return code == TS_OK && owner > 0 ? claim_hold(mv, owner, &nothing, err)
                                      : code;
}

enum ts_code target_row_inactive_since(struct metaverse *mv,
                                       int64_t metaverse_id, int64_t *ret_since,
                                       struct ts_err *err)
{
    static const char sql[] =
        "SELECT inactive_since FROM target_object WHERE metaverse_id = ?1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(metaverse_id)), &row, err);
    if (code == TS_OK) {
        *ret_since = row == NULL ? 0 : db_column_int(row, 0);
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

enum ts_code target_row_set_inactive(struct metaverse *mv, int64_t metaverse_id,
                                     int64_t since, struct ts_err *err)
{
    static const char sql[] =
        "UPDATE target_object SET inactive_since = ?2 "
        "WHERE metaverse_id = ?1 AND inactive_since <> ?2";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(metaverse_id), DB_INT(since)), err);
}

enum ts_code target_row_remove(struct metaverse *mv, struct ts_slice target_id,
                               struct ts_err *err)
{
    static const char sql[] = "DELETE FROM target_object WHERE target_id = ?1";
    int64_t owner = 0;
    enum ts_code code = owner_of(mv, target_id, &owner, err);
    if (code == TS_OK) {
        code = metaverse_run(mv, sql, DB_VALUES(DB_TEXT(target_id)), err);
    }
    return code == TS_OK && owner > 0 ? claim_hold(mv, owner, &nothing, err)
                                      : code;
}

const char *ledger_provenance_name(int64_t number)
{
    static const char *const names[] = { "created", "adopted", "found" };
    return number < 0 || number > LEDGER_FOUND ? "?" : names[number];
}

enum ts_code ledger_put(struct metaverse *mv, int kind, struct ts_slice anchor,
                        struct ts_slice target_id,
                        enum ledger_provenance provenance, struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO ledger(kind, anchor, target_id, provenance, since) "
        "VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(kind, anchor) DO UPDATE SET "
        "target_id = excluded.target_id, provenance = excluded.provenance, "
        "since = excluded.since WHERE excluded.provenance <> ?6 AND "
        "(target_id <> excluded.target_id OR provenance = ?6)";
    enum ts_code code = metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(kind), DB_TEXT(anchor), DB_TEXT(target_id),
                  DB_INT(provenance), DB_INT(ts_wall_seconds()),
                  DB_INT(LEDGER_FOUND)),
        err);
    return code == TS_OK && provenance != LEDGER_FOUND
               ? hold_drop_class(mv, HOLD_ORPHANS, kind, anchor, err)
               : code;
}

enum ts_code ledger_remove(struct metaverse *mv, int kind,
                           struct ts_slice anchor, struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM ledger WHERE kind = ?1 AND anchor = ?2";
    enum ts_code code =
        metaverse_run(mv, sql, DB_VALUES(DB_INT(kind), DB_TEXT(anchor)), err);
    return code == TS_OK ? hold_drop_class(mv, HOLD_ORPHANS, kind, anchor, err)
                         : code;
}

enum ts_code ledger_get(struct metaverse *mv, int kind, struct ts_slice anchor,
                        bool *ret_has, enum ledger_provenance *ret_provenance,
                        struct ts_err *err)
{
    static const char sql[] =
        "SELECT provenance FROM ledger WHERE kind = ?1 AND anchor = ?2";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql, DB_VALUES(DB_INT(kind), DB_TEXT(anchor)), &row, err);
    if (code == TS_OK) {
        *ret_has = row != NULL;
        *ret_provenance = LEDGER_CREATED;
        if (row != NULL) {
            *ret_provenance = (enum ledger_provenance) db_column_int(row, 0);
            db_reset(row);
        }
    }
    return code;
}

enum ts_code ledger_has(struct metaverse *mv, int kind, struct ts_slice anchor,
                        bool *ret_has, struct ts_err *err)
{
    enum ledger_provenance ignored;
    return ledger_get(mv, kind, anchor, ret_has, &ignored, err);
}

enum ts_code ledger_rename(struct metaverse *mv, int kind, struct ts_slice from,
                           struct ts_slice to, struct ts_err *err)
{
    static const char sql[] =
        "INSERT OR IGNORE INTO ledger(kind, anchor, target_id, provenance, "
        "since) SELECT kind, ?3, target_id, provenance, since FROM ledger "
        "WHERE kind = ?1 AND anchor = ?2";
    enum ts_code code = metaverse_run(
        mv, sql, DB_VALUES(DB_INT(kind), DB_TEXT(from), DB_TEXT(to)), err);
    return code == TS_OK ? ledger_remove(mv, kind, from, err) : code;
}
