#include "node/engine/inherit.h"

#include <endian.h>
#include <stdlib.h>

#include "node/base/rule.h"
#include "node/engine/doubt.h"
#include "node/metaverse/problem.h"

/* More than that in doubt at once is an outage, not a poisonous object. */
#define FLIGHT_MAX 4096

enum reconciling {
    RECONCILE_NOT,
    RECONCILE_FIRST, /* nothing is exported before */
    RECONCILE_HELD   /* deletions are held until then */
};

/* ---- small facts -----------------------------------------------------------
 */

/* 0 when it was never set. */
static enum ts_code fact(struct metaverse *mv, const char *name,
                         int64_t *ret_value, struct ts_err *err)
{
    uint64_t value = 0;
    size_t size = 0;
    enum ts_code code =
        metaverse_setting(mv, name, &value, sizeof value, &size, err);
    *ret_value =
        code == TS_OK && size == sizeof value ? (int64_t) be64toh(value) : 0;
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}

/* Unchanged: nothing is written. */
static enum ts_code set_fact(struct metaverse *mv, const char *name,
                             int64_t value, struct ts_err *err)
{
    int64_t before = 0;
    uint64_t stored = htobe64((uint64_t) value);
    enum ts_code code = fact(mv, name, &before, err);
    return code == TS_OK && before != value
               ? metaverse_set_setting(mv, name,
                                       ts_slice(&stored, sizeof stored), err)
               : code;
}

static enum ts_code in_transaction(struct engine_context *engine,
                                   enum ts_code (*fn)(struct metaverse *mv,
                                                      struct ts_err *err),
                                   struct ts_err *err)
{
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    code = fn(engine->state.mv, err);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

/* ---- in flight at two crashes -----------------------------------------------
 */

/* Numbers of metaverse objects, as they are stored. */
struct flight {
    size_t count;
    uint64_t ids[FLIGHT_MAX];
};

static bool has(const struct flight *flight, int64_t id)
{
    for (size_t i = 0; i < flight->count; i++) {
        if (be64toh(flight->ids[i]) == (uint64_t) id) {
            return true;
        }
    }
    return false;
}

static enum ts_code flight_before(struct metaverse *mv, struct flight *flight,
                                  struct ts_err *err)
{
    size_t size = 0;
    enum ts_code code = metaverse_setting(mv, "in-flight", flight->ids,
                                          sizeof flight->ids, &size, err);
    flight->count = code == TS_OK ? size / sizeof flight->ids[0] : 0;
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}

static enum ts_code quarantine(struct metaverse *mv,
                               const struct intent *intent, struct ts_err *err)
{
    static const char why[] =
        "not touched any more, because this object was under way when the "
        "exporting node ended without warning, twice in a row; look into the "
        "journals of both nodes, then twinsync retry OBJECT";
    const struct problem problem = { .kind = intent->kind,
                                     .anchor = intent->anchor,
                                     .stage = INHERIT_STAGE,
                                     .path = ts_slice_str(""),
                                     .text = ts_slice_str(why),
                                     .after = intent->after };
    return problem_set(mv, &problem, err);
}

/* What this crash found under way: since when, and who. */
struct crash {
    struct flight before, now;
    int64_t from; /* batches of the crashed holder are above */
    bool looked;  /* it had begun to look up what is in doubt */
};

static enum ts_code crash_list(struct metaverse *mv, struct crash *crash,
                               const struct intent *intents, size_t count,
                               struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        const struct intent *intent = &intents[i];
        bool flew = intent->batch > crash->from || crash->looked;
        if (!flew || crash->now.count == FLIGHT_MAX) {
            continue;
        }
        crash->now.ids[crash->now.count++] =
            htobe64((uint64_t) intent->metaverse_id);
        if (has(&crash->before, intent->metaverse_id)) {
            code = quarantine(mv, intent, err);
        }
    }
    return code;
}

static enum ts_code crash_all(struct metaverse *mv, struct crash *crash,
                              struct ts_err *err)
{
    struct ts_arena arena;
    struct intent intents[ENGINE_LIST_MAX];
    int64_t after = 0;
    size_t count = 0;
    enum ts_code code = TS_OK;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    do {
        ts_arena_reset(&arena);
        count = ENGINE_LIST_MAX;
        code = intent_in_doubt(mv, after, &arena, intents, &count, err);
        if (code == TS_OK && count > 0) {
            after = intents[count - 1].id;
            code = crash_list(mv, crash, intents, count, err);
        }
    } while (code == TS_OK && count > 0);
    ts_arena_done(&arena);
    return code;
}

static enum ts_code note_flight(struct metaverse *mv,
                                const struct flight *before,
                                const struct flight *now, struct ts_err *err)
{
    size_t size = now->count * sizeof now->ids[0];
    bool same = before->count == now->count &&
                (size == 0 || memcmp(before->ids, now->ids, size) == 0);
    return same ? TS_OK
                : metaverse_set_setting(mv, "in-flight",
                                        ts_slice(now->ids, size), err);
}

static enum ts_code after_crash(struct metaverse *mv, int64_t from,
                                int64_t looked_in, int64_t epoch_before,
                                struct ts_err *err)
{
    struct crash *crash = calloc(1, sizeof *crash);
    if (crash == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not look at what was under way");
    }
    crash->from = from;
    crash->looked = looked_in != 0 && looked_in == epoch_before;
    enum ts_code code = flight_before(mv, &crash->before, err);
    if (code == TS_OK) {
        code = crash_all(mv, crash, err);
    }
    if (code == TS_OK) {
        code = note_flight(mv, &crash->before, &crash->now, err);
    }
    free(crash);
    return code;
}

static enum ts_code empty_flight(struct metaverse *mv, struct ts_err *err)
{
    return metaverse_set_setting(mv, "in-flight", ts_slice("", 0), err);
}

enum ts_code inherit_settled(struct engine_context *engine, struct ts_err *err)
{
    static const char sql[] =
        "SELECT EXISTS(SELECT 1 FROM setting WHERE name = 'in-flight' AND "
        "length(value) > 0)";
    int64_t some = 0;
    enum ts_code code = TS_OK;
    if (engine->pair != NULL) {
        code = db_query_int(&engine->state.mv->db, sql, &some, err);
    }
    if (code != TS_OK || some == 0) {
        return code;
    }
    return in_transaction(engine, empty_flight, err);
}

/* ---- taking over ------------------------------------------------------------
 */

static enum ts_code take_reconciling(struct engine_context *engine,
                                     const struct engine_activation *activation,
                                     struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    int64_t state = RECONCILE_NOT;
    int64_t read_all = 0;
    enum ts_code code = fact(mv, "reconcile-first", &state, err);
    if (activation->reconcile_first) {
        state = RECONCILE_FIRST;
    }
    if (state == RECONCILE_FIRST && activation->accept_data_loss) {
        state = RECONCILE_HELD;
    }
    engine->inherited.reconcile_first = state == RECONCILE_FIRST;
    engine->inherited.hold_deletions = state == RECONCILE_HELD;
    if (code == TS_OK) {
        code = fact(mv, "read-all", &read_all, err);
    }
    engine->inherited.read_all = read_all != 0;
    return code == TS_OK ? set_fact(mv, "reconcile-first", state, err) : code;
}

static enum ts_code take(struct engine_context *engine,
                         const struct engine_activation *activation,
                         struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    int64_t from = 0;
    int64_t looked_in = 0;
    int64_t last_epoch = 0;
    enum ts_code code = take_reconciling(engine, activation, err);
    if (code == TS_OK) {
        code = fact(mv, "lead-from", &from, err);
    }
    if (code == TS_OK) {
        code = fact(mv, "looked-in", &looked_in, err);
    }
    if (code == TS_OK) {
        code = fact(mv, "lead-epoch", &last_epoch, err);
    }
    if (code == TS_OK && activation->crashed) {
        code = after_crash(mv, from, looked_in, last_epoch, err);
    }
    if (code == TS_OK) {
        code = set_fact(mv, "lead-from", engine->state.numbers.batch, err);
    }
    if (code == TS_OK) {
        code = set_fact(mv, "lead-epoch", activation->epoch, err);
    }
    if (code == TS_OK && !TS_RULE(GUARD_WINDOW)) {
        code = db_exec(&mv->db, "DELETE FROM spent", err);
    }
    return code;
}

enum ts_code inherit_take(struct engine_context *engine,
                          const struct engine_activation *activation,
                          struct ts_err *err)
{
    struct ts_time now = ts_time_now();
    int64_t quiet_ms =
        1000 * ((int64_t) engine->config->target.quiesce_seconds + 1);
    engine->inherited = (struct engine_inheritance){
        .batch = engine->state.numbers.batch,
        .since = now,
        .quiet = activation->quiesce_all && TS_RULE(QUIESCE)
                     ? ts_time_after(now, quiet_ms)
                     : now,
    };
    if (engine->state.mv == NULL) {
        return TS_OK; /* all is read before anything is written anyway */
    }
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    code = take(engine, activation, err);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    return state_commit(&engine->state, err);
}

enum ts_code inherit_hinted(struct engine_context *engine, struct ts_err *err)
{
    engine->inherited.read_all = true;
    return set_fact(engine->state.mv, "read-all", 1, err);
}

static enum ts_code forget_reading(struct metaverse *mv, struct ts_err *err)
{
    enum ts_code code = set_fact(mv, "reconcile-first", RECONCILE_NOT, err);
    return code == TS_OK ? set_fact(mv, "read-all", 0, err) : code;
}

enum ts_code inherit_reconciled(struct engine_context *engine,
                                struct ts_err *err)
{
    struct engine_inheritance *inherited = &engine->inherited;
    if (!inherited->reconcile_first && !inherited->hold_deletions &&
        !inherited->read_all) {
        return TS_OK;
    }
    enum ts_code code = in_transaction(engine, forget_reading, err);
    if (code == TS_OK) {
        inherited->reconcile_first = false;
        inherited->hold_deletions = false;
        inherited->read_all = false;
    }
    return code;
}

/* ---- looking up
 * --------------------------------------------------------------
 */

static bool is_quiet(const struct engine_context *engine,
                     const struct intent *intent)
{
    int64_t quiet_s = (int64_t) engine->config->target.quiesce_seconds;
    if (engine->pair != NULL && intent->batch <= engine->inherited.batch) {
        /* Its sender's clock means nothing here. */
        const struct doubt_times times = { .since = engine->inherited.since.ms,
                                           .now = ts_time_now().ms,
                                           .quiet = 1000 * quiet_s };
        return doubt_is_quiet(&times);
    }
    /* The service may have begun with a request in the moment in which its
     * connection ended: when its answer was lost, or when the process that sent
     * it died, which was before this one began. Seconds are cut off, which is
     * why not even one more is enough. */
    const struct doubt_times times = {
        .since = intent->doubt_since > engine->started_at ? intent->doubt_since
                                                          : engine->started_at,
        .now = ts_wall_seconds(),
        .quiet = quiet_s,
    };
    return doubt_is_quiet(&times);
}

enum ts_code inherit_may_look(struct engine_context *engine,
                              const struct intent *intent, bool *ret_quiet,
                              bool *ret_quarantined, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM object_error WHERE kind = ?1 AND anchor = ?2 AND stage "
        "= '" INHERIT_STAGE "'";
    sqlite3_stmt *row = NULL;
    *ret_quiet = is_quiet(engine, intent);
    *ret_quarantined = false;
    if (!*ret_quiet || engine->pair == NULL) {
        return TS_OK;
    }
    enum ts_code code = metaverse_row(
        engine->state.mv, sql,
        DB_VALUES(DB_INT(intent->kind), DB_TEXT(intent->anchor)), &row, err);
    if (row != NULL) {
        *ret_quarantined = true;
        db_reset(row);
    }
    return code;
}

/* In the epoch of the present holder. */
static enum ts_code note_looking(struct metaverse *mv, struct ts_err *err)
{
    int64_t epoch = 0;
    enum ts_code code = fact(mv, "lead-epoch", &epoch, err);
    return code == TS_OK ? set_fact(mv, "looked-in", epoch, err) : code;
}

enum ts_code inherit_looking(struct engine_context *engine, struct ts_err *err)
{
    if (engine->pair == NULL || engine->inherited.looked) {
        return TS_OK;
    }
    engine->inherited.looked = true;
    return in_transaction(engine, note_looking, err);
}

enum ts_code inherit_quarantined(struct engine_context *engine,
                                 int64_t *ret_count, struct ts_err *err)
{
    *ret_count = 0;
    return engine->pair == NULL
               ? TS_OK
               : db_query_int(&engine->state.mv->db,
                              "SELECT count(*) FROM intent WHERE batch > 0 AND "
                              "EXISTS(SELECT 1 FROM object_error e WHERE "
                              "e.kind = intent.kind AND e.anchor = "
                              "intent.anchor AND e.stage = '" INHERIT_STAGE
                              "')",
                              ret_count, err);
}
