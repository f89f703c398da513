#include "node/engine/export.h"

#include <stdlib.h>

#include "node/base/failpoint.h"
#include "node/engine/compare.h"
#include "node/engine/compose.h"
#include "node/engine/inherit.h"
#include "node/engine/outbox.h"
#include "node/engine/page.h"
#include "node/engine/settle.h"
#include "node/engine/unique.h"

#define ROUNDS_MAX 12   /* of decide and export in one cycle */
#define PASSES_MAX 8192 /* in one phase; the next cycle goes on */
#define SETTLE_MAX 256
/* How long outcomes are gathered for one transaction. */
#define GATHER_MS 20

struct export_run {
    struct engine_context *engine;
    struct state *state;
    bool ended; /* SETTLE_END: nothing more is submitted */
    bool denied;
    bool progress; /* something was submitted since this was cleared */
    uint64_t done, total;
    struct ts_err *why;
    struct outbox outbox;
};

/* ---- sending ---------------------------------------------------------------
 */

struct outgoing {
    struct export_op *ops[ENGINE_LIST_MAX];
    size_t count;
    size_t waiting; /* COMPOSE_WAIT */
};

static void outgoing_free(struct outgoing *out)
{
    for (size_t i = 0; i < out->count; i++) {
        export_op_free(out->ops[i]);
    }
    out->count = 0;
}

/* As compose; what would take a value that another has waits for him (Q1). Its
 * references do not: they are to go before those they lead to. */
static enum ts_code compose_in_turn(struct engine_context *engine,
                                    const struct intent *intent, bool force,
                                    enum compose_result *ret_result,
                                    struct export_op **ret_op,
                                    struct ts_err *err)
{
    struct export_op *op = NULL;
    bool waits = false;
    enum ts_code code = compose(engine, intent, force, ret_result, &op, err);
    if (code != TS_OK || *ret_result != COMPOSE_READY) {
        return code;
    }
    code = unique_waits(engine, intent->metaverse_id, intent->kind, &op->op.set,
                        &waits, err);
    bool links = intent->verb == INTENT_UPDATE &&
                 op->op.link_add_count + op->op.link_remove_count > 0;
    if (code != TS_OK || (waits && !links)) {
        export_op_free(op);
        *ret_result = COMPOSE_WAIT;
        return code;
    }
    if (waits) {
        op->op.set.count = 0;
        op->sent = op->had;
        op->partly = true;
        op->intent.classes = 0; /* what the guard let pass is to come yet */
    }
    *ret_op = op;
    return TS_OK;
}

/* Compose each intent and mark it as sent, in the caller's transaction. */
static enum ts_code compose_list(struct export_run *run,
                                 const struct intent *intents, size_t count,
                                 bool force, struct outgoing *out,
                                 struct ts_err *err)
{
    int64_t batch = run->state->numbers.batch + 1;
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        enum compose_result result;
        struct export_op *op = NULL;
        if (outbox_keeps_back(run->engine, &intents[i])) {
            continue;
        }
        code =
            compose_in_turn(run->engine, &intents[i], force, &result, &op, err);
        if (code != TS_OK) {
            break;
        }
        if (result == COMPOSE_WAIT) {
            out->waiting++;
        } else if (result == COMPOSE_NOTHING) {
            code = intent_drop(run->state->mv, intents[i].id, err);
        } else {
            op->op.tag.batch = (uint64_t) batch;
            out->ops[out->count++] = op;
            code = intent_mark_sent(run->state->mv, intents[i].id, batch, err);
        }
    }
    if (out->count > 0) {
        run->state->numbers.batch = batch;
    }
    return code;
}

static enum ts_code send_list(struct export_run *run,
                              const struct intent *intents, size_t count,
                              bool force, size_t *waiting, struct ts_err *err)
{
    struct outgoing out = { .count = 0 };
    enum ts_code code = state_begin(run->state, err);
    if (code != TS_OK) {
        return code;
    }
    code = compose_list(run, intents, count, force, &out, err);
    if (code == TS_OK) {
        code = state_commit(run->state, err);
    }
    if (code != TS_OK) {
        state_rollback(run->state);
        outgoing_free(&out);
        return code;
    }
    TS_FAILPOINT(EXPORT_BEFORE_SEND);
    if (out.count > 0) {
        outbox_put(run->engine, &run->outbox, out.ops, out.count);
    }
    run->progress = run->progress || out.count > 0;
    *waiting += out.waiting;
    return TS_OK;
}

/* ---- settling --------------------------------------------------------------
 */

static void note_end(struct export_run *run, const struct export_op *op)
{
    if (!run->ended) {
        (void) ts_fail(run->why,
                       op->result == TARGET_DENIED    ? TS_E_AUTH
                       : op->result == TARGET_STOPPED ? TS_E_CANCELLED
                                                      : TS_E_UNREACHABLE,
                       0, "%s", op->text);
    }
    run->ended = true;
}

static enum ts_code settle_one(struct export_run *run,
                               const struct export_op *op, bool *ret_look,
                               struct ts_err *err)
{
    enum settle_advice advice;
    enum ts_code code = settle(run->engine, op, &advice, err);
    if (code == TS_OK && advice == SETTLE_END) {
        note_end(run, op);
    }
    *ret_look = code == TS_OK && advice == SETTLE_LOOK;
    run->done++;
    return code;
}

/* A creation that met a conflict, or a write on a stale version: who is
 * there? It stays in doubt until we know. */
static enum ts_code submit_look(struct export_run *run,
                                const struct export_op *after,
                                struct ts_err *err)
{
    struct export_op *look = NULL;
    enum ts_code code = compose_look(&after->intent, &look, err);
    if (code != TS_OK) {
        return code;
    }
    const struct config *config = run->engine->config;
    for (uint32_t i = 0; i < config->rules_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        if ((int) rule->kind != after->intent.kind || rule->match_count != 1 ||
            after->op.verb != TARGET_CREATE) {
            continue;
        }
        const struct ts_attribute *value =
            ts_entry_find(&after->op.set, ts_slice_str(rule->match[0]));
        if (value != NULL && value->value_count == 1) {
            look->op.match_path = rule->match[0];
            look->op.match_value =
                ts_arena_copy(&look->arena, value->values[0]);
        }
    }
    look->reason =
        (const char *) ts_arena_copy(&look->arena, ts_slice_str(after->text))
            .data;
    look->fault = (const char *) ts_arena_copy(&look->arena,
                                               ts_slice_str(after->attribute))
                      .data;
    exporter_submit(run->engine->exporter, look);
    return TS_OK;
}

static enum ts_code settle_list(struct export_run *run,
                                struct export_op *const *ops, size_t count,
                                struct ts_err *err)
{
    bool look[SETTLE_MAX] = { false };
    enum ts_code code = state_begin(run->state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = settle_one(run, ops[i], &look[i], err);
    }
    TS_FAILPOINT(RESULT_BEFORE_COMMIT);
    if (code == TS_OK) {
        code = state_commit(run->state, err);
    }
    if (code != TS_OK) {
        state_rollback(run->state);
        return code;
    }
    TS_FAILPOINT(RESULT_COMMITTED);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        if (look[i]) {
            code = submit_look(run, ops[i], err);
        }
    }
    return code;
}

/* Take what has come back; waits for the first outcome, then gathers. */
static enum ts_code collect(struct export_run *run, struct ts_err *err)
{
    struct export_op *ops[SETTLE_MAX];
    size_t count = 0;
    struct ts_time until = ts_time_after(ts_time_now(), 1000);
    while (count < SETTLE_MAX) {
        struct export_op *op = exporter_collect(run->engine->exporter, until);
        if (op == NULL) {
            break;
        }
        TS_FAILPOINT(EXPORT_AFTER_SEND);
        ops[count++] = op;
        if (count == 1) {
            until = exporter_pending(run->engine->exporter) == 0
                        ? (struct ts_time){ .ms = 0 }
                        : ts_time_after(ts_time_now(), GATHER_MS);
        }
    }
    enum ts_code code = count > 0 ? settle_list(run, ops, count, err) : TS_OK;
    for (size_t i = 0; i < count; i++) {
        export_op_free(ops[i]);
    }
    run->engine->breathe(run->engine->owner, ENGINE_EXPORT, run->done,
                         run->total);
    if (atomic_load(&run->engine->stopping)) {
        if (!atomic_load(&run->engine->draining)) {
            exporter_cancel(run->engine->exporter);
        }
        run->ended = true;
    }
    return code;
}

static enum ts_code drain(struct export_run *run, size_t leave,
                          struct ts_err *err)
{
    enum ts_code code = TS_OK;
    while (code == TS_OK && exporter_pending(run->engine->exporter) > leave) {
        code = collect(run, err);
    }
    return code;
}

/* What cannot be sent now ends the export; that is no failure of the store. */
static enum ts_code send_out(struct export_run *run, size_t leave,
                             struct ts_err *err)
{
    enum ts_code code = outbox_flush(run->engine, &run->outbox, leave, err);
    if (code != TS_E_CANCELLED && code != TS_E_UNREACHABLE) {
        return code;
    }
    if (!run->ended) {
        *run->why = *err;
    }
    run->ended = true;
    return TS_OK;
}

/* ---- phases ----------------------------------------------------------------
 */

/* Once through the due intents of a phase; *ret_waiting of them had to wait. */
static enum ts_code pass(struct export_run *run, enum intent_phase phase,
                         bool force, size_t *ret_waiting, struct ts_err *err)
{
    struct ts_arena arena;
    struct intent intents[ENGINE_LIST_MAX];
    int64_t after = 0;
    size_t count = 0;
    enum ts_code code = TS_OK;
    *ret_waiting = 0;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    do {
        ts_arena_reset(&arena);
        count = ENGINE_LIST_MAX;
        code = intent_due(run->state->mv, phase, after, &arena, intents, &count,
                          err);
        if (code != TS_OK || count == 0) {
            break;
        }
        after = intents[count - 1].id;
        code = send_list(run, intents, count, force, ret_waiting, err);
        if (code == TS_OK) {
            code = send_out(run, OUTBOX_PARCELS - 1, err);
        }
        if (code == TS_OK) {
            code =
                drain(run, EXPORTER_WINDOW - 2 * (size_t) ENGINE_LIST_MAX, err);
        }
    } while (code == TS_OK && !run->ended);
    ts_arena_done(&arena);
    if (code == TS_OK) {
        code = send_out(run, 0, err);
    }
    return code == TS_OK ? drain(run, 0, err) : code;
}

/* Again and again while it gets on: what comes back may decide the next step
 * of the same object, as with a group whose members take many requests, or be
 * what others waited for. */
static enum ts_code export_phase(struct export_run *run,
                                 enum intent_phase phase, struct ts_err *err)
{
    size_t waiting = 0;
    bool force = false;
    enum ts_code code = TS_OK;
    for (int i = 0; code == TS_OK && i < PASSES_MAX && !run->ended; i++) {
        run->progress = false;
        code = pass(run, phase, force, &waiting, err);
        if (!run->progress && (waiting == 0 || force)) {
            break;
        }
        force = !run->progress; /* they wait for each other */
    }
    return code;
}

/* ---- doubts ----------------------------------------------------------------
 */

static enum ts_code look_up(struct export_run *run, const struct intent *intent,
                            size_t *left, struct ts_err *err)
{
    struct export_op *look = NULL;
    bool quiet = false;
    bool quarantined = false;
    enum ts_code code =
        inherit_may_look(run->engine, intent, &quiet, &quarantined, err);
    if (code != TS_OK || quarantined) {
        return code;
    }
    if (!quiet) {
        ++*left;
        return TS_OK;
    }
    code = inherit_looking(run->engine, err);
    if (code == TS_OK) {
        code = compose_look(intent, &look, err);
    }
    if (code == TS_OK) {
        exporter_submit(run->engine->exporter, look);
    }
    return code;
}

/* Look up what is in doubt and quiet; *ret_left counts what is not yet. */
static enum ts_code look_up_doubts(struct export_run *run, size_t *ret_left,
                                   struct ts_err *err)
{
    struct page page;
    enum ts_code code = TS_OK;
    *ret_left = 0;
    page_begin(&page);
    while (!run->ended &&
           page_next(&page, run->state->mv, intent_in_doubt, &code, err)) {
        for (size_t i = 0; code == TS_OK && i < page.count && !run->ended;
             i++) {
            code = look_up(run, &page.intents[i], ret_left, err);
        }
        if (code == TS_OK) {
            code = drain(run, 0, err);
        }
    }
    page_end(&page);
    return code == TS_OK ? drain(run, 0, err) : code;
}

/* Doubts become quiet by waiting; meanwhile operators are answered. */
static enum ts_code wait_quiet(struct export_run *run, struct ts_err *err)
{
    size_t left = 0;
    struct ts_time until = ts_time_after(
        ts_time_now(),
        1000 * ((int64_t) run->engine->config->target.quiesce_seconds + 2));
    enum ts_code code = look_up_doubts(run, &left, err);
    while (code == TS_OK && left > 0 && !run->ended &&
           !ts_time_reached(ts_time_now(), until)) {
        run->engine->breathe(run->engine->owner, ENGINE_EXPORT, run->done,
                             run->total);
        run->engine->rest(run->engine->owner, 200);
        run->ended = run->ended || atomic_load(&run->engine->stopping);
        code = look_up_doubts(run, &left, err);
    }
    return code;
}

/* ---- the whole -------------------------------------------------------------
 */

static enum ts_code one_round(struct export_run *run, uint64_t *ret_decided,
                              struct ts_err *err)
{
    struct intent_counts counts;
    enum ts_code code = compare_due(run->engine, ret_decided, err);
    if (code == TS_OK) {
        code = unique_clear(run->engine, err);
    }
    if (code == TS_OK) {
        code = unique_open_rings(run->engine, err);
    }
    if (code == TS_OK) {
        code = intent_count(run->state->mv, &counts, err);
    }
    if (code == TS_OK) {
        code = unique_expect(run->engine, counts.due, err);
    }
    if (code != TS_OK) {
        return code;
    }
    run->total = run->done + (uint64_t) counts.due;
    for (int phase = 0; code == TS_OK && phase < INTENT_PHASES && !run->ended;
         phase++) {
        code = export_phase(run, (enum intent_phase) phase, err);
    }
    if (code == TS_OK && !run->ended) {
        code = wait_quiet(run, err);
    }
    return code;
}

/* Alone, a cycle begins by waiting for what is in doubt; after a takeover the
 * objects that are not in doubt come first. */
static enum ts_code begin(struct export_run *run, struct ts_err *err)
{
    size_t left = 0;
    run->ended = inherit_rest(run->engine, ENGINE_EXPORT, run->why) != TS_OK;
    return run->engine->pair == NULL ? wait_quiet(run, err)
                                     : look_up_doubts(run, &left, err);
}

/* What is left, but for what waits for an operator. */
static enum ts_code count_left(struct export_run *run,
                               struct intent_counts *left, struct ts_err *err)
{
    int64_t quarantined = 0;
    enum ts_code code = intent_count(run->state->mv, left, err);
    if (code == TS_OK) {
        code = inherit_quarantined(run->engine, &quarantined, err);
    }
    left->doubt -= quarantined;
    return code;
}

static enum ts_code conclude(struct export_run *run,
                             const struct intent_counts *left,
                             enum export_end *ret_end, struct ts_err *err)
{
    *ret_end = run->ended                         ? EXPORT_STOPPED
               : left->due > 0 || left->doubt > 0 ? EXPORT_PARTIAL
                                                  : EXPORT_COMPLETE;
    if (run->ended && run->why->code == TS_OK) {
        (void) ts_fail(run->why, TS_E_CANCELLED, 0,
                       "the export was cut off: this node stops, or gives the "
                       "lease up");
    }
    if (run->ended) {
        *err = *run->why;
        return TS_OK;
    }
    return *ret_end == EXPORT_COMPLETE ? inherit_settled(run->engine, err)
                                       : TS_OK;
}

static enum ts_code run_export(struct export_run *run, enum export_end *ret_end,
                               struct ts_err *err)
{
    struct intent_counts left = { .due = 0 };
    uint64_t decided = 0;
    enum ts_code code = begin(run, err);
    for (int i = 0; code == TS_OK && i < ROUNDS_MAX && !run->ended; i++) {
        uint64_t before = run->done;
        code = one_round(run, &decided, err);
        if (code == TS_OK) {
            code = count_left(run, &left, err);
        }
        if (left.due == 0 && decided == 0 && run->done == before) {
            break; /* what was created may be referred to now: once more */
        }
    }
    outbox_done(&run->outbox);
    return code == TS_OK ? conclude(run, &left, ret_end, err) : code;
}

enum ts_code export_due(struct engine_context *engine, enum export_end *ret_end,
                        struct ts_err *err)
{
    struct ts_err why = { .code = TS_OK };
    struct export_run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not export");
    }
    run->engine = engine;
    run->state = &engine->state;
    run->why = &why;
    enum ts_code code = run_export(run, ret_end, err);
    free(run);
    if (code != TS_OK) {
        /* The store failed: nothing may be left under way that it does not
         * know of; it is in doubt there. */
        exporter_cancel(engine->exporter);
    }
    return code;
}
