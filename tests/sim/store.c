#include "tests/sim/store_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/engine/order.h"
#include "node/metaverse/object.h"
#include "node/metaverse/spent.h"
#include "node/metaverse/target_space.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

#define DECIDE_MAX   32
#define WINDOW_HOURS 24

/* ---- names and values --------------------------------------------------- */

struct ts_slice store_anchor_put(struct store_anchor *anchor, int number)
{
    (void) snprintf(anchor->text, sizeof anchor->text, "u%d", number);
    return ts_slice_str(anchor->text);
}

int store_anchor_of(struct ts_slice text)
{
    int number = 0;
    for (size_t i = 1; i < text.size; i++) {
        number = number * 10 + (text.data[i] - '0');
    }
    return number;
}

struct ts_slice store_id_put(struct store_anchor *text, int64_t id)
{
    (void) snprintf(text->text, sizeof text->text, "t%lld", (long long) id);
    return ts_slice_str(text->text);
}

int64_t store_id_of(struct ts_slice text)
{
    return store_anchor_of(text);
}

struct ts_slice store_value_put(uint8_t bytes[static STORE_VALUE_SIZE],
                                int64_t value)
{
    for (int i = 0; i < STORE_VALUE_SIZE; i++) {
        bytes[i] = (uint8_t) (value >> (8 * (STORE_VALUE_SIZE - 1 - i)));
    }
    return ts_slice(bytes, STORE_VALUE_SIZE);
}

int64_t store_value_of(struct ts_slice bytes)
{
    int64_t value = 0;
    for (size_t i = 0; i < bytes.size && i < STORE_VALUE_SIZE; i++) {
        value = value << 8 | bytes.data[i];
    }
    return value;
}

/* ---- import ------------------------------------------------------------- */

enum ts_code store_see(struct sim_store *store, int number, int64_t value,
                       struct ts_err *err)
{
    struct store_anchor anchor;
    uint8_t bytes[STORE_VALUE_SIZE];
    struct metaverse_object object = {
        .kind = STORE_KIND,
        .anchor = store_anchor_put(&anchor, number),
        .presence = value == 0 ? OBJECT_GONE : OBJECT_IN,
        .packed = store_value_put(bytes, value),
        .once = ts_slice("", 0),
        .left_by = ts_slice("", 0),
    };
    enum ts_code code =
        object_by_anchor(store->mv, STORE_KIND, object.anchor, &object.id, err);
    if (code != TS_OK || (object.id == 0 && value == 0)) {
        return code;
    }
    object.changed = ++store->change;
    if (object.id == 0) {
        object.id = ++store->object;
        return object_insert(store->mv, &object, err);
    }
    return object_update(store->mv, &object, err);
}

int64_t store_cookie(struct sim_store *store)
{
    static const char sql[] = "SELECT cookie FROM source WHERE id = 1";
    struct ts_err err = { .code = TS_OK };
    sqlite3_stmt *row = NULL;
    int64_t cookie = 0;
    if (store->open &&
        metaverse_row(store->mv, sql, DB_NO_VALUES, &row, &err) == TS_OK &&
        row != NULL) {
        cookie = store_value_of(db_column(row, 0));
        db_reset(row);
    }
    return cookie;
}

enum ts_code store_set_cookie(struct sim_store *store, int64_t cookie,
                              struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO source VALUES(1, 'hr', ?1, x'', 0, 0) "
        "ON CONFLICT(id) DO UPDATE SET cookie = excluded.cookie";
    uint8_t bytes[STORE_VALUE_SIZE];
    return metaverse_run(store->mv, sql,
                         DB_VALUES(DB_BLOB(store_value_put(bytes, cookie))),
                         err);
}

/* Two chunks, the watermark with the last row. */
bool store_import(struct sim_store *store, int64_t cookie)
{
    struct ts_err err = { .code = TS_OK };
    const struct sim_source *source = &store->node->world->source;
    int64_t at = store_cookie(store);
    int64_t chunk = (cookie - at + 1) / 2;
    if (cookie <= at) {
        return true;
    }
    while (at < cookie) {
        enum ts_code code = TS_OK;
        if (!store_begin(store, &err)) {
            return false;
        }
        for (int64_t i = 0; code == TS_OK && i < chunk && at < cookie; i++) {
            const struct source_change *change = &source->log[at++];
            code = store_see(store, change->anchor, change->value, &err);
        }
        if (code == TS_OK && order_watermark(at < cookie)) {
            code = store_set_cookie(store, cookie, &err);
        }
        if (!store_finish(store, code, &err)) {
            return false;
        }
    }
    return true;
}

/* ---- decide ------------------------------------------------------------- */

struct due {
    int64_t id, value, changed;
    int anchor;
    bool gone;
};

static size_t read_due(struct sim_store *store, struct due *due,
                       struct ts_err *err)
{
    static const char sql[] =
        "SELECT id, anchor, presence, packed, changed FROM metaverse "
        "WHERE changed > ?1 ORDER BY changed LIMIT 32";
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    bool row = false;
    if (metaverse_query(store->mv, sql, DB_VALUES(DB_INT(store->compared)),
                        &stmt, err) != TS_OK) {
        return 0;
    }
    while (count < DECIDE_MAX &&
           db_step(&store->mv->db, stmt, &row, err) == TS_OK && row) {
        due[count++] = (struct due){
            .id = db_column_int(stmt, 0),
            .anchor = store_anchor_of(db_column(stmt, 1)),
            .gone = db_column_int(stmt, 2) != OBJECT_IN,
            .value = store_value_of(db_column(stmt, 3)),
            .changed = db_column_int(stmt, 4),
        };
    }
    db_reset(stmt);
    return count;
}

/* The guard, for a deletion: its class, and whether the budget of a window lets
 * it pass. */
static enum ts_code clear(struct sim_store *store, struct intent *intent,
                          bool keep, struct ts_err *err)
{
    const struct sim_settings *settings = &store->node->world->settings;
    struct spent_key key = { .class = HOLD_DELETES,
                             .kind = STORE_KIND,
                             .subject = ts_slice("", 0) };
    struct spent_window window =
        spent_window_of(WORLD_EPOCH_SECONDS, WINDOW_HOURS);
    enum ledger_provenance provenance = LEDGER_FOUND;
    int64_t spent = 0;
    bool has = false;
    enum ts_code code = ledger_get(store->mv, STORE_KIND, intent->anchor, &has,
                                   &provenance, err);
    if (code == TS_OK) {
        code = spent_sum(store->mv, &key, &window, &spent, err);
    }
    intent->classes =
        order_leaving(INTENT_DELETE, provenance == LEDGER_FOUND, true);
    intent->clearance = keep || order_keeps(intent->classes, false) ||
                                spent >= settings->deletes_max
                            ? INTENT_HELD
                            : INTENT_CLEARED;
    if (code == TS_OK && intent->clearance == INTENT_CLEARED) {
        code = spent_add(store->mv, &key, &window, 1, err);
    }
    return code;
}

static enum ts_code put_intent(struct sim_store *store, const struct due *due,
                               const struct target_row *row, bool keep,
                               struct ts_err *err)
{
    struct store_anchor anchor;
    uint8_t bytes[STORE_VALUE_SIZE];
    bool there = row->target_id.size > 0;
    struct intent intent = {
        .id = ++store->intent,
        .phase = due->gone ? INTENT_LEAVE
                 : there   ? INTENT_USER_UPDATE
                           : INTENT_USER_CREATE,
        .verb = due->gone ? INTENT_DELETE
                : there   ? INTENT_UPDATE
                          : INTENT_CREATE,
        .kind = STORE_KIND,
        .metaverse_id = due->id,
        .anchor = store_anchor_put(&anchor, due->anchor),
        .target_id = there ? row->target_id : ts_slice("", 0),
        .clearance = INTENT_CLEARED,
    };
    (void) store_value_put(bytes, due->value);
    memcpy(intent.after.bytes, bytes, sizeof bytes);
    enum ts_code code = TS_OK;
    if (due->gone) {
        code = clear(store, &intent, keep, err);
    }
    return code == TS_OK ? intent_put(store->mv, &intent, err) : code;
}

static enum ts_code decide_one(struct sim_store *store, const struct due *due,
                               bool keep, struct ts_err *err)
{
    struct ts_arena arena;
    struct target_row row = { .kind = STORE_KIND };
    bool exists = false;
    bool doubt = false;
    bool found = false;
    enum ts_code code = intent_of(store->mv, due->id, &exists, &doubt, err);
    if (code != TS_OK || doubt) {
        return code; /* decided anew when the doubt is settled */
    }
    ts_arena_init(&arena, 65536);
    if (exists) {
        code = intent_revoke(store->mv, due->id, err);
    }
    if (code == TS_OK) {
        code = target_row_by_metaverse(store->mv, due->id, &arena, &row, &found,
                                       err);
    }
    if (code == TS_OK && due->gone && !found) {
        code = object_remove(store->mv, due->id, err);
    } else if (code == TS_OK && (due->gone || !found ||
                                 store_value_of(row.sent) != due->value)) {
        code = put_intent(store, due, &row, keep, err);
    }
    ts_arena_done(&arena);
    return code;
}

bool store_decide(struct sim_store *store, bool keep_deletes)
{
    struct due due[DECIDE_MAX];
    struct ts_err err = { .code = TS_OK };
    for (;;) {
        size_t count = read_due(store, due, &err);
        if (count == 0) {
            return err.code == TS_OK || store_finish(store, err.code, &err);
        }
        if (!store_begin(store, &err)) {
            return false;
        }
        enum ts_code code = TS_OK;
        for (size_t i = 0; code == TS_OK && i < count; i++) {
            code = decide_one(store, &due[i], keep_deletes, &err);
            store->compared = due[i].changed;
        }
        if (!store_finish(store, code, &err)) {
            return false;
        }
    }
}
