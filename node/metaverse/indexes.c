#include "node/metaverse/indexes.h"

#include <stdio.h>

enum ts_code indexes_drop(struct metaverse *mv, struct ts_err *err)
{
    static const char sql[] = "SELECT name, tbl_name, sql FROM sqlite_schema "
                              "WHERE type = 'index' AND sql IS NOT NULL";
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code = db_prepare(&mv->db, sql, &stmt, err);
    while (code == TS_OK &&
           mv->index_count < sizeof mv->indexes / sizeof mv->indexes[0]) {
        struct metaverse_index *index = &mv->indexes[mv->index_count];
        code = db_step(&mv->db, stmt, &row, err);
        if (code != TS_OK || !row) {
            break;
        }
        (void) snprintf(index->name, sizeof index->name, "%.*s",
                        TS_SLICE_ARGS(db_column(stmt, 0)));
        (void) snprintf(index->table, sizeof index->table, "%.*s",
                        TS_SLICE_ARGS(db_column(stmt, 1)));
        (void) snprintf(index->sql, sizeof index->sql, "%.*s",
                        TS_SLICE_ARGS(db_column(stmt, 2)));
        mv->index_count++;
    }
    db_reset(stmt);
    for (size_t i = 0; code == TS_OK && i < mv->index_count; i++) {
        char drop[96];
        (void) snprintf(drop, sizeof drop, "DROP INDEX \"%s\"",
                        mv->indexes[i].name);
        code = db_exec(&mv->db, drop, err);
    }
    return code;
}

enum ts_code indexes_make(struct metaverse *mv, const char *table,
                          struct ts_err *err)
{
    size_t kept = 0;
    enum ts_code code = TS_OK;
    for (size_t i = 0; i < mv->index_count; i++) {
        struct metaverse_index *index = &mv->indexes[i];
        bool wanted = table == NULL || strcmp(index->table, table) == 0;
        if (wanted && code == TS_OK) {
            code = db_exec(&mv->db, index->sql, err);
        } else {
            mv->indexes[kept++] = *index;
        }
    }
    mv->index_count = kept;
    return code;
}
