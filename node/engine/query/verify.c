/*
 * verify: reads the whole target and compares it with the metaverse, object by
 * object and membership by membership. Writes nothing, here or there: what it
 * finds is put right by a full cycle, or by a person.
 *
 *   at the target                       in the metaverse      is
 *   joined to us                        in scope              compared
 *   joined to us                        left, to be deleted   unexpected
 *   carries the anchor of one of ours,  (the other is ours)   unexpected
 *   which is another object
 *   anything else                                             counted as others
 *   nothing                             in scope              missing
 *
 * A row of the ledger that no object of the metaverse and no hold accounts for
 * (target_space.h, L2) is told as "ledger".
 *
 * Memberships are compared between objects that both sides have: one that is
 * missing is told once, not again in each of its groups.
 */
#include "node/engine/leaver.h"
#include "node/engine/query/queries.h"
#include "node/metaverse/appointment.h"

#include "node/engine/compare.h"
#include "node/engine/deviation.h"
#include "node/engine/members.h"
#include "node/engine/observe.h"
#include "node/engine/orphan.h"
#include "node/engine/query/common.h"
#include "node/engine/seen.h"
#include "node/metaverse/target_space.h"
#include "proto/entry_codec.h"

#define DIFFERENCES_MAX 10000
#define NORMALISED_MAX  1000
#define WEIGHT_MAX      ((size_t) 32 * 1024 * 1024)
#define BREATHE         128 /* objects */

struct verification {
    struct engine_context *engine;
    struct metaverse *mv;
    const struct engine_reply *reply;
    struct ts_arena arena; /* of the object at hand */
    struct seen shown;     /* metaverse objects that the target has */
    json_t *differences, *normalised;
    size_t weight;
    bool cut;
    bool members_kept; /* of the object at hand: those that it was not sent */
    int64_t difference_count, normalised_count, compared, others, read, total;
};

/* The object at hand. */
struct subject {
    struct metaverse_object object;
    struct ts_slice name;
};

/* ---- what was found --------------------------------------------------- */

static json_t *found_document(const struct subject *subject,
                              struct ts_slice path)
{
    return json_pack("{s:s, s:o, s:o, s:o}", "kind",
                     query_kind(subject->object.kind), "anchor",
                     query_text(subject->object.anchor), "name",
                     query_text(subject->name), "path",
                     path.size > 0 ? query_text(path) : json_null());
}

/* Count `row`, and list it while there is room. Takes it over. */
static void list_row(struct verification *v, json_t *list, size_t max,
                     json_t *row)
{
    if (json_array_size(list) < max && v->weight < WEIGHT_MAX) {
        v->weight += query_weight(row);
        (void) json_array_append(list, row);
    } else {
        v->cut = true;
    }
    json_decref(row);
}

struct finding {
    const char *what;
    struct ts_slice path;
    json_t *ours, *theirs;
};

/* Takes the two lists over. */
static void differs(struct verification *v, const struct subject *subject,
                    struct finding finding)
{
    json_t *row = found_document(subject, finding.path);
    (void) json_object_set_new(row, "what", json_string(finding.what));
    (void) json_object_set_new(row, "ours", finding.ours);
    (void) json_object_set_new(row, "theirs", finding.theirs);
    v->difference_count++;
    list_row(v, v->differences, DIFFERENCES_MAX, row);
}

static void normalised(struct verification *v, const struct subject *subject,
                       const struct deviation *deviation)
{
    json_t *row = found_document(subject, deviation->path);
    (void) json_object_set_new(row, "sent", query_values(deviation->ours));
    (void) json_object_set_new(row, "stored", query_values(deviation->theirs));
    v->normalised_count++;
    list_row(v, v->normalised, NORMALISED_MAX, row);
}

static enum ts_code load_subject(struct verification *v, int64_t id,
                                 struct subject *subject, struct ts_err *err)
{
    enum ts_code code = object_get(v->mv, id, &v->arena, &subject->object, err);
    if (code == TS_OK) {
        subject->name =
            query_packed_name(subject->object.kind, subject->object.packed,
                              subject->object.anchor, &v->arena);
    }
    return code;
}

/* ---- values ----------------------------------------------------------- */

static enum ts_code compare_values(struct verification *v,
                                   const struct subject *subject,
                                   const struct target_row *row,
                                   const struct target_object *object,
                                   struct ts_err *err)
{
    struct ts_entry wanted;
    struct ts_entry sent;
    struct ts_entry seen = { .count = 0 };
    struct deviation *list = NULL;
    size_t count = 0;
    const struct deviation_view view = {
        .wanted = &wanted,
        .sent = &sent,
        .seen = row->seen.data != NULL ? &seen : NULL,
        .shown = &object->values,
    };
    bool kept = false;
    enum ts_code code =
        entry_unpack(subject->object.packed, &v->arena, &wanted, err);
    if (code == TS_OK) {
        code = leaver_kept(v->engine, row, &wanted, &kept, err);
    }
    if (code == TS_OK) {
        code = entry_unpack(row->sent, &v->arena, &sent, err);
    }
    if (code == TS_OK && view.seen != NULL) {
        code = entry_unpack(row->seen, &v->arena, &seen, err);
    }
    if (code == TS_OK) {
        code = deviation_of(&view, &v->arena, &list, &count, err);
    }
    for (size_t i = 0; i < count; i++) {
        if (list[i].normalised) {
            normalised(v, subject, &list[i]);
        } else {
            differs(v, subject,
                    (struct finding){ "attribute", list[i].path,
                                      query_values(list[i].ours),
                                      query_values(list[i].theirs) });
        }
    }
    return code;
}

/* What carries another anchor would not be found by its own again. */
static void compare_anchor(struct verification *v,
                           const struct subject *subject,
                           const struct target_object *object)
{
    struct ts_slice ours = subject->object.anchor;
    if (!ts_slice_equal(object->anchor, ours)) {
        differs(v, subject,
                (struct finding){
                    "attribute", ts_slice_str("externalId"), query_one(ours),
                    object->anchor.size > 0 ? query_one(object->anchor)
                                            : json_array() });
    }
}

/* Only where the rules flow the path: else the target was not asked. */
static void compare_active(struct verification *v,
                           const struct subject *subject, const char *ours,
                           const struct target_object *object)
{
    struct ts_slice path = ts_slice_str(TARGET_ACTIVE_PATH);
    const struct ts_attribute *theirs = ts_entry_find(&object->values, path);
    if (theirs != NULL && theirs->value_count == 1 &&
        !ts_slice_equal(theirs->values[0], ts_slice_str(ours))) {
        differs(v, subject,
                (struct finding){ "attribute", path, json_pack("[s]", ours),
                                  query_values(theirs) });
    }
}

/* ---- members ---------------------------------------------------------- */

/* The references of a kind that the target shows, or NULL. */
static const struct config_reference *reference_of(const struct config *config,
                                                   int kind, bool *ret_additive)
{
    for (uint32_t i = 0; i < config->rules_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        if ((int) rule->kind == kind && rule->references_count > 0) {
            *ret_additive = rule->members == CONFIG_MEMBERS_ADDITIVE;
            return &rule->references[0];
        }
    }
    return NULL;
}

static enum ts_code is_wanted(struct verification *v, int64_t owner,
                              struct ts_slice path, int64_t member,
                              bool *ret_wanted, struct ts_err *err)
{
    static const char sql[] = "SELECT 1 FROM reference WHERE owner_id = ?1 AND "
                              "path = ?2 AND member_id = ?3 AND wanted > 0";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        v->mv, sql, DB_VALUES(DB_INT(owner), DB_TEXT(path), DB_INT(member)),
        &row, err);
    *ret_wanted = code == TS_OK && row != NULL;
    if (*ret_wanted) {
        db_reset(row);
    }
    return code;
}

static void tell_stranger(struct verification *v, const struct subject *subject,
                          struct ts_slice path, struct ts_slice id)
{
    if (!v->members_kept && subject->object.kind == CONFIG_KIND_GROUP) {
        differs(
            v, subject,
            (struct finding){ "member", path, json_array(), query_one(id) });
    }
}

/* Members that the target shows: note them, and tell those it should not. */
static enum ts_code compare_shown(struct verification *v,
                                  const struct subject *subject,
                                  struct ts_slice path,
                                  const struct target_object *object,
                                  struct seen *members, struct ts_err *err)
{
    enum ts_code code = members_kept(v->engine, subject->object.kind,
                                     subject->object.id, &v->members_kept, err);
    for (size_t i = 0; code == TS_OK && i < object->link_count; i++) {
        int64_t member = 0;
        bool wanted = true;
        code = observe_member(v->mv, object->links[i], &member, err);
        if (code == TS_OK && member == 0) {
            tell_stranger(v, subject, path, object->links[i]);
        }
        if (code != TS_OK || member == 0) {
            continue;
        }
        if (!seen_add(members, member)) {
            code = ts_fail(err, TS_E_NOMEM, 0, "could not compare members");
        }
        if (code == TS_OK && !v->members_kept) {
            code = is_wanted(v, subject->object.id, path, member, &wanted, err);
        }
        if (code == TS_OK && !wanted) {
            struct metaverse_object theirs;
            code = object_get(v->mv, member, &v->arena, &theirs, err);
            if (code == TS_OK) {
                differs(v, subject,
                        (struct finding){ "member", path, json_array(),
                                          query_one(theirs.anchor) });
            }
        }
    }
    return code;
}

static enum ts_code compare_wanted(struct verification *v,
                                   const struct subject *subject,
                                   struct ts_slice path,
                                   const struct seen *members,
                                   struct ts_err *err)
{
    static const char sql[] =
        "SELECT r.member_id, m.anchor FROM reference r "
        "JOIN metaverse m ON m.id = r.member_id "
        "JOIN target_object t ON t.metaverse_id = r.member_id "
        "WHERE r.owner_id = ?1 AND r.path = ?2 AND r.wanted > 0";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        v->mv, sql, DB_VALUES(DB_INT(subject->object.id), DB_TEXT(path)), &stmt,
        err);
    while (db_next(&v->mv->db, stmt, &code, err)) {
        if (!seen_has(members, db_column_int(stmt, 0))) {
            differs(v, subject,
                    (struct finding){ "member", path,
                                      query_one(db_column(stmt, 1)),
                                      json_array() });
        }
    }
    return code;
}

static enum ts_code compare_members(struct verification *v,
                                    const struct subject *subject,
                                    const struct target_object *object,
                                    struct ts_err *err)
{
    struct seen members = { .words = NULL };
    bool additive = false;
    const struct config_reference *reference =
        reference_of(v->engine->config, subject->object.kind, &additive);
    if (reference == NULL || !object->links_known) {
        return TS_OK;
    }
    struct ts_slice path = ts_slice_str(reference->path);
    enum ts_code code = compare_shown(v, subject, path, object, &members, err);
    if (code == TS_OK) {
        code = compare_wanted(v, subject, path, &members, err);
    }
    seen_done(&members);
    return code;
}

/* ---- objects ---------------------------------------------------------- */

static enum ts_code compare_leaver_there(struct verification *v,
                                         const struct subject *subject,
                                         const struct target_object *object,
                                         struct ts_err *err)
{
    bool ours = false;
    int64_t due = 0; /* it stays until then */
    enum ts_code code = ledger_has(v->mv, subject->object.kind,
                                   subject->object.anchor, &ours, err);
    if (code != TS_OK || !ours) {
        v->others++;
        return code;
    }
    code = appointment_of(v->mv, subject->object.id, &due, err);
    if (code != TS_OK) {
        return code;
    }
    switch (compare_leaver(v->engine->config, subject->object.kind,
                           subject->object.presence)) {
    case CONFIG_LEAVER_DELETE:
        if (due == 0) {
            differs(v, subject,
                    (struct finding){ "unexpected", TS_SLICE_NONE, json_array(),
                                      query_one(object->id) });
        }
        break;
    case CONFIG_LEAVER_DEACTIVATE:
        compare_active(v, subject, "false", object);
        break;
    case CONFIG_LEAVER_KEEP:
        break;
    }
    return TS_OK;
}

static enum ts_code compare_joined(struct verification *v,
                                   const struct target_row *row,
                                   const struct target_object *object,
                                   struct ts_err *err)
{
    struct subject subject;
    enum ts_code code = load_subject(v, row->metaverse_id, &subject, err);
    if (code == TS_OK && !seen_add(&v->shown, row->metaverse_id)) {
        code = ts_fail(err, TS_E_NOMEM, 0, "could not compare the target");
    }
    if (code != TS_OK) {
        return code;
    }
    v->compared++;
    if (subject.object.presence != OBJECT_IN) {
        return compare_leaver_there(v, &subject, object, err);
    }
    compare_anchor(v, &subject, object);
    code = compare_values(v, &subject, row, object, err);
    return code == TS_OK ? compare_members(v, &subject, object, err) : code;
}

/* Not joined: somebody else's, unless it says that it is one of ours. */
static enum ts_code compare_stranger(struct verification *v,
                                     const struct target_object *object,
                                     struct ts_err *err)
{
    struct subject subject;
    struct target_row row;
    int64_t id = 0;
    bool twin = false;
    enum ts_code code = TS_OK;
    if (object->anchor.size > 0) {
        code = object_by_anchor(v->mv, (int) object->kind, object->anchor, &id,
                                err);
    }
    if (code == TS_OK && id > 0) {
        code = target_row_by_metaverse(v->mv, id, &v->arena, &row, &twin, err);
    }
    if (code == TS_OK && twin) {
        code = load_subject(v, id, &subject, err);
    }
    if (code == TS_OK && twin) {
        differs(v, &subject,
                (struct finding){ "unexpected", TS_SLICE_NONE, json_array(),
                                  query_one(object->id) });
    } else if (code == TS_OK) {
        v->others++;
    }
    return code;
}

static enum ts_code tell_progress(struct verification *v, struct ts_err *err)
{
    uint64_t done = (uint64_t) v->read;
    uint64_t total = (uint64_t) v->total;
    v->reply->progress(v->reply->context, engine_phase_name(ENGINE_VERIFY),
                       done, total);
    v->engine->breathe(v->engine->owner, ENGINE_VERIFY, done, total);
    return atomic_load(&v->engine->stopping)
               ? ts_fail(err, TS_E_CANCELLED, 0,
                         "could not verify the target: the daemon is stopping")
               : TS_OK;
}

static enum ts_code sink(void *context, const struct target_object *object,
                         struct ts_err *err)
{
    struct verification *v = context;
    struct target_row row;
    bool known = false;
    ts_arena_reset(&v->arena);
    enum ts_code code =
        target_row_by_id(v->mv, object->id, &v->arena, &row, &known, err);
    if (code == TS_OK) {
        code = known && row.metaverse_id > 0
                   ? compare_joined(v, &row, object, err)
                   : compare_stranger(v, object, err);
    }
    if (code == TS_OK && ++v->read % BREATHE == 0) {
        code = tell_progress(v, err);
    }
    return code;
}

/* ---- what is not there ------------------------------------------------ */

/* Objects in scope with ids above *last that were not shown; a chunk. */
static enum ts_code missing_chunk(struct verification *v, int64_t *last,
                                  bool *ret_more, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id FROM metaverse WHERE presence = 0 AND id > ?1 "
        "ORDER BY id LIMIT 1000";
    int64_t ids[ENGINE_CHUNK];
    size_t count = 0;
    sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        metaverse_query(v->mv, sql, DB_VALUES(DB_INT(*last)), &stmt, err);
    while (db_next(&v->mv->db, stmt, &code, err)) {
        ids[count++] = db_column_int(stmt, 0);
    }
    *ret_more = count > 0;
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        struct subject subject;
        *last = ids[i];
        if (seen_has(&v->shown, ids[i])) {
            continue;
        }
        ts_arena_reset(&v->arena);
        v->compared++;
        code = load_subject(v, ids[i], &subject, err);
        if (code == TS_OK) {
            differs(v, &subject,
                    (struct finding){ "missing", TS_SLICE_NONE, json_array(),
                                      json_array() });
        }
    }
    return code;
}

/* A row of the ledger for which nobody stands and that no hold shows. */
static void unaccounted(void *context, int kind, struct ts_slice anchor,
                        struct ts_slice target_id)
{
    const struct subject subject = {
        .object = { .kind = kind, .anchor = anchor }, .name = anchor
    };
    differs(context, &subject,
            (struct finding){ "ledger", TS_SLICE_NONE, json_array(),
                              query_one(target_id) });
}

static enum ts_code compare_all(struct verification *v, struct ts_err *err)
{
    int64_t last = 0;
    bool more = true;
    enum ts_code code = db_query_int(
        &v->mv->db, "SELECT count(*) FROM target_object", &v->total, err);
    if (code == TS_OK) {
        code = tell_progress(v, err);
    }
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        code = exporter_enumerate(v->engine->exporter, (enum config_kind) kind,
                                  sink, v, err);
    }
    while (code == TS_OK && more) {
        code = missing_chunk(v, &last, &more, err);
        if (code == TS_OK) {
            code = tell_progress(v, err);
        }
    }
    return code == TS_OK ? orphan_unaccounted(v->mv, unaccounted, v, err)
                         : code;
}

/* ---- the answer ------------------------------------------------------- */

/* The store against the sum that its journal promises. */
static enum ts_code verify_journal(struct verification *v, json_t **ret_journal,
                                   struct ts_err *err)
{
    struct journal_position position = { .seq = 0 };
    uint64_t rows = 0;
    enum ts_code code = state_verify(&v->engine->state, &position, &rows, err);
    if (code != TS_OK && code != TS_E_CORRUPT) {
        return code;
    }
    *ret_journal =
        json_pack("{s:b, s:I, s:I, s:s?}", "verified", code == TS_OK, "seq",
                  (json_int_t) position.seq, "rows", (json_int_t) rows, "why",
                  code == TS_OK ? NULL : err->text);
    return TS_OK;
}

static void answer(struct verification *v, bool target_was_read,
                   json_t *journal, struct request *request)
{
    bool equal = v->difference_count == 0;
    bool sound = json_is_true(json_object_get(journal, "verified"));
    json_t *result = json_pack(
        "{s:o, s:I, s:I, s:I, s:O, s:I, s:O, s:b, s:O}", "equal",
        target_was_read ? json_boolean(equal) : json_null(), "compared",
        (json_int_t) v->compared, "others", (json_int_t) v->others,
        "difference_count", (json_int_t) v->difference_count, "differences",
        v->differences, "normalized_count", (json_int_t) v->normalised_count,
        "normalized", v->normalised, "cut", v->cut, "journal", journal);
    request_finish(request, equal && sound ? 0 : 1, result, NULL);
}

/* A standby has no way to the target, and is asked about its rows only. */
void query_verify(struct engine *engine, struct request *request)
{
    struct verification v = { .engine = &engine->context,
                              .mv = engine->context.state.mv,
                              .reply = &request->reply,
                              .differences = json_array(),
                              .normalised = json_array() };
    json_t *journal = NULL;
    struct ts_err err;
    enum ts_code code = TS_OK;
    bool reads_target = engine->role != ENGINE_STANDBY;
    ts_arena_init(&v.arena, ENGINE_OBJECT_MEMORY);
    if (v.mv == NULL) {
        code = ts_fail(&err, TS_E_NOT_FOUND, 0,
                       "cannot verify the target: no source was read yet, so "
                       "nothing is known to compare with; run twinsync sync");
    }
    if (code == TS_OK && reads_target) {
        engine->in_a_cycle = true; /* nothing else uses the target */
        code = compare_all(&v, &err);
        engine->in_a_cycle = false;
        engine->context.breathe(engine->context.owner, ENGINE_IDLE, 0, 0);
    }
    if (code == TS_OK) {
        code = verify_journal(&v, &journal, &err);
    }
    if (code == TS_OK) {
        answer(&v, reads_target, journal, request);
    } else {
        request_fail(request, &err);
    }
    json_decref(journal);
    json_decref(v.differences);
    json_decref(v.normalised);
    seen_done(&v.shown);
    ts_arena_done(&v.arena);
}
