#include "node/engine/vanished.h"

#include <stdio.h>

#include "node/base/time.h"
#include "node/engine/page.h"
#include "node/metaverse/approval.h"
#include "node/metaverse/loss.h"

/* Attributes that one object may have lost and be held for. */
#define LOSSES_MAX 16

enum ts_code vanished_clearance(struct engine_context *engine,
                                int64_t metaverse_id, struct intent *intent,
                                struct ts_err *err)
{
    bool lost = false;
    if (!engine->losses_known) {
        return TS_OK;
    }
    enum ts_code code =
        loss_of_object(engine->state.mv, metaverse_id, &lost, err);
    if (code == TS_OK && lost) {
        intent->classes |= INTENT_CLASS_LOST;
    }
    return code;
}

/* ---- holding --------------------------------------------------------------
 */

/* 1060 as "1,060". */
static const char *grouped(int64_t number, char text[static 32])
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%lld", (long long) number);
    size_t n = 0;
    for (int i = 0; i < size; i++) {
        text[n++] = digits[i];
        if (i + 1 < size && (size - i - 1) % 3 == 0) {
            text[n++] = ',';
        }
    }
    text[n] = 0;
    return text;
}

static enum ts_code explain(struct metaverse *mv, const struct loss *loss,
                            char text[static HOLD_TEXT_MAX], struct ts_err *err)
{
    int64_t lost = 0;
    int64_t objects = 0;
    char first[32];
    char second[32];
    enum ts_code code = loss_extent(mv, loss, &lost, &objects, err);
    (void) snprintf(text, HOLD_TEXT_MAX,
                    "attribute \"%.*s\" vanished from %s of %s objects of "
                    "source \"%.*s\" in one run: the account may have lost the "
                    "right to read it",
                    TS_SLICE_ARGS(loss->attribute), grouped(lost, first),
                    grouped(objects, second), TS_SLICE_ARGS(loss->source));
    return code;
}

static enum ts_code open_hold(struct metaverse *mv, int kind,
                              const struct loss *loss, int64_t *ret_id,
                              struct ts_err *err)
{
    struct hold_reason reason = { .class = HOLD_ATTRIBUTE_VANISHED,
                                  .kind = kind,
                                  .detail = loss->detail };
    char text[HOLD_TEXT_MAX];
    enum ts_code code = hold_find(mv, &reason, ret_id, err);
    if (code != TS_OK || *ret_id > 0) {
        return code;
    }
    code = explain(mv, loss, text, err);
    return code == TS_OK ? hold_open(mv, &reason, text, ret_id, err) : code;
}

static enum ts_code approved(struct metaverse *mv, const struct intent *intent,
                             bool *ret_approved, struct ts_err *err)
{
    struct approval wanted = { .kind = intent->kind,
                               .anchor = intent->anchor,
                               .verb = intent->verb,
                               .class = HOLD_ATTRIBUTE_VANISHED };
    int64_t amount = 0;
    enum ts_code code =
        approval_of(mv, &wanted, ts_wall_seconds(), &amount, err);
    *ret_approved = amount > 0;
    return code;
}

static enum ts_code keep_back(struct metaverse *mv, const struct intent *intent,
                              struct ts_arena *arena, struct ts_err *err)
{
    struct loss losses[LOSSES_MAX];
    size_t count = LOSSES_MAX;
    bool free_to_go = false;
    struct hold_item item = { .kind = intent->kind,
                              .anchor = intent->anchor,
                              .verb = intent->verb,
                              .amount = 1 };
    enum ts_code code = approved(mv, intent, &free_to_go, err);
    if (code == TS_OK) {
        code = loss_list(mv, intent->metaverse_id, arena, losses, &count, err);
    }
    if (code != TS_OK || free_to_go || count == 0) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        int64_t hold = 0;
        code = open_hold(mv, intent->kind, &losses[i], &hold, err);
        if (code == TS_OK) {
            code = hold_add(mv, hold, &item, err);
        }
    }
    return code == TS_OK && intent->id > 0
               ? intent_clear(mv, intent->id, INTENT_HELD, err)
               : code;
}

static enum ts_code keep_list(struct engine_context *engine,
                              const struct intent *intents, size_t count,
                              struct ts_arena *arena, struct ts_err *err)
{
    struct state *state = &engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        if ((intents[i].classes & INTENT_CLASS_LOST) != 0) {
            code = keep_back(state->mv, &intents[i], arena, err);
        }
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

static enum ts_code keep_all(struct engine_context *engine, struct ts_err *err)
{
    struct page page;
    enum ts_code code = TS_OK;
    page_begin(&page);
    while (page_next(&page, engine->state.mv, intent_unchecked, &code, err)) {
        code = keep_list(engine, page.intents, page.count, &page.arena, err);
    }
    page_end(&page);
    return code;
}

/* The next object after `*after` whose references are kept back because it lost
 * the attribute that they come from (reference.h): nothing was decided on it,
 * and yet it waits. As an update that is no intent; id 0 and metaverse_id 0:
 * there is none. */
static enum ts_code next_silent(struct metaverse *mv, int64_t *after,
                                struct ts_arena *arena,
                                struct intent *ret_intent, struct ts_err *err)
{
    static const char sql[] =
        "SELECT m.id, m.kind, m.anchor FROM lost_attribute l INDEXED BY "
        "lost_attribute_metaverse CROSS JOIN metaverse m ON m.id = "
        "l.metaverse_id WHERE l.metaverse_id > ?1 AND l.confirmed = 1 AND "
        "EXISTS (SELECT 1 FROM reference r INDEXED BY reference_lost WHERE "
        "r.owner_id = m.id AND r.wanted = 0 AND r.held = 1) AND NOT EXISTS "
        "(SELECT 1 FROM intent i WHERE i.metaverse_id = m.id) "
        "ORDER BY l.metaverse_id LIMIT 1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(*after)), &row, err);
    *ret_intent = (struct intent){ .verb = INTENT_UPDATE };
    if (code != TS_OK || row == NULL) {
        return code;
    }
    ret_intent->metaverse_id = *after = db_column_int(row, 0);
    ret_intent->kind = (int) db_column_int(row, 1);
    ret_intent->anchor = ts_arena_copy(arena, db_column(row, 2));
    db_reset(row);
    return ret_intent->anchor.data != NULL
               ? TS_OK
               : ts_fail(err, TS_E_NOMEM, 0,
                         "could not hold a write: out of "
                         "memory");
}

static enum ts_code keep_silent(struct engine_context *engine,
                                struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    struct intent silent = { .metaverse_id = 1 };
    struct ts_arena arena;
    int64_t after = 0;
    enum ts_code code = TS_OK;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    while (code == TS_OK && silent.metaverse_id > 0) {
        ts_arena_reset(&arena);
        code = next_silent(mv, &after, &arena, &silent, err);
        if (code == TS_OK && silent.metaverse_id > 0) {
            code = keep_back(mv, &silent, &arena, err);
        }
    }
    ts_arena_done(&arena);
    return code;
}

/* ---- letting go -----------------------------------------------------------
 */

static enum ts_code sweep(struct engine_context *engine, struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM hold_item WHERE hold_id IN (SELECT id FROM hold WHERE "
        "class = ?1) AND NOT EXISTS (SELECT 1 FROM metaverse m "
        "JOIN lost_attribute l ON l.metaverse_id = m.id AND l.confirmed = 1 "
        "JOIN source_object s ON s.id = l.object_id "
        "JOIN source o ON o.id = s.source_id "
        "WHERE m.anchor = hold_item.anchor AND m.kind = hold_item.kind "
        "AND o.name || '/' || l.attribute = "
        "(SELECT detail FROM hold WHERE id = hold_item.hold_id))";
    struct state *state = &engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = keep_silent(engine, err);
    if (code == TS_OK) {
        code = loss_forget_idle(state->mv, state->numbers.compared, err);
    }
    if (code == TS_OK) {
        code = metaverse_run(state->mv, sql,
                             DB_VALUES(DB_INT(HOLD_ATTRIBUTE_VANISHED)), err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

static enum ts_code any_hold(struct engine_context *engine, bool *ret_any,
                             struct ts_err *err)
{
    static const char sql[] = "SELECT 1 FROM hold WHERE class = ?1 LIMIT 1";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(engine->state.mv, sql,
                      DB_VALUES(DB_INT(HOLD_ATTRIBUTE_VANISHED)), &row, err);
    *ret_any = code == TS_OK && row != NULL;
    if (*ret_any) {
        db_reset(row);
    }
    return code;
}

enum ts_code vanished_pass(struct engine_context *engine, struct ts_err *err)
{
    bool held = false;
    enum ts_code code = any_hold(engine, &held, err);
    if (code == TS_OK && engine->losses_known) {
        code = keep_all(engine, err);
    }
    /* Only when something was read or decided since the last time. */
    int64_t now = engine->state.numbers.change + engine->state.numbers.intent;
    if (code == TS_OK && (held || engine->losses_known) &&
        engine->losses_swept != now) {
        code = sweep(engine, err);
        engine->losses_swept = code == TS_OK ? now : -1;
    }
    return code;
}

enum ts_code vanished_decided(struct engine_context *engine,
                              const struct hold_item *item,
                              struct ts_slice detail, struct ts_err *err)
{
    int64_t id = 0;
    enum ts_code code =
        object_by_anchor(engine->state.mv, item->kind, item->anchor, &id, err);
    return code == TS_OK && id > 0
               ? loss_release(engine->state.mv, id, detail, err)
               : code;
}
