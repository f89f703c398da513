#include "node/engine/inherit_rows.h"

#include <endian.h>
#include <stdlib.h>

#include "node/base/rule.h"
#include "node/engine/inherit.h"
#include "node/engine/page.h"
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
    struct page page;
    enum ts_code code = TS_OK;
    page_begin(&page);
    while (page_next(&page, mv, intent_in_doubt, &code, err)) {
        code = crash_list(mv, crash, page.intents, page.count, err);
    }
    page_end(&page);
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

enum ts_code inherit_rows_settled(struct metaverse *mv, struct ts_err *err)
{
    return metaverse_set_setting(mv, "in-flight", ts_slice("", 0), err);
}

/* ---- taking over ------------------------------------------------------------
 */

static enum ts_code take_reconciling(struct metaverse *mv,
                                     const struct engine_activation *activation,
                                     struct inherit_found *found,
                                     struct ts_err *err)
{
    int64_t state = RECONCILE_NOT;
    int64_t read_all = 0;
    enum ts_code code = fact(mv, "reconcile-first", &state, err);
    if (activation->reconcile_first) {
        state = RECONCILE_FIRST;
    }
    if (state == RECONCILE_FIRST && activation->accept_data_loss) {
        state = RECONCILE_HELD;
    }
    found->reconcile_first = state == RECONCILE_FIRST;
    found->hold_deletions = state == RECONCILE_HELD;
    if (code == TS_OK) {
        code = fact(mv, "read-all", &read_all, err);
    }
    found->read_all = read_all != 0;
    return code == TS_OK ? set_fact(mv, "reconcile-first", state, err) : code;
}

enum ts_code inherit_rows_take(struct metaverse *mv,
                               const struct engine_activation *activation,
                               int64_t batch, struct inherit_found *ret_found,
                               struct ts_err *err)
{
    struct inherit_found found;
    int64_t from = 0;
    int64_t looked_in = 0;
    int64_t last_epoch = 0;
    enum ts_code code = take_reconciling(mv, activation, &found, err);
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
        code = set_fact(mv, "lead-from", batch, err);
    }
    if (code == TS_OK) {
        code = set_fact(mv, "lead-epoch", activation->epoch, err);
    }
    if (code == TS_OK && !TS_RULE(GUARD_WINDOW)) {
        code = db_exec(&mv->db, "DELETE FROM spent", err);
    }
    if (code == TS_OK) {
        *ret_found = found;
    }
    return code;
}

enum ts_code inherit_rows_hinted(struct metaverse *mv, struct ts_err *err)
{
    return set_fact(mv, "read-all", 1, err);
}

enum ts_code inherit_rows_looked_at(struct metaverse *mv, struct ts_err *err)
{
    return set_fact(mv, "read-all", 0, err);
}

enum ts_code inherit_rows_reconciled(struct metaverse *mv, struct ts_err *err)
{
    enum ts_code code = set_fact(mv, "reconcile-first", RECONCILE_NOT, err);
    return code == TS_OK ? set_fact(mv, "read-all", 0, err) : code;
}

/* In the epoch of the present holder. */
enum ts_code inherit_rows_looking(struct metaverse *mv, struct ts_err *err)
{
    int64_t epoch = 0;
    enum ts_code code = fact(mv, "lead-epoch", &epoch, err);
    return code == TS_OK ? set_fact(mv, "looked-in", epoch, err) : code;
}
