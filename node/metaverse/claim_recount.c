/* claim_recount: all claims from nothing. */
#include <stdlib.h>

#include "node/metaverse/claim_list.h"

static enum ts_code count_wanted(struct metaverse *mv, struct claim_list *list,
                                 struct ts_arena *arena, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id, kind, packed FROM metaverse WHERE presence = 0";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        const struct claim_owner owner = { db_column_int(stmt, 0),
                                           (int) db_column_int(stmt, 1),
                                           CLAIM_WANTED };
        ts_arena_reset(arena);
        code =
            claim_list_entry(mv, &owner, db_column(stmt, 2), arena, list, err);
    }
    db_reset(stmt);
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
    enum ts_code code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        const struct claim_owner owner = { db_column_int(stmt, 0),
                                           (int) db_column_int(stmt, 1),
                                           CLAIM_HELD };
        ts_arena_reset(arena);
        code =
            claim_list_entry(mv, &owner, db_column(stmt, 2), arena, list, err);
        if (code == TS_OK) {
            code = claim_list_entry(mv, &owner, db_column(stmt, 3), arena, list,
                                    err);
        }
    }
    db_reset(stmt);
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
        if (claim_list_find(now, &row) == NULL) {
            row.wanted = false;
            row.held = false;
            code = claim_row_put(mv, &row, err);
        }
    }
    for (size_t i = 0; code == TS_OK && i < now->count; i++) {
        const struct claim_row *row = &now->rows[i];
        const struct claim_row *known = claim_list_find(old, row);
        if (known == NULL || known->wanted != row->wanted ||
            known->held != row->held) {
            code = claim_row_put(mv, row, err);
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
        code = claim_list_read(mv, stmt, &old, err);
    }
    claim_list_normalise(&old);
    claim_list_normalise(&now);
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
