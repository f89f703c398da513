/* Intents from due to done; see store.h. */
#include "tests/sim/store_private.h"

#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

static const enum intent_phase phases[] = { INTENT_LEAVE, INTENT_USER_UPDATE,
                                            INTENT_USER_CREATE };
#define PHASES (sizeof phases / sizeof phases[0])

static struct store_op op_of(const struct intent *intent)
{
    return (struct store_op){
        .intent = intent->id,
        .metaverse_id = intent->metaverse_id,
        .id = store_id_of(intent->target_id),
        .value =
            store_value_of(ts_slice(intent->after.bytes, STORE_VALUE_SIZE)),
        .batch = intent->batch,
        .anchor = store_anchor_of(intent->anchor),
        .verb = intent->verb,
    };
}

size_t store_due(struct sim_store *store, struct store_op *ops, size_t max)
{
    struct intent intents[STORE_BATCH_MAX];
    struct ts_err err = { .code = TS_OK };
    struct ts_arena arena;
    size_t count = 0;
    ts_arena_init(&arena, 65536);
    for (size_t i = 0; i < PHASES && count == 0; i++) {
        size_t found = max;
        if (intent_due(store->mv, phases[i], 0, &arena, intents, &found,
                       &err) == TS_OK) {
            for (size_t k = 0; k < found; k++) {
                ops[count++] = op_of(&intents[k]);
            }
        }
    }
    ts_arena_done(&arena);
    return count;
}

size_t store_doubts(struct sim_store *store, struct store_op *ops, size_t max)
{
    struct intent intents[STORE_BATCH_MAX];
    struct ts_err err = { .code = TS_OK };
    struct ts_arena arena;
    size_t count = max;
    ts_arena_init(&arena, 65536);
    if (intent_in_doubt(store->mv, 0, &arena, intents, &count, &err) != TS_OK) {
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        ops[i] = op_of(&intents[i]);
    }
    ts_arena_done(&arena);
    return count;
}

bool store_mark(struct sim_store *store, struct store_op *ops, size_t *count,
                struct journal_position *ret_marked)
{
    struct ts_err err = { .code = TS_OK };
    int64_t epoch = store_position(store).epoch;
    if (*count == 0) {
        return true;
    }
    if (!store_begin(store, &err)) {
        return false;
    }
    enum ts_code code = TS_OK;
    /* The batch's number names the epoch too, so that no two are alike. */
    int64_t batch = epoch * 1000000 + ++store->batch;
    for (size_t i = 0; code == TS_OK && i < *count; i++) {
        ops[i].batch = batch;
        code = intent_mark_sent(store->mv, ops[i].intent, batch, &err);
    }
    if (!store_finish(store, code, &err)) {
        return false;
    }
    *ret_marked = store_position(store);
    return true;
}

bool store_unsent(struct sim_store *store, const struct store_op *ops,
                  size_t count)
{
    struct ts_err err = { .code = TS_OK };
    if (count == 0) {
        return true;
    }
    if (!store_begin(store, &err)) {
        return false;
    }
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = intent_unsend(store->mv, ops[i].intent, &err);
    }
    return store_finish(store, code, &err);
}

enum ts_code store_mark_due(struct sim_store *store, int64_t metaverse_id,
                            struct ts_err *err)
{
    static const char sql[] = "UPDATE metaverse SET changed = ?2 WHERE id = ?1";
    return metaverse_run(
        store->mv, sql,
        DB_VALUES(DB_INT(metaverse_id), DB_INT(++store->change)), err);
}

enum ts_code store_put_target(struct sim_store *store, int number, int64_t id,
                              int64_t value, struct ts_err *err)
{
    /* The target has it twice: the judge sees that, the ledger has the last. */
    static const char other_sql[] =
        "DELETE FROM target_object WHERE metaverse_id = ?1 AND target_id <> ?2";
    struct store_anchor anchor;
    struct store_anchor target_id;
    uint8_t bytes[STORE_VALUE_SIZE];
    struct target_row row = {
        .target_id = store_id_put(&target_id, id),
        .kind = STORE_KIND,
        .anchor = store_anchor_put(&anchor, number),
        .match_value = ts_slice("", 0),
        .etag = ts_slice("", 0),
        .active = true,
        .sent = store_value_put(bytes, value),
        .created = ts_slice("", 0),
    };
    enum ts_code code = object_by_anchor(store->mv, STORE_KIND, row.anchor,
                                         &row.metaverse_id, err);
    if (code == TS_OK) {
        code = metaverse_run(
            store->mv, other_sql,
            DB_VALUES(DB_INT(row.metaverse_id), DB_TEXT(row.target_id)), err);
    }
    return code == TS_OK ? target_row_put(store->mv, &row, err) : code;
}

static enum ts_code confirm_there(struct sim_store *store,
                                  const struct store_op *op, struct ts_err *err)
{
    struct store_anchor anchor;
    struct store_anchor target_id;
    enum ts_code code =
        store_put_target(store, op->anchor, op->id, op->value, err);
    if (code == TS_OK && op->verb == INTENT_CREATE) {
        code = ledger_put(
            store->mv, STORE_KIND, store_anchor_put(&anchor, op->anchor),
            store_id_put(&target_id, op->id), LEDGER_CREATED, err);
    }
    return code;
}

static enum ts_code confirm_gone(struct sim_store *store,
                                 const struct store_op *op, struct ts_err *err)
{
    struct store_anchor anchor;
    struct store_anchor target_id;
    enum ts_code code =
        target_row_remove(store->mv, store_id_put(&target_id, op->id), err);
    if (code == TS_OK) {
        code = ledger_remove(store->mv, STORE_KIND,
                             store_anchor_put(&anchor, op->anchor), err);
    }
    return code;
}

/* It left `due` for good: what has changed since is decided anew. */
static enum ts_code drop(struct sim_store *store, const struct store_op *op,
                         struct ts_err *err)
{
    enum ts_code code = intent_drop(store->mv, op->intent, err);
    return code == TS_OK ? store_mark_due(store, op->metaverse_id, err) : code;
}

bool store_done(struct sim_store *store, const struct store_op *op)
{
    struct ts_err err = { .code = TS_OK };
    if (!store_begin(store, &err)) {
        return false;
    }
    enum ts_code code = op->verb == INTENT_DELETE
                            ? confirm_gone(store, op, &err)
                            : confirm_there(store, op, &err);
    if (code == TS_OK) {
        code = drop(store, op, &err);
    }
    if (!store_finish(store, code, &err)) {
        return false;
    }
    if (op->verb == INTENT_DELETE) {
        judge_ledger_left(store->node->world, store->node->index, op->anchor);
    }
    return true;
}

bool store_not_done(struct sim_store *store, const struct store_op *op)
{
    struct ts_err err = { .code = TS_OK };
    return store_begin(store, &err) &&
           store_finish(store, drop(store, op, &err), &err);
}

bool store_vanished(struct sim_store *store, const struct store_op *op)
{
    struct store_anchor target_id;
    struct ts_err err = { .code = TS_OK };
    if (!store_begin(store, &err)) {
        return false;
    }
    enum ts_code code =
        target_row_remove(store->mv, store_id_put(&target_id, op->id), &err);
    return store_finish(store, code == TS_OK ? drop(store, op, &err) : code,
                        &err);
}

bool store_touch(struct sim_store *store, const int *anchors, size_t count)
{
    struct ts_err err = { .code = TS_OK };
    if (!store_begin(store, &err)) {
        return false;
    }
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        struct store_anchor anchor;
        int64_t id = 0;
        code =
            object_by_anchor(store->mv, STORE_KIND,
                             store_anchor_put(&anchor, anchors[i]), &id, &err);
        if (code == TS_OK && id != 0) {
            code = store_mark_due(store, id, &err);
        }
    }
    return store_finish(store, code, &err);
}

bool store_approve(struct sim_store *store, int64_t *ret_count)
{
    /* Not those that were only found: they are not ours to delete. */
    static const char count_sql[] =
        "SELECT count(*) FROM intent JOIN ledger ON ledger.anchor = "
        "intent.anchor WHERE clearance = 3 AND batch = 0 AND provenance <> 2";
    static const char sql[] =
        "UPDATE intent SET clearance = 1 WHERE clearance = 3 AND batch = 0 "
        "AND anchor IN (SELECT anchor FROM ledger WHERE provenance <> 2)";
    struct ts_err err = { .code = TS_OK };
    enum ts_code code =
        db_query_int(&store->mv->db, count_sql, ret_count, &err);
    if (code != TS_OK || *ret_count == 0) {
        return code == TS_OK;
    }
    return store_begin(store, &err) &&
           store_finish(
               store, metaverse_run(store->mv, sql, DB_NO_VALUES, &err), &err);
}

int64_t store_spent(struct sim_store *store)
{
    int64_t spent = 0;
    struct ts_err err = { .code = TS_OK };
    return db_query_int(&store->mv->db,
                        "SELECT ifnull(sum(amount), 0) FROM spent", &spent,
                        &err) == TS_OK
               ? spent
               : 0;
}

/* ---- what the judge reads ----------------------------------------------- */

bool store_ledger(struct sim_store *store, store_ledger_fn *each, void *context)
{
    static const char sql[] =
        "SELECT anchor, target_id, provenance FROM ledger";
    struct ts_err err = { .code = TS_OK };
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code =
        metaverse_query(store->mv, sql, DB_NO_VALUES, &stmt, &err);
    while (code == TS_OK &&
           (code = db_step(&store->mv->db, stmt, &row, &err)) == TS_OK && row) {
        each(context, store_anchor_of(db_column(stmt, 0)),
             store_id_of(db_column(stmt, 1)), (int) db_column_int(stmt, 2));
    }
    return code == TS_OK;
}

bool store_held(struct sim_store *store, int number)
{
    static const char sql[] =
        "SELECT 1 FROM intent WHERE anchor = ?1 AND clearance = 3";
    struct store_anchor anchor;
    struct ts_err err = { .code = TS_OK };
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        store->mv, sql, DB_VALUES(DB_TEXT(store_anchor_put(&anchor, number))),
        &row, &err);
    if (row != NULL) {
        db_reset(row);
    }
    return code == TS_OK && row != NULL;
}

int64_t store_open_intents(struct sim_store *store)
{
    struct intent_counts counts = { .due = 0 };
    struct ts_err err = { .code = TS_OK };
    return store->open && intent_count(store->mv, &counts, &err) == TS_OK
               ? counts.due + counts.doubt
               : -1;
}
