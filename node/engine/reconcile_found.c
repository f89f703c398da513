#include "node/engine/reconcile_found.h"

#include "node/engine/inherit.h"
#include "node/engine/query/common.h"
#include "node/metaverse/object.h"

/* ---- noted while the target is read -----------------------------------------
 */

enum ts_code reconcile_found_note(struct engine_context *engine,
                                  enum reconcile_noted what,
                                  int64_t metaverse_id, struct ts_err *err)
{
    struct reconcile_found *found = engine->found;
    return found == NULL || metaverse_id <= 0 ||
                   seen_add(&found->noted[what], metaverse_id)
               ? TS_OK
               : ts_fail(err, TS_E_NOMEM, 0,
                         "could not note what differs at the target: out of "
                         "memory");
}

/* ---- names ------------------------------------------------------------------
 */

/* Cut before a character, never within one. */
static json_t *short_text(struct ts_slice text)
{
    if (text.size > RECONCILE_NAME_MAX) {
        text.size = RECONCILE_NAME_MAX;
        while (text.size > 0 && (text.data[text.size] & 0xC0) == 0x80) {
            text.size--;
        }
    }
    return query_text(text);
}

void reconcile_name(json_t **list, int kind, struct ts_slice anchor,
                    struct ts_slice packed)
{
    struct ts_arena arena;
    if (*list == NULL) {
        *list = json_array();
    }
    if (json_array_size(*list) >= RECONCILE_NAMES_MAX) {
        return;
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    struct ts_slice name = query_packed_name(kind, packed, anchor, &arena);
    (void) json_array_append_new(
        *list, json_pack("{s:s, s:o, s:o}", "kind", query_kind(kind), "anchor",
                         short_text(anchor), "name", short_text(name)));
    ts_arena_done(&arena);
}

/* ---- counting ---------------------------------------------------------------
 */

static enum pass_class class_of(const struct reconcile_found *found, int64_t id,
                                enum intent_verb verb)
{
    static const enum pass_class by_verb[INTENT_VERBS] = {
        [INTENT_CREATE] = PASS_CREATED,     [INTENT_UPDATE] = PASS_CHANGED,
        [INTENT_DEACTIVATE] = PASS_DELETED, [INTENT_REACTIVATE] = PASS_CHANGED,
        [INTENT_DELETE] = PASS_DELETED,     [INTENT_ADOPT] = PASS_ADOPTED,
        [INTENT_PARK] = PASS_CHANGED,
    };
    static const enum pass_class by_note[RECONCILE_NOTED] = {
        [RECONCILE_NOTED_EDITED] = PASS_EDITED,
        [RECONCILE_NOTED_MISSING] = PASS_MISSING,
        [RECONCILE_NOTED_MEMBERS] = PASS_MEMBERS,
    };
    static const enum reconcile_noted order[RECONCILE_NOTED] = {
        RECONCILE_NOTED_MISSING,
        RECONCILE_NOTED_EDITED,
        RECONCILE_NOTED_MEMBERS,
    };
    for (size_t i = 0; i < RECONCILE_NOTED; i++) {
        if (seen_has(&found->noted[order[i]], id)) {
            return by_note[order[i]];
        }
    }
    return by_verb[verb];
}

/* One more of `class`: the object of a row {verb, kind, metaverse id, anchor}.
 */
static enum ts_code count_row(struct engine_context *engine,
                              struct reconcile_found *found, sqlite3_stmt *row,
                              const enum pass_class *class, struct ts_err *err)
{
    int kind = (int) db_column_int(row, 1);
    int64_t id = db_column_int(row, 2);
    enum pass_class as =
        class != NULL
            ? *class
            : class_of(found, id, (enum intent_verb) db_column_int(row, 0));
    struct metaverse_object object = { .packed = TS_SLICE_NONE };
    struct ts_arena arena;
    enum ts_code code = TS_OK;
    found->counts.count[as]++;
    if (json_array_size(found->names[as]) >= RECONCILE_NAMES_MAX) {
        return TS_OK;
    }
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    code = object_get(engine->state.mv, id, &arena, &object, err);
    if (code == TS_OK || code == TS_E_NOT_FOUND) {
        reconcile_name(&found->names[as], kind, db_column(row, 3),
                       object.packed);
        code = TS_OK;
    }
    ts_arena_done(&arena);
    return code;
}

static enum ts_code count_rows(struct engine_context *engine,
                               struct reconcile_found *found, const char *sql,
                               const enum pass_class *class, struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        code = count_row(engine, found, stmt, class, err);
    }
    db_reset(stmt);
    return code;
}

enum ts_code reconcile_found_decided(struct engine_context *engine,
                                     struct reconcile_found *found,
                                     struct ts_err *err)
{
    static const char sql[] = "SELECT verb, kind, metaverse_id, anchor FROM "
                              "intent WHERE batch = 0 AND clearance = 1";
    return count_rows(engine, found, sql, NULL, err);
}

/* Those that are quarantined wait for an operator. */
enum ts_code reconcile_found_sent(struct engine_context *engine,
                                  struct reconcile_found *found,
                                  struct ts_err *err)
{
    static const char sql[] =
        "SELECT verb, kind, metaverse_id, anchor FROM intent WHERE (batch > 0 "
        "OR clearance <= 1) AND NOT EXISTS(SELECT 1 FROM object_error e WHERE "
        "e.kind = intent.kind AND e.anchor = intent.anchor AND e.stage = "
        "'" INHERIT_STAGE "')";
    static const enum pass_class unsettled = PASS_UNSETTLED;
    enum ts_code code = count_rows(engine, found, sql, &unsettled, err);
    found->counts.carried_out = code == TS_OK;
    return code;
}

/* ---- telling ----------------------------------------------------------------
 */

json_t *reconcile_found_document(unsigned pass,
                                 const struct reconcile_found *found)
{
    json_t *classes = json_array();
    for (int i = 0; i < PASS_CLASSES; i++) {
        enum pass_class class = (enum pass_class) i;
        if (found->counts.count[i] == 0) {
            continue;
        }
        (void) json_array_append_new(
            classes,
            json_pack("{s:s, s:I, s:b, s:O?}", "class", pass_class_name(class),
                      "count", (json_int_t) found->counts.count[i], "open",
                      passes_counts(pass, class), "objects", found->names[i]));
    }
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:o}", "pass", (json_int_t) pass, "source",
        (json_int_t) found->source, "target", (json_int_t) found->target,
        "found", (json_int_t) passes_open(pass, &found->counts), "young",
        (json_int_t) passes_young(pass, &found->counts), "classes", classes);
}

void reconcile_found_done(struct reconcile_found *found)
{
    for (int i = 0; i < RECONCILE_NOTED; i++) {
        seen_done(&found->noted[i]);
    }
    for (int i = 0; i < PASS_CLASSES; i++) {
        json_decref(found->names[i]);
    }
    *found = (struct reconcile_found){ .source = 0 };
}
