#include "node/metaverse/claim.h"

#include <stdlib.h>
#include <unicase.h>

#include "proto/entry_codec.h"

#define CLAIM_MEMORY ((size_t) 256 * 1024 * 1024)
#define NAME_SIZE    512

enum claim_side {
    WANTED,
    HELD
};

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

/* ---- lists
 * ----------------------------------------------------------------------- */

struct claim_row {
    struct claim_value value;
    int64_t metaverse_id;
    const char *path; /* of the program or the configuration */
    bool wanted, held;
};

struct claim_list {
    struct claim_row *rows;
    size_t count, room;
};

static enum ts_code list_add(struct claim_list *list,
                             const struct claim_row *row, struct ts_err *err)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 16 : list->room * 2;
        struct claim_row *rows = realloc(list->rows, room * sizeof *rows);
        if (rows == NULL) {
            return ts_fail(err, TS_E_NOMEM, 0,
                           "could not count the claims to unique values");
        }
        list->rows = rows;
        list->room = room;
    }
    list->rows[list->count++] = *row;
    return TS_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct claim_row *x = a;
    const struct claim_row *y = b;
    int order = memcmp(x->value.bytes, y->value.bytes, sizeof x->value.bytes);
    if (order != 0) {
        return order;
    }
    return (x->metaverse_id > y->metaverse_id) -
           (x->metaverse_id < y->metaverse_id);
}

/* In order of keys, one row a key. */
static void list_normalise(struct claim_list *list)
{
    size_t kept = 0;
    if (list->count > 0) {
        qsort(list->rows, list->count, sizeof *list->rows, by_key);
    }
    for (size_t i = 0; i < list->count; i++) {
        struct claim_row *last = kept == 0 ? NULL : &list->rows[kept - 1];
        if (last == NULL || by_key(last, &list->rows[i]) != 0) {
            list->rows[kept++] = list->rows[i];
        } else {
            last->wanted = last->wanted || list->rows[i].wanted;
            last->held = last->held || list->rows[i].held;
        }
    }
    list->count = kept;
}

/* Whose values, and on which side they count. */
struct claim_owner {
    int64_t metaverse_id;
    int kind;
    enum claim_side side;
};

/* What a packed entry claims. */
static enum ts_code list_add_entry(const struct metaverse *mv,
                                   const struct claim_owner *owner,
                                   struct ts_slice packed,
                                   struct ts_arena *arena,
                                   struct claim_list *list, struct ts_err *err)
{
    struct ts_entry entry;
    if (packed.size == 0) {
        return TS_OK;
    }
    enum ts_code code = entry_unpack(packed, arena, &entry, err);
    for (size_t p = 0; code == TS_OK && p < mv->unique_path_count; p++) {
        const struct metaverse_unique_path *path = &mv->unique_paths[p];
        const struct ts_attribute *attribute =
            path->kind == owner->kind
                ? ts_entry_find(&entry, ts_slice_str(path->path))
                : NULL;
        if (attribute == NULL || !claim_applies(attribute->kind)) {
            continue;
        }
        for (size_t i = 0; code == TS_OK && i < attribute->value_count; i++) {
            struct claim_row row = { .metaverse_id = owner->metaverse_id,
                                     .path = path->path,
                                     .wanted = owner->side == WANTED,
                                     .held = owner->side == HELD };
            code = claim_value_of(path, attribute->values[i], &row.value, err);
            if (code == TS_OK) {
                code = list_add(list, &row, err);
            }
        }
    }
    return code;
}

/* ---- rows
 * ------------------------------------------------------------------------ */

static enum ts_code row_put(struct metaverse *mv, const struct claim_row *row,
                            struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO claim(value, metaverse_id, path, wanted, held) "
        "VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET "
        "path = excluded.path, wanted = excluded.wanted, held = excluded.held";
    static const char drop_sql[] =
        "DELETE FROM claim WHERE value = ?1 AND metaverse_id = ?2";
    if (!row->wanted && !row->held) {
        return metaverse_run(mv, drop_sql,
                             DB_VALUES(DB_BLOB(bytes_of(&row->value)),
                                       DB_INT(row->metaverse_id)),
                             err);
    }
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_BLOB(bytes_of(&row->value)),
                                   DB_INT(row->metaverse_id),
                                   DB_TEXT(ts_slice_str(row->path)),
                                   DB_INT(row->wanted), DB_INT(row->held)),
                         err);
}

/* Columns value, metaverse_id, path, wanted, held; paths as configured, or a
 * name that no path has. */
static enum ts_code list_read(struct metaverse *mv, sqlite3_stmt *stmt,
                              struct claim_list *list, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    bool more = true;
    while (code == TS_OK) {
        code = db_step(&mv->db, stmt, &more, err);
        if (code != TS_OK || !more) {
            break;
        }
        struct claim_row row = { .metaverse_id = db_column_int(stmt, 1),
                                 .path = "",
                                 .wanted = db_column_int(stmt, 3) != 0,
                                 .held = db_column_int(stmt, 4) != 0 };
        struct ts_slice value = db_column(stmt, 0);
        if (value.size == sizeof row.value.bytes) {
            memcpy(row.value.bytes, value.data, value.size);
        }
        struct ts_slice name = db_column(stmt, 2);
        for (size_t p = 0; p < mv->unique_path_count; p++) {
            if (ts_slice_equal(ts_slice_str(mv->unique_paths[p].path), name)) {
                row.path = mv->unique_paths[p].path;
            }
        }
        code = list_add(list, &row, err);
    }
    db_reset(stmt);
    return code;
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
    static const char sql[] =
        "SELECT c.metaverse_id FROM claim c JOIN metaverse m "
        "ON m.id = c.metaverse_id WHERE c.value = ?1 AND c.metaverse_id <> ?2 "
        "AND c.wanted = 1 AND c.held = 0 ORDER BY m.anchor, m.kind LIMIT 1";
    sqlite3_stmt *found = NULL;
    if (mv->change == NULL) {
        return TS_OK;
    }
    enum ts_code code = metaverse_row(
        mv, sql,
        DB_VALUES(DB_BLOB(bytes_of(&row->value)), DB_INT(row->metaverse_id)),
        &found, err);
    if (code != TS_OK || found == NULL) {
        return code;
    }
    int64_t id = db_column_int(found, 0);
    db_reset(found);
    return touch(mv, id, err);
}

/* ---- one object
 * ------------------------------------------------------------------ */

static struct claim_row *list_find(const struct claim_list *list,
                                   const struct claim_row *key)
{
    return list->count == 0 ? NULL
                            : bsearch(key, list->rows, list->count,
                                      sizeof *list->rows, by_key);
}

/* What is no longer claimed on `side`. */
static enum ts_code let_go(struct metaverse *mv, enum claim_side side,
                           const struct claim_list *old,
                           const struct claim_list *now, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < old->count; i++) {
        struct claim_row row = old->rows[i];
        if (!(side == WANTED ? row.wanted : row.held) ||
            list_find(now, &row) != NULL) {
            continue;
        }
        row.wanted = row.wanted && side != WANTED;
        row.held = row.held && side != HELD;
        code = row_put(mv, &row, err);
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
        const struct claim_row *known = list_find(old, &row);
        if (known != NULL && (side == WANTED ? known->wanted : known->held)) {
            continue;
        }
        row.wanted = row.wanted || (known != NULL && known->wanted);
        row.held = row.held || (known != NULL && known->held);
        code = row_put(mv, &row, err);
        if (code == TS_OK && side == WANTED) {
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
        code = list_read(mv, stmt, &old, err);
    }
    list_normalise(&old);
    list_normalise(now);
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
    const struct claim_owner owner = { metaverse_id, kind, WANTED };
    struct claim_list now = { .count = 0 };
    struct ts_arena arena;
    if (mv->unique_path_count == 0 || mv->claims_later) {
        return TS_OK;
    }
    ts_arena_init(&arena, CLAIM_MEMORY);
    enum ts_code code = list_add_entry(mv, &owner, packed, &arena, &now, err);
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
    const struct claim_owner owner = { metaverse_id, shown->kind, HELD };
    struct claim_list now = { .count = 0 };
    struct ts_arena arena;
    if (mv->unique_path_count == 0 || mv->claims_later) {
        return TS_OK;
    }
    ts_arena_init(&arena, CLAIM_MEMORY);
    enum ts_code code =
        list_add_entry(mv, &owner, shown->sent, &arena, &now, err);
    if (code == TS_OK && !ts_slice_equal(shown->sent, shown->seen)) {
        code = list_add_entry(mv, &owner, shown->seen, &arena, &now, err);
    }
    if (code == TS_OK) {
        code = set_side(mv, &owner, &now, err);
    }
    ts_arena_done(&arena);
    free(now.rows);
    return code;
}

/* ---- everything
 * ------------------------------------------------------------------ */

static enum ts_code count_wanted(struct metaverse *mv, struct claim_list *list,
                                 struct ts_arena *arena, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id, kind, packed FROM metaverse WHERE presence = 0";
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    enum ts_code code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, err);
    while (code == TS_OK) {
        code = db_step(&mv->db, stmt, &row, err);
        if (code != TS_OK || !row) {
            break;
        }
        const struct claim_owner owner = { db_column_int(stmt, 0),
                                           (int) db_column_int(stmt, 1),
                                           WANTED };
        ts_arena_reset(arena);
        code = list_add_entry(mv, &owner, db_column(stmt, 2), arena, list, err);
    }
    if (stmt != NULL) {
        db_reset(stmt);
    }
    return code;
}

static enum ts_code count_held(struct metaverse *mv, struct claim_list *list,
                               struct ts_arena *arena, struct ts_err *err)
{
    /* One byte in `seen` stands for "as sent". */
    static const char sql[] =
        "SELECT metaverse_id, kind, sent, CASE length(seen) WHEN 1 THEN NULL "
        "ELSE seen END FROM target_object WHERE metaverse_id IS NOT NULL";
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    enum ts_code code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, err);
    while (code == TS_OK) {
        code = db_step(&mv->db, stmt, &row, err);
        if (code != TS_OK || !row) {
            break;
        }
        const struct claim_owner owner = { db_column_int(stmt, 0),
                                           (int) db_column_int(stmt, 1), HELD };
        ts_arena_reset(arena);
        code = list_add_entry(mv, &owner, db_column(stmt, 2), arena, list, err);
        if (code == TS_OK) {
            code = list_add_entry(mv, &owner, db_column(stmt, 3), arena, list,
                                  err);
        }
    }
    if (stmt != NULL) {
        db_reset(stmt);
    }
    return code;
}

/* Write what differs; both lists are in order. */
static enum ts_code put_differences(struct metaverse *mv,
                                    const struct claim_list *old,
                                    const struct claim_list *now,
                                    struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < old->count; i++) {
        struct claim_row row = old->rows[i];
        if (list_find(now, &row) == NULL) {
            row.wanted = false;
            row.held = false;
            code = row_put(mv, &row, err);
        }
    }
    for (size_t i = 0; code == TS_OK && i < now->count; i++) {
        const struct claim_row *row = &now->rows[i];
        const struct claim_row *known = list_find(old, row);
        if (known == NULL || known->wanted != row->wanted ||
            known->held != row->held) {
            code = row_put(mv, row, err);
        }
    }
    return code;
}

enum ts_code claim_recount(struct metaverse *mv, struct ts_err *err)
{
    static const char sql[] =
        "SELECT value, metaverse_id, path, wanted, held FROM claim";
    struct claim_list old = { .count = 0 };
    struct claim_list now = { .count = 0 };
    struct ts_arena arena;
    sqlite3_stmt *stmt = NULL;
    ts_arena_init(&arena, CLAIM_MEMORY);
    enum ts_code code = count_wanted(mv, &now, &arena, err);
    if (code == TS_OK) {
        code = count_held(mv, &now, &arena, err);
    }
    if (code == TS_OK) {
        code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, err);
    }
    if (code == TS_OK) {
        code = list_read(mv, stmt, &old, err);
    }
    list_normalise(&old);
    list_normalise(&now);
    if (code == TS_OK) {
        code = put_differences(mv, &old, &now, err);
    }
    if (code == TS_OK) {
        mv->claims_later = false;
    }
    ts_arena_done(&arena);
    free(old.rows);
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
        "WHERE c.value = ?1 AND c.held = 1 AND c.metaverse_id <> ?2 "
        "ORDER BY c.wanted DESC, m.anchor, m.kind LIMIT 1";
    static const char first_sql[] =
        "SELECT m.id, m.kind, m.presence, m.anchor, c.wanted, c.held "
        "FROM claim c JOIN metaverse m ON m.id = c.metaverse_id "
        "WHERE c.value = ?1 AND c.wanted = 1 AND c.held = 0 "
        "ORDER BY m.anchor, m.kind LIMIT 1";
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
