/* A complete reading of both sides; see store.h. */
#include "tests/sim/store_private.h"

#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

#define ROWS_MAX SOURCE_ANCHORS_MAX

struct row {
    int anchor;
    int64_t id, value;
    bool gone;
};

static size_t read_rows(struct sim_store *store, const char *sql,
                        struct row *rows, struct ts_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    size_t count = 0;
    enum ts_code code =
        metaverse_query(store->mv, sql, DB_NO_VALUES, &stmt, err);
    while (code == TS_OK && count < ROWS_MAX &&
           (code = db_step(&store->mv->db, stmt, &row, err)) == TS_OK && row) {
        rows[count++] = (struct row){
            .anchor = store_anchor_of(db_column(stmt, 0)),
            .id = store_id_of(db_column(stmt, 1)),
            .value = store_value_of(db_column(stmt, 2)),
            .gone = db_column_int(stmt, 3) != OBJECT_IN,
        };
    }
    if (stmt != NULL) {
        db_reset(stmt);
    }
    return count;
}

/* What the source shows, and what it shows no more. */
static enum ts_code see_source(struct sim_store *store, const int64_t *values,
                               struct ts_err *err)
{
    static const char sql[] =
        "SELECT anchor, '', packed, presence FROM metaverse";
    struct row rows[ROWS_MAX];
    enum ts_code code = TS_OK;
    bool known[SOURCE_ANCHORS_MAX + 1] = { false };
    size_t count = read_rows(store, sql, rows, err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        if (rows[i].anchor > SOURCE_ANCHORS_MAX) {
            continue; /* found at the target only */
        }
        known[rows[i].anchor] = true;
        int64_t now = values[rows[i].anchor];
        code = store_see(store, rows[i].anchor, now, err);
    }
    for (int i = 1; code == TS_OK && i <= SOURCE_ANCHORS_MAX; i++) {
        if (values[i] != 0 && !known[i]) {
            code = store_see(store, i, values[i], err);
        }
    }
    return code;
}

/* An object of the target that carries an anchor: ours, or only found. */
static enum ts_code see_found(struct sim_store *store,
                              const struct target_found *found,
                              const int64_t *values, struct ts_err *err)
{
    struct store_anchor anchor;
    struct store_anchor target_id;
    struct ts_slice name = store_anchor_put(&anchor, found->anchor);
    int64_t id = 0;
    bool has = false;
    bool at_source =
        found->anchor <= SOURCE_ANCHORS_MAX && values[found->anchor] != 0;
    enum ts_code code = object_by_anchor(store->mv, STORE_KIND, name, &id, err);
    if (code == TS_OK && id == 0) {
        /* Nothing here accounts for it: listed, and left alone. */
        struct metaverse_object object = { .id = ++store->object,
                                           .kind = STORE_KIND,
                                           .anchor = name,
                                           .presence = OBJECT_GONE,
                                           .packed = ts_slice("", 0),
                                           .once = ts_slice("", 0),
                                           .left_by = ts_slice("", 0),
                                           .changed = ++store->change };
        code = object_insert(store->mv, &object, err);
    }
    if (code == TS_OK) {
        code = store_put_target(store, found->anchor, found->id, found->value,
                                err);
    }
    if (code == TS_OK) {
        code = ledger_has(store->mv, STORE_KIND, name, &has, err);
    }
    if (code == TS_OK && !has) {
        code = ledger_put(store->mv, STORE_KIND, name,
                          store_id_put(&target_id, found->id),
                          at_source ? LEDGER_ADOPTED : LEDGER_FOUND, err);
    }
    return code;
}

/* A complete enumeration does not show it: it is not there. */
static enum ts_code drop_missing(struct sim_store *store,
                                 const struct target_found *found, size_t count,
                                 struct ts_err *err)
{
    static const char sql[] =
        "SELECT anchor, target_id, sent, 0 FROM target_object";
    struct row rows[ROWS_MAX];
    enum ts_code code = TS_OK;
    size_t row_count = read_rows(store, sql, rows, err);
    for (size_t i = 0; code == TS_OK && i < row_count; i++) {
        bool there = false;
        bool anchored = false;
        for (size_t k = 0; k < count; k++) {
            there = there || found[k].id == rows[i].id;
            anchored = anchored || found[k].anchor == rows[i].anchor;
        }
        struct store_anchor text;
        if (!there) {
            code = target_row_remove(store->mv, store_id_put(&text, rows[i].id),
                                     err);
        }
        if (code == TS_OK && !there && !anchored) {
            code = ledger_remove(store->mv, STORE_KIND,
                                 store_anchor_put(&text, rows[i].anchor), err);
        }
    }
    return code;
}

/* What was in doubt is answered by what was read; the rest is decided anew. */
static enum ts_code forget_intents(struct sim_store *store, struct ts_err *err)
{
    static const char sql[] = "DELETE FROM intent";
    static const char all_sql[] = "UPDATE metaverse SET changed = ?1 + id";
    enum ts_code code = metaverse_run(store->mv, sql, DB_NO_VALUES, err);
    if (code == TS_OK) {
        code = metaverse_run(store->mv, all_sql,
                             DB_VALUES(DB_INT(store->change)), err);
        store->change += store->object;
    }
    return code;
}

bool store_rebuild(struct sim_store *store, int64_t cookie,
                   const struct target_found *found, size_t count)
{
    int64_t values[SOURCE_ANCHORS_MAX + 1];
    struct ts_err err = { .code = TS_OK };
    source_as_of(&store->node->world->source, cookie, values);
    if (!store_begin(store, &err)) {
        return false;
    }
    enum ts_code code = drop_missing(store, found, count, &err);
    if (code == TS_OK) {
        code = see_source(store, values, &err);
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = see_found(store, &found[i], values, &err);
    }
    if (code == TS_OK) {
        code = forget_intents(store, &err);
    }
    if (code == TS_OK) {
        code = store_set_cookie(store, cookie, &err);
    }
    if (code == TS_OK) {
        code = inherit_rows_reconciled(store->mv, &err);
    }
    return store_finish(store, code, &err);
}

bool store_take_over(struct sim_store *store,
                     const struct engine_activation *activation,
                     struct inherit_found *ret_found)
{
    struct ts_err err = { .code = TS_OK };
    if (!store_begin(store, &err)) {
        return false;
    }
    enum ts_code code =
        journal_raise_epoch(store->journal, activation->epoch, &err);
    if (code == TS_OK) {
        code = inherit_rows_take(store->mv, activation, store->batch, ret_found,
                                 &err);
    }
    if (!store_finish(store, code, &err)) {
        return false;
    }
    node_committed(store->node); /* at least the epoch */
    return true;
}
