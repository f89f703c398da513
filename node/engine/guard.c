#include "node/engine/guard.h"

#include "node/base/failpoint.h"
#include "node/base/time.h"
#include "node/engine/guard_run.h"
#include "node/engine/order.h"
#include "node/engine/page.h"
#include "node/engine/plan.h"
#include "node/engine/replaced.h"
#include "node/engine/staging.h"
#include "node/engine/vanished.h"

/* A pass that decides anew on what it found (guard_members_hold) has more to
 * check; the rest would wait for the next pass, unsent. */
#define ROUNDS_MAX 4

static bool has_class(const struct intent *intent, enum hold_class class)
{
    return (intent->classes >> class & 1U) != 0;
}

/* ---- when an intent is decided ---------------------------------------------
 */

enum ts_code guard_clearance(struct engine_context *engine,
                             const struct metaverse_object *object,
                             struct intent *intent, struct ts_err *err)
{
    unsigned held = 0;
    enum ts_code code = vanished_clearance(engine, object->id, intent, err);
    if (code != TS_OK) {
        return code;
    }
    if (staging_governs(engine)) {
        if (engine->holds_known) {
            code = hold_classes_of(engine->state.mv, intent->kind,
                                   intent->anchor, &held, err);
        }
        if (code == TS_OK && held != 0) {
            intent->clearance = INTENT_UNCHECKED;
            return TS_OK;
        }
        return code == TS_OK ? staging_clearance(engine, object, intent, err)
                             : code;
    }
    intent->clearance =
        intent->classes == 0 ? INTENT_CLEARED : INTENT_UNCHECKED;
    return TS_OK;
}

enum ts_code guard_approved(struct guard_run *run, const struct intent *intent,
                            enum hold_class class, int64_t *ret_amount,
                            struct ts_err *err)
{
    const struct approval wanted = { .kind = intent->kind,
                                     .anchor = intent->anchor,
                                     .verb = intent->verb,
                                     .class = class };
    return approval_of(run->mv, &wanted, run->now, ret_amount, err);
}

enum ts_code guard_confirmed(struct engine_context *engine,
                             const struct export_op *op, struct ts_err *err)
{
    const struct intent *intent = &op->intent;
    struct approval carried = { .kind = intent->kind,
                                .anchor = intent->anchor,
                                .verb = intent->verb };
    enum ts_code code = TS_OK;
    if (intent->classes == 0) {
        return TS_OK;
    }
    if (has_class(intent, HOLD_MEMBERS)) {
        code = guard_members_taken(engine->state.mv, op, &carried.amount, err);
    }
    return code == TS_OK ? approval_carried(engine->state.mv, &carried, err)
                         : code;
}

/* ---- tallying --------------------------------------------------------------
 */

/* The detail of an exit is the term that became false; copied into `arena`. */
static enum ts_code reason_of(struct guard_run *run,
                              const struct intent *intent,
                              enum hold_class class, struct ts_arena *arena,
                              struct hold_reason *ret_reason,
                              struct ts_err *err)
{
    static const char sql[] = "SELECT left_by FROM metaverse WHERE id = ?1";
    struct hold_reason reason = { .class = class,
                                  .kind = intent->kind,
                                  .detail = ts_slice_str("") };
    sqlite3_stmt *row = NULL;
    enum ts_code code = TS_OK;
    if (class == HOLD_EXITS) {
        code = metaverse_row(
            run->mv, sql, DB_VALUES(DB_INT(intent->metaverse_id)), &row, err);
    }
    if (row != NULL) {
        reason.detail = ts_arena_copy(arena, db_column(row, 0));
        db_reset(row);
    }
    if (code == TS_OK && reason.detail.data == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not check what is to be written: out of memory");
    }
    *ret_reason = reason;
    return code;
}

static struct guard_sum *sum_for(const struct guard_run *run,
                                 const struct hold_reason *reason)
{
    for (size_t i = 0; i < run->sum_count; i++) {
        const struct hold_reason *known = &run->sums[i].reason;
        if (known->class == reason->class && known->kind == reason->kind &&
            ts_slice_equal(known->detail, reason->detail)) {
            return &run->sums[i];
        }
    }
    return NULL;
}

static enum ts_code add_to_sum(struct guard_run *run,
                               const struct hold_reason *reason,
                               struct ts_err *err)
{
    struct guard_sum *sum = sum_for(run, reason);
    int64_t open = 0;
    enum ts_code code = TS_OK;
    if (sum != NULL) {
        sum->due++;
        return TS_OK;
    }
    if (run->sum_count == run->sum_room) {
        size_t room = run->sum_room == 0 ? 16 : 2 * run->sum_room;
        struct guard_sum *more =
            ts_arena_array(&run->arena, room, sizeof *more);
        if (more == NULL) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "could not check what is to be written: it is for "
                           "too many reasons");
        }
        if (run->sum_count > 0) {
            memcpy(more, run->sums, run->sum_count * sizeof *more);
        }
        run->sums = more;
        run->sum_room = room;
    }
    code = hold_find(run->mv, reason, &open, err);
    run->sums[run->sum_count++] =
        (struct guard_sum){ .reason = *reason, .due = 1, .open = open > 0 };
    return code;
}

/* In which classes beside the budgets is it kept back, whoever says so? */
static enum ts_code kept_by_others(struct guard_run *run,
                                   const struct intent *intent,
                                   unsigned *ret_classes, struct ts_err *err)
{
    unsigned classes = 0;
    int64_t approved = 0;
    enum ts_code code = TS_OK;
    if (run->others) {
        code = hold_classes_of(run->mv, intent->kind, intent->anchor, &classes,
                               err);
    }
    classes &= GUARD_OTHERS;
    if (code == TS_OK && order_keeps(intent->classes, false)) {
        code = guard_approved(run, intent, HOLD_ORPHANS, &approved, err);
        if (order_keeps(intent->classes, approved > 0)) {
            classes |= 1U << HOLD_ORPHANS;
        }
    }
    *ret_classes = classes;
    return code;
}

static enum ts_code tally_one(struct guard_run *run,
                              const struct intent *intent, struct ts_err *err)
{
    unsigned kept = 0;
    enum ts_code code = kept_by_others(run, intent, &kept, err);
    if (code != TS_OK || kept != 0) {
        return code; /* held whatever the budgets say */
    }
    for (int class = 0; code == TS_OK && class < GUARD_OWN_CLASSES; class ++) {
        struct hold_reason reason;
        int64_t approved = 0;
        if (!has_class(intent, (enum hold_class) class)) {
            continue;
        }
        code = guard_approved(run, intent, (enum hold_class) class, &approved,
                              err);
        if (code == TS_OK && approved == 0) {
            code = reason_of(run, intent, (enum hold_class) class, &run->arena,
                             &reason, err);
            if (code == TS_OK) {
                code = add_to_sum(run, &reason, err);
            }
        }
    }
    return code == TS_OK && has_class(intent, HOLD_MEMBERS) && !run->staging
               ? guard_members_tally(run, intent, err)
               : code;
}

/* ---- judging ---------------------------------------------------------------
 */

/* After a takeover that lost something, and for which an operator did not
 * wait: no deletion before both sides were read. */
static bool held_until_read(const struct engine_context *engine,
                            enum hold_class class)
{
    return engine->inherited.hold_deletions &&
           (class == HOLD_DELETES || class == HOLD_DEACTIVATIONS ||
            class == HOLD_EXITS);
}

/* One budget a class and kind, whatever the details; what is held already is
 * not asked for again. */
static enum ts_code judge_class(struct guard_run *run, enum hold_class class,
                                int kind, struct ts_err *err)
{
    struct spent_key key = { .class = class, .kind = kind };
    struct guard_budget budget;
    int64_t due = 0;
    for (size_t i = 0; i < run->sum_count; i++) {
        const struct guard_sum *sum = &run->sums[i];
        due +=
            sum->reason.class == class && sum->reason.kind == kind && !sum->open
                ? sum->due
                : 0;
    }
    if (due == 0 || run->staging) {
        return TS_OK;
    }
    enum ts_code code = guard_budget_of(run->engine, &key, due, &budget, err);
    for (size_t i = 0; code == TS_OK && i < run->sum_count; i++) {
        struct guard_sum *sum = &run->sums[i];
        if (sum->reason.class == class && sum->reason.kind == kind) {
            sum->over = guard_budget_exceeded(&budget) ||
                        held_until_read(run->engine, class);
        }
    }
    return code == TS_OK ? guard_budget_note(run->engine, &budget, err) : code;
}

static enum ts_code judge(struct guard_run *run, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (int class = 0; code == TS_OK && class < GUARD_OWN_CLASSES; class ++) {
        for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
            code = judge_class(run, (enum hold_class) class, kind, err);
        }
    }
    return code == TS_OK ? guard_members_judge(run, err) : code;
}

/* ---- carrying out ----------------------------------------------------------
 */

struct verdict {
    unsigned held;    /* classes that keep it back */
    unsigned counted; /* classes whose budgets it uses */
};

static enum ts_code verdict_of(struct guard_run *run,
                               const struct intent *intent,
                               struct ts_arena *arena, struct verdict *ret,
                               struct ts_err *err)
{
    struct verdict verdict = { .held = 0 };
    enum ts_code code = kept_by_others(run, intent, &verdict.held, err);
    for (int class = 0; code == TS_OK && class < GUARD_OWN_CLASSES; class ++) {
        struct hold_reason reason;
        int64_t approved = 0;
        if (!has_class(intent, (enum hold_class) class)) {
            continue;
        }
        code = guard_approved(run, intent, (enum hold_class) class, &approved,
                              err);
        if (code != TS_OK || approved > 0) {
            continue;
        }
        code = reason_of(run, intent, (enum hold_class) class, arena, &reason,
                         err);
        if (code == TS_OK) {
            const struct guard_sum *sum = sum_for(run, &reason);
            unsigned bit = 1U << class;
            verdict.held |= sum != NULL && (sum->open || sum->over) ? bit : 0;
            verdict.counted |= bit;
        }
    }
    *ret = verdict;
    return code;
}

/* An item in each of the holds that keep it back; others have added theirs. */
static enum ts_code hold_intent(struct guard_run *run,
                                const struct intent *intent, unsigned classes,
                                struct ts_arena *arena, struct ts_err *err)
{
    const struct hold_item item = { .kind = intent->kind,
                                    .anchor = intent->anchor,
                                    .verb = intent->verb,
                                    .amount = 1 };
    static const char orphans[] =
        "objects that carry anchors that no source was ever seen to have";
    enum ts_code code = TS_OK;
    for (int class = 0; code == TS_OK && class < HOLD_CLASSES; class ++) {
        bool own = class < GUARD_OWN_CLASSES;
        struct hold_reason reason;
        int64_t id = 0;
        if ((classes >> class & 1U) == 0 || !(own || class == HOLD_ORPHANS)) {
            continue;
        }
        code = reason_of(run, intent, (enum hold_class) class, arena, &reason,
                         err);
        if (code == TS_OK) {
            code = hold_open(run->mv, &reason, own ? "" : orphans, &id, err);
        }
        if (code == TS_OK) {
            code = hold_add(run->mv, id, &item, err);
        }
    }
    return code == TS_OK ? intent_clear(run->mv, intent->id, INTENT_HELD, err)
                         : code;
}

static enum ts_code count_one(struct guard_run *run,
                              const struct intent *intent,
                              enum hold_class class, struct ts_err *err)
{
    struct spent_window window =
        spent_window_of(run->now, run->engine->config->guard.window_hours);
    struct spent_key key = { .class = class, .kind = intent->kind };
    struct approval passed = { .kind = intent->kind,
                               .anchor = intent->anchor,
                               .verb = intent->verb,
                               .class = class,
                               .amount = 1,
                               .expires_at = run->now + HOLD_APPROVED_S };
    enum ts_code code = spent_add(run->mv, &key, &window, 1, err);
    return code == TS_OK ? approval_put(run->mv, &passed, err) : code;
}

/* An operator approved it while nothing is written but by a plan. */
static enum ts_code let_plan_decide(struct guard_run *run,
                                    const struct intent *intent,
                                    struct ts_err *err)
{
    struct metaverse_object object;
    struct ts_arena arena;
    bool allowed = false;
    enum ts_code code = TS_OK;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    if (run->engine->plan != NULL) {
        code = object_get(run->mv, intent->metaverse_id, &arena, &object, err);
        if (code == TS_OK) {
            code = plan_allows(run->engine, &object, intent, &allowed, err);
        }
    }
    ts_arena_done(&arena);
    return code == TS_OK
               ? intent_clear(run->mv, intent->id,
                              allowed ? INTENT_CLEARED : INTENT_STAGED, err)
               : code;
}

static enum ts_code let_pass(struct guard_run *run, const struct intent *intent,
                             unsigned counted, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    if (run->staging) {
        return let_plan_decide(run, intent, err);
    }
    for (int class = 0; code == TS_OK && class < GUARD_OWN_CLASSES; class ++) {
        if ((counted >> class & 1U) != 0) {
            code = count_one(run, intent, (enum hold_class) class, err);
        }
    }
    if (code == TS_OK && has_class(intent, HOLD_MEMBERS)) {
        code = guard_members_count(run, intent, err);
    }
    return code == TS_OK
               ? intent_clear(run->mv, intent->id, INTENT_CLEARED, err)
               : code;
}

static enum ts_code carry_one(struct guard_run *run,
                              const struct intent *intent,
                              struct ts_arena *arena, struct ts_err *err)
{
    struct verdict verdict;
    enum ts_code code = verdict_of(run, intent, arena, &verdict, err);
    if (code != TS_OK) {
        return code;
    }
    if (verdict.held != 0) {
        return hold_intent(run, intent, verdict.held, arena, err);
    }
    const struct guard_loss *loss = guard_members_over(run, intent);
    return loss != NULL ? guard_members_hold(run, intent, loss, err)
                        : let_pass(run, intent, verdict.counted, err);
}

static enum ts_code carry_list(struct guard_run *run,
                               const struct intent *intents, size_t count,
                               struct ts_arena *arena, struct ts_err *err)
{
    struct state *state = &run->engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = carry_one(run, &intents[i], arena, err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    code = state_commit(state, err);
    TS_FAILPOINT(GUARD_CHUNK);
    return code;
}

static enum ts_code tally_list(struct guard_run *run,
                               const struct intent *intents, size_t count,
                               struct ts_arena *arena, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    (void) arena;
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = tally_one(run, &intents[i], err);
    }
    return code;
}

/* ---- the pass --------------------------------------------------------------
 */

typedef enum ts_code list_fn(struct guard_run *run,
                             const struct intent *intents, size_t count,
                             struct ts_arena *arena, struct ts_err *err);

/* Give `fn` the unchecked intents with numbers up to run->last, in order. */
static enum ts_code for_unchecked(struct guard_run *run, list_fn *fn,
                                  struct ts_err *err)
{
    struct page page;
    enum ts_code code = TS_OK;
    page_begin(&page);
    while (page_next(&page, run->mv, intent_unchecked, &code, err)) {
        size_t count = page.count;
        while (count > 0 && page.intents[count - 1].id > run->last) {
            count--;
        }
        if (count > 0) {
            code = fn(run, page.intents, count, &page.arena, err);
        }
        if (count < page.count) {
            break; /* they came since */
        }
    }
    page_end(&page);
    return code;
}

/* Run `fn` as one transaction. */
static enum ts_code in_transaction(struct guard_run *run,
                                   enum ts_code (*fn)(struct guard_run *run,
                                                      struct ts_err *err),
                                   struct ts_err *err)
{
    struct state *state = &run->engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = fn(run, err);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

/* What there was is noted with the sums. */
static enum ts_code tally(struct guard_run *run, struct ts_err *err)
{
    enum ts_code code = for_unchecked(run, tally_list, err);
    return code == TS_OK ? judge(run, err) : code;
}

static enum ts_code one_round(struct guard_run *run, bool *ret_some,
                              struct ts_err *err)
{
    run->sum_count = 0;
    run->loss_count = 0;
    memset(run->members_over, 0, sizeof run->members_over);
    enum ts_code code = intent_last_unchecked(run->mv, &run->last, err);
    *ret_some = code == TS_OK && run->last > 0;
    if (*ret_some) {
        code = in_transaction(run, tally, err);
    }
    return code == TS_OK && *ret_some ? for_unchecked(run, carry_list, err)
                                      : code;
}

/* Nothing to check, no hold, no approval: the usual idle cycle. */
static enum ts_code anything(struct guard_run *run, bool *ret_some,
                             struct ts_err *err)
{
    static const char sql[] =
        "SELECT EXISTS(SELECT 1 FROM intent WHERE batch = 0 AND clearance = 0) "
        "OR EXISTS(SELECT 1 FROM intent WHERE batch = 0 AND clearance > 1 AND "
        "clearance = 3) OR EXISTS(SELECT 1 FROM hold) "
        "OR EXISTS(SELECT 1 FROM approval)";
    int64_t some = 0;
    enum ts_code code = db_query_int(&run->mv->db, sql, &some, err);
    *ret_some = some != 0;
    return code;
}

enum ts_code guard_pass(struct engine_context *engine, struct ts_err *err)
{
    struct guard_run run = { .engine = engine,
                             .mv = engine->state.mv,
                             .now = ts_wall_seconds(),
                             .staging = staging_governs(engine) };
    bool some = false;
    if (atomic_load(&engine->stopping)) {
        return TS_OK; /* perhaps not all was decided: nothing is sent now */
    }
    enum ts_code code = vanished_pass(engine, err);
    if (code == TS_OK) {
        code = replaced_pass(engine, err);
    }
    if (code == TS_OK) {
        code = anything(&run, &some, err);
    }
    if (code != TS_OK || !some) {
        return code;
    }
    ts_arena_init(&run.arena, ENGINE_OBJECT_MEMORY);
    code = in_transaction(&run, guard_tidy, err);
    for (int i = 0; code == TS_OK && some && i < ROUNDS_MAX; i++) {
        code = one_round(&run, &some, err);
    }
    if (code == TS_OK) {
        code = in_transaction(&run, guard_note, err);
    }
    ts_arena_done(&run.arena);
    return code;
}
