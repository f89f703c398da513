#include "node/metaverse/claim_list.h"

#include <stdlib.h>

#include "proto/entry_codec.h"

/* ---- lists
 * ----------------------------------------------------------------------- */

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

void claim_list_normalise(struct claim_list *list)
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

enum ts_code claim_list_entry(const struct metaverse *mv,
                              const struct claim_owner *owner,
                              struct ts_slice packed, struct ts_arena *arena,
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
                                     .wanted = owner->side == CLAIM_WANTED,
                                     .held = owner->side == CLAIM_HELD };
            code = claim_value_of(path, attribute->values[i], &row.value, err);
            if (code == TS_OK) {
                code = list_add(list, &row, err);
            }
        }
    }
    return code;
}

struct claim_row *claim_list_find(const struct claim_list *list,
                                  const struct claim_row *key)
{
    return list->count == 0 ? NULL
                            : bsearch(key, list->rows, list->count,
                                      sizeof *list->rows, by_key);
}

/* ---- rows
 * ------------------------------------------------------------------------ */

static struct ts_slice bytes_of(const struct claim_value *value)
{
    return ts_slice(value->bytes, sizeof value->bytes);
}

enum ts_code claim_row_put(struct metaverse *mv, const struct claim_row *row,
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

enum ts_code claim_list_read(struct metaverse *mv, sqlite3_stmt *stmt,
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
