#include "node/engine/compare.h"

#include "node/base/failpoint.h"
#include "node/engine/contest.h"
#include "node/engine/difference.h"
#include "node/engine/guard.h"
#include "node/engine/guard_key.h"
#include "node/engine/leaver.h"
#include "node/engine/match.h"
#include "node/engine/order.h"
#include "node/engine/unique.h"
#include "node/metaverse/indexes.h"
#include "node/metaverse/object.h"
#include "node/metaverse/problem.h"
#include "node/metaverse/stranger.h"
#include "node/metaverse/target_space.h"
#include "proto/entry_codec.h"

/* One object under comparison. */
struct comparison {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena *arena;
    struct metaverse_object object;
    struct target_row row;
    bool at_target;
    unsigned classes;    /* of the intent to be decided */
    struct ts_entry set; /* what it will send */
};

/* `after` is what the target is to have, packed. */
static enum ts_code decide(struct comparison *c, enum intent_verb verb,
                           enum intent_phase phase, struct ts_slice after,
                           struct ts_err *err)
{
    struct intent intent = {
        .phase = phase,
        .verb = verb,
        .kind = c->object.kind,
        .metaverse_id = c->object.id,
        .anchor = c->object.anchor,
        .target_id = c->at_target || verb == INTENT_ADOPT ? c->row.target_id
                                                          : TS_SLICE_NONE,
        .before =
            c->at_target ? ts_hash_of(c->row.sent) : ts_hash_of(TS_SLICE_NONE),
        .after = ts_hash_of(after),
        .classes = c->classes,
    };
    bool blocked = false;
    enum ts_code code = guard_clearance(c->engine, &c->object, &intent, err);
    if (code != TS_OK) {
        return code;
    }
    if (c->engine->problems_known) {
        code = problem_blocks(c->mv, intent.kind, intent.anchor, &intent.after,
                              &blocked, err);
    }
    if (code == TS_OK && !c->engine->target_empty) {
        code = intent_revoke(c->mv, intent.metaverse_id, err);
    }
    if (code == TS_OK && !blocked) {
        code = unique_decided(c->engine, &c->object, &c->set, err);
    }
    if (code != TS_OK || blocked) {
        return code;
    }
    intent.id = ++c->engine->state.numbers.intent;
    return intent_put(c->mv, &intent, err);
}

/* Nothing is to be written; what was being tried again has succeeded. */
static enum ts_code revoke(struct comparison *c, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    if (c->engine->problems_known) {
        code = problem_clear_tried(c->mv, c->object.kind, c->object.anchor,
                                   "unique", err);
        if (code == TS_OK) {
            code = problem_clear_tried(c->mv, c->object.kind, c->object.anchor,
                                       "export", err);
        }
    }
    return code == TS_OK ? intent_revoke(c->mv, c->object.id, err) : code;
}

/* ---- in scope --------------------------------------------------------------
 */

static enum ts_code decide_new(struct comparison *c, struct ts_err *err)
{
    struct ts_entry wanted = { .count = 0 };
    bool user = c->object.kind == CONFIG_KIND_USER;
    enum match_verdict verdict = MATCH_NONE;
    bool required = false;
    enum ts_code code = TS_OK;
    if (c->engine->free_objects || !c->engine->contested.none ||
        c->engine->problems_known) {
        code = entry_unpack(c->object.packed, c->arena, &wanted, err);
    }
    if (code == TS_OK) {
        code = c->engine->free_objects
                   ? match_free(c->engine, &c->object, &wanted, c->arena,
                                &c->row, &verdict, err)
                   : contest_over(c->engine, &c->object, NULL, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (verdict == MATCH_REFUSED) {
        return revoke(c, err);
    }
    if (code == TS_OK && verdict == MATCH_HARD &&
        !ts_slice_equal(c->row.anchor, c->object.anchor)) {
        c->object.anchor = c->row.anchor;
        code = object_take_anchor(c->mv, c->object.id, c->row.anchor, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (verdict != MATCH_NONE) {
        return decide(c, INTENT_ADOPT,
                      user ? INTENT_USER_UPDATE : INTENT_GROUP_UPDATE,
                      c->object.packed, err);
    }
    code = unique_withhold(c->engine, &c->object, &wanted, &required, err);
    if (code != TS_OK || required) {
        return code == TS_OK ? intent_revoke(c->mv, c->object.id, err) : code;
    }
    c->classes = INTENT_CLASS_CREATE;
    c->set = wanted;
    return decide(c, INTENT_CREATE,
                  user ? INTENT_USER_CREATE : INTENT_GROUP_CREATE,
                  c->object.packed, err);
}

/* Where something may have been refused, `*after` also stands for the links of
 * the next request: with others it is another one, and may be tried. */
static enum ts_code add_links_due(struct comparison *c, struct ts_slice *after,
                                  struct ts_err *err)
{
    size_t count = c->engine->links_max;
    struct reference_due *due = NULL;
    struct ts_hash *hash = NULL;
    if (!c->engine->problems_known) {
        return TS_OK;
    }
    due = ts_arena_array(c->arena, count, sizeof *due);
    hash = ts_arena_array(c->arena, 1, sizeof *hash);
    if (due == NULL || hash == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not compare an object with the target: it is too "
                       "large");
    }
    enum ts_code code =
        reference_due(c->mv, c->object.id, c->arena, due, &count, err);
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    ts_hasher_add_field(hasher, *after);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        uint8_t sign = due[i].add;
        ts_hasher_add(hasher, ts_slice(&sign, 1));
        ts_hasher_add_field(hasher, due[i].path);
        ts_hasher_add_field(hasher, due[i].target_id);
    }
    *hash = ts_hasher_end(hasher);
    ts_hasher_free(hasher);
    *after = ts_slice(hash->bytes, sizeof hash->bytes);
    return code;
}

static enum ts_code decide_update(struct comparison *c, struct ts_err *err)
{
    struct ts_entry wanted;
    struct ts_entry sent;
    struct difference difference;
    struct ts_slice after = TS_SLICE_NONE;
    bool adds = false;
    bool removes = false;
    bool required = false;
    bool kept = false;
    int64_t strangers = 0;
    enum ts_code code = entry_unpack(c->object.packed, c->arena, &wanted, err);
    if (code == TS_OK) {
        code = leaver_kept(c->engine, &c->row, &wanted, &kept, err);
    }
    if (code == TS_OK) {
        code = leaver_note(c->engine, &c->object, kept, err);
    }
    if (code == TS_OK) {
        code = unique_withhold(c->engine, &c->object, &wanted, &required, err);
    }
    if (code == TS_OK) {
        code = entry_unpack(c->row.sent, c->arena, &sent, err);
    }
    if (code == TS_OK) {
        code = difference_of(&wanted, &sent, c->arena, &difference, err);
    }
    if (code == TS_OK) {
        code = entry_pack(&difference.sent, c->arena, &after, err);
    }
    if (code == TS_OK) {
        code = reference_pending(c->mv, c->object.id, &adds, &removes, err);
    }
    if (code == TS_OK) {
        code = stranger_count_due(c->mv, c->object.id, &strangers, err);
    }
    if (code != TS_OK) {
        return code;
    }
    c->set = difference.set;
    bool user = c->object.kind == CONFIG_KIND_USER;
    /* A user's stranger is the id of nobody: its removal takes no reference
     * away, and waits for whoever is written in its place. */
    removes = removes || (strangers > 0 && !user);
    if (guard_key_changes(c->engine, c->object.kind, &difference.set, &sent)) {
        c->classes |= INTENT_CLASS_KEY;
    }
    if (!c->row.active && !kept &&
        ts_entry_find(&wanted, ts_slice_str(TARGET_ACTIVE_PATH)) == NULL) {
        return decide(c, INTENT_REACTIVATE, INTENT_USER_UPDATE, after, err);
    }
    /* Adopted by another value: from now on it carries our anchor. */
    bool stray = !ts_slice_equal(c->row.anchor, c->object.anchor);
    if (difference.set.count == 0 && !adds && !removes && strangers == 0 &&
        !stray) {
        return revoke(c, err);
    }
    /* What refers to somebody who leaves stops to, before he is deleted: not
     * every service does that by itself. References alone come last: they may
     * have had to wait for what they refer to. */
    enum intent_phase phase = INTENT_GROUP_UPDATE;
    if (removes) {
        phase = INTENT_UNLINK;
        c->classes |= INTENT_CLASS_MEMBERS;
    } else if (user && difference.set.count > 0) {
        phase = INTENT_USER_UPDATE;
    }
    code = add_links_due(c, &after, err);
    return code == TS_OK ? decide(c, INTENT_UPDATE, phase, after, err) : code;
}

/* ---- leaving ---------------------------------------------------------------
 */

enum config_leaver compare_leaver(const struct config *config, int kind,
                                  enum object_presence presence)
{
    const struct config_deprovision *policy = &config->deprovision;
    if (kind == CONFIG_KIND_GROUP) {
        return policy->group;
    }
    return presence == OBJECT_OUT ? policy->out_of_scope : policy->user;
}

static enum ts_code decide_leaver(struct comparison *c, struct ts_err *err)
{
    enum ledger_provenance provenance;
    bool ours = false;
    enum ts_code code = ledger_get(c->mv, c->object.kind, c->object.anchor,
                                   &ours, &provenance, err);
    if (code == TS_OK && c->engine->problems_known) {
        code = problem_clear(c->mv, c->object.kind, c->object.anchor, "unique",
                             err); /* it wants no value any more */
    }
    if (code != TS_OK) {
        return code;
    }
    if (!c->at_target || !ours) {
        code = revoke(c, err);
        /* The target was seen not to have it (L1). */
        if (code == TS_OK && ours && !c->at_target &&
            provenance != LEDGER_FOUND) {
            code = ledger_remove(c->mv, c->object.kind, c->object.anchor, err);
        }
        if (code == TS_OK && !c->at_target &&
            c->object.presence == OBJECT_GONE) {
            code = object_remove(c->mv, c->object.id, err);
        }
        return code;
    }
    bool gone = c->object.presence == OBJECT_GONE;
    bool found = provenance == LEDGER_FOUND;
    enum leaver_step step = LEAVER_NOTHING;
    code = leaver_note(c->engine, &c->object, false, err);
    if (code == TS_OK) {
        code = leaver_decide(c->engine, &c->object, &c->row, &step, err);
    }
    if (code != TS_OK) {
        return code;
    }
    switch (step) {
    case LEAVER_DELETE:
        c->classes = order_leaving(INTENT_DELETE, found, gone);
        return decide(c, INTENT_DELETE, INTENT_LEAVE, TS_SLICE_NONE, err);
    case LEAVER_DEACTIVATE:
        c->classes = order_leaving(INTENT_DEACTIVATE, found, gone);
        return decide(c, INTENT_DEACTIVATE, INTENT_LEAVE, TS_SLICE_NONE, err);
    case LEAVER_NOTHING:
        /* An operator named it, and the policy does nothing yet: from now on
         * it is a leaver like others. */
        code = found ? ledger_put(c->mv, c->object.kind, c->object.anchor,
                                  c->row.target_id, LEDGER_ADOPTED, err)
                     : TS_OK;
        if (code != TS_OK) {
            return code;
        }
        break;
    }
    return revoke(c, err);
}

/* ---- one object, and all that are due ---------------------------------------
 */

enum ts_code compare_one(struct engine_context *engine, int64_t metaverse_id,
                         struct ts_arena *arena, struct ts_err *err)
{
    struct comparison c = { .engine = engine,
                            .mv = engine->state.mv,
                            .arena = arena };
    bool exists = false;
    bool doubt = false;
    enum ts_code code = TS_OK;
    if (!engine->target_empty) {
        code = intent_of(c.mv, metaverse_id, &exists, &doubt, err);
    }
    if (code != TS_OK || doubt) {
        return code; /* K1: what is found out will bring us back here */
    }
    code = object_get(c.mv, metaverse_id, arena, &c.object, err);
    if (code == TS_OK && !engine->target_empty) {
        code = target_row_by_metaverse(c.mv, metaverse_id, arena, &c.row,
                                       &c.at_target, err);
    }
    bool matches = c.object.presence == OBJECT_IN && !c.at_target;
    if (code == TS_OK && !matches) {
        code = contest_over(engine, &c.object, NULL, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (c.object.presence != OBJECT_IN) {
        return decide_leaver(&c, err);
    }
    code = leaver_returned(engine, metaverse_id, err);
    if (code != TS_OK) {
        return code;
    }
    return c.at_target ? decide_update(&c, err) : decide_new(&c, err);
}

/* Fill `ids` (of ENGINE_CHUNK) from a query whose first column is an id. */
static enum ts_code read_ids(struct metaverse *mv, const char *sql,
                             struct db_values values, int64_t *ids,
                             size_t *ret_count, struct ts_err *err)
{
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    enum ts_code code = metaverse_query(mv, sql, values, &stmt, err);
    while (n < ENGINE_CHUNK && db_next(&mv->db, stmt, &code, err)) {
        ids[n++] = db_column_int(stmt, 0);
    }
    db_reset(stmt);
    *ret_count = n;
    return code;
}

static enum ts_code compare_ids(struct engine_context *engine,
                                const int64_t *ids, size_t count,
                                int64_t compared, struct ts_err *err)
{
    struct ts_arena arena;
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = compare_one(engine, ids[i], &arena, err);
        ts_arena_reset(&arena);
    }
    ts_arena_done(&arena);
    if (code != TS_OK) {
        state_rollback(&engine->state);
        return code;
    }
    engine->state.numbers.compared = compared;
    code = state_commit(&engine->state, err);
    TS_FAILPOINT(INTENTS_DURABLE);
    return code;
}

static enum ts_code compare_changed(struct engine_context *engine,
                                    size_t *ret_count, struct ts_err *err)
{
    static const char sql[] = "SELECT id FROM metaverse WHERE changed > ?1 "
                              "ORDER BY changed LIMIT 1000";
    static const char last_sql[] =
        "SELECT changed FROM metaverse WHERE id = ?1";
    struct metaverse *mv = engine->state.mv;
    int64_t ids[ENGINE_CHUNK];
    enum ts_code code =
        read_ids(mv, sql, DB_VALUES(DB_INT(engine->state.numbers.compared)),
                 ids, ret_count, err);
    if (code != TS_OK || *ret_count == 0) {
        return code;
    }
    sqlite3_stmt *row = NULL;
    code = metaverse_row(mv, last_sql, DB_VALUES(DB_INT(ids[*ret_count - 1])),
                         &row, err);
    if (code != TS_OK || row == NULL) {
        return code;
    }
    int64_t last = db_column_int(row, 0);
    db_reset(row);
    return compare_ids(engine, ids, *ret_count, last, err);
}

/* Owners of references that are due and can be told, without an intent yet. */
static enum ts_code compare_references(struct engine_context *engine,
                                       int64_t *after, size_t *ret_count,
                                       struct ts_err *err)
{
    static const char sql[] =
        "SELECT DISTINCT r.owner_id "
        "FROM reference r INDEXED BY reference_due "
        "JOIN target_object o ON o.metaverse_id = r.owner_id "
        "JOIN target_object t ON t.metaverse_id = r.member_id "
        "WHERE (r.wanted > 0) <> r.held AND r.owner_id > ?1 "
        "AND (r.wanted > 0 OR NOT " REFERENCE_KEPT ") "
        "AND link_allowed(r.owner_id, r.path, r.member_id, r.wanted > 0) "
        "AND NOT EXISTS "
        "(SELECT 1 FROM intent i WHERE i.metaverse_id = r.owner_id) "
        "ORDER BY r.owner_id LIMIT 1000";
    int64_t ids[ENGINE_CHUNK];
    enum ts_code code = read_ids(
        engine->state.mv, sql, DB_VALUES(DB_INT(*after)), ids, ret_count, err);
    if (code != TS_OK || *ret_count == 0) {
        return code;
    }
    *after = ids[*ret_count - 1];
    return compare_ids(engine, ids, *ret_count, engine->state.numbers.compared,
                       err);
}

/* What spares lookups for each object: is there anything to be found? */
static enum ts_code look_around(struct engine_context *engine,
                                struct ts_err *err)
{
    struct db *db = &engine->state.mv->db;
    int64_t some = 0;
    /* Spelled as the partial indexes are, so that no table is read. */
    enum ts_code code = db_query_int(
        db,
        "SELECT EXISTS(SELECT 1 FROM target_object WHERE anchor <> '' AND "
        "metaverse_id IS NULL) OR EXISTS(SELECT 1 FROM target_object WHERE "
        "match_value <> '' AND metaverse_id IS NULL)",
        &some, err);
    engine->free_objects = some != 0;
    if (code == TS_OK) {
        code = db_query_int(db,
                            "SELECT EXISTS(SELECT 1 FROM target_object) OR "
                            "EXISTS(SELECT 1 FROM intent)",
                            &some, err);
        engine->target_empty = engine->state.building && some == 0;
    }
    if (code == TS_OK) {
        code = unique_expect(engine, engine->target_empty ? INT64_MAX : 0, err);
    }
    if (code == TS_OK && !engine->target_empty) {
        code = indexes_make(engine->state.mv, "intent", err);
    }
    if (code == TS_OK) {
        code = db_query_int(db, "SELECT EXISTS(SELECT 1 FROM object_error)",
                            &some, err);
        engine->problems_known = some != 0;
    }
    if (code == TS_OK) {
        code =
            db_query_int(db, "SELECT EXISTS(SELECT 1 FROM hold)", &some, err);
        engine->holds_known = some != 0;
    }
    return code;
}

enum ts_code compare_due(struct engine_context *engine, uint64_t *ret_intents,
                         struct ts_err *err)
{
    int64_t before = engine->state.numbers.intent;
    int64_t owner = 0;
    size_t count = 0;
    uint64_t done = 0;
    enum ts_code code = look_around(engine, err);
    *ret_intents = 0;
    if (code != TS_OK) {
        return code;
    }
    do {
        code = compare_changed(engine, &count, err);
        done += count;
        engine->breathe(engine->owner, ENGINE_COMPARE, done, 0);
    } while (code == TS_OK && count > 0 && !atomic_load(&engine->stopping));
    bool nobody_there = engine->target_empty;
    engine->target_empty = false;
    do {
        count = 0;
        if (code == TS_OK && !nobody_there) {
            code = compare_references(engine, &owner, &count, err);
        }
    } while (code == TS_OK && count > 0 && !atomic_load(&engine->stopping));
    *ret_intents = (uint64_t) (engine->state.numbers.intent - before);
    return code;
}
