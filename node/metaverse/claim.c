#include "node/metaverse/claim.h"

#include <stdlib.h>
#include <unicase.h>

#include "node/metaverse/claim_list.h"

#define NAME_SIZE 512

/* ---- values
 * ---------------------------------------------------------------------- */

const struct metaverse_unique_path *claim_path(const struct metaverse *mv,
                                               int kind, struct ts_slice name)
{
    for (size_t i = 0; i < mv->unique_path_count; i++) {
        const struct metaverse_unique_path *path = &mv->unique_paths[i];
        if (path->kind == kind &&
            ts_slice_equal(ts_slice_str(path->path), name)) {
            return path;
        }
    }
    return NULL;
}

bool claim_applies(enum ts_kind kind)
{
    return kind == TS_KIND_TEXT || kind == TS_KIND_INTEGER ||
           kind == TS_KIND_BLOB;
}

/* The path without its filter, in lower case: SCIM's names have no case. */
static size_t name_space(const struct metaverse_unique_path *path,
                         char name[static NAME_SIZE])
{
    size_t size = 0;
    bool inside = false;
    name[size++] = (char) ('0' + path->kind);
    for (const char *c = path->path; *c != 0 && size < NAME_SIZE - 1; c++) {
        inside = inside || *c == '[';
        if (!inside) {
            name[size++] = *c >= 'A' && *c <= 'Z' ? (char) (*c + 32) : *c;
        }
        inside = inside && *c != ']';
    }
    name[size++] = 0;
    return size;
}

enum ts_code claim_value_of(const struct metaverse_unique_path *path,
                            struct ts_slice value,
                            struct claim_value *ret_value, struct ts_err *err)
{
    char name[NAME_SIZE];
    size_t size = name_space(path, name);
    size_t folded_size = value.size;
    uint8_t *folded = path->case_exact || value.size == 0
                          ? NULL
                          : u8_casefold(value.data, value.size, NULL, NULL,
                                        NULL, &folded_size);
    /* What is no UTF-8 is compared as it is. */
    struct ts_slice bytes =
        folded != NULL ? ts_slice(folded, folded_size) : value;
    uint8_t *whole = malloc(size + bytes.size);
    if (whole == NULL) {
        free(folded);
        return ts_fail(err, TS_E_NOMEM, 0, "could not compare a unique value");
    }
    memcpy(whole, name, size);
    if (bytes.size > 0) {
        memcpy(whole + size, bytes.data, bytes.size);
    }
    struct ts_hash hash = ts_hash_of(ts_slice(whole, size + bytes.size));
    memcpy(ret_value->bytes, hash.bytes, sizeof ret_value->bytes);
    free(whole);
    free(folded);
    return TS_OK;
}

static struct ts_slice bytes_of(const struct claim_value *value)
{
    return ts_slice(value->bytes, sizeof value->bytes);
}

/* ---- who becomes due
 * ------------------------------------------------------------- */

static enum ts_code touch(struct metaverse *mv, int64_t metaverse_id,
                          struct ts_err *err)
{
    static const char due_sql[] =
        "UPDATE metaverse SET changed = ?2 WHERE id = ?1";
    static const char retry_sql[] =
        "UPDATE object_error SET retry_at = 0 WHERE (kind, anchor) = (SELECT "
        "kind, anchor FROM metaverse WHERE id = ?1) AND stage = 'unique' AND "
        "retry_at > 0";
    enum ts_code code = metaverse_run(
        mv, due_sql, DB_VALUES(DB_INT(metaverse_id), DB_INT(++*mv->change)),
        err);
    return code == TS_OK ? metaverse_run(mv, retry_sql,
                                         DB_VALUES(DB_INT(metaverse_id)), err)
                         : code;
}

static enum ts_code stir(struct metaverse *mv, const struct claim_row *row,
                         struct ts_err *err)
{
    int64_t ids[CLAIM_STIRRED_MAX];
    size_t count = CLAIM_STIRRED_MAX;
    if (mv->change == NULL) {
        return TS_OK;
    }
    enum ts_code code = claim_waiting(mv, &row->value, ids, &count, err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        if (ids[i] != row->metaverse_id) {
            code = touch(mv, ids[i], err);
        }
    }
    return code;
}

/* ---- one object
 * ------------------------------------------------------------------ */

/* What is no longer claimed on `side`. */
static enum ts_code let_go(struct metaverse *mv, enum claim_side side,
                           const struct claim_list *old,
                           const struct claim_list *now, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < old->count; i++) {
        struct claim_row row = old->rows[i];
        if (!(side == CLAIM_WANTED ? row.wanted : row.held) ||
            claim_list_find(now, &row) != NULL) {
            continue;
        }
        row.wanted = row.wanted && side != CLAIM_WANTED;
        row.held = row.held && side != CLAIM_HELD;
        code = claim_row_put(mv, &row, err);
        if (code == TS_OK) {
            code = stir(mv, &row, err);
        }
    }
    return code;
}

static enum ts_code take_up(struct metaverse *mv, enum claim_side side,
                            const struct claim_list *old,
                            const struct claim_list *now, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < now->count; i++) {
        struct claim_row row = now->rows[i];
        const struct claim_row *known = claim_list_find(old, &row);
        if (known != NULL &&
            (side == CLAIM_WANTED ? known->wanted : known->held)) {
            continue;
        }
        row.wanted = row.wanted || (known != NULL && known->wanted);
        row.held = row.held || (known != NULL && known->held);
        code = claim_row_put(mv, &row, err);
        if (code == TS_OK && side == CLAIM_WANTED) {
            code = stir(mv, &row, err);
        }
    }
    return code;
}

static enum ts_code set_side(struct metaverse *mv,
                             const struct claim_owner *owner,
                             struct claim_list *now, struct ts_err *err)
{
    static const char sql[] =
        "SELECT value, metaverse_id, path, wanted, held FROM claim WHERE "
        "metaverse_id = ?1";
    struct claim_list old = { .count = 0 };
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(owner->metaverse_id)), &stmt, err);
    if (code == TS_OK) {
        code = claim_list_read(mv, stmt, &old, err);
    }
    claim_list_normalise(&old);
    claim_list_normalise(now);
    if (code == TS_OK) {
        code = let_go(mv, owner->side, &old, now, err);
    }
    if (code == TS_OK) {
        code = take_up(mv, owner->side, &old, now, err);
    }
    free(old.rows);
    return code;
}

enum ts_code claim_want(struct metaverse *mv, int64_t metaverse_id, int kind,
                        struct ts_slice packed, struct ts_err *err)
{
    const struct claim_owner owner = { metaverse_id, kind, CLAIM_WANTED };
    struct claim_list now = { .count = 0 };
    struct ts_arena arena;
    if (mv->unique_path_count == 0 || mv->claims_later) {
        return TS_OK;
    }
    ts_arena_init(&arena, CLAIM_MEMORY);
    enum ts_code code = claim_list_entry(mv, &owner, packed, &arena, &now, err);
    if (code == TS_OK) {
        code = set_side(mv, &owner, &now, err);
    }
    ts_arena_done(&arena);
    free(now.rows);
    return code;
}

enum ts_code claim_hold(struct metaverse *mv, int64_t metaverse_id,
                        const struct claim_shown *shown, struct ts_err *err)
{
    const struct claim_owner owner = { metaverse_id, shown->kind, CLAIM_HELD };
    struct claim_list now = { .count = 0 };
    struct ts_arena arena;
    if (mv->unique_path_count == 0 || mv->claims_later) {
        return TS_OK;
    }
    ts_arena_init(&arena, CLAIM_MEMORY);
    enum ts_code code =
        claim_list_entry(mv, &owner, shown->sent, &arena, &now, err);
    if (code == TS_OK && !ts_slice_equal(shown->sent, shown->seen)) {
        code = claim_list_entry(mv, &owner, shown->seen, &arena, &now, err);
    }
    if (code == TS_OK) {
        code = set_side(mv, &owner, &now, err);
    }
    ts_arena_done(&arena);
    free(now.rows);
    return code;
}

/* ---- who has a claim
 * ------------------------------------------------------------- */

static enum ts_code read_claimant(sqlite3_stmt *row, struct ts_arena *arena,
                                  struct claimant *ret, struct ts_err *err)
{
    *ret = (struct claimant){ .metaverse_id = 0 };
    if (row == NULL) {
        return TS_OK;
    }
    *ret = (struct claimant){
        .metaverse_id = db_column_int(row, 0),
        .kind = (int) db_column_int(row, 1),
        .presence = (int) db_column_int(row, 2),
        .anchor = ts_arena_copy(arena, db_column(row, 3)),
        .wants = db_column_int(row, 4) != 0,
        .has = db_column_int(row, 5) != 0,
    };
    db_reset(row);
    return ret->anchor.data != NULL
               ? TS_OK
               : ts_fail(err, TS_E_LIMIT, 0,
                         "could not read who has a unique value: out of "
                         "memory");
}

enum ts_code claim_rivals(struct metaverse *mv, const struct claim_value *value,
                          int64_t metaverse_id, struct ts_arena *arena,
                          struct claimant *ret_holder,
                          struct claimant *ret_first, struct ts_err *err)
{
    static const char holder_sql[] =
        "SELECT m.id, m.kind, m.presence, m.anchor, c.wanted, c.held "
        "FROM claim c JOIN metaverse m ON m.id = c.metaverse_id "
        "JOIN target_object t ON t.metaverse_id = c.metaverse_id "
        "WHERE c.value = ?1 AND c.held = 1 ORDER BY c.metaverse_id = ?2 DESC, "
        "c.wanted DESC, m.anchor, m.kind LIMIT 1";
    static const char first_sql[] =
        "SELECT m.id, m.kind, m.presence, m.anchor, c.wanted, c.held "
        "FROM claim c JOIN metaverse m ON m.id = c.metaverse_id "
        "WHERE c.value = ?1 AND c.wanted > 0 AND c.held = 0 "
        "ORDER BY c.wanted DESC, m.anchor, m.kind LIMIT 1";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, holder_sql,
        DB_VALUES(DB_BLOB(bytes_of(value)), DB_INT(metaverse_id)), &row, err);
    if (code == TS_OK) {
        code = read_claimant(row, arena, ret_holder, err);
    }
    if (code == TS_OK) {
        code = metaverse_row(mv, first_sql, DB_VALUES(DB_BLOB(bytes_of(value))),
                             &row, err);
    }
    return code == TS_OK ? read_claimant(row, arena, ret_first, err) : code;
}

enum ts_code claim_waiting(struct metaverse *mv,
                           const struct claim_value *value, int64_t *ids,
                           size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT m.id FROM claim c JOIN metaverse m ON m.id = c.metaverse_id "
        "WHERE c.value = ?1 AND c.wanted > 0 AND c.held = 0 "
        "ORDER BY c.wanted DESC, m.anchor, m.kind LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_BLOB(bytes_of(value)), DB_INT((int64_t) *count)),
        &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        ids[n++] = db_column_int(stmt, 0);
    }
    db_reset(stmt);
    *count = n;
    return code;
}

enum ts_code claim_promise(struct metaverse *mv,
                           const struct claim_value *value,
                           int64_t metaverse_id, struct ts_err *err)
{
    static const char sql[] =
        "UPDATE claim SET wanted = 2 WHERE value = ?1 AND metaverse_id = ?2 "
        "AND wanted = 1 AND held = 0";
    return metaverse_run(
        mv, sql, DB_VALUES(DB_BLOB(bytes_of(value)), DB_INT(metaverse_id)),
        err);
}

enum ts_code claim_contested(struct metaverse *mv,
                             const struct claim_value *value,
                             int64_t metaverse_id, bool *ret_contested,
                             struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM claim WHERE value = ?1 AND metaverse_id <> ?2 LIMIT 1";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql, DB_VALUES(DB_BLOB(bytes_of(value)), DB_INT(metaverse_id)),
        &row, err);
    *ret_contested = code == TS_OK && row != NULL;
    if (*ret_contested) {
        db_reset(row);
    }
    return code;
}

enum ts_code claim_any_contested(struct metaverse *mv, bool *ret_any,
                                 struct ts_err *err)
{
    int64_t any = 0;
    enum ts_code code = db_query_int(
        &mv->db,
        "SELECT EXISTS(SELECT 1 FROM claim GROUP BY value HAVING count(*) > 1)",
        &any, err);
    *ret_any = any != 0;
    return code;
}
