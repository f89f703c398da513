#include "node/engine/cycle.h"

#include <stdio.h>
#include <time.h>

#include "node/base/failpoint.h"
#include "node/engine/compare.h"
#include "node/engine/configure.h"
#include "node/engine/export.h"
#include "node/engine/guard.h"
#include "node/engine/hints.h"
#include "node/engine/import.h"
#include "node/engine/inherit.h"
#include "node/engine/leaver.h"
#include "node/engine/loops.h"
#include "node/engine/orphan.h"
#include "node/engine/outbox.h"
#include "node/engine/pair.h"
#include "node/engine/reanchor.h"
#include "node/engine/reconcile.h"
#include "node/engine/reconcile_run.h"
#include "node/engine/staging.h"
#include "node/engine/synchronize.h"
#include "node/engine/unique.h"
#include "node/engine/unresolved.h"
#include "node/metaverse/indexes.h"
#include "node/metaverse/loss.h"
#include "node/metaverse/problem.h"

const char *engine_phase_name(enum engine_phase phase)
{
    static const char *const names[ENGINE_PHASES] = {
        [ENGINE_IDLE] = "idle",           [ENGINE_VERIFY] = "verify",
        [ENGINE_IMPORT] = "import",       [ENGINE_SYNCHRONIZE] = "synchronize",
        [ENGINE_RECONCILE] = "reconcile", [ENGINE_COMPARE] = "compare",
        [ENGINE_EXPORT] = "export",
    };
    return names[phase];
}

const char *cycle_kind_name(enum cycle_kind kind)
{
    static const char *const names[] = { "delta", "full", "reconcile",
                                         "preview" };
    return names[kind];
}

const char *cycle_result_name(enum cycle_result result)
{
    static const char *const names[] = { "success", "partial", "held",
                                         "failed" };
    return names[result];
}

struct cycle {
    struct engine_context *engine;
    enum cycle_kind kind;
    bool full;  /* read source and target whole */
    bool first; /* the target was never read before */
    struct reconcile_run reconcile;
    struct cycle_outcome *outcome;
};

/* ---- phases
 * -------------------------------------------------------------------- */

static enum ts_code configure_phase(struct cycle *c, struct ts_err *err)
{
    struct engine_context *engine = c->engine;
    enum ts_code code = configure_rules(engine, err);
    if (code == TS_OK && engine->state.mv == NULL) {
        code = state_build(&engine->state, err);
        c->full = true;
    }
    if (code == TS_OK) {
        configure_store(engine);
    }
    return code == TS_OK && !engine->state.building
               ? reanchor_resume(engine, err)
               : code;
}

static enum ts_code import_phase(struct cycle *c, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < c->engine->config->sources_count;
         i++) {
        struct import_outcome imported;
        const char *name = c->engine->config->sources[i].name;
        (void) snprintf(c->outcome->source, sizeof c->outcome->source, "%s",
                        name);
        code = import_source(c->engine, i, c->full, &imported, err);
        c->reconcile.found.source += imported.put;
        if (code == TS_OK && imported.missing_held) {
            c->reconcile.found.not_shown += imported.missing;
            c->outcome->result = CYCLE_HELD;
            c->outcome->hold = CYCLE_HOLD_MISSING;
            (void) ts_fail(&c->outcome->err, TS_E_REFUSED, 0,
                           "%llu objects that source \"%s\" did not show are "
                           "kept: %s",
                           (unsigned long long) imported.missing, name,
                           imported.because);
        }
    }
    if (code == TS_OK) {
        code = loss_any(c->engine->state.mv, &c->engine->losses_known, err);
    }
    /* After a first load; synchronize searches these. */
    static const char *const searched[] = { "source_object", "source_link" };
    if (code == TS_OK && c->engine->config->sources_count > 1) {
        return indexes_make(c->engine->state.mv, NULL, err); /* it joins */
    }
    for (size_t i = 0; code == TS_OK && i < 2; i++) {
        code = indexes_make(c->engine->state.mv, searched[i], err);
    }
    return code;
}

/* What decides results: the rules and, if they use it, the day. */
static void rules_stamp(const struct engine_context *engine,
                        uint8_t stamp[static TS_HASH_SIZE + 16])
{
    struct ts_hash fingerprint = rules_fingerprint(engine->rules);
    memset(stamp, 0, TS_HASH_SIZE + 16);
    memcpy(stamp, fingerprint.bytes, TS_HASH_SIZE);
    if (rules_depend_on_date(engine->rules)) {
        memcpy(stamp + TS_HASH_SIZE, engine->run_date, sizeof engine->run_date);
    }
}

static enum ts_code check_rules(struct engine_context *engine,
                                struct ts_err *err)
{
    uint8_t now[TS_HASH_SIZE + 16];
    uint8_t then[TS_HASH_SIZE + 16];
    size_t size = 0;
    rules_stamp(engine, now);
    enum ts_code code = metaverse_setting(engine->state.mv, "rules", then,
                                          sizeof then, &size, err);
    if (code == TS_OK && size == sizeof now &&
        memcmp(now, then, sizeof now) == 0) {
        return TS_OK;
    }
    if (code != TS_OK && code != TS_E_NOT_FOUND) {
        return code;
    }
    code = synchronize_restart(engine, err);
    if (code == TS_OK) {
        code = state_begin(&engine->state, err);
    }
    if (code == TS_OK) {
        code = metaverse_set_setting(engine->state.mv, "rules",
                                     ts_slice(now, sizeof now), err);
        if (code != TS_OK) {
            state_rollback(&engine->state);
        }
    }
    return code == TS_OK ? state_commit(&engine->state, err) : code;
}

static enum ts_code retry_refused(struct engine_context *engine,
                                  struct ts_err *err)
{
    struct state *state = &engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    int64_t next = state->numbers.change + 1;
    code = problem_retry(state->mv, ts_wall_seconds(), &next, err);
    state->numbers.change = next - 1;
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

static enum ts_code synchronize_phase(struct cycle *c, struct ts_err *err)
{
    struct engine_context *engine = c->engine;
    enum ts_code code = check_rules(engine, err);
    if (code == TS_OK) {
        code = synchronize_due(engine, err);
    }
    if (code == TS_OK) {
        code = retry_refused(engine, err);
    }
    if (code == TS_OK) {
        code = leaver_begin(engine, err);
    }
    /* After a first load; all but those of intents, which come last. */
    static const char *const searched[] = { "metaverse",     "joined",
                                            "join_value",    "reference",
                                            "target_object", "object_error",
                                            "claim" };
    for (size_t i = 0; code == TS_OK && i < sizeof searched / sizeof *searched;
         i++) {
        code = indexes_make(engine->state.mv, searched[i], err);
    }
    if (code == TS_OK) {
        code = loops_report(engine, err);
    }
    /* A first load has no time for it; the next full cycle tells. */
    return code == TS_OK && c->full && !engine->state.building
               ? unresolved_count(engine, err)
               : code;
}

static enum ts_code reconcile_phase(struct cycle *c, struct ts_err *err)
{
    struct reconcile_outcome outcome;
    bool known = false;
    enum ts_code code = reconcile_known(c->engine, &known, err);
    if (code == TS_OK && known && !c->full && c->kind == CYCLE_DELTA &&
        hints_listed(c->engine)) {
        return hints_look(c->engine, err);
    }
    if (code != TS_OK || (known && !c->full)) {
        return code;
    }
    code = inherit_rest(c->engine, ENGINE_RECONCILE, err);
    if (code == TS_OK) {
        c->first = !known && c->kind != CYCLE_PREVIEW;
        code = reconcile_target(c->engine, &outcome, err);
        c->reconcile.found.target = outcome.objects;
    }
    return code;
}

static enum ts_code compare_phase(struct cycle *c, struct ts_err *err)
{
    uint64_t intents = 0;
    enum ts_code code = staging_begin(c->engine, err);
    return code == TS_OK ? compare_due(c->engine, &intents, err) : code;
}

/* What the target has and nobody claims, once it was read whole. */
static enum ts_code orphan_phase(struct cycle *c, struct ts_err *err)
{
    uint64_t bound = 0;
    uint64_t intents = 0;
    enum ts_code code = orphan_pass(c->engine, &bound, err);
    return code == TS_OK && bound > 0 ? compare_due(c->engine, &intents, err)
                                      : code;
}

static enum ts_code guard_phase(struct cycle *c, struct ts_err *err)
{
    enum ts_code code = unique_clear(c->engine, err);
    if (code == TS_OK) {
        code = staging_decided(c->engine, err);
    }
    if (code == TS_OK && c->first) {
        c->first = false;
        code = reconcile_run_rebuilt(&c->reconcile, err);
    }
    return code == TS_OK ? reconcile_run_decided(&c->reconcile, err) : code;
}

/* Everything else was done; what waits for a plan is for an operator. */
static enum ts_code judge_staging(struct cycle *c, struct ts_err *err)
{
    struct staging_view view;
    enum ts_code code = staging_view(c->engine, &view, err);
    if (code == TS_OK && view.waiting > 0 &&
        c->outcome->result == CYCLE_SUCCESS) {
        c->outcome->result = CYCLE_HELD;
        c->outcome->hold = CYCLE_HOLD_STAGED;
        (void) ts_fail(&c->outcome->err, TS_E_REFUSED, 0,
                       "%s; look with twinsync preview, then twinsync sync "
                       "--plan HASH",
                       view.text);
    }
    return code;
}

/* At most `size` bytes of `text`, and no half of a character. */
static int beginning(const char *text, size_t size)
{
    size_t end = strnlen(text, size);
    while (end > 0 && end == size && (text[end] & 0xC0) == 0x80) {
        end--;
        size--;
    }
    return (int) end;
}

/* What is held is for an operator too; doubts settle themselves. */
static enum ts_code judge_guard(struct cycle *c, struct ts_err *err)
{
    struct guard_view view;
    enum ts_code code = guard_view(c->engine, &view, err);
    if (code == TS_OK && view.first < view.open &&
        (c->outcome->result == CYCLE_SUCCESS ||
         c->outcome->result == CYCLE_PARTIAL)) {
        c->outcome->result = CYCLE_HELD;
        c->outcome->hold = CYCLE_HOLD_GUARD;
        const char *text = view.items[view.first % GUARD_VIEW_MAX].text;
        (void) ts_fail(&c->outcome->err, TS_E_REFUSED, 0, "%.*s%s; %s",
                       beginning(text, 360), text,
                       view.open > 1 ? ", and other holds" : "", GUARD_FIX);
    }
    return code;
}

static enum ts_code export_phase(struct cycle *c, struct ts_err *err)
{
    enum export_end end = EXPORT_COMPLETE;
    if (c->kind == CYCLE_PREVIEW) {
        return TS_OK;
    }
    enum ts_code code = export_due(c->engine, &end, err);
    if (code == TS_OK && end == EXPORT_STOPPED) {
        return err->code == TS_OK ? TS_E_UNREACHABLE : err->code;
    }
    if (code == TS_OK && end == EXPORT_COMPLETE) {
        code = staging_exported(c->engine, err);
    }
    if (code == TS_OK && end == EXPORT_PARTIAL &&
        c->outcome->result == CYCLE_SUCCESS) {
        c->outcome->result = CYCLE_PARTIAL;
        (void) ts_fail(&c->outcome->err, TS_E_UNREACHABLE, 0,
                       "some exports are not confirmed yet; they are looked up "
                       "in the next cycle");
    }
    if (code == TS_OK) {
        code = reconcile_run_sent(&c->reconcile, err);
    }
    if (code == TS_OK) {
        code = judge_guard(c, err);
    }
    return code == TS_OK ? judge_staging(c, err) : code;
}

/* ---- the whole
 * ------------------------------------------------------------------ */

struct step {
    enum engine_phase phase;
    enum ts_code (*run)(struct cycle *c, struct ts_err *err);
};

static const struct step before_select[] = {
    { ENGINE_IMPORT, configure_phase },
    { ENGINE_IMPORT, import_phase },
    { ENGINE_SYNCHRONIZE, synchronize_phase },
};
static const struct step decide[] = {
    { ENGINE_RECONCILE, reconcile_phase },
    { ENGINE_COMPARE, compare_phase },
};
static const struct step carry_out[] = {
    { ENGINE_COMPARE, orphan_phase },
    { ENGINE_COMPARE, guard_phase },
    { ENGINE_EXPORT, export_phase },
};

static enum ts_code run_steps(struct cycle *c, const struct step *steps,
                              size_t count, struct ts_err *err)
{
    for (size_t i = 0; i < count; i++) {
        enum engine_phase phase = steps[i].phase;
        struct ts_time begun = ts_time_now();
        c->engine->breathe(c->engine->owner, phase, 0, 0);
        c->outcome->failed_in = phase;
        enum ts_code code = steps[i].run(c, err);
        c->engine->counts.phase_ms[phase] += ts_time_now().ms - begun.ms;
        if (code != TS_OK) {
            return code;
        }
    }
    return TS_OK;
}
#define RUN_STEPS(c, list, err) \
    run_steps(c, list, sizeof(list) / sizeof(list)[0], err)

/* A pair's register names the generation before it is selected anywhere, and
 * shows that no standby has it yet. */
static enum ts_code record_generation(struct engine_context *engine,
                                      struct ts_err *err)
{
    const struct engine_pair *pair = engine->pair;
    struct ts_time until = ts_time_after(ts_time_now(), OUTBOX_WAIT_MS);
    int64_t generation = engine->state.generation;
    enum engine_ack ack = ENGINE_ACK_DURABLE;
    while (pair != NULL) {
        ack = pair->generation(pair->context, generation);
        if (ack != ENGINE_ACK_WAIT || atomic_load(&engine->stopping) ||
            ts_time_reached(ts_time_now(), until)) {
            break;
        }
        engine->rest(engine->owner, 100);
    }
    return ack == ENGINE_ACK_DURABLE || ack == ENGINE_ACK_UNPROTECTED
               ? TS_OK
               : ts_fail(err, TS_E_CANCELLED, 0,
                         "could not begin generation %lld: the register does "
                         "not name it yet",
                         (long long) generation);
}

/* Make a first load the state that counts. What the target could not tell is
 * asked in the next cycle: nothing is exported before. */
static enum ts_code select_build(struct cycle *c, struct ts_err *err)
{
    struct engine_context *engine = c->engine;
    if (!engine->state.building) {
        return TS_OK;
    }
    struct ts_time begun = ts_time_now();
    TS_FAILPOINT(GENERATION_BUILT);
    enum ts_code code = record_generation(engine, err);
    if (code == TS_OK) {
        code = state_select(&engine->state, err);
    }
    TS_FAILPOINT(GENERATION_SELECTED);
    if (code == TS_OK) {
        configure_store(engine);
        code = engine->selected(engine->owner, err);
    }
    engine->counts.phase_ms[ENGINE_COMPARE] += ts_time_now().ms - begun.ms;
    return code;
}

/* Whole: of what a source did not show, nothing is kept back as doubtful. */
static enum ts_code both_sides_read(struct cycle *c, struct ts_err *err)
{
    return c->outcome->hold == CYCLE_HOLD_MISSING
               ? TS_OK
               : inherit_reconciled(c->engine, err);
}

static enum ts_code run_all(struct cycle *c, struct ts_err *err)
{
    struct ts_err target_err = { .code = TS_OK };
    enum ts_code code = RUN_STEPS(c, before_select, err);
    c->outcome->source[0] = 0;
    if (code != TS_OK) {
        return code;
    }
    enum ts_code decided = RUN_STEPS(c, decide, &target_err);
    if (decided == TS_OK || decided == TS_E_UNREACHABLE ||
        decided == TS_E_AUTH || decided == TS_E_TIMEOUT ||
        decided == TS_E_PROTOCOL || decided == TS_E_CONFIG) {
        code = select_build(c, err);
    }
    if (code == TS_OK && decided != TS_OK) {
        *err = target_err;
        code = decided;
    }
    if (code == TS_OK && c->full) {
        code = both_sides_read(c, err);
    }
    /* After a takeover that lost something, nothing before both were. */
    if (code != TS_OK || c->engine->inherited.reconcile_first) {
        return code;
    }
    return RUN_STEPS(c, carry_out, err);
}

/* All, again and again where it is a reconcile. */
static enum ts_code run_passes(struct cycle *c, struct ts_err *err)
{
    bool again = true;
    enum ts_code code = TS_OK;
    while (code == TS_OK && again) {
        *c->outcome = (struct cycle_outcome){ .result = CYCLE_SUCCESS };
        code = reconcile_run_pass(&c->reconcile, err);
        if (code == TS_OK) {
            code = run_all(c, err);
        }
        if (code == TS_OK) {
            code =
                reconcile_run_conclude(&c->reconcile, c->outcome, &again, err);
        }
        c->full = c->full || again;
    }
    return code;
}

void cycle_run(struct engine_context *engine, enum cycle_kind kind,
               struct cycle_outcome *ret_outcome)
{
    struct cycle c = { .engine = engine,
                       .kind = kind,
                       .full = kind == CYCLE_RECONCILE,
                       .outcome = ret_outcome };
    struct ts_err err = { .code = TS_OK };
    time_t now = (time_t) ts_wall_seconds();
    struct tm utc;
    (void) gmtime_r(&now, &utc);
    (void) strftime(engine->run_date, sizeof engine->run_date, "%Y-%m-%d",
                    &utc);

    engine->counts = (struct cycle_counts){ .imported = 0 };
    reconcile_run_init(&c.reconcile, engine, kind == CYCLE_RECONCILE);
    json_decref(engine->plan_report);
    engine->plan_report = NULL;
    exporter_resume(engine->exporter); /* an earlier failure cancelled */
    if (atomic_load(&engine->stopping)) {
        exporter_cancel(engine->exporter);
    }
    enum ts_code code = run_passes(&c, &err);
    if (code != TS_OK) {
        ret_outcome->result = CYCLE_FAILED;
        ret_outcome->err = err;
        state_discard(&engine->state);
        reconcile_run_failed(&c.reconcile, &err);
    }
    reconcile_run_done(&c.reconcile);
    engine->accept_missing = false;
    engine->breathe(engine->owner, ENGINE_IDLE, 0, 0);
    TS_FAILPOINT(CYCLE_END);
}
