#include "node/metaverse/intent.h"

#include "node/base/time.h"

const char *intent_verb_name(enum intent_verb verb)
{
    static const char *const names[INTENT_VERBS] = {
        [INTENT_CREATE] = "create",
        [INTENT_UPDATE] = "update",
        [INTENT_DEACTIVATE] = "deactivate",
        [INTENT_REACTIVATE] = "reactivate",
        [INTENT_DELETE] = "delete",
        [INTENT_ADOPT] = "adopt",
        [INTENT_PARK] = "park",
    };
    return names[verb];
}

static struct ts_slice hash_slice(const struct ts_hash *hash)
{
    return ts_slice(hash->bytes, sizeof hash->bytes);
}

enum ts_code intent_put(struct metaverse *mv, const struct intent *intent,
                        struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO intent(id, phase, verb, kind, metaverse_id, anchor, "
        "target_id, before, after, batch, doubt_since, classes, clearance) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, 0, ?10, ?11)";
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(intent->id), DB_INT(intent->phase),
                  DB_INT(intent->verb), DB_INT(intent->kind),
                  DB_INT(intent->metaverse_id), DB_TEXT(intent->anchor),
                  DB_TEXT(intent->target_id),
                  DB_BLOB(hash_slice(&intent->before)),
                  DB_BLOB(hash_slice(&intent->after)), DB_INT(intent->classes),
                  DB_INT(intent->clearance)),
        err);
}

enum ts_code intent_of(struct metaverse *mv, int64_t metaverse_id,
                       bool *ret_exists, bool *ret_doubt, struct ts_err *err)
{
    static const char sql[] =
        "SELECT batch FROM intent WHERE metaverse_id = ?1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(metaverse_id)), &row, err);
    if (code == TS_OK) {
        *ret_exists = row != NULL;
        *ret_doubt = row != NULL && db_column_int(row, 0) > 0;
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

static bool read_intent(sqlite3_stmt *stmt, struct ts_arena *arena,
                        struct intent *intent)
{
    *intent = (struct intent){
        .id = db_column_int(stmt, 0),
        .phase = (enum intent_phase) db_column_int(stmt, 1),
        .verb = (enum intent_verb) db_column_int(stmt, 2),
        .kind = (int) db_column_int(stmt, 3),
        .metaverse_id = db_column_int(stmt, 4),
        .anchor = ts_arena_copy(arena, db_column(stmt, 5)),
        .target_id = ts_arena_copy(arena, db_column(stmt, 6)),
        .batch = db_column_int(stmt, 9),
        .doubt_since = db_column_int(stmt, 10),
        .classes = (unsigned) db_column_int(stmt, 11),
        .clearance = (enum intent_clearance) db_column_int(stmt, 12),
    };
    struct ts_slice before = db_column(stmt, 7);
    struct ts_slice after = db_column(stmt, 8);
    if (before.size == TS_HASH_SIZE && after.size == TS_HASH_SIZE) {
        memcpy(intent->before.bytes, before.data, TS_HASH_SIZE);
        memcpy(intent->after.bytes, after.data, TS_HASH_SIZE);
    }
    return intent->anchor.data != NULL && intent->target_id.data != NULL &&
           intent->verb < INTENT_VERBS && intent->phase < INTENT_PHASES;
}

#define COLUMNS                                                               \
    "id, phase, verb, kind, metaverse_id, anchor, target_id, before, after, " \
    "batch, doubt_since, classes, clearance"

static enum ts_code read_intents(struct metaverse *mv, sqlite3_stmt *stmt,
                                 struct ts_arena *arena, struct intent *intents,
                                 size_t *count, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    size_t n = 0;
    while (n < *count && db_next(&mv->db, stmt, &code, err)) {
        if (!read_intent(stmt, arena, &intents[n])) {
            code = ts_fail(err, TS_E_LIMIT, 0,
                           "could not read intent %lld of \"%s\": out of "
                           "memory or not of this version",
                           (long long) db_column_int(stmt, 0), mv->db.path);
            break;
        }
        n++;
    }
    db_reset(stmt);
    *count = n;
    return code;
}

enum ts_code intent_get(struct metaverse *mv, int64_t metaverse_id,
                        struct ts_arena *arena, struct intent *ret_intent,
                        bool *ret_found, struct ts_err *err)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM intent WHERE metaverse_id = ?1";
    sqlite3_stmt *stmt = NULL;
    size_t count = 1;
    enum ts_code code =
        metaverse_query(mv, sql, DB_VALUES(DB_INT(metaverse_id)), &stmt, err);
    if (code == TS_OK) {
        code = read_intents(mv, stmt, arena, ret_intent, &count, err);
    }
    *ret_found = code == TS_OK && count == 1;
    return code;
}

enum ts_code intent_due(struct metaverse *mv, enum intent_phase phase,
                        int64_t after, struct ts_arena *arena,
                        struct intent *intents, size_t *count,
                        struct ts_err *err)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM intent WHERE phase = ?1 AND id > ?2 AND "
        "batch = 0 AND clearance = 1 ORDER BY phase, id LIMIT ?3";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        mv, sql,
        DB_VALUES(DB_INT(phase), DB_INT(after), DB_INT((int64_t) *count)),
        &stmt, err);
    return code == TS_OK ? read_intents(mv, stmt, arena, intents, count, err)
                         : code;
}

enum ts_code intent_in_doubt(struct metaverse *mv, int64_t after,
                             struct ts_arena *arena, struct intent *intents,
                             size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM intent WHERE id > ?1 AND "
        "batch > 0 ORDER BY id LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(after), DB_INT((int64_t) *count)), &stmt,
        err);
    return code == TS_OK ? read_intents(mv, stmt, arena, intents, count, err)
                         : code;
}

enum ts_code intent_unchecked(struct metaverse *mv, int64_t after,
                              struct ts_arena *arena, struct intent *intents,
                              size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM intent WHERE id > ?1 AND batch = 0 AND "
        "clearance = 0 ORDER BY id LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(after), DB_INT((int64_t) *count)), &stmt,
        err);
    return code == TS_OK ? read_intents(mv, stmt, arena, intents, count, err)
                         : code;
}

enum ts_code intent_unsent(struct metaverse *mv, int64_t after,
                           struct ts_arena *arena, struct intent *intents,
                           size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM intent WHERE id > ?1 AND batch = 0 AND "
        "clearance <> 3 ORDER BY id LIMIT ?2";
    _Static_assert(INTENT_HELD == 3, "the statement has its number");
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(after), DB_INT((int64_t) *count)), &stmt,
        err);
    return code == TS_OK ? read_intents(mv, stmt, arena, intents, count, err)
                         : code;
}

enum ts_code intent_ids(struct metaverse *mv, const struct intent_range *range,
                        int64_t *ids, size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id FROM intent WHERE id > ?1 AND batch = 0 AND clearance = ?2 "
        "AND classes & ?3 = 0 ORDER BY id LIMIT ?4";
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql,
        DB_VALUES(DB_INT(range->after), DB_INT(range->clearance),
                  DB_INT(range->spared), DB_INT((int64_t) *count)),
        &stmt, err);
    while (n < *count && db_next(&mv->db, stmt, &code, err)) {
        ids[n++] = db_column_int(stmt, 0);
    }
    db_reset(stmt);
    *count = n;
    return code;
}

enum ts_code intent_last_unchecked(struct metaverse *mv, int64_t *ret_id,
                                   struct ts_err *err)
{
    static const char sql[] =
        "SELECT max(id) FROM intent WHERE batch = 0 AND clearance = 0";
    return db_query_int(&mv->db, sql, ret_id, err);
}

enum ts_code intent_clear(struct metaverse *mv, int64_t id,
                          enum intent_clearance clearance, struct ts_err *err)
{
    static const char sql[] = "UPDATE intent SET clearance = ?2 WHERE id = ?1 "
                              "AND batch = 0 AND clearance <> ?2";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(id), DB_INT(clearance)),
                         err);
}

enum ts_code intent_mark_sent(struct metaverse *mv, int64_t id, int64_t batch,
                              struct ts_err *err)
{
    static const char sql[] =
        "UPDATE intent SET batch = ?2, doubt_since = ?3 WHERE id = ?1";
    return metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(id), DB_INT(batch), DB_INT(ts_wall_seconds())), err);
}

enum ts_code intent_doubt_now(struct metaverse *mv, int64_t id,
                              struct ts_err *err)
{
    static const char sql[] =
        "UPDATE intent SET doubt_since = ?2 WHERE id = ?1 AND batch > 0";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(id), DB_INT(ts_wall_seconds())), err);
}

enum ts_code intent_unsend(struct metaverse *mv, int64_t id, struct ts_err *err)
{
    static const char sql[] =
        "UPDATE intent SET batch = 0, doubt_since = 0 WHERE id = ?1";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(id)), err);
}

enum ts_code intent_drop(struct metaverse *mv, int64_t id, struct ts_err *err)
{
    static const char sql[] = "DELETE FROM intent WHERE id = ?1";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(id)), err);
}

enum ts_code intent_revoke(struct metaverse *mv, int64_t metaverse_id,
                           struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM intent WHERE metaverse_id = ?1 AND batch = 0";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(metaverse_id)), err);
}

static int64_t *count_of(struct intent_counts *counts, int64_t state)
{
    if (state < 0) {
        return &counts->doubt;
    }
    return state == INTENT_STAGED ? &counts->staged
           : state == INTENT_HELD ? &counts->held
                                  : &counts->due;
}

enum ts_code intent_count(struct metaverse *mv,
                          struct intent_counts *ret_counts, struct ts_err *err)
{
    static const char sql[] =
        "SELECT verb, CASE WHEN batch > 0 THEN -1 ELSE clearance END, count(*) "
        "FROM intent GROUP BY 1, 2";
    struct intent_counts counts = { .due = 0 };
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        int64_t verb = db_column_int(stmt, 0);
        int64_t n = db_column_int(stmt, 2);
        *count_of(&counts, db_column_int(stmt, 1)) += n;
        if (verb >= 0 && verb < INTENT_VERBS) {
            counts.by_verb[verb] += n;
        }
    }
    if (code == TS_OK) {
        *ret_counts = counts;
    }
    return code;
}
