#include "node/engine/replaced.h"

#include <assert.h>
#include <stdio.h>

#include "node/base/time.h"
#include "node/engine/page.h"
#include "node/engine/twins.h"
#include "node/metaverse/approval.h"
#include "node/metaverse/hold.h"
#include "node/metaverse/target_space.h"

/* ---- is there reason to look? ---------------------------------------------
 */

static enum ts_code number(struct metaverse *mv, const char *sql,
                           int64_t *ret_number, struct ts_err *err)
{
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(mv, sql, DB_NO_VALUES, &row, err);
    if (code == TS_OK) {
        *ret_number = db_column_int(row, 0);
        db_reset(row);
    }
    return code;
}

static_assert(INTENT_CLASS_CREATE == 1 && INTENT_CLASS_DELETE == 2 &&
                  INTENT_CLASS_DEACTIVATE == 4 && INTENT_UNCHECKED == 0 &&
                  INTENT_CLEARED == 1 && INTENT_STAGED == 2 &&
                  INTENT_HELD == 3 && HOLD_ANCHORS_REPLACED == 7 &&
                  LEDGER_FOUND == 2,
              "as written in the statements below");

static enum ts_code mass_departure(struct metaverse *mv, bool *ret_much,
                                   struct ts_err *err)
{
    static const char leaving_sql[] =
        "SELECT (SELECT count(*) FROM intent INDEXED BY intent_unchecked WHERE "
        "batch = 0 AND clearance = 0 AND classes & 6) + (SELECT count(*) FROM "
        "intent INDEXED BY intent_kept WHERE batch = 0 AND clearance > 1 AND "
        "classes & 6)";
    static const char ledger_sql[] =
        "SELECT count(*) FROM ledger WHERE provenance <> 2";
    int64_t leaving = 0;
    int64_t ledger = 0;
    enum ts_code code = number(mv, leaving_sql, &leaving, err);
    if (code == TS_OK && leaving >= REPLACED_LEAST) {
        code = number(mv, ledger_sql, &ledger, err);
    }
    *ret_much = code == TS_OK && leaving >= REPLACED_LEAST &&
                leaving * 100 >= ledger * REPLACED_PERCENT;
    return code;
}

/* Grows whenever something is read or decided. */
static int64_t decided(const struct engine_context *engine)
{
    return engine->state.numbers.change + engine->state.numbers.intent;
}

/* Something that could be half of a pair was decided since the last look. */
static enum ts_code due(struct engine_context *engine, bool held, bool *ret_due,
                        struct ts_err *err)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT 1 FROM intent INDEXED BY intent_unchecked WHERE "
        "batch = 0 AND clearance = 0 AND classes & 7) OR EXISTS (SELECT 1 FROM "
        "intent INDEXED BY intent_kept WHERE batch = 0 AND clearance > 1 AND "
        "clearance = 2 AND classes & 7)";
    struct metaverse *mv = engine->state.mv;
    int64_t some = 0;
    *ret_due = false;
    if (engine->replaced_seen == decided(engine)) {
        return TS_OK;
    }
    enum ts_code code = number(mv, sql, &some, err);
    *ret_due = code == TS_OK && some != 0;
    return *ret_due && !held ? mass_departure(mv, ret_due, err) : code;
}

/* ---- holding --------------------------------------------------------------
 */

struct replaced {
    struct engine_context *engine;
    struct twins_key key[CONFIG_KINDS];
    struct twins_count count[CONFIG_KINDS];
    int64_t holds[CONFIG_KINDS];
};

static enum ts_code open_hold(struct replaced *r, int kind, struct ts_err *err)
{
    static const char *const names[CONFIG_KINDS] = {
        [CONFIG_KIND_USER] = "users",
        [CONFIG_KIND_GROUP] = "groups",
    };
    struct metaverse *mv = r->engine->state.mv;
    struct hold_reason reason = { .class = HOLD_ANCHORS_REPLACED,
                                  .kind = kind,
                                  .detail = ts_slice_str("") };
    char text[HOLD_TEXT_MAX];
    const char *path = r->key[kind].paths[0];
    const struct twins_count *count = &r->count[kind];
    long long gone = count->pairs + count->ambiguous;
    if (r->holds[kind] > 0) {
        return TS_OK;
    }
    (void) snprintf(text, sizeof text,
                    "%lld %s are gone from the source while as many with the "
                    "same %s came under other anchors, as after a reload or a "
                    "migration: see twinsync reanchor --match %s --dry-run",
                    gone, names[kind], path, path);
    return hold_open(mv, &reason, text, &r->holds[kind], err);
}

static enum ts_code keep_back(struct replaced *r, const struct intent *intent,
                              struct ts_err *err)
{
    struct metaverse *mv = r->engine->state.mv;
    struct approval wanted = { .kind = intent->kind,
                               .anchor = intent->anchor,
                               .verb = intent->verb,
                               .class = HOLD_ANCHORS_REPLACED };
    struct hold_item item = { .kind = intent->kind,
                              .anchor = intent->anchor,
                              .verb = intent->verb,
                              .amount = 1 };
    int64_t amount = 0;
    enum ts_code code =
        approval_of(mv, &wanted, ts_wall_seconds(), &amount, err);
    if (code != TS_OK || amount > 0) {
        return code;
    }
    code = open_hold(r, intent->kind, err);
    if (code == TS_OK) {
        code = hold_add(mv, r->holds[intent->kind], &item, err);
    }
    return code == TS_OK ? intent_clear(mv, intent->id, INTENT_HELD, err)
                         : code;
}

/* The unsent creations and deletions of twins, ambiguous ones included, with
 * ids above `after`. */
static enum ts_code next_intents(struct metaverse *mv, int64_t after,
                                 struct ts_arena *arena, struct intent *intents,
                                 size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT i.id, i.kind, i.anchor, i.verb FROM intent i WHERE i.id > ?1 "
        "AND i.batch = 0 AND i.clearance <> 1 AND i.classes & 7 AND EXISTS "
        "(SELECT 1 FROM temp.involved v WHERE v.id = i.metaverse_id) "
        "ORDER BY i.id LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(after), DB_INT((int64_t) *count)), &stmt,
        err);
    while (n < *count && db_next(&mv->db, stmt, &code, err)) {
        intents[n] = (struct intent){
            .id = db_column_int(stmt, 0),
            .kind = (int) db_column_int(stmt, 1),
            .anchor = ts_arena_copy(arena, db_column(stmt, 2)),
            .verb = (enum intent_verb) db_column_int(stmt, 3),
        };
        if (intents[n++].anchor.data == NULL) {
            code = ts_fail(err, TS_E_NOMEM, 0,
                           "could not hold a write: out of "
                           "memory");
        }
    }
    db_reset(stmt);
    *count = n;
    return code;
}

static enum ts_code keep_list(struct replaced *r, const struct intent *intents,
                              size_t count, struct ts_err *err)
{
    struct state *state = &r->engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = keep_back(r, &intents[i], err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

static enum ts_code involve(struct metaverse *mv, struct ts_err *err)
{
    return db_exec(
        &mv->db,
        "CREATE TEMP TABLE IF NOT EXISTS involved(id INTEGER PRIMARY KEY);"
        "DELETE FROM temp.involved;"
        "INSERT OR IGNORE INTO temp.involved SELECT c.id FROM (SELECT kind, "
        "value FROM temp.candidate GROUP BY kind, value HAVING max(side) > "
        "min(side)) v JOIN temp.candidate c ON c.kind = v.kind AND c.value = "
        "v.value",
        err);
}

static enum ts_code keep_pairs(struct replaced *r, struct ts_err *err)
{
    struct metaverse *mv = r->engine->state.mv;
    struct page page;
    twins_default_key(r->engine->config, r->key);
    enum ts_code code = twins_find(r->engine, r->key, r->count, err);
    if (code == TS_OK) {
        code = involve(mv, err);
    }
    page_begin(&page);
    while (page_next(&page, mv, next_intents, &code, err)) {
        code = keep_list(r, page.intents, page.count, err);
    }
    page_end(&page);
    return code;
}

/* ---- letting go -----------------------------------------------------------
 */

static enum ts_code sweep(struct engine_context *engine, struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM hold_item WHERE hold_id IN (SELECT id FROM hold WHERE "
        "class = ?1) AND NOT EXISTS (SELECT 1 FROM metaverse m JOIN intent i "
        "ON i.metaverse_id = m.id AND i.batch = 0 AND i.verb = hold_item.verb "
        "WHERE m.anchor = hold_item.anchor AND m.kind = hold_item.kind)";
    struct state *state = &engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = metaverse_run(state->mv, sql,
                         DB_VALUES(DB_INT(HOLD_ANCHORS_REPLACED)), err);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

enum ts_code replaced_pass(struct engine_context *engine, struct ts_err *err)
{
    static const char open_sql[] =
        "SELECT EXISTS (SELECT 1 FROM hold WHERE class = 7)";
    struct replaced r = { .engine = engine };
    int64_t held = 0;
    bool look = false;
    enum ts_code code = number(engine->state.mv, open_sql, &held, err);
    if (code == TS_OK) {
        code = due(engine, held != 0, &look, err);
    }
    if (code == TS_OK && look) {
        code = keep_pairs(&r, err);
    }
    if (code == TS_OK && held != 0 &&
        engine->replaced_seen != decided(engine)) {
        code = sweep(engine, err);
    }
    if (code == TS_OK) {
        engine->replaced_seen = decided(engine);
    }
    return code;
}
