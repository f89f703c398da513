#include "node/engine/compare.h"
#include "node/engine/guard_run.h"
#include "node/metaverse/object.h"
#include "node/metaverse/stranger.h"

enum ts_code guard_members_lost(struct guard_run *run, int64_t owner, int kind,
                                int64_t *ret_members, struct ts_err *err)
{
    /* As reference_due counts what is due, without those who leave themselves,
     * those that are kept back because an attribute vanished, and a user's
     * reference that is only replaced. Whom others have put into a group of
     * ours is a member like any other; a user's stranger is the id of nobody.
     */
    static const char sql[] =
        "SELECT count(*) FROM reference r INDEXED BY reference_lost "
        "JOIN target_object t ON t.metaverse_id = r.member_id "
        "JOIN metaverse m ON m.id = r.member_id "
        "WHERE r.owner_id = ?1 AND r.wanted = 0 AND r.held = 1 "
        "AND NOT (m.presence <> 0 AND (t.active = 0 OR EXISTS(SELECT 1 FROM "
        "intent i WHERE i.metaverse_id = r.member_id AND i.verb IN (2, 4)))) "
        "AND NOT EXISTS(SELECT 1 FROM lost_attribute l WHERE l.metaverse_id "
        "IN (r.member_id, r.owner_id) AND l.confirmed = 1) "
        "AND NOT (?2 AND EXISTS(SELECT 1 FROM reference n WHERE n.owner_id = "
        "r.owner_id AND n.path = r.path AND n.wanted > 0))";
    _Static_assert(INTENT_DEACTIVATE == 2 && INTENT_DELETE == 4 &&
                       OBJECT_IN == 0,
                   "spelled in the statement");
    sqlite3_stmt *row = NULL;
    int64_t strangers = 0;
    enum ts_code code = metaverse_row(
        run->mv, sql,
        DB_VALUES(DB_INT(owner), DB_INT(kind != CONFIG_KIND_GROUP)), &row, err);
    *ret_members = 0;
    if (code == TS_OK && row != NULL) {
        *ret_members = db_column_int(row, 0);
        db_reset(row);
    }
    if (code == TS_OK && kind == CONFIG_KIND_GROUP) {
        code = stranger_count_lost(run->mv, owner, &strangers, err);
        *ret_members += strangers;
    }
    return code;
}

enum ts_code guard_members_taken(struct metaverse *mv,
                                 const struct export_op *op,
                                 int64_t *ret_members, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM metaverse m JOIN target_object t ON t.metaverse_id = "
        "m.id WHERE m.id = ?1 AND NOT (m.presence <> 0 AND (t.active = 0 OR "
        "EXISTS(SELECT 1 FROM intent i WHERE i.metaverse_id = m.id AND "
        "i.verb IN (2, 4))))";
    enum ts_code code = TS_OK;
    const int64_t *member = op->link_remove_members;
    size_t known = 0;
    *ret_members = 0;
    if (op->link_replaces) {
        return TS_OK;
    }
    for (; code == TS_OK && *member != 0; member++, known++) {
        sqlite3_stmt *row = NULL;
        code = metaverse_row(mv, sql, DB_VALUES(DB_INT(*member)), &row, err);
        if (row != NULL) {
            ++*ret_members;
            db_reset(row);
        }
    }
    if (op->op.link_remove_count > known) {
        *ret_members += (int64_t) (op->op.link_remove_count - known);
    }
    return code;
}

/* ---- budgets ---------------------------------------------------------------
 */

static struct spent_key all_of(int kind)
{
    return (struct spent_key){ .class = HOLD_MEMBERS, .kind = kind };
}

static struct hold_reason reason_for(const struct intent *intent, bool own)
{
    return (struct hold_reason){ .class = HOLD_MEMBERS,
                                 .kind = intent->kind,
                                 .detail =
                                     own ? intent->anchor : TS_SLICE_NONE };
}

static struct guard_loss *append_loss(struct guard_run *run)
{
    if (run->loss_count == run->loss_room) {
        size_t room = run->loss_room == 0 ? 64 : 2 * run->loss_room;
        struct guard_loss *more =
            ts_arena_array(&run->arena, room, sizeof *more);
        if (more == NULL) {
            return NULL;
        }
        if (run->loss_count > 0) {
            memcpy(more, run->losses, run->loss_count * sizeof *more);
        }
        run->losses = more;
        run->loss_room = room;
    }
    return &run->losses[run->loss_count++];
}

static enum ts_code judge_own(struct guard_run *run,
                              const struct intent *intent,
                              struct guard_loss *loss, struct ts_err *err)
{
    struct guard_budget budget;
    struct spent_key key = { .class = HOLD_MEMBERS,
                             .kind = intent->kind,
                             .subject = intent->anchor };
    enum ts_code code =
        guard_budget_of(run->engine, &key, loss->members, &budget, err);
    if (code == TS_OK) {
        loss->own = guard_budget_exceeded(&budget);
        code = guard_budget_note(run->engine, &budget, err);
    }
    return code;
}

enum ts_code guard_members_tally(struct guard_run *run,
                                 const struct intent *intent,
                                 struct ts_err *err)
{
    int64_t approved = 0;
    int64_t lost = 0;
    enum ts_code code =
        guard_members_lost(run, intent->metaverse_id, intent->kind, &lost, err);
    if (code == TS_OK && lost > 0) {
        code = guard_approved(run, intent, HOLD_MEMBERS, &approved, err);
    }
    if (code != TS_OK || lost <= approved) {
        return code;
    }
    struct guard_loss *loss = append_loss(run);
    if (loss == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not check what groups lose: out of memory");
    }
    *loss = (struct guard_loss){ .intent = intent->id,
                                 .kind = intent->kind,
                                 .members = lost - approved };
    return judge_own(run, intent, loss, err);
}

/* Of all groups together; what is over its own budget is held for itself. */
enum ts_code guard_members_judge(struct guard_run *run, struct ts_err *err)
{
    int64_t total[CONFIG_KINDS] = { 0 };
    enum ts_code code = TS_OK;
    for (size_t i = 0; i < run->loss_count; i++) {
        const struct guard_loss *loss = &run->losses[i];
        total[loss->kind] += loss->own ? 0 : loss->members;
    }
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        struct guard_budget budget;
        struct spent_key key = all_of(kind);
        struct hold_reason reason = { .class = HOLD_MEMBERS, .kind = kind };
        int64_t open = 0;
        if (total[kind] == 0) {
            continue;
        }
        code = hold_find(run->mv, &reason, &open, err);
        if (code == TS_OK && open == 0) {
            code =
                guard_budget_of(run->engine, &key, total[kind], &budget, err);
            if (code == TS_OK) {
                run->members_over[kind] = guard_budget_exceeded(&budget) ||
                                          run->engine->inherited.hold_deletions;
                code = guard_budget_note(run->engine, &budget, err);
            }
        } else {
            run->members_over[kind] = true;
        }
    }
    return code;
}

/* The losses are in the order of the intents. */
static const struct guard_loss *loss_of(const struct guard_run *run,
                                        const struct intent *intent)
{
    size_t low = 0;
    size_t high = run->loss_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run->losses[middle].intent < intent->id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < run->loss_count && run->losses[low].intent == intent->id
               ? &run->losses[low]
               : NULL;
}

const struct guard_loss *guard_members_over(const struct guard_run *run,
                                            const struct intent *intent)
{
    const struct guard_loss *loss = loss_of(run, intent);
    return loss != NULL && (loss->own || run->members_over[loss->kind]) ? loss
                                                                        : NULL;
}

/* ---- carrying out ----------------------------------------------------------
 */

enum ts_code guard_members_hold(struct guard_run *run,
                                const struct intent *intent,
                                const struct guard_loss *loss,
                                struct ts_err *err)
{
    struct hold_reason reason = reason_for(intent, loss->own);
    struct hold_item item = { .kind = intent->kind,
                              .anchor = intent->anchor,
                              .verb = intent->verb,
                              .amount = loss->members };
    struct ts_arena arena;
    int64_t id = 0;
    enum ts_code code = hold_open(run->mv, &reason, "", &id, err);
    if (code == TS_OK) {
        code = hold_add(run->mv, id, &item, err);
    }
    if (code == TS_OK) {
        code = intent_drop(run->mv, intent->id, err);
    }
    if (code != TS_OK) {
        return code;
    }
    /* From here on the removals do not count as due (REFERENCE_KEPT). */
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    code = compare_one(run->engine, intent->metaverse_id, &arena, err);
    ts_arena_done(&arena);
    return code;
}

enum ts_code guard_members_count(struct guard_run *run,
                                 const struct intent *intent,
                                 struct ts_err *err)
{
    const struct guard_loss *loss = loss_of(run, intent);
    if (loss == NULL) {
        return TS_OK;
    }
    struct spent_window window =
        spent_window_of(run->now, run->engine->config->guard.window_hours);
    struct spent_key own = { .class = HOLD_MEMBERS,
                             .kind = intent->kind,
                             .subject = intent->anchor };
    struct spent_key all = all_of(intent->kind);
    struct approval passed = { .kind = intent->kind,
                               .anchor = intent->anchor,
                               .verb = intent->verb,
                               .class = HOLD_MEMBERS,
                               .amount = loss->members,
                               .expires_at = run->now + HOLD_APPROVED_S };
    enum ts_code code = spent_add(run->mv, &own, &window, loss->members, err);
    if (code == TS_OK) {
        code = spent_add(run->mv, &all, &window, loss->members, err);
    }
    return code == TS_OK ? approval_put(run->mv, &passed, err) : code;
}

/* ---- what became of the items ----------------------------------------------
 */

static enum ts_code tidy_item(struct guard_run *run, int64_t hold,
                              const struct hold_item *item, struct ts_err *err)
{
    struct metaverse_object object = { .presence = OBJECT_GONE };
    int64_t owner = 0;
    int64_t lost = 0;
    int64_t approved = 0;
    struct ts_arena arena;
    enum ts_code code =
        object_by_anchor(run->mv, item->kind, item->anchor, &owner, err);
    if (code == TS_OK && owner > 0) {
        ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
        code = object_get(run->mv, owner, &arena, &object, err);
        ts_arena_done(&arena);
    }
    const struct intent like = { .kind = item->kind,
                                 .anchor = item->anchor,
                                 .verb = item->verb };
    if (code == TS_OK && object.presence == OBJECT_IN) {
        code = guard_members_lost(run, owner, item->kind, &lost, err);
    }
    if (code == TS_OK) {
        code = guard_approved(run, &like, HOLD_MEMBERS, &approved, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (lost <= approved) {
        run->dropped = true;
        return hold_drop(run->mv, hold, item->kind, item->anchor, err);
    }
    struct hold_item more = *item;
    more.amount = lost - approved;
    return hold_add(run->mv, hold, &more, err);
}

enum ts_code guard_members_tidy(struct guard_run *run, struct ts_err *err)
{
    static const int64_t everything[2] = { 0, INT64_MAX };
    struct hold *holds = NULL;
    size_t open_count = 0;
    enum ts_code code =
        hold_all(run->mv, 0, &run->arena, &holds, &open_count, err);
    for (size_t i = 0; code == TS_OK && i < open_count; i++) {
        int64_t items = 0;
        if (holds[i].reason.class != HOLD_MEMBERS) {
            continue;
        }
        code = hold_count(run->mv, holds[i].id, &items, err);
        size_t count = (size_t) items;
        struct hold_item *list =
            ts_arena_array(&run->arena, count, sizeof *list);
        if (code == TS_OK && list != NULL) {
            code = hold_items(run->mv, holds[i].id, everything, &run->arena,
                              list, &count, err);
        }
        for (size_t n = 0; code == TS_OK && list != NULL && n < count; n++) {
            code = tidy_item(run, holds[i].id, &list[n], err);
        }
    }
    return code;
}
