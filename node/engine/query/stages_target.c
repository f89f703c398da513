/* The stages that `show` tells of the target: what is there, whose it is, what
 * is to be written, and what went wrong. */
#include "node/engine/query/show.h"

#include <stdio.h>

#include "node/engine/deviation.h"
#include "node/engine/leaver.h"
#include "node/engine/query/common.h"
#include "proto/entry_codec.h"

/* ---- problems that were noted
 * ------------------------------------------------------------ */

static bool belongs(struct ts_slice noted, const char *const *stages)
{
    for (; *stages != NULL; stages++) {
        if (ts_slice_equal(noted, ts_slice_str(*stages))) {
            return true;
        }
    }
    return false;
}

/* Those of `stages` (ends in NULL); *ret_retry is the earliest retry. */
enum ts_code show_noted(struct showing *s, const char *const *stages,
                        json_t *document, int64_t *ret_retry,
                        struct ts_err *err)
{
    static const char sql[] =
        "SELECT stage, path, text, retry_at FROM object_error WHERE kind IN "
        "(0, 1) AND anchor = ?1 ORDER BY retry_at";
    struct ts_slice anchor = s->in_metaverse     ? s->object.anchor
                             : s->part_count > 0 ? s->parts[0].object.anchor
                                                 : TS_SLICE_NONE;
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    enum ts_code code =
        metaverse_query(s->mv, sql, DB_VALUES(DB_TEXT(anchor)), &stmt, err);
    while (code == TS_OK && row) {
        code = db_step(&s->mv->db, stmt, &row, err);
        if (code != TS_OK || !row || !belongs(db_column(stmt, 0), stages)) {
            continue;
        }
        char text[sizeof s->why];
        struct ts_slice sentence = db_column(stmt, 2);
        show_problem(document, db_column(stmt, 1), sentence);
        *ret_retry = *ret_retry > 0 ? *ret_retry : db_column_int(stmt, 3);
        (void) snprintf(text, sizeof text, "%.*s", TS_SLICE_ARGS(sentence));
        show_because(s, SHOW_REFUSED, text);
        (void) json_object_set_new(document, "state", json_string("problem"));
    }
    return code;
}

/* ---- target
 * ------------------------------------------------------------------------------
 */

static enum ts_code add_deviations(struct showing *s,
                                   const struct ts_entry *shown,
                                   json_t *document, struct ts_err *err)
{
    struct ts_entry sent;
    struct deviation *list = NULL;
    size_t count = 0;
    const struct deviation_view view = {
        .wanted = &s->values, .sent = &sent, .seen = shown, .shown = shown
    };
    bool kept = false;
    enum ts_code code = entry_unpack(s->row.sent, &s->arena, &sent, err);
    if (code == TS_OK) {
        code = leaver_kept(s->engine, &s->row, &s->values, &kept, err);
    }
    if (code == TS_OK) {
        code = deviation_of(&view, &s->arena, &list, &count, err);
    }
    for (size_t i = 0; i < count; i++) {
        if (!list[i].normalised) {
            show_difference(document, list[i].path, query_values(list[i].ours),
                            query_values(list[i].theirs));
        }
    }
    return code;
}

static enum ts_code add_due_references(struct showing *s, json_t *document,
                                       struct ts_err *err)
{
    static const char sql[] =
        "SELECT r.path, m.anchor, r.wanted > 0 FROM reference r "
        "JOIN metaverse m ON m.id = r.member_id WHERE r.owner_id = ?1 AND "
        "(r.wanted > 0) <> r.held ORDER BY r.path, r.member_id LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        s->mv, sql, DB_VALUES(DB_INT(s->object.id), DB_INT(SHOW_LINKS_MAX)),
        &stmt, err);
    while (db_next(&s->mv->db, stmt, &code, err)) {
        json_t *member = query_one(db_column(stmt, 1));
        bool add = db_column_int(stmt, 2) != 0;
        show_difference(document, db_column(stmt, 0),
                        add ? member : json_array(),
                        add ? json_array() : member);
    }
    return code;
}

static enum ts_code compare_with_target(struct showing *s,
                                        const struct ts_entry *shown,
                                        json_t *document, struct ts_err *err)
{
    if (s->object.presence != OBJECT_IN) {
        return TS_OK;
    }
    enum ts_code code = add_deviations(s, shown, document, err);
    if (code == TS_OK) {
        code = add_due_references(s, document, err);
    }
    if (json_object_get(document, "differences") != NULL) {
        (void) json_object_set_new(document, "state", json_string("different"));
        show_because(s, SHOW_DIFFERENT,
                     "the target has other values than it should; the next "
                     "cycle decides what to write");
    }
    return code;
}

enum ts_code show_target(struct showing *s, struct ts_err *err)
{
    struct ts_entry shown;
    if (!s->at_target) {
        if (s->object.presence == OBJECT_IN) {
            (void) show_stage(s, "target", "missing");
            show_because(s, SHOW_DIFFERENT,
                         "the target does not have it; the next cycle decides "
                         "what to write");
        }
        return TS_OK;
    }
    bool known = s->row.seen.data != NULL;
    enum ts_code code =
        entry_unpack(known ? s->row.seen : s->row.sent, &s->arena, &shown, err);
    if (code != TS_OK) {
        return code;
    }
    json_t *document = show_stage(s, "target", "ok");
    show_fact(document, "id", query_text(s->row.target_id));
    show_fact(document, "etag",
              s->row.etag.size > 0 ? query_text(s->row.etag) : json_null());
    show_fact(document, "deactivated", json_boolean(!s->row.active));
    show_fact(document, "read back", json_boolean(known));
    for (size_t i = 0; i < shown.count; i++) {
        show_value(document, shown.attributes[i].name,
                   query_values(&shown.attributes[i]), NULL);
    }
    static const char *const stages[] = { "foreign", NULL };
    int64_t ignored = 0;
    code = show_noted(s, stages, document, &ignored, err);
    return code == TS_OK ? compare_with_target(s, &shown, document, err) : code;
}

/* ---- ledger, intents
 * --------------------------------------------------------------------- */

enum ts_code show_ledger(struct showing *s, struct ts_err *err)
{
    static const char sql[] =
        "SELECT provenance, since FROM ledger WHERE kind = ?1 AND anchor = ?2";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        s->mv, sql,
        DB_VALUES(DB_INT(s->object.kind), DB_TEXT(s->object.anchor)), &row,
        err);
    if (code != TS_OK || (row == NULL && !s->at_target)) {
        return code;
    }
    json_t *document = show_stage(s, "ledger", row != NULL ? "ok" : "missing");
    if (row != NULL) {
        show_fact(document, "provenance",
                  json_string(ledger_provenance_name(db_column_int(row, 0))));
        show_fact(document, "since", query_time(db_column_int(row, 1)));
        db_reset(row);
    }
    return TS_OK;
}

static void explain_intent(struct showing *s, const char *verb, bool doubt,
                           enum intent_clearance clearance)
{
    char text[sizeof s->why];
    const char *rest = "is decided and not written yet; the next cycle writes "
                       "it";
    if (clearance == INTENT_STAGED) {
        rest = "is staged: it waits for a plan; see twinsync preview, then "
               "twinsync sync --plan HASH";
    } else if (clearance == INTENT_HELD) {
        rest = "is held back until somebody approves it; see twinsync hold "
               "list";
    }
    if (doubt) {
        (void) snprintf(text, sizeof text,
                        "the answer to its last %s was lost; it is looked up "
                        "before anything else is written",
                        verb);
    } else {
        (void) snprintf(text, sizeof text, "its %s %s", verb, rest);
    }
    show_because(s, doubt ? SHOW_DOUBT : SHOW_DUE, text);
}

enum ts_code show_intents(struct showing *s, struct ts_err *err)
{
    static const char sql[] = "SELECT verb, batch > 0, doubt_since, clearance "
                              "FROM intent WHERE metaverse_id = ?1";
    static const char *const stages[] = { "match", "export", NULL };
    sqlite3_stmt *row = NULL;
    int64_t retry = 0;
    enum ts_code code =
        metaverse_row(s->mv, sql, DB_VALUES(DB_INT(s->object.id)), &row, err);
    if (code != TS_OK) {
        return code;
    }
    json_t *document = show_stage(s, "intents", row != NULL ? "waiting" : "ok");
    if (row != NULL) {
        int64_t number = db_column_int(row, 0);
        const char *verb = number < INTENT_VERBS
                               ? intent_verb_name((enum intent_verb) number)
                               : "?";
        bool doubt = db_column_int(row, 1) != 0;
        show_fact(document, "verb", json_string(verb));
        show_fact(document, "in_doubt", json_boolean(doubt));
        show_fact(document, "since", query_time(db_column_int(row, 2)));
        enum intent_clearance clearance =
            (enum intent_clearance) db_column_int(row, 3);
        show_fact(document, "staged",
                  json_boolean(!doubt && clearance == INTENT_STAGED));
        show_fact(document, "held",
                  json_boolean(!doubt && clearance == INTENT_HELD));
        db_reset(row);
        explain_intent(s, verb, doubt, clearance);
    }
    code = show_noted(s, stages, document, &retry, err);
    if (retry > 0) {
        show_fact(document, "next_retry", query_time(retry));
    }
    return code;
}
