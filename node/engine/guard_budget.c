#include "node/engine/guard_budget.h"

#include <stdio.h>

#include "node/base/time.h"
#include "node/engine/compare.h"

/* ---- limits ---------------------------------------------------------------
 */

struct limit {
    int64_t number;
    const char *name; /* NULL: there is none */
};

/* The number that no percentage lifts. */
static struct limit absolute_limit(const struct config *config,
                                   const struct spent_key *key)
{
    const struct config_guard *guard = &config->guard;
    enum hold_class class = key->class;
    if (class == HOLD_EXITS) {
        class = compare_leaver(config, key->kind, OBJECT_OUT) ==
                        CONFIG_LEAVER_DELETE
                    ? HOLD_DELETES
                    : HOLD_DEACTIVATIONS;
    }
    const struct limit limits[HOLD_CLASSES] = {
        [HOLD_CREATES] = { .number = guard->creates, .name = "guard.creates" },
        [HOLD_DELETES] = { .number = guard->deletes, .name = "guard.deletes" },
        [HOLD_DEACTIVATIONS] = { .number = guard->deactivations,
                                 .name = "guard.deactivations" },
        [HOLD_KEYS] = { .number = guard->key_changes,
                        .name = "guard.key-changes" },
    };
    return limits[class];
}

static int64_t percent_of(const struct config_guard *guard,
                          enum hold_class class)
{
    return class == HOLD_MEMBERS ? guard->member_loss_percent : guard->percent;
}

/* ---- extents ---------------------------------------------------------------
 */

static enum ts_code count_of(struct metaverse *mv, const char *sql,
                             struct db_values values, int64_t *ret_count,
                             struct ts_err *err)
{
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(mv, sql, values, &row, err);
    if (code == TS_OK && row != NULL) {
        *ret_count = db_column_int(row, 0);
        db_reset(row);
    }
    return code;
}

/* What is there now. A user has at most one of each reference: all together
 * they are as many as there are users. */
static enum ts_code count_extent(struct metaverse *mv,
                                 const struct guard_budget *budget,
                                 int64_t *ret_extent, struct ts_err *err)
{
    static const char ledger_sql[] =
        "SELECT count(*) FROM ledger WHERE kind = ?1 AND provenance <> 2";
    static const char all_sql[] =
        "SELECT (SELECT count(*) FROM reference) + (SELECT count(*) FROM "
        "stranger)";
    static const char group_sql[] =
        "SELECT (SELECT count(*) FROM reference r WHERE r.owner_id = m.id AND "
        "r.held = 1) + (SELECT count(*) FROM stranger s WHERE s.owner_id = "
        "m.id) FROM metaverse m WHERE m.anchor = ?1 AND m.kind = ?2";
    const struct spent_key *key = &budget->key;
    enum ts_code code = TS_OK;
    if (key->class != HOLD_MEMBERS ||
        (key->subject.size == 0 && key->kind != CONFIG_KIND_GROUP)) {
        return count_of(mv, ledger_sql, DB_VALUES(DB_INT(key->kind)),
                        ret_extent, err);
    }
    if (key->subject.size == 0) {
        return count_of(mv, all_sql, DB_NO_VALUES, ret_extent, err);
    }
    code = count_of(mv, group_sql,
                    DB_VALUES(DB_TEXT(key->subject), DB_INT(key->kind)),
                    ret_extent, err);
    *ret_extent += budget->spent; /* they were there at the start */
    return code;
}

static enum ts_code find_extent(struct metaverse *mv,
                                struct guard_budget *budget, struct ts_err *err)
{
    bool noted = false;
    enum ts_code code = extent_of(mv, &budget->key, &budget->window,
                                  &budget->extent, &noted, err);
    if (code == TS_OK && !noted) {
        code = count_extent(mv, budget, &budget->extent_now, err);
        if (budget->extent < 0) {
            budget->extent = budget->extent_now;
        }
    }
    return code;
}

enum ts_code guard_budget_note(struct engine_context *engine,
                               const struct guard_budget *budget,
                               struct ts_err *err)
{
    return budget->extent_now < 0
               ? TS_OK
               : extent_note(engine->state.mv, &budget->key, &budget->window,
                             budget->extent_now, err);
}

/* ---- budgets ---------------------------------------------------------------
 */

static void lift(struct guard_budget *budget, int64_t number, const char *name)
{
    if (budget->limit == NULL || number > budget->allowed) {
        budget->allowed = number;
        budget->limit = name;
    }
}

enum ts_code guard_budget_of(struct engine_context *engine,
                             const struct spent_key *key, int64_t due,
                             struct guard_budget *ret_budget,
                             struct ts_err *err)
{
    const struct config_guard *guard = &engine->config->guard;
    struct limit absolute = absolute_limit(engine->config, key);
    struct guard_budget budget = {
        .key = *key,
        .window = spent_window_of(ts_wall_seconds(), guard->window_hours),
        .due = due,
        .extent = -1,
        .extent_now = -1,
    };
    enum ts_code code =
        spent_sum(engine->state.mv, key, &budget.window, &budget.spent, err);
    if (code == TS_OK && key->class != HOLD_CREATES) {
        int64_t always = guard->always_allowed;
        if (budget.spent + due > always) {
            code = find_extent(engine->state.mv, &budget, err);
        }
        if (budget.extent >= 0) {
            lift(&budget, budget.extent * percent_of(guard, key->class) / 100,
                 key->class == HOLD_MEMBERS ? "guard.member-loss-percent"
                                            : "guard.percent");
        }
        lift(&budget, always, "guard.always-allowed");
    }
    if (absolute.name != NULL &&
        (budget.limit == NULL || absolute.number < budget.allowed)) {
        budget.allowed = absolute.number;
        budget.limit = absolute.name;
    }
    *ret_budget = budget;
    return code;
}

enum ts_code guard_budget_of_hold(struct engine_context *engine,
                                  const struct hold *hold,
                                  struct guard_budget *ret_budget,
                                  struct ts_err *err)
{
    static const char sql[] =
        "SELECT ifnull(sum(i.amount), 0) FROM hold_item i JOIN hold h ON "
        "h.id = i.hold_id WHERE h.class = ?1 AND h.kind = ?2";
    const struct hold_reason *reason = &hold->reason;
    bool members = reason->class == HOLD_MEMBERS;
    const struct spent_key key = { .class = reason->class,
                                   .kind = reason->kind,
                                   .subject = members ? reason->detail
                                                      : TS_SLICE_NONE };
    int64_t amount = 0;
    int64_t all = 0;
    enum ts_code code = hold_amount(engine->state.mv, hold->id, &amount, err);
    all = amount;
    if (code == TS_OK && !members) {
        code = count_of(engine->state.mv, sql,
                        DB_VALUES(DB_INT(reason->class), DB_INT(reason->kind)),
                        &all, err);
    }
    if (code == TS_OK) {
        code = guard_budget_of(engine, &key, all, ret_budget, err);
        ret_budget->due = amount;
        ret_budget->beside = all - amount;
    }
    return code;
}

/* ---- sentences -------------------------------------------------------------
 */

#define NAME_MAX_BYTES 160

/* The beginning of `text` that ends between two characters. */
static int cut(struct ts_slice text)
{
    size_t size = text.size;
    if (size > NAME_MAX_BYTES) {
        size = NAME_MAX_BYTES;
        while (size > 0 && (text.data[size] & 0xC0) == 0x80) {
            size--;
        }
    }
    return (int) size;
}

static const char *plural(enum hold_class class, int kind, int64_t count)
{
    if (class == HOLD_MEMBERS) {
        return kind == CONFIG_KIND_GROUP ? count == 1 ? "member" : "members"
               : count == 1              ? "reference"
                                         : "references";
    }
    if (kind == CONFIG_KIND_GROUP) {
        return count == 1 ? "group" : "groups";
    }
    return count == 1 ? "user" : "users";
}

/* What members are lost by: "group "Staff"", "groups", "users". */
static void losers(const struct hold_reason *reason, struct ts_slice name,
                   char text[static HOLD_TEXT_MAX])
{
    if (reason->detail.size == 0) {
        (void) snprintf(text, HOLD_TEXT_MAX, "%s",
                        plural(HOLD_CREATES, reason->kind, 2));
    } else {
        (void) snprintf(text, HOLD_TEXT_MAX, "%s \"%.*s\"",
                        plural(HOLD_CREATES, reason->kind, 1), cut(name),
                        (const char *) name.data);
    }
}

static void what(const struct hold_reason *reason, int64_t due,
                 struct ts_slice name, char text[static HOLD_TEXT_MAX])
{
    static const char *const becomes[] = {
        [HOLD_CREATES] = "would be created",
        [HOLD_DELETES] = "would be deleted",
        [HOLD_DEACTIVATIONS] = "would be deactivated",
        [HOLD_EXITS] = "left the scope",
        [HOLD_KEYS] = "would get another value of an attribute that is unique",
    };
    const char *noun = plural(reason->class, reason->kind, due);
    char who[HOLD_TEXT_MAX];
    if (reason->class >= HOLD_MEMBERS) {
        losers(reason, name, who);
        (void) snprintf(text, HOLD_TEXT_MAX, "%.300s would lose %lld %s", who,
                        (long long) due, noun);
    } else if (reason->class == HOLD_EXITS && reason->detail.size > 0) {
        (void) snprintf(text, HOLD_TEXT_MAX,
                        "%lld %s left the scope because \"%.*s\" is no longer "
                        "true of them",
                        (long long) due, noun, cut(reason->detail),
                        (const char *) reason->detail.data);
    } else {
        (void) snprintf(text, HOLD_TEXT_MAX, "%lld %s %s", (long long) due,
                        noun, becomes[reason->class]);
    }
}

void guard_sentence(const struct hold_reason *reason,
                    const struct guard_budget *budget, struct ts_slice name,
                    const char *because, char text[static HOLD_TEXT_MAX])
{
    char begin[HOLD_TEXT_MAX];
    char passed[96] = "";
    int64_t hours = budget->window.now - budget->window.first;
    long long others = budget->spent + budget->beside;
    what(reason, budget->due, name, begin);
    if (because != NULL) {
        (void) snprintf(text, HOLD_TEXT_MAX, "%.400s: %s", begin, because);
        return;
    }
    if (budget->spent > 0 && budget->beside > 0) {
        (void) snprintf(passed, sizeof passed,
                        "with the %lld of other terms and the %lld that passed "
                        "before ",
                        (long long) budget->beside, (long long) budget->spent);
    } else if (budget->spent > 0 || budget->beside > 0) {
        (void) snprintf(passed, sizeof passed, "with the %lld %s ", others,
                        budget->spent > 0 ? "that passed before"
                                          : "of other terms");
    }
    (void) snprintf(text, HOLD_TEXT_MAX,
                    "%.400s: %smore than the %lld that %s allows in %lld "
                    "hour%s",
                    begin, passed, (long long) budget->allowed, budget->limit,
                    (long long) hours, hours == 1 ? "" : "s");
}
