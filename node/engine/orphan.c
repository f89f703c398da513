#include "node/engine/orphan.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/engine/compare.h"
#include "node/engine/owner.h"
#include "node/engine/touch.h"
#include "node/metaverse/hold.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"
#include "proto/entry_codec.h"

#define SETTING "orphans-due"

/* A free object of the target that carries an anchor. */
struct stray {
    int64_t rowid;
    int kind;
    struct ts_slice target_id, anchor;
};
struct list {
    struct ts_arena arena;
    struct stray strays[ENGINE_CHUNK];
    size_t count;
};

struct orphans {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena arena; /* of the object at hand */
    struct list lists[2];  /* read in turn */
    int turn;
    int64_t holds[CONFIG_KINDS]; /* open ones, by kind; 0: not known */
    uint64_t bound;
};

enum ts_code orphan_due(struct engine_context *engine, struct ts_err *err)
{
    static const uint8_t yes[1] = { 1 };
    return metaverse_set_setting(engine->state.mv, SETTING,
                                 ts_slice(yes, sizeof yes), err);
}

static enum ts_code is_due(struct engine_context *engine, bool *ret_due,
                           struct ts_err *err)
{
    uint8_t flag[1] = { 0 };
    size_t size = 0;
    enum ts_code code = metaverse_setting(engine->state.mv, SETTING, flag,
                                          sizeof flag, &size, err);
    *ret_due = code == TS_OK && size == 1 && flag[0] == 1;
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}

/* ---- what becomes ours ------------------------------------------------------
 */

/* Was it switched off, as far as the target shows that? */
static bool is_active(const struct ts_entry *seen)
{
    const struct ts_attribute *active =
        ts_entry_find(seen, ts_slice_str(TARGET_ACTIVE_PATH));
    return active == NULL || active->value_count != 1 ||
           !ts_slice_equal(active->values[0], ts_slice_str("false"));
}

/* `row` is the counterpart of `metaverse_id` from now on. */
static enum ts_code bind(struct engine_context *engine, struct target_row *row,
                         int64_t metaverse_id, struct ts_arena *arena,
                         struct ts_err *err)
{
    struct ts_entry seen;
    enum ts_code code = entry_unpack(row->seen, arena, &seen, err);
    if (code != TS_OK) {
        return code;
    }
    row->metaverse_id = metaverse_id;
    row->active = is_active(&seen);
    row->sent = row->seen;
    row->match_value = TS_SLICE_NONE;
    return target_row_put(engine->state.mv, row, err);
}

/* A metaverse object that stands for `row`: it left, as `leaving` says. */
static enum ts_code stand_in(struct engine_context *engine,
                             struct target_row *row,
                             const struct metaverse_object *leaving,
                             struct ts_arena *arena, struct ts_err *err)
{
    static const struct ts_entry none = { .count = 0 };
    struct metaverse_object object = *leaving;
    object.id = ++engine->state.numbers.object;
    object.kind = row->kind;
    object.anchor = row->anchor;
    object.packed = row->seen;
    object.changed = ++engine->state.numbers.change;
    object.left_at = ts_wall_seconds();
    enum ts_code code = entry_pack(&none, arena, &object.once, err);
    if (code == TS_OK) {
        code = object_insert(engine->state.mv, &object, err);
    }
    return code == TS_OK ? bind(engine, row, object.id, arena, err) : code;
}

/* ---- orphans ----------------------------------------------------------------
 */

static enum intent_verb verb_of(const struct engine_context *engine, int kind)
{
    switch (compare_leaver(engine->config, kind, OBJECT_GONE)) {
    case CONFIG_LEAVER_DELETE:
        return INTENT_DELETE;
    case CONFIG_LEAVER_DEACTIVATE:
        return INTENT_DEACTIVATE;
    case CONFIG_LEAVER_KEEP:
        break;
    }
    return INTENT_ADOPT;
}

static void hold_text(char text[static HOLD_TEXT_MAX], int kind, int64_t count)
{
    (void) snprintf(text, HOLD_TEXT_MAX,
                    "%lld %s%s of the target carr%s an anchor that no source "
                    "shows: never touched unless approved by name (--only); "
                    "reject says that they are not ours",
                    (long long) count,
                    kind == CONFIG_KIND_USER ? "user" : "group",
                    count == 1 ? "" : "s", count == 1 ? "ies" : "y");
}

static enum ts_code list_orphan(struct orphans *o, const struct stray *stray,
                                struct ts_err *err)
{
    char text[HOLD_TEXT_MAX];
    int64_t *hold = &o->holds[stray->kind];
    enum ts_code code = TS_OK;
    if (*hold == 0) {
        const struct hold_reason reason = { .class = HOLD_ORPHANS,
                                            .kind = stray->kind };
        hold_text(text, stray->kind, 1);
        code = hold_open(o->mv, &reason, text, hold, err);
    }
    const struct hold_item item = { .kind = stray->kind,
                                    .anchor = stray->anchor,
                                    .verb = verb_of(o->engine, stray->kind),
                                    .amount = 1 };
    return code == TS_OK ? hold_add(o->mv, *hold, &item, err) : code;
}

/* In the ledger as found, and listed. Of several objects with one anchor the
 * ledger has the first; the next follows when that is gone. */
static enum ts_code note_orphan(struct orphans *o, const struct stray *stray,
                                struct ts_err *err)
{
    static const char sql[] = "SELECT provenance, target_id FROM ledger WHERE "
                              "kind = ?1 AND anchor = ?2";
    struct db_values key =
        DB_VALUES(DB_INT(stray->kind), DB_TEXT(stray->anchor));
    sqlite3_stmt *row = NULL;
    bool known = false;
    bool same = true;
    bool found = false;
    enum ts_code code = metaverse_row(o->mv, sql, key, &row, err);
    if (code == TS_OK && row != NULL) {
        known = true;
        found = db_column_int(row, 0) == LEDGER_FOUND;
        same = ts_slice_equal(db_column(row, 1), stray->target_id);
        db_reset(row);
    }
    if (code != TS_OK || !same) {
        return code;
    }
    if (known && !found) {
        /* Ours, and nobody stands for it any more: it is looked at anew. */
        code = ledger_remove(o->mv, stray->kind, stray->anchor, err);
    }
    if (code == TS_OK && !found) {
        code = ledger_put(o->mv, stray->kind, stray->anchor, stray->target_id,
                          LEDGER_FOUND, err);
    }
    return code == TS_OK ? list_orphan(o, stray, err) : code;
}

static enum ts_code take_leaver(struct orphans *o, const struct stray *stray,
                                const struct owned *owned, struct ts_err *err)
{
    struct target_row row;
    bool found = false;
    enum ts_code code =
        target_row_by_id(o->mv, stray->target_id, &o->arena, &row, &found, err);
    if (code != TS_OK || !found) {
        return code;
    }
    if (owned->who == OWNER_LEFT) {
        code = bind(o->engine, &row, owned->metaverse_id, &o->arena, err);
        if (code == TS_OK) {
            code = touch_one(o->engine, owned->metaverse_id, err);
        }
    } else {
        const struct metaverse_object out = {
            .presence = OBJECT_OUT, .left_by = ts_slice_str(owned->left_by)
        };
        code = stand_in(o->engine, &row, &out, &o->arena, err);
    }
    o->bound++;
    return code == TS_OK ? ledger_put(o->mv, stray->kind, stray->anchor,
                                      stray->target_id, LEDGER_ADOPTED, err)
                         : code;
}

static enum ts_code judge(struct orphans *o, const struct stray *stray,
                          struct ts_err *err)
{
    struct owned owned;
    enum ts_code code = owner_find(o->engine, stray->kind, stray->anchor,
                                   &o->arena, &owned, err);
    if (code != TS_OK) {
        return code;
    }
    switch (owned.who) {
    case OWNER_NONE:
        return note_orphan(o, stray, err);
    case OWNER_LEFT:
    case OWNER_OUTSIDE:
        return take_leaver(o, stray, &owned, err);
    case OWNER_PRESENT:
        break;
    }
    return TS_OK;
}

/* ---- once through -----------------------------------------------------------
 */

/* The rows of `sql` (row id, kind, target id, anchor) into the list that is
 * the turn. */
static enum ts_code read_list(struct orphans *o, const char *sql,
                              struct db_values values, struct ts_err *err)
{
    struct list *list = &o->lists[o->turn];
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    enum ts_code code = metaverse_query(o->mv, sql, values, &stmt, err);
    while (code == TS_OK && row && list->count < ENGINE_CHUNK) {
        struct stray *stray = &list->strays[list->count];
        code = db_step(&o->mv->db, stmt, &row, err);
        if (code != TS_OK || !row) {
            break;
        }
        *stray = (struct stray){
            .rowid = db_column_int(stmt, 0),
            .kind = (int) db_column_int(stmt, 1),
            .target_id = ts_arena_copy(&list->arena, db_column(stmt, 2)),
            .anchor = ts_arena_copy(&list->arena, db_column(stmt, 3)),
        };
        list->count++;
        if (stray->target_id.data == NULL || stray->anchor.data == NULL) {
            code = ts_fail(err, TS_E_NOMEM, 0, "could not look for orphans");
        }
    }
    if (stmt != NULL) {
        db_reset(stmt);
    }
    return code;
}

static enum ts_code read_strays(struct orphans *o, const struct stray *after,
                                struct ts_err *err)
{
    static const char sql[] =
        "SELECT t.rowid, t.kind, t.target_id, t.anchor FROM target_object t "
        "INDEXED BY target_object_anchor WHERE t.anchor <> '' AND "
        "t.metaverse_id IS NULL AND (t.anchor, t.rowid) > (?1, ?2) AND "
        "NOT t.shielded AND NOT t.disowned AND NOT EXISTS (SELECT 1 FROM "
        "intent i WHERE i.target_id = t.target_id AND i.verb = 5) "
        "ORDER BY t.anchor, t.rowid LIMIT 1000";
    return read_list(
        o, sql, DB_VALUES(DB_TEXT(after->anchor), DB_INT(after->rowid)), err);
}

/* `act` on each, in one transaction. */
static enum ts_code
for_each(struct orphans *o, const struct stray *strays, size_t count,
         enum ts_code (*act)(struct orphans *o, const struct stray *stray,
                             struct ts_err *err),
         struct ts_err *err)
{
    struct state *state = &o->engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        ts_arena_reset(&o->arena);
        code = act(o, &strays[i], err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

/* Work through all that `read` gives, from the beginning on. */
static enum ts_code
work_through(struct orphans *o,
             enum ts_code (*read)(struct orphans *o, const struct stray *after,
                                  struct ts_err *err),
             enum ts_code (*act)(struct orphans *o, const struct stray *stray,
                                 struct ts_err *err),
             struct ts_err *err)
{
    struct stray after = { .anchor = ts_slice_str(""), .kind = -1 };
    enum ts_code code = TS_OK;
    do {
        struct list *list = &o->lists[o->turn];
        ts_arena_reset(&list->arena);
        list->count = 0;
        code = read(o, &after, err);
        if (code != TS_OK || list->count == 0) {
            break;
        }
        code = for_each(o, list->strays, list->count, act, err);
        /* Lives in this list until the next but one is read. */
        after = list->strays[list->count - 1];
        o->turn = 1 - o->turn;
        o->engine->breathe(o->engine->owner, ENGINE_COMPARE, 0, 0);
        if (code == TS_OK && atomic_load(&o->engine->stopping)) {
            code = ts_fail(err, TS_E_CANCELLED, 0, "the cycle was stopped");
        }
    } while (code == TS_OK);
    return code;
}

/* ---- what is over -----------------------------------------------------------
 */

/* Rows of the ledger whose object is not there, as the whole target showed, or
 * does not carry the anchor any more: those that were found, and those that
 * nobody stands for. */
static enum ts_code read_vanished(struct orphans *o, const struct stray *after,
                                  struct ts_err *err)
{
    static const char sql[] =
        "SELECT 0, l.kind, l.target_id, l.anchor FROM ledger l WHERE "
        "(l.kind, l.anchor) > (?1, ?2) AND (l.provenance = ?3 OR NOT EXISTS "
        "(SELECT 1 FROM metaverse m WHERE m.anchor = l.anchor AND "
        "m.kind = l.kind)) AND NOT EXISTS (SELECT 1 FROM target_object t WHERE "
        "t.target_id = l.target_id AND t.anchor = l.anchor AND NOT "
        "(t.shielded AND t.metaverse_id IS NULL)) "
        "ORDER BY l.kind, l.anchor LIMIT 1000";
    return read_list(o, sql,
                     DB_VALUES(DB_INT(after->kind), DB_TEXT(after->anchor),
                               DB_INT(LEDGER_FOUND)),
                     err);
}

static enum ts_code forget(struct orphans *o, const struct stray *stray,
                           struct ts_err *err)
{
    return ledger_remove(o->mv, stray->kind, stray->anchor, err);
}

/* The holds say how many there are now. */
static enum ts_code count_orphans(struct orphans *o, struct ts_err *err)
{
    struct state *state = &o->engine->state;
    enum ts_code code = state_begin(state, err);
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        const struct hold_reason reason = { .class = HOLD_ORPHANS,
                                            .kind = kind };
        char text[HOLD_TEXT_MAX];
        int64_t hold = 0;
        int64_t count = 0;
        code = hold_find(o->mv, &reason, &hold, err);
        if (code == TS_OK && hold > 0) {
            code = hold_count(o->mv, hold, &count, err);
        }
        if (code == TS_OK && count > 0) {
            hold_text(text, kind, count);
            code = hold_say(o->mv, hold, text, err);
        }
    }
    if (code == TS_OK) {
        static const uint8_t no[1] = { 0 };
        code =
            metaverse_set_setting(o->mv, SETTING, ts_slice(no, sizeof no), err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

enum ts_code orphan_pass(struct engine_context *engine, uint64_t *ret_bound,
                         struct ts_err *err)
{
    bool due = false;
    *ret_bound = 0;
    enum ts_code code = is_due(engine, &due, err);
    if (code != TS_OK || !due) {
        return code;
    }
    struct orphans *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not look for orphans");
    }
    o->engine = engine;
    o->mv = engine->state.mv;
    ts_arena_init(&o->arena, ENGINE_OBJECT_MEMORY);
    ts_arena_init(&o->lists[0].arena, ENGINE_OBJECT_MEMORY);
    ts_arena_init(&o->lists[1].arena, ENGINE_OBJECT_MEMORY);
    code = work_through(o, read_vanished, forget, err);
    if (code == TS_OK) {
        code = work_through(o, read_strays, judge, err);
    }
    if (code == TS_OK) {
        code = count_orphans(o, err);
    }
    *ret_bound = o->bound;
    ts_arena_done(&o->lists[1].arena);
    ts_arena_done(&o->lists[0].arena);
    ts_arena_done(&o->arena);
    free(o);
    return code;
}

/* ---- an operator decided ----------------------------------------------------
 */

/* The row of an orphan. Errors: TS_E_NOT_FOUND. */
static enum ts_code find_orphan(struct engine_context *engine, int kind,
                                struct ts_slice anchor, struct ts_arena *arena,
                                struct target_row *ret_row, struct ts_err *err)
{
    static const char sql[] = "SELECT target_id FROM ledger WHERE kind = ?1 "
                              "AND anchor = ?2 AND provenance = ?3";
    struct metaverse *mv = engine->state.mv;
    struct ts_slice id = TS_SLICE_NONE;
    sqlite3_stmt *row = NULL;
    bool found = false;
    enum ts_code code = metaverse_row(
        mv, sql, DB_VALUES(DB_INT(kind), DB_TEXT(anchor), DB_INT(LEDGER_FOUND)),
        &row, err);
    if (code == TS_OK && row != NULL) {
        id = ts_arena_copy(arena, db_column(row, 0));
        db_reset(row);
        code = target_row_by_id(mv, id, arena, ret_row, &found, err);
    }
    if (code == TS_OK && !found) {
        code = ts_fail(err, TS_E_NOT_FOUND, 0,
                       "\"%.*s\" is no orphan at the target any more",
                       anchor.size > 200 ? 200 : (int) anchor.size,
                       (const char *) anchor.data);
    }
    return code;
}

enum ts_code orphan_release(struct engine_context *engine, int kind,
                            struct ts_slice anchor, struct ts_err *err)
{
    static const struct metaverse_object gone = { .presence = OBJECT_GONE };
    struct ts_arena arena;
    struct target_row row;
    int64_t id = 0;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = find_orphan(engine, kind, anchor, &arena, &row, err);
    if (code == TS_OK) {
        code = object_by_anchor(engine->state.mv, kind, anchor, &id, err);
    }
    if (code == TS_OK) {
        code = id > 0 ? touch_one(engine, id, err)
                      : stand_in(engine, &row, &gone, &arena, err);
    }
    ts_arena_done(&arena);
    return code;
}

/* ---- nobody's ---------------------------------------------------------------
 */

enum ts_code orphan_unaccounted(struct metaverse *mv,
                                orphan_unaccounted_fn *tell, void *context,
                                struct ts_err *err)
{
    static const char sql[] =
        "SELECT l.kind, l.anchor, l.target_id FROM ledger l WHERE NOT EXISTS "
        "(SELECT 1 FROM metaverse m WHERE m.anchor = l.anchor AND "
        "m.kind = l.kind) AND NOT EXISTS (SELECT 1 FROM hold_item i WHERE "
        "i.kind = l.kind AND i.anchor = l.anchor)";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        tell(context, (int) db_column_int(stmt, 0), db_column(stmt, 1),
             db_column(stmt, 2));
    }
    db_reset(stmt);
    return code;
}
