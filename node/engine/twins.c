#include "node/engine/twins.h"

#include <assert.h>
#include <stdlib.h>
#include <unicase.h>

#include "node/metaverse/object.h"
#include "proto/entry_codec.h"

/* On which side a candidate is. */
enum side {
    SIDE_OLD,
    SIDE_NEW
};

/* ---- by what they are compared --------------------------------------------
 */

void twins_default_key(const struct config *config,
                       struct twins_key key[static CONFIG_KINDS])
{
    static const char *const names[CONFIG_KINDS] = {
        [CONFIG_KIND_USER] = "userName",
        [CONFIG_KIND_GROUP] = "displayName",
    };
    for (int kind = 0; kind < CONFIG_KINDS; kind++) {
        key[kind] = (struct twins_key){ .paths = { names[kind] }, .count = 1 };
    }
    for (uint32_t i = config->rules_count; i > 0; i--) {
        const struct config_rule *rule = &config->rules[i - 1];
        if (rule->match_count == 0 || rule->match_count > TWINS_PATHS_MAX) {
            continue;
        }
        struct twins_key *of_kind = &key[rule->kind];
        of_kind->count = rule->match_count;
        for (uint32_t p = 0; p < rule->match_count; p++) {
            of_kind->paths[p] = rule->match[p];
        }
    }
}

/* Append `value` without regard to case, and a separator that no text has. */
static bool append_folded(struct ts_arena *arena, struct ts_slice *joined,
                          struct ts_slice value)
{
    size_t size = 0;
    uint8_t *folded =
        u8_casefold(value.data, value.size, NULL, NULL, NULL, &size);
    uint8_t *text =
        folded == NULL ? NULL : ts_arena_take(arena, joined->size + size + 1);
    if (text != NULL) {
        size_t at = joined->size;
        if (at > 0) {
            memcpy(text, joined->data, at);
            text[at - 1] = 0x01; /* in the place of the last one's NUL */
        }
        memcpy(text + at, folded, size);
        text[at + size] = 0;
        *joined = ts_slice(text, at + size + 1);
    }
    free(folded);
    return text != NULL;
}

/* Empty when one of the values is missing, or not single, or no text. */
static enum ts_code value_of(const struct twins_key *key,
                             struct ts_slice packed, struct ts_arena *arena,
                             struct ts_slice *ret_value, struct ts_err *err)
{
    struct ts_entry entry;
    struct ts_slice joined = TS_SLICE_NONE;
    enum ts_code code = entry_unpack(packed, arena, &entry, err);
    for (size_t i = 0; code == TS_OK && i < key->count; i++) {
        const struct ts_attribute *attribute =
            ts_entry_find(&entry, ts_slice_str(key->paths[i]));
        if (attribute == NULL || attribute->value_count != 1 ||
            attribute->kind == TS_KIND_BLOB || attribute->values[0].size == 0) {
            *ret_value = TS_SLICE_NONE;
            return TS_OK;
        }
        if (!append_folded(arena, &joined, attribute->values[0])) {
            code = ts_fail(err, TS_E_LIMIT, 0,
                           "could not compare \"%s\" of an object: it is too "
                           "large",
                           key->paths[i]);
        }
    }
    *ret_value =
        joined.size > 0 ? ts_slice(joined.data, joined.size - 1) : joined;
    return code;
}

/* ---- who is there ---------------------------------------------------------
 */

/* Tables with row ids: SQLite tells of no writes to others, which would then
 * count as writes to replicated tables that were not captured. */
static enum ts_code tables_reset(struct metaverse *mv, struct ts_err *err)
{
    return db_exec(
        &mv->db,
        "CREATE TEMP TABLE IF NOT EXISTS candidate(side INTEGER NOT NULL, kind "
        "INTEGER NOT NULL, value BLOB NOT NULL, id INTEGER NOT NULL);"
        "CREATE INDEX IF NOT EXISTS temp.candidate_value ON candidate(kind, "
        "value);"
        "CREATE TEMP TABLE IF NOT EXISTS twin(number INTEGER PRIMARY KEY, kind "
        "INTEGER NOT NULL, old_id INTEGER NOT NULL, new_id INTEGER NOT NULL, "
        "value BLOB NOT NULL);"
        "DELETE FROM temp.candidate; DELETE FROM temp.twin",
        err);
}

static enum ts_code candidate(struct metaverse *mv, sqlite3_stmt *row,
                              enum side side, const struct twins_key *keys,
                              struct ts_arena *arena, struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO temp.candidate(side, kind, value, id) VALUES(?1, ?2, ?3, "
        "?4)";
    int64_t kind = db_column_int(row, 1);
    struct ts_slice value = TS_SLICE_NONE;
    if (kind < 0 || kind >= CONFIG_KINDS || keys[kind].count == 0) {
        return TS_OK;
    }
    enum ts_code code =
        value_of(&keys[kind], db_column(row, 2), arena, &value, err);
    return code != TS_OK || value.size == 0
               ? code
               : metaverse_run(mv, sql,
                               DB_VALUES(DB_INT(side), DB_INT(kind),
                                         DB_BLOB(value),
                                         DB_INT(db_column_int(row, 0))),
                               err);
}

static enum ts_code candidates(struct metaverse *mv, const char *sql,
                               enum side side, const struct twins_key *keys,
                               struct ts_err *err)
{
    struct ts_arena arena;
    sqlite3_stmt *stmt = NULL;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        code = candidate(mv, stmt, side, keys, &arena, err);
        ts_arena_reset(&arena);
    }
    db_reset(stmt);
    ts_arena_done(&arena);
    return code;
}

static enum ts_code collect(struct metaverse *mv, const struct twins_key *keys,
                            struct ts_err *err)
{
    /* From the metaverse inward: it is read whole in any case. */
    static const char old_sql[] =
        "SELECT m.id, m.kind, m.packed FROM metaverse m "
        "CROSS JOIN target_object t ON t.metaverse_id = m.id "
        "CROSS JOIN ledger l ON l.kind = m.kind AND l.anchor = m.anchor "
        "WHERE m.presence = 2";
    static const char new_sql[] =
        "SELECT m.id, m.kind, m.packed FROM metaverse m WHERE m.presence = 0 "
        "AND NOT EXISTS (SELECT 1 FROM target_object t WHERE t.metaverse_id = "
        "m.id)";
    static const char pair_sql[] =
        "INSERT INTO temp.twin(kind, old_id, new_id, value) "
        "SELECT kind, max(id) FILTER (WHERE side = 0), "
        "max(id) FILTER (WHERE side = 1), value FROM temp.candidate "
        "GROUP BY kind, value HAVING sum(side = 0) = 1 AND sum(side = 1) = 1";
    static_assert(OBJECT_IN == 0 && OBJECT_GONE == 2, "as written above");
    enum ts_code code = candidates(mv, old_sql, SIDE_OLD, keys, err);
    if (code == TS_OK) {
        code = candidates(mv, new_sql, SIDE_NEW, keys, err);
    }
    return code == TS_OK ? metaverse_run(mv, pair_sql, DB_NO_VALUES, err)
                         : code;
}

static enum ts_code count(struct metaverse *mv, int kind,
                          struct twins_count *ret_count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT (SELECT count(*) FROM temp.twin WHERE kind = ?1), (SELECT "
        "count(*) FROM (SELECT 1 FROM temp.candidate WHERE kind = ?1 GROUP BY "
        "value HAVING count(*) > 2 AND max(side) > min(side)))";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(kind)), &row, err);
    if (code == TS_OK) {
        ret_count->pairs = db_column_int(row, 0);
        ret_count->ambiguous = db_column_int(row, 1);
        db_reset(row);
    }
    return code;
}

enum ts_code twins_find(struct engine_context *engine,
                        const struct twins_key key[CONFIG_KINDS],
                        struct twins_count ret_counts[CONFIG_KINDS],
                        struct ts_err *err)
{
    struct state *state = &engine->state;
    enum ts_code code = tables_reset(state->mv, err);
    if (code == TS_OK) {
        code = state_begin(state, err);
    }
    if (code != TS_OK) {
        return code;
    }
    code = collect(state->mv, key, err);
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        code = count(state->mv, kind, &ret_counts[kind], err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

/* ---- the pairs ------------------------------------------------------------
 */

enum ts_code twins_pairs(struct metaverse *mv, int64_t after,
                         struct ts_arena *arena, struct twins_pair *pairs,
                         size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT w.number, w.kind, w.old_id, w.new_id, o.anchor, n.anchor, "
        "w.value FROM temp.twin w CROSS JOIN metaverse o ON o.id = w.old_id "
        "CROSS JOIN metaverse n ON n.id = w.new_id WHERE w.number > ?1 "
        "ORDER BY w.number LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(after), DB_INT((int64_t) *count)), &stmt,
        err);
    while (n < *count && db_next(&mv->db, stmt, &code, err)) {
        struct twins_pair pair = {
            .number = db_column_int(stmt, 0),
            .kind = (int) db_column_int(stmt, 1),
            .old_id = db_column_int(stmt, 2),
            .new_id = db_column_int(stmt, 3),
            .old_anchor = ts_arena_copy(arena, db_column(stmt, 4)),
            .new_anchor = ts_arena_copy(arena, db_column(stmt, 5)),
            .value = ts_arena_copy(arena, db_column(stmt, 6)),
        };
        if (pair.old_anchor.data == NULL || pair.new_anchor.data == NULL ||
            pair.value.data == NULL) {
            code = ts_fail(err, TS_E_NOMEM, 0,
                           "could not list pairs of anchors: out of memory");
            break;
        }
        pairs[n++] = pair;
    }
    db_reset(stmt);
    *count = n;
    return code;
}

enum ts_code twins_ambiguous(struct metaverse *mv, twins_fn *each,
                             void *context, struct ts_err *err)
{
    static const char sql[] =
        "SELECT c.kind, c.value, m.anchor, c.side FROM (SELECT kind, value "
        "FROM temp.candidate GROUP BY kind, value HAVING count(*) > 2 AND "
        "max(side) > min(side) LIMIT ?1) v CROSS JOIN temp.candidate c ON "
        "c.kind = v.kind AND c.value = v.value CROSS JOIN metaverse m ON m.id "
        "= c.id ORDER BY c.kind, c.value, c.side, m.anchor LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(TWINS_VALUES_MAX), DB_INT(TWINS_LISTED_MAX)),
        &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        each(context, &(struct twins_candidate){
                          .kind = (int) db_column_int(stmt, 0),
                          .value = db_column(stmt, 1),
                          .anchor = db_column(stmt, 2),
                          .is_new = db_column_int(stmt, 3) == SIDE_NEW });
    }
    db_reset(stmt);
    return code;
}
